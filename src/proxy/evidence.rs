//! Evidence before action: what every driver does with an outbox before and after its bytes leave.
//!
//! It refuses to send anything. Invariant: where an outbox must be committed first, [`Evidence::before`] returns after
//! the commit, or with what the session lets out without it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use super::waiting::Waiting;
use crate::guard::{Outbox, Session};
use crate::record::Record;
use crate::store::{NotNow, Store};

/// How long an enforced call waits for a store that another process keeps locked.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// A session and the store that keeps what it records.
pub struct Evidence {
    /// The session, never borrowed across an await.
    pub session: RefCell<Session>,
    /// Its store.
    pub store: RefCell<Store>,
    /// What happens though no byte moves.
    pub waiting: Waiting,
    /// Where lines for people go: stderr.
    pub say: fn(&str),
}

impl Evidence {
    /// Makes sure that what must be in the store is there: the bytes of what comes back may leave.
    pub async fn before(&self, mut outbox: Outbox) -> Outbox {
        if let Some(info) = outbox.session.take() {
            self.store.borrow().session(info);
        }
        if outbox.commit_first { self.committed(outbox).await } else { outbox }
    }

    /// Tells people what there is to tell, and queues the records that nobody waits for.
    pub fn after(&self, outbox: Outbox) {
        for line in &outbox.say {
            (self.say)(line);
        }
        if !outbox.records.is_empty() {
            self.store.borrow().queue(outbox.records);
        }
        self.stir();
    }

    /// To be called where the session changed otherwise: a call may have something to wait for, or nothing any more.
    pub fn stir(&self) {
        self.waiting.stir(&self.session.borrow());
    }

    /// Resolves with what there is to do though no byte moves: somebody ruled on a call that waits, or time has passed.
    pub async fn due(&self) -> Outbox {
        self.before(self.waiting.next(&self.session).await).await
    }

    /// Never resolves: people who look at questions see what waits. To be kept going, for who asks would be cut off.
    pub async fn show(&self) -> Infallible {
        self.waiting.show(&self.session).await
    }

    /// Commits here and now; by the writer's thread where another process holds the lock.
    async fn committed(&self, mut outbox: Outbox) -> Outbox {
        let records = std::mem::take(&mut outbox.records);
        let result = self.store.borrow_mut().commit_now(records);
        match result {
            Ok(()) => outbox,
            Err(NotNow::Busy(records)) => self.committed_by_writer(outbox, records).await,
            Err(NotNow::Failed(records, error)) => self.uncommitted(outbox, records, &error.to_string()),
        }
    }

    async fn committed_by_writer(&self, outbox: Outbox, records: Vec<Record>) -> Outbox {
        let waiting = self.store.borrow().commit_by_writer(records.clone(), COMMIT_PATIENCE);
        match waiting.await {
            Ok(()) => outbox,
            Err(error) => self.uncommitted(outbox, records, &error.to_string()),
        }
    }

    fn uncommitted(&self, mut outbox: Outbox, records: Vec<Record>, why: &str) -> Outbox {
        outbox.records = records;
        self.session.borrow_mut().unrecorded(outbox, why)
    }
}
