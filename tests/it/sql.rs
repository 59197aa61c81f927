//! A rule that lets queries read and nothing else, against what people ask and what attackers send.
//!
//! It refuses to count a payload as stopped where the plain query around it would be stopped as well.
//!
//! Invariant: without the larger test data the repository's own queries stand alone, and the run says so.

use std::collections::BTreeMap;
use std::fs;

use callgate::call::Call;
use callgate::policy::{Effect, Facts, Policy, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use serde_json::{Value, json};

use crate::support::parts::{self, say};

/// Queries around a payload, as careless tools put them together.
const CARELESS: [(&str, &str); 3] = [
    ("'", "SELECT * FROM users WHERE name = '{}' AND active = 1"),
    ("\"", "SELECT * FROM users WHERE name = \"{}\" AND active = 1"),
    ("", "SELECT * FROM users WHERE id = {} AND active = 1"),
];

#[test]
fn no_ordinary_query_is_stopped() {
    let text = fs::read_to_string(parts::fixture("sql/reads.txt")).unwrap();
    let mut count = 0;
    for entry in text.split("\n==== ").skip(1) {
        let (header, query) = entry.split_once('\n').unwrap();
        let (dialect, named) = header.split_once(' ').map_or((header, false), |(dialect, _)| (dialect, true));
        assert!(passes(&only_reads(Some(dialect)), query), "{dialect}: {query}");
        assert_eq!(passes(&only_reads(None), query), !named, "read in every way: {query}");
        count += 1;
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn queries_that_break_out_of_their_quotes_to_write_are_stopped() {
    let policy = only_reads(None);
    for payload in [
        "x'; DROP TABLE users; --",
        "x'; DROP TABLE users; #",
        "x'/**/;/**/DeLeTe/**/FROM users;--",
        "x' DROP TABLE users --",
        "x'; EXEC xp_cmdshell 'dir'; --",
        "x' UNION SELECT 1 INTO OUTFILE '/var/www/x.php' -- ",
        "x' AND sleep(5) AND '1'='1",
        "x' || pg_sleep(5) || '",
        "x'; WAITFOR DELAY '0:0:5' --",
        "x' /*!50000; UPDATE users SET admin = 1 */ AND '1",
        "x\\'; UPDATE users SET admin = 1; -- ",
        "x' UNION SELECT load_file('/etc/passwd') -- ",
        "x'; SET GLOBAL general_log = 1; -- ",
        "x'",
        "x' /*",
    ] {
        assert!(!passes(&policy, &embedded(payload, CARELESS[0].1)), "{payload}");
    }
    // It sees statements, not what they mean: these still only read.
    for payload in ["x' OR 1=1 -- ", "x' UNION SELECT login, password FROM admins -- ", "x' OR 'a'='a"] {
        assert!(passes(&policy, &embedded(payload, CARELESS[0].1)), "{payload}");
    }
}

#[test]
fn of_the_shared_payloads_those_that_do_more_than_read_are_stopped() {
    let Some(path) = parts::test_data("sql/injection_payloads.jsonl") else { return };
    let policy = only_reads(None);
    let rows = fs::read_to_string(path).unwrap();
    let payloads = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let (mut all, mut stopped, mut passed) = (0, 0, BTreeMap::<&str, usize>::new());
    let (mut acting, mut missed) = (0, Vec::new());
    for payload in payloads {
        let payload = payload["payload"].as_str().unwrap();
        let query = careless(payload);
        let stops = !passes(&policy, &query);
        all += 1;
        stopped += usize::from(stops);
        if !stops {
            *passed.entry(what(payload)).or_default() += 1;
        }
        if acts(payload) {
            acting += 1;
            missed.extend((!stops).then_some(query));
        }
    }
    say(&format!("SQL payloads: {stopped} of {all} stopped; {acting} do more than read; passed: {passed:?}"));
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(all >= 863 && acting >= 300 && stopped >= 500, "{all} {acting} {stopped}");
}

/// Whether a payload says plainly that it waits, runs, reads files or writes. Percent codes are no SQL.
fn acts(payload: &str) -> bool {
    let lower = payload.to_lowercase();
    let marks = [
        "sleep(",
        "benchmark(",
        "waitfor delay",
        "xp_",
        "load_file",
        "outfile",
        "utl_",
        "dbms_",
        "drop table",
        "exec ",
        "exec(",
        "insert into",
        "delete from",
        "shutdown",
        "openrowset",
        "create table",
        "declare @",
    ];
    marks.iter().any(|mark| lower.contains(mark)) && !lower.starts_with("--") && !lower.starts_with('#')
}

/// What a payload that passes is.
fn what(payload: &str) -> &'static str {
    let lower = payload.to_lowercase();
    match () {
        () if lower.contains("union") => "union select",
        () if lower.contains("order by") => "order by",
        () if lower.contains("select") => "subquery",
        () if lower.contains("or ") || lower.contains("||") || lower.contains("and ") => "tautology",
        () => "other",
    }
}

/// The query of a careless tool, in the quotes that the payload means to leave. What is a statement itself goes alone.
fn careless(payload: &str) -> String {
    let first = payload.split_whitespace().next().unwrap_or_default().to_lowercase();
    if ["backup", "create", "declare", "exec", "select", "waitfor"].contains(&first.as_str()) {
        return payload.to_owned();
    }
    let quote =
        |quote: &str| payload.trim_start().starts_with(quote) || payload.contains(&format!("x{quote}"));
    let (_, query) = CARELESS.iter().find(|(opens, _)| quote(opens)).unwrap();
    embedded(payload, query)
}

fn embedded(payload: &str, query: &str) -> String {
    query.replace("{}", payload)
}

/// Denies every `query` that does more than read.
fn only_reads(dialect: Option<&str>) -> Policy {
    let dialect = dialect.map(|dialect| format!(", dialect = \"{dialect}\"")).unwrap_or_default();
    let source = format!(
        "version = 1\nmode = \"enforce\"\n[[rule]]\ntools = \"query\"\naction = \"deny\"\n\
         unless = {{ \"/sql\" = {{ sql_only = [\"select\"]{dialect} }} }}\n"
    );
    let read = read(&source, &Environment::default()).unwrap();
    std::sync::Arc::unwrap_or_clone(read.config.policy)
}

fn passes(policy: &Policy, query: &str) -> bool {
    let arguments = json!({ "sql": query }).to_string();
    let call = Call::new("tools/call", "query", Json::from_text(&arguments));
    let facts = Facts::default();
    let verdict = policy.evaluate(&policy.stance(None, "db"), &call, World::of(&facts)).unwrap();
    verdict.effect == Effect::Allow
}
