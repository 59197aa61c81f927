//! What the modes make of the same traffic, seen from both ends and in the store.
//!
//! It refuses to test single verdicts: that is the policy room's part.
//!
//! Invariant: every test compares the verdict column across modes, for it must not change.

use callgate::store::AuditRow;
use serde_json::{Value, json};

use crate::support::home::{Home, no_deleting};
use crate::support::process::{McpClient, PATIENCE};

/// A rule of each effect.
fn policy(top: &str) -> String {
    let rule = |tool: &str, action: &str| {
        format!("[[rule]]\nid = \"{tool}-rule\"\ntools = [\"{tool}\"]\naction = \"{action}\"\n")
    };
    format!(
        "version = 1\n{top}\n{}{}{}[approval]\ntimeout = \"50ms\"\n",
        rule("delete_file", "deny"),
        rule("run_shell", "require_approval"),
        rule("fetch", "warn")
    )
}

const TOOLS: [&str; 4] = ["read_file", "delete_file", "run_shell", "fetch"];

#[test]
fn the_mode_changes_the_outcome_and_never_the_verdict() {
    let verdicts = ["allow", "deny", "require_approval", "warn"].map(Some);
    for (mode, outcomes, kept, stopped) in [
        ("off", ["forwarded"; 4], [None; 4], [false; 4]),
        ("shadow", ["forwarded"; 4], verdicts, [false; 4]),
        ("warn", ["forwarded", "warned", "warned", "warned"], verdicts, [false; 4]),
        ("enforce", ["forwarded", "blocked", "expired", "warned"], verdicts, [false, true, true, false]),
    ] {
        let home = Home::with_policy(&policy(&format!("mode = \"{mode}\"")));
        let (mut client, record) = home.converse(&[]);
        let answers = TOOLS.map(|tool| client.call(tool, &json!({"path": "a"})));
        end(client);
        let rows = home.await_rows(4);
        assert_eq!(rows.iter().map(|row| row.verdict.as_deref()).collect::<Vec<_>>(), kept, "{mode}");
        assert_eq!(outcomes.map(Some), column(&rows, |row| row.outcome.as_deref()), "{mode}");
        let reached = String::from_utf8(record.bytes_from(0)).unwrap();
        for ((tool, answer), stopped) in TOOLS.iter().zip(&answers).zip(stopped) {
            assert_eq!(answer["error"]["code"] == json!(-32001), stopped, "{mode}, {tool}: {answer}");
            assert_eq!(!reached.contains(tool), stopped, "{mode}, {tool}");
        }
        let off = mode == "off";
        assert!(
            rows.iter().all(|row| row.arguments.is_none() == off && row.policy.is_none() == off),
            "{mode}"
        );
        let statuses = stopped.map(|stopped| if stopped { None } else { Some("ok") });
        assert_eq!(statuses, column(&rows, |row| row.status.as_deref()), "{mode}");
    }
}

#[test]
fn an_edit_of_the_mode_changes_the_next_call_of_a_running_session_and_only_that() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let (mut client, _record) = home.converse(&[]);
    assert!(ran(&client.call("delete_file", &json!({}))));
    home.replace_policy(&no_deleting("enforce"));
    home.await_notices("policy_loaded", 1);
    assert!(!ran(&client.call("delete_file", &json!({}))));
    assert!(ran(&client.call("read_file", &json!({}))));
    home.replace_policy(&no_deleting("shadow"));
    home.await_notices("policy_loaded", 2);
    assert!(ran(&client.call("delete_file", &json!({}))));
    end(client);
    let rows = home.await_rows(4);
    assert_eq!(
        column::<4>(&rows, |row| row.outcome.as_deref()),
        ["forwarded", "blocked", "forwarded", "forwarded"].map(Some)
    );
    assert_eq!(column(&rows, |row| row.verdict.as_deref()), ["deny", "deny", "allow", "deny"].map(Some));
    let revisions = column::<4>(&rows, |row| row.policy.as_deref());
    assert!(revisions[0] == revisions[3] && revisions[0] != revisions[1] && revisions[1] == revisions[2]);
}

#[test]
fn one_line_calms_everything_and_taking_it_away_restores_it() {
    let home = Home::with_policy(&policy("mode = \"enforce\""));
    let (mut client, _record) = home.converse(&[]);
    assert!(!ran(&client.call("delete_file", &json!({}))));
    home.replace_policy(&policy("mode = \"enforce\"\nmax_mode = \"shadow\""));
    home.await_notices("policy_loaded", 1);
    assert!(ran(&client.call("delete_file", &json!({}))));
    home.replace_policy(&policy("mode = \"enforce\""));
    home.await_notices("policy_loaded", 2);
    assert!(!ran(&client.call("delete_file", &json!({}))));
    end(client);
    let rows = home.await_rows(3);
    assert_eq!(column(&rows, |row| row.mode.as_deref()), ["enforce", "shadow", "enforce"].map(Some));
    assert_eq!(column(&rows, |row| row.verdict.as_deref()), [Some("deny"); 3]);
}

#[test]
fn an_agent_has_a_mode_of_its_own() {
    let home = Home::with_policy(&policy("mode = \"shadow\"\n[agents.ci-bot]\nmode = \"enforce\""));
    for (options, agent, passes) in [
        (&[][..], None, true),
        (&["--agent", "ci-bot"][..], Some("ci-bot"), false),
        (&["--agent", "me"][..], Some("me"), true),
    ] {
        let before = home.rows().len();
        let (mut client, _record) = home.converse(options);
        assert_eq!(ran(&client.call("delete_file", &json!({}))), passes, "{agent:?}");
        end(client);
        let row = home.await_rows(before + 1).pop().unwrap();
        assert_eq!((row.agent.as_deref(), row.verdict.as_deref()), (agent, Some("deny")));
    }
}

#[test]
fn the_client_cannot_name_itself_into_a_weaker_mode() {
    let home = Home::with_policy(&policy("mode = \"enforce\"\n[agents.callgate-tests]\nmode = \"off\""));
    let (mut client, _record) = home.converse(&[]);
    assert!(!ran(&client.call("delete_file", &json!({}))));
    end(client);
    let row = home.await_rows(1).pop().unwrap();
    assert_eq!((row.client.as_deref(), row.agent), (Some("callgate-tests"), None));
}

#[test]
fn a_rule_is_enforced_while_the_rest_stays_in_shadow() {
    let two = "\
        [[rule]]\nid = \"now\"\ntools = [\"delete_file\"]\naction = \"deny\"\nmode = \"enforce\"\n\
        [[rule]]\nid = \"later\"\ntools = [\"wipe_volume\", \"delete_file\"]\naction = \"deny\"\n";
    let home = Home::with_policy(&format!("version = 1\nmode = \"shadow\"\n{two}"));
    let (mut client, _record) = home.converse(&[]);
    assert!(!ran(&client.call("delete_file", &json!({}))));
    assert!(ran(&client.call("wipe_volume", &json!({}))));
    end(client);
    let rows = home.await_rows(2);
    assert_eq!(column(&rows, |row| row.mode.as_deref()), ["enforce", "shadow"].map(Some));
    let matched: Value = serde_json::from_str(rows[0].matched.as_ref().unwrap().as_str()).unwrap();
    assert_eq!(
        matched,
        json!([
            {"rule": "now", "effect": "deny", "mode": "enforce", "acted": true},
            {"rule": "later", "effect": "deny", "mode": "shadow", "acted": false},
        ])
    );
}

fn ran(answer: &Value) -> bool {
    let ran = answer.get("result").is_some();
    assert!(ran || answer["error"]["code"] == -32001, "{answer}");
    ran
}

fn end(mut client: McpClient) {
    client.server.close_stdin();
    let status = client.server.wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", client.server.stderr());
}

fn column<const N: usize>(
    rows: &[AuditRow],
    column: impl Fn(&AuditRow) -> Option<&str>,
) -> [Option<&str>; N] {
    let all: Vec<Option<&str>> = rows.iter().map(column).collect();
    all.try_into().unwrap_or_else(|all| panic!("not {N} rows: {all:?}"))
}
