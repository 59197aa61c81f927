//! The one integration binary: what the parts do together, and that the house stays tidy.
//!
//! It refuses to be many binaries: each would be linked on its own, and each would need its own support.
//!
//! Invariant: every file beside this one is a module here; `tidy` fails on a forgotten one.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails should stop at once and say where; deadlines need a clock"
)]

mod agentdojo;
mod alerts;
mod approvals;
mod asked;
mod audit;
mod catalog;
mod commands;
mod conformance;
mod cookbook;
mod demo;
mod ends;
mod explain;
mod fail_modes;
mod files;
mod history;
mod holds;
mod hostile_frames;
mod hostile_http;
mod http_life;
mod includes;
mod keys;
mod life;
mod modes;
mod parsers;
mod pins;
mod real_parts;
mod regression;
mod reload;
mod remote;
mod secrets;
mod serve;
mod shell_commands;
mod sql;
mod status;
mod support;
mod tidy;
mod transparency;
mod transports;
mod warnings;
