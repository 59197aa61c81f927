//! What waits to be written: bounded in bytes, never waiting, nothing dropped without being counted.
//!
//! It refuses to know about SQLite. Invariant: order of arrival is order of departure.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::StoreError;
use crate::clock;
use crate::record::{Alarm, Assignment, Listing, PolicySource, Question, Record, SessionInfo};

/// How long the writer gathers after the first record of a batch.
const GATHER: Duration = Duration::from_millis(20);

/// One push.
#[derive(Debug)]
pub(super) enum Item {
    Records(Vec<Record>),
    Session(SessionInfo),
    Policy(PolicySource, Vec<Assignment>),
    Alarm(Alarm),
}

/// Records that someone waits for.
#[derive(Debug)]
pub(super) struct Urgent {
    pub(super) records: Vec<Record>,
    /// Steady microseconds after which they are not wanted any more.
    pub(super) until_us: u64,
    pub(super) claim: Claim,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// Who decides about an [`Urgent`]: the writer that commits it, or the one who stops waiting. Exactly one does.
#[derive(Debug, Clone, Default)]
pub(super) struct Claim(Arc<AtomicU8>);

impl Claim {
    /// Whether the decision is the caller's.
    pub(super) fn take(&self) -> bool {
        self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The queue between the call path and the writer thread.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    /// What servers listed: long to prepare, so that the call path never takes it along.
    lists: Vec<Listing>,
    /// Of the items and of what was taken and is not yet written.
    bytes: usize,
    records: usize,
    /// Taken and not yet written.
    held: usize,
    missing: u64,
    urgent: Vec<Urgent>,
    sleeper: Sleeper,
    nudged: Option<Nudge>,
    closing_us: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Sleeper {
    #[default]
    Awake,
    Asleep,
}

#[derive(Debug, Clone, Copy)]
struct Nudge;

/// What came of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is in.
    Taken,
    /// It did not fit and was counted.
    Missing,
    /// The first that did not fit since there was room.
    FirstMissing,
}

/// Room that is taken until what was taken out is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loan {
    pub(super) bytes: usize,
    pub(super) records: usize,
}

/// What [`Queue::take`] took.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) items: Vec<Item>,
    pub(super) loan: Loan,
    /// Records that did not fit since the last time.
    pub(super) missing: u64,
}

/// Why the writer was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// There is something to write, or to look after.
    Work,
    /// Nothing came for the time given.
    Idle,
    /// The end: write what there is until this steady microsecond.
    Closing(u64),
}

impl Queue {
    /// Holds up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), wake: Condvar::new(), limit }
    }

    /// Never waits.
    pub(super) fn push(&self, records: Vec<Record>) -> Pushed {
        if records.is_empty() {
            return Pushed::Taken;
        }
        let bytes: usize = records.iter().map(|record| self.weight(record)).sum();
        let mut inner = self.lock();
        if inner.bytes + bytes > self.limit {
            let first = inner.missing == 0;
            inner.missing += records.len() as u64;
            return if first { Pushed::FirstMissing } else { Pushed::Missing };
        }
        inner.bytes += bytes;
        inner.records += records.len();
        let (lists, records) = lists_apart(records);
        inner.lists.extend(lists);
        if !records.is_empty() {
            inner.items.push_back(Item::Records(records));
        }
        self.rouse(inner);
        Pushed::Taken
    }

    /// For what is rare and must not be lost: takes no room.
    pub(super) fn push_always(&self, item: Item) {
        let mut inner = self.lock();
        inner.items.push_back(item);
        // A session alone is not worth a transaction.
        if inner.items.iter().any(|item| !matches!(item, Item::Session(_))) {
            self.rouse(inner);
        }
    }

    /// Wakes the writer at once.
    pub(super) fn push_urgent(&self, urgent: Urgent) {
        self.lock().urgent.push(urgent);
        self.wake.notify_one();
    }

    /// Wakes the writer to look after the file.
    pub(super) fn nudge(&self) {
        self.lock().nudged = Some(Nudge);
        self.wake.notify_one();
    }

    /// No more will come; what there is may take until `until_us`.
    pub(super) fn close(&self, until_us: u64) {
        self.lock().closing_us = Some(until_us);
        self.wake.notify_one();
    }

    /// How many records are in it.
    pub(super) fn records(&self) -> usize {
        self.lock().records
    }

    /// How many records were pushed and are not written.
    pub(super) fn unwritten(&self) -> u64 {
        let inner = self.lock();
        (inner.records + inner.held) as u64 + inner.missing
    }

    /// Whether someone waits.
    pub(super) fn is_urgent(&self) -> bool {
        !self.lock().urgent.is_empty()
    }

    /// The steady microsecond at which all must end, once it is known.
    pub(super) fn closing_us(&self) -> Option<u64> {
        self.lock().closing_us
    }

    /// Up to about `most` records, oldest first. Their bytes stay counted until [`Self::release`].
    pub(super) fn take(&self, most: usize) -> Taken {
        let mut inner = self.lock();
        let mut taken = Taken { items: Vec::new(), loan: Loan::default(), missing: 0 };
        while taken.loan.records < most {
            let Some(item) = inner.items.pop_front() else { break };
            if let Item::Records(batch) = &item {
                taken.loan.records += batch.len();
                taken.loan.bytes += batch.iter().map(|record| self.weight(record)).sum::<usize>();
            }
            taken.items.push(item);
        }
        inner.records -= taken.loan.records;
        inner.held += taken.loan.records;
        if inner.items.is_empty() {
            taken.missing = std::mem::take(&mut inner.missing);
        }
        taken
    }

    /// Everything that servers listed. Its room stays counted until [`Self::release`].
    pub(super) fn take_lists(&self) -> (Vec<Listing>, Loan) {
        let mut inner = self.lock();
        let lists = std::mem::take(&mut inner.lists);
        let bytes = lists.iter().map(|list| weight_of(list_size(list), self.limit)).sum();
        let loan = Loan { bytes, records: lists.len() };
        inner.records -= loan.records;
        inner.held += loan.records;
        (lists, loan)
    }

    /// Records that were taken are written or given up.
    pub(super) fn release(&self, loan: Loan) {
        if loan != Loan::default() {
            let mut inner = self.lock();
            inner.bytes -= loan.bytes;
            inner.held -= loan.records;
        }
    }

    /// Counts records that are lost otherwise.
    pub(super) fn count_missing(&self, records: u64) {
        self.lock().missing += records;
    }

    /// Everything that someone waits for, and still wants.
    pub(super) fn take_urgent(&self) -> Vec<Urgent> {
        std::mem::take(&mut self.lock().urgent).into_iter().filter(|urgent| urgent.claim.take()).collect()
    }

    /// Tells those whose time is over.
    pub(super) fn expire(&self, now_us: u64, answer: impl Fn() -> StoreError) {
        let mut inner = self.lock();
        let (over, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut inner.urgent).into_iter().partition(|urgent| urgent.until_us <= now_us);
        inner.urgent = left;
        drop(inner);
        for urgent in over.into_iter().filter(|urgent| urgent.claim.take()) {
            let _ = urgent.done.send(Err(answer()));
        }
    }

    /// Sleeps until there is work, for `idle` at most; then gathers a moment, unless somebody waits.
    pub(super) fn wait(&self, idle: Option<Duration>) -> Woken {
        let mut inner = self.lock();
        while !inner.has_work() {
            inner.sleeper = Sleeper::Asleep;
            let (woken, timed_out) = self.sleep(inner, idle.unwrap_or(Duration::from_hours(1)));
            inner = woken;
            inner.sleeper = Sleeper::Awake;
            if timed_out && idle.is_some() && !inner.has_work() {
                return Woken::Idle;
            }
        }
        inner.nudged = None;
        inner = self.gather(inner);
        inner.closing_us.map_or(Woken::Work, Woken::Closing)
    }

    /// Sleeps for `time`, or until somebody waits or the end.
    pub(super) fn pause(&self, time: Duration) {
        let inner = self.lock();
        if inner.urgent.is_empty() && inner.closing_us.is_none() {
            drop(self.sleep(inner, time));
        }
    }

    fn gather<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let until = clock::now().steady_us + u64::try_from(GATHER.as_micros()).unwrap_or_default();
        loop {
            let left = until.saturating_sub(clock::now().steady_us);
            if left == 0 || inner.cannot_wait() {
                return inner;
            }
            inner = self.sleep(inner, Duration::from_micros(left)).0;
        }
    }

    fn sleep<'a>(&'a self, inner: MutexGuard<'a, Inner>, time: Duration) -> (MutexGuard<'a, Inner>, bool) {
        let (inner, timeout) = self.wake.wait_timeout(inner, time).unwrap_or_else(PoisonError::into_inner);
        (inner, timeout.timed_out())
    }

    /// A writer that gathers finds the rest by itself.
    fn rouse(&self, inner: MutexGuard<'_, Inner>) {
        let asleep = inner.sleeper == Sleeper::Asleep;
        drop(inner);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// What a record takes of the room. One with huge arguments takes a quarter at most: it is cut when it is written,
    /// and must not be lost for its size.
    fn weight(&self, record: &Record) -> usize {
        weight_of(size(record), self.limit)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_work(&self) -> bool {
        self.records > 0
            || self.missing > 0
            || self.nudged.is_some()
            || self.cannot_wait()
            || self.items.iter().any(|item| matches!(item, Item::Policy(..) | Item::Alarm(_)))
    }

    fn cannot_wait(&self) -> bool {
        !self.urgent.is_empty() || self.closing_us.is_some()
    }
}

fn weight_of(size: usize, limit: usize) -> usize {
    size.min(limit / 4)
}

fn lists_apart(records: Vec<Record>) -> (Vec<Listing>, Vec<Record>) {
    if !records.iter().any(|record| matches!(record, Record::Tools(_))) {
        return (Vec::new(), records);
    }
    let mut lists = Vec::new();
    let rest = records.into_iter().filter_map(|record| match record {
        Record::Tools(list) => {
            lists.push(list);
            None
        }
        Record::Call(_)
        | Record::Completion(_)
        | Record::Gap(_)
        | Record::Notice(_)
        | Record::Trace(_)
        | Record::Question(_)
        | Record::Turn(_)
        | Record::Warning(_)
        | Record::Course(_) => Some(record),
    });
    let rest = rest.collect();
    (lists, rest)
}

/// About what a list takes in memory, bytes.
fn list_size(list: &Listing) -> usize {
    let tools = list.tools.iter().map(|tool| size_of_val(tool) + tool.name.len() + tool.definition.len());
    size_of::<Record>() + tools.sum::<usize>()
}

/// About what a record takes in memory, bytes.
fn size(record: &Record) -> usize {
    size_of::<Record>()
        + match record {
            Record::Call(call) => {
                let matched = call.matched.len() * size_of::<crate::record::MatchRecord>();
                call.method.len()
                    + call.tool.len()
                    + call.arguments.as_deref().map_or(0, str::len)
                    + call.reason.as_deref().map_or(0, str::len)
                    + matched
            }
            Record::Completion(_) | Record::Warning(_) | Record::Course(_) => 0,
            Record::Gap(gap) => gap.why.len(),
            Record::Notice(notice) => notice.text.len(),
            Record::Tools(list) => return list_size(list),
            Record::Trace(trace) => trace.spendings.len() * 64 + trace.marks.len() * 128,
            Record::Question(question) => {
                let arguments = question.arguments.as_deref().map_or(0, str::len);
                size_of::<Question>() + question.tool.len() + question.reason.len() + arguments
            }
            Record::Turn(turn) => turn.reason.as_deref().map_or(0, str::len),
        }
}
