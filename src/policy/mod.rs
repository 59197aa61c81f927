//! The decision point: a policy, a call and what is known about the caller in, a verdict out.

mod facts;
mod rule;
mod verdict;

pub use facts::{Fact, Facts, NoLinks, ResolvePath};
pub use rule::*;
pub use verdict::{Acting, By, Effect, FailMode, Match, Mode, Verdict};
