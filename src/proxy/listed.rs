//! What servers claim of their tools and whether they changed, as far as the store knows, for questions about calls that nobody makes.
//!
//! It refuses to make a fault of a store that is absent or cannot be read: then no tool was listed. Invariant: a list that
//! another process has recorded is seen by the next question; while there is none, a question costs one look at an index.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::policy::Claims;
use crate::store::{KeptTool, Reader, StoreError};
use crate::wire::{Json, shown};

/// The tools that servers have listed.
#[derive(Debug)]
pub struct Listed {
    store: Option<PathBuf>,
    memory: Mutex<Option<Memory>>,
}

#[derive(Debug)]
struct Memory {
    reader: Reader,
    /// Where the lists and the pins ended when they were read.
    mark: (i64, i64),
    /// By server and tool.
    tools: HashMap<(String, String), Known>,
}

/// What the store knows of a tool. Without a store every tool is one that was not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// What the server claims of it; `None` where one of its definitions was not kept.
    pub claims: Option<Claims>,
    /// Whether it is another one than those that are pinned.
    pub changed: Option<bool>,
}

impl Listed {
    /// As this store knows them; without one no tool was listed. Reads nothing yet.
    pub fn in_store(store: Option<PathBuf>) -> Self {
        Self { store, memory: Mutex::default() }
    }

    /// The tool as its server last listed it.
    pub fn known(&self, server: &str, tool: &str) -> Known {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = match (memory.take(), self.store.as_deref()) {
            (Some(known), _) => known.refreshed(),
            (None, Some(store)) => Reader::open(store).and_then(Memory::of),
            (None, None) => return Known::default(),
        };
        let Ok(fresh) = fresh else { return Known::default() };
        let known = memory.insert(fresh);
        known.tools.get(&(server.to_owned(), shown(tool))).copied().unwrap_or_default()
    }
}

impl Memory {
    fn of(reader: Reader) -> Result<Self, StoreError> {
        Self { reader, mark: (-1, -1), tools: HashMap::new() }.refreshed()
    }

    fn refreshed(mut self) -> Result<Self, StoreError> {
        let mark = (self.reader.last_listing()?, self.reader.last_pin()?);
        if mark != self.mark {
            // The mark was read first: what comes in between is read again the next time.
            let tools = self.reader.kept_tools()?.into_iter();
            self.tools = tools.map(|tool| ((tool.server.clone(), tool.tool.clone()), known(&tool))).collect();
            self.mark = mark;
        }
        Ok(self)
    }
}

/// A tool that is listed twice has the worse of its claims.
fn known(tool: &KeptTool) -> Known {
    let claims = tool.listed.iter().map(|row| row.definition.as_deref().and_then(Json::from_text));
    let claims: Option<Vec<Claims>> = claims.map(|tool| tool.map(Claims::of)).collect();
    Known {
        claims: claims.and_then(|claims| claims.into_iter().reduce(Claims::and)),
        changed: tool.standing.changed(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Known, Listed};
    use crate::record::{self, Listing, Page, Record, SessionInfo};
    use crate::store::{Options, Store};

    fn list(path: &Path, session: &str, tools: &[(&str, bool)]) {
        let info = SessionInfo { session: session.into(), server: "files".into(), ..SessionInfo::default() };
        let store = Store::start(Options::new(path.to_owned()), info);
        let tools = tools.iter().map(|(name, hint)| record::Listed {
            name: (*name).into(),
            definition: format!(r#"{{"name":"{name}","annotations":{{"destructiveHint":{hint}}}}}"#).into(),
        });
        let tools = tools.collect();
        store.queue(vec![Record::Tools(Listing { unix_ms: 1, page: Page::First, is_last: true, tools })]);
        assert_eq!(store.finish(Duration::from_secs(20)).unwritten, 0);
    }

    #[test]
    fn a_list_that_came_meanwhile_is_seen_by_the_next_question() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let listed = Listed::in_store(Some(path.clone()));
        let destroys = |tool: &str| listed.known("files", tool).claims.map(|claims| claims.destructive);
        assert_eq!(destroys("wipe"), None);
        list(&path, "one", &[("wipe", false)]);
        assert_eq!((destroys("wipe"), destroys("other")), (Some(false), None));
        list(&path, "two", &[("wipe", true)]);
        assert_eq!((destroys("wipe"), listed.known("elsewhere", "wipe").claims), (Some(true), None));
    }

    #[test]
    fn of_a_tool_that_is_listed_twice_the_worse_is_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        list(&path, "one", &[("wipe", false), ("wipe", true), ("wipe", false)]);
        let listed = Listed::in_store(Some(path));
        assert!(listed.known("files", "wipe").claims.unwrap().destructive);
    }

    #[test]
    fn without_a_store_nothing_was_listed() {
        assert_eq!(Listed::in_store(None).known("files", "wipe"), Known::default());
    }
}
