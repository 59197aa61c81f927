//! Turns sources into inputs of the [`Session`] and performs its effects in order; it decides nothing.
//!
//! Both directions are futures on one thread around one session that is never borrowed across an await. A chunk's
//! whole lines share one commit and one write.
//!
//! Invariant: bytes of an outbox that must be committed first leave after the commit, or by the session's leave.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::alarms::alarms;
use super::evidence::Evidence;
use super::reload::{Reloads, Watching};
use super::shutdown::{self, Quiet, SILENCE};
use super::signals::{Hangups, Signals};
use super::waiting::Waiting;
use crate::alert::Sender;
use crate::clock::now;
use crate::guard::{Outbox, Session, Side, Through};
use crate::record::Record;
use crate::store::Store;
use crate::transport::peer::Peer;
use crate::transport::stdio::{Inlet, Outlet};

/// The streams between which the driver stands.
pub struct Ends {
    /// From the host.
    pub from_client: Inlet,
    /// To the host.
    pub to_client: Outlet,
    /// From the server.
    pub from_server: Inlet,
    /// To the server.
    pub to_server: Outlet,
    /// The server.
    pub peer: Peer,
}

/// What one run of the sidecar consists of.
pub struct Run {
    /// The session.
    pub session: Session,
    /// The audit store.
    pub store: Store,
    /// What happens though no byte moves.
    pub waiting: Waiting,
    /// What the reload thread has to say.
    pub reloads: Arc<Reloads>,
    /// Keeps the reload thread going; SIGHUP asks it to look.
    pub watching: Option<Watching>,
    /// What is listened to since before the server was started.
    pub signals: Signals,
    /// Where lines for people go: stderr.
    pub say: fn(&str),
    /// Where alerts go.
    pub alerts: Arc<Sender>,
}

/// Everything both directions share.
pub(super) struct Gate {
    pub evidence: Evidence,
    alerts: Arc<Sender>,
    reloads: Arc<Reloads>,
    bell: RefCell<watch::Receiver<()>>,
    pub to_client: Outlet,
    pub to_server: Outlet,
    /// Chunks moved so far, by which the shutdown tells movement from silence.
    pub moved: Cell<u64>,
}

/// Runs until either end has gone and the other is done. The exit code: the server's, if it ended by itself.
pub async fn drive(run: Run, ends: Ends) -> i32 {
    let Ends { mut from_client, to_client, mut from_server, to_server, mut peer } = ends;
    let Signals { mut asked, mut hangups } = run.signals;
    let gate = Gate {
        evidence: Evidence {
            session: RefCell::new(run.session),
            store: RefCell::new(run.store),
            waiting: run.waiting,
            say: run.say,
        },
        alerts: run.alerts,
        bell: RefCell::new(run.reloads.bell()),
        reloads: run.reloads,
        to_client,
        to_server,
        moved: Cell::new(0),
    };
    let life = {
        let drains = async {
            tokio::select! {
                never = gate.to_client.drain() => never,
                never = gate.to_server.drain() => never,
            }
        };
        let life = shutdown::live(&gate, &mut from_client, &mut from_server, &mut peer, &mut asked);
        tokio::select! {
            life = life => life,
            never = gate.follow_reloads(run.watching.as_ref(), &mut hangups) => match never {},
            never = gate.follow_people() => match never {},
            never = gate.evidence.show() => match never {},
            never = drains => match never {},
        }
    };
    let unwritten = gate.evidence.store.into_inner().finish(life.store_patience).unwritten;
    if unwritten > 0 {
        (run.say)(&format!("{unwritten} audit records could not be written before the end"));
    }
    life.code
}

impl Gate {
    /// One direction, until an end has gone: which one.
    pub async fn pump(&self, from: Side, inlet: &mut Inlet) -> Side {
        let to = match from {
            Side::Client => &self.to_server,
            Side::Server => &self.to_client,
        };
        loop {
            tokio::select! {
                biased;
                () = to.room() => {}
                () = self.abandoned(inlet), if from == Side::Client => return from,
            }
            // A host that no longer reads has gone; a server that no longer reads may still have something to say.
            if from == Side::Server && to.is_broken() {
                return Side::Client;
            }
            let Ok(Some(chunk)) = inlet.read().await else { return from };
            self.moved.set(self.moved.get() + 1);
            self.adopt();
            let through = self.evidence.session.borrow_mut().through(from);
            if let Through::Tee(withheld) = through {
                to.send(&withheld);
                to.send(chunk);
            }
            let outbox = self.evidence.session.borrow_mut().bytes(from, chunk, now());
            self.perform(outbox).await;
        }
    }

    /// Resolves when the client has gone and nothing moves: a server that does not read would keep its end from us,
    /// because that stands behind bytes for which there is no room.
    async fn abandoned(&self, from: &Inlet) {
        loop {
            self.silence(SILENCE).await;
            if from.is_hung_up() {
                return;
            }
        }
    }

    /// Performs effects in order: what must be committed is committed, then bytes leave, then the rest is queued.
    pub async fn perform(&self, outbox: Outbox) {
        let outbox = self.evidence.before(outbox).await;
        self.let_out(outbox);
    }

    fn let_out(&self, outbox: Outbox) {
        self.to_client.send(&outbox.to_client);
        self.to_server.send(&outbox.to_server);
        self.evidence.after(outbox);
    }

    /// Never resolves: does what there is to do about calls that wait for people.
    async fn follow_people(&self) -> Infallible {
        loop {
            let outbox = self.evidence.due().await;
            self.let_out(outbox);
        }
    }

    /// Never resolves: takes over each new policy even while no byte moves, and passes SIGHUP on.
    async fn follow_reloads(&self, watching: Option<&Watching>, hangups: &mut Hangups) -> Infallible {
        let mut bell = self.reloads.bell();
        loop {
            tokio::select! {
                _ = bell.changed() => self.adopt(),
                () = hangups.comes() => {
                    if let Some(watching) = watching {
                        watching.look();
                    }
                }
            }
        }
    }

    /// Takes over what the reload thread has published since the last look.
    fn adopt(&self) {
        let mut bell = self.bell.borrow_mut();
        if !bell.has_changed().unwrap_or(false) {
            return;
        }
        bell.mark_unchanged();
        for reload in self.reloads.take() {
            let store = self.evidence.store.borrow();
            let notice = Record::Notice(reload.notice());
            let alarms = alarms(&reload, &self.alerts);
            if let Some(loaded) = reload.loaded {
                store.policy(loaded.source, loaded.assignments);
                self.evidence.session.borrow_mut().adopt(loaded.config.terms());
            }
            (self.evidence.say)(&reload.text);
            store.queue(vec![notice]);
            for alarm in alarms {
                store.alarm(alarm);
            }
        }
        self.evidence.stir();
    }

    /// A moment of silence: resolves once nothing has moved for `patience`.
    pub async fn silence(&self, patience: Duration) -> Quiet {
        loop {
            let before = self.progress();
            tokio::time::sleep(patience).await;
            if self.progress() == before {
                return Quiet;
            }
        }
    }

    fn progress(&self) -> (u64, usize, usize) {
        (self.moved.get(), self.to_server.queued(), self.to_client.queued())
    }
}
