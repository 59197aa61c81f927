//! Webhooks and Slack, and which calls anybody hears of.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::{await_list, policy, session, states};
use crate::support::home::{Home, tamper};
use crate::support::process::PATIENCE;
use crate::support::web::{Heard, Reply, Web};

fn took(_: &Heard) -> Reply {
    Reply::empty(204)
}

/// `t=SECONDS,v1=HEX` for this body, with the seconds of the signature at hand.
fn signed(secret: &str, given: &str, body: &[u8]) -> String {
    let seconds = given.split([',', '=']).nth(1).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("t={seconds},v1={hex}")
}

#[test]
fn a_blocked_call_is_told_once_signed_and_without_its_arguments() {
    let web = Web::start(took);
    let to = "[alerts.to.oncall]\nkind = \"webhook\"\nurl_env = \"ONCALL\"\nsecret_env = \"SECRET\"\n";
    let home = Home::with_policy(&policy("enforce", to));
    let environment = [("ONCALL", &*format!("{}?key=canary-url", web.url())), ("SECRET", "whsec")];
    let client = session(&home, &environment, &["read_file", "delete_file", "delete_file", "delete_all"]);
    let first = web.await_heard("alert", |heard| heard.json()["tool"] == "delete_file");
    let told = first.json();
    assert_eq!(
        (&told["outcome"], &told["rule"], &told["severity"]),
        (&json!("blocked"), &json!("no-deleting"), &json!("high"))
    );
    assert_eq!(
        (&told["agent"], &told["server"], &told["why"]),
        (&json!("ci"), &json!("files"), &json!("gone is gone"))
    );
    assert_eq!(first.header("x-callgate-alert-id"), told["id"].as_str());
    let given = first.header("x-callgate-signature").unwrap();
    assert_eq!(given, signed("whsec", given, &first.body));
    web.await_heard("alert", |heard| heard.json()["tool"] == "delete_all");
    let alerts = await_list(&home, "delivered", |alerts| states(alerts) == ["delivered", "delivered"]);
    let counts: Vec<_> = alerts.iter().map(|alert| alert["count"].as_i64().unwrap()).collect();
    assert!(counts.contains(&2), "the repeat is counted, not told: {alerts:#?}");
    assert_eq!(web.heard().len(), 2);
    drop(client);
    for heard in web.heard() {
        assert!(!String::from_utf8_lossy(&heard.body).contains("canary"), "{heard:?}");
    }
    let store = std::fs::read(home.store()).unwrap();
    assert!(memchr::memmem::find(&store, b"canary-url").is_none());
}

#[test]
fn a_question_is_told_when_it_is_asked_and_so_is_what_became_of_it() {
    let web = Web::start(took);
    let to = format!(
        "[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n[approval]\npatience = \"100ms\"\n",
        web.url()
    );
    let home = Home::with_policy(&policy("enforce", &to).replace("\"deny\"", "\"require_approval\""));
    let _client = session(&home, &[], &["delete_file"]);
    let asked = web.await_heard("question", |heard| heard.json()["topic"] == "approval_asked").json();
    assert_eq!((&asked["tool"], &asked["verdict"]), (&json!("delete_file"), &json!("require_approval")));
    assert!(asked.get("outcome").is_none(), "{asked}");
    let pending = web.await_heard("outcome", |heard| heard.json()["outcome"] == "pending").json();
    assert_eq!(pending["toolCallId"], asked["toolCallId"]);
    // What is told must not help to answer.
    let question = home.run(&["approvals", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    assert!(!format!("{asked}{pending}").contains(&question));
}

#[test]
fn under_warn_people_are_told_and_under_shadow_and_off_nobody_is() {
    let web = Web::start(took);
    let to = format!("[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n", web.url());
    for (mode, alerts) in [("off", 0), ("shadow", 0), ("warn", 1)] {
        let home = Home::with_policy(&policy(mode, &to));
        let mut client = session(&home, &[], &["delete_file"]);
        client.server.close_stdin();
        client.server.wait(crate::support::process::PATIENCE).unwrap();
        let found = home.run(&["alerts", "list", "--json"]).json();
        assert_eq!(found.as_array().unwrap().len(), alerts, "{mode}: {found}");
    }
    let told = web.await_heard("alert", |_| true).json();
    assert_eq!((&told["outcome"], &told["mode"]), (&json!("warned"), &json!("warn")));
    assert_eq!(web.heard().len(), 1);
}

#[test]
fn who_hears_of_a_rule_follows_from_its_severity_or_from_what_it_says() {
    let web = Web::start(took);
    let url =
        |name: &str| format!("[alerts.to.{name}]\nkind = \"webhook\"\nurl = \"{}/{name}\"\n", web.url());
    let text = policy(
        "enforce",
        &format!("{}min_severity = \"critical\"\n{}{}", url("critical"), url("named"), url("all")),
    ) + "[[rule]]\ntools = \"a\"\naction = \"deny\"\nalert = false\n\
           [[rule]]\ntools = \"b\"\naction = \"deny\"\nalert = \"named\"\n\
           [[rule]]\ntools = \"c\"\naction = \"deny\"\nalert = true\n";
    let home = Home::with_policy(&text);
    let _client = session(&home, &[], &["a", "b", "c", "delete_file"]);
    await_list(&home, "delivered", |alerts| {
        states(alerts).iter().filter(|state| **state == "delivered").count() == 6
    });
    let mut heard: Vec<_> = (web.heard().iter())
        .map(|heard| {
            (
                heard.json()["tool"].as_str().unwrap().to_owned(),
                heard.path.rsplit('/').next().unwrap().to_owned(),
            )
        })
        .collect();
    heard.sort();
    let expected = [
        ("b", "named"),
        ("c", "all"),
        ("c", "critical"),
        ("c", "named"),
        ("delete_file", "all"),
        ("delete_file", "named"),
    ];
    assert_eq!(heard, expected.map(|(tool, name)| (tool.to_owned(), name.to_owned())));
}

#[test]
fn slack_gets_blocks_and_a_test_tells_who_did_not_take_it() {
    let web =
        Web::start(|heard| if heard.path.ends_with("/down") { Reply::empty(500) } else { Reply::empty(200) });
    let to = format!(
        "[alerts.to.chat]\nkind = \"slack\"\nurl_env = \"SLACK\"\n[alerts.to.down]\nkind = \"webhook\"\nurl = \"{}/down\"\n",
        web.url()
    );
    let home = Home::with_policy(&policy("shadow", &to));
    let told = crate::support::home::Told::of(
        &home.callgate(["alerts", "test"]).env("SLACK", web.url()).output().unwrap(),
    );
    assert_eq!((told.code, &*told.err), (Some(1), ""), "{told:?}");
    assert_eq!(told.out, "ok chat (slack)\nfailed down (webhook): it answered 500 Internal Server Error\n");
    let slack = web.await_heard("blocks", |heard| heard.json()["blocks"].is_array()).json();
    assert_eq!(slack["blocks"][0]["type"], "header", "{slack}");
    let told = home.run(&["alerts", "test", "--to", "caht"]);
    assert!(told.code == Some(2) && told.err.contains("did you mean `chat`?"), "{told:?}");
    let told = home.run(&["alerts", "test", "--to", "chat"]);
    assert!(told.code == Some(1) && told.out.contains("`SLACK` is not set"), "{told:?}");
}

#[test]
fn a_refused_policy_and_a_lowered_mode_are_told_in_every_mode() {
    let web = Web::start(took);
    let to = format!("[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n", web.url());
    let home = Home::with_policy(&policy("enforce", &to));
    let _client = session(&home, &[], &[]);
    home.replace_policy(&policy("off", &to));
    let told = web.await_heard("alarm", |heard| heard.json()["topic"] == "mode_lowered").json();
    assert!(told["text"].as_str().unwrap().contains("the file: enforce to off"), "{told}");
    home.replace_policy("version = 1\nmoed = 1\n");
    let told = web.await_heard("alarm", |heard| heard.json()["topic"] == "policy_refused").json();
    assert_eq!(told["severity"], "high", "{told}");
}

#[test]
fn a_store_that_cannot_be_written_is_told_though_no_outbox_holds_it() {
    let web = Web::start(took);
    let home = Home::new();
    // No folder can be made where a file is.
    std::fs::write(home.path("file"), "").unwrap();
    let path = home.path("file/audit.db").display().to_string();
    let to = format!(
        "[audit]\npath = \"{path}\"\n[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n",
        web.url()
    );
    home.write_policy(&policy("shadow", &to));
    let _client = session(&home, &[], &["delete_file"]);
    let told = web.await_heard("alarm", |heard| heard.json()["topic"] == "store_failing").json();
    assert_eq!(told["severity"], "critical", "{told}");
}

#[test]
fn a_broken_chain_is_told_by_the_command_that_finds_it() {
    let web = Web::start(took);
    let to = format!("[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n", web.url());
    let home = Home::with_policy(&policy("shadow", &to));
    let mut client = session(&home, &[], &["read_file"]);
    client.server.close_stdin();
    client.server.wait(PATIENCE).unwrap();
    assert_eq!(home.run(&["audit", "verify"]).code, Some(0));
    assert_eq!(web.heard().len(), 0);
    tamper(&home, "UPDATE events SET ts = ts + 1 WHERE seq = (SELECT min(seq) FROM events)");
    assert_eq!(home.run(&["audit", "verify"]).code, Some(5));
    let told = web.heard()[0].json();
    assert_eq!((&told["topic"], &told["severity"]), (&json!("chain_broken"), &json!("critical")), "{told}");
    assert!(told["text"].as_str().unwrap().contains("was changed"), "{told}");
}

#[test]
fn destinations_are_those_of_the_file_as_it_is_now() {
    let (one, other) = (Web::start(took), Web::start(took));
    let to = |web: &Web| format!("[alerts.to.hook]\nkind = \"webhook\"\nurl = \"{}\"\n", web.url());
    let home = Home::with_policy(&policy("enforce", &to(&one)));
    let mut client = session(&home, &[], &["delete_before"]);
    one.await_heard("alert", |heard| heard.json()["tool"] == "delete_before");
    home.replace_policy(&policy("enforce", &to(&other)));
    home.await_notices("policy_loaded", 1);
    client.call("delete_after", &json!({}));
    other.await_heard("alert", |heard| heard.json()["tool"] == "delete_after");
    assert_eq!((one.heard().len(), other.heard().len()), (1, 1));
}
