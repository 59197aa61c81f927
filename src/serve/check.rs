//! `POST /v1/check`: what the policy would say of one call. Forwards nothing, records nothing, spends nothing.
//!
//! It refuses to guess: what it does not know in a body is a problem, never left out. Invariant: the answer is that of
//! `callgate check`, and the agent is whoever the key is bound to, whatever the body says.

use std::borrow::Cow;
use std::path::PathBuf;

use axum::http::StatusCode;
use memchr::memmem;

use super::problem::{Problem, Reply, unknown_member};
use crate::policy::unix_ms;
use crate::proxy::{Listed, Question, Unasked, given, request, server_named};
use crate::settings::Config;
use crate::wire::{Json, JsonKind, mcp};

/// What a body may say of a call.
const KEYS: [&str; 8] = ["tool", "name", "arguments", "server", "method", "at", "after", "callsBefore"];

/// Answers questions about calls.
#[derive(Debug)]
pub struct Check {
    listed: Listed,
}

/// A body, read.
#[derive(Debug, Default)]
struct Wanted<'a> {
    tool: Option<Cow<'a, str>>,
    arguments: Option<Json<'a>>,
    server: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    at: Option<i64>,
    after: Vec<String>,
    calls_before: u32,
}

impl Check {
    /// With what this store knows of the tools that servers list.
    pub fn new(store: Option<PathBuf>) -> Self {
        Self { listed: Listed::in_store(store) }
    }

    /// The policy's answer to a body: `{"tool": "…", "arguments": {…}}`, or a whole JSON-RPC message. `agent` is the key's;
    /// `server` is the one that the address names, where the body names none.
    pub fn answer(&self, config: &Config, agent: Option<&str>, server: Option<&str>, body: &[u8]) -> Reply {
        match self.judged(config, agent, server, body) {
            Ok(answer) => (StatusCode::OK, answer),
            Err(problem) => problem.into_reply(),
        }
    }

    fn judged(
        &self,
        config: &Config,
        agent: Option<&str>,
        server: Option<&str>,
        body: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        let (line, wanted) = match message(body) {
            Some(line) => (line, Wanted::default()),
            None => Wanted::read(body).and_then(|wanted| Ok((wanted.line()?, wanted)))?,
        };
        let server = server_named(wanted.server.as_deref().or(server), config);
        let question = Question {
            line: &line,
            task_of: wanted.tool.as_deref().unwrap_or_default(),
            server,
            agent,
            listed: &|tool| self.listed.known(server, tool),
            at: wanted.at,
            before: given(&config.policy, &wanted.after, Some(wanted.calls_before)).map_err(unasked)?,
        };
        let asked = question.ask(config).map_err(unasked)?;
        serde_json::to_vec(&asked.answer).map_err(|error| unasked(Unasked::Io(error.into())))
    }
}

/// The line that a whole message is behind the HTTP face: a newline between its values ends no message there. A body
/// that cannot be read in one way only is one where it says so: it is judged for what it is.
fn message(body: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(body).ok();
    let is_message = match text.and_then(Json::from_text) {
        Some(json) => json.member("jsonrpc").is_some(),
        None => memmem::find(body, b"\"jsonrpc\"").is_some(),
    };
    is_message.then(|| body.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect())
}

impl<'a> Wanted<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let text =
            str::from_utf8(body).map_err(|_| Problem::body("the body is not UTF-8, as JSON must be"))?;
        let json = Json::from_text(text).ok_or_else(|| not_json(text))?;
        if json.kind() != JsonKind::Object {
            return Err(Problem::body("the body is no JSON object").with_hint(EXAMPLE));
        }
        let mut wanted = Self::default();
        for (name, value) in json.members() {
            wanted.take(&name, value)?;
        }
        Ok(wanted)
    }

    fn take(&mut self, name: &str, value: Json<'a>) -> Result<(), Problem> {
        match name {
            "tool" | "name" => {
                let hint = "`name` is another word for `tool`: write one of them";
                if self.tool.is_some() {
                    return Err(Problem::member(name, "the tool is named twice").with_hint(hint));
                }
                self.tool = Some(string(name, value)?);
            }
            "arguments" => self.arguments = Some(value),
            "server" => self.server = Some(string(name, value)?),
            "method" => self.method = Some(string(name, value)?),
            "at" => self.at = Some(instant(name, value)?),
            "after" => self.after = labels(name, value)?,
            "callsBefore" => self.calls_before = count(name, value)?,
            "agent" => {
                let hint = "leave it out, or ask with a key of that agent";
                return Err(
                    Problem::member(name, "the agent is the one that the key is bound to").with_hint(hint)
                );
            }
            "params" => {
                let hint = "a whole message also says \"jsonrpc\": \"2.0\"";
                return Err(Problem::member(name, "`params` belongs to a JSON-RPC message").with_hint(hint));
            }
            _ => return Err(unknown_member(name, KEYS.into_iter())),
        }
        Ok(())
    }

    /// The request that a client would send.
    fn line(&self) -> Result<Vec<u8>, Problem> {
        let method = self.method.as_deref().unwrap_or(mcp::TOOLS_CALL);
        let needs_name = matches!(method, mcp::TOOLS_CALL | mcp::PROMPTS_GET | mcp::RESOURCES_READ);
        if needs_name && self.tool.is_none() {
            return Err(Problem::body("`tool` is missing").with_hint(EXAMPLE));
        }
        let name = self.tool.as_deref().unwrap_or_default();
        let line = request(method, name, self.arguments.map(Json::text)).map_err(unasked)?;
        Ok(line.into_bytes())
    }
}

/// The way out of most problems.
const EXAMPLE: &str = r#"{"tool": "write_file", "arguments": {"path": "/etc/passwd"}}"#;

fn not_json(text: &str) -> Problem {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        // Where it breaks, in serde's words: lines, columns and what was expected, no values.
        Err(error) => Problem::body(format!("the body is not JSON: {error}")),
        Ok(_) => Problem::body(
            "the body can be read in two ways: a key twice, half of a surrogate pair, or nested too deeply",
        ),
    }
}

fn string<'a>(name: &str, value: Json<'a>) -> Result<Cow<'a, str>, Problem> {
    value.as_str().ok_or_else(|| Problem::member(name, format!("`{name}` is no string")))
}

fn instant(name: &str, value: Json<'_>) -> Result<i64, Problem> {
    let time = value.as_str().and_then(|text| unix_ms(&text));
    time.ok_or_else(|| {
        Problem::member(name, format!("`{name}` is no time"))
            .with_hint("write date, time and offset: \"2026-11-20T10:00:00Z\"")
    })
}

/// One label, or a list of them.
fn labels(name: &str, value: Json<'_>) -> Result<Vec<String>, Problem> {
    let list: Vec<Json<'_>> =
        if value.kind() == JsonKind::Array { value.elements().collect() } else { vec![value] };
    let labels: Option<Vec<String>> =
        list.into_iter().map(|label| Some(label.as_str()?.into_owned())).collect();
    labels.ok_or_else(|| {
        Problem::member(name, format!("`{name}` is no list of labels")).with_hint("[\"secret-read\"]")
    })
}

fn count(name: &str, value: Json<'_>) -> Result<u32, Problem> {
    let count = if value.kind() == JsonKind::Number { value.text().parse().ok() } else { None };
    count.ok_or_else(|| {
        Problem::member(name, format!("`{name}` is no count"))
            .with_hint(format!("a whole number from 0 to {}", u32::MAX))
    })
}

fn unasked(why: Unasked) -> Problem {
    match why {
        Unasked::NotJudged => Problem::new(StatusCode::BAD_REQUEST, "not_judged", why.to_string()),
        Unasked::UnknownLabel { .. } => Problem::member("after", why.to_string()),
        Unasked::ResourceArguments | Unasked::NotJson(_) => Problem::member("arguments", why.to_string()),
        Unasked::NotOne => Problem::body(why.to_string()),
        Unasked::Io(error) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("no answer can be made: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests;
