//! A call that nobody makes, as the command line asks about it, and the answer in words.
//!
//! It judges nothing itself. Invariant: shadow never hides the truth: the first word is the verdict, whatever would happen.

use anstyle::Style;

use super::Exit;
use super::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use super::places;
use crate::guard::Answer;
use crate::policy::explain::Before;
use crate::policy::{Effect, Mode, Policy, Verdict, unix_ms};
use crate::proxy::{self, Asked, Known, Listed, Unasked, request};
use crate::settings::Config;
use crate::wire::shown;

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
    pub listed: Known,
    /// When, milliseconds since the Unix epoch, where it is not now.
    pub at: Option<i64>,
    /// What came before it.
    pub before: Before,
}

impl Question<'_> {
    /// The policy's answer, for scripts and in words.
    pub fn ask(self, config: &Config) -> anyhow::Result<(Answer, String)> {
        let line = self.line()?;
        let question = proxy::Question {
            line: line.as_bytes(),
            task_of: self.tool,
            server: self.server,
            agent: self.agent,
            listed: &|_| self.listed,
            at: self.at,
            before: self.before,
        };
        let Asked { answer, verdict } = question.ask(config).map_err(unasked)?;
        let title = if self.tool.is_empty() { self.method } else { self.tool };
        let words = in_words(title, self.server, &config.policy, verdict.as_ref(), &answer);
        Ok((answer, words))
    }

    /// The request that a client would send.
    pub fn line(&self) -> anyhow::Result<String> {
        request(self.method, self.tool, self.arguments).map_err(unasked)
    }
}

/// Why a question has no answer, as the command line tells it.
pub(super) fn unasked(why: Unasked) -> anyhow::Error {
    match why {
        Unasked::NotJson(why) => Exit::Usage.because(format!("--arguments is not JSON: {why}")),
        Unasked::NotJudged | Unasked::NotOne | Unasked::ResourceArguments | Unasked::UnknownLabel { .. } => {
            Exit::Usage.because(why.to_string())
        }
        Unasked::Io(error) => error.into(),
    }
}

/// What the store knows of a tool as its server last listed it.
pub(super) fn listed(config: &Config, server: &str, tool: &str) -> Known {
    Listed::in_store(places::store(config).ok()).known(server, tool)
}

/// A time on the command line, milliseconds since the Unix epoch.
pub(super) fn instant(text: &str) -> Result<i64, &'static str> {
    unix_ms(text).ok_or("write date, time and offset: 2026-11-20T10:00:00Z")
}

fn in_words(tool: &str, server: &str, policy: &Policy, verdict: Option<&Verdict>, answer: &Answer) -> String {
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

    use super::{Before, Known, Question};
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
            listed: Known::default(),
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
                listed: Known::default(),
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
