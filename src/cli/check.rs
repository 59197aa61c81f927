//! `callgate check`: what the policy would say of one call. Records nothing, spends nothing.

use std::io::Write as _;

use clap::Args;

use super::Exit;
use super::places::Place;
use super::question::{Question, instant, listed, unasked};
use crate::proxy::{given, server_named};

const EXAMPLES: &str = "\
Examples:
  callgate check --tool write_file --arguments '{\"path\": \"/etc/passwd\"}'
  callgate check --tool query --arguments '{\"sql\": \"DROP TABLE t\"}' --agent ci-bot --json
  callgate check --tool deploy --at 2026-12-24T20:00:00+01:00

The exit code is 0 whatever the decision.";

/// The command line of `check`.
#[derive(Debug, Args)]
#[command(about = "Ask what the policy would say of one call", after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
    /// The tool (with --method: the prompt, the resource's URI, or `form` and `url` for elicitation/create)
    #[arg(long, value_name = "NAME")]
    tool: String,
    /// The arguments, a JSON object [default: none]
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
    /// Ask about another time: RFC 3339, such as 2026-11-20T10:00:00+01:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<i64>,
    /// A label that is taken as set before the call; may be repeated
    #[arg(long, value_name = "LABEL")]
    after: Vec<String>,
    /// How many calls like it are taken to have come before, for rules with a `rate`
    #[arg(long, value_name = "N", default_value_t = 0)]
    calls_before: u32,
    /// One JSON object: decision, reason, policyId, toolCallId, verdict, wouldBlock; enforcementMode where that is not
    /// enforce
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Judges the call and prints the answer.
    pub fn run(self) -> anyhow::Result<Exit> {
        let (config, _) = self.place.config()?;
        let server = server_named(self.server.as_deref(), &config);
        let question = Question {
            method: &self.method,
            tool: &self.tool,
            arguments: self.arguments.as_deref(),
            server,
            agent: self.agent.as_deref(),
            listed: listed(&config, server, &self.tool),
            at: self.at,
            before: given(&config.policy, &self.after, Some(self.calls_before)).map_err(unasked)?,
        };
        let (answer, words) = question.ask(&config)?;
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        } else {
            writeln!(out, "{words}")?;
        }
        Ok(Exit::Done)
    }
}
