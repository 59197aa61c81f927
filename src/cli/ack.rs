//! `callgate ack`: that somebody has seen what agents were warned about.
//!
//! It refuses to take anything back: a warning that was acknowledged stays so. Invariant: it changes nothing that a
//! session wrote.

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::approvals::ruler;
use super::log::StorePlace;
use super::paint::{BOLD, DIM, YELLOW, painted};
use super::rows::{local_time, rfc3339};
use crate::store::{Warned, WarningBook, WarningRow};
use crate::wire::shown;

const MORE: &str = "\
A call that passes with a warning tells the agent so in its result. What the agent did next is recorded with it: it changed \
course, repeated the call, or stopped.

Examples:
  callgate ack                                         warnings that nobody has acknowledged
  callgate ack trpeb8rkrg-3 --note 'expected'          this one: the [ref …] of the warning
  callgate ack --session trpeb8rkrg                    all of a session";

/// The command line of `ack`.
#[derive(Debug, Args)]
#[command(about = "Acknowledge warnings, or list those that wait for it", after_help = MORE)]
pub(super) struct Ack {
    /// The call that was warned about: its `tool_call_id`
    #[arg(value_name = "REF")]
    call: Option<String>,
    /// All warnings of this session
    #[arg(long, value_name = "ID", conflicts_with = "call")]
    session: Option<String>,
    /// What to remember of those that are acknowledged
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    store: StorePlace,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

impl Ack {
    /// Acknowledges, or lists.
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.note.is_some() && self.call.is_none() && self.session.is_none() {
            return Err(Exit::Usage.because("`--note` needs a REF or a `--session` to go with"));
        }
        let path = self.store.path_whatever_the_policy_says()?;
        let which = match (&self.call, &self.session) {
            (Some(call), _) => Warned::Call(call),
            (None, Some(session)) => Warned::Session(session),
            (None, None) => Warned::Unseen,
        };
        let found = if path.exists() {
            let mut book = WarningBook::open(&path)?;
            match which {
                Warned::Unseen => book.list(which)?,
                Warned::Call(_) | Warned::Session(_) => {
                    let known = book.list(which)?;
                    let named = self.call.as_deref().or(self.session.as_deref()).unwrap_or_default();
                    if known.is_empty() {
                        return Err(unknown(named));
                    }
                    book.acknowledge(which, &ruler(), self.note.as_deref())?;
                    book.list(which)?
                }
            }
        } else if let Some(named) = self.call.as_deref().or(self.session.as_deref()) {
            return Err(unknown(named));
        } else {
            Vec::new()
        };
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", Value::from(found.iter().map(as_json).collect::<Vec<_>>()))?;
            return Ok(Exit::Done);
        }
        for row in &found {
            writeln!(out, "{}", line(row))?;
        }
        if found.is_empty() {
            writeln!(anstream::stderr(), "no warning waits to be acknowledged")?;
        }
        Ok(Exit::Done)
    }
}

fn unknown(named: &str) -> anyhow::Error {
    let hint = "`callgate ack` lists those that wait, `callgate log --outcome warned` all";
    Exit::Failed.because(format!("nobody was warned about `{}`: {hint}", shown(named)))
}

/// For programs; `timeline` has the same.
pub(super) fn as_json(row: &WarningRow) -> Value {
    json!({
        "ts": rfc3339(row.unix_ms),
        "session": row.session,
        "tool_call_id": format!("{}-{}", row.session, row.number),
        "tool": row.tool,
        "rule": row.rule,
        "effect": row.effect,
        "severity": row.severity,
        "shown": row.shown,
        "course": row.course,
        "next_tool_call_id": row.next_number.map(|number| format!("{}-{number}", row.session)),
        "next_verdict": row.next_verdict,
        "acknowledged": row.acknowledged_ms.map(rfc3339),
        "acknowledged_by": row.acknowledged_by,
        "note": row.note,
    })
}

fn line(row: &WarningRow) -> String {
    format!(
        "{}  {}  {}  {} says {}{}  {}",
        painted(DIM, local_time(&rfc3339(row.unix_ms))),
        painted(BOLD, format!("{}-{}", row.session, row.number)),
        shown(row.tool.as_deref().unwrap_or("?")),
        shown(&row.rule),
        row.effect,
        if row.severity == "medium" { String::new() } else { format!(" ({})", row.severity) },
        told(row)
    )
}

/// What came of a warning, in words.
pub(super) fn told(row: &WarningRow) -> String {
    let how = match row.shown.as_str() {
        "result" => "told in the result",
        "notification" => "told in the log",
        _ => "could not be told",
    };
    let next = row.next_number.map(|number| format!(" ({}-{number})", row.session)).unwrap_or_default();
    let course = match row.course.as_deref() {
        Some("repeated") => painted(YELLOW.bold(), format!("; did the same again{next}")),
        Some("changed") => format!("; changed course{next}"),
        Some("stopped") => "; stopped".to_owned(),
        Some(_) | None => String::new(),
    };
    let seen = row.acknowledged_by.as_deref().map(|by| format!("; acknowledged by {}", shown(by)));
    let note = row.note.as_deref().map(|note| format!(": {}", shown(note))).unwrap_or_default();
    format!("{how}{course}{}{note}", seen.unwrap_or_default())
}
