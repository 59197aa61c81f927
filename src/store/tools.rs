//! What servers list: definitions without secrets, each kept once, and which of them a list held.
//!
//! It refuses to judge a definition. Invariant: the hash is that of what came, before anything is taken out.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::intake::json;
use super::pins;
use crate::policy::{Imprint, Redactor};
use crate::record::{Listing, Page};
use crate::wire::shown;

/// What is kept of the definitions of one list, bytes: far above any server in use, and a bound for those that lie.
const MOST_KEPT: usize = 4 << 20;

/// One page of a list, ready to be written.
#[derive(Debug)]
pub(super) struct Tools {
    ts: i64,
    page: Page,
    /// Whether the list ends with it.
    is_last: bool,
    listed: Vec<Tool>,
}

#[derive(Debug)]
struct Tool {
    name: String,
    imprint: Imprint,
    definition: Option<String>,
}

impl Tools {
    /// Takes secrets out.
    pub(super) fn of(list: &Listing, redactor: &Redactor) -> Self {
        let mut kept = 0;
        let listed = list.tools.iter().map(|tool| {
            kept += tool.definition.len();
            Tool {
                name: shown(&redactor.prose(&tool.name)),
                imprint: Imprint::of(&tool.definition),
                definition: (kept <= MOST_KEPT).then(|| redactor.definition(&tool.definition)),
            }
        });
        Self { ts: list.unix_ms, page: list.page, is_last: list.is_last, listed: listed.collect() }
    }

    /// Writes what is new of it.
    pub(super) fn insert(&self, connection: &Connection, server: &str, session: &str) -> Result<()> {
        let mut ids = Vec::with_capacity(self.listed.len());
        for tool in &self.listed {
            let find = "SELECT id FROM tools WHERE server = ?1 AND tool = ?2 AND definition_hash = ?3";
            let known: Option<i64> = connection
                .prepare_cached(find)?
                .query_row(params![server, tool.name, tool.imprint.hash], |row| row.get(0))
                .optional()?;
            ids.push(match known {
                Some(id) => id,
                None => tool.insert(connection, server, session, self.ts)?,
            });
        }
        let first = self.page == Page::First;
        connection
            .prepare_cached(
                "INSERT INTO listings (server, session, ts, first, tools) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![server, session, self.ts, first, json(&ids)])?;
        if self.is_last { pins::first_use(connection, server, session, self.ts) } else { Ok(()) }
    }
}

impl Tool {
    fn insert(&self, connection: &Connection, server: &str, session: &str, ts: i64) -> Result<i64> {
        let sql = "INSERT INTO tools (server, tool, definition_hash, definition, first_seen, session, parts) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Imprint { hash, parts } = &self.imprint;
        let row = params![server, self.name, hash, self.definition, ts, session, json(parts)];
        connection.prepare_cached(sql)?.execute(row)?;
        Ok(connection.last_insert_rowid())
    }
}
