//! Where bytes come from and go to: the host's standard streams and the server's process.

pub mod child;
mod kernel;
pub mod stdio;
