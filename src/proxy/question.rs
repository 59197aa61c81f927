//! A call that nobody makes: asked about by `check`, `explain` and `POST /v1/check`, judged as `run` would judge it.
//!
//! It records nothing and spends nothing. Invariant: the line that is judged is the one that a client would send.

use std::io;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::{Known, LocalLinks, facts, folder, session_info};
use crate::call::{Call, Reading, read_either};
use crate::clock;
use crate::guard::Answer;
use crate::policy::explain::Before;
use crate::policy::{Policy, Verdict, World};
use crate::settings::Config;
use crate::wire::{Frame, Json, mcp, read, shown};

/// A call that nobody makes.
pub struct Question<'a> {
    /// The request as a client would send it; [`request`] writes one.
    pub line: &'a [u8],
    /// The tool whose call made the task, where the line is about one.
    pub task_of: &'a str,
    /// The server's name.
    pub server: &'a str,
    /// The agent's key, where it is not the file's.
    pub agent: Option<&'a str>,
    /// What is known of a tool as the server listed it.
    pub listed: &'a dyn Fn(&str) -> Known,
    /// When, milliseconds since the Unix epoch, where it is not now.
    pub at: Option<i64>,
    /// What came before it.
    pub before: Before,
}

/// What is said to it.
#[derive(Debug)]
pub struct Asked {
    /// For scripts.
    pub answer: Answer,
    /// What it comes from; `None` under off.
    pub verdict: Option<Verdict>,
}

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// The policy has no say in it.
    #[error("requests with this method are not judged: they pass")]
    NotJudged,
    /// More than one, or none at all.
    #[error("ask about one message at a time")]
    NotOne,
    /// What is to become `arguments` is not JSON that has one meaning.
    #[error("{0}")]
    NotJson(String),
    /// A resource has no arguments.
    #[error("a resource is read by its URI alone, without arguments")]
    ResourceArguments,
    /// The policy has no such label.
    #[error("the policy has no label `{named}`: {known}")]
    UnknownLabel {
        /// What was asked for, fit to be shown.
        named: String,
        /// Which it has, in words.
        known: String,
    },
    /// No random numbers.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Question<'_> {
    /// The policy's answer.
    ///
    /// # Errors
    /// Where the message is nothing that the policy judges.
    pub fn ask(&self, config: &Config) -> Result<Asked, Unasked> {
        let info = session_info(config, self.agent, self.server, folder(config, self.server))?;
        let facts = facts(&info);
        let policy = &config.policy;
        let stance = policy.stance(facts.agent.as_deref(), self.server);
        // Read as `run` would read it, so that both judge the same.
        match reading(self.line, self.task_of)? {
            Reading::Call(call) => {
                let known = (self.listed)(&call.name);
                let world = World::of(&facts)
                    .with_links(&LocalLinks)
                    .at(self.at.unwrap_or_else(|| clock::now().unix_ms))
                    .with_claims(known.claims)
                    .with_changed(known.changed)
                    .with_past(&self.before);
                let verdict = policy.evaluate(&stance, &call, world);
                let answer = Answer::of(policy, verdict.as_ref(), &shown(call.title()), info.session);
                Ok(Asked { answer, verdict })
            }
            Reading::Malformed(malformed) => {
                let verdict = policy.malformed(&stance);
                let answer = Answer::of_malformed(policy, verdict.as_ref(), malformed.fault, info.session);
                Ok(Asked { answer, verdict })
            }
            Reading::Other => Err(Unasked::NotJudged),
        }
    }
}

/// The request that a client would send for a tool, a prompt or a URI, or a server for an elicitation of a mode;
/// `arguments` is JSON text.
///
/// # Errors
/// Where the arguments cannot be part of one.
pub fn request(method: &str, name: &str, arguments: Option<&str>) -> Result<String, Unasked> {
    let arguments = arguments.map(json).transpose()?;
    let (said, is_named, name) = (Value::from(method), !name.is_empty(), Value::from(name));
    let params = match method {
        mcp::TOOLS_CALL | mcp::PROMPTS_GET => match arguments {
            Some(arguments) => format!(r#"{{"name":{name},"arguments":{arguments}}}"#),
            None => format!(r#"{{"name":{name}}}"#),
        },
        mcp::ELICITATION if arguments.is_none() && is_named => format!(r#"{{"mode":{name}}}"#),
        mcp::RESOURCES_READ if arguments.is_none() => format!(r#"{{"uri":{name}}}"#),
        mcp::RESOURCES_READ => return Err(Unasked::ResourceArguments),
        _ => arguments.unwrap_or_else(|| "{}".to_owned()),
    };
    Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"method":{said},"params":{params}}}"#))
}

/// What `run` would take the line for; a task for one that a call of `task_of` has made.
///
/// # Errors
/// Where it is not one message.
pub fn reading<'a>(line: &'a [u8], task_of: &str) -> Result<Reading<'a>, Unasked> {
    match read(line) {
        Ok(Frame::Message(message)) => Ok(match read_either(&message) {
            Reading::Call(call) if call.method == mcp::TASKS_UPDATE => {
                Reading::Call(Call { name: task_of.to_owned().into(), ..call })
            }
            reading @ (Reading::Call(_) | Reading::Malformed(_) | Reading::Other) => reading,
        }),
        Ok(Frame::Blank | Frame::Batch(_)) => Err(Unasked::NotOne),
        Err(malformed) => Ok(Reading::Malformed(malformed)),
    }
}

/// The server that a question is about: the one that is named, else the only one of the file, else `default`.
pub fn server_named<'c>(named: Option<&'c str>, config: &'c Config) -> &'c str {
    let servers = &config.settings.servers;
    let only = servers.keys().next().filter(|_| servers.len() == 1);
    named.or(only.map(String::as_str)).unwrap_or("default")
}

/// What is given by hand: labels that are set, and how many calls were counted.
///
/// # Errors
/// Where the policy has no such label.
pub fn given(policy: &Policy, labels: &[String], calls: Option<u32>) -> Result<Before, Unasked> {
    let labels: Vec<String> = labels.iter().map(|id| id.nfc().collect()).collect();
    let is_known = |id: &String| policy.labels.iter().any(|label| *label.id == **id);
    if let Some(id) = labels.iter().find(|id| !is_known(id)) {
        let known: Vec<String> = policy.labels.iter().map(|label| shown(&label.id)).collect();
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(Unasked::UnknownLabel { named: shown(id), known });
    }
    Ok(Before::given(&labels, calls))
}

/// Arguments as strictly as a frame's: what two parsers read differently is no argument. White space between the
/// values, such as the line ends of a file, is not part of them.
fn json(text: &str) -> Result<String, Unasked> {
    let why = || match serde_json::from_str::<Value>(text) {
        Err(error) => error.to_string(),
        Ok(_) => "it can be read in two ways (a key twice, or half of a surrogate pair)".to_owned(),
    };
    let json = Json::from_text(text).ok_or_else(|| Unasked::NotJson(why()))?;
    // Inside strings JSON has neither.
    Ok(json.text().replace(['\r', '\n'], " "))
}
