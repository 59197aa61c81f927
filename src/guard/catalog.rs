//! What the server lists as its tools, what it claims of them, and whether they are those that are pinned.
//!
//! It refuses to judge a list or to hold it back: by the time it is read here it is on its way. Invariant: a tool of
//! which there is any doubt is not in it, so that rules about claims and pins take the worst of it.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::pins::{Difference, Pinned, Pins};
use crate::policy::{Claims, Imprint};
use crate::record::{Listed, Page};
use crate::wire::{Json, shown};

/// More tools than any server has; what comes after them counts as not listed.
const MOST_TOOLS: usize = 4_096;
/// Longer names are not kept, bytes. The names of tools in use have some twenty.
const LONGEST_NAME: usize = 1_024;
/// A tool that one list defines in more ways than this is changed, whatever is pinned.
const MOST_DEFINITIONS: usize = 4;
/// How many changed definitions of one session are told: a server may change them with every list.
const MOST_TOLD: usize = 4_096;

/// The tools of one session's server, as it last listed them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tools: HashMap<Box<str>, Tool>,
    /// Of the last list that came whole: a client that asks again and again is told the same.
    last: Option<[u8; 32]>,
    /// The first whole list, where nothing was pinned when it came: pinned as far as this session goes.
    first: Pins,
    /// Changed definitions that people were told of.
    told: HashSet<Box<str>>,
    /// Whether it could not be told what is pinned, and whether people know.
    is_blind: bool,
    told_blind: bool,
}

/// One tool of the list.
#[derive(Debug)]
struct Tool {
    claims: Claims,
    /// One, but of a server that lists a name twice.
    definitions: Vec<Definition>,
    /// Whether there were more of them than are kept.
    has_more: bool,
}

#[derive(Debug)]
struct Definition {
    imprint: Imprint,
    standing: Cell<Standing>,
}

/// What a definition is to what is pinned, as far as was known when it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is pinned, and will stay so.
    Pinned,
    /// Nothing was pinned: it is trusted on first use, unless another process was first.
    FirstUse,
    /// It is not pinned.
    Changed,
    /// It could not be told.
    Unread,
}

/// What a list told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The tools, as far as they could be read.
    pub tools: Vec<Listed>,
    /// Whether the list ends here.
    pub is_last: bool,
    /// Tools that are not as pinned, each definition once in a session.
    pub changes: Vec<Change>,
}

/// A tool that is not as pinned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its name, not cut.
    pub tool: String,
    pub difference: Difference,
}

/// The answer to `tools/list` (MCP 2025-06-18, server/tools), as far as it is of use here.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor", default, borrow)]
    more: Option<&'a RawValue>,
}

impl Catalog {
    /// What the server claims of a tool; `None` where it did not list it.
    pub(super) fn claims(&self, tool: &str) -> Option<Claims> {
        self.tools.get(tool).map(|tool| tool.claims)
    }

    /// Whether a tool is another one than those that are pinned; `None` where it was not listed, or it cannot be told.
    /// `ask` is asked about definitions that were not pinned when they were listed.
    pub(super) fn changed(&self, tool: &str, ask: &dyn Fn(&str) -> Option<Pinned>) -> Option<bool> {
        let tool = self.tools.get(tool)?;
        let mut known = Some(tool.has_more);
        for definition in &tool.definitions {
            match definition.changed(ask) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }

    /// The hashes of a tool's definitions as they were last listed; none where it was not.
    pub(super) fn definitions(&self, tool: &str) -> impl Iterator<Item = &str> {
        self.tools
            .get(tool)
            .into_iter()
            .flat_map(|tool| tool.definitions.iter().map(|one| &*one.imprint.hash))
    }

    /// Whether it could not be told what is pinned, for the first time.
    pub(super) fn goes_blind(&mut self) -> bool {
        self.is_blind && !std::mem::replace(&mut self.told_blind, true)
    }

    /// Takes an answer in, and compares it with `pins`. What it told; `None` where it cannot be read, or the same has
    /// just been told.
    pub(super) fn take(
        &mut self,
        result: &[u8],
        page: Page,
        pins: &dyn Fn() -> Option<Pins>,
    ) -> Option<Told> {
        let digest: [u8; 32] = Sha256::digest(result).into();
        if page == Page::First && self.last == Some(digest) {
            return None;
        }
        self.last = None;
        if page == Page::First {
            self.tools.clear();
        }
        // Of a list that cannot be read no tool is known.
        let answer = serde_json::from_slice::<Answer<'_>>(result).ok()?;
        let is_last = answer.more.is_none_or(|cursor| cursor.get() == "null");
        self.last = (page == Page::First && is_last).then_some(digest);
        let pins = pins();
        self.is_blind |= pins.is_none();
        let mut told = Told { tools: Vec::new(), is_last, changes: Vec::new() };
        for definition in answer.tools.iter().map(|raw| raw.get()) {
            let Some((name, claims)) = read(definition) else { continue };
            if self.tools.len() >= MOST_TOOLS && !self.tools.contains_key(&*name) {
                break;
            }
            told.changes.extend(self.list(&name, claims, Imprint::of(definition), pins.as_ref()));
            told.tools.push(Listed { name: name.into_owned(), definition: definition.into() });
        }
        if is_last && self.first.is_empty() && pins.is_some_and(|pins| pins.is_empty()) {
            self.first = self.as_pins();
        }
        Some(told)
    }

    /// Takes one definition in; what there is to tell of it.
    fn list(&mut self, name: &str, claims: Claims, imprint: Imprint, pins: Option<&Pins>) -> Option<Change> {
        // Where the store has none yet, the first list of this session is what others are compared with.
        let is_own = pins.is_some_and(Pins::is_empty);
        let pins = pins.map(|pins| if is_own { &self.first } else { pins });
        let standing = match pins {
            None => Standing::Unread,
            Some(pins) if is_own && (pins.is_empty() || pins.holds(&imprint.hash)) => Standing::FirstUse,
            Some(pins) if !is_own && pins.holds(&imprint.hash) => Standing::Pinned,
            Some(_) => Standing::Changed,
        };
        let is_news = standing == Standing::Changed
            && self.told.len() < MOST_TOLD
            && self.told.insert(imprint.hash.clone());
        let change = pins
            .filter(|_| is_news)
            .map(|pins| Change { tool: name.to_owned(), difference: pins.difference(name, &imprint) });
        let tool = self.tools.entry(name.into()).or_insert_with(|| Tool::new(claims));
        tool.claims = tool.claims.and(claims);
        tool.add(Definition { imprint, standing: Cell::new(standing) });
        change
    }

    fn as_pins(&self) -> Pins {
        let mut pins = Pins::default();
        for (name, tool) in &self.tools {
            for definition in &tool.definitions {
                pins.add(&shown(name), definition.imprint.clone());
            }
        }
        pins
    }
}

impl Tool {
    fn new(claims: Claims) -> Self {
        Self { claims, definitions: Vec::with_capacity(1), has_more: false }
    }

    fn add(&mut self, definition: Definition) {
        if self.definitions.iter().any(|known| known.imprint.hash == definition.imprint.hash) {
            return;
        }
        if self.definitions.len() < MOST_DEFINITIONS {
            self.definitions.push(definition);
        } else {
            self.has_more = true;
        }
    }
}

impl Definition {
    fn changed(&self, ask: &dyn Fn(&str) -> Option<Pinned>) -> Option<bool> {
        if self.standing.get() == Standing::Pinned {
            return Some(false);
        }
        match (ask(&self.imprint.hash)?, self.standing.get()) {
            (Pinned::Yes, _) => {
                self.standing.set(Standing::Pinned);
                Some(false)
            }
            (Pinned::No, _) | (Pinned::NothingYet, Standing::Changed) => Some(true),
            (Pinned::NothingYet, Standing::FirstUse | Standing::Pinned) => Some(false),
            (Pinned::NothingYet, Standing::Unread) => None,
        }
    }
}

/// The name and the claims of a definition that has one reading.
fn read(definition: &str) -> Option<(Cow<'_, str>, Claims)> {
    let tool = Json::from_text(definition)?;
    let name = tool.member("name")?.as_str()?;
    (name.len() <= LONGEST_NAME).then(|| (name, Claims::of(tool)))
}

#[cfg(test)]
mod tests;
