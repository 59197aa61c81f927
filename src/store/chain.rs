//! The hash chain: one per session, over its rows in `sessions`, `assignments` and `events` in the order of `n`.
//!
//! It refuses to say anything about rows that `prune` took away but that they were accounted for. Invariant: the bytes
//! that are hashed depend on the stored columns alone, so any reader of the file can compute them again.
//!
//! `hash = SHA-256(hash of the row before, table, columns)`. The first row follows
//! `SHA-256("callgate chain v1" || session)`. The table is one byte: `s`, `a` or `e`. Each column, in the order of
//! [`SESSION_ROWS`], [`ASSIGNMENT_ROWS`] and [`EVENT_ROWS`], is a byte for its type and its value: `0` null; `1` and eight
//! bytes, big-endian two's complement; `2` (text) or `3` (blob), four bytes of length, big-endian, and the bytes. In place
//! of an event's policy number stands the revision.

use std::collections::{BTreeMap, HashMap};

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};

use super::StoreError;
use super::key::Key;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// The tables that are chained, by the byte that names them in the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Sessions = b's' as isize,
    Assignments = b'a' as isize,
    Events = b'e' as isize,
}

/// `n, hash, session, id`, then what is hashed.
pub(super) const SESSION_ROWS: &str = "SELECT n, hash, session, id, \
    id, session, seq, ts, agent, user, uid, groups, repo, environment, client, client_version, server, protocol, pid, \
    root, n FROM sessions";
/// As [`SESSION_ROWS`].
pub(super) const ASSIGNMENT_ROWS: &str = "SELECT n, hash, session, id, \
    id, session, seq, ts, scope, from_word, to_word, revision, origin, n FROM assignments";
/// As [`SESSION_ROWS`].
pub(super) const EVENT_ROWS: &str = "SELECT n, hash, (SELECT session FROM sessions WHERE id = e.session), seq, \
    seq, kind, session, ts, number, method, tool, verdict, mode, outcome, rule, \
    (SELECT revision FROM policies WHERE id = e.policy), eval_us, status, latency_us, result_bytes, n, arguments_hash, \
    reason, matched, lost, arguments FROM events AS e";

/// What the first row of a session follows.
pub(super) fn genesis(session: &str) -> Hash {
    Sha256::new().chain_update(b"callgate chain v1").chain_update(session).finalize().into()
}

/// Puts the bytes of a row together; keeps its buffer between rows.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    /// The hash of a row of `table` that follows `before`.
    pub(super) fn link<'a>(
        &mut self,
        before: &Hash,
        table: Table,
        columns: impl IntoIterator<Item = ValueRef<'a>>,
    ) -> Hash {
        self.0.clear();
        self.0.extend_from_slice(before);
        self.0.push(table as u8);
        columns.into_iter().for_each(|value| self.column(value));
        Sha256::digest(&self.0).into()
    }

    fn column(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.push(0),
            ValueRef::Integer(number) => {
                self.0.push(1);
                self.0.extend_from_slice(&number.to_be_bytes());
            }
            // The schema has no such column; a row that was given one by force must still have some hash.
            ValueRef::Real(number) => self.bytes(4, &number.to_be_bytes()),
            ValueRef::Text(text) => self.bytes(2, text),
            ValueRef::Blob(bytes) => self.bytes(3, bytes),
        }
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}

/// The keyed hash of a checkpoint; `before` is that of the checkpoint before it, empty for the first.
pub(super) fn seal<'a>(key: &Key, before: &[u8], columns: impl IntoIterator<Item = ValueRef<'a>>) -> Hash {
    let mut encoder = Encoder::default();
    encoder.bytes(3, before);
    columns.into_iter().for_each(|value| encoder.column(value));
    // A key of 32 bytes is always taken.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(&encoder.0);
        mac.finalize().into_bytes().into()
    })
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Rows that `prune` took out of a session: `from` and `to` are their `n`, `before` and `last` the hashes (hexadecimal) of
/// the row before them and of the last of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Pruned {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) before: String,
    pub(super) last: String,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Verification {
    /// How many rows were hashed again.
    pub rows: u64,
    /// How many sessions they belong to.
    pub sessions: u64,
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
    let mut found = Verification::default();
    let checkpoints = checkpoints(connection, key, &mut found.faults)?;
    let sessions = connection
        .prepare("SELECT DISTINCT session FROM sessions ORDER BY session")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = links(connection)?;
    for session in sessions {
        found.sessions += 1;
        let links = rows.remove(&session).unwrap_or_default();
        found.rows += links.len() as u64;
        let pruned = checkpoints.pruned.get(&session);
        walk(connection, &session, &links, pruned.map_or(&[], Vec::as_slice), &mut found.faults)?;
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
pub(super) struct Link {
    pub(super) table: Table,
    pub(super) id: i64,
    pub(super) hash: Hash,
}

/// Every row of every session, by session and `n`.
pub(super) fn links(connection: &Connection) -> Result<BTreeMap<String, BTreeMap<i64, Link>>, StoreError> {
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

/// Follows one session from its first row to its last.
fn walk(
    connection: &Connection,
    session: &str,
    links: &BTreeMap<i64, Link>,
    pruned: &[Pruned],
    faults: &mut Vec<ChainFault>,
) -> Result<(), StoreError> {
    let mut before = genesis(session);
    let mut next = 1;
    let mut encoder = Encoder::default();
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
        if again(connection, &mut encoder, &before, *link)? != Some(link.hash) {
            faults.push(ChainFault::Changed { session: session.to_owned(), n });
        }
        before = link.hash;
        next = n + 1;
    }
    Ok(())
}

/// The hash that the row's columns give.
fn again(
    connection: &Connection,
    encoder: &mut Encoder,
    before: &Hash,
    link: Link,
) -> Result<Option<Hash>, StoreError> {
    let sql = match link.table {
        Table::Sessions => const_format(SESSION_ROWS, "id"),
        Table::Assignments => const_format(ASSIGNMENT_ROWS, "id"),
        Table::Events => const_format(EVENT_ROWS, "seq"),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([link.id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(encoder.link(before, link.table, columns(row)?)))
}

fn const_format(rows: &str, id: &str) -> String {
    format!("{rows} WHERE {id} = ?1")
}

/// Everything after the four columns that lead to the row.
fn columns<'a>(row: &'a Row<'_>) -> Result<Vec<ValueRef<'a>>, StoreError> {
    let count = row.as_ref().column_count();
    (4..count).map(|index| Ok(row.get_ref(index)?)).collect()
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
        if key.is_some_and(|key| seal(key, &before, columns).as_slice() != mac.as_slice()) {
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

/// Where a session was closed.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct End {
    pub(super) n: i64,
    pub(super) hash: String,
}

fn unhex(text: &str) -> Hash {
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    hash
}
