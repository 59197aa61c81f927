//! Reading the store: for `log`, `tail` and everything that looks at evidence.
//!
//! It refuses to write, and to put what people type into the text of a query. Invariant: writers are never made to wait.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, ToSql, named_params};

use super::row::{AuditRow, COLUMNS};
use super::verify::{self, Verification};
use super::{StoreError, key, schema};
use crate::policy::Effect;
use crate::record::{Outcome, PolicySource};

/// A read-only connection.
pub struct Reader {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Which rows; a member that is not set lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before, milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Before, milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
    /// The tool: exact, or a glob of `*`, `?` and `[…]`.
    pub tool: Option<String>,
    /// The agent, exact.
    pub agent: Option<String>,
    /// The session, or how it begins.
    pub session: Option<String>,
    /// The server, exact.
    pub server: Option<String>,
    /// A label that the call set, exact.
    pub label: Option<String>,
    /// The verdict.
    pub verdict: Option<Effect>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// How many rows at most.
    pub limit: Option<u32>,
    /// Which come first, and which are left where there is a limit.
    pub order: Order,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they were committed.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// How many calls came to the same end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// What the policy said; `None` under off.
    pub verdict: Option<String>,
    /// What happened.
    pub outcome: Option<String>,
    /// The mode of the row's rule.
    pub mode: Option<String>,
    /// How many.
    pub calls: u64,
}

const FROM: &str = "FROM audit AS a JOIN events AS e ON e.seq = a.seq WHERE \
    (:since IS NULL OR e.ts >= :since) AND (:until IS NULL OR e.ts < :until) \
    AND (:tool IS NULL OR a.tool = :tool OR a.tool GLOB :tool) AND (:agent IS NULL OR a.agent = :agent) \
    AND (:session IS NULL OR substr(a.session, 1, length(:session)) = :session) \
    AND (:server IS NULL OR a.server = :server) AND (:verdict IS NULL OR a.verdict = :verdict) \
    AND (:outcome IS NULL OR a.outcome = :outcome) \
    AND (:label IS NULL OR e.note IS NOT NULL AND :label IN (SELECT value FROM json_each(a.labels)))";

impl Reader {
    /// Opens a store that exists. Waits up to 5 s where the file is being recovered.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_to_read(path)?, path: path.to_owned() })
    }

    /// For queries that stand elsewhere in this room.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The calls that `filter` lets through.
    pub fn rows(&self, filter: &Filter) -> Result<Vec<AuditRow>, StoreError> {
        let direction = match filter.order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let sql = format!("SELECT {COLUMNS} {FROM} ORDER BY e.seq {direction} LIMIT :limit");
        let limit = filter.limit.map_or(-1, i64::from);
        let mut statement = self.connection.prepare_cached(&sql)?;
        filter.with(|parameters| {
            let parameters = [parameters, &[(":limit", &limit as &dyn ToSql)]].concat();
            let rows = statement.query_map(parameters.as_slice(), |row| AuditRow::try_from(row))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The calls after `after_seq`, oldest first, and where to go on.
    pub fn follow(&self, after_seq: i64) -> Result<(Vec<AuditRow>, i64), StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM audit AS a WHERE a.seq > ?1 ORDER BY a.seq");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([after_seq], |row| AuditRow::try_from(row))?;
        let rows: Vec<AuditRow> = rows.collect::<Result<_, _>>()?;
        let last = rows.last().map_or(after_seq, |row| row.seq);
        Ok((rows, last))
    }

    /// The `seq` of the newest event; 0 in an empty store. Where [`Self::follow`] begins if old calls are not wanted.
    pub fn last_seq(&self) -> Result<i64, StoreError> {
        Ok(super::insert::last_seq(&self.connection)?)
    }

    /// How many calls that `filter` lets through came to which end.
    pub fn counts(&self, filter: &Filter) -> Result<Vec<Count>, StoreError> {
        let sql =
            format!("SELECT a.verdict, a.outcome, a.mode, count(*) {FROM} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3");
        let mut statement = self.connection.prepare_cached(&sql)?;
        filter.with(|parameters| {
            let rows = statement.query_map(parameters, |row| {
                let calls: i64 = row.get(3)?;
                Ok(Count {
                    verdict: row.get(0)?,
                    outcome: row.get(1)?,
                    mode: row.get(2)?,
                    calls: u64::try_from(calls).unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// What the file at `path` said when it last took force. Secrets are taken out of the text.
    pub fn last_policy(&self, path: &str) -> Result<Option<PolicySource>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT p.revision, p.name, l.path, p.source, l.ts FROM loads AS l JOIN policies AS p ON p.id = l.policy \
             WHERE l.path = ?1 ORDER BY l.id DESC LIMIT 1",
        )?;
        let found = statement.query_row([path], |row| {
            Ok(PolicySource {
                revision: row.get::<_, String>(0)?.into(),
                name: row.get(1)?,
                path: row.get(2)?,
                source: row.get(3)?,
                unix_ms: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Changes whenever another connection has committed: cheap to ask.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Computes the whole hash chain again. Without the store's key, checkpoints are believed.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        let key = key::beside(&self.path).exists().then(|| key::read_or_make(&self.path)).transpose()?;
        self.connection.execute_batch("BEGIN")?;
        let found = verify::verify(&self.connection, key.as_ref());
        self.connection.execute_batch("COMMIT")?;
        found
    }
}

/// A parameter and its name.
type Parameters<'a> = &'a [(&'a str, &'a dyn ToSql)];

impl Filter {
    /// Whether it asks for what only calls have.
    pub fn is_about_calls(&self) -> bool {
        let words = [&self.tool, &self.agent, &self.label];
        words.into_iter().any(Option::is_some) || self.verdict.is_some() || self.outcome.is_some()
    }

    fn with<T>(&self, run: impl FnOnce(Parameters<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        run(named_params! {
            ":since": self.since_ms,
            ":until": self.until_ms,
            ":tool": self.tool,
            ":agent": self.agent,
            ":session": self.session,
            ":server": self.server,
            ":verdict": self.verdict.map(Effect::as_str),
            ":label": self.label,
            ":outcome": self.outcome.map(Outcome::as_str),
        })
    }
}
