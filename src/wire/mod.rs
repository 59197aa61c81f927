//! Bytes in, frames out: the strict JSON pass, the tolerant look at a server's lines, and the frames that callgate
//! writes itself.
//!
//! Refuses to decide what may pass. Invariant: what [`read()`] accepts means the same to every reader that follows
//! RFC 8259, and nothing here re-serialises a frame that came from outside.

mod canonical;
pub mod events;
mod frame;
mod glance;
mod id;
mod json;
mod lines;
mod malformed;
pub mod mcp;
mod reply;
mod skip;
mod strict;
mod string;
pub mod text;

pub use canonical::{write_canonical, write_canonical_members};
pub use frame::{Frame, Message, read};
pub use glance::{Glance, GlanceKind, Holds, glance, glance_batch};
pub use id::{Id, IdKey};
pub use json::{Elements, Json, JsonKind, Members};
pub use lines::{Line, Lines};
pub use malformed::{Fault, Malformed};
pub use reply::{ask_by_result, elicitation, log_message, progress, refusal, taken_back, tool_result};
pub use text::{fold, has_invisible, kept, shown, shown_within};

/// Deepest nesting of a frame, its own braces included: where serde and the SDKs built on it still follow.
pub const MAX_DEPTH: usize = 127;
/// Longest batch. Arbitrary: far above what any client sends, low enough that a frame of the largest size stays cheap.
pub const MAX_BATCH: usize = 1024;

#[cfg(test)]
mod tests;
