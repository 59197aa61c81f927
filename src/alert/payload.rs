//! What is said of one alert: a sentence, lines for people, JSON, CEF.
//!
//! It refuses I/O, and to say more than the outbox holds: names, rules and words for what happened. Invariant: no value
//! can end the field that it stands in.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::store::AlertRow;

/// One line: `blocked: delete_file on files, by rule no-deleting (high)`.
pub fn sentence(alert: &AlertRow) -> String {
    if let Some(text) = &alert.text {
        return format!("{text} ({})", alert.severity);
    }
    let what = [&alert.tool, &alert.method].into_iter().flatten().find(|name| !name.is_empty());
    let what = what.map_or("a malformed frame", String::as_str);
    let outcome = alert.outcome.as_deref().unwrap_or(&alert.topic).replace('_', " ");
    let by = alert.agent.as_ref().map(|agent| format!(" for {agent}")).unwrap_or_default();
    let rule = alert.rule.as_deref().unwrap_or("-");
    let again = if alert.count > 1 { format!(", {} times", alert.count) } else { String::new() };
    format!("{outcome}: {what} on {}{by}, by rule {rule} ({}){again}", alert.server, alert.severity)
}

/// What people want to know beside the sentence, most telling first; what is not known is left out.
pub fn told(alert: &AlertRow) -> Vec<(&'static str, String)> {
    let call = alert.tool_call_id();
    let count = (alert.count > 1).then(|| alert.count.to_string());
    let server = Some(&alert.server).filter(|server| !server.is_empty());
    let all = [
        ("reason", alert.reason.as_ref()),
        ("why", alert.why.as_ref()),
        ("tool", alert.tool.as_ref().filter(|tool| !tool.is_empty())),
        ("server", server),
        ("agent", alert.agent.as_ref()),
        ("user", alert.user.as_ref()),
        ("client", alert.client.as_ref()),
        ("mode", alert.mode.as_ref()),
        ("call", call.as_ref()),
        ("times", count.as_ref()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))).collect()
}

/// A page of text, as mail has it.
pub(super) fn page(alert: &AlertRow) -> String {
    let mut page = sentence(alert) + "\n\n";
    for (name, value) in told(alert) {
        let _ = writeln!(page, "{name:>8}: {value}");
    }
    page + &format!("    when: {}\n   alert: {}\n", when(alert), alert.id)
}

/// RFC 3339, UTC, with milliseconds.
pub(super) fn when(alert: &AlertRow) -> String {
    let moment = Timestamp::from_millisecond(alert.unix_ms).unwrap_or_default();
    format!("{moment:.3}")
}

/// The JSON of webhooks. Members whose value is not known are left out.
pub(super) fn json(alert: &AlertRow) -> Value {
    let mut members = Map::new();
    members.insert("version".into(), json!(1));
    let call = alert.tool_call_id();
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    for (name, value) in [
        ("id", some(&alert.id)),
        ("when", Some(when(alert))),
        ("topic", some(&alert.topic)),
        ("severity", some(&alert.severity)),
        ("text", Some(sentence(alert))),
        ("outcome", alert.outcome.clone()),
        ("verdict", alert.verdict.clone()),
        ("mode", alert.mode.clone()),
        ("rule", alert.rule.clone()),
        ("reason", alert.reason.clone()),
        ("why", alert.why.clone()),
        ("method", alert.method.as_deref().and_then(some)),
        ("tool", alert.tool.as_deref().and_then(some)),
        ("server", some(&alert.server)),
        ("agent", alert.agent.clone()),
        ("user", alert.user.clone()),
        ("client", alert.client.clone()),
        ("session", some(&alert.session)),
        ("toolCallId", call),
        ("policy", alert.policy.clone()),
    ] {
        members.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    members.insert("count".into(), alert.count.into());
    Value::Object(members)
}

/// The Common Event Format, version 0.
pub(super) fn cef(alert: &AlertRow) -> String {
    let severity = match alert.severity.as_str() {
        "critical" => 10,
        "high" => 8,
        "medium" => 5,
        _ => 3,
    };
    let signature = alert.rule.as_deref().unwrap_or(&alert.topic);
    let name = alert.outcome.as_deref().unwrap_or(&alert.topic);
    let head = [env!("CARGO_PKG_VERSION"), signature, name].map(head).join("|");
    let mut text = format!("CEF:0|callgate|callgate|{head}|{severity}|rt={}", alert.unix_ms);
    let mut field = |key: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(text, " {key}={}", extension(value));
        }
    };
    field("externalId", &alert.id);
    field("cnt", &alert.count.to_string());
    field("msg", &sentence(alert));
    let known = |value: &Option<String>| value.clone().unwrap_or_default();
    for (key, value) in [
        ("act", known(&alert.outcome)),
        ("reason", known(&alert.reason)),
        ("suser", known(&alert.user)),
        ("requestMethod", known(&alert.method)),
        ("requestClientApplication", known(&alert.client)),
    ] {
        field(key, &value);
    }
    for (number, (label, value)) in [
        ("tool", known(&alert.tool)),
        ("server", alert.server.clone()),
        ("agent", known(&alert.agent)),
        ("mode", known(&alert.mode)),
        ("toolCallId", alert.tool_call_id().unwrap_or_default()),
        ("policy", known(&alert.policy)),
    ]
    .into_iter()
    .enumerate()
    {
        if !value.is_empty() {
            field(&format!("cs{}Label", number + 1), label);
            field(&format!("cs{}", number + 1), &value);
        }
    }
    text
}

/// In the head of CEF: `\` and `|` are escaped, and there are no line breaks.
fn head(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// In its extension: `\`, `=` and line breaks are escaped.
fn extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace('\r', "\\r").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocked() -> AlertRow {
        AlertRow {
            id: "0123456789abcdefghjk".into(),
            unix_ms: 1_700_000_000_123,
            topic: "call".into(),
            severity: "high".into(),
            session: "s1".into(),
            number: Some(7),
            agent: Some("claude-code".into()),
            server: "files".into(),
            method: Some("tools/call".into()),
            tool: Some("delete_file".into()),
            rule: Some("no-deleting".into()),
            reason: Some("rule 1 (delete_file) in policy \"p\"".into()),
            verdict: Some("deny".into()),
            mode: Some("enforce".into()),
            outcome: Some("blocked".into()),
            count: 3,
            ..AlertRow::default()
        }
    }

    #[test]
    fn what_happened_is_told_in_one_sentence_and_in_full() {
        insta::assert_snapshot!(sentence(&blocked()), @"blocked: delete_file on files for claude-code, by rule no-deleting (high), 3 times");
        insta::assert_snapshot!(json(&blocked()), @r#"{"agent":"claude-code","count":3,"id":"0123456789abcdefghjk","method":"tools/call","mode":"enforce","outcome":"blocked","reason":"rule 1 (delete_file) in policy \"p\"","rule":"no-deleting","server":"files","session":"s1","severity":"high","text":"blocked: delete_file on files for claude-code, by rule no-deleting (high), 3 times","tool":"delete_file","toolCallId":"s1-7","topic":"call","verdict":"deny","version":1,"when":"2023-11-14T22:13:20.123Z"}"#);
        insta::assert_snapshot!(cef(&blocked()), @r#"CEF:0|callgate|callgate|0.1.0|no-deleting|blocked|8|rt=1700000000123 externalId=0123456789abcdefghjk cnt=3 msg=blocked: delete_file on files for claude-code, by rule no-deleting (high), 3 times act=blocked reason=rule 1 (delete_file) in policy "p" requestMethod=tools/call cs1Label=tool cs1=delete_file cs2Label=server cs2=files cs3Label=agent cs3=claude-code cs4Label=mode cs4=enforce cs5Label=toolCallId cs5=s1-7"#);
    }

    /// The head of CEF cut at bars that are not escaped, and the fields of its extension.
    fn read_cef(text: &str) -> (Vec<String>, Vec<(String, String)>) {
        let (mut head, mut part, mut chars) = (Vec::new(), String::new(), text.chars());
        while head.len() < 7 {
            match chars.next().expect("a head of seven parts") {
                '\\' => part.extend(chars.next()),
                '|' => head.push(std::mem::take(&mut part)),
                other => part.push(other),
            }
        }
        let rest: String = chars.collect();
        let key = regex::Regex::new(r"(?:^| )([A-Za-z0-9]+)=").unwrap();
        let found: Vec<_> =
            key.captures_iter(&rest).map(|found| (found.get(0).unwrap(), found[1].to_owned())).collect();
        let ends = found.iter().skip(1).map(|(all, _)| all.start()).chain([rest.len()]);
        let fields =
            found.iter().zip(ends).map(|((all, key), end)| (key.clone(), rest[all.end()..end].to_owned()));
        (head, fields.collect())
    }

    proptest! {
        #[test]
        fn no_name_ends_the_field_that_it_stands_in(tool in "[a-z|=\\\\ \n\r]{0,12}", rule in "[a-z|=\\\\ \n]{1,12}") {
            let alert = AlertRow { tool: Some(tool), rule: Some(rule.clone()), ..blocked() };
            let text = cef(&alert);
            prop_assert!(!text.contains(['\n', '\r']));
            let (head, fields) = read_cef(&text);
            prop_assert_eq!(&head[4], &rule.replace('\n', " "));
            let plain = read_cef(&cef(&AlertRow { tool: alert.tool.as_ref().filter(|tool| !tool.is_empty()).map(|_| "x".to_owned()), ..blocked() })).1;
            let keys = |fields: &[(String, String)]| fields.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            prop_assert_eq!(keys(&fields), keys(&plain));
        }
    }
}
