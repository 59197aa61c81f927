//! Audit rows as people read them: one line a call or a notice, the word first that says what became of it.
//!
//! Invariant: nothing says "blocked" of a call that passed.

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use crate::policy::Effect;
use crate::record::NoticeKind;
use crate::store::{AuditRow, JsonText, NoticeRow};
use crate::wire::shown;

/// How much of the arguments fits beside the rest, characters.
const ARGUMENTS_SHOWN: usize = 72;

/// What `log` and `tail` print on one line.
pub(super) enum Entry {
    /// A call.
    Call(Box<AuditRow>),
    /// Something that is no call: a request that was refused, a tool that changed, a gap.
    Notice(NoticeRow),
}

impl Entry {
    /// Calls and notices in the order in which they were committed.
    pub fn merge(calls: Vec<AuditRow>, notices: Vec<NoticeRow>) -> Vec<Self> {
        let calls = calls.into_iter().map(|row| Self::Call(Box::new(row)));
        let mut all: Vec<Self> = calls.chain(notices.into_iter().map(Self::Notice)).collect();
        all.sort_by_key(Self::seq);
        all
    }

    /// Its place among all that the store holds.
    pub fn seq(&self) -> i64 {
        match self {
            Self::Call(row) => row.seq,
            Self::Notice(row) => row.seq,
        }
    }

    /// For people.
    pub fn line(&self) -> String {
        match self {
            Self::Call(row) => line(row),
            Self::Notice(row) => noticed(row),
        }
    }

    /// For programs: the columns of the view `audit`, or those of a notice.
    pub fn json(&self) -> serde_json::Result<String> {
        match self {
            Self::Call(row) => serde_json::to_string(row),
            Self::Notice(row) => serde_json::to_string(&json!({
                "seq": row.seq, "ts": rfc3339(row.unix_ms), "session": row.session, "server": row.server,
                "notice": row.kind, "missing": row.missing, "text": row.text,
            })),
        }
    }
}

/// One notice on one line.
fn noticed(row: &NoticeRow) -> String {
    let is = |kind: NoticeKind| row.kind == kind.as_str();
    let (word, style) = match () {
        () if is(NoticeKind::RequestRefused) => ("REFUSED", YELLOW.bold()),
        () if is(NoticeKind::ToolChanged) => ("CHANGED", YELLOW.bold()),
        () if is(NoticeKind::PolicyRefused) => ("POLICY", YELLOW.bold()),
        () if row.missing.is_some() => ("GAP", RED.bold()),
        () => ("note", DIM),
    };
    let missing = row.missing.map(|count| format!("{count} records are missing: ")).unwrap_or_default();
    let text = row.text.as_deref().unwrap_or(&row.kind);
    format!(
        "{}  {}  {}  {missing}{}",
        painted(DIM, local_time(&rfc3339(row.unix_ms))),
        painted(style, format!("{word:<11}")),
        painted(DIM, shown(row.server.as_deref().unwrap_or_default())),
        text.chars().flat_map(visible).collect::<String>(),
    )
}

/// RFC 3339, UTC, milliseconds.
pub(super) fn rfc3339(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map_or_else(|_| unix_ms.to_string(), |at| format!("{at:.3}"))
}

/// One call on one line.
pub(super) fn line(row: &AuditRow) -> String {
    let (word, style) = word(row);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let name = match (text(&row.method), text(&row.tool)) {
        (method, tool) if method == "tools/call" && !tool.is_empty() => tool,
        (method, tool) if method.is_empty() && tool.is_empty() => "(malformed frame)".to_owned(),
        // `form` or the name of a prompt alone could be a tool.
        (method, tool) => format!("{method} {tool}").trim().to_owned(),
    };
    let mut line = format!(
        "{}  {}  {}{}",
        painted(DIM, local_time(&row.ts)),
        painted(style, format!("{word:<11}")),
        painted(DIM, format!("{}/", shown(&text(&row.server)))),
        painted(BOLD, shown(&name)),
    );
    let rest = [(Style::new(), arguments(row)), (style, told(row)), (DIM, ending(row)), (BOLD, labels(row))];
    for (style, text) in rest {
        if !text.is_empty() {
            line.push_str("  ");
            line.push_str(&painted(style, text));
        }
    }
    line
}

/// What became of a call, in a word.
pub(super) fn word(row: &AuditRow) -> (&'static str, Style) {
    let verdict = row.verdict.as_deref().and_then(Effect::from_word);
    match (row.outcome.as_deref().unwrap_or_default(), verdict) {
        ("blocked", _) => ("BLOCKED", RED.bold()),
        ("fail_closed", _) => ("FAIL CLOSED", RED.bold()),
        ("fail_open", _) => ("FAIL OPEN", YELLOW.bold()),
        ("warned", _) => ("WARNED", YELLOW.bold()),
        ("approved", _) => ("APPROVED", GREEN.bold()),
        ("denied", _) => ("DENIED", RED.bold()),
        ("expired", _) => ("EXPIRED", RED.bold()),
        ("withdrawn", _) => ("WITHDRAWN", DIM),
        ("pending", _) => ("PENDING", YELLOW.bold()),
        (_, Some(Effect::Deny)) => ("WOULD DENY", YELLOW.bold()),
        (_, Some(Effect::RequireApproval)) => ("WOULD ASK", YELLOW.bold()),
        (_, Some(Effect::Warn)) => ("WOULD WARN", YELLOW),
        (_, Some(Effect::Allow)) => ("allow", GREEN),
        (_, None) => ("off", DIM),
    }
}

/// The reason, where there is something to explain.
fn told(row: &AuditRow) -> String {
    let plain = row.verdict.as_deref().is_none_or(|verdict| verdict == "allow")
        && row.outcome.as_deref() == Some("forwarded");
    if plain {
        return String::new();
    }
    let reason = row.reason.clone().unwrap_or_default();
    match row.rule.as_deref().filter(|rule| !reason.contains(rule)) {
        // What the author calls the rule is what is looked for in the file.
        Some(rule) => format!("{reason} [{}]", shown(rule)),
        None => reason,
    }
}

fn ending(row: &AuditRow) -> String {
    let Some(status) = &row.status else { return String::new() };
    let took = row.latency_us.map(|us| format!(" {}", duration(us))).unwrap_or_default();
    format!("{status}{took}")
}

/// The labels that the call set.
fn labels(row: &AuditRow) -> String {
    let labels: Vec<String> = row.labels.iter().map(|id| format!("+{}", shown(id))).collect();
    labels.join(" ")
}

fn arguments(row: &AuditRow) -> String {
    let text = row.arguments.as_ref().map_or("", JsonText::as_str);
    let shown: String = text.chars().take(ARGUMENTS_SHOWN).flat_map(visible).collect();
    if text.chars().nth(ARGUMENTS_SHOWN).is_some() { format!("{shown}…") } else { shown }
}

/// A terminal acts on control characters, and people cannot see some others.
pub(super) fn visible(character: char) -> impl Iterator<Item = char> {
    let hidden = crate::wire::has_invisible(character.encode_utf8(&mut [0; 4])) && character != ' ';
    let text = if hidden { character.escape_unicode().to_string() } else { character.to_string() };
    text.chars().collect::<Vec<_>>().into_iter()
}

/// Microseconds in the unit that people would use.
fn duration(us: i64) -> String {
    match us {
        ..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// The time of day here for today's rows, the date too for others.
pub(super) fn local_time(ts: &str) -> String {
    let Ok(at) = ts.parse::<Timestamp>() else { return ts.to_owned() };
    let zone = TimeZone::system();
    let (at, today) = (at.to_zoned(zone.clone()), crate::clock::now().unix_ms);
    let today = Timestamp::from_millisecond(today).map(|now| now.to_zoned(zone).date());
    let format = if today.is_ok_and(|today| today == at.date()) { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    use super::{duration, line, visible};
    use crate::policy::{Effect, Mode};
    use crate::record::{CallRecord, Completion, Outcome, Record, SessionInfo, Status};
    use crate::store::{Filter, Options, Reader, Store};

    /// A call that the store gives back, as people read it; the first column is the time, which is another each day.
    fn read_back(records: Vec<CallRecord>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let info =
            SessionInfo { session: "0123456789".into(), server: "files".into(), ..SessionInfo::default() };
        let store = Store::start(Options::new(path.clone()), info);
        store.queue(records.into_iter().map(Record::Call).collect());
        assert_eq!(store.finish(Duration::from_secs(20)).unwritten, 0);
        let rows = Reader::open(&path).unwrap().rows(&Filter::default()).unwrap();
        let lines: Vec<String> = rows.iter().map(|row| strip_str(&line(row)).to_string()).collect();
        lines.iter().map(|line| line.split_once("  ").unwrap().1).collect::<Vec<_>>().join("\n")
    }

    fn call(verdict: Option<Effect>, mode: Mode, outcome: Outcome) -> CallRecord {
        CallRecord {
            unix_ms: 1_769_860_800_000,
            number: 1,
            method: "tools/call".into(),
            tool: "write_file".into(),
            arguments: Some(r#"{"path":"/etc/hosts"}"#.into()),
            verdict,
            mode,
            outcome,
            rule: None,
            matched: Vec::new(),
            reason: Some(r#"rule 1 (write_file) in policy "p""#.into()),
            policy: None,
            labels: Vec::new(),
            eval_us: 3,
            completion: None,
            telling: None,
        }
    }

    #[test]
    fn the_first_word_says_what_became_of_the_call() {
        use Effect::{Allow, Deny, RequireApproval, Warn};
        let ended = Completion { number: 1, status: Status::Ok, latency_us: 3_210, result_bytes: 9 };
        let passed =
            CallRecord { completion: Some(ended), ..call(Some(Allow), Mode::Shadow, Outcome::Forwarded) };
        assert_snapshot!(read_back(vec![
            passed,
            CallRecord {
                rule: Some("writes-stay-inside".into()),
                ..call(Some(Deny), Mode::Shadow, Outcome::Forwarded)
            },
            call(Some(RequireApproval), Mode::Shadow, Outcome::Forwarded),
            call(Some(Warn), Mode::Shadow, Outcome::Forwarded),
            call(Some(Deny), Mode::Warn, Outcome::Warned),
            call(Some(Deny), Mode::Enforce, Outcome::Blocked),
            call(Some(Allow), Mode::Enforce, Outcome::FailOpen),
            call(Some(Allow), Mode::Enforce, Outcome::FailClosed),
            CallRecord { arguments: None, ..call(None, Mode::Off, Outcome::Forwarded) },
        ]), @r#"
        allow        files/write_file  {"path":"/etc/hosts"}  ok 3.2 ms
        WOULD DENY   files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p" [writes-stay-inside]
        WOULD ASK    files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        WOULD WARN   files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        WARNED       files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        BLOCKED      files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        FAIL OPEN    files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        FAIL CLOSED  files/write_file  {"path":"/etc/hosts"}  rule 1 (write_file) in policy "p"
        off          files/write_file
        "#);
    }

    #[test]
    fn labels_that_a_call_set_stand_at_the_end() {
        let ended = Completion { number: 1, status: Status::Ok, latency_us: 3_210, result_bytes: 9 };
        let labels = vec!["secret-read".into(), "new\nline".into()];
        let passed = call(Some(Effect::Allow), Mode::Shadow, Outcome::Forwarded);
        assert_snapshot!(
            read_back(vec![CallRecord { labels, completion: Some(ended), arguments: None, ..passed }]),
            @r"allow        files/write_file  ok 3.2 ms  +secret-read +new\u{a}line"
        );
    }

    #[test]
    fn a_frame_without_a_name_is_called_by_its_method_or_malformed() {
        let unnamed = |method: &str| CallRecord {
            method: method.into(),
            tool: String::new(),
            arguments: None,
            ..call(Some(Effect::Deny), Mode::Enforce, Outcome::Blocked)
        };
        assert_snapshot!(read_back(vec![unnamed("tasks/update"), unnamed("")]), @r#"
        BLOCKED      files/tasks/update  rule 1 (write_file) in policy "p"
        BLOCKED      files/(malformed frame)  rule 1 (write_file) in policy "p"
        "#);
    }

    #[test]
    fn long_arguments_are_cut_and_what_a_terminal_would_act_on_is_spelled_out() {
        let call = CallRecord {
            tool: "a\u{202e}b".into(),
            arguments: Some(["{\"text\":\"\u{9b}31m", &"x".repeat(90), "\"}"].concat().into()),
            ..call(Some(Effect::Allow), Mode::Shadow, Outcome::Forwarded)
        };
        assert_snapshot!(read_back(vec![call]), @r#"allow        files/a\u{202e}b  {"text":"\u{9b}31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"#);
    }

    #[test]
    fn durations_use_the_unit_that_people_would() {
        assert_eq!([7, 1_230, 45_678, 2_345_678].map(duration), ["7 µs", "1.2 ms", "45 ms", "2.3 s"]);
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let shown: String = "a\u{1b}[31mb\u{202e}c".chars().flat_map(visible).collect();
        assert_eq!(shown, "a\\u{1b}[31mb\\u{202e}c");
    }
}
