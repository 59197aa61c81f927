//! `[alerts]`: who hears of what the policy did, and how they are reached.
//!
//! It refuses secrets: what may be one is named by its environment variable, and no fault quotes an address. Invariant: a
//! destination that comes out has all that its kind needs, but for what the environment holds.

mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::Spanned;

use super::sections::value;
use crate::guard::Routes;
use crate::policy::Severity;
use crate::policy::schema::{Reading, Section, Word, file_words};
use server::{email, syslog};

/// Alerts about the same within this time are one. Milliseconds.
const REPEAT: i64 = 5 * 60_000;

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// Rules below it alert nobody, unless they say so.
    pub min_severity: Severity,
    /// The same within this time is one alert with a count. Milliseconds.
    pub repeat_ms: i64,
    /// `[alerts.to.NAME]`.
    pub to: BTreeMap<String, Destination>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { min_severity: Severity::Low, repeat_ms: REPEAT, to: BTreeMap::new() }
    }
}

impl Alerts {
    /// Who hears of what.
    pub fn routes(&self) -> Routes {
        let all = self.to.iter().map(|(name, to)| (Arc::from(name.as_str()), to.min_severity));
        Routes::new(all.collect(), self.min_severity, self.repeat_ms)
    }
}

/// `[alerts.to.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Milder rules are not told there, unless they name it.
    pub min_severity: Severity,
    /// How it is reached.
    pub way: Way,
}

/// How a destination is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A POST of JSON, signed where there is a secret.
    Webhook {
        /// Where.
        url: Address,
        /// The environment variable with the secret.
        secret_env: Option<String>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// Where.
        url: Address,
    },
    /// Mail.
    Email(Email),
    /// RFC 5424.
    Syslog(Syslog),
}

impl Way {
    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Email(_) => "email",
            Self::Syslog(_) => "syslog",
        }
    }
}

/// An address, which may itself be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// As the file has it.
    Given(String),
    /// What this environment variable holds.
    Env(String),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(..)"),
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
        }
    }
}

/// A mail server, and between whom mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// The environment variable with the user's name.
    pub user_env: Option<String>,
    /// The environment variable with the password.
    pub password_env: Option<String>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS from `STARTTLS` on, or nothing is sent.
    StartTls,
    /// Not at all: on loopback alone.
    Plain,
}

/// A syslog receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What stands in a message.
    pub payload: Payload,
}

/// How a syslog receiver is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5426: nobody acknowledges anything.
    Udp,
    /// RFC 6587, octet counting.
    Tcp,
    /// RFC 5425.
    Tls,
}

/// What stands in a syslog message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// The Common Event Format.
    #[default]
    Cef,
    /// The JSON that webhooks get.
    Json,
}

file_words!(Payload { "cef" => Payload::Cef, "json" => Payload::Json });

/// `kind`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Webhook,
    Slack,
    Email,
    Syslog,
}

file_words!(Kind {
    "webhook" => Kind::Webhook,
    "slack" => Kind::Slack,
    "email" => Kind::Email,
    "syslog" => Kind::Syslog,
});

/// Reads the section.
pub(super) fn alerts(mut section: Section<'_>, reading: &mut Reading) -> Alerts {
    let default = Alerts::default();
    let min_severity = value(section.word("min_severity", reading)).unwrap_or(default.min_severity);
    let repeat_ms = value(section.duration("repeat", reading)).unwrap_or(default.repeat_ms);
    let mut to = BTreeMap::new();
    for (name, mut one) in section.named("to", reading) {
        one.title = format!("[alerts.to.{}]", name.get_ref());
        if crate::wire::has_invisible(name.get_ref()) {
            reading.fault(name.span(), "a name in [alerts.to] holds what nobody can see");
        }
        to.extend(destination(one, reading).map(|to| (name.into_inner(), to)));
    }
    section.finish(reading);
    Alerts { min_severity, repeat_ms, to }
}

fn destination(mut section: Section<'_>, reading: &mut Reading) -> Option<Destination> {
    if !section.has("kind") {
        let message = format!("`kind` is missing in {}", section.title);
        let hint = format!("one of: {}", Kind::WORDS.join(", "));
        reading.fault_with(section.span.clone(), message, hint);
    }
    let min_severity = value(section.word("min_severity", reading)).unwrap_or(Severity::Low);
    let kind = value(section.word::<Kind>("kind", reading));
    let Some(kind) = kind else {
        for key in KEYS {
            section.pass(key);
        }
        section.finish(reading);
        return None;
    };
    let way = match kind {
        Kind::Webhook => {
            let url = address(&mut section, reading);
            let secret_env = variable(&mut section, "secret_env", reading);
            url.map(|url| Way::Webhook { url, secret_env })
        }
        Kind::Slack => address(&mut section, reading).map(|url| Way::Slack { url }),
        Kind::Email => email(&mut section, reading).map(Way::Email),
        Kind::Syslog => syslog(&mut section, reading).map(Way::Syslog),
    };
    section.finish(reading);
    way.map(|way| Destination { min_severity, way })
}

/// The keys of all kinds.
const KEYS: [&str; 10] =
    ["url", "url_env", "secret_env", "smtp", "user_env", "password_env", "from", "to", "address", "format"];

fn address(section: &mut Section<'_>, reading: &mut Reading) -> Option<Address> {
    let given = section.string("url", reading);
    let named = variable(section, "url_env", reading);
    match (given, named) {
        (Some(given), None) => checked(&given, reading).then(|| Address::Given(given.into_inner())),
        (None, Some(variable)) => Some(Address::Env(variable)),
        (Some(given), Some(_)) => {
            reading.fault(given.span(), format!("{} has both `url` and `url_env`", section.title));
            None
        }
        (None, None) => {
            if !section.has("url") && !section.has("url_env") {
                let message = format!("`url_env` is missing in {}", section.title);
                let hint =
                    "`url_env` names the environment variable with the address; `url` is the address itself";
                reading.fault_with(section.span.clone(), message, hint);
            }
            None
        }
    }
}

fn checked(url: &Spanned<String>, reading: &mut Reading) -> bool {
    let text = url.get_ref();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.is_none_or(str::is_empty) || text.contains(char::is_whitespace) {
        let hint = "`https://alerts.example/callgate`";
        reading.fault_with(url.span(), "`url` is not an http or https address", hint);
        return false;
    }
    if host.is_some_and(|host| host.contains('@')) || text.contains('?') {
        let hint = "put the whole address into the environment: `url_env`";
        reading.fault_with(url.span(), "`url` holds what may be a secret", hint);
        return false;
    }
    let origin = format!("http://{}", host.unwrap_or_default());
    let is_near = server::place(&origin).is_some_and(|(_, host, _)| server::is_loopback(host));
    if text.starts_with("http://") && !is_near {
        let hint = "`https://`, unless you trust all between here and there";
        reading.note_with(url.span(), "whoever is on the way can read these alerts", hint);
    }
    true
}

/// The name of an environment variable. It is not quoted where it is none: it may be the secret itself.
fn variable(section: &mut Section<'_>, key: &'static str, reading: &mut Reading) -> Option<String> {
    let name = section.string(key, reading)?;
    let text = name.get_ref();
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if !is_name {
        let hint = format!("`{key} = \"MY_VARIABLE\"` uses what MY_VARIABLE holds");
        reading.fault_with(name.span(), format!("`{key}` must name an environment variable"), hint);
        return None;
    }
    Some(name.into_inner())
}

fn required(
    section: &mut Section<'_>,
    key: &'static str,
    hint: &str,
    reading: &mut Reading,
) -> Option<Spanned<String>> {
    if section.has(key) { section.string(key, reading) } else { missing(section, key, hint, reading) }
}

fn missing<T>(section: &mut Section<'_>, key: &'static str, hint: &str, reading: &mut Reading) -> Option<T> {
    // So that it is offered where it is misspelt.
    section.take(key);
    reading.fault_with(section.span.clone(), format!("`{key}` is missing in {}", section.title), hint);
    None
}

#[cfg(test)]
mod tests;
