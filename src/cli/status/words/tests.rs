//! Sessions in words.

use anstream::adapter::strip_str;
use insta::assert_snapshot;

use super::*;
use crate::policy::Known;
use crate::store::{LoadedRow, RuleRow, SessionRow};

const NOW: i64 = 1_769_860_800_000;
const SOURCE: &str = r#"
version = 1
mode = "shadow"
max_mode = "warn"

[[rule]]
id = "no-deleting"
tools = "delete_file"
when = { "/pth" = "x" }
action = "deny"
modes = { ci-bot = "enforce" }

[[rule]]
id = "elsewhere"
servers = "db"
action = "deny"

[[rule]]
id = "ask"
tools = "write_file"
action = "require_approval"
"#;

fn session(row: SessionRow, file: OnDisk) -> Session {
    let mut known = Known::default();
    known.list("files", "delete_file", Some(r#"{"inputSchema":{"properties":{"path":{}}}}"#));
    let config = crate::settings::read(SOURCE, &crate::settings::Environment::default()).unwrap().config;
    let force = row.loaded.is_some().then(|| InForce::of(&config.policy, &row, &known));
    Session { row, file, force }
}

fn row() -> SessionRow {
    SessionRow {
        session: "0123456789".into(),
        is_running: true,
        since_ms: NOW - 7_300_000,
        pid: 1234,
        agent: Some("ci-bot".into()),
        user: Some("me".into()),
        client: Some("claude-code 2.1\u{1b}[31m".into()),
        server: "files".into(),
        loaded: Some(LoadedRow {
            revision: "0123456789abcdef".into(),
            name: "my-policy".into(),
            source: None,
            path: Some("/c/mcp.toml".into()),
            unix_ms: NOW - 300_000,
            refused: Some("policy not reloaded: 1 fault".into()),
        }),
        rules: vec![RuleRow {
            rule: Some("no-deleting".into()),
            calls: 9,
            would_stop: 3,
            blocked: 2,
            fail_open: 1,
            oldest_would_stop_ms: Some(NOW - 90_000_000),
        }],
        missing: 4,
    }
}

/// Without colour, and without the time of day, which is another in each zone.
fn told(session: &Session, detail: Detail) -> String {
    let text = strip_str(&block(session, detail, NOW)).to_string();
    text.replace(&at(session.row.since_ms), "TIME")
}

#[test]
fn a_session_is_told_with_what_it_has_loaded_and_what_the_file_says_by_now() {
    let file = OnDisk::Other { revision: "fedcba9876543210".into(), written_ms: Some(NOW - 61_000) };
    assert_snapshot!(told(&session(row(), file), Detail::Counts), @r#"
    files  running  agent ci-bot in claude-code 2.1\u{1b}[31m  pid 1234, session 0123456789, since TIME (2 h)
      policy  my-policy 0123456789ab of /c/mcp.toml, loaded 5 min ago
      modes   shadow; rules: 1 warn, 1 shadow (1 for other servers); the brake is on: warn
      stale   the file is fedcba987654 by now, changed 1 min ago
              policy not reloaded: 1 fault
      calls   9: 3 would have been stopped (the oldest 1 d ago), 2 blocked, 1 passed unjudged or unrecorded, 4 records missing
      blind   no-deleting on delete_file
    "#);
}

#[test]
fn each_rule_is_told_with_the_mode_that_holds_for_the_agent_and_the_server() {
    assert_snapshot!(told(&session(row(), OnDisk::Same), Detail::EachRule), @r#"
    files  running  agent ci-bot in claude-code 2.1\u{1b}[31m  pid 1234, session 0123456789, since TIME (2 h)
      policy  my-policy 0123456789ab of /c/mcp.toml, loaded 5 min ago
      modes   shadow; rules: 1 warn, 1 shadow (1 for other servers); the brake is on: warn
      calls   9: 3 would have been stopped (the oldest 1 d ago), 2 blocked, 1 passed unjudged or unrecorded, 4 records missing
      rule    warn     deny             no-deleting  3 would have been stopped, the oldest 1 d ago  2 blocked  blind on delete_file
      rule    shadow   require_approval ask
    "#);
}

#[test]
fn what_cannot_be_told_is_called_unknown() {
    let unread = Session { force: None, ..session(row(), OnDisk::Unreadable("no such file".into())) };
    assert_snapshot!(told(&unread, Detail::EachRule), @r#"
    files  running  agent ci-bot in claude-code 2.1\u{1b}[31m  pid 1234, session 0123456789, since TIME (2 h)
      policy  my-policy 0123456789ab of /c/mcp.toml, loaded 5 min ago
      modes   unknown: its text cannot be read again
      stale   the file cannot be read now (no such file)
              policy not reloaded: 1 fault
      calls   9: 3 would have been stopped (the oldest 1 d ago), 2 blocked, 1 passed unjudged or unrecorded, 4 records missing
    "#);
    let old = SessionRow {
        loaded: None,
        rules: Vec::new(),
        missing: 0,
        agent: None,
        client: None,
        is_running: false,
        ..row()
    };
    assert_snapshot!(told(&session(old, OnDisk::None), Detail::Counts), @r#"
    files  ended without a word  no agent  pid 1234, session 0123456789, since TIME (2 h)
      policy  unknown: an older version of callgate runs this session
      calls   none yet
    "#);
}

#[test]
fn times_are_told_in_their_largest_unit() {
    assert_eq!(
        [-5, 59_000, 60_000, 7_200_000, 200_000_000].map(lasted),
        ["0 s", "59 s", "1 min", "2 h", "2 d"]
    );
}
