//! What is known about the caller, and how far it may be believed.
//!
//! Invariant: a fact that the governed side can choose (`client`, `repo`, `claimed_*`) never satisfies an allow rule and
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
    /// See [`Claims::read_only`](super::Claims); claimed, a truth value.
    ClaimedReadOnly,
    /// See [`Claims::destructive`](super::Claims); claimed, a truth value.
    ClaimedDestructive,
    /// See [`Claims::idempotent`](super::Claims); claimed, a truth value.
    ClaimedIdempotent,
    /// See [`Claims::open_world`](super::Claims); claimed, a truth value.
    ClaimedOpenWorld,
    /// See [`super::World::changed`]; a truth value of our own.
    ToolChanged,
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
        ("claimed_read_only", Self::ClaimedReadOnly),
        ("claimed_destructive", Self::ClaimedDestructive),
        ("claimed_idempotent", Self::ClaimedIdempotent),
        ("claimed_open_world", Self::ClaimedOpenWorld),
        ("tool_changed", Self::ToolChanged),
    ];

    /// Whether the governed side chooses it: such a fact only ever tightens.
    pub fn is_claimed(self) -> bool {
        matches!(self, Self::Client | Self::Repo) || self.is_claim()
    }

    /// Whether it is true or false, where other facts are texts.
    pub fn is_truth(self) -> bool {
        self.is_claim() || self == Self::ToolChanged
    }

    /// Whether it is what servers claim of their tools.
    pub fn is_claim(self) -> bool {
        matches!(
            self,
            Self::ClaimedReadOnly
                | Self::ClaimedDestructive
                | Self::ClaimedIdempotent
                | Self::ClaimedOpenWorld
        )
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

    /// Which of some folders below `start` lead elsewhere, by their place in the list, and where to. Each is spelled
    /// from `/` on, the empty text is `start` itself, and `start` may be empty. The answer is that of
    /// [`Self::resolve`] for each, the root folder left out.
    fn moved(&self, start: &str, folders: &[String]) -> Vec<(usize, String)> {
        let numbered =
            folders.iter().enumerate().filter(|(_, folder)| !start.is_empty() || !folder.is_empty());
        numbered.filter_map(|(at, folder)| Some((at, self.resolve(&format!("{start}{folder}"))?))).collect()
    }
}

/// Follows nothing: for remote servers, where our file system says nothing about theirs.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLinks;

impl ResolvePath for NoLinks {
    fn resolve(&self, _path: &str) -> Option<String> {
        None
    }

    fn moved(&self, _start: &str, _folders: &[String]) -> Vec<(usize, String)> {
        Vec::new()
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

    /// What leads elsewhere is remembered; that the others stay where they are is what most paths do.
    fn moved(&self, start: &str, folders: &[String]) -> Vec<(usize, String)> {
        let moved = self.links.moved(start, folders);
        let mut known = self.known.borrow_mut();
        for (at, real) in &moved {
            let folder = folders.get(*at).map_or("", String::as_str);
            known.entry(format!("{start}{folder}")).or_insert_with(|| Some(real.clone()));
        }
        moved
    }
}
