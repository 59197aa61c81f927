//! Telling people: a thread that empties the outbox of alerts to where `[alerts.to]` says.
//!
//! It refuses to make anybody wait: calls commit their alerts to the store and go on, and nothing here holds the store's
//! lock while it speaks to the network. Without a destination nothing is started. Invariant: an alert is settled as
//! delivered only after its destination took it; whatever happens before that, it is sent again under the same id.
//!
//! ```text
//!  store ── bell ──▶ thread ──▶ one post a destination ──▶ webhook │ slack │ email │ syslog
//!    ▲                               │ claim, send, settle
//!    └───────────── outbox ◀─────────┘
//! ```

mod email;
mod payload;
mod post;
mod sent;
mod slack;
mod syslog;
mod way;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::unix_ms;
use crate::record::{Recipients, Topic};
use crate::settings::{Alerts, Destination};
use crate::store::{AlertRow, random_word};

pub use payload::{sentence, told};
use post::Post;
pub use way::{missing, send};

/// Alarms that wait in memory, for the store is what fails. Arbitrary; the oldest go.
const MOST_IN_MEMORY: usize = 64;

/// Who hears of what, while a process runs.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    ended: Mutex<Option<Receiver<()>>>,
}

/// What the thread and the others have in common.
#[derive(Debug)]
struct Shared {
    store: PathBuf,
    plan: watch::Sender<Plan>,
    /// Rings when there may be something to send.
    bell: watch::Sender<()>,
    /// Alarms that cannot be in the store, with the destinations that have not had them.
    alarms: Mutex<Vec<(AlertRow, BTreeSet<String>)>>,
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
struct Plan {
    to: Arc<BTreeMap<String, Destination>>,
    end: bool,
}

impl Sender {
    /// One that has nobody to tell yet. `store` is where the outbox is.
    pub fn new(store: &Path) -> Self {
        let shared = Shared {
            store: store.to_path_buf(),
            plan: watch::channel(Plan::default()).0,
            bell: watch::channel(()).0,
            alarms: Mutex::default(),
        };
        Self { shared: Arc::new(shared), ended: Mutex::default() }
    }

    /// These destinations hold from here on. The thread is started with the first.
    pub fn adopt(&self, alerts: &Alerts) {
        if *self.shared.plan.borrow().to == alerts.to {
            return;
        }
        self.shared.plan.send_modify(|plan| plan.to = Arc::new(alerts.to.clone()));
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some() {
            return;
        }
        let (end, receiver) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name("callgate-alert".to_owned()).spawn(move || {
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(follow(&shared));
            }
            let _ = end.send(());
        });
        // Without a thread the alerts stay in the store, for the next process.
        *ended = started.is_ok().then_some(receiver);
    }

    /// Every destination that there is.
    pub fn everyone(&self) -> Recipients {
        self.shared.plan.borrow().to.keys().map(|name| Arc::from(name.as_str())).collect()
    }

    /// There may be something to send. Never waits.
    pub fn ring(&self) {
        self.shared.bell.send_replace(());
    }

    /// An alarm that cannot be in the store. It is lost with the process.
    pub fn alarm(&self, topic: Topic, text: &str) {
        let names: BTreeSet<String> = self.shared.plan.borrow().to.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let mut alarms = self.shared.alarms();
        if alarms.len() >= MOST_IN_MEMORY {
            alarms.remove(0);
        }
        alarms.push((of_our_own(topic, text), names));
        drop(alarms);
        self.ring();
    }

    /// Sends what is due, for `patience` at most. What is left stays in the store.
    pub fn finish(&self, patience: Duration) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(ended) = ended else { return };
        self.shared.plan.send_modify(|plan| plan.end = true);
        // One that does not end in time ends with the process.
        let _ = ended.recv_timeout(patience);
    }
}

impl Shared {
    fn alarms(&self) -> MutexGuard<'_, Vec<(AlertRow, BTreeSet<String>)>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An alert about callgate itself that no store has.
pub fn of_our_own(topic: Topic, text: &str) -> AlertRow {
    AlertRow {
        id: random_word::<20>().unwrap_or_else(|_| format!("{}-{}", topic.as_str(), unix_ms())),
        unix_ms: unix_ms(),
        topic: topic.as_str().to_owned(),
        severity: topic.severity().as_str().to_owned(),
        text: Some(text.to_owned()),
        count: 1,
        ..AlertRow::default()
    }
}

/// Has a post at work for each destination of the plan, until the plan is to end.
async fn follow(shared: &Arc<Shared>) {
    let mut plan = shared.plan.subscribe();
    loop {
        let now = plan.borrow_and_update().clone();
        let mut posts = JoinSet::new();
        for (name, destination) in now.to.iter() {
            posts.spawn(Post::new(name, destination, Arc::clone(shared)).work());
        }
        if !now.end {
            // The sender is held by `shared`.
            let _ = plan.changed().await;
        }
        // Each post ends by itself, after what it is just sending.
        while posts.join_next().await.is_some() {}
        if plan.borrow().end {
            return;
        }
    }
}
