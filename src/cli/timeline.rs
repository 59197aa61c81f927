//! `callgate timeline`: the story of one session, oldest first.
//!
//! It refuses to guess: what is not in the store is not told. Invariant: each call stands where it was read, what became of
//! it below it.

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::ack;
use super::log::StorePlace;
use super::paint::{BOLD, DIM, YELLOW, painted};
use super::rows::{line, local_time, rfc3339, visible};
use crate::store::{
    Approvals, AuditRow, Filter, NoticeRow, Order, QuestionRow, Reader, Warned, WarningBook, WarningRow,
    Which,
};
use crate::wire::shown;

const MORE: &str = "\
SESSION is the id of a session or how it begins (`callgate log --json`, the [ref …] of a refusal up to its number), or \
`last` for the newest.

Examples:
  callgate timeline last
  callgate timeline trpeb8rkrg --json";

/// How many sessions are named where the one that was typed is not there.
const NAMED: usize = 5;

/// The command line of `timeline`.
#[derive(Debug, Args)]
#[command(
    about = "Tell the story of a session: calls, verdicts, warnings, questions, answers, and what came next"
)]
#[command(after_help = MORE)]
pub(super) struct Timeline {
    /// The session
    session: String,
    #[command(flatten)]
    store: StorePlace,
    /// One JSON object: the session and its events
    #[arg(long)]
    json: bool,
}

/// Something that happened.
enum Event {
    Call(Box<AuditRow>),
    Notice(NoticeRow),
    Warning(WarningRow),
    Question(Box<QuestionRow>),
    /// The question, and which of its turns.
    Turn(Box<QuestionRow>, usize),
}

impl Event {
    /// The number of the call that it is about; what is about none comes last.
    fn number(&self) -> i64 {
        match self {
            Self::Call(row) => {
                let id = row.tool_call_id.as_deref().and_then(|id| id.rsplit('-').next()?.parse().ok());
                id.unwrap_or(i64::MAX)
            }
            Self::Notice(_) => i64::MAX,
            Self::Warning(row) => row.number,
            Self::Question(question) | Self::Turn(question, _) => question.number,
        }
    }
}

impl Timeline {
    /// Tells it.
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path_whatever_the_policy_says()?;
        let reader = Reader::open(&path)?;
        let session = self.named(&reader)?;
        let filter = Filter { session: Some(session.clone()), ..Filter::default() };
        let mut events: Vec<(i64, Event)> = Vec::new();
        for row in reader.rows(&filter)?.into_iter().filter(|row| row.session.as_deref() == Some(&session)) {
            events.push((unix_ms(&row.ts), Event::Call(Box::new(row))));
        }
        for row in reader.notices(0)?.into_iter().filter(|row| row.session.as_deref() == Some(&session)) {
            events.push((row.unix_ms, Event::Notice(row)));
        }
        drop(reader);
        for row in WarningBook::open(&path)?.list(Warned::Session(&session))? {
            events.push((row.unix_ms, Event::Warning(row)));
        }
        let about = |question: &QuestionRow| {
            question.session == session
                || question.turns.iter().any(|turn| turn.session.as_deref() == Some(session.as_str()))
        };
        for question in Approvals::open(&path)?.list(Which::All)?.into_iter().filter(about) {
            events.push((question.asked_ms, Event::Question(Box::new(question.clone()))));
            for (index, turn) in question.turns.iter().enumerate() {
                events.push((turn.unix_ms, Event::Turn(Box::new(question.clone()), index)));
            }
        }
        // A call, then what was asked and said about it: the sort keeps what is about one call in this order.
        events.sort_by_key(|(at, event)| (*at, event.number()));
        self.print(&session, &events)
    }

    /// The one session that is meant.
    fn named(&self, reader: &Reader) -> anyhow::Result<String> {
        let newest = Filter { order: Order::NewestFirst, limit: Some(1_000), ..Filter::default() };
        let rows = reader.rows(&newest)?;
        let mut known: Vec<String> = Vec::new();
        for session in rows.into_iter().filter_map(|row| row.session) {
            if !known.contains(&session) {
                known.push(session);
            }
        }
        let typed = self.session.split('-').next().unwrap_or_default();
        if typed.is_empty() {
            return Err(Exit::Usage.because("name a session, or how it begins; `last` is the newest"));
        }
        let exact = Filter { session: Some(typed.to_owned()), limit: Some(1_000), ..Filter::default() };
        let mut found: Vec<String> = if typed == "last" {
            known.first().cloned().into_iter().collect()
        } else {
            reader.rows(&exact)?.into_iter().filter_map(|row| row.session).collect()
        };
        found.sort_unstable();
        found.dedup();
        match (found.pop(), found.len()) {
            (Some(session), 0) => Ok(session),
            (Some(_), _) => Err(Exit::Failed
                .because(format!("several sessions begin with `{}`: write more of it", shown(typed)))),
            (None, _) => {
                let recent = known.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
                let hint = if recent.is_empty() {
                    "no call has been recorded yet".to_owned()
                } else {
                    format!("the last ones with calls: {recent}")
                };
                Err(Exit::Failed.because(format!("no session `{}`: {hint}", shown(typed))))
            }
        }
    }

    fn print(&self, session: &str, events: &[(i64, Event)]) -> anyhow::Result<Exit> {
        let mut out = anstream::stdout().lock();
        if self.json {
            // One by one: a long session has hundreds of thousands.
            write!(out, "{{\"session\":{},\"events\":[", Value::from(session))?;
            for (index, (at, event)) in events.iter().enumerate() {
                write!(out, "{}{}", if index == 0 { "" } else { "," }, as_json(*at, event)?)?;
            }
            writeln!(out, "]}}")?;
            return Ok(Exit::Done);
        }
        writeln!(out, "{} {}", painted(DIM, "session"), painted(BOLD, session))?;
        for (at, event) in events {
            writeln!(out, "{}", as_text(*at, event))?;
        }
        Ok(Exit::Done)
    }
}

fn unix_ms(ts: &str) -> i64 {
    ts.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

fn as_json(at: i64, event: &Event) -> serde_json::Result<Value> {
    let (kind, what) = match event {
        Event::Call(row) => ("call", serde_json::to_value(row)?),
        Event::Notice(row) => {
            ("notice", json!({"notice": row.kind, "text": row.text, "missing": row.missing}))
        }
        Event::Warning(row) => ("warning", ack::as_json(row)),
        Event::Question(question) => (
            "question",
            json!({
                "tool_call_id": format!("{}-{}", question.session, question.number),
                "tool": question.tool,
                "rule": question.rule,
                "reason": question.reason,
                "expires": rfc3339(question.until_ms),
                "state": question.state.as_str(),
            }),
        ),
        Event::Turn(question, index) => {
            let turn = question.turns.get(*index);
            let call = turn.and_then(|turn| turn.session.clone().zip(turn.number));
            (
                turn.map_or("turn", |turn| match turn.kind.as_str() {
                    "approved" | "denied" => "ruling",
                    "used" => "grant",
                    _ => "question_closed",
                }),
                json!({
                    "kind": turn.map(|turn| turn.kind.clone()),
                    "asked_about": format!("{}-{}", question.session, question.number),
                    "tool_call_id": call.map(|(session, number)| format!("{session}-{number}")),
                    "channel": turn.and_then(|turn| turn.channel.clone()),
                    "user": turn.and_then(|turn| turn.by.user.clone()),
                    "grant": turn.and_then(|turn| turn.grant).map(|grant| grant.to_string()),
                    "reason": turn.and_then(|turn| turn.reason.clone()),
                }),
            )
        }
    };
    Ok(json!({"ts": rfc3339(at), "event": kind, "what": what}))
}

fn as_text(at: i64, event: &Event) -> String {
    let clean = |text: &str| text.chars().flat_map(visible).collect::<String>();
    let time = painted(DIM, local_time(&rfc3339(at)));
    let told =
        |word: &str, text: String| format!("{time}  {}  {text}", painted(YELLOW, format!("{word:<11}")));
    match event {
        Event::Call(row) => line(row),
        Event::Notice(row) => {
            let text = row.text.as_deref().unwrap_or(&row.kind);
            format!("{time}  {}", painted(DIM, format!("{:<11}  {}", "note", clean(text))))
        }
        Event::Warning(row) => {
            told("told", format!("about {}-{}: {}", row.session, row.number, ack::told(row)))
        }
        Event::Question(question) => told(
            "asked",
            format!("about {}-{}: {}", question.session, question.number, clean(&question.reason)),
        ),
        Event::Turn(question, index) => {
            let Some(turn) = question.turns.get(*index) else { return String::new() };
            let by = turn.by.user.as_deref().filter(|_| turn.channel.is_some());
            let by = by.map(|user| format!(" by {}", shown(user))).unwrap_or_default();
            let reason =
                turn.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
            let number = turn.number.unwrap_or(question.number);
            let session = turn.session.as_deref().unwrap_or(&question.session);
            told(&turn.kind, format!("{session}-{number}{by}{reason}"))
        }
    }
}
