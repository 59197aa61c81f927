//! What servers claim of their tools, as far as the store knows, for questions about calls that nobody makes.
//!
//! It refuses to make a fault of a store that is absent or cannot be read: then no tool was listed. Invariant: a list that
//! another process has recorded is seen by the next question; while there is none, a question costs one look at an index.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::policy::Claims;
use crate::store::{Reader, StoreError, ToolRow};
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
    /// Where the lists ended when they were read.
    mark: i64,
    /// By server and tool. `None` where one of its definitions was not kept.
    claims: HashMap<(String, String), Option<Claims>>,
}

impl Listed {
    /// As this store knows them; without one no tool was listed. Reads nothing yet.
    pub fn in_store(store: Option<PathBuf>) -> Self {
        Self { store, memory: Mutex::default() }
    }

    /// What the server claimed of the tool when it was last listed.
    pub fn claims(&self, server: &str, tool: &str) -> Option<Claims> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = match memory.take() {
            Some(known) => known.refreshed(),
            None => Reader::open(self.store.as_deref()?).and_then(Memory::of),
        };
        let known = memory.insert(fresh.ok()?);
        known.claims.get(&(server.to_owned(), shown(tool))).copied().flatten()
    }
}

impl Memory {
    fn of(reader: Reader) -> Result<Self, StoreError> {
        Self { reader, mark: -1, claims: HashMap::new() }.refreshed()
    }

    fn refreshed(mut self) -> Result<Self, StoreError> {
        let mark = self.reader.last_listing()?;
        if mark != self.mark {
            // The mark was read first: what comes in between is read again the next time.
            (self.mark, self.claims) = (mark, claims(self.reader.tools()?));
        }
        Ok(self)
    }
}

/// A tool that is listed twice has the worse of its claims.
fn claims(rows: Vec<ToolRow>) -> HashMap<(String, String), Option<Claims>> {
    let mut known: HashMap<_, Option<Claims>> = HashMap::new();
    for row in rows {
        let claims = row.definition.as_deref().and_then(Json::from_text).map(Claims::of);
        let both = |other: Option<Claims>| other.zip(claims).map(|(one, other)| one.and(other));
        known.entry((row.server, row.tool)).and_modify(|other| *other = both(*other)).or_insert(claims);
    }
    known
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::Listed;
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
        store.queue(vec![Record::Tools(Listing { unix_ms: 1, page: Page::First, tools })]);
        assert_eq!(store.finish(Duration::from_secs(20)).unwritten, 0);
    }

    #[test]
    fn a_list_that_came_meanwhile_is_seen_by_the_next_question() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let listed = Listed::in_store(Some(path.clone()));
        let destroys = |tool: &str| listed.claims("files", tool).map(|claims| claims.destructive);
        assert_eq!(destroys("wipe"), None);
        list(&path, "one", &[("wipe", false)]);
        assert_eq!((destroys("wipe"), destroys("other")), (Some(false), None));
        list(&path, "two", &[("wipe", true)]);
        assert_eq!((destroys("wipe"), listed.claims("elsewhere", "wipe")), (Some(true), None));
    }

    #[test]
    fn of_a_tool_that_is_listed_twice_the_worse_is_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        list(&path, "one", &[("wipe", false), ("wipe", true), ("wipe", false)]);
        let listed = Listed::in_store(Some(path));
        assert!(listed.claims("files", "wipe").unwrap().destructive);
    }

    #[test]
    fn without_a_store_nothing_was_listed() {
        assert!(Listed::in_store(None).claims("files", "wipe").is_none());
    }
}
