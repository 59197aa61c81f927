//! `callgate keys`: who may come in over HTTP, as which agent, and to do what.
//!
//! It refuses to show a key a second time. Invariant: the only line on stdout that holds a key is the one that made it.

use std::io::Write as _;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Exit;
use super::log::StorePlace;
use super::paint::{BOLD, DIM, painted};
use super::rows::{local_time, rfc3339};
use crate::policy::schema::did_you_mean;
use crate::settings::Config;
use crate::store::{Added, ApiKey, Keys, Revoked, Scope};
use crate::wire::{has_invisible, shown};

/// Longer names and agents are cut where people read them, so that two could look alike. Characters.
const LONGEST_NAME: usize = 64;

const ABOUT: &str = "\
Keys for agents that reach callgate over HTTP

`callgate serve` answers nobody without a key. A key binds an agent, and the policy file says under which mode that agent \
is: the same rules can be enforced for one key and in shadow for another. The store keeps a hash of each key, so a key is \
shown once, when it is made. A revoked key lets nobody in from that moment on, also in a `callgate serve` that runs.";

/// The sub-commands of `keys`.
#[derive(Debug, Subcommand)]
#[command(about = "Make, list and revoke keys for agents that come over HTTP", long_about = ABOUT)]
pub(super) enum Command {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

const ADD: &str = "\
Scopes, none of which implies another:
  call    reach servers: /mcp/{server}
  check   ask what the policy would say: POST /v1/check, which records nothing
  admin   change modes: PATCH /api/v1/agents/{agent}; never that of the key's own agent

Examples:
  callgate keys add ci --agent ci-bot                     its calls are under [agents.ci-bot]
  callgate keys add ops --scope admin                     for people who change modes
  TOKEN=$(callgate keys add ci --agent ci-bot)            the key alone is on stdout

Send it as `Authorization: Bearer KEY`.";

/// The command line of `keys add`.
#[derive(Debug, Args)]
#[command(about = "Make a key and show it, once", after_help = ADD)]
pub(super) struct Add {
    /// What to call it: for `keys list`, `keys revoke`, and the record of what was changed by it
    #[arg(value_parser = name)]
    name: String,
    /// The agent that comes in by it: selects [agents.KEY] [default: `agent` under [identity]]
    #[arg(long, value_name = "KEY", value_parser = name)]
    agent: Option<String>,
    /// What it is good for
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "call", value_parser = scope())]
    scope: Vec<Scope>,
    #[command(flatten)]
    store: StorePlace,
    /// One JSON object, with the key in it
    #[arg(long)]
    json: bool,
}

/// The command line of `keys list`.
#[derive(Debug, Args)]
#[command(about = "Show every key but for the key itself, revoked ones too")]
pub(super) struct List {
    #[command(flatten)]
    store: StorePlace,
    /// One JSON array, an object for each key
    #[arg(long)]
    json: bool,
}

const REVOKE: &str = "\
A key that has leaked can be given itself. Nothing takes a revocation back; make another key, which may have the same name.

Examples:
  callgate keys revoke ci
  callgate keys add ci --agent ci-bot                     the next one";

/// The command line of `keys revoke`.
#[derive(Debug, Args)]
#[command(about = "Let nobody in by a key any more, from now on", after_help = REVOKE)]
pub(super) struct Revoke {
    /// Its name, its id, or the key itself
    #[arg(value_name = "NAME|ID")]
    key: String,
    #[command(flatten)]
    store: StorePlace,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the sub-command.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Add(add) => add.run(),
            Self::List(list) => list.run(),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

impl Add {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let (key, secret) = match Keys::open(&path)?.add(&self.name, self.agent.as_deref(), &self.scope)? {
            Added::Made(key, secret) => (key, secret),
            Added::NameTaken(other) => {
                return Err(Exit::Failed.because(format!(
                    "a key named `{}` is in use (id {}): choose another name, or first `callgate keys revoke {}`",
                    shown(&other.name),
                    other.id,
                    other.id
                )));
            }
        };
        let mut out = anstream::stdout().lock();
        if self.json {
            let mut told = as_json(&key);
            if let Some(members) = told.as_object_mut() {
                members.insert("key".to_owned(), secret.reveal().into());
            }
            writeln!(out, "{told}")?;
        } else {
            writeln!(out, "{}", secret.reveal())?;
        }
        let mut err = anstream::stderr().lock();
        writeln!(
            err,
            "This is `{}` (id {}), good for {}. It is not shown again: the store keeps only its hash.",
            shown(&key.name),
            key.id,
            words(&key.scopes)
        )?;
        for note in notes(&key, self.store.quiet_config()?.as_ref()) {
            writeln!(err, "{} {note}", painted(BOLD, "note:"))?;
        }
        Ok(Exit::Done)
    }
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        // To look is no reason to make a store.
        let keys = if path.exists() { Keys::open(&path)?.list()? } else { Vec::new() };
        let mut out = anstream::stdout().lock();
        if self.json {
            let keys: Vec<Value> = keys.iter().map(as_json).collect();
            writeln!(out, "{}", Value::from(keys))?;
        } else if keys.is_empty() {
            writeln!(
                anstream::stderr(),
                "no keys in `{}`: `callgate keys add NAME` makes one",
                path.display()
            )?;
        } else {
            write!(out, "{}", table(&keys))?;
        }
        Ok(Exit::Done)
    }
}

impl Revoke {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let keys = path.exists().then(|| Keys::open(&path)).transpose()?;
        let revoked = keys.as_ref().map_or(Ok(Revoked::Unknown), |keys| keys.revoke(&self.key))?;
        let (key, told) = match revoked {
            Revoked::Now(key) => (key, "revoked"),
            Revoked::Before(key) => (key, "was revoked before"),
            Revoked::Unknown => return Err(unknown(&self.key, keys.as_ref())?),
        };
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", as_json(&key))?;
        } else {
            let revoked = local_time(&rfc3339(key.revoked_ms.unwrap_or_default()));
            writeln!(out, "{} (id {}): {told}, {revoked}", shown(&key.name), key.id)?;
        }
        Ok(Exit::Done)
    }
}

/// No key has this name or id. What was typed is repeated only where it is no key.
fn unknown(typed: &str, keys: Option<&Keys>) -> anyhow::Result<anyhow::Error> {
    let known = keys.map_or(Ok(Vec::new()), Keys::list)?;
    if Keys::is_like_one(typed) {
        return Ok(
            Exit::Failed.because("that key is not in this store, or was revoked: see `callgate keys list`")
        );
    }
    let names = known.iter().flat_map(|key| [key.name.as_str(), key.id.as_str()]);
    let near = did_you_mean(typed, names).unwrap_or_else(|| "see `callgate keys list`".to_owned());
    Ok(Exit::Failed.because(format!("no key has the name or id `{}`: {near}", shown(typed))))
}

/// What the maker of a key may not have meant.
fn notes(key: &ApiKey, config: Option<&Config>) -> Vec<String> {
    let mut notes = Vec::new();
    let identity = config.and_then(|config| config.settings.identity.agent.as_deref());
    let own = config.zip(key.agent.as_deref());
    if let Some((_, agent)) = own.filter(|(config, agent)| !config.policy.agents.contains_key(*agent)) {
        notes.push(format!(
            "the policy file has no [agents.{}]: the mode of the file, or of a server, holds for it",
            shown(agent)
        ));
    }
    if key.agent.is_none() && (key.may(Scope::Call) || key.may(Scope::Check)) {
        let who = identity.map_or_else(
            || "no agent: no [agents.KEY] holds for it".to_owned(),
            |agent| format!("`{}`, the agent under [identity]", shown(agent)),
        );
        notes.push(format!("without --agent it comes in as {who}"));
    }
    if key.may(Scope::Call) && key.may(Scope::Admin) {
        notes.push(
            "whoever calls with it can change the modes of other agents: two keys keep that apart".to_owned(),
        );
    }
    notes
}

fn table(keys: &[ApiKey]) -> String {
    let mut rows = vec![["ID", "NAME", "AGENT", "SCOPES", "CREATED", "REVOKED"].map(str::to_owned)];
    for key in keys {
        let agent = key.agent.as_deref().map_or("-".to_owned(), shown);
        let when = |unix_ms| local_time(&rfc3339(unix_ms));
        rows.push([
            key.id.clone(),
            shown(&key.name),
            agent,
            words(&key.scopes),
            when(key.created_ms),
            key.revoked_ms.map_or("-".to_owned(), when),
        ]);
    }
    let lines = rows.iter().enumerate().map(|(index, row)| {
        let cells: Vec<String> = (row.iter().enumerate())
            .map(|(column, cell)| {
                let widest = rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
                format!("{cell:<width$}", width = widest.unwrap_or_default())
            })
            .collect();
        let line = cells.join("  ").trim_end().to_owned();
        if index == 0 { painted(DIM, line) + "\n" } else { line + "\n" }
    });
    lines.collect()
}

fn as_json(key: &ApiKey) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "id": key.id,
        "name": key.name,
        "agent": key.agent,
        "scopes": scopes,
        "created": rfc3339(key.created_ms),
        "revoked": key.revoked_ms.map(rfc3339),
    })
}

fn words(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

fn scope() -> impl clap::builder::TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str))
        .try_map(|word| Scope::from_word(&word).ok_or_else(|| format!("`{word}` is no scope")))
}

/// A name that people can type, and tell from every other.
fn name(text: &str) -> Result<String, &'static str> {
    if text.trim() != text || text.is_empty() {
        return Err("it is empty, or has white space around it");
    }
    if has_invisible(text) {
        return Err("it has characters that nobody can see");
    }
    if text.chars().count() > LONGEST_NAME {
        return Err("it has more than 64 characters");
    }
    if Keys::is_like_one(text) {
        return Err("it begins with `cg_`, as keys do");
    }
    Ok(text.to_owned())
}
