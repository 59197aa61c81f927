//! A question for programs.
//!
//! It refuses to read numbers: arguments are passed on as they were written. Invariant: every character of the text can be
//! seen, and it means the same to programs as what it was made of.

use serde::Serialize;
use serde_json::value::RawValue;

use super::words::seconds_left;
use crate::cli::rows::rfc3339;
use crate::store::{QuestionRow, QuestionState, TurnRow};
use crate::wire::has_invisible;

#[derive(Serialize)]
struct Question<'a> {
    id: &'a str,
    state: &'static str,
    since: String,
    expires: String,
    seconds_left: Option<i64>,
    session: &'a str,
    tool_call_id: String,
    agent: Option<&'a str>,
    user: Option<&'a str>,
    client: Option<&'a str>,
    server: &'a str,
    method: &'a str,
    tool: &'a str,
    arguments: Option<Text<'a>>,
    arguments_exact: bool,
    lost: Text<'a>,
    rule: &'a str,
    reason: &'a str,
    why: Option<&'a str>,
    severity: &'a str,
    class: &'a str,
    policy: &'a str,
    grant: String,
    confirm: &'a str,
    channels: Vec<&'a str>,
    turns: Vec<Turn<'a>>,
}

#[derive(Serialize)]
struct Turn<'a> {
    ts: String,
    kind: &'a str,
    tool_call_id: Option<String>,
    grant: Option<String>,
    until: Option<String>,
    channel: Option<&'a str>,
    user: Option<&'a str>,
    uid: Option<u32>,
    pid: Option<u32>,
    ancestry: Option<&'a str>,
    tty: Option<&'a str>,
    reason: Option<&'a str>,
}

/// What may be JSON: the value as it was written, or the text where it is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Json(&'a RawValue),
    Other(&'a str),
}

impl<'a> Text<'a> {
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Other(text), Self::Json)
    }
}

/// One object, on one line; with these arguments where they are known exactly.
pub(super) fn json(question: &QuestionRow, exact: Option<&str>) -> serde_json::Result<String> {
    let stored = question.lost.as_deref().filter(|_| exact.is_none());
    let channels = question.channels.split(',').filter(|channel| !channel.is_empty());
    let shown = Question {
        id: &question.id,
        state: question.state.as_str(),
        since: rfc3339(question.asked_ms),
        expires: rfc3339(question.until_ms),
        seconds_left: (question.state == QuestionState::Open).then(|| seconds_left(question)),
        session: &question.session,
        tool_call_id: format!("{}-{}", question.session, question.number),
        agent: question.agent.as_deref(),
        user: question.user.as_deref(),
        client: question.client.as_deref(),
        server: &question.server,
        method: &question.method,
        tool: &question.tool,
        arguments: exact.or(question.arguments.as_deref()).map(Text::of),
        arguments_exact: exact.is_some(),
        lost: Text::of(stored.unwrap_or("[]")),
        rule: &question.rule,
        reason: &question.reason,
        why: question.why.as_deref(),
        severity: &question.severity,
        class: &question.class,
        policy: &question.policy,
        grant: question.grant.to_string(),
        confirm: &question.confirm,
        channels: channels.collect(),
        turns: question.turns.iter().map(turn).collect(),
    };
    Ok(visible(&serde_json::to_string(&shown)?))
}

/// One array of them, on one line.
pub(super) fn array(questions: &[String]) -> String {
    format!("[{}]", questions.join(","))
}

fn turn(turn: &TurnRow) -> Turn<'_> {
    let call = turn.session.as_ref().zip(turn.number);
    Turn {
        ts: rfc3339(turn.unix_ms),
        kind: &turn.kind,
        tool_call_id: call.map(|(session, number)| format!("{session}-{number}")),
        grant: turn.grant.map(|grant| grant.to_string()),
        until: turn.until_ms.map(rfc3339),
        channel: turn.channel.as_deref(),
        user: turn.by.user.as_deref(),
        uid: turn.by.uid,
        pid: turn.by.pid,
        ancestry: turn.by.ancestry.as_deref(),
        tty: turn.by.tty.as_deref(),
        reason: turn.reason.as_deref(),
    }
}

/// Strings in JSON have no character below U+0020, so those stand between values; what else cannot be seen is in strings.
fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for character in text.chars() {
        if character < ' ' {
            seen.push(' ');
        } else if character != ' ' && has_invisible(character.encode_utf8(&mut [0; 4])) {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            seen.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            seen.push(character);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::approvals::words::sample;

    fn json_of(exact: &str) -> String {
        json(&sample(), Some(exact)).unwrap()
    }

    #[test]
    fn arguments_leave_as_they_were_written() {
        let written = "{\"b\":1.10,\"a\":12345678901234567890.5e-3,\"b2\":\"\\u0041\"}";
        assert!(json_of(written).contains(&format!("\"arguments\":{written},\"arguments_exact\":true")));
    }

    #[test]
    fn what_cannot_be_seen_is_escaped_and_means_the_same() {
        let written = "{\t\"\u{202e}k\" :\r\n\"\u{7f}\u{e0001}\u{a0}\"}";
        let text = json_of(written);
        assert!(!has_invisible(&text), "{text}");
        assert!(text.contains(r#"{ "\u202ek" :  "\u007f\udb40\udc01\u00a0"}"#), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["arguments"], serde_json::from_str::<Value>(written).unwrap());
    }

    #[test]
    fn what_is_no_json_is_a_string_and_says_what_it_lost() {
        let question = QuestionRow {
            arguments: Some("{\"cut".to_owned()),
            lost: Some("[\"/token\"]".to_owned()),
            channels: String::new(),
            ..sample()
        };
        let read: Value = serde_json::from_str(&json(&question, None).unwrap()).unwrap();
        assert_eq!((&read["arguments"], &read["arguments_exact"]), (&"{\"cut".into(), &false.into()));
        assert_eq!((&read["lost"][0], read["channels"].as_array().unwrap().len()), (&"/token".into(), 0));
    }
}
