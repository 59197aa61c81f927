//! A user's home with nothing in it but what a test puts there: configuration, store, servers.
//!
//! It refuses to touch the real one: every command gets this home, its XDG folders and no other callgate variable.
//!
//! Invariant: nothing outlives the [`Home`] but what a test keeps running past it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use callgate::store::{AuditRow, Filter, NoticeRow, Reader};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::parts;
use super::process::{Deadline, McpClient, PATIENCE, Piped};
use super::record::Record;

/// How long to wait before another look at something that does not ring a bell.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A home of its own.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// One with this `mcp.toml` where callgate looks for it.
    pub fn with_policy(policy: &str) -> Self {
        let home = Self::new();
        home.write_policy(policy);
        home
    }

    /// A path below it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Where callgate looks for the policy when nobody names one.
    pub fn policy(&self) -> PathBuf {
        self.path("config/callgate/mcp.toml")
    }

    /// Where the store is when nobody says otherwise.
    pub fn store(&self) -> PathBuf {
        self.path("data/callgate/audit.db")
    }

    /// Writes the policy in place.
    pub fn write_policy(&self, policy: &str) {
        fs::create_dir_all(self.policy().parent().unwrap()).unwrap();
        fs::write(self.policy(), policy).unwrap();
    }

    /// Puts the policy there the way careful programs do: written beside it, renamed over it.
    pub fn replace_policy(&self, policy: &str) {
        let beside = self.policy().with_extension("new");
        fs::write(&beside, policy).unwrap();
        fs::rename(beside, self.policy()).unwrap();
    }

    /// `callgate` with these arguments, at home here.
    pub fn callgate<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
        self.settle(command.args(arguments));
        command
    }

    /// Makes a command, and whatever it starts, feel at home here.
    pub fn settle(&self, command: &mut Command) {
        command.env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_DATA_HOME", self.path("data"));
        command.env("XDG_RUNTIME_DIR", self.path("run"));
        for variable in ["CALLGATE_CONFIG", "FAIL_MODE", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
    }

    /// Runs `callgate` to its end.
    pub fn run(&self, arguments: &[&str]) -> Told {
        Told::of(&self.callgate(arguments).output().unwrap())
    }

    /// `callgate run` with these options before a server's command.
    pub fn sidecar<A: AsRef<OsStr>>(&self, options: &[&str], server: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.callgate(["run"].iter().chain(options));
        command.arg("--").args(server);
        command
    }

    /// A sidecar before a shell that runs this script.
    pub fn before_shell(&self, script: &str) -> Piped {
        Piped::start(&mut self.sidecar(&[], ["sh", "-c", script]))
    }

    /// A handshake through a sidecar before a recorder, and what reaches the recorder.
    pub fn converse(&self, options: &[&str]) -> (McpClient, Record) {
        let record = Record::listen(&self.fresh_folder());
        let mut command = self.sidecar(options, [parts::example("recorder")]);
        let client = McpClient::open(command.env("CALLGATE_RECORD", record.path()));
        (client, record)
    }

    /// A folder that nothing else uses.
    pub fn fresh_folder(&self) -> PathBuf {
        tempfile::tempdir_in(self.folder.path()).unwrap().keep()
    }

    /// Every call in the store, oldest first; none while there is no store.
    pub fn rows(&self) -> Vec<AuditRow> {
        Reader::open(&self.store()).and_then(|reader| reader.rows(&Filter::default())).unwrap_or_default()
    }

    /// Every gap and notice in the store.
    pub fn notices(&self) -> Vec<NoticeRow> {
        Reader::open(&self.store()).and_then(|reader| reader.notices(0)).unwrap_or_default()
    }

    /// Waits for this many calls in the store, and gives them.
    pub fn await_rows(&self, count: usize) -> Vec<AuditRow> {
        let found = until(PATIENCE, || Some(self.rows()).filter(|rows| rows.len() >= count));
        found.unwrap_or_else(|| panic!("{} of {count} rows: {:#?}", self.rows().len(), self.rows()))
    }

    /// Waits for this many notices of a kind in the store, and gives them.
    pub fn await_notices(&self, kind: &str, count: usize) -> Vec<NoticeRow> {
        let of_kind = || {
            let mut notices = self.notices();
            notices.retain(|notice| notice.kind == kind);
            notices
        };
        let found = until(PATIENCE, || Some(of_kind()).filter(|notices| notices.len() >= count));
        found.unwrap_or_else(|| panic!("fewer than {count} of {kind}: {:#?}", self.notices()))
    }
}

/// What a command told at its end.
#[derive(Debug)]
pub struct Told {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its stdout.
    pub out: String,
    /// Its stderr.
    pub err: String,
}

impl Told {
    /// What an output holds.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Its stdout as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its stdout as one JSON value on each line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Looks until there is something, or `within` has passed.
pub fn until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Deadline::within(within);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if deadline.left().is_zero() {
            return None;
        }
        // Nobody unparks this thread: it is a pause between two looks, and what is waited for is looked at.
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// Whether a process is there and not a zombie. Linux only: it reads `/proc`.
#[cfg(target_os = "linux")]
pub fn lives(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !matches!(rest.trim_start().as_bytes().first(), Some(b'Z' | b'X')))
}

/// A pid that a script wrote to a file, once it is there.
pub fn pid_in(file: &Path) -> u32 {
    let read = || fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))?.trim().parse().ok();
    until(PATIENCE, read).unwrap_or_else(|| panic!("no pid in {}", file.display()))
}

/// One rule that denies `delete_file`, in a file of this mode.
pub fn no_deleting(mode: &str) -> String {
    format!(
        "version = 1\nmode = \"{mode}\"\n\n[[rule]]\nid = \"no-deleting\"\ntools = [\"delete_file\"]\naction = \"deny\"\n"
    )
}

/// Changes the store behind the back of its triggers, as who can write the file can.
pub fn tamper(home: &Home, sql: &str) {
    let store = Connection::open(home.store()).unwrap();
    let mut triggers = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    let names =
        triggers.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
    for name in names {
        store.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    assert!(store.execute(sql, []).unwrap() > 0, "{sql}");
}
