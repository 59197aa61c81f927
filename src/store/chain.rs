//! The hash chain: one per session, over its rows in `sessions`, `assignments` and `events` in the order of `n`.
//!
//! It refuses to say anything about rows that `prune` took away but that they were accounted for. Invariant: the bytes
//! that are hashed depend on the stored columns alone, so any reader of the file can compute them again.
//!
//! `hash = SHA-256(hash of the row before, table, columns)`. The first row follows
//! `SHA-256("callgate chain v1" || session)`. The table is one byte: `s`, `a` or `e`. Each column, in the order of
//! [`SESSION_ROWS`], [`ASSIGNMENT_ROWS`] and [`EVENT_ROWS`], is a byte for its type and its value: `0` null; `1` and eight
//! bytes, big-endian two's complement; `2` (text) or `3` (blob), four bytes of length, big-endian, and the bytes. In place
//! of an event's number of its judgement stands the judgement's hash, `SHA-256("j", columns)` in the order of
//! [`JUDGEMENT_ROWS`]: so an event's hash binds what the judgement says, and the policy by its revision.

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

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
    root, n, process FROM sessions";
/// The same in a file from before processes were told apart.
pub(super) const OLD_SESSION_ROWS: &str = "SELECT n, hash, session, id, \
    id, session, seq, ts, agent, user, uid, groups, repo, environment, client, client_version, server, protocol, pid, \
    root, n FROM sessions";
/// As [`SESSION_ROWS`].
pub(super) const ASSIGNMENT_ROWS: &str = "SELECT n, hash, session, id, \
    id, session, seq, ts, scope, from_word, to_word, revision, origin, n FROM assignments";
/// As [`SESSION_ROWS`].
pub(super) const EVENT_ROWS: &str = "SELECT n, hash, (SELECT session FROM sessions WHERE id = e.session), seq, \
    seq, kind, session, ts, number, judgement, eval_us, status, latency_us, result_bytes, n, arguments_hash, topic, note, \
    lost, arguments FROM events AS e";
/// Where [`EVENT_ROWS`] has the judgement, among what is hashed.
pub(super) const JUDGEMENT_COLUMN: usize = 5;
/// `id, hash`, then what is hashed.
pub(super) const JUDGEMENT_ROWS: &str = "SELECT id, hash, method, tool, verdict, mode, outcome, rule, matched, reason, \
    (SELECT revision FROM policies WHERE id = j.policy) FROM judgements AS j";

/// The columns of a session's row that are hashed: `process` came later, and only where it says something, so that older
/// rows keep their hashes.
pub(super) fn hashed_of_session<'a, 'v>(columns: &'a [ValueRef<'v>]) -> &'a [ValueRef<'v>] {
    match columns {
        [older @ .., ValueRef::Null] if older.len() == SESSION_COLUMNS => older,
        all => all,
    }
}

/// How many columns a session's row had at first.
const SESSION_COLUMNS: usize = 17;

/// What the first row of a session follows.
pub(super) fn genesis(session: &str) -> Hash {
    Sha256::new().chain_update(b"callgate chain v1").chain_update(session).finalize().into()
}

/// Puts the bytes of a row together; keeps its buffer between rows.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    /// The hash of a row of `table` that follows `before`.
    pub(super) fn link(&mut self, before: &Hash, table: Table, columns: &[ValueRef<'_>]) -> Hash {
        self.0.clear();
        self.0.extend_from_slice(before);
        self.0.push(table as u8);
        self.columns(columns);
        Sha256::digest(&self.0).into()
    }

    /// The hash of a judgement with these columns.
    pub(super) fn judgement(&mut self, columns: &[ValueRef<'_>]) -> Hash {
        self.0.clear();
        self.0.push(b'j');
        self.columns(columns);
        Sha256::digest(&self.0).into()
    }

    fn columns(&mut self, columns: &[ValueRef<'_>]) {
        for value in columns {
            self.column(*value);
        }
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
pub(super) fn seal(key: &Key, before: &[u8], columns: &[ValueRef<'_>]) -> Hash {
    let mut encoder = Encoder::default();
    encoder.bytes(3, before);
    encoder.columns(columns);
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

/// Where a session was closed.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct End {
    pub(super) n: i64,
    pub(super) hash: String,
}

/// What [`hex`] wrote.
pub(super) fn unhex(text: &str) -> Hash {
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    hash
}
