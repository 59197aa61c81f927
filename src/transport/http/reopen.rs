//! Another session in place of one that the server has forgotten (2025-03-26, "Session Management": a client that
//! gets 404 must start anew).
//!
//! It refuses to tell the client, who has had its answer. Invariant: a session counts as reopened once the server has
//! answered `initialize` and taken `notifications/initialized`.

use bytes::Bytes;

use super::exchange::Exchange;
use super::link::Session;
use super::outgoing::{Kind, Outgoing};
use crate::transport::trouble::Trouble;

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Opens a session with the client's own `initialize`; `exchange` has no client as its audience.
pub(super) async fn reopen(mut exchange: Exchange, opening: Outgoing) -> Result<Session, Trouble> {
    let lost = exchange.session.epoch;
    exchange.quietly(opening).await?;
    if exchange.session.epoch == lost {
        return Err(Trouble::session_lost(&exchange.link.url));
    }
    exchange.quietly(initialized()).await?;
    Ok(exchange.session)
}

/// Says that the session is open, as the client once did.
pub(in crate::transport) fn initialized() -> Outgoing {
    Outgoing {
        body: Bytes::from_static(INITIALIZED),
        asks: Vec::new(),
        kind: Kind::Initialized,
        replayed: true,
    }
}
