//! One hostile case against one command, and the judgement of what came of it.
//!
//! It refuses to know the product: a case runs against any prefix that wraps a server, none included.
//!
//! Invariant: each case has its own pair of processes, and what reached the server is read to its end.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ChildStdin;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use memchr::memmem;

use super::corpus::{Case, Direction, Piece};
use super::parts;
use super::process::{Deadline, Line, Piped, command_line, peak_memory_kib};
use super::record::Record;

/// How long one case may take to be read, and then to be survived.
pub const CASE_TIME: Duration = Duration::from_secs(20);
/// How long a process may take to end after its input has.
const EXIT_TIME: Duration = Duration::from_secs(8);
/// How long a frame that is meant to be pending may take to arrive; a gate may hold it for ever.
const PENDING_TIME: Duration = Duration::from_secs(3);
/// The two tools that no policy of the corpus lets through.
const DENIED_TOOLS: [&[u8]; 2] = [b"delete_file", b"wipe_volume"];
const SENTINEL_MARK: &[u8] = b"\"sentinel\"";
/// How the line begins that is sent after a case.
pub const SENTINEL_START: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":\"sentinel\"";

/// What came of a case.
#[derive(Debug)]
pub struct Report {
    /// The case's name.
    pub id: String,
    /// `not_forwarded`, `forwarded_unchanged`, `forwarded_altered`, …
    pub outcome: &'static str,
    /// The outcome is among those that the case accepts, and the session went on where it had to.
    pub ok: bool,
    /// The case is a strict one.
    pub strict: bool,
    /// A later call was still answered. `None` where the case ends the session.
    pub survived: Option<bool>,
    /// The case was sent to the server.
    pub to_server: bool,
    /// What reached the server, or the client, of the case.
    pub arrived: Vec<u8>,
    /// The first of what the client was answered.
    pub reply: String,
    /// What else is worth telling.
    pub note: String,
    /// The most memory the command held, in KiB, where that can be read.
    pub peak_kib: Option<u64>,
}

impl Report {
    /// A strict case that did not pass.
    pub fn failed(&self) -> bool {
        self.strict && !self.ok
    }
}

/// Runs cases side by side, never more than two at once. A case without a prefix is left out; each may take
/// `patience` to be read, and then to be survived.
pub fn run_all<P>(cases: &[Case], patience: Duration, prefix: P) -> Vec<Report>
where
    P: Fn(&Case) -> Option<Vec<OsString>> + Sync,
{
    side_by_side(cases, |case| Some(run(case, patience, &prefix(case)?)))
}

/// Tries cases, never more than two at once; those that are not tried are left out.
pub fn side_by_side(cases: &[Case], attempt: impl Fn(&Case) -> Option<Report> + Sync) -> Vec<Report> {
    let queue = Mutex::new(cases.iter());
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    let Some(report) = attempt(case) else { continue };
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|report| cases.iter().position(|case| case.id == report.id));
    reports
}

/// The failures of a run, with why each case is there, as a text for people; empty when there are none.
pub fn failures(cases: &[Case], reports: &[Report]) -> String {
    let explain = |report: &Report| {
        let case = cases.iter().find(|case| case.id == report.id).unwrap();
        format!(
            "{} ({}, {}): {}, survived {:?}; accepted is {:?}\n  why: {}\n  must not: {}\n  reply: {}\n  {}\n",
            report.id,
            case.cls,
            case.policy,
            report.outcome,
            report.survived,
            case.accept,
            case.reason,
            case.must_not,
            report.reply.trim_end(),
            report.note
        )
    };
    reports.iter().filter(|report| report.failed()).map(explain).collect()
}

/// Runs one case against the recorder, behind the prefix.
pub fn run(case: &Case, patience: Duration, prefix: &[OsString]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::listen(folder.path());
    let mut trial = Trial::start(case, prefix, folder.path(), record);
    let seen = trial.conduct(case, patience);
    trial.judge(case, &seen)
}

/// One case under way.
struct Trial {
    command: Piped,
    record: Record,
    /// Every line that the command has said.
    said: Vec<Vec<u8>>,
    /// How many of them were said before the case began.
    said_before: usize,
    /// How many bytes had reached the server before the case began.
    recorded_before: usize,
}

/// What was observed besides the bytes.
#[derive(Default)]
struct Seen {
    survived: Option<bool>,
    note: String,
    peak_kib: Option<u64>,
}

impl Trial {
    fn start(case: &Case, prefix: &[OsString], folder: &Path, record: Record) -> Self {
        let mut command = command_line(prefix, &[parts::example("recorder")]);
        command.env("CALLGATE_RECORD", record.path());
        let pending = case.pending();
        if !pending.is_empty() {
            command.env("CALLGATE_HOLD", "1");
        }
        if case.direction == Direction::ServerToClient {
            let emission = folder.join("emission");
            std::fs::write(&emission, case.bytes()).unwrap();
            let lines_before = case.handshake().len() + usize::from(!pending.is_empty());
            command.env("CALLGATE_EMIT", emission).env("CALLGATE_EMIT_AFTER", lines_before.to_string());
        }
        let command = Piped::start(&mut command);
        Self { command, record, said: Vec::new(), said_before: 0, recorded_before: 0 }
    }

    fn conduct(&mut self, case: &Case, patience: Duration) -> Seen {
        self.prepare(case);
        let mut seen = Seen::default();
        if case.direction == Direction::ClientToServer && !self.write_case(case, patience) {
            "the command stopped reading".clone_into(&mut seen.note);
        }
        if case.unterminated() {
            self.command.close_stdin();
            seen.peak_kib = peak_memory_kib(self.command.pid());
            if self.command.wait(EXIT_TIME).is_none() {
                "the command stayed after its input had ended".clone_into(&mut seen.note);
            }
        } else {
            let sent = self.command.send(&case.sentinel()).is_ok();
            seen.survived =
                Some(self.hear(patience, |line| memmem::find(line, SENTINEL_MARK).is_some()) && sent);
            seen.peak_kib = peak_memory_kib(self.command.pid());
        }
        self.command.kill();
        self.command.close_stdin();
        if !self.record.await_end(EXIT_TIME) {
            seen.note.push_str(" the server outlived the command");
        }
        self.hear(EXIT_TIME, |_| false);
        seen
    }

    /// The handshake, and what must be pending before the case.
    fn prepare(&mut self, case: &Case) {
        let handshake = case.handshake();
        for line in &handshake {
            self.command.send(line).ok();
        }
        if let Some(last) = handshake.last() {
            self.hear(EXIT_TIME, |_| true);
            self.record.await_bytes(last, EXIT_TIME);
        }
        let pending = case.pending();
        if !pending.is_empty() {
            self.command.send(&pending).ok();
            self.record.await_bytes(pending.trim_ascii(), PENDING_TIME);
        }
        // What a server says goes on from the handshake, so there the handshake itself is the beginning.
        self.said_before = if case.direction == Direction::ServerToClient { 0 } else { self.said.len() };
        self.recorded_before = self.record.len();
    }

    /// False when the command does not read it all in time.
    fn write_case(&mut self, case: &Case, patience: Duration) -> bool {
        let Some(stdin) = self.command.take_stdin() else { return false };
        let pieces = case.pieces.clone();
        let (sender, written) = channel();
        thread::spawn(move || sender.send(write_pieces(stdin, &pieces)));
        match written.recv_timeout(patience) {
            Ok(stdin) => self.command.return_stdin(stdin),
            Err(_) => return false,
        }
        true
    }

    /// Collects lines until one is the last that is wanted. False at the deadline, and at the end of output.
    fn hear(&mut self, within: Duration, last: impl Fn(&[u8]) -> bool) -> bool {
        let deadline = Deadline::within(within);
        loop {
            let Line::Said(line) = self.command.line(deadline.left()) else { return false };
            let wanted = last(&line);
            self.said.push(line);
            if wanted {
                return true;
            }
        }
    }

    fn judge(&self, case: &Case, seen: &Seen) -> Report {
        let sent = case.bytes();
        let replies: Vec<u8> = self.said[self.said_before..]
            .iter()
            .filter(|line| memmem::find(line, b"sentinel").is_none())
            .flatten()
            .copied()
            .collect();
        let (outcome, arrived) = match case.direction {
            Direction::ServerToClient => {
                let greeting = usize::from(!case.handshake().is_empty());
                (came_back(&sent, &self.said[greeting.min(self.said.len())..]), self.said.concat())
            }
            Direction::ClientToServer => {
                let arrived = without_sentinel(self.record.bytes_from(self.recorded_before));
                (arrived_as(case, &sent, &arrived), arrived)
            }
        };
        let reply = String::from_utf8_lossy(&replies[..replies.len().min(300)]).into_owned();
        Observed {
            outcome,
            arrived,
            reply,
            survived: seen.survived,
            note: seen.note.clone(),
            peak_kib: seen.peak_kib,
        }
        .judged(case)
    }
}

/// What came of a case, whatever carried it.
#[derive(Default)]
pub struct Observed {
    /// As in [`Report`].
    pub outcome: &'static str,
    /// As in [`Report`].
    pub arrived: Vec<u8>,
    /// As in [`Report`].
    pub reply: String,
    /// As in [`Report`].
    pub survived: Option<bool>,
    /// As in [`Report`].
    pub note: String,
    /// As in [`Report`].
    pub peak_kib: Option<u64>,
}

impl Observed {
    /// Holds it against what the case accepts.
    pub fn judged(self, case: &Case) -> Report {
        let Self { outcome, arrived, reply, survived, mut note, peak_kib } = self;
        let harmless_part =
            outcome == "forwarded_partly" && case.cls == "framing" && !names_a_denied_tool(&arrived);
        let accepts = |wanted: &str| case.accept.iter().any(|accepted| accepted == wanted);
        let accepted = accepts(outcome)
            || (harmless_part && accepts("blocked"))
            || (outcome == "not_forwarded" && (accepts("blocked") || accepts("rejected_as_malformed")));
        let lost = survived == Some(false) && !accepts("rejected_as_malformed");
        if lost {
            note.push_str(" the session was lost");
        }
        Report {
            id: case.id.clone(),
            outcome,
            ok: accepted && !lost,
            strict: case.strict,
            survived,
            to_server: case.direction == Direction::ClientToServer,
            arrived,
            reply,
            note,
            peak_kib,
        }
    }
}

fn write_pieces(mut stdin: ChildStdin, pieces: &[Piece]) -> ChildStdin {
    for piece in pieces {
        let bytes = piece.bytes();
        let at_once = ((1 << 20) / bytes.len().max(1)).clamp(1, piece.times.max(1));
        let block = bytes.repeat(at_once);
        let mut left = piece.times;
        while left > 0 {
            let now = left.min(at_once);
            // A gate that closes its input has made up its mind; the outcome tells.
            if stdin.write_all(&block[..bytes.len() * now]).is_err() {
                return stdin;
            }
            left -= now;
        }
    }
    stdin
}

fn without_sentinel(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = memmem::rfind(&bytes, SENTINEL_START) {
        bytes.truncate(at);
    }
    bytes
}

fn came_back(sent: &[u8], said: &[Vec<u8>]) -> &'static str {
    let others: Vec<u8> =
        said.iter().filter(|line| memmem::find(line, SENTINEL_MARK).is_none()).flatten().copied().collect();
    if memmem::find(&said.concat(), sent).is_some() {
        "forwarded_unchanged"
    } else if others.trim_ascii().is_empty() {
        "not_forwarded"
    } else {
        "forwarded_altered"
    }
}

/// The name of what became of `sent` on its way to the server.
pub fn arrived_as(case: &Case, sent: &[u8], arrived: &[u8]) -> &'static str {
    let without_cr = || sent.iter().filter(|&&byte| byte != b'\r').copied().collect::<Vec<u8>>();
    if arrived == sent || arrived.strip_suffix(b"\n") == Some(sent) {
        "forwarded_unchanged"
    } else if arrived.trim_ascii().is_empty() {
        "not_forwarded"
    } else if arrived == without_cr() {
        "forwarded_without_cr"
    } else if trim_newlines(arrived) == trim_newlines(sent) {
        "forwarded_without_blank_lines"
    } else if memmem::find(sent, arrived.trim_ascii()).is_some() {
        "forwarded_partly"
    } else if case.cls == "batch" && !names_a_denied_tool(arrived) {
        "forwarded_without_denied_item"
    } else {
        "forwarded_altered"
    }
}

fn names_a_denied_tool(bytes: &[u8]) -> bool {
    DENIED_TOOLS.iter().any(|tool| memmem::find(bytes, tool).is_some())
}

fn trim_newlines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\n") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b"\n") {
        bytes = rest;
    }
    bytes
}
