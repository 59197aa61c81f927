//! `callgate policy explain`: why a call was or would be judged as it is, and what would change that.
//!
//! It reads and prints; it records nothing. Invariant: arguments go through redaction before anybody sees them.

mod as_json;
mod before;
mod words;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use self::words::{Scope, Told};
use super::Exit;
use super::places::{self, Place};
use super::question::{Question, instant, listed, unasked};
use crate::call::{Call, Reading};
use crate::clock;
use crate::policy::explain::{Before, Holds, Inquiry, Lost};
use crate::policy::{Facts, Keep, Redactor, World};
use crate::proxy::{
    Known, LocalLinks, Unasked, facts, folder, given, home_text, reading, server_named, session_info,
};
use crate::settings::{Config, read};
use crate::store::{Nearest, Reader, Recalled};
use crate::wire::{Json, shown};

const EXAMPLES: &str = "\
Examples:
  callgate policy explain --call 4gq8z1c0vn-17     a call that was recorded: the ref that the agent saw
  callgate policy explain --call 4gq8z1c0vn-17 --recorded
                                                   the same, by the policy that judged it then
  callgate policy explain --tool write_file --arguments '{\"path\": \"/etc/passwd\"}'
  callgate policy explain --tool send --after secret-read --calls-before 20
                                                   after a label was set, and after so many calls
  callgate log --json -n 1 | jq .arguments | callgate policy explain --tool write_file --arguments -

A recorded call is judged as the store has kept it: what hangs on redacted values is said to be unknown.";

/// The command line of `policy explain`.
#[derive(Debug, Args)]
#[command(about = "Why a call is judged as it is: each rule, and what would change the verdict", after_help = EXAMPLES)]
pub(super) struct Explain {
    #[command(flatten)]
    place: Place,
    /// A recorded call: its toolCallId, which refusals show as `[ref ID]`
    #[arg(long, value_name = "ID", conflicts_with_all = ["tool", "arguments", "server", "agent", "method"])]
    call: Option<String>,
    /// By the policy that judged the call then, not the one in the file now
    #[arg(long, requires = "call", conflicts_with = "tool")]
    recorded: bool,
    /// The audit store [default: the policy file's, else the usual one]
    #[arg(long, value_name = "FILE", requires = "call", conflicts_with = "tool")]
    store: Option<PathBuf>,
    /// A call that nobody made: the tool (with --method: the prompt, or the resource's URI)
    #[arg(long, value_name = "NAME", required_unless_present = "call")]
    tool: Option<String>,
    /// The arguments, a JSON object; `-` reads them from stdin [default: none]
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// The server that would run it [default: the only one in the policy file, else `default`]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// The agent's key [default: `agent` under [identity]]
    #[arg(long, value_name = "KEY")]
    agent: Option<String>,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "tools/call")]
    method: String,
    /// A label that is taken as set before the call; may be repeated
    #[arg(long, value_name = "LABEL", conflicts_with = "call")]
    after: Vec<String>,
    /// How many calls like it are taken to have come before, for rules with a `rate` [default: not known]
    #[arg(long, value_name = "N", conflicts_with = "call")]
    calls_before: Option<u32>,
    /// Ask about another time: RFC 3339, such as 2026-11-20T10:00:00+01:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant, conflicts_with = "call")]
    at: Option<i64>,
    /// Also the rules about other tools, methods and servers, and those that are off
    #[arg(long)]
    all: bool,
    /// One JSON object with everything
    #[arg(long)]
    json: bool,
}

/// A call and what it is judged by.
struct Case {
    config: Config,
    call: Given,
    facts: Facts,
    lost: Lost,
    before: Before,
    unix_ms: i64,
    recalled: Option<Recalled>,
}

/// A call, owned.
struct Given {
    method: String,
    name: String,
    arguments: Option<String>,
}

impl Explain {
    /// Explains the call.
    pub fn run(self) -> anyhow::Result<Exit> {
        let case = match &self.call {
            Some(id) => self.recorded(id)?,
            None => self.given()?,
        };
        let Some(case) = case else { return Ok(Exit::Done) };
        let mut out = anstream::stdout().lock();
        write!(out, "{}", self.told(&case)?)?;
        Ok(Exit::Done)
    }

    /// A call that nobody made; `None` where it is told already that it is malformed.
    fn given(&self) -> anyhow::Result<Option<Case>> {
        let (config, _) = self.place.config()?;
        let arguments = self.arguments.as_deref().map(text_of).transpose()?;
        let question = Question {
            method: &self.method,
            tool: self.tool.as_deref().unwrap_or_default(),
            arguments: arguments.as_deref(),
            server: server_named(self.server.as_deref(), &config),
            agent: self.agent.as_deref(),
            listed: Known::default(),
            at: None,
            before: Before::default(),
        };
        let line = question.line()?;
        let call = match reading(line.as_bytes(), question.tool).map_err(unasked)? {
            Reading::Call(call) => Given {
                method: call.method.into_owned(),
                name: call.name.into_owned(),
                arguments: call.arguments.map(|json| json.text().to_owned()),
            },
            Reading::Malformed(_) => return question.ask(&config).and_then(|(_, words)| only(&words)),
            Reading::Other => return Err(unasked(Unasked::NotJudged)),
        };
        let info = session_info(&config, question.agent, question.server, folder(&config, question.server))?;
        let (facts, lost) = (facts(&info), Lost::default());
        let before = given(&config.policy, &self.after, self.calls_before).map_err(unasked)?;
        let unix_ms = self.at.unwrap_or_else(|| clock::now().unix_ms);
        Ok(Some(Case { call, facts, lost, before, unix_ms, recalled: None, config }))
    }

    /// A call from the store; `None` where it is told already that no rule was asked about it.
    fn recorded(&self, id: &str) -> anyhow::Result<Option<Case>> {
        let id = id.trim().trim_start_matches("[ref ").trim_end_matches(']').trim().to_lowercase();
        let path = match &self.store {
            Some(path) => path.clone(),
            None => places::store(&self.place.config()?.0)?,
        };
        let reader = Reader::open(&path)?;
        let Some(recalled) = reader.recall(&id)? else { return Err(unknown(&id, &reader, &path)?) };
        let row = &recalled.row;
        if row.rule.as_deref() == Some("malformed") {
            let reason = row.reason.as_deref().unwrap_or("malformed frame");
            return only(&format!(
                "{}: no rule was asked, for the frame cannot be read in one way only",
                shown(reason)
            ));
        }
        let config =
            if self.recorded { self.config_then(&reader, &recalled)? } else { self.place.config()?.0 };
        let call = Given {
            method: row.method.clone().unwrap_or_default(),
            name: row.tool.clone().unwrap_or_default(),
            arguments: row.arguments.as_ref().map(|text| text.as_str().to_owned()),
        };
        // Under off nothing of the arguments was kept, and the row does not say whether there were any.
        let kept_nothing = row.verdict.is_none();
        let lost = if kept_nothing { Lost::everything() } else { Lost::of(&recalled.lost) };
        let facts = facts_then(&recalled);
        let environment = places::environment(self.place.file()?.as_deref())?;
        let before = before::recorded(&config.policy, &recalled, &reader, &environment)?;
        let unix_ms = recalled.unix_ms;
        Ok(Some(Case { config, call, facts, lost, before, unix_ms, recalled: Some(recalled) }))
    }

    /// The policy that judged the call, from the store.
    fn config_then(&self, reader: &Reader, recalled: &Recalled) -> anyhow::Result<Config> {
        let Some(revision) = recalled.row.policy.as_deref() else {
            return Err(Exit::Failed
                .because("the call was recorded under off: no policy judged it; leave --recorded out"));
        };
        let source = reader.source_of(revision)?.with_context(|| {
            format!(
                "the store has no text of revision {revision}; without --recorded the file of now is asked"
            )
        })?;
        let environment = places::environment(self.place.file()?.as_deref())?;
        if source.is_empty() {
            return Ok(Config::builtin(&environment));
        }
        match read(&source, &environment) {
            Ok(read) => Ok(read.config),
            Err(faults) => Err(Exit::Policy.because(format!(
                "this version of callgate finds {} faults in revision {revision}, which an other version judged by",
                faults.len()
            ))),
        }
    }

    fn told(&self, case: &Case) -> anyhow::Result<String> {
        let policy = &case.config.policy;
        let server = case.facts.server.as_deref().unwrap_or("default");
        let stance = policy.stance(case.facts.agent.as_deref(), server);
        let parsed = |text: &'_ Option<String>| {
            text.as_deref().and_then(Json::from_text).map(|json| json.text().to_owned())
        };
        let arguments = parsed(&case.call.arguments);
        // What the store has redacted is not redacted again: its hashes would be of placeholders.
        let visible = match &arguments {
            Some(text) if case.lost.is_nothing() => redactor()?.arguments(text, Keep::Redacted).text,
            other => other.clone(),
        };
        let arguments = arguments.as_deref().and_then(Json::from_text);
        let call = Call::new(case.call.method.as_str(), case.call.name.as_str(), arguments);
        let known = listed(&case.config, server, &case.call.name);
        let world = World::of(&case.facts).with_links(&LocalLinks).at(case.unix_ms);
        let world = world.with_claims(known.claims).with_changed(known.changed);
        let inquiry = Inquiry {
            stance: &stance,
            call: &call,
            world,
            shown: visible.as_deref().and_then(Json::from_text),
            lost: &case.lost,
            before: &case.before,
            guarded: case.recalled.as_ref().map_or(Holds::Unknown, guarded_then),
        };
        let explanation = policy.explain(inquiry);
        let told = Told {
            policy,
            explanation: &explanation,
            stance: &stance,
            call: &call,
            facts: &case.facts,
            visible: visible.as_deref(),
            recalled: case.recalled.as_ref(),
            before: &case.before,
            scope: if self.all { Scope::All } else { Scope::Near },
        };
        Ok(if self.json { format!("{}\n", told.as_json()) } else { told.in_words() })
    }
}

/// Prints what is all there is to say.
fn only(words: &str) -> anyhow::Result<Option<Case>> {
    writeln!(anstream::stdout(), "{words}")?;
    Ok(None)
}

/// What stands on the command line, or stdin for `-`.
fn text_of(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the arguments from stdin")?;
    Ok(text)
}

/// One run, one key: nobody can try guesses against hashes of what was taken out.
fn redactor() -> anyhow::Result<Redactor> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no random numbers")?;
    Ok(Redactor::new(key))
}

/// Who was at work, as the store tells.
fn facts_then(recalled: &Recalled) -> Facts {
    let row = &recalled.row;
    Facts {
        agent: row.agent.clone(),
        user: row.user.clone(),
        groups: row.groups.clone(),
        repo: row.repo.clone(),
        client: row.client.clone(),
        environment: row.environment.clone(),
        server: row.server.clone(),
        root: recalled.root.clone(),
        home: home_text(),
    }
}

/// Whether the built-in rule matched when the call was judged.
fn guarded_then(recalled: &Recalled) -> Holds {
    let Some(matched) = &recalled.row.matched else { return Holds::Unknown };
    let matched: Vec<serde_json::Value> = serde_json::from_str(matched.as_str()).unwrap_or_default();
    if matched.iter().any(|found| found["rule"] == "callgate-self") { Holds::Yes } else { Holds::No }
}

/// No call has this id.
fn unknown(id: &str, reader: &Reader, path: &Path) -> anyhow::Result<anyhow::Error> {
    let near = match reader.nearest(id)? {
        Nearest::CallsUpTo(last) => format!("; that session has calls up to {last}"),
        Nearest::Call(near) => format!("; did you mean `{near}`?"),
        Nearest::Nothing => ": `callgate log --json` shows ids as `tool_call_id`".to_owned(),
    };
    Ok(Exit::Failed.because(format!("no call `{}` in `{}`{near}", shown(id), path.display())))
}
