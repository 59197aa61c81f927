//! The transcripts under `fixtures/sessions`: what happens, and what the session makes of it.
//!
//! A line begins with what it is: `!` policy (a block of them takes force), `>` a line from the client, `<` one from
//! the server, `>-` and `<-` bytes without a newline, `~` time that passes, `@` something else that happens, `#` a
//! remark. What follows as `=` is written by the session. Run with `CALLGATE_BLESS=1` to write it anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Driven, Step, terms};
use crate::guard::{Heard, Ruling, Side};
use crate::policy::{FailMode, duration_ms};
use crate::record::{CallRecord, Page, Record};

#[test]
fn every_transcript_is_what_the_session_does() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/sessions");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{paths:?}");
    let mut wrong = String::new();
    for path in paths {
        let written = std::fs::read_to_string(&path).unwrap();
        let played = play(&written);
        if played == written {
            continue;
        }
        if std::env::var_os("CALLGATE_BLESS").is_some() {
            std::fs::write(&path, played).unwrap();
        } else {
            write!(wrong, "{}\n{}", path.display(), difference(&written, &played)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The transcript with every `=` line as it should be.
fn play(transcript: &str) -> String {
    let mut play = Play { driven: None, policy: String::new(), fail: None, lost: None };
    let mut lines = transcript.lines().filter(|line| !line.starts_with('=')).peekable();
    let mut played = String::new();
    while let Some(line) = lines.next() {
        played.push_str(line);
        played.push('\n');
        let last_of_policy = !lines.peek().is_some_and(|next| next.starts_with('!'));
        for effect in play.happens(line, last_of_policy) {
            writeln!(played, "= {effect}").unwrap();
        }
    }
    played
}

/// After a yes: the store has a no by the time that the yes is heard.
const OVERRULED: &str = "and another no before it is heard";

struct Play {
    driven: Option<Driven>,
    policy: String,
    fail: Option<FailMode>,
    lost: Option<String>,
}

impl Play {
    fn happens(&mut self, line: &str, last_of_policy: bool) -> Vec<String> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "" | "#" => Vec::new(),
            "!" => {
                self.policy.push_str(rest);
                self.policy.push('\n');
                if last_of_policy { self.adopt() } else { Vec::new() }
            }
            "~" => {
                let ms = duration_ms(rest).unwrap();
                let now = &mut self.driven().now;
                now.unix_ms += ms;
                now.steady_us += u64::try_from(ms).unwrap() * 1_000;
                self.time_passes()
            }
            ">" | "<" | ">-" | "<-" => self.bytes(kind, rest),
            "@" => self.event(rest),
            other => panic!("`{other}` is not a kind of line: {line}"),
        }
    }

    fn driven(&mut self) -> &mut Driven {
        self.driven.as_mut().expect("a transcript begins with a policy")
    }

    /// As a driver does: while the session has something to do, it does it.
    fn time_passes(&mut self) -> Vec<String> {
        let mut effects = Vec::new();
        let lost = self.lost.clone();
        let driven = self.driven();
        while driven.session.deadline().is_some_and(|deadline| deadline <= driven.now.steady_us) {
            let out = driven.session.tick(driven.now);
            effects.extend(told(&driven.perform(out, lost.as_deref()), Side::Client, b""));
        }
        effects
    }

    /// `word1: yes`, or `word1: no, because`.
    fn ruled(&mut self, ruling: &str) -> Vec<String> {
        let (question, word) = ruling.split_once(": ").expect("a question and a word");
        let (word, said) = match word.split_once(", ") {
            Some((word, said)) => (word, Some(said.to_owned())),
            None => (word, None),
        };
        let heard = match word {
            "yes" => Heard::Yes,
            "no" => Heard::No,
            "taken back" => Heard::TakenBack,
            other => panic!("nobody says `{other}`"),
        };
        let lost = self.lost.clone();
        let driven = self.driven();
        let ruling = Ruling { question: question.into(), heard, said };
        driven.desk.rule(&ruling);
        if ruling.said.as_deref() == Some(OVERRULED) {
            driven.desk.rule(&Ruling { heard: Heard::No, ..ruling.clone() });
        }
        let out = driven.session.ruled(vec![ruling], driven.now);
        let step = driven.perform(out, lost.as_deref());
        told(&step, Side::Client, b"")
    }

    fn adopt(&mut self) -> Vec<String> {
        let policy = std::mem::take(&mut self.policy);
        match &mut self.driven {
            Some(driven) => driven.session.adopt(terms(&policy)),
            None => self.driven = Some(Driven::opening(&policy, self.fail)),
        }
        let mut effects = vec![if self.driven().session.is_gated() { "gate".into() } else { "tee".into() }];
        effects.extend(self.time_passes());
        effects
    }

    fn bytes(&mut self, kind: &str, text: &str) -> Vec<String> {
        let mut bytes = unescaped(text);
        if kind.len() == 1 {
            bytes.push(b'\n');
        }
        let side = if kind.starts_with('>') { Side::Client } else { Side::Server };
        let lost = self.lost.clone();
        let step = self.driven().feed(side, &bytes, lost.as_deref());
        let mut effects = told(&step, side, &bytes);
        effects.extend(self.time_passes());
        effects
    }

    fn event(&mut self, event: &str) -> Vec<String> {
        let (what, rest) = match event.strip_prefix("a person says of ") {
            Some(ruling) => ("a person says of", ruling),
            None => event.split_once(": ").unwrap_or((event, "")),
        };
        match what {
            "no policy could be read at start" => {
                self.fail = FailMode::from_word(rest);
                Vec::new()
            }
            "a person says of" => self.ruled(rest),
            "the store fails" => {
                self.lost = Some(rest.to_owned());
                Vec::new()
            }
            "the store works" => {
                self.lost = None;
                Vec::new()
            }
            "the client is gone" => {
                let driven = self.driven();
                let out = driven.session.client_gone(driven.now);
                let step = driven.perform(out, None);
                told(&step, Side::Client, b"")
            }
            "the server is gone" => {
                let driven = self.driven();
                let out = driven.session.server_gone(rest, driven.now);
                let step = driven.perform(out, None);
                told(&step, Side::Server, b"")
            }
            other => panic!("`{other}` does not happen"),
        }
    }
}

/// What a step made happen, a line for each effect, in the driver's order.
fn told(step: &Step, from: Side, sent: &[u8]) -> Vec<String> {
    let mut effects = Vec::new();
    if let Some(info) = &step.out.session {
        effects.push(format!(
            "session: client {}, protocol {}",
            info.client.as_deref().unwrap_or("unknown"),
            info.protocol.as_deref().unwrap_or("unknown")
        ));
    }
    let first = if step.out.commit_first { " (before anything leaves)" } else { "" };
    effects.extend(step.out.records.iter().map(|record| format!("{}{first}", recorded(record))));
    let ways = [(Side::Client, "client", &step.to_client), (Side::Server, "server", &step.to_server)];
    for (side, name, bytes) in ways {
        if bytes.is_empty() {
        } else if bytes == sent && side != from {
            effects.push(format!("to the {name}, as it came"));
        } else {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            effects.extend(lines.map(|line| format!("to the {name}: {}", without_revision(&shown(line)))));
        }
    }
    effects.extend(step.out.say.iter().map(|line| format!("stderr: {line}")));
    effects
}

fn recorded(record: &Record) -> String {
    match record {
        Record::Call(call) => called(call),
        Record::Completion(done) => format!(
            "record: completion of {}: {}, {} ms, {} bytes",
            done.number,
            done.status.as_str(),
            done.latency_us / 1_000,
            done.result_bytes
        ),
        Record::Gap(gap) => format!("record: gap of {}: {}", gap.missing, gap.why),
        Record::Notice(notice) => format!("record: {}: {}", notice.kind.as_str(), notice.text),
        Record::Tools(list) => {
            let names: Vec<&str> = list.tools.iter().map(|tool| tool.name.as_str()).collect();
            let page = match list.page {
                Page::First => "tools",
                Page::Next => "more tools",
            };
            format!("record: {page}: {}", names.join(", "))
        }
        Record::Trace(trace) => {
            let marks =
                trace.marks.iter().map(|mark| format!("; {} {:?} {}", mark.owner, mark.grade, mark.label));
            let (number, spent) = (trace.number, trace.spendings.len());
            format!("record: trace of {number}: {spent} counted{}", marks.collect::<String>())
        }
        Record::Question(asked) => {
            let channels: Vec<&str> = asked.channels.iter().map(|channel| channel.as_str()).collect();
            format!(
                "record: question {} about {} for {}, good {}, by {}; {}",
                asked.id,
                asked.number,
                asked.owner,
                asked.grant,
                channels.join(" and "),
                asked.reason
            )
        }
        Record::Warning(told) => format!(
            "record: warning about {}: {} says {}, {}, told by {}",
            told.number,
            told.rule,
            told.effect,
            told.severity.as_str(),
            told.shown.as_str()
        ),
        Record::Course(course) => format!(
            "record: after the warning about {}: {} with {}, verdict {}",
            course.of,
            course.course.as_str(),
            course.next.map_or("nothing".to_owned(), |number| number.to_string()),
            course.verdict.map_or("none", crate::policy::Effect::as_str)
        ),
        Record::Turn(turn) => format!("record: question {} is {}", turn.question, turn.kind.as_str()),
    }
}

fn called(call: &CallRecord) -> String {
    let matched: Vec<String> = call
        .matched
        .iter()
        .map(|found| {
            let acted = if found.acted { ", acted" } else { "" };
            format!("{} {} in {}{acted}", found.rule, found.effect, found.mode)
        })
        .collect();
    let sets =
        if call.labels.is_empty() { String::new() } else { format!(" sets {}", call.labels.join(", ")) };
    format!(
        "record: call {} `{}` `{}`: verdict {}, mode {}, {}; {} [{}]{sets}",
        call.number,
        call.method,
        call.tool,
        call.verdict.map_or("null", crate::policy::Effect::as_str),
        call.mode,
        call.outcome.as_str(),
        call.reason.as_deref().unwrap_or_default(),
        matched.join("; ")
    )
}

/// A line of text as it is; what is none, or has no newline, escaped.
fn shown(line: &[u8]) -> String {
    let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
    match text.filter(|text| !text.contains(char::is_control)) {
        Some(text) => text.to_owned(),
        None => format!("(bytes) {}", line.escape_ascii()),
    }
}

/// A revision is a hash of the policy above it: nobody can read it.
fn without_revision(line: &str) -> String {
    let mark = "policyId\":\"";
    match line.split_once(mark) {
        Some((before, after)) => {
            let rest = after.split_once('"').map_or("", |(_, rest)| rest);
            format!("{before}{mark}REVISION\"{rest}")
        }
        None => line.to_owned(),
    }
}

/// `\r`, `\0` and `\xff` stand for those bytes where they follow `\` twice: transcripts are full of JSON's own.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\\\") {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match after.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'0', ..] => (0, 1),
            [b'x', ..] => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            _ => panic!("`{after}` begins with no escape"),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn difference(written: &str, played: &str) -> String {
    let at = written.lines().zip(played.lines()).take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    format!("  line {}\n  written: {}\n  played:  {}\n", at + 1, line(written), line(played))
}
