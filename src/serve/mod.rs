//! The HTTP face: callgate for agents that are not on stdio.
//!
//! ```text
//!  connection ─▶ paths ─▶ door, key, scope ─▶ mcp ─▶ Posted ─▶ Link (one session) ◀─▶ Upstream (its server)
//!    listen                 │ no                │                │  guard, store
//!                           ▼                   ▼                ▼
//!                        Refused             Refused        Stream ─▶ Reader ─▶ the response
//! ```
//!
//! Every server of `mcp.toml` is reached at `/mcp/NAME`, in the sessions of 2025-03-26 to 2025-11-25 and without any in
//! 2026-07-28. Each session is a guard with a store and a server of its own, driven by a task of its own; requests only
//! speak to it over channels. It refuses to serve without a key. Invariant: one thread runs all sessions, and nothing
//! on it waits for a reader, a disk or another session.
//!
//! Reading order: `listen`, `paths`, `door`, `mcp`, `posted`, `face`, then `link`, `routes`, `streams`, `ending`.

mod agents;
mod body;
mod check;
mod door;
mod ending;
mod face;
mod headers;
mod link;
mod listen;
mod mcp;
mod paths;
mod posted;
mod problem;
mod refused;
mod rest;
mod routes;
mod stream;
mod streams;
mod tally;
mod upstream;

pub use check::Check;
pub use door::is_host;
pub use face::{Current, Foundation, Ground};
pub use listen::{Listening, serve};
