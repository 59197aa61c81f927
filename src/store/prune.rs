//! Taking old rows away: by age, then by size, oldest first.
//!
//! It refuses to take a row without a sealed account of it in the same transaction. Invariant: the chain of what is left can
//! be verified across what is gone.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::chain::{self, Hash};
use super::insert::checkpoint;
use super::intake::json;
use super::key::Key;
use super::process::is_alive;
use super::{StoreError, alerts, key, past, schema, verify};
use crate::clock;
use crate::settings::Durability;

/// Rows in one transaction, so that writers are not kept out for long.
const BATCH: i64 = 2_000;

/// The oldest events up to a `seq`.
const OLDEST: &str = "SELECT coalesce(s.session, ''), e.n, e.hash, e.seq FROM events AS e \
    LEFT JOIN sessions AS s ON s.id = e.session WHERE e.seq <= ?1 ORDER BY e.seq LIMIT ?2";
/// The first event that is young enough. Completions are as old as their calls.
const FIRST_KEPT: &str = "SELECT seq FROM events WHERE ts >= ?1 AND kind NOT IN (2, 5) ORDER BY seq LIMIT 1";
/// The event of a `seq`.
const ONE: &str = "SELECT coalesce(s.session, ''), e.n, e.hash, e.seq FROM events AS e \
    LEFT JOIN sessions AS s ON s.id = e.session WHERE e.seq = ?1 LIMIT ?2";

/// What to take away.
#[derive(Debug, Clone, Copy)]
pub struct Prune {
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Older rows go, milliseconds.
    pub retention_ms: i64,
    /// Oldest rows go until the file is not larger, bytes.
    pub max_bytes: u64,
    /// Whether anything is really taken away.
    pub act: Act,
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Only tell; by size it is an estimate.
    DryRun,
    /// Take away.
    Delete,
}

/// What was taken away, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Rows of `events`.
    pub rows: u64,
    /// The file's size before.
    pub bytes_before: u64,
    /// The file's size now.
    pub bytes_after: u64,
    /// The last `seq` that is gone; `None` where nothing is.
    pub upto_seq: Option<i64>,
}

/// Prunes the store at `path`. Waits up to 5 s for each lock.
pub fn prune(path: &Path, what: &Prune) -> Result<Pruned, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let connection = schema::open(path, Durability::Normal)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let before_ms = what.now_ms.saturating_sub(what.retention_ms);
    let bytes_before = used_bytes(&connection)?;
    let cut = cut_by_age(&connection, before_ms)?;
    if what.act == Act::DryRun {
        return rehearse(&connection, cut, what.max_bytes, bytes_before);
    }
    let mut pruning = Pruning {
        connection: &connection,
        key: key::read_or_make(path)?,
        lasts: verify::prune_ends(&connection)?,
        rows: 0,
        upto: None,
    };
    while pruning.events(cut)? {}
    while used_bytes(&connection)? > what.max_bytes && pruning.events(i64::MAX)? {}
    if let Some(upto) = pruning.upto {
        pruning.rest(upto)?;
    }
    let (rows, upto_seq) = (pruning.rows, pruning.upto);
    alerts::forget(&connection, before_ms)?;
    shrink(&connection)?;
    Ok(Pruned { rows, bytes_before, bytes_after: used_bytes(&connection)?, upto_seq })
}

fn used_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = read("page_count")? - read("freelist_count")?;
    Ok(u64::try_from(pages * read("page_size")?).unwrap_or_default())
}

/// The last `seq` that is too old. A call and its completion go together; a batch goes with the calls after it.
fn cut_by_age(connection: &Connection, before_ms: i64) -> Result<i64, StoreError> {
    let first_kept: Option<i64> =
        connection.query_row(FIRST_KEPT, [before_ms], |row| row.get(0)).optional()?;
    Ok(first_kept.map_or(i64::MAX, |seq| (seq & !1) - 1))
}

fn rehearse(connection: &Connection, cut: i64, max_bytes: u64, bytes: u64) -> Result<Pruned, StoreError> {
    let (all, old): (i64, i64) = connection.query_row(
        "SELECT count(*), count(*) FILTER (WHERE seq <= ?1) FROM events",
        [cut],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (all, old) = (u64::try_from(all).unwrap_or_default(), u64::try_from(old).unwrap_or_default());
    let each = bytes / all.max(1);
    let by_size = bytes.saturating_sub(max_bytes).checked_div(each).unwrap_or_default().min(all);
    let rows = old.max(by_size);
    let upto_seq = connection
        .query_row(
            "SELECT max(seq) | 1 FROM (SELECT seq FROM events ORDER BY seq LIMIT ?1)",
            [i64::try_from(rows).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
        .optional()?
        .flatten();
    Ok(Pruned { rows, bytes_before: bytes, bytes_after: bytes.saturating_sub(rows * each), upto_seq })
}

/// A row that goes.
struct Gone {
    session: String,
    n: i64,
    hash: Hash,
    /// Its `seq`; `None` in the other tables.
    seq: Option<i64>,
}

struct Pruning<'a> {
    connection: &'a Connection,
    key: Key,
    /// The hash of the last row of each range that is gone, by session and `n`.
    lasts: HashMap<(String, i64), String>,
    rows: u64,
    upto: Option<i64>,
}

impl Pruning<'_> {
    /// Takes one batch of events up to `cut`; whether there was one.
    fn events(&mut self, cut: i64) -> Result<bool, StoreError> {
        self.within(|this| {
            let mut gone = this.gone(OLDEST, params![cut, BATCH])?;
            let Some(last) = gone.iter().filter_map(|row| row.seq).max() else { return Ok(false) };
            // The completion of the last call goes with it.
            let upto = last | 1;
            if upto > last {
                gone.extend(this.gone(ONE, params![upto, 1])?);
            }
            this.account(gone, upto)?;
            let deleted = this.connection.execute("DELETE FROM events WHERE seq <= ?1", [upto])?;
            this.rows += deleted as u64;
            this.upto = Some(upto);
            Ok(true)
        })
    }

    /// Takes assignments and sessions that nothing refers to any more.
    fn rest(&mut self, upto: i64) -> Result<(), StoreError> {
        self.within(|this| {
            let sessions = this.idle_sessions(upto)?;
            let mut gone = this.gone(
                "SELECT session, n, hash, NULL FROM assignments WHERE seq < ?1 AND ?2 = ?2",
                params![upto, 0],
            )?;
            for id in &sessions {
                gone.extend(this.gone(
                    "SELECT session, n, hash, NULL FROM sessions WHERE id = ?1 AND ?2 = ?2",
                    params![id, 0],
                )?);
            }
            this.account(gone, upto)?;
            past::forget(this.connection, clock::now().unix_ms)?;
            this.connection.execute("DELETE FROM assignments WHERE seq < ?1", [upto])?;
            for id in sessions {
                this.connection.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
            }
            Ok(())
        })
    }

    /// Sessions without events whose process is gone: one that lives may still write, and refers to its row.
    fn idle_sessions(&self, upto: i64) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT id, pid, process FROM sessions WHERE seq < ?1 AND id NOT IN (SELECT session FROM events)",
        )?;
        let rows = statement.query_map([upto], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i32>(1)?, row.get::<_, Option<String>>(2)?))
        })?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(rows
            .into_iter()
            .filter(|(_, pid, process)| !is_alive(*pid, process.as_deref()))
            .map(|(id, ..)| id)
            .collect())
    }

    fn gone(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Gone>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, |row| {
            Ok(Gone { session: row.get(0)?, n: row.get(1)?, hash: row.get(2)?, seq: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Seals what goes: ranges of `n` for each session, with the hashes at both ends.
    fn account(&mut self, mut gone: Vec<Gone>, upto: i64) -> Result<(), StoreError> {
        gone.sort_by(|a, b| (&a.session, a.n).cmp(&(&b.session, b.n)));
        let mut heads: BTreeMap<String, Vec<chain::Pruned>> = BTreeMap::new();
        for row in &gone {
            let ranges = heads.entry(row.session.clone()).or_default();
            match ranges.last_mut().filter(|range| range.to + 1 == row.n) {
                Some(range) => (range.to, range.last) = (row.n, chain::hex(&row.hash)),
                None => ranges.push(chain::Pruned {
                    from: row.n,
                    to: row.n,
                    before: self.before(row)?,
                    last: chain::hex(&row.hash),
                }),
            }
        }
        for (session, ranges) in &heads {
            self.lasts.extend(ranges.iter().map(|range| ((session.clone(), range.to), range.last.clone())));
        }
        Ok(checkpoint(self.connection, &self.key, "prune", upto, &json(&heads))?)
    }

    /// The hash of the row before this one.
    fn before(&self, row: &Gone) -> Result<String, StoreError> {
        let n = row.n - 1;
        if n == 0 {
            return Ok(chain::hex(&chain::genesis(&row.session)));
        }
        if let Some(last) = self.lasts.get(&(row.session.clone(), n)) {
            return Ok(last.clone());
        }
        let seq = row.seq.unwrap_or(i64::MAX);
        // A completion lies beside its call but follows what was committed last, so the row before may be on either side.
        let sides = ["<= ?3 ORDER BY e.seq DESC", ">= ?3 ORDER BY e.seq"];
        let hash = self
            .find("SELECT hash FROM sessions WHERE session = ?1 AND n = ?2 AND ?3 = ?3", row, n, seq)?
            .or(self.find(
                "SELECT hash FROM assignments WHERE session = ?1 AND n = ?2 AND ?3 = ?3",
                row,
                n,
                seq,
            )?);
        let mut hash = hash;
        let order = if seq & 1 == 0 { sides } else { [sides[1], sides[0]] };
        for side in order {
            if hash.is_none() {
                let sql = format!(
                    "SELECT e.hash FROM events AS e WHERE e.n = ?2 AND e.session IN \
                     (SELECT id FROM sessions WHERE session = ?1) AND e.seq {side} LIMIT 1"
                );
                hash = self.find(&sql, row, n, seq)?;
            }
        }
        // What is not there was gone before: verification says so either way.
        Ok(hash.map_or_else(String::new, |hash| chain::hex(&hash)))
    }

    fn find(&self, sql: &str, row: &Gone, n: i64, seq: i64) -> Result<Option<Hash>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![row.session, n, seq], |row| row.get(0)).optional()?)
    }

    fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|value| {
            self.connection.execute_batch("COMMIT")?;
            Ok(value)
        });
        if done.is_err() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }
}

/// Gives free pages back to the file system, through the log.
fn shrink(connection: &Connection) -> Result<(), StoreError> {
    for pragma in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        let mut statement = connection.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}
