//! What one session knows of its own rows, and the transaction that appends to them.
//!
//! It refuses to wait: who finds the file locked is told so before anything is changed. Invariant: after a transaction
//! that failed, the ledger says what the file says.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::batch::Batches;
use super::chain::{self, Encoder, End, Hash};
use super::insert::{Appending, Known};
use super::intake::{Entry, Event, Intake, Kind, json};
use super::key::Key;
use super::open_calls::{OpenCalls, Spot};
use super::queue::{Item, Loan, Queue};
use super::tools::Tools;
use crate::clock;
use crate::policy::Redactor;
use crate::record::{Gap, PolicySource, Record, SessionInfo};
use crate::settings::KeepArguments;

/// The writing end of one session's chain; shared by the call path and the writer thread, one at a time.
#[derive(Debug)]
pub(super) struct Ledger {
    intake: Intake,
    key: Key,
    state: State,
    open: OpenCalls,
    known: Known,
    /// The policy in force, for a file that knows none.
    policy: Option<PolicySource>,
    encoder: Encoder,
    /// Prepared, not yet committed.
    pending: Vec<Entry>,
    /// The `seq` of each of [`Self::pending`] in the transaction at hand; 0 for what is no event.
    seqs: Vec<i64>,
    /// What [`Self::pending`] still takes of the queue's room.
    loan: Loan,
    /// Whether alerts were committed of which nobody has been told.
    alerted: bool,
}

/// The end of the chain.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) info: Arc<SessionInfo>,
    /// The row of `sessions` that says what `info` says; `None` until it is written.
    pub(super) row: Option<i64>,
    pub(super) n: i64,
    pub(super) hash: Hash,
}

impl Ledger {
    pub(super) fn new(info: SessionInfo, key: Key, arguments: KeepArguments) -> Self {
        let intake = Intake::new(key, arguments);
        let hash = chain::genesis(&info.session);
        let info = Arc::new(intake.session(info));
        Self {
            intake,
            key,
            state: State { info, row: None, n: 0, hash },
            open: OpenCalls::default(),
            known: Known::default(),
            policy: None,
            encoder: Encoder::default(),
            pending: Vec::new(),
            seqs: Vec::new(),
            loan: Loan::default(),
            alerted: false,
        }
    }

    /// Takes out secrets as the ledger does.
    pub(super) fn redactor(&self) -> Redactor {
        self.intake.redactor().clone()
    }

    /// How many entries wait.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes up to about `most` records from the queue, unless some are left from before.
    pub(super) fn fill(&mut self, queue: &Queue, most: usize) {
        if !self.pending.is_empty() {
            return;
        }
        let taken = queue.take(most);
        self.loan = taken.loan;
        for item in taken.items {
            self.take(item);
        }
        if taken.missing > 0 {
            self.add(Record::Gap(Gap {
                unix_ms: clock::now().unix_ms,
                missing: taken.missing,
                why: "the queue was full".to_owned(),
            }));
        }
        // Completions of calls that are in a gap leave nothing to write.
        if self.pending.is_empty() {
            queue.release(std::mem::take(&mut self.loan));
        }
    }

    /// Adds lists that are ready to be written; `loan` is the room that they take of the queue.
    pub(super) fn add_lists(&mut self, lists: Vec<Tools>, loan: Loan) {
        self.pending.extend(lists.into_iter().map(Entry::Tools));
        self.loan.bytes += loan.bytes;
        self.loan.records += loan.records;
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Records(records) => records.into_iter().for_each(|record| self.add(record)),
            Item::Session(info) => self.pending.push(Entry::Session(Arc::new(self.intake.session(info)))),
            Item::Alarm(alarm) => self.pending.push(self.intake.alarm(&alarm)),
            Item::Policy(policy, assignments) => {
                self.pending.push(Entry::Policy(self.intake.policy(policy)));
                self.pending.extend(assignments.into_iter().map(Entry::Assignment));
            }
        }
    }

    /// Prepares a record. A completion joins its call where that is not yet written.
    pub(super) fn add(&mut self, record: Record) {
        let alert = self.intake.alert(&record);
        let entry = self.intake.take(record);
        self.push(entry);
        self.pending.extend(alert);
    }

    /// As [`Self::add`], for a record that may have to be given back.
    pub(super) fn add_copy(&mut self, record: &Record) {
        let entry = self.intake.copy(record);
        self.push(entry);
        self.pending.extend(self.intake.alert(record));
    }

    fn push(&mut self, entry: Entry) {
        if let Entry::Policy(policy) = &entry {
            self.policy = Some(policy.clone());
        }
        match entry {
            Entry::Event(event) => self.push_event(event),
            Entry::Session(_)
            | Entry::Policy(_)
            | Entry::Assignment(_)
            | Entry::Tools(_)
            | Entry::Trace(_)
            | Entry::Question(_)
            | Entry::Turn(_)
            | Entry::Warning(_)
            | Entry::Course(_)
            | Entry::Alert(_) => {
                self.pending.push(entry);
            }
        }
    }

    fn push_event(&mut self, mut event: Event) {
        match (event.kind, event.number) {
            (Kind::Call, Some(number)) if event.completion.is_none() => {
                self.open.insert(number, Spot::Pending(self.pending.len()));
            }
            (Kind::Completion, Some(number)) => match self.open.remove(number) {
                Some(Spot::Pending(index)) => {
                    if let Some(Entry::Event(call)) = self.pending.get_mut(index) {
                        call.completion = event.completion;
                        return;
                    }
                }
                Some(Spot::Stored(seq)) => event.of = Some(seq),
                // Its call is in a gap: there is nothing that it could complete.
                None => return,
            },
            (Kind::Call | Kind::Completion | Kind::Gap | Kind::Notice | Kind::Batch, _) => {}
        }
        self.pending.push(Entry::Event(event));
    }

    /// Forgets what was added after there were `length` entries.
    pub(super) fn forget(&mut self, length: usize) {
        self.pending.truncate(length);
        self.open.forget_pending(length);
    }

    /// Gives up on everything that waits; how many records that were.
    pub(super) fn give_up(&mut self, queue: &Queue) -> u64 {
        self.forget(0);
        let loan = std::mem::take(&mut self.loan);
        queue.release(loan);
        loan.records as u64
    }

    /// Writes everything that waits and commits. The transaction must be open; it is closed either way.
    pub(super) fn commit(&mut self, connection: &Connection, queue: &Queue) -> Result<(), rusqlite::Error> {
        let before = self.state.clone();
        let done = self.append(connection).and_then(|()| run(connection, "COMMIT"));
        if let Err(error) = done {
            let _ = run(connection, "ROLLBACK");
            self.state = before;
            self.known = Known::default();
            return Err(error);
        }
        for (entry, seq) in self.pending.iter().zip(&self.seqs) {
            if let Some(spot) = entry.open_call().and_then(|number| self.open.spot(number)) {
                *spot = Spot::Stored(*seq);
            }
        }
        self.alerted |= self.pending.iter().any(|entry| matches!(entry, Entry::Alert(_)));
        self.pending.clear();
        queue.release(std::mem::take(&mut self.loan));
        Ok(())
    }

    /// Whether alerts were committed since this was last asked.
    pub(super) fn take_alerted(&mut self) -> bool {
        std::mem::take(&mut self.alerted)
    }

    fn append(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let Self { state, known, encoder, pending, seqs, .. } = self;
        let mut appending = Appending::new(connection, state, known, encoder, Batches::of(pending))?;
        seqs.clear();
        for entry in pending.iter() {
            seqs.push(appending.entry(entry)?);
        }
        Ok(())
    }

    /// Another file has taken the place of the one that was written to, with this key: what is known of that one holds no
    /// longer. What still waits is kept; what it held of this session is a gap.
    pub(super) fn begin_anew(&mut self, key: Key, why: &str) {
        let missing = u64::try_from(self.state.n).unwrap_or_default();
        let info = Arc::clone(&self.state.info);
        self.key = key;
        self.state = State { hash: chain::genesis(&info.session), info, row: None, n: 0 };
        self.known = Known::default();
        self.open = OpenCalls::default();
        // Their calls are in the other file.
        self.pending.retain(|entry| entry.completed().is_none());
        let waiting = std::mem::take(&mut self.pending);
        if let Some(policy) = self.policy.clone() {
            self.push(Entry::Policy(policy));
        }
        if missing > 0 {
            let why = format!("{why}: what was written before is not in this file");
            self.add(Record::Gap(Gap { unix_ms: clock::now().unix_ms, missing, why }));
        }
        for entry in waiting {
            self.push(entry);
        }
    }

    /// What waits is written to another file, with this key, as if nothing had been written before.
    pub(super) fn begin_elsewhere(&mut self, key: Key) {
        self.state.n = 0;
        self.begin_anew(key, "");
    }

    /// Adds what is prepared already.
    pub(super) fn add_entries(&mut self, entries: Vec<Entry>) {
        self.pending.extend(entries);
    }

    /// The session.
    pub(super) fn session(&self) -> &str {
        &self.state.info.session
    }

    /// Seals the end of the chain, if anything was written. The transaction is opened and closed here.
    pub(super) fn close(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if self.state.n == 0 {
            return Ok(());
        }
        begin(connection)?;
        let end = End { n: self.state.n, hash: chain::hex(&self.state.hash) };
        let heads = json(&BTreeMap::from([(&self.state.info.session, end)]));
        let done = super::insert::last_seq(connection)
            .and_then(|seq| super::insert::checkpoint(connection, &self.key, "end", seq, &heads))
            .and_then(|()| super::past::forget(connection, clock::now().unix_ms))
            .and_then(|()| run(connection, "COMMIT"));
        if done.is_err() {
            let _ = run(connection, "ROLLBACK");
        }
        done
    }
}

impl Entry {
    /// The number of a call that has no completion yet.
    fn open_call(&self) -> Option<u64> {
        match self {
            Self::Event(event) if event.kind == Kind::Call && event.completion.is_none() => event.number,
            Self::Event(_)
            | Self::Session(_)
            | Self::Policy(_)
            | Self::Assignment(_)
            | Self::Tools(_)
            | Self::Trace(_)
            | Self::Question(_)
            | Self::Turn(_)
            | Self::Warning(_)
            | Self::Course(_)
            | Self::Alert(_) => None,
        }
    }
}

/// Takes the file's write lock, or says at once that another has it.
pub(super) fn begin(connection: &Connection) -> Result<(), rusqlite::Error> {
    run(connection, "BEGIN IMMEDIATE")
}

fn run(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.raw_execute().map(|_| ())
}
