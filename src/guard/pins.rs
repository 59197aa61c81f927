//! What is pinned of a server's tools: the definitions that a team saw first, and those that it accepted since.
//!
//! It refuses to know what a definition says: it compares hashes. Invariant: a definition that is not pinned differs in
//! named parts, or is new; nothing else is told of it.

use std::collections::{HashMap, HashSet};

use crate::policy::{Imprint, Parts};
use crate::wire::shown;

/// The pinned definitions of one server. None where nothing is pinned yet: what it lists first is trusted.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    hashes: HashSet<Box<str>>,
    /// The newest of each tool, by its name as it is shown.
    newest: HashMap<String, Parts>,
}

/// Whether one definition is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// It is.
    Yes,
    /// It is not, others are.
    No,
    /// Nothing of the server is pinned yet.
    NothingYet,
}

/// How a definition differs from what is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// No definition of the tool is pinned.
    New,
    /// In these parts; empty where it cannot be told.
    In(Vec<&'static str>),
}

impl Pins {
    /// Adds a definition of a tool, `tool` cut and escaped as it is shown. Later ones count as newer.
    pub fn add(&mut self, tool: &str, imprint: Imprint) {
        self.hashes.insert(imprint.hash);
        self.newest.insert(tool.to_owned(), imprint.parts);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    pub(super) fn holds(&self, hash: &str) -> bool {
        self.hashes.contains(hash)
    }

    pub(super) fn difference(&self, tool: &str, imprint: &Imprint) -> Difference {
        match self.newest.get(&shown(tool)) {
            Some(parts) => Difference::In(parts.differing(&imprint.parts)),
            None => Difference::New,
        }
    }
}

impl Difference {
    /// What people are told of it.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::New => "it is new".to_owned(),
            Self::In(parts) if parts.is_empty() => "its definition differs".to_owned(),
            Self::In(parts) => {
                format!("{} differ{}", parts.join(", "), if parts.len() == 1 { "s" } else { "" })
            }
        }
    }
}
