//! The inbox: questions as they come and close, and answers as they are typed.
//!
//! It refuses to answer several at once: whoever approves by the dozen reads none. Invariant: it only ever adds lines, so
//! that it can be piped, and a terminal keeps what was said.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::ruling::{Desk, Refused};
use super::{as_json, as_text, words};
use crate::cli::Exit;
use crate::cli::paint::{BOLD, DIM, RED, painted};
use crate::clock::unix_ms;
use crate::proxy::Asking;
use crate::record::Grant;
use crate::store::{Approvals, Decision, QuestionRow, Which};

/// How often the store is asked whether anything was committed: one cheap question.
const LOOK: Duration = Duration::from_millis(50);
/// After so many looks time alone may have closed a question.
const LOOKS_A_SECOND: u32 = 20;

const HELP: &str =
    "a N [once|session|30m] approve, else for what the question says · d N [why] deny · l list · q quit";

/// Runs until interrupted, told to quit, or nobody reads.
pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<Exit> {
    let desk = Desk { approvals: Approvals::open(path)?, path };
    let mut inbox = Inbox { desk, json, lines: typed(), numbers: BTreeMap::new(), last: 0 };
    if inbox.lines.is_some() && !json {
        writeln!(anstream::stderr(), "{}", painted(DIM, HELP))?;
    }
    let (mut version, mut looks) = (None, 0);
    loop {
        let now = inbox.desk.approvals.version()?;
        looks += 1;
        if version.replace(now) != Some(now) || looks % LOOKS_A_SECOND == 0 {
            inbox.look()?;
        }
        let Some(lines) = &inbox.lines else {
            std::thread::sleep(LOOK);
            continue;
        };
        match lines.recv_timeout(LOOK) {
            Ok(line) if matches!(line.trim(), "q" | "quit") => return Ok(Exit::Done),
            Ok(line) => inbox.obey(line.trim())?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Done),
        }
    }
}

/// What is typed, where a terminal is there to type at.
fn typed() -> Option<Receiver<String>> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Some(lines)
}

struct Inbox<'a> {
    desk: Desk<'a>,
    json: bool,
    /// What is typed, where there is a terminal.
    lines: Option<Receiver<String>>,
    /// Open questions, by the number that people type.
    numbers: BTreeMap<u32, String>,
    last: u32,
}

impl Inbox<'_> {
    /// Tells what came and what closed.
    fn look(&mut self) -> anyhow::Result<()> {
        let open = self.desk.approvals.list(Which::Open)?;
        let gone: Vec<(u32, String)> = self
            .numbers
            .iter()
            .filter(|(_, id)| !open.iter().any(|question| question.id == **id))
            .map(|(number, id)| (*number, id.clone()))
            .collect();
        let asking = Asking::new(self.desk.path);
        let mut out = anstream::stdout().lock();
        for (number, id) in gone {
            self.numbers.remove(&number);
            let found = self.desk.approvals.find(&id)?;
            let number = painted(DIM, format!("[{number}]"));
            if found.is_empty() && !self.json {
                writeln!(out, "{number} {id}: the store no longer knows it")?;
            }
            for question in found {
                if self.json {
                    writeln!(out, "{}", as_json(&asking, &question)?)?;
                } else {
                    writeln!(out, "{number} {}", words::ruled(&question))?;
                }
            }
        }
        for question in open {
            if self.numbers.values().any(|id| *id == question.id) {
                continue;
            }
            self.last += 1;
            self.numbers.insert(self.last, question.id.clone());
            if self.json {
                writeln!(out, "{}", as_json(&asking, &question)?)?;
                continue;
            }
            let bell = if std::io::stdout().is_terminal() { "\x07" } else { "" };
            let number = painted(BOLD, format!("[{}]", self.last));
            writeln!(out, "{bell}{number} {}", as_text(&asking, &question))?;
            let waiting = self.numbers.len();
            writeln!(out, "{}", painted(DIM, format!("    {waiting} waiting")))?;
        }
        Ok(out.flush()?)
    }

    /// Tells once more of all that are open, under the numbers that they have.
    fn list(&self) -> anyhow::Result<()> {
        let asking = Asking::new(self.desk.path);
        let mut out = anstream::stdout().lock();
        for (number, id) in &self.numbers {
            for question in self.desk.approvals.find(id)? {
                let number = painted(BOLD, format!("[{number}]"));
                writeln!(out, "{number} {}", as_text(&asking, &question))?;
            }
        }
        writeln!(out, "{}", painted(DIM, format!("    {} waiting", self.numbers.len())))?;
        Ok(out.flush()?)
    }

    /// Does what was typed.
    fn obey(&mut self, line: &str) -> anyhow::Result<()> {
        let mut words = line.split_whitespace();
        let (verb, number) =
            (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse().ok()));
        let rest = words.collect::<Vec<_>>().join(" ");
        let id = number.and_then(|number: u32| self.numbers.get(&number)).cloned();
        match (verb, id) {
            ("", _) => Ok(()),
            ("l" | "list", _) => self.list(),
            ("a" | "approve", Some(id)) => match Grant::from_word(&rest) {
                Some(grant) => self.rule(&id, &Decision::Approve(Some(grant)), None),
                None if rest.is_empty() => self.rule(&id, &Decision::Approve(None), None),
                None => complain("an approval is good for `once`, `session`, or a duration such as `30m`"),
            },
            ("d" | "deny", Some(id)) => {
                self.rule(&id, &Decision::Deny, Some(rest.as_str()).filter(|rest| !rest.is_empty()))
            }
            ("a" | "approve" | "d" | "deny", None) if number.is_none() => complain("which one? `a 1`, `d 1`"),
            ("a" | "approve" | "d" | "deny", None) => complain("no open question has that number"),
            (_, _) => complain(HELP),
        }
    }

    fn rule(&mut self, id: &str, decision: &Decision, reason: Option<&str>) -> anyhow::Result<()> {
        let typed = |asked: &str, question: &QuestionRow| self.typed(asked, question);
        match self.desk.rule(id, decision, reason, &typed)? {
            Ok(_) => self.look(),
            Err(Refused::Because(why)) => complain(&why),
            Err(Refused::Unknown | Refused::Ambiguous) => complain("that question is gone"),
        }
    }

    /// The next line, as long as the question is open. Nobody else may read the terminal: the inbox does.
    fn typed(&self, asked: &str, question: &QuestionRow) -> anyhow::Result<Option<String>> {
        let Some(lines) = &self.lines else { return Ok(None) };
        // What was typed before this was shown is no answer to it.
        while lines.try_recv().is_ok() {}
        writeln!(anstream::stderr(), "{asked}\n{}", painted(BOLD, "Type yes to approve:"))?;
        let left = u64::try_from(question.until_ms - unix_ms()).unwrap_or_default();
        Ok(Some(lines.recv_timeout(Duration::from_millis(left)).unwrap_or_default()))
    }
}

fn complain(why: &str) -> anyhow::Result<()> {
    Ok(writeln!(anstream::stderr(), "{}", painted(RED, why))?)
}
