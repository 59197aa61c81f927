//! The life of a session of the face, and its orderly end.
//!
//! It refuses to leave anything behind. Invariant: when this returns the server is gone, the records are written, and
//! every stream has ended.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::link::{Ask, Link, Over, Word};
use super::stream::End;
use super::upstream::{FromServer, Life};
use crate::clock::now;

/// Silence after which an exited server has said everything: something else may still hold its stdout.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long a server that was told of the end is listened to.
const FAREWELL: Duration = Duration::from_secs(1);
/// What the audit store gets to write what is queued.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What a session hears.
pub(super) struct Ears {
    /// From requests.
    pub asks: mpsc::Receiver<Ask>,
    /// From the face.
    pub words: mpsc::UnboundedReceiver<Word>,
    /// Of readers that have gone.
    pub went: mpsc::UnboundedReceiver<u64>,
    /// From the server.
    pub from: FromServer,
    /// The server itself.
    pub life: Life,
}

/// Runs a session until it ends. `leave` is called once nobody may find it any more, `idle` is how long it may rest.
pub(super) async fn live(link: Link, ears: Ears, idle: Duration, leave: impl FnOnce()) {
    let Ears { mut asks, mut words, mut went, mut from, mut life } = ears;
    let over = tokio::select! {
        biased;
        over = link.obey(&mut words) => over,
        over = link.miss_readers(&mut went) => over,
        over = link.hear_clients(&mut asks) => over,
        over = link.hear_server(&mut from) => over,
        status = life.exited() => Over::Exited(status),
        over = link.rest(idle) => over,
        never = link.attend() => match never {},
        never = link.show() => match never {},
        never = link.to.drain() => match never {},
    };
    leave();
    drop((asks, words));
    let end = if matches!(over, Over::Asked) { End::Closed } else { End::ServerGone };
    let told = match over {
        Over::Asked => {
            farewell(&link, &mut from, &mut life).await;
            life.end().await
        }
        Over::Silent => life.end().await,
        Over::Exited(status) => {
            while let Ok(Some(said)) = timeout(LAST_WORDS, from.next()).await {
                link.hear(said).await;
            }
            life.end().await;
            status
        }
    };
    let outbox = link.evidence.session.borrow_mut().server_gone(&told, now());
    let outbox = link.evidence.before(outbox).await;
    link.perform(outbox, None);
    link.streams.end_all(end);
    close(link).await;
}

/// The server gets what is queued and its end, and a while to finish.
async fn farewell(link: &Link, from: &mut FromServer, life: &mut Life) {
    let outbox = link.evidence.session.borrow_mut().client_gone(now());
    let outbox = link.evidence.before(outbox).await;
    link.perform(outbox, None);
    let finish = async {
        link.to.close().await;
        link.hear_server(from).await;
    };
    tokio::select! {
        () = finish => {}
        _ = life.exited() => {}
        () = sleep(FAREWELL) => {}
        never = link.to.drain() => match never {},
    }
}

/// Writing may wait for a lock: not on the thread that serves the others.
async fn close(link: Link) {
    let say = link.evidence.say;
    let store = link.evidence.store.into_inner();
    let finished = tokio::task::spawn_blocking(move || store.finish(STORE_PATIENCE)).await;
    let unwritten = finished.map_or(0, |finished| finished.unwritten);
    if unwritten > 0 {
        say(&format!("{unwritten} audit records could not be written before the end of a session"));
    }
}
