//! The writer thread: opens the file, commits what is queued, copies the write-ahead log into the file.
//!
//! It refuses to hold the ledger while it waits for anything. Invariant: what it took from the queue is committed, or still
//! waits, or is counted as missing.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::error::{StoreError, is_busy, may_pass};
use super::key::Key;
use super::ledger::{Ledger, begin};
use super::place::{self, FileId, Found};
use super::queue::{Urgent, Woken};
use super::tools::Tools;
use super::{CHECKPOINT_EVERY, Shared, key, pages, schema, spool};
use crate::clock;
use crate::policy::Redactor;
use crate::record::SessionInfo;

/// Records in one transaction: some milliseconds for which others find the file locked.
const BATCH: usize = 1_024;
/// Before the second try for a lock that others hold, which is mostly for less than that; then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_micros(50);
/// Between two tries for a lock that others hold on to.
const RETRY: Duration = Duration::from_millis(1);
/// Between two tries after anything else.
const BACKOFF: Duration = Duration::from_millis(50);
/// Between two tries to open the file.
const REOPEN: Duration = Duration::from_secs(1);
/// Quiet that is used to copy the log.
const IDLE: Duration = Duration::from_secs(1);
/// After so long the file is read as others would, microseconds.
const READ_AGAIN_US: u64 = 1_000_000;
/// Tries before records that the file does not take are given up.
const TRIES: u32 = 5;

/// The thread's work, until the queue is closed.
pub(super) fn run(shared: &Shared, session: SessionInfo) {
    let Some(mut writer) = Writer::open(shared, session.clone()) else {
        // Hashes under a key that nobody keeps tell nothing apart, and give nothing away.
        let key = key::passing();
        return spool(shared, &mut Ledger::new(session, key, shared.options.arguments));
    };
    loop {
        let idle = (shared.fresh.load(Ordering::Relaxed) > 0).then_some(IDLE);
        match shared.queue.wait(idle) {
            Woken::Idle => copy_log(shared, &writer.connection),
            Woken::Work => {
                writer.write_all();
                if shared.fresh.load(Ordering::Relaxed) >= CHECKPOINT_EVERY {
                    copy_log(shared, &writer.connection);
                }
            }
            Woken::Closing(until_us) => {
                writer.write_all();
                if shared.queue.unwritten() > 0
                    && let Some(ledger) = shared.ledger().as_mut()
                {
                    return spool(shared, ledger);
                }
                close(shared, &writer.connection, until_us);
                return;
            }
        }
    }
}

/// What the file does not take before the end is kept for the next process.
fn spool(shared: &Shared, ledger: &mut Ledger) {
    let waiting = shared.queue.unwritten();
    if waiting == 0 {
        return;
    }
    let told = match spool::keep(&shared.options.path, ledger, &shared.queue) {
        Ok(path) => {
            format!("audit store: {waiting} records wait in `{}` for the next callgate", path.display())
        }
        Err(error) => format!("audit store: {waiting} records are lost: {error}"),
    };
    (shared.options.on_trouble)(&told);
}

/// What the thread works with.
struct Writer<'s> {
    shared: &'s Shared,
    connection: Connection,
    redactor: Redactor,
    /// Tries that failed one after the other.
    failures: u32,
    /// Before the next try for the lock.
    retry: Duration,
    /// When what is in the file was last read as others would, steady microseconds.
    read_us: u64,
}

/// Opens the file, or makes it.
fn open(shared: &Shared) -> Result<(Connection, Key), StoreError> {
    let options = &shared.options;
    let connection = schema::open(&options.path, options.durability)?;
    let key = key::read_or_make(&options.path)?;
    *shared.file() = FileId::of(&options.path);
    Ok((connection, key))
}

/// What one transaction came to.
enum Round {
    /// Nothing to write.
    Empty,
    /// All that was taken is in the file, and that was as much as one transaction takes: there may be more.
    Filled,
    /// All that was taken is in the file, and that was all there was.
    Written,
    /// Others hold the lock.
    Busy,
    /// Something else.
    Failed(rusqlite::Error),
}

impl<'s> Writer<'s> {
    /// Tries until the file opens or the session ends. Who waits meanwhile is told.
    fn open(shared: &'s Shared, session: SessionInfo) -> Option<Self> {
        loop {
            match open(shared) {
                Ok((connection, key)) => {
                    let ledger = Ledger::new(session, key, shared.options.arguments);
                    let redactor = ledger.redactor();
                    let taken = spool::take_in(&shared.options.path, &connection, key);
                    if taken > 0 {
                        let text = format!("audit store: took in {taken} records that had waited");
                        (shared.options.on_recovery)(&text);
                    }
                    *shared.ledger() = Some(ledger);
                    shared.is_well();
                    return Some(Self {
                        shared,
                        connection,
                        redactor,
                        failures: 0,
                        retry: FIRST_RETRY,
                        read_us: 0,
                    });
                }
                Err(StoreError::Sqlite(error)) if place::is_damaged(&error) => {
                    set_aside(shared, FileId::of(&shared.options.path));
                }
                Err(StoreError::NotAStore { .. }) if is_damaged_store(shared) => {
                    set_aside(shared, FileId::of(&shared.options.path));
                }
                Err(error) => shared.is_in_trouble(&error),
            }
            shared.queue.expire(u64::MAX, || StoreError::Unavailable(shared.trouble().unwrap_or_default()));
            if shared.queue.closing_us().is_some() {
                return None;
            }
            shared.queue.pause(REOPEN);
        }
    }

    fn write_all(&mut self) {
        let shared = self.shared;
        loop {
            self.look_after_file();
            match self.round() {
                Round::Empty => return,
                Round::Filled => self.well(),
                Round::Written => {
                    self.well();
                    // What has come meanwhile gathers first: a commit for every few records would cost each more.
                    if shared.queue.closing_us().is_none() {
                        return;
                    }
                }
                Round::Busy => {
                    thread::sleep(self.retry);
                    self.retry = RETRY.min(self.retry * 2);
                }
                Round::Failed(error) => {
                    self.failures += 1;
                    failed(shared, &error, self.failures);
                    thread::sleep(BACKOFF);
                }
            }
            if shared.queue.closing_us().is_some_and(|until| until <= clock::now().steady_us) {
                return;
            }
        }
    }

    fn well(&mut self) {
        self.failures = 0;
        self.retry = FIRST_RETRY;
        self.shared.is_well();
    }

    /// Where the file is no longer what was opened: goes on with another one.
    fn look_after_file(&mut self) {
        let opened = *self.shared.file();
        match opened.map(|opened| place::look(&self.shared.options.path, opened)) {
            Some(Found::Same) if self.cannot_be_read() => self.give_up_file(opened),
            None | Some(Found::Same) => {}
            Some(Found::Another) => self.go_on_elsewhere("the file was taken away or replaced"),
            Some(Found::Damaged) => self.give_up_file(opened),
        }
    }

    /// Whether others find no database at the path: a connection that has all in its cache would not notice.
    fn cannot_be_read(&mut self) -> bool {
        let now_us = clock::now().steady_us;
        if now_us.saturating_sub(self.read_us) < READ_AGAIN_US && self.shared.queue.closing_us().is_none() {
            return false;
        }
        self.read_us = now_us;
        let last = schema::open_to_ask(&self.shared.options.path, "events").and_then(|found| {
            let Some(connection) = found else { return Ok(()) };
            Ok(connection.query_row("SELECT max(seq) FROM events", [], |_| Ok(()))?)
        });
        matches!(last, Err(StoreError::Sqlite(error)) if place::is_damaged(&error))
    }

    fn give_up_opened(&mut self) {
        // In a statement of its own: whoever opens another file takes this lock.
        let opened = *self.shared.file();
        self.give_up_file(opened);
    }

    fn give_up_file(&mut self, opened: Option<FileId>) {
        set_aside(self.shared, opened);
        self.go_on_elsewhere("the file was damaged");
    }

    /// Opens what is at the path by now, or makes it.
    fn go_on_elsewhere(&mut self, why: &str) {
        let mut guard = self.shared.ledger();
        match open(self.shared) {
            Ok((connection, key)) => {
                self.connection = connection;
                if let Some(ledger) = guard.as_mut() {
                    ledger.begin_anew(key, why);
                }
                self.shared.generation.fetch_add(1, Ordering::Release);
                (self.shared.options.on_trouble)(&format!("audit store: {why}; going on with a new one"));
            }
            Err(error) => {
                drop(guard);
                self.shared.is_in_trouble(&error);
            }
        }
    }

    fn round(&mut self) -> Round {
        let shared = self.shared;
        // A list takes long to prepare: before the ledger is held, for the call path may want that.
        let (lists, loan) = shared.queue.take_lists();
        let lists = lists.iter().map(|list| Tools::of(list, &self.redactor)).collect();
        let mut guard = shared.ledger();
        let Some(ledger) = guard.as_mut() else { return Round::Empty };
        ledger.fill(&shared.queue, BATCH);
        ledger.add_lists(lists, loan);
        if ledger.pending() == 0 && !shared.queue.is_urgent() {
            return Round::Empty;
        }
        if let Err(error) = begin(&self.connection) {
            drop(guard);
            return self.not_begun(error);
        }
        let filled = ledger.pending() >= BATCH;
        let mut urgent = shared.queue.take_urgent();
        let mut done = commit(shared, ledger, &self.connection, &urgent);
        drop(guard);
        if done.as_ref().is_err_and(place::is_damaged) {
            self.give_up_opened();
            done = self.once_more(&urgent);
        }
        // Who is answered may want the ledger at once.
        for one in urgent.drain(..) {
            let answer = match &done {
                Ok(()) => Ok(()),
                Err(error) => Err(StoreError::Unavailable(error.to_string())),
            };
            let _ = one.done.send(answer);
        }
        match done {
            Ok(()) if filled => Round::Filled,
            Ok(()) => Round::Written,
            Err(error) if is_busy(&error) => Round::Busy,
            Err(error) => Round::Failed(error),
        }
    }

    /// The same records to the file that has taken the place of a damaged one.
    fn once_more(&self, urgent: &[Urgent]) -> Result<(), rusqlite::Error> {
        let mut guard = self.shared.ledger();
        let Some(ledger) = guard.as_mut() else { return Ok(()) };
        begin(&self.connection)?;
        commit(self.shared, ledger, &self.connection, urgent)
    }

    /// Tells those who cannot wait any longer.
    fn not_begun(&mut self, error: rusqlite::Error) -> Round {
        if is_busy(&error) {
            self.shared.queue.expire(clock::now().steady_us, || StoreError::Busy);
            return Round::Busy;
        }
        if place::is_damaged(&error) {
            self.give_up_opened();
            return Round::Failed(error);
        }
        let text = error.to_string();
        self.shared.queue.expire(u64::MAX, || StoreError::Unavailable(text.clone()));
        Round::Failed(error)
    }
}

/// Whether what is at the path was a store: its key is beside it.
fn is_damaged_store(shared: &Shared) -> bool {
    let path = &shared.options.path;
    let opened = FileId::of(path);
    key::beside(path).exists() && opened.is_some_and(|opened| place::look(path, opened) == Found::Damaged)
}

fn set_aside(shared: &Shared, opened: Option<FileId>) {
    let Some(opened) = opened else { return };
    match place::set_aside(&shared.options.path, opened) {
        Ok(Some(aside)) => {
            let text = format!(
                "audit store: the file is damaged; it is kept as `{}`. What other processes did before is lost: until \
                that file is deleted or moved, labels of theirs are taken for possibly set",
                aside.display()
            );
            (shared.options.on_trouble)(&text);
        }
        Ok(None) => {}
        Err(error) => shared.is_in_trouble(&StoreError::Unavailable(error.to_string())),
    }
}

fn commit(
    shared: &Shared,
    ledger: &mut Ledger,
    connection: &Connection,
    urgent: &[Urgent],
) -> Result<(), rusqlite::Error> {
    let mark = ledger.pending();
    for record in urgent.iter().flat_map(|one| &one.records) {
        ledger.add_copy(record);
    }
    let written = ledger.pending();
    if let Err(error) = ledger.commit(connection, &shared.queue) {
        ledger.forget(mark);
        return Err(error);
    }
    shared.fresh.fetch_add(pages(written), Ordering::Relaxed);
    if ledger.take_alerted() {
        (shared.options.on_alerts)();
    }
    Ok(())
}

/// Says so, and after some tries gives up what the file will never take: else it would block all that follows.
fn failed(shared: &Shared, error: &rusqlite::Error, failures: u32) {
    shared.is_in_trouble(&StoreError::Unavailable(error.to_string()));
    if failures < TRIES || may_pass(error) {
        return;
    }
    if let Some(ledger) = shared.ledger().as_mut() {
        let lost = ledger.give_up(&shared.queue);
        shared.queue.count_missing(lost);
    }
}

/// Copies what no reader still needs from the log into the file, waiting for nobody.
fn copy_log(shared: &Shared, connection: &Connection) {
    shared.fresh.store(0, Ordering::Relaxed);
    // What it could not do now, the next one does.
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

/// Seals the end of the chain; another try while there is time.
fn close(shared: &Shared, connection: &Connection, until_us: u64) {
    let mut guard = shared.ledger();
    let Some(ledger) = guard.as_mut() else { return };
    while let Err(error) = ledger.close(connection) {
        if !is_busy(&error) || until_us <= clock::now().steady_us {
            return;
        }
        thread::sleep(RETRY);
    }
}
