//! The writer thread: opens the file, commits what is queued, copies the write-ahead log into the file.
//!
//! It refuses to hold the ledger while it waits for anything. Invariant: what it took from the queue is committed, or still
//! waits, or is counted as missing.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::error::{StoreError, is_busy, may_pass};
use super::ledger::{Ledger, begin};
use super::queue::{Urgent, Woken};
use super::tools::Tools;
use super::{CHECKPOINT_EVERY, Shared, key, pages, schema};
use crate::clock;
use crate::policy::Redactor;
use crate::record::SessionInfo;

/// Records in one transaction: some milliseconds for which others find the file locked.
const BATCH: usize = 1_024;
/// Between two tries for a lock that others hold.
const RETRY: Duration = Duration::from_millis(1);
/// Between two tries after anything else.
const BACKOFF: Duration = Duration::from_millis(50);
/// Between two tries to open the file.
const REOPEN: Duration = Duration::from_secs(1);
/// Quiet that is used to copy the log.
const IDLE: Duration = Duration::from_secs(1);
/// Tries before records that the file does not take are given up.
const TRIES: u32 = 5;

/// The thread's work, until the queue is closed.
pub(super) fn run(shared: &Shared, session: SessionInfo) {
    let Some((connection, redactor)) = open(shared, session) else { return };
    let connection = &connection;
    let write_all = |failures: &mut u32| write_all(shared, connection, &redactor, failures);
    let mut failures = 0;
    loop {
        let idle = (shared.fresh.load(Ordering::Relaxed) > 0).then_some(IDLE);
        match shared.queue.wait(idle) {
            Woken::Idle => copy_log(shared, connection),
            Woken::Work => {
                write_all(&mut failures);
                if shared.fresh.load(Ordering::Relaxed) >= CHECKPOINT_EVERY {
                    copy_log(shared, connection);
                }
            }
            Woken::Closing(until_us) => {
                write_all(&mut failures);
                close(shared, connection, until_us);
                return;
            }
        }
    }
}

/// Tries until the file opens or the session ends. Who waits meanwhile is told.
fn open(shared: &Shared, session: SessionInfo) -> Option<(Connection, Redactor)> {
    let options = &shared.options;
    loop {
        let opened = schema::open(&options.path, options.durability)
            .and_then(|connection| Ok((connection, key::read_or_make(&options.path)?)));
        match opened {
            Ok((connection, key)) => {
                let ledger = Ledger::new(session, key, options.arguments);
                let redactor = ledger.redactor();
                *shared.ledger() = Some(ledger);
                shared.is_well();
                return Some((connection, redactor));
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

fn write_all(shared: &Shared, connection: &Connection, redactor: &Redactor, failures: &mut u32) {
    loop {
        match round(shared, connection, redactor) {
            Round::Empty => return,
            Round::Filled => well(shared, failures),
            Round::Written => {
                well(shared, failures);
                // What has come meanwhile gathers first: a commit for every few records would cost each of them more.
                if shared.queue.closing_us().is_none() {
                    return;
                }
            }
            Round::Busy => thread::sleep(RETRY),
            Round::Failed(error) => {
                *failures += 1;
                failed(shared, &error, *failures);
                thread::sleep(BACKOFF);
            }
        }
        if shared.queue.closing_us().is_some_and(|until| until <= clock::now().steady_us) {
            return;
        }
    }
}

fn well(shared: &Shared, failures: &mut u32) {
    *failures = 0;
    shared.is_well();
}

fn round(shared: &Shared, connection: &Connection, redactor: &Redactor) -> Round {
    // A list takes long to prepare: before the ledger is held, for the call path may want that.
    let (lists, loan) = shared.queue.take_lists();
    let lists = lists.iter().map(|list| Tools::of(list, redactor)).collect();
    let mut guard = shared.ledger();
    let Some(ledger) = guard.as_mut() else { return Round::Empty };
    ledger.fill(&shared.queue, BATCH);
    ledger.add_lists(lists, loan);
    if ledger.pending() == 0 && !shared.queue.is_urgent() {
        return Round::Empty;
    }
    if let Err(error) = begin(connection) {
        drop(guard);
        return not_begun(shared, error);
    }
    let filled = ledger.pending() >= BATCH;
    let mut urgent = shared.queue.take_urgent();
    let done = commit(shared, ledger, connection, &mut urgent);
    // Who is answered may want the ledger at once.
    drop(guard);
    for one in urgent {
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

/// Tells those who cannot wait any longer.
fn not_begun(shared: &Shared, error: rusqlite::Error) -> Round {
    if is_busy(&error) {
        shared.queue.expire(clock::now().steady_us, || StoreError::Busy);
        return Round::Busy;
    }
    let text = error.to_string();
    shared.queue.expire(u64::MAX, || StoreError::Unavailable(text.clone()));
    Round::Failed(error)
}

fn commit(
    shared: &Shared,
    ledger: &mut Ledger,
    connection: &Connection,
    urgent: &mut [Urgent],
) -> Result<(), rusqlite::Error> {
    let mark = ledger.pending();
    for record in urgent.iter_mut().flat_map(|one| std::mem::take(&mut one.records)) {
        ledger.add(record);
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
