//! Computing the hash chain again.
//!
//! It refuses to believe a hash because it is stored. Invariant: a judgement that does not give its own hash is a fault of
//! every event that names it.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::StoreError;
use super::chain::{
    self, ASSIGNMENT_ROWS, EVENT_ROWS, Encoder, End, Hash, JUDGEMENT_COLUMN, JUDGEMENT_ROWS,
    OLD_SESSION_ROWS, Pruned, SESSION_ROWS, Table, genesis, hex, unhex,
};
use super::key::Key;

/// What computing the chain again found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Verification {
    /// How many rows were hashed again.
    pub rows: u64,
    /// How many sessions they belong to.
    pub sessions: u64,
    /// Whether the store's key was there: without it checkpoints are believed.
    #[serde(rename = "sealed")]
    pub is_sealed: bool,
    /// What does not fit.
    pub faults: Vec<ChainFault>,
}

/// A place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum ChainFault {
    /// The row's columns do not give its hash, or it does not follow the row before.
    Changed {
        /// The session.
        session: String,
        /// The row's place in it.
        n: i64,
    },
    /// A row in the middle is gone, and no prune accounts for it.
    Gone {
        /// The session.
        session: String,
        /// The place of the row that is gone.
        n: i64,
    },
    /// Rows at the end are gone: the session was closed at `n`.
    CutShort {
        /// The session.
        session: String,
        /// Where it was closed.
        n: i64,
    },
    /// A checkpoint does not carry our seal.
    Checkpoint {
        /// Its number.
        id: i64,
    },
}

/// Computes every hash again. `key` is that of the store; without it checkpoints are believed.
pub(super) fn verify(connection: &Connection, key: Option<&Key>) -> Result<Verification, StoreError> {
    let mut found = Verification { is_sealed: key.is_some(), ..Verification::default() };
    let checkpoints = checkpoints(connection, key, &mut found.faults)?;
    let sessions = connection
        .prepare("SELECT DISTINCT session FROM sessions ORDER BY session")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = links(connection)?;
    let mut again = Again::new(connection)?;
    for session in sessions {
        found.sessions += 1;
        let links = rows.remove(&session).unwrap_or_default();
        found.rows += links.len() as u64;
        let pruned = checkpoints.pruned.get(&session);
        again.walk(&session, &links, pruned.map_or(&[], Vec::as_slice), &mut found.faults)?;
        let closed = checkpoints.ends.get(&session).copied().unwrap_or_default();
        let last = links.keys().next_back().copied().unwrap_or_default();
        let accounted =
            pruned.and_then(|ranges| ranges.iter().map(|range| range.to).max()).unwrap_or_default();
        if last.max(accounted) < closed {
            found.faults.push(ChainFault::CutShort { session, n: closed });
        }
    }
    // Rows whose session is gone.
    found.faults.extend(rows.into_iter().filter_map(|(session, links)| {
        links.keys().next().map(|n| ChainFault::Gone { session, n: n.saturating_sub(1) })
    }));
    Ok(found)
}

/// Where a row of the chain lies.
#[derive(Debug, Clone, Copy)]
struct Link {
    table: Table,
    id: i64,
    hash: Hash,
}

/// Every row of every session, by session and `n`.
fn links(connection: &Connection) -> Result<BTreeMap<String, BTreeMap<i64, Link>>, StoreError> {
    let mut all: BTreeMap<String, BTreeMap<i64, Link>> = BTreeMap::new();
    for (table, sql) in [
        (Table::Sessions, "SELECT n, hash, session, id FROM sessions"),
        (Table::Assignments, "SELECT n, hash, session, id FROM assignments"),
        (
            Table::Events,
            "SELECT e.n, e.hash, s.session, e.seq FROM events AS e LEFT JOIN sessions AS s ON s.id = e.session",
        ),
    ] {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let session = row.get::<_, Option<String>>(2)?.unwrap_or_default();
            let hash = row.get::<_, Hash>(1).unwrap_or_default();
            all.entry(session).or_default().insert(row.get(0)?, Link { table, id: row.get(3)?, hash });
        }
    }
    Ok(all)
}

/// Hashes rows again.
struct Again<'a> {
    connection: &'a Connection,
    encoder: Encoder,
    /// The columns that this file has.
    session_rows: &'static str,
    /// The hash that each judgement's columns give; `None` where the row says another.
    judgements: HashMap<i64, Option<Hash>>,
}

impl<'a> Again<'a> {
    fn new(connection: &'a Connection) -> Result<Self, StoreError> {
        let mut encoder = Encoder::default();
        let mut judgements = HashMap::new();
        let mut statement = connection.prepare(JUDGEMENT_ROWS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let hash = encoder.judgement(&columns(row, 2)?);
            let stored = row.get_ref(1)?.as_blob_or_null().ok().flatten();
            judgements.insert(row.get(0)?, (stored == Some(hash.as_slice())).then_some(hash));
        }
        let session_rows =
            if connection.prepare(SESSION_ROWS).is_ok() { SESSION_ROWS } else { OLD_SESSION_ROWS };
        Ok(Self { connection, encoder, session_rows, judgements })
    }

    /// Follows one session from its first row to its last.
    fn walk(
        &mut self,
        session: &str,
        links: &BTreeMap<i64, Link>,
        pruned: &[Pruned],
        faults: &mut Vec<ChainFault>,
    ) -> Result<(), StoreError> {
        let mut before = genesis(session);
        let mut next = 1;
        for (&n, link) in links {
            while next < n {
                match pruned.iter().find(|range| range.from == next) {
                    Some(range) if range.before == hex(&before) => {
                        before = unhex(&range.last);
                        next = range.to + 1;
                    }
                    Some(_) | None => {
                        faults.push(ChainFault::Gone { session: session.to_owned(), n: next });
                        before = [0; 32];
                        next = n;
                    }
                }
            }
            if self.hash(&before, *link)? != Some(link.hash) {
                faults.push(ChainFault::Changed { session: session.to_owned(), n });
            }
            before = link.hash;
            next = n + 1;
        }
        Ok(())
    }

    /// The hash that the row's columns give.
    fn hash(&mut self, before: &Hash, link: Link) -> Result<Option<Hash>, StoreError> {
        let (rows, id) = match link.table {
            Table::Sessions => (self.session_rows, "id"),
            Table::Assignments => (ASSIGNMENT_ROWS, "id"),
            Table::Events => (EVENT_ROWS, "seq"),
        };
        let mut statement = self.connection.prepare_cached(&format!("{rows} WHERE {id} = ?1"))?;
        let mut rows = statement.query([link.id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        // After the four columns that lead to the row.
        let mut columns = columns(row, 4)?;
        if link.table == Table::Events
            && let Some(column @ ValueRef::Integer(_)) = columns.get_mut(JUDGEMENT_COLUMN)
        {
            let Some(Some(hash)) = column.as_i64().ok().and_then(|id| self.judgements.get(&id)) else {
                return Ok(None);
            };
            *column = ValueRef::Blob(hash);
        }
        let hashed = match link.table {
            Table::Sessions => chain::hashed_of_session(&columns),
            Table::Assignments | Table::Events => &columns,
        };
        Ok(Some(self.encoder.link(before, link.table, hashed)))
    }
}

/// The columns of a row, but for the first few.
fn columns<'a>(row: &'a Row<'_>, from: usize) -> Result<Vec<ValueRef<'a>>, StoreError> {
    let count = row.as_ref().column_count();
    (from..count).map(|index| Ok(row.get_ref(index)?)).collect()
}

/// The hash (hexadecimal) of the last row of each range that was pruned, by session and `n`.
pub(super) fn prune_ends(connection: &Connection) -> Result<HashMap<(String, i64), String>, StoreError> {
    let pruned = checkpoints(connection, None, &mut Vec::new())?.pruned;
    Ok(pruned
        .into_iter()
        .flat_map(|(session, ranges)| {
            ranges.into_iter().map(move |range| ((session.clone(), range.to), range.last))
        })
        .collect())
}

#[derive(Default)]
struct Checkpoints {
    pruned: BTreeMap<String, Vec<Pruned>>,
    ends: BTreeMap<String, i64>,
}

fn checkpoints(
    connection: &Connection,
    key: Option<&Key>,
    faults: &mut Vec<ChainFault>,
) -> Result<Checkpoints, StoreError> {
    let mut all = Checkpoints::default();
    let mut statement =
        connection.prepare("SELECT id, ts, kind, upto_seq, heads, mac FROM checkpoints ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut before = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let mac: Vec<u8> = row.get(5)?;
        let columns = (0..5).map(|index| row.get_ref(index)).collect::<Result<Vec<_>, _>>()?;
        if key.is_some_and(|key| chain::seal(key, &before, &columns).as_slice() != mac.as_slice()) {
            faults.push(ChainFault::Checkpoint { id });
        }
        before = mac;
        let (kind, heads): (String, String) = (row.get(2)?, row.get(4)?);
        if !all.take(&kind, &heads) {
            faults.push(ChainFault::Checkpoint { id });
        }
    }
    Ok(all)
}

impl Checkpoints {
    /// Whether `heads` could be read.
    fn take(&mut self, kind: &str, heads: &str) -> bool {
        if kind == "prune" {
            let read = serde_json::from_str::<BTreeMap<String, Vec<Pruned>>>(heads);
            let fits = read.is_ok();
            for (session, ranges) in read.into_iter().flatten() {
                self.pruned.entry(session).or_default().extend(ranges);
            }
            return fits;
        }
        let read = serde_json::from_str::<BTreeMap<String, End>>(heads);
        let fits = read.is_ok();
        self.ends.extend(read.into_iter().flatten().map(|(session, end)| (session, end.n)));
        fits
    }
}
