//! Reading what servers listed and what their tools were called with.
//!
//! It refuses to interpret definitions. Invariant: a file from before lists were kept reads as one in which none was.

use rusqlite::{OptionalExtension, Params, Row};

use super::standing::parts;
use super::{Reader, StoreError};
use crate::policy::Parts;

/// A tool as a server last listed it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ToolRow {
    /// The server.
    pub server: String,
    /// The tool's name, cut and escaped as in the view `audit`.
    pub tool: String,
    /// SHA-256 of the definition as it came, members in order, without `_meta`.
    pub definition_hash: String,
    /// The definition as JSON text, without secrets; `None` where the list was too long to be kept.
    pub definition: Option<String>,
    /// Hashes of its parts.
    #[serde(skip)]
    pub parts: Parts,
    /// When this definition was first listed, milliseconds since the Unix epoch.
    pub first_seen_ms: i64,
    /// When it was last listed.
    pub last_seen_ms: i64,
}

/// What a tool was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledWith {
    /// The server.
    pub server: String,
    /// The tool, as in [`ToolRow::tool`].
    pub tool: String,
    /// JSON text, as it was kept; `None` where the call had none.
    pub arguments: Option<String>,
}

/// The pages of each server's last list: those of one session, from the one with which the list begins.
const CURRENT: &str = "WITH begun AS (SELECT server, max(id) AS id FROM listings WHERE first = 1 GROUP BY server), \
    pages AS (SELECT l.ts AS ts, l.tools AS tools FROM begun AS b JOIN listings AS f ON f.id = b.id \
      JOIN listings AS l ON l.server = b.server AND l.id >= b.id AND l.session = f.session) \
    SELECT t.server, t.tool, t.definition_hash, t.definition, t.first_seen, max(p.ts), t.parts \
    FROM pages AS p, json_each(p.tools) AS j JOIN tools AS t ON t.id = j.value \
    GROUP BY t.id ORDER BY t.server, t.tool, t.id";

/// The newest calls of tools. Those whose arguments were not kept tell nothing.
const CALLED: &str = "SELECT s.server, j.tool, e.arguments FROM events AS e \
    JOIN sessions AS s ON s.id = e.session JOIN judgements AS j ON j.id = e.judgement \
    WHERE e.kind = 1 AND j.method = 'tools/call' AND (e.arguments IS NOT NULL OR e.arguments_hash IS NULL) \
    AND j.verdict IS NOT NULL ORDER BY e.seq DESC LIMIT ?1";

impl Reader {
    /// The tools of every server, as each last listed them.
    pub fn tools(&self) -> Result<Vec<ToolRow>, StoreError> {
        if !self.keeps("listings")? {
            return Ok(Vec::new());
        }
        self.all(CURRENT, [], |row| {
            Ok(ToolRow {
                server: row.get(0)?,
                tool: row.get(1)?,
                definition_hash: row.get(2)?,
                definition: row.get(3)?,
                first_seen_ms: row.get(4)?,
                last_seen_ms: row.get(5)?,
                parts: parts(row.get(6)?),
            })
        })
    }

    /// Grows with each page of a list that is recorded: while it stays, [`Self::tools`] stays.
    pub fn last_listing(&self) -> Result<i64, StoreError> {
        if !self.keeps("listings")? {
            return Ok(0);
        }
        let mut last = self.connection.prepare_cached("SELECT coalesce(max(id), 0) FROM listings")?;
        Ok(last.query_row([], |row| row.get(0))?)
    }

    /// Which pin is the newest: another number when one was made. 0 where there is none.
    pub fn last_pin(&self) -> Result<i64, StoreError> {
        if !self.keeps("pins")? {
            return Ok(0);
        }
        let mut last = self.connection.prepare_cached("SELECT coalesce(max(id), 0) FROM pins")?;
        Ok(last.query_row([], |row| row.get(0))?)
    }

    /// What the newest calls of tools had as arguments, `most` of them at most. Calls under off kept none.
    pub fn called_with(&self, most: u32) -> Result<Vec<CalledWith>, StoreError> {
        if !self.keeps("events")? {
            return Ok(Vec::new());
        }
        self.all(CALLED, [most], |row| {
            Ok(CalledWith { server: row.get(0)?, tool: row.get(1)?, arguments: row.get(2)? })
        })
    }

    /// Whether the file has this table: an older version of callgate may have made it.
    pub(super) fn keeps(&self, table: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        Ok(self.connection.query_row(sql, [table], |_| Ok(())).optional()?.is_some())
    }

    /// Every row of a query.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
