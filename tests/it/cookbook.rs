//! The twenty rules of the README's cookbook, each asked about calls that it must stop and calls that it must let pass.
//!
//! It refuses to keep a copy of them: they are read from the page, so the page cannot be wrong.
//!
//! Invariant: every recipe has its calls here, and every call here belongs to a recipe.

use std::collections::BTreeMap;

use crate::support::home::Home;
use crate::support::parts;

/// Calls by the recipe's last rule, as `[[rule.test]]` has them.
const CALLS: &[(&str, &[&str])] = &[
    ("no-deleting", &[r#"tool = "delete_file", expect = "deny""#, r#"tool = "read_file", expect = "allow""#]),
    (
        "writes-stay-inside",
        &[
            r#"tool = "write_file", arguments = { path = "/home/me/app/../.ssh/config" }, expect = "deny""#,
            r#"tool = "move_file", arguments = { source = "/home/me/app/a", destination = "/tmp/a" }, expect = "deny""#,
            r#"tool = "write_file", arguments = { path = "/home/me/app/a" }, expect = "allow""#,
        ],
    ),
    (
        "no-secrets",
        &[
            r#"tool = "read_file", arguments = { path = "/home/me/app/.env" }, expect = "deny""#,
            r#"tool = "zip", arguments = { files = [{ name = "/home/me/.ssh/id_rsa" }] }, expect = "deny""#,
            r#"tool = "read_file", arguments = { path = "/home/me/app/main.rs" }, expect = "allow""#,
        ],
    ),
    (
        "public-keys-are-fine",
        &[
            r#"tool = "read_file", arguments = { path = "/home/me/app/.ssh/id.pub" }, expect = "allow""#,
            r#"tool = "read_file", arguments = { path = "/home/me/.ssh/id.pub" }, expect = "deny""#,
        ],
    ),
    (
        "no-wrecking",
        &[
            r#"tool = "bash", arguments = { command = "cd /tmp && sudo rm -fr x" }, expect = "deny""#,
            r#"tool = "bash", arguments = { command = "git push origin +main --force-with-lease" }, expect = "deny""#,
            r#"tool = "bash", arguments = { command = "git push origin main && rm x" }, expect = "allow""#,
        ],
    ),
    (
        "known-programs",
        &[
            r#"tool = "run_shell", arguments = { command = "ls; curl evil.example" }, expect = "deny""#,
            r#"tool = "run_shell", arguments = { command = "git push" }, expect = "deny""#,
            r#"tool = "run_shell", arguments = { command = "git status && rg TODO | cat" }, expect = "allow""#,
        ],
    ),
    (
        "read-only-sql",
        &[
            r#"tool = "query", arguments = { sql = "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x" }, expect = "deny""#,
            r#"tool = "query", arguments = { sql = "SELECT 'drop table' FROM t" }, expect = "allow""#,
        ],
    ),
    (
        "no-drops",
        &[
            r#"tool = "query", arguments = { sql = "select 1; drop table t" }, expect = "deny""#,
            r#"tool = "query", arguments = { sql = "drop table t" }, facts = { environment = "dev" }, expect = "allow""#,
            r#"tool = "query", arguments = { sql = "delete from t" }, expect = "allow""#,
        ],
    ),
    (
        "our-hosts",
        &[
            r#"tool = "fetch", arguments = { url = "https://api.example.com@evil.example/" }, expect = "deny""#,
            r#"tool = "fetch", arguments = { url = "http://api.example.com/" }, expect = "deny""#,
            r#"tool = "fetch", arguments = { url = "https://wiki.corp.example/x" }, expect = "allow""#,
        ],
    ),
    (
        "no-internal-addresses",
        &[
            r#"tool = "fetch", arguments = { url = "http://169.254.169.254/latest/meta-data" }, expect = "deny""#,
            r#"tool = "fetch", arguments = { url = "http://2130706433/" }, expect = "deny""#,
            r#"tool = "fetch", arguments = { url = "https://db.internal/" }, expect = "deny""#,
            r#"tool = "fetch", arguments = { url = "https://example.com/" }, expect = "allow""#,
        ],
    ),
    (
        "deploys-in-daylight",
        &[
            r#"tool = "deploy", facts = { time = "2026-11-20T15:00:00+01:00" }, expect = "deny""#,
            r#"tool = "deploy", facts = { time = "2026-11-19T15:00:00+01:00" }, expect = "allow""#,
        ],
    ),
    (
        "risky-needs-a-person",
        &[r#"tool = "deploy_web", expect = "require_approval""#, r#"tool = "build_web", expect = "allow""#],
    ),
    (
        "large-transfers",
        &[
            r#"tool = "transfer_funds", arguments = { amount = 1000.01 }, expect = "require_approval""#,
            r#"tool = "transfer_funds", arguments = { amount = "5000" }, expect = "require_approval""#,
            r#"tool = "transfer_funds", arguments = { amount = 1000 }, expect = "allow""#,
        ],
    ),
    (
        "mail-budget",
        &[
            r#"tool = "send_mail", calls_before = 20, expect = "deny""#,
            r#"tool = "send_mail", calls_before = 19, expect = "allow""#,
        ],
    ),
    (
        "nothing-leaves-after-a-secret",
        &[
            r#"tool = "fetch", after = ["secret-read"], expect = "deny""#,
            r#"tool = "fetch", expect = "allow""#,
        ],
    ),
    (
        "test-before-push",
        &[
            r#"tool = "git_push", expect = "deny""#,
            r#"tool = "git_push", after = ["tests-passed"], expect = "allow""#,
        ],
    ),
    (
        "no-credentials",
        &[
            r#"tool = "post_comment", arguments = { body = "use AKIAABCDEFGHIJKLMNOP" }, expect = "deny""#,
            r#"tool = "post_comment", arguments = { body = "use the vault" }, expect = "allow""#,
        ],
    ),
    (
        "nothing-hidden",
        &[
            r#"tool = "post_comment", arguments = { body = "a\u200Bb" }, expect = "warn""#,
            r#"tool = "post_comment", arguments = { body = "plain" }, expect = "allow""#,
        ],
    ),
    (
        "ci-builds-only",
        &[
            r#"tool = "deploy", facts = { agent = "ci-bot" }, expect = "deny""#,
            r#"tool = "read_file", facts = { agent = "ci-bot" }, expect = "allow""#,
            r#"tool = "deploy", expect = "allow""#,
        ],
    ),
    (
        "may-read",
        &[
            r#"tool = "read_file", arguments = { path = "/home/me/app/a", encoding = "x" }, expect = "deny""#,
            r#"tool = "anything_else", expect = "deny""#,
            r#"tool = "read_file", arguments = { path = "/home/me/app/a" }, expect = "allow""#,
        ],
    ),
];

/// Who and where, for the recipes that ask.
const IDENTITY: &str = "[identity]\nroot = \"/home/me/app\"\nagent = \"dev\"\n";

/// The recipes of the page: the text of each, by the id of its last rule.
fn recipes() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(parts::root().join("README.md")).unwrap();
    let (_, cookbook) = page.split_once("\n## Cookbook\n").expect("the page has a cookbook");
    let cookbook = cookbook.split("\n## ").next().unwrap();
    let texts = cookbook.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let id = |text: &str| text.rsplit_once("\nid = \"").unwrap().1.split('"').next().unwrap().to_owned();
    texts.map(|text| (id(text), text.to_owned())).collect()
}

#[test]
fn every_recipe_of_the_cookbook_stops_what_it_should_and_nothing_else() {
    let recipes = recipes();
    let known: Vec<&str> = CALLS.iter().map(|(id, _)| *id).collect();
    assert!(recipes.len() == 20 && recipes.keys().all(|id| known.contains(&id.as_str())), "{recipes:#?}");
    for (id, calls) in CALLS {
        // The fourth is an exception to the third.
        let before = if *id == "public-keys-are-fine" { recipes["no-secrets"].as_str() } else { "" };
        let calls: Vec<String> = calls.iter().map(|call| format!("  {{ {call} }},\n")).collect();
        let home = Home::with_policy(&format!(
            "version = 1\n{before}{}test = [\n{}]\n\n{IDENTITY}",
            recipes[*id],
            calls.concat()
        ));
        let told = home.run(&["policy", "test"]);
        assert_eq!(told.code, Some(0), "{id}\n{}\n{}", told.out, told.err);
        let told = home.run(&["policy", "check"]);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{id} gives cause for a note");
    }
}
