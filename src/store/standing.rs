//! What a server's tools are to what is pinned: what people look at before they accept.
//!
//! It refuses to pin anything. Invariant: a tool whose list holds one definition that is not pinned is never told as
//! pinned.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::{Reader, StoreError, ToolRow};
use crate::policy::Parts;

/// Every pin, oldest first.
const PINS: &str = "SELECT t.server, t.tool, t.definition_hash, t.parts, t.definition, p.ts, p.origin, \
    p.session, p.user FROM pins AS p JOIN tools AS t ON t.id = p.definition ORDER BY p.id";

/// A pinned definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRow {
    /// The server.
    pub server: String,
    /// The tool's name, as in [`ToolRow::tool`].
    pub tool: String,
    /// As [`ToolRow::definition_hash`].
    pub definition_hash: String,
    /// Hashes of its parts.
    pub parts: Parts,
    /// As [`ToolRow::definition`].
    pub definition: Option<String>,
    /// When it was pinned, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// `first_use` or `accepted`.
    pub origin: String,
    /// Of a first use: the session whose list it was.
    pub session: Option<String>,
    /// Of what was accepted: who did it.
    pub user: Option<String>,
}

/// What a tool is to what is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Listed as pinned.
    Pinned,
    /// Listed with another definition than those that are pinned.
    Changed,
    /// Listed, and not among the tools that are pinned.
    New,
    /// Pinned, and no longer listed.
    Gone,
    /// Listed by a server of which nothing is pinned: it has not given a whole list since pins are kept.
    Unpinned,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Changed => "changed",
            Self::New => "new",
            Self::Gone => "gone",
            Self::Unpinned => "unpinned",
        }
    }

    /// The fact `tool_changed` for it; `None` where it cannot be told.
    pub fn changed(self) -> Option<bool> {
        match self {
            Self::Pinned => Some(false),
            Self::Changed | Self::New => Some(true),
            Self::Gone | Self::Unpinned => None,
        }
    }
}

/// One tool of a server: as it was last listed, and as it is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTool {
    /// The server.
    pub server: String,
    /// The tool's name, as in [`ToolRow::tool`].
    pub tool: String,
    /// What the one is to the other.
    pub standing: Standing,
    /// Its definitions on the server's last list: one, but of a server that lists a name twice.
    pub listed: Vec<ToolRow>,
    /// Its pinned definitions, oldest first.
    pub pins: Vec<PinRow>,
}

impl KeptTool {
    /// The listed definitions that are not pinned.
    pub fn unpinned(&self) -> impl Iterator<Item = &ToolRow> {
        let is_pinned = |hash: &str| self.pins.iter().any(|pin| pin.definition_hash == hash);
        self.listed.iter().filter(move |row| !is_pinned(&row.definition_hash))
    }

    /// The parts in which it differs from its newest pin; empty where it does not or it cannot be told.
    pub fn differing(&self) -> Vec<&'static str> {
        let Some(newest) = self.pins.last() else { return Vec::new() };
        let mut parts: Vec<_> = self.unpinned().flat_map(|row| newest.parts.differing(&row.parts)).collect();
        parts.dedup();
        parts
    }

    fn stand(&mut self, is_begun: bool) {
        self.standing = match (self.listed.is_empty(), self.pins.is_empty()) {
            (true, _) => Standing::Gone,
            (false, true) if is_begun => Standing::New,
            (false, true) => Standing::Unpinned,
            (false, false) if self.unpinned().next().is_none() => Standing::Pinned,
            (false, false) => Standing::Changed,
        };
    }
}

impl Reader {
    /// The tools of every server, by server and name.
    pub fn kept_tools(&self) -> Result<Vec<KeptTool>, StoreError> {
        let mut tools: BTreeMap<(String, String), KeptTool> = BTreeMap::new();
        for row in self.tools()? {
            place(&mut tools, &row.server, &row.tool).listed.push(row);
        }
        let pins = if self.keeps("pins")? { self.all(PINS, [], pin)? } else { Vec::new() };
        let begun: Vec<String> = pins.iter().map(|pin| pin.server.clone()).collect();
        for pin in pins {
            place(&mut tools, &pin.server, &pin.tool).pins.push(pin);
        }
        let mut tools: Vec<KeptTool> = tools.into_values().collect();
        for tool in &mut tools {
            tool.stand(begun.contains(&tool.server));
        }
        Ok(tools)
    }
}

fn place<'t>(
    tools: &'t mut BTreeMap<(String, String), KeptTool>,
    server: &str,
    tool: &str,
) -> &'t mut KeptTool {
    tools.entry((server.to_owned(), tool.to_owned())).or_insert_with(|| KeptTool {
        server: server.to_owned(),
        tool: tool.to_owned(),
        standing: Standing::Unpinned,
        listed: Vec::new(),
        pins: Vec::new(),
    })
}

fn pin(row: &Row<'_>) -> rusqlite::Result<PinRow> {
    Ok(PinRow {
        server: row.get(0)?,
        tool: row.get(1)?,
        definition_hash: row.get(2)?,
        parts: parts(row.get(3)?),
        definition: row.get(4)?,
        unix_ms: row.get(5)?,
        origin: row.get(6)?,
        session: row.get(7)?,
        user: row.get(8)?,
    })
}

/// Hashes of parts as they were kept; none where they were not.
pub(super) fn parts(json: Option<String>) -> Parts {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}
