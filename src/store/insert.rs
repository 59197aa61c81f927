//! The statements that append rows, inside a transaction that holds the write lock.
//!
//! It refuses to begin or end a transaction. Invariant: every chained row gets the next `n` and the hash that follows the
//! row before.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, params};

use super::batch::{Batches, Way};
use super::chain::{self, Encoder, Hash, JUDGEMENT_COLUMN, Table};
use super::intake::{Entry, Event, count, json, text};
use super::judgement::Judgement;
use super::key::Key;
use super::ledger::State;
use super::{alerts, approvals, past, warnings};
use crate::clock;
use crate::record::{Assignment, PolicySource};

const INSERT_EVENT: &str = "INSERT INTO events (seq, kind, session, ts, number, judgement, eval_us, status, latency_us, \
    result_bytes, n, arguments_hash, topic, note, lost, arguments, hash) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
const INSERT_JUDGEMENT: &str = "INSERT INTO judgements (method, tool, verdict, mode, outcome, rule, matched, reason, \
    policy, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const INSERT_SESSION: &str = "INSERT INTO sessions (id, session, seq, ts, agent, user, uid, groups, repo, environment, \
    client, client_version, server, protocol, pid, root, n, process, hash) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
const INSERT_ASSIGNMENT: &str = "INSERT INTO assignments (id, session, seq, ts, scope, from_word, to_word, revision, \
    origin, n, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// How many judgements are remembered.
const JUDGEMENTS: usize = 1_024;

/// Rows that are in the file, by what they say. Holds only as long as no transaction failed.
#[derive(Debug, Default)]
pub(super) struct Known {
    policies: HashMap<Arc<str>, i64>,
    judgements: HashMap<Hash, i64>,
    /// Most calls are judged as the call before.
    last: Option<(Hash, i64)>,
}

/// Rows being appended to one session.
pub(super) struct Appending<'a> {
    connection: &'a Connection,
    state: &'a mut State,
    known: &'a mut Known,
    encoder: &'a mut Encoder,
    /// Looked up once for all rows of the transaction.
    insert_event: Insert<'a>,
    batches: Batches,
    /// The last `seq` of the file.
    last: i64,
}

impl<'a> Appending<'a> {
    /// `batches` are those of the entries that follow.
    pub(super) fn new(
        connection: &'a Connection,
        state: &'a mut State,
        known: &'a mut Known,
        encoder: &'a mut Encoder,
        batches: Batches,
    ) -> Result<Self> {
        let last = last_seq(connection)?;
        let insert_event = Insert::prepare(connection, INSERT_EVENT)?;
        Ok(Self { connection, state, known, encoder, insert_event, batches, last })
    }

    /// Appends one entry; the `seq` of an event, 0 for the rest.
    pub(super) fn entry(&mut self, entry: &Entry) -> Result<i64> {
        match entry {
            Entry::Session(info) => {
                self.state.info = Arc::clone(info);
                self.state.row = None;
                Ok(0)
            }
            Entry::Policy(policy) => self.policy(policy).map(|()| 0),
            Entry::Assignment(assignment) => self.assignment(assignment).map(|()| 0),
            Entry::Tools(tools) => {
                let info = Arc::clone(&self.state.info);
                tools.insert(self.connection, &info.server, &info.session).map(|()| 0)
            }
            Entry::Event(event) => self.event(event),
            Entry::Trace(trace) => past::write(self.connection, &self.state.info.session, trace).map(|()| 0),
            Entry::Question(asked) => asked.insert(self.connection, &self.state.info).map(|()| 0),
            Entry::Warning(warning) => {
                warnings::tell(self.connection, &self.state.info.session, warning).map(|()| 0)
            }
            Entry::Course(course) => {
                warnings::follow(self.connection, &self.state.info.session, course).map(|()| 0)
            }
            Entry::Alert(raised) => {
                let last = alerts::insert(self.connection, &self.state.info, raised);
                last.map(|()| 0)
            }
            Entry::Turn(turn) => approvals::write(self.connection, &self.state.info, turn).map(|()| 0),
        }
    }

    /// Calls and all else: even, after all there are. A completion: beside its call, or with others.
    fn event(&mut self, event: &Event) -> Result<i64> {
        let Some(call) = event.of else { return self.row((self.last / 2 + 1) * 2, event) };
        match self.batches.way(call, self.last) {
            Way::Alone => self.row(call + 1, event),
            Way::Batch(seq, note) => self.row(seq, &Event::batch(event.ts, note)),
            Way::Gone => Ok(0),
        }
    }

    fn row(&mut self, seq: i64, event: &Event) -> Result<i64> {
        let session = self.session()?;
        let n = self.state.n + 1;
        let mut columns = event.columns(seq, session, n);
        let hash = self.encoder.link(&self.state.hash, Table::Events, &columns);
        if let Some(judgement) = &event.judgement {
            columns[JUDGEMENT_COLUMN] = ValueRef::Integer(self.judgement_id(judgement)?);
        }
        self.insert_event.row(&columns, &hash)?;
        (self.state.n, self.state.hash, self.last) = (n, hash, self.last.max(seq));
        Ok(seq)
    }

    /// The row of `sessions` in force, written now if it is not yet.
    fn session(&mut self) -> Result<i64> {
        if let Some(row) = self.state.row {
            return Ok(row);
        }
        if self.state.n == 0 {
            self.resume()?;
        }
        let info = Arc::clone(&self.state.info);
        let id = next_id(self.connection, "SELECT coalesce(max(id), 0) + 1 FROM sessions")?;
        let groups = json(&info.groups);
        let n = self.state.n + 1;
        let columns = [
            ValueRef::Integer(id),
            text(Some(&info.session)),
            ValueRef::Integer(self.last),
            ValueRef::Integer(info.unix_ms),
            text(info.agent.as_deref()),
            text(info.user.as_deref()),
            count(info.uid.map(u64::from)),
            text(Some(&groups)),
            text(info.repo.as_deref()),
            text(info.environment.as_deref()),
            text(info.client.as_deref()),
            text(info.client_version.as_deref()),
            text(Some(&info.server)),
            text(info.protocol.as_deref()),
            ValueRef::Integer(i64::from(info.pid)),
            text(info.root.as_deref()),
            ValueRef::Integer(n),
            text(info.process.as_deref()),
        ];
        let hash = self.encoder.link(&self.state.hash, Table::Sessions, chain::hashed_of_session(&columns));
        Insert::prepare(self.connection, INSERT_SESSION)?.row(&columns, &hash)?;
        (self.state.n, self.state.hash, self.state.row) = (n, hash, Some(id));
        Ok(id)
    }

    /// Goes on after the last row of a session that the file already knows.
    fn resume(&mut self) -> Result<()> {
        let session = &self.state.info.session;
        let known = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sessions WHERE session = ?1)",
            [session],
            |row| row.get::<_, bool>(0),
        )?;
        if !known {
            return Ok(());
        }
        (self.state.n, self.state.hash) = self.connection.query_row(
            "SELECT n, hash FROM sessions WHERE session = ?1 \
             UNION ALL SELECT n, hash FROM assignments WHERE session = ?1 \
             UNION ALL SELECT e.n, e.hash FROM events AS e JOIN sessions AS s ON s.id = e.session WHERE s.session = ?1 \
             ORDER BY 1 DESC LIMIT 1",
            [session],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(())
    }

    fn assignment(&mut self, assignment: &Assignment) -> Result<()> {
        self.session()?;
        let info = Arc::clone(&self.state.info);
        let id = next_id(self.connection, "SELECT coalesce(max(id), 0) + 1 FROM assignments")?;
        let n = self.state.n + 1;
        let columns = [
            ValueRef::Integer(id),
            text(Some(&info.session)),
            ValueRef::Integer(self.last),
            ValueRef::Integer(assignment.unix_ms),
            text(Some(&assignment.scope)),
            text(assignment.from.as_deref()),
            text(assignment.to.as_deref()),
            text(Some(&assignment.revision)),
            text(Some(&assignment.origin)),
            ValueRef::Integer(n),
        ];
        let hash = self.encoder.link(&self.state.hash, Table::Assignments, &columns);
        Insert::prepare(self.connection, INSERT_ASSIGNMENT)?.row(&columns, &hash)?;
        (self.state.n, self.state.hash) = (n, hash);
        Ok(())
    }

    fn policy(&mut self, policy: &PolicySource) -> Result<()> {
        // A session shows from its first policy on, before there is any call.
        self.session()?;
        self.connection.execute(
            "INSERT OR IGNORE INTO policies (revision, name, path, source, ts) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![policy.revision, policy.name, policy.path, policy.source, policy.unix_ms],
        )?;
        let id: i64 = self.connection.query_row(
            "SELECT id FROM policies WHERE revision = ?1 AND source IS NOT NULL",
            [&policy.revision],
            |row| row.get(0),
        )?;
        self.known.policies.insert(Arc::clone(&policy.revision), id);
        self.connection.execute(
            "INSERT INTO adoptions (session, policy, path, ts) VALUES (?1, ?2, ?3, ?4)",
            params![self.state.info.session, id, policy.path, policy.unix_ms],
        )?;
        if let Some(path) = &policy.path {
            self.connection.execute(
                "INSERT INTO loads (path, policy, ts) SELECT ?1, ?2, ?3 \
                 WHERE ?2 IS NOT (SELECT policy FROM loads WHERE path = ?1 ORDER BY id DESC LIMIT 1)",
                params![path, id, policy.unix_ms],
            )?;
        }
        Ok(())
    }

    /// The row of `judgements`, written now if the file has none.
    fn judgement_id(&mut self, judgement: &Judgement) -> Result<i64> {
        if let Some((_, id)) = self.known.last.filter(|(hash, _)| *hash == judgement.hash) {
            return Ok(id);
        }
        let id = match self.known.judgements.get(&judgement.hash) {
            Some(id) => *id,
            None => self.find_judgement(judgement)?,
        };
        self.known.last = Some((judgement.hash, id));
        Ok(id)
    }

    fn find_judgement(&mut self, judgement: &Judgement) -> Result<i64> {
        let find = "SELECT id FROM judgements WHERE hash = ?1";
        let found = self
            .connection
            .prepare_cached(find)?
            .query_row([&judgement.hash], |row| row.get(0))
            .optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            let policy = judgement.policy.as_ref().map(|revision| self.policy_id(revision)).transpose()?;
            let policy = policy.map_or(ValueRef::Null, ValueRef::Integer);
            let columns = judgement.columns(policy);
            Insert::prepare(self.connection, INSERT_JUDGEMENT)?.row(&columns, &judgement.hash)?;
            self.connection.last_insert_rowid()
        };
        if self.known.judgements.len() >= JUDGEMENTS {
            self.known.judgements.clear();
        }
        self.known.judgements.insert(judgement.hash, id);
        Ok(id)
    }

    /// The row of `policies` for a revision. One that nobody has brought gets a row without text.
    fn policy_id(&mut self, revision: &Arc<str>) -> Result<i64> {
        if let Some(id) = self.known.policies.get(revision) {
            return Ok(*id);
        }
        let find = "SELECT id FROM policies WHERE revision = ?1 ORDER BY source IS NULL LIMIT 1";
        let found = self.connection.query_row(find, [revision], |row| row.get(0)).optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            self.connection.execute(
                "INSERT INTO policies (revision, name, ts) VALUES (?1, '', ?2)",
                params![revision, clock::unix_ms()],
            )?;
            self.connection.last_insert_rowid()
        };
        self.known.policies.insert(Arc::clone(revision), id);
        Ok(id)
    }
}

/// The last `seq` that was ever given; a prune may have taken its row.
pub(super) fn last_seq(connection: &Connection) -> Result<i64> {
    let last = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0));
    if let Some(seq) = last("SELECT max(seq) FROM events")? {
        return Ok(seq);
    }
    Ok(last("SELECT max(upto_seq) FROM checkpoints WHERE kind = 'prune'")?.unwrap_or_default())
}

/// Appends a checkpoint, sealed with the store's key.
pub(super) fn checkpoint(
    connection: &Connection,
    key: &Key,
    kind: &str,
    upto_seq: i64,
    heads: &str,
) -> Result<()> {
    let before = connection
        .query_row("SELECT mac FROM checkpoints ORDER BY id DESC LIMIT 1", [], |row| row.get::<_, Vec<u8>>(0))
        .optional()?
        .unwrap_or_default();
    let id = next_id(connection, "SELECT coalesce(max(id), 0) + 1 FROM checkpoints")?;
    let columns = [
        ValueRef::Integer(id),
        ValueRef::Integer(clock::unix_ms()),
        text(Some(kind)),
        ValueRef::Integer(upto_seq),
        text(Some(heads)),
    ];
    let mac = chain::seal(key, &before, &columns);
    let sql = "INSERT INTO checkpoints (id, ts, kind, upto_seq, heads, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    Insert::prepare(connection, sql)?.row(&columns, &mac)
}

fn next_id(connection: &Connection, sql: &str) -> Result<i64> {
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// A statement that adds rows of one table.
struct Insert<'a> {
    statement: CachedStatement<'a>,
    /// A bit for each column that the row before gave a value: the others are null without being told so.
    set: u32,
}

impl<'a> Insert<'a> {
    fn prepare(connection: &'a Connection, sql: &str) -> Result<Self> {
        Ok(Self { statement: connection.prepare_cached(sql)?, set: 0 })
    }

    fn row(&mut self, columns: &[ValueRef<'_>], hash: &Hash) -> Result<()> {
        for (index, value) in (1_usize..).zip(columns) {
            let (bit, before) = (1 << index, self.set);
            self.set = if *value == ValueRef::Null { before & !bit } else { before | bit };
            if (before | self.set) & bit != 0 {
                self.statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(*value))?;
            }
        }
        self.statement.raw_bind_parameter(columns.len() + 1, hash.as_slice())?;
        self.statement.raw_execute().map(|_| ())
    }
}
