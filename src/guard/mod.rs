//! The enforcement point without I/O: what leaves, what is refused, and what is recorded of it.
//!
//! Read [`Session`] first, then `client.rs` and `server.rs` for the two directions, `exchange.rs` for the way of
//! one governed frame, and `refusal.rs` for the frame that says no.

mod alerts;
mod answer;
mod asked;
mod batch;
mod catalog;
mod changes;
mod client;
mod effect;
mod ended;
mod exchange;
mod flight;
mod hidden;
mod hold;
mod holds;
mod in_host;
mod past;
mod pins;
mod question;
mod refusal;
mod remember;
mod ruling;
mod server;
mod session;
mod tasks;
mod together;
mod unrecorded;
mod warn;
mod within;

#[cfg(test)]
mod tests;

pub use alerts::Routes;
pub use answer::Answer;
pub use effect::{Outbox, Passing, Way};
pub use flight::MOST_IN_FLIGHT;
pub use hold::{Approval, Earlier, Heard, Like, OnTimeout, Ruling, Taken};
pub use past::{Alone, Elsewhere, Written};
pub use pins::{Pinned, Pins};
pub use refusal::{About, BlockResponse, Cause, REFUSED, Refusal, Shape};
pub use server::noise;
pub use session::{FilterTools, Opening, Session, Side, Terms, Through};
