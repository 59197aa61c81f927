//! `callgate policy`: is the file right, and does it do what its author says?

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Exit;
use super::explain::Explain;
use super::fmt::Fmt;
use super::known::FromStore;
use super::paint::{self, BOLD, DIM, GREEN, RED, painted};
use super::places::{self, File, Place};
use super::schema::Schema;
use crate::clock;
use crate::policy::{By, Diagnostic, Facts, Tried, World, notes_on_known, run_examples};
use crate::proxy::{Unread, gather, home_text, summary};
use crate::settings::{Config, read};

/// The sub-commands of `policy`.
#[derive(Debug, Subcommand)]
#[command(
    about = "Check, test, explain and lay out the policy file",
    after_help = "`callgate help policy` prints the policy language, with an example of each part."
)]
pub(super) enum Command {
    Check(Check),
    Test(Test),
    Explain(Explain),
    Fmt(Fmt),
    Schema(Schema),
}

/// The command line of `policy check`.
#[derive(Debug, Args)]
#[command(about = "Find every fault in the policy file (exit code 3), and what is worth knowing about it")]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    /// Do not compare the rules with the tools and calls that the audit store knows
    #[arg(long)]
    no_store: bool,
    /// One JSON object: `ok`, `revision`, `diagnostics`, `known`
    #[arg(long)]
    json: bool,
}

/// The command line of `policy test`.
#[derive(Debug, Args)]
#[command(about = "Run every [[rule.test]] of the policy file (exit code 4 where one fails)")]
pub(super) struct Test {
    #[command(flatten)]
    which: Which,
    /// One JSON object: `passed`, `failed`, `tests`
    #[arg(long)]
    json: bool,
}

/// Which file.
#[derive(Debug, Args)]
struct Which {
    /// The policy file [default: as --config]
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Command {
    /// Runs the sub-command.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Check(check) if check.json => check.run_json(),
            Self::Check(check) => check.run(),
            Self::Test(test) => test.run(),
            Self::Explain(explain) => explain.run(),
            Self::Fmt(fmt) => fmt.run(),
            Self::Schema(schema) => schema.run(),
        }
    }
}

impl Which {
    fn place(&self) -> Place {
        Place { config: self.file.clone().or_else(|| self.place.config.clone()) }
    }
}

impl Check {
    fn run(self) -> anyhow::Result<Exit> {
        let file = self.which.place().required()?;
        let config = &file.read.config;
        let from_store = self.known(config);
        for note in with_notes_on_known(&file.text, file.read.notes.clone(), config, &from_store) {
            paint::diagnostic(&note, &file.path, &file.text);
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "{} {}: {}", painted(GREEN, "ok"), file.path.display(), summary(config))?;
        if let Some(told) = &from_store.told {
            writeln!(out, "{}", painted(DIM, format!("   {told}")))?;
        }
        Ok(Exit::Done)
    }

    fn known(&self, config: &Config) -> FromStore {
        if self.no_store { FromStore::nothing() } else { FromStore::of(config) }
    }

    fn run_json(self) -> anyhow::Result<Exit> {
        let Some(path) = self.which.place().file()? else {
            return Err(Exit::Usage.because("there is no policy file: name one"));
        };
        let environment = places::environment(Some(&path))?;
        let (text, found) = match gather(&path, &environment) {
            Ok(text) => (text.clone(), read(&text, &environment)),
            Err(Unread::Include { fault, text }) => (text, Err(vec![*fault])),
            Err(unread @ Unread::Itself(_)) => return Err(places::told(&unread, &path)),
        };
        let (exit, revision, diagnostics, known) = match found {
            Ok(read) => {
                let from_store = self.known(&read.config);
                let notes = with_notes_on_known(&text, read.notes, &read.config, &from_store);
                let revision = read.config.policy.revision.to_string();
                (Exit::Done, Some(revision), notes, from_store.counts())
            }
            Err(faults) => (Exit::Policy, None, faults, json!({})),
        };
        let diagnostics: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.to_json(&text)).collect();
        let answer = json!({
            "ok": exit == Exit::Done, "path": path.display().to_string(), "revision": revision, "diagnostics": diagnostics,
            "known": known,
        });
        writeln!(anstream::stdout(), "{answer}")?;
        Ok(exit)
    }
}

/// The notes of a file, and those about the tools that are known, in the order of the text.
fn with_notes_on_known(
    text: &str,
    mut notes: Vec<Diagnostic>,
    config: &Config,
    from_store: &FromStore,
) -> Vec<Diagnostic> {
    let servers: Vec<&str> = config.settings.servers.keys().map(String::as_str).collect();
    notes.extend(notes_on_known(text, &config.policy, &from_store.known, &servers));
    notes.sort_by_key(|note| note.span.start);
    notes
}

impl Test {
    fn run(self) -> anyhow::Result<Exit> {
        let file = self.which.place().required()?;
        let policy = &file.read.config.policy;
        let tried = run_examples(policy, World::of(&facts(&file.read.config)).at(clock::now().unix_ms));
        let failed = tried.iter().filter(|tried| !tried.passed()).count();
        let mut out = anstream::stdout().lock();
        if self.json {
            let tests: Vec<_> = tried.iter().map(|tried| as_json(&file, tried)).collect();
            writeln!(out, "{}", json!({ "passed": tried.len() - failed, "failed": failed, "tests": tests }))?;
        } else {
            for tried in &tried {
                writeln!(out, "{}", line(&file, tried))?;
            }
            writeln!(out, "{}", total(&file, tried.len(), failed))?;
        }
        Ok(if failed == 0 { Exit::Done } else { Exit::Differs })
    }
}

/// What a test may take for known where it does not say: what the file says, and `~`. The same everywhere but for that.
fn facts(config: &Config) -> Facts {
    let identity = config.settings.identity.clone();
    Facts {
        agent: identity.agent,
        groups: identity.groups,
        environment: identity.environment,
        root: identity.root,
        home: home_text(),
        ..Facts::default()
    }
}

fn as_json(file: &File, tried: &Tried<'_>) -> serde_json::Value {
    let policy = &file.read.config.policy;
    json!({
        "rule": policy.rule_id(By::Rule(tried.rule)).as_ref(), "file": tried.example.file.as_deref(), "line": tried.example.line, "name": tried.example.name,
        "tool": tried.example.tool, "expect": tried.example.expect.as_str(),
        "verdict": tried.verdict.as_ref().map(|verdict| verdict.effect.as_str()),
        "by": tried.verdict.as_ref().map(|verdict| policy.rule_id(verdict.by).to_string()), "passed": tried.passed(),
    })
}

fn line(file: &File, tried: &Tried<'_>) -> String {
    let policy = &file.read.config.policy;
    let (rule, example) = (policy.rule_id(By::Rule(tried.rule)), tried.example);
    let name = example.name.clone().unwrap_or_else(|| format!("{} is {}", example.tool, example.expect));
    if tried.passed() {
        return format!("{} {rule}: {name}", painted(GREEN, "ok  "));
    }
    let path = example.file.as_deref().map_or_else(|| file.path.display().to_string(), str::to_owned);
    let place = painted(DIM, format!("{path}:{}", example.line));
    let got = match &tried.verdict {
        Some(verdict) => format!("{} from {}", painted(BOLD, verdict.effect), policy.rule_id(verdict.by)),
        None => "no verdict: its arguments cannot be read".to_owned(),
    };
    let expected = painted(BOLD, example.expect);
    format!("{} {rule}: {name}\n     expected {expected}, got {got}  {place}", painted(RED.bold(), "FAIL"))
}

fn total(file: &File, tests: usize, failed: usize) -> String {
    let untested = file.read.config.policy.rules.iter().filter(|rule| rule.examples.is_empty()).count();
    let mut text = format!("{} passed, {failed} failed", tests - failed);
    if untested > 0 {
        let s = if untested == 1 { "" } else { "s" };
        text.push_str(&painted(DIM, format!(" ({untested} rule{s} without a test)")));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    use super::{facts, line, total};
    use crate::cli::places::File;
    use crate::policy::{World, run_examples};
    use crate::settings::{Environment, read};

    const TEXT: &str = r#"version = 1

[identity]
root = "/app"

[[rule]]
id = "inside"
tools = "write_file"
when = { "/path" = { path_outside = "{root}" } }
action = "deny"

[[rule.test]]
name = "the project is open"
tool = "write_file"
arguments = { path = "/app/a" }
expect = "allow"

[[rule.test]]
tool = "write_file"
arguments = { path = "/etc/hosts" }
expect = "warn"

[[rule]]
id = "untested"
tools = "drop_table"
action = "deny"
"#;

    #[test]
    fn failing_policy_tests_say_what_came_instead_and_where() {
        let read = read(TEXT, &Environment::default()).unwrap();
        let environment = Environment::default();
        let file = File { path: PathBuf::from("/c/mcp.toml"), text: TEXT.to_owned(), environment, read };
        let tried = run_examples(&file.read.config.policy, World::of(&facts(&file.read.config)));
        let mut lines: Vec<String> = tried.iter().map(|tried| line(&file, tried)).collect();
        lines.push(total(&file, tried.len(), 1));
        assert_snapshot!(strip_str(&lines.join("\n")), @r#"
        ok   inside: the project is open
        FAIL inside: write_file is warn
             expected warn, got deny from inside  /c/mcp.toml:18
        1 passed, 1 failed (1 rule without a test)
        "#);
    }
}
