//! Telling the agent, in the answer to its call, what the policy has to say of it; and what the agent does next.
//!
//! It refuses to touch anything but the list of contents, to which it adds a text. Invariant: of a line that is changed,
//! all other bytes stay, in their order; a result that is no plain tool result is never changed.

use std::collections::HashSet;

use super::effect::Outbox;
use super::exchange::Warning;
use super::session::Session;
use crate::policy::Severity;
use crate::record::{CallRecord, Course, CourseRecord, Now, Record, Shown, WarningRecord};
use crate::wire::{Glance, GlanceKind, Json, JsonKind, Line, Message, fold, log_message, mcp};

/// How many shapes of calls are remembered of which the agent was told.
const MOST_SHAPES: usize = 4_096;
/// Levels of a log (MCP, logging) at which a warning is wanted.
const WANTED: [&str; 4] = ["debug", "info", "notice", "warning"];

/// What a session knows of its warnings.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// What the agent was told.
    told: HashSet<[u8; 32]>,
    /// Whether the server said that it logs, so that its client expects to be told things.
    pub(super) logs: bool,
    /// The level that the client asked for.
    pub(super) level: Option<Box<str>>,
    /// The warning whose consequence is not known yet: its call's number and its shape.
    last: Option<(u64, [u8; 32])>,
}

impl Warnings {
    /// Whether the agent is to be told: once of each shape, of what is severe each time.
    fn is_due(&mut self, warning: &Warning) -> bool {
        let is_new = self.told.len() < MOST_SHAPES && self.told.insert(warning.shape);
        is_new || warning.severity >= Severity::High
    }

    fn may_log(&self) -> bool {
        self.logs && self.level.as_deref().is_none_or(|level| WANTED.contains(&level))
    }
}

impl Session {
    /// What is to be told with the answer to a call; nothing where the agent knows it.
    pub(super) fn due_warning(&mut self, warning: Option<Warning>) -> Option<Box<Warning>> {
        let warning = warning?;
        self.warnings.is_due(&warning).then(|| Box::new(warning))
    }

    /// Tells the agent with the answer to its call: in a text of its own at the end of the contents; beside it where the
    /// server logs. What goes instead of the line, if that is changed.
    pub(super) fn warn(
        &mut self,
        number: u64,
        warning: &Warning,
        line: Line<'_>,
        seen: &Glance<'_>,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Vec<u8>> {
        let appended = if line.ahead == 0 { append(line, seen, &warning.text) } else { None };
        let logged = self.log(warning, out);
        let shown = match (&appended, logged) {
            (Some(_), _) => Shown::Result,
            (None, true) => Shown::Notification,
            (None, false) => Shown::Nowhere,
        };
        self.record_warning(number, warning, shown, now, out);
        appended
    }

    /// The same of an answer in a batch, which stays as it came.
    pub(super) fn warn_beside(&mut self, number: u64, warning: &Warning, now: Now, out: &mut Outbox) {
        let shown = if self.log(warning, out) { Shown::Notification } else { Shown::Nowhere };
        self.record_warning(number, warning, shown, now, out);
    }

    fn log(&self, warning: &Warning, out: &mut Outbox) -> bool {
        let may = self.warnings.may_log();
        if may {
            out.to_client.extend(log_message("warning", &warning.text));
        }
        may
    }

    fn record_warning(&mut self, number: u64, warning: &Warning, shown: Shown, now: Now, out: &mut Outbox) {
        if shown == Shown::Nowhere {
            self.warnings.told.remove(&warning.shape);
        }
        self.warnings.last = (shown != Shown::Nowhere).then_some((number, warning.shape));
        out.records.push(Record::Warning(Box::new(WarningRecord {
            unix_ms: now.unix_ms,
            number,
            rule: warning.rule.clone(),
            effect: warning.effect,
            severity: warning.severity,
            shape: warning.shape,
            shown,
        })));
    }

    /// A call came after the agent was told something: whether it does the same again.
    pub(super) fn follow_warning(
        &mut self,
        call: &CallRecord,
        warning: Option<&Warning>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some((of, warned)) = self.warnings.last.take() else { return };
        let course = if warning.is_some_and(|warning| warning.shape == warned) {
            Course::Repeated
        } else {
            Course::Changed
        };
        out.records.push(Record::Course(CourseRecord {
            unix_ms: now.unix_ms,
            of,
            next: Some(call.number),
            course,
            verdict: call.verdict,
        }));
    }

    /// The session ends, and no call came after the warning.
    pub(super) fn end_warning(&mut self, now: Now, out: &mut Outbox) {
        if let Some((of, _)) = self.warnings.last.take() {
            let (next, verdict) = (None, None);
            let course = Course::Stopped;
            out.records.push(Record::Course(CourseRecord {
                unix_ms: now.unix_ms,
                of,
                next,
                course,
                verdict,
            }));
        }
    }

    /// The client says how much it wants to be told (MCP, `logging/setLevel`).
    pub(super) fn learn_level(&mut self, message: &Message<'_>) {
        if message.method.as_deref() == Some(mcp::SET_LEVEL) {
            let level = message.params.and_then(|params| params.member("level")).and_then(Json::as_str);
            self.warnings.level = level.map(|level| level.as_ref().into());
        }
    }
}

/// The line with one more text in the contents of its result; `None` where that is no plain tool result.
fn append(line: Line<'_>, seen: &Glance<'_>, text: &str) -> Option<Vec<u8>> {
    let GlanceKind::Result { .. } = seen.kind else { return None };
    if seen.holds.requests || seen.holds.task {
        return None;
    }
    let result = seen.result?;
    let parsed = Json::from_text(str::from_utf8(result).ok()?)?;
    if parsed.members().any(|(name, _)| name != "content" && fold(&name) == "content") {
        return None;
    }
    let content = parsed.member("content").filter(|content| content.kind() == JsonKind::Array)?;
    let start = content.text().as_ptr().addr().checked_sub(line.bytes.as_ptr().addr())?;
    // Before the closing bracket.
    let at = start + content.text().len() - 1;
    let comma = if content.elements().next().is_some() { "," } else { "" };
    let mut changed = line.bytes.get(..at)?.to_vec();
    let text = serde_json::Value::from(text);
    changed.extend_from_slice(format!(r#"{comma}{{"type":"text","text":{text}}}"#).as_bytes());
    changed.extend_from_slice(line.bytes.get(at..)?);
    Some(changed)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::append;
    use crate::wire::{Line, glance};

    fn appended(text: &str) -> Option<String> {
        let line = Line { bytes: text.as_bytes(), too_long: false, ahead: 0 };
        append(line, &glance(line.content()), "\"no\"").map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn a_text_is_added_to_the_contents_and_nothing_else_is_touched() {
        let added = r#"{"type":"text","text":"\"no\""}"#;
        for (before, after) in [("", ""), (r#"{"type":"text","text":"]"}"#, ","), (" ", "")] {
            let line = |content: &str| {
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"result":{{"content": [{content}] ,"structuredContent":{{"content":[1]}},"isError":false}}}}"#
                ) + "\r\n"
            };
            assert_eq!(appended(&line(before)), Some(line(&format!("{before}{after}{added}"))));
        }
    }

    #[test]
    fn what_is_no_plain_tool_result_stays_as_it_is() {
        for result in [
            "{}",
            r#"{"content":"text"}"#,
            r#"{"content":[],"Content":[]}"#,
            r#"{"content":[],"task":{"taskId":"1"}}"#,
            r#"{"resultType":"input_required","inputRequests":{},"content":[]}"#,
            r#"{"content":[],"content":[]}"#,
        ] {
            assert_eq!(
                appended(&format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}\n")),
                None,
                "{result}"
            );
        }
        assert_eq!(
            appended("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}\n"),
            None
        );
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf =
            select(vec!["1.0", "null", "\"]}\\\"\"", "[]", "{}", "\"\\u00e9\""]).prop_map(str::to_owned);
        leaf.prop_recursive(3, 16, 4, |inner| {
            vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" , ")))
        })
    }

    proptest! {
        #[test]
        fn what_is_added_is_all_that_changes(json in value(), before in "[ \t]{0,2}") {
            let line = format!("{{\"id\":1,\"result\":{{\"x\":{json},\"content\":{before}[{json}]}},\"jsonrpc\":\"2.0\"}}\n");
            if let Some(changed) = appended(&line) {
                let added = r#",{"type":"text","text":"\"no\""}"#;
                prop_assert_eq!(changed.replacen(added, "", 1), line);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&changed).is_ok());
            }
        }
    }
}
