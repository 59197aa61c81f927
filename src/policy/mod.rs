//! The decision point: a policy, a call and what is known about the caller in, a verdict out.

mod change;
pub(crate) mod compile;
pub mod diagnostic;
mod evaluate;
mod example;
mod facts;
mod globs;
mod index;
mod lint;
mod matcher;
mod paths;
mod pointer;
mod predicate;
mod protected;
mod reason;
mod redact;
mod regexes;
mod rule;
pub(crate) mod schema;
mod self_protection;
mod stance;
#[cfg(test)]
mod tests;
mod verdict;
mod world;

pub use change::{Change, assignments, weakens};
pub use compile::revision;
pub use diagnostic::{Diagnostic, Paint, Place};
pub use example::{Tried, run_examples};
pub use facts::{Fact, Facts, NoLinks, ResolvePath};
pub use globs::Globs;
pub use protected::Protected;
pub use redact::{Keep, Redacted, Redactor};
pub use regexes::Regexes;
pub use rule::*;
pub use schema::units::{duration_ms, size_bytes};
pub use stance::Stance;
pub use verdict::{Acting, By, Effect, FailMode, Match, Mode, Verdict};
pub use world::World;
