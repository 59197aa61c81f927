//! Where bytes come from and go to: the host's standard streams, the server's process, a server behind a URL.

pub mod child;
mod http;
mod kernel;
pub mod peer;
pub mod remote;
mod sse;
pub mod stdio;
mod trouble;
