//! A question in words.
//!
//! It refuses to show a character that would move the cursor or hide. Invariant: where what is shown may not be what will
//! run, it says so.

use super::spelled::spelled;
use crate::cli::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use crate::cli::rows::{local_time, rfc3339, visible};
use crate::clock::unix_ms;
use crate::record::Grant;
use crate::store::{QuestionRow, QuestionState, TurnRow};
use crate::wire::shown;

/// How much of the arguments people are shown, characters; `--json` has all.
const ARGUMENTS: usize = 2_000;
/// The store has no secrets, and the beginning of what is long.
const NOT_EXACT: &str =
    "as stored, without secrets: the call no longer waits, or its arguments are over 1 MiB";
/// Where what is said of a question begins, characters.
const FAR_IN: usize = 9;

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
    // Who would say yes to one call may not say it to all like it.
    let grant = match (question.state, question.grant) {
        (QuestionState::Open, Grant::Session | Grant::For(_)) => {
            format!(", to approve is for {}", question.grant)
        }
        (_, Grant::Once | Grant::Session | Grant::For(_)) => String::new(),
    };
    lines.push(format!("  since  {}{severity}{class}{grant}", local_time(&rfc3339(question.asked_ms))));
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
        QuestionState::Approved if !question.may_be_used(unix_ms()) => "approved, and the call has gone",
        QuestionState::Approved => "approved already",
        QuestionState::Denied => "denied already",
        QuestionState::Expired => "closed: nobody answered in time",
        QuestionState::Withdrawn => {
            "closed: the call was taken back, its session has ended, or the policy is another one"
        }
    };
    format!("question {} is {how}", question.id)
}

fn turned(turn: &TurnRow) -> String {
    let mut parts = vec![format!("{:<8} {}", turn.kind, painted(DIM, local_time(&rfc3339(turn.unix_ms))))];
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
    let spelled = spelled(text, FAR_IN);
    let shown: String = spelled.chars().take(ARGUMENTS).collect();
    let rest = spelled.chars().skip(ARGUMENTS).count();
    let cut = match rest {
        0 => String::new(),
        _ => painted(RED, format!("… and {rest} characters more; --json shows all")),
    };
    let note = if exact.is_some() { String::new() } else { painted(DIM, format!("  ({NOT_EXACT})")) };
    format!("{shown}{cut}{note}")
}

fn clean(text: &str) -> String {
    text.chars().flat_map(visible).collect()
}

/// How long a question is open yet.
pub(super) fn seconds_left(question: &QuestionRow) -> i64 {
    (question.until_ms - unix_ms()).max(0) / 1_000
}

fn left(question: &QuestionRow) -> String {
    match seconds_left(question) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
pub(super) use tests::sample;

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    use super::*;
    use crate::store::Ruler;

    /// A question of a time long past, which is open because nothing has happened to it.
    pub(in crate::cli::approvals) fn sample() -> QuestionRow {
        QuestionRow {
            id: "3f8k2m1q7c9w0x5d".to_owned(),
            state: QuestionState::Open,
            asked_ms: 1_769_860_800_000,
            until_ms: 1_769_861_400_000,
            session: "0123456789".to_owned(),
            number: 3,
            agent: Some("bot".to_owned()),
            user: None,
            client: Some("cl\u{1b}[31mient".to_owned()),
            server: "bank".to_owned(),
            method: "tools/call".to_owned(),
            tool: "pay\u{202e}".to_owned(),
            arguments: Some(r#"{"amount":1.10}"#.to_owned()),
            lost: None,
            rule: "money".to_owned(),
            reason: "rule 1 (pay) in policy \"p\"".to_owned(),
            why: Some("money does not\ncome back".to_owned()),
            severity: "high".to_owned(),
            class: "normal".to_owned(),
            policy: "revision".to_owned(),
            grant: Grant::Once,
            confirm: "none".to_owned(),
            channels: "local".to_owned(),
            turns: Vec::new(),
        }
    }

    fn plain(question: &QuestionRow, exact: Option<&str>) -> String {
        let since = local_time(&rfc3339(question.asked_ms));
        strip_str(&text(question, exact)).to_string().replace(&since, "THEN")
    }

    #[test]
    fn a_question_says_what_who_why_and_since_when() {
        assert_snapshot!(plain(&sample(), Some(r#"{"amount":1.10,"to":"a\u200bb"}"#)), @r#"
        3f8k2m1q7c9w0x5d  open, 0 s left  bank/pay\u{202e}
          what   {"amount": 1.10, "to": "a\u{200b}b"}
          who    agent bot, client cl\u{1b}[31mient, call 0123456789-3
          why    rule 1 (pay) in policy "p": money does not\u{a}come back [money]
          since  THEN, severity high
        "#);
        let for_long = QuestionRow { grant: Grant::For(1_800_000), ..sample() };
        assert!(
            plain(&for_long, None).ends_with("severity high, to approve is for 30m"),
            "{}",
            plain(&for_long, None)
        );
        assert_snapshot!(plain(&sample(), None), @r#"
        3f8k2m1q7c9w0x5d  open, 0 s left  bank/pay\u{202e}
          what   {"amount": 1.10}  (as stored, without secrets: the call no longer waits, or its arguments are over 1 MiB)
          who    agent bot, client cl\u{1b}[31mient, call 0123456789-3
          why    rule 1 (pay) in policy "p": money does not\u{a}come back [money]
          since  THEN, severity high
        "#);
    }

    #[test]
    fn what_became_of_it_stands_below() {
        let by = Ruler {
            user: Some("me".to_owned()),
            ancestry: Some("callgate 7 < bash 6".to_owned()),
            ..Ruler::default()
        };
        let turn = TurnRow {
            unix_ms: 1_769_860_800_000,
            kind: "approved".to_owned(),
            session: None,
            number: None,
            grant: Some(Grant::Once),
            until_ms: None,
            channel: Some("local".to_owned()),
            by,
            reason: Some("as\u{7}agreed".to_owned()),
        };
        let question = QuestionRow { state: QuestionState::Approved, turns: vec![turn], ..sample() };
        let since = local_time(&rfc3339(question.asked_ms));
        assert_snapshot!(strip_str(&ruled(&question)).to_string().replace(&since, "THEN"), @r#"3f8k2m1q7c9w0x5d: bank/pay\u{202e}: approved THEN for once in local as me by callgate 7 < bash 6: as\u{7}agreed"#);
        assert_eq!(closed(&question), "question 3f8k2m1q7c9w0x5d is approved already");
    }

    #[test]
    fn long_arguments_say_how_much_is_not_shown() {
        let long = format!("{{\"text\":\"{}\"}}", "x".repeat(ARGUMENTS + 98));
        let told = plain(&sample(), Some(&long));
        assert!(told.contains("xx… and 132 characters more; --json shows all"), "{told}");
    }
}
