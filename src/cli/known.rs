//! What the store knows of the tools that a policy is about.
//!
//! It refuses to make a fault of a store that is absent or cannot be read: then nothing is known. Invariant: only the
//! newest calls are read, so that a large store does not make a check slow.

use std::path::Path;

use crate::policy::Known;
use crate::settings::Config;
use crate::store::{Reader, StoreError};

use super::places;

/// How many calls are looked at.
const CALLS: u32 = 10_000;

/// What is known, and in words for people.
pub(super) struct FromStore {
    /// The tools.
    pub known: Known,
    /// `known from the store: 14 tools of files`; why nothing is, where that is worth a line.
    pub told: Option<String>,
}

impl FromStore {
    /// What the store of this policy file knows.
    pub fn of(config: &Config) -> Self {
        let nothing = |told| Self { known: Known::default(), told };
        let path = match places::store(config) {
            Ok(path) if path.exists() => path,
            Ok(_) | Err(_) => return nothing(None),
        };
        match read(&path) {
            Ok(known) => Self { told: told(&known), known },
            Err(error) => nothing(Some(format!("not compared with known tools: {error}"))),
        }
    }

    /// As if there were no store.
    pub fn nothing() -> Self {
        Self { known: Known::default(), told: None }
    }

    /// How many tools of which server, for scripts.
    pub fn counts(&self) -> serde_json::Value {
        self.known
            .servers()
            .map(|server| (server.to_owned(), serde_json::Value::from(self.known.tools(server).count())))
            .collect()
    }
}

/// What a store knows.
pub(super) fn read(store: &Path) -> Result<Known, StoreError> {
    from(&Reader::open(store)?)
}

/// What an open store knows.
pub(super) fn from(reader: &Reader) -> Result<Known, StoreError> {
    let mut known = Known::default();
    for row in reader.tools()? {
        known.list(&row.server, &row.tool, row.definition.as_deref());
    }
    for call in reader.called_with(CALLS)? {
        known.call(&call.server, &call.tool, call.arguments.as_deref());
    }
    Ok(known)
}

fn told(known: &Known) -> Option<String> {
    let count = |server| {
        let tools = known.tools(server).count();
        format!("{tools} tool{} of {}", if tools == 1 { "" } else { "s" }, crate::wire::shown(server))
    };
    let servers: Vec<String> = known.servers().map(count).collect();
    (!servers.is_empty()).then(|| format!("known from the store: {}", servers.join(", ")))
}
