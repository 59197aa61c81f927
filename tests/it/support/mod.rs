//! What integration tests share: real parts, processes with deadlines, hostile frames, parsers.
//!
//! It refuses to judge: support starts, sends, waits and reports; what is right is said by the tests.
//!
//! Invariant: nothing here waits without a deadline, and no process outlives the value that stands for it.

pub mod corpus;
pub mod face;
pub mod frames;
pub mod gates;

pub mod home;
pub mod parsers;
pub mod parts;
pub mod process;
pub mod record;
pub mod serving;
pub mod source;
pub mod web;
