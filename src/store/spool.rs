//! What could not be written before the end of a process: kept in a small store of its own, and taken in by the next.
//!
//! It refuses to keep anything that was not redacted. Invariant: a record is taken in once, however many processes try and
//! whenever they end: what the file has of a session already is passed over.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};
use rustix::process::getuid;
use sha2::{Digest, Sha256};

use super::intake::{Entry, Event, Kind};
use super::judgement::Judgement;
use super::key::{self, Key};
use super::ledger::{Ledger, begin};
use super::queue::Queue;
use super::{StoreError, schema};
use crate::record::{Completion, NoticeKind, PolicySource, SessionInfo, Status};
use crate::settings::{Durability, KeepArguments};

/// Rows of one session that are taken in at once: the file is locked for as long.
const MOST_ROWS: usize = 100_000;
/// What belongs to a database, by the end of its name.
const BESIDE: [&str; 4] = ["-wal", "-shm", ".key", ""];

/// Keeps everything that waits; where. The first folder that takes it: beside the store, else where such things go.
pub(super) fn keep(store: &Path, ledger: &mut Ledger, queue: &Queue) -> Result<PathBuf, StoreError> {
    let mut last = StoreError::Gone;
    for folder in folders(store) {
        match keep_in(&folder, store, ledger, queue) {
            Ok(path) => return Ok(path),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn keep_in(folder: &Path, store: &Path, ledger: &mut Ledger, queue: &Queue) -> Result<PathBuf, StoreError> {
    let failed = |source: io::Error| StoreError::File { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let path = folder.join(format!("{}{}.db", mark(store), ledger.session()));
    let part = path.with_extension("part");
    let connection = schema::open(&part, Durability::Strict)?;
    ledger.begin_elsewhere(key::read_or_make(&part)?);
    loop {
        ledger.fill(queue, MOST_ROWS);
        if ledger.pending() == 0 {
            break;
        }
        begin(&connection)?;
        if let Err(error) = ledger.commit(&connection, queue) {
            drop(connection);
            remove(&part);
            return Err(error.into());
        }
    }
    // The last to close a database folds its log into it.
    connection.close().map_err(|(_, error)| error)?;
    fs::rename(&part, &path).map_err(failed)?;
    let _ = fs::remove_file(key::beside(&part));
    Ok(path)
}

/// Takes in what earlier processes could not write; how many records. What cannot be read is left where it is.
pub(super) fn take_in(store: &Path, connection: &Connection, key: Key) -> u64 {
    let mark = mark(store);
    let mut taken = 0;
    for entry in folders(store).iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(&mark)
            && path.extension().is_some_and(|end| end == "db")
            && let Ok(count) = take_one(&path, connection, key)
        {
            taken += count;
            remove(&path);
        }
    }
    taken
}

fn take_one(path: &Path, connection: &Connection, key: Key) -> Result<u64, StoreError> {
    let spool = schema::open_to_read(path)?;
    let Some((info, id)) = session(&spool)? else { return Ok(0) };
    let mut ledger = Ledger::new(info, key, KeepArguments::Full);
    let policies = policies(&spool)?;
    let events = events(&spool)?;
    // Another process may be taking in the same; the lock puts one after the other.
    begin(connection)?;
    let is_new = |event: &Event| is_new(connection, &id, event);
    let mut news = Vec::new();
    for event in events {
        match is_new(&event) {
            Ok(true) => news.push(event),
            Ok(false) => {}
            Err(error) => {
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error.into());
            }
        }
    }
    let count = news.len() as u64;
    let entries = policies.into_iter().map(Entry::Policy).chain(news.into_iter().map(Entry::Event));
    ledger.add_entries(entries.collect());
    ledger.commit(connection, &Queue::new(0))?;
    Ok(count)
}

/// Whether the file has no such event of the session.
fn is_new(connection: &Connection, session: &str, event: &Event) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM events AS e JOIN sessions AS s ON s.id = e.session WHERE s.session = ?1 AND e.kind = ?2 \
        AND e.number IS ?3 AND e.ts = ?4 AND e.note IS ?5 LIMIT 1";
    let number = event.number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let values = params![session, event.kind.number(), number, event.ts, event.note];
    Ok(connection.prepare_cached(sql)?.query_row(values, |_| Ok(())).optional()?.is_none())
}

/// The one session of a spool, as it was last known.
fn session(spool: &Connection) -> rusqlite::Result<Option<(SessionInfo, String)>> {
    let sql = "SELECT session, ts, agent, user, uid, groups, repo, environment, client, client_version, server, protocol, \
        pid, root, process FROM sessions ORDER BY id DESC LIMIT 1";
    let info = spool.query_row(sql, [], |row| {
        let groups: String = row.get(5)?;
        Ok(SessionInfo {
            session: row.get(0)?,
            unix_ms: row.get(1)?,
            agent: row.get(2)?,
            user: row.get(3)?,
            uid: row.get(4)?,
            groups: serde_json::from_str(&groups).unwrap_or_default(),
            repo: row.get(6)?,
            environment: row.get(7)?,
            client: row.get(8)?,
            client_version: row.get(9)?,
            server: row.get(10)?,
            protocol: row.get(11)?,
            pid: row.get(12)?,
            root: row.get(13)?,
            process: row.get(14)?,
        })
    });
    Ok(info.optional()?.map(|info| (info.clone(), info.session)))
}

fn policies(spool: &Connection) -> rusqlite::Result<Vec<PolicySource>> {
    let mut statement = spool.prepare(
        "SELECT revision, name, path, source, ts FROM policies WHERE source IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(PolicySource {
            revision: row.get::<_, String>(0)?.into(),
            name: row.get(1)?,
            path: row.get(2)?,
            source: row.get(3)?,
            unix_ms: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Calls with what ended them, gaps and notices, in their order.
fn events(spool: &Connection) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT e.kind, e.ts, e.number, e.eval_us, a.status, a.latency_us, a.result_bytes, e.arguments_hash, e.topic, \
        e.note, e.lost, e.arguments, j.method, j.tool, j.verdict, j.mode, j.outcome, j.rule, j.matched, j.reason, a.policy \
        FROM events AS e LEFT JOIN audit AS a ON a.seq = e.seq LEFT JOIN judgements AS j ON j.id = e.judgement \
        WHERE e.kind IN (1, 3, 4) ORDER BY e.seq";
    let mut statement = spool.prepare(sql)?;
    let rows = statement.query_map([], event)?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// `None` for what a later version wrote and this one does not know.
fn event(row: &Row<'_>) -> rusqlite::Result<Option<Event>> {
    let kind = match row.get(0)? {
        1_i64 => Kind::Call,
        3 => Kind::Gap,
        4 => Kind::Notice,
        _ => return Ok(None),
    };
    let topic: Option<String> = row.get(8)?;
    let number: Option<i64> = row.get(2)?;
    let number = number.and_then(|number| u64::try_from(number).ok());
    let count =
        |index| row.get::<_, Option<i64>>(index).map(|count| u64::try_from(count.unwrap_or(0)).unwrap_or(0));
    let status: Option<String> = row.get(4)?;
    let completion = match (status.as_deref().and_then(Status::from_word), number) {
        (Some(status), Some(number)) => {
            Some(Completion { number, status, latency_us: count(5)?, result_bytes: count(6)? })
        }
        (None, _) | (_, None) => None,
    };
    let judgement = if kind == Kind::Call { Judgement::read(row, 12)? } else { None };
    Ok(Some(Event {
        kind,
        ts: row.get(1)?,
        number,
        judgement: judgement.map(std::sync::Arc::new),
        eval_us: (kind == Kind::Call).then(|| count(3)).transpose()?,
        completion,
        of: None,
        arguments_hash: row.get::<_, Option<Vec<u8>>>(7)?.and_then(|hash| hash.try_into().ok()),
        topic: topic.and_then(|topic| NoticeKind::from_word(&topic)).map(NoticeKind::as_str),
        note: row.get(9)?,
        lost: row.get(10)?,
        arguments: row.get(11)?,
    }))
}

/// Beside the store, and where programs keep such things: a full disk is seldom both.
fn folders(store: &Path) -> [PathBuf; 2] {
    let beside = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let other = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    [beside.join("spool"), other.join(format!("callgate-{}", getuid().as_raw())).join("spool")]
}

/// What the names of a store's spools begin with: several stores share the second folder.
fn mark(store: &Path) -> String {
    let whole = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
    let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let first = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{first:016x}-")
}

fn remove(database: &Path) {
    for end in BESIDE {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        let _ = fs::remove_file(name);
    }
}
