//! `callgate`: a policy sidecar for the Model Context Protocol.
pub mod call;
pub mod cli;
pub mod clock;
pub mod guard;
pub mod policy;
pub mod proxy;
pub mod record;
pub mod settings;
pub mod store;
pub mod transport;
pub mod wire;
