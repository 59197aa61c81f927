//! Which definitions of a server's tools are pinned: by first use, or because people accepted them.
//!
//! It refuses to take a pin away, and to let a later list stand in for the first. Invariant: of two processes that see a
//! server for the first time one pins, and the other is compared with that.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::standing::parts;
use super::{Others, StoreError, schema};
use crate::guard::{Pinned, Pins};
use crate::policy::Imprint;
use crate::settings::Durability;

/// The tools of the list that this session has just seen to its end.
const WHOLE_LIST: &str = "INSERT OR IGNORE INTO pins (definition, ts, origin, session) \
    SELECT DISTINCT j.value, ?3, 'first_use', ?2 FROM listings AS l, json_each(l.tools) AS j \
    WHERE l.server = ?1 AND l.session = ?2 AND l.id >= \
      (SELECT max(id) FROM listings WHERE server = ?1 AND session = ?2 AND first = 1)";
const IS_BEGUN: &str =
    "SELECT EXISTS (SELECT 1 FROM pins AS p JOIN tools AS t ON t.id = p.definition WHERE t.server = ?1)";
const IS_PINNED: &str = "SELECT EXISTS (SELECT 1 FROM pins AS p JOIN tools AS t ON t.id = p.definition \
    WHERE t.server = ?1 AND t.definition_hash = ?2)";
const HASHES: &str = "SELECT t.tool, t.definition_hash, t.parts FROM pins AS p JOIN tools AS t ON t.id = p.definition \
    WHERE t.server = ?1 ORDER BY p.id";
const ACCEPT: &str = "INSERT OR IGNORE INTO pins (definition, ts, origin, user, uid) \
    SELECT id, ?4, 'accepted', ?5, ?6 FROM tools WHERE server = ?1 AND tool = ?2 AND definition_hash = ?3";

/// A list has come to its end: where nothing of the server is pinned, this is its first use. Within a transaction.
pub(super) fn first_use(connection: &Connection, server: &str, session: &str, ts: i64) -> Result<()> {
    let is_begun: bool = connection.prepare_cached(IS_BEGUN)?.query_row([server], |row| row.get(0))?;
    if !is_begun {
        connection.prepare_cached(WHOLE_LIST)?.execute(params![server, session, ts])?;
    }
    Ok(())
}

/// Who accepts, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The operating system's user name.
    pub user: &'a str,
    /// The operating system's user id.
    pub uid: u32,
}

/// Pins definitions of a server, each by the tool's name and its hash as [`Reader::tools`] gives them; all or none. How
/// many of them are new pins. Waits up to 5 s for a lock.
///
/// # Errors
/// Where the store cannot be written.
pub fn accept(
    path: &Path,
    server: &str,
    definitions: &[(&str, &str)],
    by: Acceptance<'_>,
) -> std::result::Result<usize, StoreError> {
    let mut connection = schema::open(path, Durability::Normal)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut new = 0;
    for (tool, hash) in definitions {
        let parameters = params![server, tool, hash, by.unix_ms, by.user, by.uid];
        new += transaction.prepare_cached(ACCEPT)?.execute(parameters)?;
    }
    transaction.commit()?;
    Ok(new)
}

impl Others {
    /// What is pinned of a server; `None` where the store cannot be read.
    pub(super) fn all_pins(&self, server: &str) -> Option<Pins> {
        self.ask(Pins::default(), |connection| {
            let mut pins = Pins::default();
            let mut statement = connection.prepare_cached(HASHES)?;
            let mut rows = statement.query([server])?;
            while let Some(row) = rows.next()? {
                let (tool, hash): (String, String) = (row.get(0)?, row.get(1)?);
                pins.add(&tool, Imprint { hash: hash.into(), parts: parts(row.get(2)?) });
            }
            Ok(pins)
        })
    }

    /// Whether a definition of a server is pinned, by its hash.
    pub(super) fn pin_of(&self, server: &str, hash: &str) -> Option<Pinned> {
        self.ask(Pinned::NothingYet, |connection| {
            let is_pinned = connection
                .prepare_cached(IS_PINNED)?
                .query_row([server, hash], |row| row.get::<_, bool>(0))
                .optional()?;
            if is_pinned == Some(true) {
                return Ok(Pinned::Yes);
            }
            let is_begun: bool =
                connection.prepare_cached(IS_BEGUN)?.query_row([server], |row| row.get(0))?;
            Ok(if is_begun { Pinned::No } else { Pinned::NothingYet })
        })
    }
}
