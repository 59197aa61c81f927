//! `callgate status`: what each running process has loaded and enforces.
//!
//! It refuses to tell of the file what only the process knows: rules and modes are those of the revision that the process
//! has loaded, as the store keeps it. Invariant: what cannot be told is called unknown, never left out.

mod words;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::log::StorePlace;
use super::{Exit, known, places};
use crate::clock::now;
use crate::policy::{Known, Mode, Policy, blind_spots, parts, revision};
use crate::proxy::gather;
use crate::settings::{Config, read};
use crate::store::{LoadedRow, Reader, RuleRow, SessionRow, Sessions};

const MORE: &str = "\
A process is running when the system says that the very process that wrote to the store is alive. What it enforces is told \
from the revision that it has loaded, not from the file: `stale` marks a file that says something else by now.

Examples:
  callgate status
  callgate status --verbose                     each rule with the mode that holds for it
  callgate status --json | jq '.[] | select(.stale)'";

/// The command line of `status`.
#[derive(Debug, Args)]
#[command(about = "Show what each running callgate has loaded and enforces", after_help = MORE)]
pub(super) struct Status {
    #[command(flatten)]
    store: StorePlace,
    /// Each rule with its mode, for the agent and the server of the session
    #[arg(long, short)]
    verbose: bool,
    /// Also sessions that ended without a word: killed, or cut off by the machine
    #[arg(long)]
    all: bool,
    /// One JSON array, an object for each session
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Prints the sessions.
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path_whatever_the_policy_says()?;
        let sessions = if path.exists() { self.sessions(&path)? } else { Vec::new() };
        let mut out = anstream::stdout().lock();
        if self.json {
            let all: Vec<_> = sessions.iter().map(words::json).collect();
            writeln!(out, "{}", serde_json::to_string(&all)?)?;
        } else if sessions.is_empty() {
            writeln!(out, "{}", words::nobody(&path))?;
        }
        if !self.json {
            let detail = if self.verbose { words::Detail::EachRule } else { words::Detail::Counts };
            for (index, session) in sessions.iter().enumerate() {
                let gap = if index == 0 { "" } else { "\n" };
                writeln!(out, "{gap}{}", words::block(session, detail, now().unix_ms))?;
            }
        }
        Ok(Exit::Done)
    }

    fn sessions(&self, path: &Path) -> anyhow::Result<Vec<Session>> {
        let reader = Reader::open(path)?;
        let rows = reader.sessions(if self.all { Sessions::AllUnclosed } else { Sessions::Running })?;
        let known = if rows.is_empty() { Known::default() } else { known::from(&reader)? };
        Ok(rows.into_iter().map(|row| Session::of(row, &known)).collect())
    }
}

/// One session, as far as it can be told.
struct Session {
    row: SessionRow,
    file: OnDisk,
    /// `None` where its policy cannot be told.
    force: Option<InForce>,
}

/// What the file says now, beside what is loaded.
enum OnDisk {
    /// No file was read.
    None,
    /// The same.
    Same,
    /// Something else.
    Other {
        revision: String,
        /// When the file, or one that it includes, was last written, milliseconds since the Unix epoch.
        written_ms: Option<i64>,
    },
    /// It cannot be read.
    Unreadable(String),
}

/// What holds in a session.
struct InForce {
    base: Mode,
    /// The brake of the file, where it is on.
    max_mode: Option<Mode>,
    fail_mode: &'static str,
    rules: Vec<RuleInForce>,
    /// Rules that are about other servers.
    elsewhere: usize,
}

/// One rule that covers the session's server.
struct RuleInForce {
    id: String,
    effect: &'static str,
    mode: Mode,
    counts: RuleRow,
    /// The tools on which it can never match.
    blind: Vec<String>,
}

impl Session {
    fn of(row: SessionRow, known: &Known) -> Self {
        let path = row.loaded.as_ref().and_then(|loaded| loaded.path.as_deref()).map(PathBuf::from);
        let text = path.as_deref().map(now_in);
        let force = row.loaded.as_ref().and_then(|loaded| {
            let current = text.as_ref().and_then(|text| text.as_deref().ok());
            config(loaded, path.as_deref(), current)
        });
        let force = force.map(|config| InForce::of(&config.policy, &row, known));
        let file = match (&row.loaded, &path, text) {
            (Some(loaded), Some(path), Some(Ok(text))) => on_disk(loaded, path, &text),
            (Some(_), Some(_), Some(Err(why))) => OnDisk::Unreadable(why),
            (..) => OnDisk::None,
        };
        Self { row, file, force }
    }

    fn is_stale(&self) -> bool {
        matches!(self.file, OnDisk::Other { .. } | OnDisk::Unreadable(_))
    }
}

/// What the file says now, with all that it includes, or why that cannot be told.
fn now_in(path: &Path) -> Result<String, String> {
    let environment = places::environment(Some(path)).map_err(|error| error.to_string())?;
    gather(path, &environment).map_err(|error| error.to_string())
}

fn on_disk(loaded: &LoadedRow, path: &Path, text: &str) -> OnDisk {
    let current = revision(text);
    if *current == *loaded.revision {
        return OnDisk::Same;
    }
    let parts = parts(text);
    let files = parts.iter().map(|part| part.path().map_or(path, Path::new));
    OnDisk::Other { revision: current.to_string(), written_ms: files.filter_map(written_ms).max() }
}

fn written_ms(file: &Path) -> Option<i64> {
    let written = std::fs::metadata(file).and_then(|file| file.modified()).ok()?;
    let since_epoch = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok()
}

/// The policy of a revision: of the file, where it still says the same; else of the text in the store, in which what
/// redaction took away may be missing.
fn config(loaded: &LoadedRow, path: Option<&Path>, current: Option<&str>) -> Option<Config> {
    let environment = places::environment(path).ok()?;
    let builtin = Config::builtin(&environment);
    if builtin.policy.revision.as_ref() == loaded.revision {
        return Some(builtin);
    }
    let current = current.filter(|text| revision(text).as_ref() == loaded.revision);
    let text = current.or(loaded.source.as_deref())?;
    read(text, &environment).ok().map(|read| read.config)
}

impl InForce {
    fn of(policy: &Policy, row: &SessionRow, known: &Known) -> Self {
        let stance = policy.stance(row.agent.as_deref(), &row.server);
        let mut blind: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for spot in blind_spots(policy, known, &row.server) {
            blind.entry(spot.rule).or_default().push(spot.tool.to_owned());
        }
        let counts = |id: &str| row.rules.iter().find(|rule| rule.rule.as_deref() == Some(id)).cloned();
        let covering = policy.rules.iter().zip(&stance.rules).enumerate();
        let covering = covering.filter(|(_, (rule, _))| rule.servers.contains(&row.server));
        let rules: Vec<RuleInForce> = covering
            .map(|(index, (rule, mode))| RuleInForce {
                id: rule.id.to_string(),
                effect: rule.effect.as_str(),
                // Off is absolute where the file, the server or the agent says it.
                mode: if stance.is_off() { Mode::Off } else { *mode },
                counts: counts(&rule.id).unwrap_or_default(),
                blind: blind.remove(&index).unwrap_or_default(),
            })
            .collect();
        Self {
            base: stance.base,
            max_mode: policy.max_mode.filter(|brake| *brake < Mode::Enforce),
            fail_mode: stance.fail_mode.as_str(),
            elsewhere: policy.rules.len() - rules.len(),
            rules,
        }
    }

    /// How many rules hold in each mode, strongest first.
    fn by_mode(&self) -> Vec<(Mode, usize)> {
        let modes = [Mode::Enforce, Mode::Warn, Mode::Shadow, Mode::Off];
        let count = |mode: Mode| self.rules.iter().filter(|rule| rule.mode == mode).count();
        modes.into_iter().map(|mode| (mode, count(mode))).filter(|(_, count)| *count > 0).collect()
    }
}
