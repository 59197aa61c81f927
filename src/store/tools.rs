//! What servers list: definitions without secrets, each kept once, and which of them a list held.
//!
//! It refuses to judge a definition. Invariant: the hash is that of what came, before anything is taken out, and is the
//! same however the server orders the members of an object.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension, Result, params};
use sha2::{Digest, Sha256};

use super::chain::hex;
use super::intake::json;
use crate::policy::Redactor;
use crate::record::{Listing, Page};
use crate::wire::{Json, JsonKind, shown};

/// What is kept of the definitions of one list, bytes: far above any server in use, and a bound for those that lie.
const MOST_KEPT: usize = 4 << 20;
/// What a definition may hold that changes though the tool does not.
const PASSING_MEMBER: &str = "_meta";

/// One page of a list, ready to be written.
#[derive(Debug)]
pub(super) struct Tools {
    ts: i64,
    page: Page,
    listed: Vec<Tool>,
}

#[derive(Debug)]
struct Tool {
    name: String,
    hash: String,
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
                hash: hash(&tool.definition),
                definition: (kept <= MOST_KEPT).then(|| redactor.definition(&tool.definition)),
            }
        });
        Self { ts: list.unix_ms, page: list.page, listed: listed.collect() }
    }

    /// Writes what is new of it.
    pub(super) fn insert(&self, connection: &Connection, server: &str, session: &str) -> Result<()> {
        let mut ids = Vec::with_capacity(self.listed.len());
        for tool in &self.listed {
            let find = "SELECT id FROM tools WHERE server = ?1 AND tool = ?2 AND definition_hash = ?3";
            let known: Option<i64> = connection
                .prepare_cached(find)?
                .query_row(params![server, tool.name, tool.hash], |row| row.get(0))
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
        Ok(())
    }
}

impl Tool {
    fn insert(&self, connection: &Connection, server: &str, session: &str, ts: i64) -> Result<i64> {
        let sql = "INSERT INTO tools (server, tool, definition_hash, definition, first_seen, session) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![server, self.name, self.hash, self.definition, ts, session];
        connection.prepare_cached(sql)?.execute(row)?;
        Ok(connection.last_insert_rowid())
    }
}

/// SHA-256 of the definition, lower-case hex.
fn hash(definition: &str) -> String {
    let mut canonical = String::with_capacity(definition.len());
    match Json::from_text(definition) {
        Some(tool) => members(tool, |name| name != PASSING_MEMBER, &mut canonical),
        None => canonical.push_str(definition),
    }
    hex(&Sha256::digest(canonical.as_bytes()))
}

/// The value with the members of each object in the order of their names, and without white space.
fn write(value: Json<'_>, out: &mut String) {
    match value.kind() {
        JsonKind::Object => members(value, |_| true, out),
        JsonKind::Array => {
            out.push('[');
            for element in value.elements() {
                write(element, out);
                out.push(',');
            }
            out.push(']');
        }
        JsonKind::String => out.push_str(&quoted(&value.as_str().unwrap_or_default())),
        JsonKind::Number | JsonKind::Bool | JsonKind::Null => out.push_str(value.text()),
    }
}

fn members(object: Json<'_>, wanted: fn(&str) -> bool, out: &mut String) {
    let mut members: Vec<_> = object.members().filter(|(name, _)| wanted(name)).collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push('{');
    for (name, value) in members {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}:", quoted(&name));
        write(value, out);
        out.push(',');
    }
    out.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_definition_has_one_hash_however_it_is_spelled() {
        let one = r#"{"name":"t","inputSchema":{"type":"object","properties":{"a":{},"b":[1, 2]}},"_meta":{"at":1}}"#;
        let same = r#"{ "_meta": {"at": 2}, "inputSchema":{"properties":{"b":[1,2],"\u0061":{}},"type":"object"},"name":"t"}"#;
        assert_eq!(hash(one), hash(same));
        for other in [
            one.replace("[1, 2]", "[2, 1]"),
            one.replace("\"t\"", "\"T\""),
            one.replace("{\"a\":{}", "{\"a\":{\"_meta\":1}"),
        ] {
            assert_ne!(hash(one), hash(&other), "{other}");
        }
    }
}
