//! The conformance scenarios of the MCP project: direct, through `callgate run`, and through `callgate serve`.
//!
//! It refuses to take its own fixture on trust: the same scenarios run against it with nothing in between.
//!
//! Invariant: whatever stands in between, each scenario gives as many passes as direct, but for one answer that is the
//! gateway's own and says so.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use callgate::store::Scope;
use regex::Regex;

use crate::support::face::{Face, key};
use crate::support::home::Home;
use crate::support::parts::{self, Modern};
use crate::support::process::{Deadline, Line, Piped, command_line};
use crate::support::serving::{Listening, free_port};

/// All scenarios in a row, each with sessions of its own, on a machine that is busy with other tests.
const SUITE_TIME: Duration = Duration::from_mins(2);

/// The scenario that asks whoever is nearest to it whether it refuses foreign hosts.
const REBINDING: &str = "dns-rebinding-protection";

/// Not part of the active suite, but it is in the fixture: whether schemas arrive unchanged.
const PENDING: &str = "json-schema-2020-12";

#[test]
fn the_fixture_passes_every_scenario_direct() {
    let Some(modern) = parts::modern("the_fixture_passes_every_scenario_direct") else { return };
    let fixture = fixture(&modern);
    assert_eq!(figures(&modern, &fixture.url).totals(), (40, 0));
}

#[test]
fn through_run_in_shadow_every_scenario_passes_that_the_gateway_leaves_to_us() {
    let test = "through_run_in_shadow_every_scenario_passes_that_the_gateway_leaves_to_us";
    through_run(test, "shadow");
}

#[test]
fn through_an_enforcing_run_every_scenario_passes_that_the_gateway_leaves_to_us() {
    let test = "through_an_enforcing_run_every_scenario_passes_that_the_gateway_leaves_to_us";
    through_run(test, "enforce");
}

#[test]
fn through_serve_in_shadow_every_scenario_passes() {
    through_serve("through_serve_in_shadow_every_scenario_passes", "shadow");
}

#[test]
fn through_an_enforcing_serve_every_scenario_passes() {
    through_serve("through_an_enforcing_serve_every_scenario_passes", "enforce");
}

fn through_run(test: &str, mode: &str) {
    let Some(modern) = parts::modern(test) else { return };
    let fixture = fixture(&modern);
    let home = Home::with_policy(&policy(mode));
    let gateway = gateway(&modern, &home, &fixture.url);
    let figures = figures(&modern, &gateway.url);
    let failed = figures.failed();
    assert!(failed.is_empty() || failed == [REBINDING], "{figures:?}\n{}", gateway.process.stderr());
    assert!(figures.totals().0 >= 39, "{figures:?}");
    assert_judged(&home, mode);
}

fn through_serve(test: &str, mode: &str) {
    let Some(modern) = parts::modern(test) else { return };
    let fixture = fixture(&modern);
    let servers = format!("[servers.fixture]\nurl = \"{}\"\n", fixture.url);
    let home = Home::with_policy(&(policy(mode) + &servers));
    let key = key(&home, "scenarios", None, &[Scope::Call]);
    let face = Face::start(&home, &[]);
    // The scenarios cannot send a bearer.
    let mut relay = command_line::<_, &str>(&modern.script("servers/bearer.mjs"), &[]);
    relay.env("TARGET", face.url()).env("BEARER", key);
    let relay = Listening::told(relay);
    let figures = figures(&modern, &format!("{}/mcp/fixture", relay.url));
    assert_eq!(figures.totals(), (40, 0), "{figures:?}\n{}", face.process.stderr());
    assert_judged(&home, mode);
}

/// A policy that judges every call and stops none that the scenarios make.
fn policy(mode: &str) -> String {
    let rule = "[[rule]]\nid = \"never\"\ntools = [\"never_called\"]\naction = \"deny\"\n";
    format!("version = 1\nmode = \"{mode}\"\n\n{rule}\n")
}

fn fixture(modern: &Modern) -> Listening {
    Listening::fixture(&modern.script("servers/conformance/server.mjs"), &[])
}

/// A gateway that starts `callgate run --url` for each session.
fn gateway(modern: &Modern, home: &Home, url: &str) -> Listening {
    let run = format!("{} run --url {url}", env!("CARGO_BIN_EXE_callgate"));
    let port = free_port();
    let options = ["--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none", "--port"];
    let mut command = command_line(&modern.package("supergateway/dist/index.js"), &["--stdio", &run]);
    home.settle(command.args(options).arg(port.to_string()));
    Listening::at(command, port, "/mcp")
}

/// What the scenarios did was calls that were judged, and all were let through.
fn assert_judged(home: &Home, mode: &str) {
    let rows = home.await_rows(12);
    let calls: Vec<_> = rows.iter().filter(|row| row.method.as_deref() == Some("tools/call")).collect();
    assert!(calls.len() >= 12, "{rows:#?}");
    for row in calls {
        let seen = (row.verdict.as_deref(), row.outcome.as_deref(), row.mode.as_deref());
        assert_eq!(seen, (Some("allow"), Some("forwarded"), Some(mode)), "{row:?}");
    }
}

/// Passes and failures of each scenario.
#[derive(Debug)]
struct Figures(BTreeMap<String, (u32, u32)>);

impl Figures {
    fn totals(&self) -> (u32, u32) {
        let active = self.0.iter().filter(|(name, _)| *name != PENDING);
        active.fold((0, 0), |sum, (_, figures)| (sum.0 + figures.0, sum.1 + figures.1))
    }

    fn failed(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, figures)| figures.1 > 0).map(|(name, _)| name.as_str()).collect()
    }
}

/// Runs the active suite and the one pending scenario that the fixture knows.
fn figures(modern: &Modern, url: &str) -> Figures {
    let url = url.replace("127.0.0.1", "localhost");
    let words = modern.package("@modelcontextprotocol/conformance/dist/index.js");
    let suite = told(&mut command_line(&words, &["server", "--url", &url]));
    let pending = told(&mut command_line(&words, &["server", "--url", &url, "--scenario", PENDING]));
    let summary = Regex::new(r"(?m)^. (\S+): (\d+) passed, (\d+) failed$").unwrap();
    let mut figures: BTreeMap<String, (u32, u32)> = summary
        .captures_iter(&suite)
        .map(|line| (line[1].to_owned(), (line[2].parse().unwrap(), line[3].parse().unwrap())))
        .collect();
    assert_eq!(figures.len(), 30, "{suite}");
    let single = Regex::new(r"Passed: (\d+)/(\d+), (\d+) failed").unwrap();
    let single = single.captures(&pending).unwrap_or_else(|| panic!("{pending}"));
    assert_eq!((&single[1], &single[2]), ("4", "4"), "{pending}");
    figures.insert(PENDING.to_owned(), (4, 0));
    Figures(figures)
}

/// All that a command writes to its stdout, once it has ended.
fn told(command: &mut Command) -> String {
    let process = Piped::start(command);
    let deadline = Deadline::within(SUITE_TIME);
    let mut told = String::new();
    loop {
        match process.line(deadline.left()) {
            Line::Said(line) => told += &String::from_utf8_lossy(&line),
            Line::Closed => return told,
            Line::Silence => panic!("the scenarios did not end: {told}{}", process.stderr()),
        }
    }
}
