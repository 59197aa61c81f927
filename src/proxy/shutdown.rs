//! The life of a run and its orderly end.
//!
//! Common clients escalate to signals after two seconds, so from the moment bytes stop moving until callgate is
//! gone less than that may pass: one second of silence, then SIGTERM, then SIGKILL.
//!
//! Invariant: whichever end goes first, the server's group is gone when this returns.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::driver::Gate;
use super::signals::Asked;
use crate::clock::now;
use crate::guard::Side;
use crate::transport::peer::{Gone, Peer};
use crate::transport::stdio::Inlet;

/// Silence after which an end that was told to finish is taken to have finished.
pub(super) const SILENCE: Duration = Duration::from_secs(1);
/// The same for a server that has exited: something else may still hold its stdout.
const SILENCE_OF_THE_DEAD: Duration = Duration::from_millis(100);
/// A server that keeps talking after its client has gone is not listened to for longer.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);
/// From the first sign of the end to the last record written, where the rest leaves so much time.
const WHOLE_END: Duration = Duration::from_millis(1_800);
/// What the audit store gets in any case to write what is queued.
const STORE_PATIENCE: Duration = Duration::from_millis(300);

/// What set the end off.
enum End {
    /// The host closed its end or asked for the end by a signal.
    Client,
    /// The server closed its stdout.
    Server,
    /// The server has gone.
    Gone(Option<Gone>),
}

/// How a run ended.
pub(super) struct Life {
    /// The exit code: the server's if it ended by itself, 128 and its signal where that was one, as shells have it;
    /// 0 where it was told to end.
    pub code: i32,
    /// How long the audit store may still take to write what is queued.
    pub store_patience: Duration,
}

/// Nothing has moved for a while.
pub(super) struct Quiet;

/// Pumps both directions until an end comes, then ends the rest.
pub(super) async fn live(
    gate: &Gate,
    from_client: &mut Inlet,
    from_server: &mut Inlet,
    peer: &mut Peer,
    asked: &mut Asked,
) -> Life {
    let end = tokio::select! {
        gone = gate.pump(Side::Client, from_client) => End::from(gone),
        gone = gate.pump(Side::Server, from_server) => End::from(gone),
        gone = peer.gone() => End::Gone(gone),
        () = gate.to_client.broken() => End::Client,
        () = asked.comes() => End::Client,
    };
    let began_us = now().steady_us;
    let (gone, patience) = match end {
        End::Client => farewell(gate, from_server, peer, asked).await,
        End::Server => (timeout(SILENCE, peer.gone()).await.ok().flatten(), SILENCE),
        End::Gone(gone) => {
            last_words(gate, from_server).await;
            (gone, SILENCE)
        }
    };
    let told = peer.end().await;
    let words = gone.or(told).map_or_else(|| "exit status unknown".to_owned(), |gone| gone.to_string());
    let outbox = gate.evidence.session.borrow_mut().server_gone(&words, now());
    gate.perform(outbox).await;
    tokio::select! {
        () = gate.to_client.flushed() => {}
        _ = gate.silence(patience) => {}
    }
    let code = gone.map_or(0, Gone::code);
    let used = Duration::from_micros(now().steady_us.saturating_sub(began_us));
    Life { code, store_patience: WHOLE_END.saturating_sub(used).max(STORE_PATIENCE) }
}

impl From<Side> for End {
    fn from(gone: Side) -> Self {
        match gone {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }
}

/// The host has gone: the server gets what is queued and the end of its stdin, and a while to finish. Its status if
/// it did, and how much longer a silent host is waited for.
async fn farewell(
    gate: &Gate,
    from_server: &mut Inlet,
    peer: &mut Peer,
    asked: &mut Asked,
) -> (Option<Gone>, Duration) {
    let outbox = gate.evidence.session.borrow_mut().client_gone(now());
    gate.perform(outbox).await;
    let close = async {
        gate.to_server.flushed().await;
        gate.to_server.close();
    };
    // A server that can say nothing more is told of the end all the same.
    let finish = async {
        tokio::join!(close, gate.pump(Side::Server, from_server));
        std::future::pending::<()>().await;
    };
    let (gone, patience) = tokio::select! {
        gone = peer.gone() => (gone, SILENCE),
        () = finish => (None, SILENCE),
        // The host has been silent for as long.
        _ = gate.silence(SILENCE) => (None, SILENCE_OF_THE_DEAD),
        () = sleep(LONGEST_FAREWELL) => (None, SILENCE),
        () = asked.comes() => (None, SILENCE_OF_THE_DEAD),
    };
    if gone.is_some() {
        last_words(gate, from_server).await;
    }
    (gone, patience)
}

/// Bytes that an exited server has left in its pipe.
async fn last_words(gate: &Gate, from_server: &mut Inlet) {
    tokio::select! {
        _ = gate.pump(Side::Server, from_server) => {}
        _ = gate.silence(SILENCE_OF_THE_DEAD) => {}
    }
}
