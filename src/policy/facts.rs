//! What is known about the caller, and how far it may be believed.
//!
//! Invariant: a fact that the governed side can choose (`client`, `repo`) never satisfies an allow rule and
//! never exempts from a restrictive one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// Facts of one session, fixed at its start but for `client`.
#[derive(Clone, Default)]
pub struct Facts {
    /// The agent's key: from `--agent` or `[identity] agent`.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// `[identity] groups`.
    pub groups: Vec<String>,
    /// The git remote of the working directory, without credentials. Claimed.
    pub repo: Option<String>,
    /// `clientInfo.name`. Claimed.
    pub client: Option<String>,
    /// `[identity] environment`.
    pub environment: Option<String>,
    /// The server's name.
    pub server: Option<String>,
    /// The server's working directory or `[identity] root`, absolute. `None`, `/` and the home folder make
    /// `{root}` opaque.
    pub root: Option<String>,
    /// The user's home folder: what `~` in a *rule* means.
    pub home: Option<String>,
}

/// The facts that a condition can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// See [`Facts::agent`].
    Agent,
    /// See [`Facts::user`].
    User,
    /// See [`Facts::groups`]: several values.
    Group,
    /// See [`Facts::repo`]; claimed.
    Repo,
    /// See [`Facts::client`]; claimed.
    Client,
    /// See [`Facts::environment`].
    Environment,
    /// See [`Facts::server`].
    Server,
    /// See [`Facts::root`].
    Root,
    /// `risk` of the `[[tool]]` entries that match the tool.
    Risk,
    /// `action` of the `[[tool]]` entries that match the tool.
    Action,
    /// `resource` of the `[[tool]]` entries that match the tool.
    Resource,
    /// When the call was read; see [`super::World::unix_ms`]. It takes windows, not texts.
    Time,
}

impl Fact {
    /// Every fact by the word that a file uses for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("agent", Self::Agent),
        ("user", Self::User),
        ("group", Self::Group),
        ("repo", Self::Repo),
        ("client", Self::Client),
        ("environment", Self::Environment),
        ("server", Self::Server),
        ("root", Self::Root),
        ("risk", Self::Risk),
        ("action", Self::Action),
        ("resource", Self::Resource),
        ("time", Self::Time),
    ];

    /// Whether the governed side chooses it: such a fact only ever tightens.
    pub fn is_claimed(self) -> bool {
        matches!(self, Self::Client | Self::Repo)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(_, fact)| fact == self).map_or("", |(word, _)| word))
    }
}

/// Where an absolute path really leads, symbolic links followed as far as they exist.
///
/// The pure rooms only know this trait; the driver answers it from the file system, tests from a table.
pub trait ResolvePath {
    /// The resolved form of a lexically normalised absolute path; `None` where it cannot be told or is the same.
    fn resolve(&self, path: &str) -> Option<String>;
}

/// Follows nothing: for remote servers, where our file system says nothing about theirs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLinks;

impl ResolvePath for NoLinks {
    fn resolve(&self, _path: &str) -> Option<String> {
        None
    }
}

/// What has been asked about one call: each path is resolved once, so that all rules see the same file system.
pub(super) struct Remembered<'a> {
    links: &'a dyn ResolvePath,
    known: RefCell<BTreeMap<String, Option<String>>>,
}

impl<'a> Remembered<'a> {
    /// Asks `links` for what is not known yet.
    pub(super) fn new(links: &'a dyn ResolvePath) -> Self {
        Self { links, known: RefCell::default() }
    }
}

impl ResolvePath for Remembered<'_> {
    fn resolve(&self, path: &str) -> Option<String> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let resolved = self.links.resolve(path);
        self.known.borrow_mut().insert(path.to_owned(), resolved.clone());
        resolved
    }
}
