//! A question in words, and as JSON.
//!
//! It refuses to show a character that would move the cursor or hide. Invariant: who reads `arguments_exact` knows whether
//! what stands there is what will run.

use serde_json::{Value, json};

use crate::cli::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use crate::cli::rows::{local_time, rfc3339, visible};
use crate::clock::unix_ms;
use crate::store::{QuestionRow, QuestionState, TurnRow};
use crate::wire::{has_invisible, shown};

/// How much of the arguments people are shown, characters; `--json` has all.
const ARGUMENTS: usize = 2_000;

/// For programs.
pub(super) fn json(question: &QuestionRow, exact: Option<&str>) -> Value {
    let stored = question.arguments.as_deref();
    let arguments =
        exact.or(stored).map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    let left = (question.state == QuestionState::Open).then(|| seconds_left(question));
    let lost: Value =
        question.lost.as_deref().and_then(|lost| serde_json::from_str(lost).ok()).unwrap_or(json!([]));
    json!({
        "id": question.id,
        "state": question.state.as_str(),
        "since": rfc3339(question.asked_ms),
        "expires": rfc3339(question.until_ms),
        "seconds_left": left,
        "session": question.session,
        "tool_call_id": format!("{}-{}", question.session, question.number),
        "agent": question.agent,
        "user": question.user,
        "client": question.client,
        "server": question.server,
        "method": question.method,
        "tool": question.tool,
        "arguments": arguments,
        "arguments_exact": exact.is_some(),
        "lost": if exact.is_some() { json!([]) } else { lost },
        "rule": question.rule,
        "reason": question.reason,
        "why": question.why,
        "severity": question.severity,
        "class": question.class,
        "policy": question.policy,
        "grant": question.grant.to_string(),
        "confirm": question.confirm,
        "channels": question.channels.split(',').collect::<Vec<_>>(),
        "turns": question.turns.iter().map(turn_json).collect::<Vec<_>>(),
    })
}

/// As JSON text in which every character can be seen: what cannot is escaped, which means the same to programs.
pub(super) fn visible_json(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if character != ' ' && has_invisible(character.encode_utf8(&mut [0; 4])) {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            text.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(character);
        }
    }
    text
}

fn turn_json(turn: &TurnRow) -> Value {
    let call = turn.session.as_ref().zip(turn.number).map(|(session, number)| format!("{session}-{number}"));
    json!({
        "ts": rfc3339(turn.unix_ms),
        "kind": turn.kind,
        "tool_call_id": call,
        "grant": turn.grant.map(|grant| grant.to_string()),
        "until": turn.until_ms.map(rfc3339),
        "channel": turn.channel,
        "user": turn.by.user,
        "uid": turn.by.uid,
        "pid": turn.by.pid,
        "ancestry": turn.by.ancestry,
        "tty": turn.by.tty,
        "reason": turn.reason,
    })
}

/// For people: a block of lines.
pub(super) fn text(question: &QuestionRow, exact: Option<&str>) -> String {
    let (state, style) = match question.state {
        QuestionState::Open => (format!("open, {} left", left(question)), YELLOW.bold()),
        QuestionState::Approved => ("approved".to_owned(), GREEN),
        QuestionState::Denied => ("denied".to_owned(), RED),
        QuestionState::Expired => ("expired".to_owned(), DIM),
        QuestionState::Withdrawn => ("withdrawn".to_owned(), DIM),
    };
    let method =
        if question.method == "tools/call" { String::new() } else { format!("{} ", question.method) };
    let mut lines = vec![format!(
        "{}  {}  {}{}",
        painted(BOLD, &question.id),
        painted(style, state),
        painted(DIM, format!("{}/", shown(&question.server))),
        painted(BOLD, shown(&format!("{method}{}", question.tool))),
    )];
    lines.push(format!("  what   {}", arguments(question, exact)));
    lines.push(format!("  who    {}", who(question)));
    let why = question.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    lines.push(format!("  why    {}{} [{}]", clean(&question.reason), clean(&why), shown(&question.rule)));
    let severity = match question.severity.as_str() {
        "medium" => String::new(),
        other => format!(", severity {other}"),
    };
    let class = if question.class == "normal" { String::new() } else { format!(", {}", question.class) };
    lines.push(format!("  since  {}{severity}{class}", local_time(&rfc3339(question.asked_ms))));
    lines.extend(question.turns.iter().map(|turn| format!("  {}", turned(turn))));
    lines.join("\n")
}

/// What became of it, in a line.
pub(super) fn ruled(question: &QuestionRow) -> String {
    let last = question.turns.last().map(turned).unwrap_or_default();
    let what = format!("{}/{}", shown(&question.server), shown(&question.tool));
    format!("{}: {what}: {last}", question.id)
}

/// Why it cannot be ruled on any more.
pub(super) fn closed(question: &QuestionRow) -> String {
    let how = match question.state {
        QuestionState::Open => "open",
        QuestionState::Approved if question.turns.iter().any(|turn| turn.kind == "used") => {
            "approved, and the call has gone"
        }
        QuestionState::Approved => "approved already",
        QuestionState::Denied => "denied already",
        QuestionState::Expired => "closed: nobody answered in time",
        QuestionState::Withdrawn => "closed: the call was taken back, or its session has ended",
    };
    format!("question {} is {how}", question.id)
}

fn turned(turn: &TurnRow) -> String {
    let mut parts = vec![format!("{:<9}{}", turn.kind, painted(DIM, local_time(&rfc3339(turn.unix_ms))))];
    parts.extend(turn.grant.map(|grant| format!("for {grant}")));
    if let Some(channel) = &turn.channel {
        parts.push(format!("in {channel} as {}", shown(turn.by.user.as_deref().unwrap_or("?"))));
        parts.extend(turn.by.ancestry.as_deref().map(|all| format!("by {}", clean(all))));
    }
    let reason = turn.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
    parts.join(" ") + &reason
}

fn who(question: &QuestionRow) -> String {
    let part =
        |name: &str, value: &Option<String>| value.as_deref().map(|value| format!("{name}{}", shown(value)));
    let parts =
        [part("agent ", &question.agent), part("user ", &question.user), part("client ", &question.client)];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.push(format!("call {}-{}", question.session, question.number));
    parts.join(", ")
}

/// The arguments, and whether they are what will run.
fn arguments(question: &QuestionRow, exact: Option<&str>) -> String {
    let Some(text) = exact.or(question.arguments.as_deref()) else {
        return painted(DIM, "(no arguments, or none are kept)");
    };
    let shown: String = text.chars().take(ARGUMENTS).flat_map(visible).collect();
    let cut = if text.chars().nth(ARGUMENTS).is_some() { "… (cut; --json shows all)" } else { "" };
    let note = if exact.is_some() { String::new() } else { painted(DIM, "  (as stored, without secrets)") };
    format!("{shown}{cut}{note}")
}

fn clean(text: &str) -> String {
    text.chars().flat_map(visible).collect()
}

fn seconds_left(question: &QuestionRow) -> i64 {
    (question.until_ms - unix_ms()).max(0) / 1_000
}

fn left(question: &QuestionRow) -> String {
    match seconds_left(question) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
