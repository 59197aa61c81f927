//! Bytes in, frames out: newline framing, the strict JSON pass, and the frames that callgate writes itself.

mod json;
mod malformed;
pub mod text;

pub use json::Json;
pub use malformed::{Fault, Malformed};
