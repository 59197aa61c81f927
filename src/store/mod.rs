//! The audit store: one SQLite file that all processes of a user append to and read from.
//!
//! It refuses to make a call wait for a lock, to store what redaction takes away, and to lose a record without counting it.
//! Invariant: rows are only ever added, each linked by hash to the one before it of the same session; `prune` alone takes
//! rows away, and leaves a sealed account of them.
//!
//! Reading order: `migrations` (0001: the log; 0002, 0003: what servers list, what rules look back on; 0004: the view
//! `audit`; 0005: API keys; 0006: pinned definitions; 0007: questions to people;
//! 0008: warnings to agents; 0009: alerts), [`Store`] (the two ways in), `queue` (what waits), `intake` and
//! `judgement` (from records to rows), `ledger`, `batch` and `insert` (the transaction), `writer` (the thread), `chain` and
//! `verify` (the hashes), [`Reader`], [`prune()`]. [`Keys`], [`Approvals`] and [`Alerts`] stand beside the log.

mod alerts;
mod approvals;
mod batch;
mod chain;
mod error;
mod following;
mod insert;
mod intake;
mod judgement;
mod key;
mod keys;
mod known;
mod ledger;
mod notices;
mod open_calls;
mod past;
mod pins;
mod place;
mod process;
mod prune;
mod queue;
mod reader;
mod recall;
mod row;
mod running;
mod schema;
mod spool;
mod standing;
mod tools;
mod verify;
mod warnings;
mod word;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::time::Duration;
use std::{fmt, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;

pub use alerts::{AlertRow, Alerts, Came, Claimed, DeliveryRow, DeliveryState};
pub use approvals::{
    Approvals, Decision, QuestionRow, QuestionState, Ruled, Ruler, Rulings, SHORTEST_ID, TurnRow, Which,
};
pub use error::{NotNow, StoreError};
pub use keys::{Added, ApiKey, Keys, Revoked, Scope, Secret};
pub use known::{CalledWith, ToolRow};
pub use notices::{NoticeRow, Noticed};
pub use past::Others;
pub use pins::{Acceptance, accept};
pub use process::{ancestry, this_process};
pub use prune::{Act, Prune, Pruned, prune};
pub use reader::{Count, Filter, Order, Reader};
pub use recall::{Earlier, EarlierCall, Nearest, Recalled};
pub use row::{AuditRow, JsonText};
pub use running::{LoadedRow, RuleRow, SessionRow, Sessions};
pub use standing::{KeptTool, PinRow, Standing};
pub use verify::{ChainFault, Verification};
pub use warnings::{Warned, WarningBook, WarningRow};
pub use word::random_word;

use crate::clock;
use crate::record::{Alarm, Assignment, PolicySource, Record, SessionInfo};
use crate::settings::{Durability, KeepArguments};
use error::is_busy;
use ledger::{Ledger, begin};
use place::{FileId, Found};
use queue::{Claim, Item, Pushed, Queue, Urgent};

/// How many records of a backlog a call takes along at most; more are the writer's work.
const TAKEN_ALONG: usize = 256;

/// After about how many pages the write-ahead log is copied into the file, idle or not: 6 MiB of it, which
/// stay warm in the caches from one round to the next.
const CHECKPOINT_EVERY: u32 = 1_500;

/// How a store is opened.
pub struct Options {
    /// The file; made with its folder where it is missing.
    pub path: PathBuf,
    /// What is kept of arguments.
    pub arguments: KeepArguments,
    /// When a commit counts as done.
    pub durability: Durability,
    /// How much may wait to be written, bytes.
    pub queue_bytes: usize,
    /// Is given one line for people whenever writing begins to fail.
    pub on_trouble: Box<dyn Fn(&str) + Send + Sync>,
    /// Is given one line for people when that is over, or what had waited is written.
    pub on_recovery: Box<dyn Fn(&str) + Send + Sync>,
    /// Is called after each commit with alerts in it. Must not wait.
    pub on_alerts: Box<dyn Fn() + Send + Sync>,
}

impl Options {
    /// The usual settings for a file: redacted arguments, normal durability, 64 MiB of queue, and silence.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            arguments: KeepArguments::default(),
            durability: Durability::default(),
            queue_bytes: 64 << 20,
            on_trouble: Box::new(|_| {}),
            on_recovery: Box::new(|_| {}),
            on_alerts: Box::new(|| {}),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("path", &self.path).finish_non_exhaustive()
    }
}

/// One session's way into the store.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// The call path's own connection, opened by the first record that must be committed before its call leaves.
    connection: Option<Connection>,
    /// Which of the shared part's files that is.
    generation: u32,
    ended: mpsc::Receiver<()>,
}

/// What became of the records at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// How many records did not reach the file.
    pub unwritten: u64,
}

/// What the call path and the writer thread have in common.
#[derive(Debug)]
struct Shared {
    options: Options,
    queue: Queue,
    /// `None` until the file is open.
    ledger: Mutex<Option<Ledger>>,
    /// Why the file cannot be opened.
    trouble: Mutex<Option<String>>,
    /// Pages, about, since the write-ahead log was last copied into the file.
    fresh: AtomicU32,
    /// The file that is open, and how many there were before it.
    file: Mutex<Option<FileId>>,
    generation: AtomicU32,
}

impl Store {
    /// Starts the writer thread, which opens the file or makes it. Never waits for it.
    pub fn start(options: Options, session: SessionInfo) -> Self {
        let queue = Queue::new(options.queue_bytes);
        let shared = Arc::new(Shared {
            options,
            queue,
            ledger: Mutex::default(),
            trouble: Mutex::default(),
            fresh: AtomicU32::new(0),
            file: Mutex::default(),
            generation: AtomicU32::new(0),
        });
        let (end, ended) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("callgate-store".to_owned()).spawn(move || {
            writer::run(&theirs, session);
            let _ = end.send(());
        });
        if let Err(error) = spawned {
            shared.is_in_trouble(&StoreError::Unavailable(error.to_string()));
        }
        Self { shared, connection: None, generation: 0, ended }
    }

    /// For records that nobody waits for. Never waits; what finds no room is counted and becomes a gap.
    pub fn queue(&self, records: Vec<Record>) {
        if self.shared.queue.push(records) == Pushed::FirstMissing {
            (self.shared.options.on_trouble)(
                "audit store: too much waits to be written, records are being lost",
            );
        }
    }

    /// Commits records here and now, and with them whatever is queued: when this returns `Ok` they survive the end of
    /// the process.
    ///
    /// Never waits: if another writer is at work, or a long queue is in front, the records come back as
    /// [`NotNow::Busy`] for [`Self::commit_by_writer`].
    pub fn commit_now(&mut self, records: Vec<Record>) -> Result<(), NotNow> {
        let shared = Arc::clone(&self.shared);
        let mut guard = match shared.ledger.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(_)) => return Err(NotNow::Failed(records, StoreError::Gone)),
            Err(TryLockError::WouldBlock) => return Err(NotNow::Busy(records)),
        };
        let Some(ledger) = guard.as_mut() else {
            return Err(match shared.trouble() {
                Some(why) => NotNow::Failed(records, StoreError::Unavailable(why)),
                None => NotNow::Busy(records),
            });
        };
        let generation = shared.generation.load(Ordering::Acquire);
        if generation != std::mem::replace(&mut self.generation, generation) {
            self.connection = None;
        }
        // What is wrong with the file is the writer's to mend.
        if ledger.pending() + shared.queue.records() > TAKEN_ALONG || !shared.is_file_as_opened() {
            return Err(NotNow::Busy(records));
        }
        match self.write(ledger, &records) {
            Ok(()) => Ok(()),
            Err(StoreError::Sqlite(error)) if is_busy(&error) => Err(NotNow::Busy(records)),
            Err(StoreError::Sqlite(error)) if place::is_damaged(&error) => {
                self.connection = None;
                Err(NotNow::Busy(records))
            }
            Err(error) => Err(NotNow::Failed(records, error)),
        }
    }

    fn write(&mut self, ledger: &mut Ledger, records: &[Record]) -> Result<(), StoreError> {
        let shared = &self.shared;
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::open_again(&shared.options.path, shared.options.durability)?,
        };
        let connection = self.connection.insert(connection);
        begin(connection)?;
        ledger.fill(&shared.queue, TAKEN_ALONG);
        let mark = ledger.pending();
        for record in records {
            ledger.add_copy(record);
        }
        let written = ledger.pending();
        if let Err(error) = ledger.commit(connection, &shared.queue) {
            ledger.forget(mark);
            return Err(error.into());
        }
        shared.count_written(written);
        if ledger.take_alerted() {
            (shared.options.on_alerts)();
        }
        Ok(())
    }

    /// Hands records to the writer thread, ahead of what it gathers. Resolves when they are committed, or after
    /// `patience` when they are not and will not be: exactly one of the two.
    pub fn commit_by_writer(
        &self,
        records: Vec<Record>,
        patience: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let (done, mut answer) = oneshot::channel();
        let claim = Claim::default();
        let until_us = after(patience);
        self.shared.queue.push_urgent(Urgent { records, until_us, claim: claim.clone(), done });
        async move {
            let answered = match tokio::time::timeout(patience, &mut answer).await {
                Ok(answered) => answered,
                Err(_) if claim.take() => return Err(StoreError::Busy),
                Err(_) => answer.await,
            };
            answered.unwrap_or(Err(StoreError::Gone))
        }
    }

    /// More is known about the session; holds for the records that follow.
    pub fn session(&self, info: SessionInfo) {
        self.shared.queue.push_always(Item::Session(info));
    }

    /// A policy took force, with what it changed in who is under which mode; before the records that follow.
    pub fn policy(&self, source: PolicySource, assignments: Vec<Assignment>) {
        self.shared.queue.push_always(Item::Policy(source, assignments));
    }

    /// People are to be told of this.
    pub fn alarm(&self, alarm: Alarm) {
        if !alarm.to.is_empty() {
            self.shared.queue.push_always(Item::Alarm(alarm));
        }
    }

    /// Writes what waits, for `patience` at most, and closes the file.
    pub fn finish(mut self, patience: Duration) -> Finished {
        self.connection = None;
        self.shared.queue.close(after(patience));
        let _ = self.ended.recv_timeout(patience + Duration::from_millis(100));
        Finished { unwritten: self.shared.queue.unwritten() }
    }
}

impl Drop for Store {
    /// Lets the writer thread end by itself.
    fn drop(&mut self) {
        if self.shared.queue.closing_us().is_none() {
            self.shared.queue.close(after(Duration::from_secs(1)));
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Option<Ledger>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<FileId>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says so once for each new kind of trouble.
    fn is_in_trouble(&self, error: &StoreError) {
        let text = error.to_string();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref() != Some(&text) {
            (self.options.on_trouble)(&format!("audit store: {text}"));
        }
        *trouble = Some(text);
    }

    /// Whether the path leads to the file that is open: one that was taken away would take what is written along.
    fn is_file_as_opened(&self) -> bool {
        let opened = *self.file();
        opened.is_none_or(|opened| place::look(&self.options.path, opened) == Found::Same)
    }

    fn is_well(&self) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        if trouble.is_some() {
            (self.options.on_recovery)("audit store: it can be written again");
        }
    }

    /// On the call path, so that a session of refusals alone still has its log copied.
    fn count_written(&self, records: usize) {
        let pages = pages(records);
        let before = self.fresh.fetch_add(pages, Ordering::Relaxed);
        if before < CHECKPOINT_EVERY && before.saturating_add(pages) >= CHECKPOINT_EVERY {
            self.queue.nudge();
        }
    }
}

/// About how many pages a commit of so many records adds to the write-ahead log.
fn pages(records: usize) -> u32 {
    u32::try_from(1 + records / 8).unwrap_or(u32::MAX)
}

/// The steady microsecond that is `time` from now.
fn after(time: Duration) -> u64 {
    clock::now().steady_us.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
