//! A call that nobody makes: asked about by `check` and `explain`, judged as `run` would judge it, and told in words.
//!
//! It records nothing and spends nothing. Invariant: the line that is judged is the one that a client would send.

use std::sync::Arc;

use anstyle::Style;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::Exit;
use super::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use super::places;
use super::run::{facts, session_info};
use crate::call::{Reading, read_call};
use crate::clock;
use crate::guard::Answer;
use crate::policy::explain::Before;
use crate::policy::{Claims, Effect, Mode, Policy, Verdict, World, unix_ms};
use crate::proxy::LocalLinks;
use crate::settings::Config;
use crate::store::{KeptTool, Reader};
use crate::wire::{Frame, Json, mcp, read, shown};

/// A call that nobody makes.
pub(super) struct Question<'a> {
    /// The method.
    pub method: &'a str,
    /// The tool, the prompt or the URI.
    pub tool: &'a str,
    /// JSON text.
    pub arguments: Option<&'a str>,
    /// The server's name.
    pub server: &'a str,
    /// The agent's key, where it is not the file's.
    pub agent: Option<&'a str>,
    /// What is known of the tool.
    pub listed: Listed,
    /// When, milliseconds since the Unix epoch, where it is not now.
    pub at: Option<i64>,
    /// What came before it.
    pub before: Before,
}

impl Question<'_> {
    /// The policy's answer, for scripts and in words.
    pub fn ask(&self, config: &Config) -> anyhow::Result<(Answer, String)> {
        let line = self.line()?;
        let info = session_info(config, self.agent, self.server, std::env::current_dir().ok())?;
        let facts = facts(&info);
        let policy = &config.policy;
        let stance = policy.stance(facts.agent.as_deref(), self.server);
        let world = World::of(&facts)
            .with_links(&LocalLinks)
            .at(self.at.unwrap_or_else(|| clock::now().unix_ms))
            .with_claims(self.listed.claims)
            .with_changed(self.listed.changed)
            .with_past(&self.before);
        // Read as `run` would read it, so that both judge the same.
        let (verdict, answer) = match reading(&line) {
            Reading::Call(call) => {
                let verdict = policy.evaluate(&stance, &call, world);
                let answer = Answer::of(policy, verdict.as_ref(), self.tool, info.session);
                (verdict, answer)
            }
            Reading::Malformed(malformed) => {
                let verdict = policy.malformed(&stance);
                let answer = Answer::of_malformed(policy, verdict.as_ref(), malformed.fault, info.session);
                (verdict, answer)
            }
            Reading::Other => {
                return Err(Exit::Usage.because("requests with this method are not judged: they pass"));
            }
        };
        let words = in_words(self.tool, self.server, policy, verdict.as_ref(), &answer);
        Ok((answer, words))
    }

    /// The request that a client would send.
    pub fn line(&self) -> anyhow::Result<String> {
        let arguments = self.arguments.map(json).transpose()?.map(Json::text);
        let (method, name) = (Value::from(self.method), Value::from(self.tool));
        let params = match self.method {
            mcp::TOOLS_CALL | mcp::PROMPTS_GET => match arguments {
                Some(arguments) => format!(r#"{{"name":{name},"arguments":{arguments}}}"#),
                None => format!(r#"{{"name":{name}}}"#),
            },
            mcp::RESOURCES_READ if arguments.is_none() => format!(r#"{{"uri":{name}}}"#),
            mcp::RESOURCES_READ => {
                return Err(Exit::Usage.because("a resource is read by its URI alone, without --arguments"));
            }
            _ => arguments.unwrap_or("{}").to_owned(),
        };
        Ok(format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method},"params":{params}}}"#))
    }
}

/// What the store knows of a tool: as the server last listed it, and as it is pinned. Without a store every tool is one
/// that was not listed.
pub(super) struct Listed {
    /// What the server claims of it.
    pub claims: Option<Claims>,
    /// Whether it is another one than those that are pinned.
    pub changed: Option<bool>,
}

impl Listed {
    /// Of a tool of a server.
    pub fn of(config: &Config, server: &str, tool: &str) -> Self {
        let known = known(config, server, tool);
        let listed = known.iter().flat_map(|tool| &tool.listed);
        let claims: Option<Vec<Claims>> =
            listed.map(|row| Json::from_text(row.definition.as_deref()?).map(Claims::of)).collect();
        Self {
            claims: claims.and_then(|claims| claims.into_iter().reduce(Claims::and)),
            changed: known.and_then(|tool| tool.standing.changed()),
        }
    }

    /// Nothing is known of it.
    pub fn nothing() -> Self {
        Self { claims: None, changed: None }
    }
}

fn known(config: &Config, server: &str, tool: &str) -> Option<KeptTool> {
    let known = Reader::open(&places::store(config).ok()?).ok()?.kept_tools().ok()?;
    known.into_iter().find(|kept| kept.server == server && kept.tool == shown(tool))
}

/// The server that a question is about: the one that is named, else the only one of the file, else `default`.
pub(super) fn server_named<'c>(named: Option<&'c str>, config: &'c Config) -> &'c str {
    let servers = &config.settings.servers;
    let only = servers.keys().next().filter(|_| servers.len() == 1);
    named.or(only.map(String::as_str)).unwrap_or("default")
}

/// What is given by hand: labels that are set, and how many calls were counted.
///
/// # Errors
/// Where the policy has no such label.
pub(super) fn given(policy: &Policy, labels: &[String], calls: Option<u32>) -> anyhow::Result<Before> {
    let labels: Vec<String> = labels.iter().map(|id| id.nfc().collect()).collect();
    let is_known = |id: &String| policy.labels.iter().any(|label| *label.id == **id);
    if let Some(id) = labels.iter().find(|id| !is_known(id)) {
        let known: Vec<String> = policy.labels.iter().map(|label| shown(&label.id)).collect();
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(Exit::Usage.because(format!("the policy has no label `{}`: {known}", shown(id))));
    }
    Ok(Before::given(&labels, calls))
}

/// A time on the command line, milliseconds since the Unix epoch.
pub(super) fn instant(text: &str) -> Result<i64, &'static str> {
    unix_ms(text).ok_or("write date, time and offset: 2026-11-20T10:00:00Z")
}

/// What `run` would take the line for.
pub(super) fn reading(line: &str) -> Reading<'_> {
    match read(line.as_bytes()) {
        Ok(Frame::Message(message)) => read_call(&message),
        Ok(Frame::Blank | Frame::Batch(_)) => Reading::Other,
        Err(malformed) => Reading::Malformed(malformed),
    }
}

/// Arguments as strictly as a frame's: what two parsers read differently is no argument.
fn json(text: &str) -> anyhow::Result<Json<'_>> {
    let why = || match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) => error.to_string(),
        Ok(_) => "it can be read in two ways (a key twice, or half of a surrogate pair)".to_owned(),
    };
    Json::from_text(text.trim())
        .ok_or_else(|| Exit::Usage.because(format!("--arguments is not JSON: {}", why())))
}

fn in_words(
    tool: &str,
    server: &str,
    policy: &Arc<Policy>,
    verdict: Option<&Verdict>,
    answer: &Answer,
) -> String {
    let name = painted(BOLD, shown(tool));
    let Some(verdict) = verdict else {
        return format!("{} {name}: enforcement is off, nothing is judged", painted(DIM, "OFF"));
    };
    let (word, style) = word(verdict.effect);
    let mut text = format!("{} {name} on {server}\n  {}", painted(style, word), answer.reason);
    if let Some(explanation) = policy.explanation(verdict.by) {
        text = format!("{text}\n  {explanation}");
    }
    if let Some(then) = then(verdict) {
        text = format!("{text}\n  {}", painted(DIM, then));
    }
    let others: Vec<_> = verdict
        .matched
        .iter()
        .filter(|found| found.by != verdict.by)
        .map(|found| policy.rule_id(found.by))
        .collect();
    if !others.is_empty() {
        text.push_str(&painted(DIM, format!("\n  also matched: {}", others.join(", "))));
    }
    text
}

/// A verdict in the first word that people read.
pub(super) fn word(effect: Effect) -> (&'static str, Style) {
    match effect {
        Effect::Allow => ("ALLOW", GREEN),
        Effect::Warn => ("WARN", YELLOW),
        Effect::RequireApproval => ("REQUIRE APPROVAL", YELLOW.bold()),
        Effect::Deny => ("DENY", RED.bold()),
    }
}

/// What the modes make of a verdict that is more than allow.
pub(super) fn then(verdict: &Verdict) -> Option<&'static str> {
    if verdict.effect == Effect::Allow {
        return None;
    }
    Some(match (verdict.acting.effect, verdict.acting.mode, verdict.mode) {
        (Effect::Deny, _, _) => "enforced: the call would be blocked",
        (Effect::RequireApproval, _, _) => {
            "enforced: the call would be blocked, for nobody can be asked in this version"
        }
        (Effect::Warn, _, _) => "the call would pass with a warning",
        (Effect::Allow, _, Mode::Shadow) => {
            "in shadow: the call would pass, and the verdict would be recorded"
        }
        (Effect::Allow, _, Mode::Off | Mode::Warn | Mode::Enforce) => "the call would pass",
    })
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    use super::{Before, Listed, Question};
    use crate::settings::{Environment, read};

    const RULES: &str = r#"
[[rule]]
id = "no-drops"
tools = "query"
when = { "/sql" = { matches = "(?i)drop" } }
action = "deny"
reason = "dropped tables do not come back"

[[rule]]
id = "look-twice"
tools = ["query", "push"]
action = "warn"

[[rule]]
id = "ask-first"
tools = "deploy"
action = "require_approval"
"#;

    fn asked(mode: &str, tool: &str, arguments: &str) -> String {
        let source = format!("version = 1\nmode = \"{mode}\"\n{RULES}");
        let config = read(&source, &Environment::default()).unwrap().config;
        let question = Question {
            method: "tools/call",
            tool,
            arguments: Some(arguments),
            server: "db",
            agent: Some("ci-bot"),
            listed: Listed::nothing(),
            at: None,
            before: Before::default(),
        };
        let (answer, words) = question.ask(&config).unwrap();
        format!("{}\n(decision {})", strip_str(&words), answer.decision)
    }

    #[test]
    fn shadow_tells_the_verdict_and_that_the_call_would_pass() {
        assert_snapshot!(asked("shadow", "query", r#"{"sql": "DROP TABLE t"}"#), @r#"
        DENY query on db
          (shadow) rule 1 (query) in policy "default"
          dropped tables do not come back
          in shadow: the call would pass, and the verdict would be recorded
          also matched: look-twice
        (decision allow)
        "#);
    }

    #[test]
    fn enforce_tells_that_the_call_would_be_blocked() {
        assert_snapshot!(asked("enforce", "query", r#"{"sql": "drop table t"}"#), @r#"
        DENY query on db
          rule 1 (query) in policy "default"
          dropped tables do not come back
          enforced: the call would be blocked
          also matched: look-twice
        (decision deny)
        "#);
        assert_snapshot!(asked("enforce", "deploy", "{}"), @r#"
        REQUIRE APPROVAL deploy on db
          rule 3 (deploy) in policy "default"
          enforced: the call would be blocked, for nobody can be asked in this version
        (decision require_approval)
        "#);
    }

    #[test]
    fn another_time_can_be_asked_about() {
        let source = "version = 1\n[[rule]]\naction = \"deny\"\nunless = { time = { in = \"Fri\", zone = \"UTC\" } }\n";
        let config = read(source, &Environment::default()).unwrap().config;
        for (time, decision) in [("2026-11-20T00:00:00Z", "ALLOW"), ("2026-11-20T00:00:00+01:00", "DENY")] {
            let at = Some(super::instant(time).unwrap());
            let question = Question {
                method: "tools/call",
                tool: "t",
                arguments: None,
                server: "s",
                agent: None,
                listed: Listed::nothing(),
                at,
                before: Before::default(),
            };
            let (_, words) = question.ask(&config).unwrap();
            assert!(strip_str(&words).to_string().starts_with(decision), "{words}");
        }
        assert!(super::instant("2026-11-20T10:00:00").is_err());
    }

    #[test]
    fn warn_passes_with_a_warning() {
        assert_snapshot!(asked("warn", "push", "{}"), @r#"
        WARN push on db
          (warn) rule 2 (push) in policy "default"
          the call would pass with a warning
        (decision allow)
        "#);
    }

    #[test]
    fn what_no_rule_speaks_about_is_allowed_by_default() {
        assert_snapshot!(asked("enforce", "list", "{}"), @r#"
        ALLOW list on db
          default in policy "default"
        (decision allow)
        "#);
    }

    #[test]
    fn off_judges_nothing() {
        assert_snapshot!(asked("off", "query", r#"{"sql": "drop"}"#), @r#"
        OFF query: enforcement is off, nothing is judged
        (decision allow)
        "#);
    }
}
