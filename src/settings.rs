//! Everything in mcp.toml that is not policy: servers, identity, audit; and the reading of a whole file.
//!
//! It refuses a file with any fault in it, and reports all of them at once. Invariant: what comes out was
//! checked in full, and no fault quotes a value that stands under `env` or `headers_env`.

mod alerts;
mod approval;
pub mod edit;
pub mod format;
mod header;
mod json_schema;
mod sections;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;

use crate::guard::{Approval, BlockResponse, FilterTools, Terms};
use crate::policy::diagnostic::Severity;
use crate::policy::schema::{self, Reading, Section};
use crate::policy::{Diagnostic, FailMode, ModeSettings, Part, Policy, compile, parts};

pub use alerts::{Address, Alerts, Destination, Email, Payload, Protocol, Security, Syslog, Way};
pub use header::sendable;
pub use json_schema::json_schema;

/// Longer lines are refused where the file does not say otherwise. Bytes.
const MAX_FRAME: usize = 64 << 20;
/// The audit store's files, by what follows its name.
const STORE_FILES: [&str; 4] = ["", "-wal", "-shm", ".key"];

/// Reads one `mcp.toml`.
///
/// # Errors
/// Every fault of the file, in the order of the text.
pub fn read(source: &str, environment: &Environment) -> Result<Read, Vec<Diagnostic>> {
    let parts = parts(source);
    let texts: Vec<_> = parts.iter().map(|part| part.in_place(source)).collect();
    let mut syntax = Vec::new();
    let mut documents = Vec::new();
    for text in &texts {
        let (document, errors) = schema::parse(text);
        documents.push(document);
        syntax.extend(errors);
    }
    let mut reading = Reading::default();
    let mut sections = documents.iter().zip(&parts).map(|(document, part)| schema::top(document, part));
    // Every text has a first part.
    let Some(mut top) = sections.next() else { return Err(Vec::new()) };
    let file = schema::file(&mut top, sections.collect(), &mut reading);
    let rules_written = file.rules_written;
    let (settings, servers) = sections::settings(&mut top, environment, &mut reading);
    top.finish(&mut reading);
    let policy = compile::compile(
        file,
        source,
        compile::Surroundings {
            server_names: settings.servers.keys().cloned().collect(),
            channels: settings.approval.channels.clone(),
            destinations: settings.alerts.to.keys().cloned().collect(),
            ..environment.surroundings(servers, settings.audit.path.as_deref(), &parts)
        },
        &mut reading,
    );
    let all = settle(source, syntax, reading.diagnostics);
    let (faults, notes): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.severity == Severity::Fault);
    if faults.is_empty() {
        return Ok(Read { config: Config { policy: Arc::new(policy), settings, rules_written }, notes });
    }
    // Notes wait until the file is right: half of them would be about its faults.
    Err(faults)
}

/// The files that a text asks to include, as written. Faults are left to [`read`].
pub fn includes(source: &str) -> Vec<Spanned<String>> {
    let (document, _) = schema::parse(source);
    schema::includes(&mut Section::new("", 0..0, document.get_ref()))
}

/// Whether a file holds nothing but white space and comments.
pub fn is_blank(source: &str) -> bool {
    let mut lines = source.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

/// Whether a change takes away every rule without saying `rule = []`: more likely an accident than a wish.
pub fn suddenly_rule_less(old: &Config, new: &Config) -> bool {
    !old.policy.rules.is_empty() && new.policy.rules.is_empty() && !new.rules_written
}

/// The first included file that has become blank: more likely cut short than meant, for it could be taken away.
pub fn suddenly_blank(old: &str, new: &str) -> Option<String> {
    let (before, after) = (parts(old), parts(new));
    let was_full = |path| before.iter().any(|part| part.path() == Some(path) && !is_blank(part.text(old)));
    let blank = after.iter().filter(|part| is_blank(part.text(new)));
    blank.filter_map(Part::path).find(|path| was_full(path)).map(str::to_owned)
}

/// The audit store that a file names which may have faults, and whether all of its text could be read as TOML.
pub fn named_store(source: &str, environment: &Environment) -> (Option<PathBuf>, bool) {
    let (document, errors) = schema::parse(source);
    let mut reading = Reading::default();
    let audit = Section::new("", 0..0, document.get_ref()).table("audit", &mut reading);
    let path = audit.and_then(|section| sections::audit(section, environment, &mut reading).path);
    (path, errors.is_empty())
}

/// What a file is read against.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The user's home folder: what a leading `~/` of a setting means.
    pub home: Option<String>,
    /// Absolute paths that `callgate-self` guards.
    pub protected: Vec<String>,
    /// The fail mode where the file is silent; only a stricter one than `open` counts.
    pub fail_mode: Option<FailMode>,
}

impl Environment {
    /// What the policy takes from outside. The store that the file names is guarded as the usual one is, and what it
    /// includes as it is itself.
    fn surroundings(
        &self,
        servers: BTreeMap<String, ModeSettings>,
        store: Option<&Path>,
        parts: &[Part],
    ) -> compile::Surroundings {
        let store = store.and_then(Path::to_str).into_iter();
        let store = store.flat_map(|path| STORE_FILES.iter().map(move |end| format!("{path}{end}")));
        let included = parts.iter().filter_map(|part| part.file.as_ref());
        let included = included.flat_map(|file| [Some(&file.path), file.leads_to.as_ref()]).flatten();
        let protected = self.protected.iter().chain(included).cloned().chain(store).collect();
        compile::Surroundings { servers, protected, fail_mode: self.fail_mode, ..Default::default() }
    }
}

/// A file without faults.
#[derive(Debug, Clone)]
pub struct Read {
    /// What it says.
    pub config: Config,
    /// What its author may want to know.
    pub notes: Vec<Diagnostic>,
}

/// One `mcp.toml`, whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is judged.
    pub policy: Arc<Policy>,
    /// The rest.
    pub settings: Settings,
    /// Whether the file says anything about rules, if only `rule = []`.
    pub rules_written: bool,
}

impl Config {
    /// What holds with no file at all: shadow, everything allowed, no rules.
    pub fn builtin(environment: &Environment) -> Self {
        let policy = compile::builtin(environment.surroundings(BTreeMap::new(), None, &[]));
        Self { policy: Arc::new(policy), settings: Settings::default(), rules_written: false }
    }

    /// What of it a session needs.
    pub fn terms(&self) -> Terms {
        Terms {
            policy: Arc::clone(&self.policy),
            block_response: self.settings.block_response,
            max_frame: self.settings.max_frame,
            filter_tools: self.settings.filter_tools.clone(),
            approval: self.settings.approval.clone(),
            alerts: self.settings.alerts.routes(),
        }
    }
}

/// Everything that is not policy.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[identity]`.
    pub identity: Identity,
    /// `[servers.NAME]`.
    pub servers: BTreeMap<String, Server>,
    /// `[audit]`.
    pub audit: Audit,
    /// `block_response`.
    pub block_response: BlockResponse,
    /// `max_frame`: a longer line is refused where something can enforce. Bytes.
    pub max_frame: usize,
    /// `filter_tools`, of the file and of servers.
    pub filter_tools: FilterTools,
    /// `[approval]`.
    pub approval: Approval,
    /// `[alerts]`.
    pub alerts: Alerts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            identity: Identity::default(),
            servers: BTreeMap::new(),
            audit: Audit::default(),
            block_response: BlockResponse::default(),
            max_frame: MAX_FRAME,
            filter_tools: FilterTools::default(),
            approval: Approval::default(),
            alerts: Alerts::default(),
        }
    }
}

/// `[identity]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The agent's key, unless `--agent` says otherwise.
    pub agent: Option<String>,
    /// Groups the user is in.
    pub groups: Vec<String>,
    /// `dev`, `prod`, …
    pub environment: Option<String>,
    /// What `{root}` means, absolute; the server's working directory where it is not given.
    pub root: Option<String>,
}

/// `[servers.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A child process on stdio.
    Child {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Added to its environment.
        env: BTreeMap<String, String>,
        /// Its working directory.
        cwd: Option<PathBuf>,
    },
    /// A remote server.
    Remote {
        /// Where it is, `http` or `https`.
        url: String,
        /// How it is spoken to.
        transport: Transport,
        /// Headers to send: for each the environment variable that holds its value.
        headers_env: BTreeMap<String, String>,
    },
}

/// `[servers.NAME] transport`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Streamable HTTP, of 2025-03-26 and later.
    #[default]
    Http,
    /// HTTP with SSE, of 2024-11-05.
    Sse,
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The file; the user's data folder where it is not given.
    pub path: Option<PathBuf>,
    /// What is kept of arguments.
    pub arguments: KeepArguments,
    /// How long rows are kept, milliseconds.
    pub retention_ms: i64,
    /// How large the file may grow, bytes.
    pub max_bytes: u64,
    /// When a commit counts as done.
    pub durability: Durability,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            path: None,
            arguments: KeepArguments::Redacted,
            retention_ms: 90 * 24 * 3_600_000,
            max_bytes: 1 << 30,
            durability: Durability::Normal,
        }
    }
}

/// `[audit] arguments`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepArguments {
    /// As they came.
    Full,
    /// Without secrets and with long values cut.
    #[default]
    Redacted,
    /// Only which members there were.
    Keys,
    /// Nothing.
    None,
}

/// `[audit] durability`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives the end of the process (`synchronous = NORMAL`).
    #[default]
    Normal,
    /// Survives a power cut (`synchronous = FULL`).
    Strict,
}

/// Puts the diagnostics in the order of the text. After syntax errors, what else is wrong on their lines, and
/// what seems to be missing, is only their echo.
fn settle(source: &str, syntax: Vec<Diagnostic>, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let lines: Vec<Range<usize>> = syntax.iter().map(|error| line_around(source, error.span.start)).collect();
    let echoes = |diagnostic: &Diagnostic| {
        let span = &diagnostic.span;
        lines.iter().any(|line| span.start <= line.end && line.start <= span.end)
            || diagnostic.message.contains(" is missing")
    };
    let found = found.into_iter().filter(|diagnostic| syntax.is_empty() || !echoes(diagnostic));
    let mut all: Vec<Diagnostic> = found.collect();
    all.extend(syntax);
    all.sort_by(|a, b| (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message)));
    all.dedup();
    all
}

/// The bytes of the line that holds an offset.
fn line_around(source: &str, offset: usize) -> Range<usize> {
    let bytes = source.as_bytes();
    let offset = offset.min(bytes.len());
    let (before, after) = bytes.split_at(offset);
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let length = after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
    start..offset + length
}

#[cfg(test)]
mod tests;
