//! The decision point: a policy, a call and what is known about the caller in, a verdict out.

pub mod diagnostic;
mod facts;
mod rule;
mod verdict;

pub use diagnostic::{Diagnostic, Paint, Place};
pub use facts::{Fact, Facts, NoLinks, ResolvePath};
pub use rule::*;
pub use verdict::{Acting, By, Effect, FailMode, Match, Mode, Verdict};
