//! `callgate alerts`: whether people are told, and what became of it.
//!
//! It refuses to tell what only the destination should know: no address, no secret. Invariant: what is sent from here is
//! sent as running processes send it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::log::StorePlace;
use super::paint::{DIM, GREEN, RED, YELLOW, painted};
use super::rows::{local_time, rfc3339};
use super::{Exit, places::Place};
use crate::alert::{Sender, of_our_own, send, sentence, told};
use crate::policy::schema::did_you_mean;
use crate::record::Topic;
use crate::settings::{Alerts as Settings, Destination};
use crate::store::{AlertRow, Alerts, DeliveryRow, StoreError};
use crate::wire::shown;

/// How many delivered alerts are shown beside the others.
const SHOWN: usize = 20;
/// How long `retry` goes on.
const PATIENCE: Duration = Duration::from_mins(2);

/// The sub-commands of `alerts`.
#[derive(Debug, Subcommand)]
#[command(about = "Alerts: test destinations, see what was delivered, try again")]
pub(super) enum Command {
    Test(Test),
    List(List),
    Retry(Retry),
}

const TEST: &str = "\
Destinations are the [alerts.to.NAME] of the policy file. Their secrets come from the environment of the process that \
sends, which is callgate run or serve: test with the same environment. Exit code 1 where one did not take it.

Examples:
  callgate alerts test
  callgate alerts test --to oncall";

/// The command line of `alerts test`.
#[derive(Debug, Args)]
#[command(about = "Send a test alert to every destination, now", after_help = TEST)]
pub(super) struct Test {
    #[command(flatten)]
    place: Place,
    /// Only this destination; repeatable
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
}

const LIST: &str = "\
An alert waits until its destination has taken it, and is given up after a day: `callgate alerts retry`. It is sent by \
whatever callgate run or serve has its destination in its policy file.

Examples:
  callgate alerts list
  callgate alerts list --all --json | jq '.[] | select(.severity == \"critical\")'";

/// The command line of `alerts list`.
#[derive(Debug, Args)]
#[command(about = "Show alerts, those first that somebody has not got", after_help = LIST)]
pub(super) struct List {
    #[command(flatten)]
    store: StorePlace,
    /// Every delivered alert too, not only the newest 20
    #[arg(long)]
    all: bool,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

const RETRY: &str = "\
Also what was given up. Without an id, all that nobody has got. Exit code 1 where something is still not delivered.

Examples:
  callgate alerts retry
  callgate alerts retry 4k2jd90q";

/// The command line of `alerts retry`.
#[derive(Debug, Args)]
#[command(about = "Send again, now, what was not delivered", after_help = RETRY)]
pub(super) struct Retry {
    #[command(flatten)]
    store: StorePlace,
    /// The id of an alert, or how it begins
    #[arg(value_name = "ID")]
    ids: Vec<String>,
}

impl Command {
    /// Runs the sub-command.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Test(test) => test.run(),
            Self::List(list) => list.run(),
            Self::Retry(retry) => retry.run(),
        }
    }
}

impl Test {
    fn run(self) -> anyhow::Result<Exit> {
        let settings = self.place.config()?.0.settings.alerts;
        let chosen = chosen(&settings, &self.to)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut out = anstream::stdout().lock();
        let mut exit = Exit::Done;
        for (name, destination) in chosen {
            let alert = of_our_own(Topic::Test, "a test of callgate's alerts: nothing happened");
            let kind = destination.way.kind();
            match runtime.block_on(send(destination, &alert)) {
                Ok(()) => writeln!(out, "{} {name} ({kind})", painted(GREEN, "ok"))?,
                Err(why) => {
                    writeln!(out, "{} {name} ({kind}): {}", painted(RED, "failed"), shown_line(&why))?;
                    exit = Exit::Failed;
                }
            }
        }
        Ok(exit)
    }
}

fn chosen<'s>(
    settings: &'s Settings,
    names: &[String],
) -> anyhow::Result<Vec<(&'s String, &'s Destination)>> {
    if settings.to.is_empty() {
        return Err(Exit::Usage.because(
            "the policy file has no [alerts.to.NAME]: give one a `kind` (webhook, slack, email, syslog)",
        ));
    }
    if let Some(name) = names.iter().find(|name| !settings.to.contains_key(*name)) {
        let near = did_you_mean(name, settings.to.keys().map(String::as_str));
        let near = near.unwrap_or_else(|| "see [alerts.to] in the policy file".to_owned());
        return Err(Exit::Usage.because(format!("there is no destination `{}`: {near}", shown(name))));
    }
    Ok(settings.to.iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect())
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        // To look is no reason to make a store.
        let most = if self.all { usize::MAX } else { SHOWN };
        let alerts = if path.exists() { Alerts::open(&path)?.list(most)? } else { Vec::new() };
        let mut out = anstream::stdout().lock();
        if self.json {
            let alerts: Vec<Value> = alerts.iter().map(as_json).collect();
            writeln!(out, "{}", Value::from(alerts))?;
        } else if alerts.is_empty() {
            writeln!(anstream::stderr(), "no alerts in `{}`", path.display())?;
        }
        if !self.json {
            for alert in &alerts {
                write!(out, "{}", in_words(alert))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Retry {
    fn run(self) -> anyhow::Result<Exit> {
        let (path, config) = self.store.path_and_config()?;
        if !path.exists() {
            return Err(StoreError::Missing { path }.into());
        }
        let alerts = Alerts::open(&path)?;
        for id in &self.ids {
            if alerts.known(id)? == 0 {
                let hint = "see `callgate alerts list`";
                return Err(Exit::Failed.because(format!("no alert has the id `{}`: {hint}", shown(id))));
            }
        }
        let revived = alerts.revive(&self.ids)?;
        let mut out = anstream::stdout().lock();
        if revived == 0 {
            writeln!(out, "nothing waits")?;
            return Ok(Exit::Done);
        }
        let sender = Sender::new(&path);
        sender.adopt(&config.settings.alerts);
        sender.finish(PATIENCE);
        let left: Vec<AlertRow> = (alerts.list(0)?.into_iter())
            .filter(|alert| {
                self.ids.is_empty() || self.ids.iter().any(|id| alert.id.starts_with(id.as_str()))
            })
            .collect();
        for alert in &left {
            write!(out, "{}", in_words(alert))?;
        }
        let waiting =
            left.iter().flat_map(|alert| &alert.deliveries).filter(|one| one.state != "delivered").count();
        writeln!(out, "{} of {revived} delivered", revived.saturating_sub(waiting))?;
        let strangers: Vec<&str> = (left.iter().flat_map(|alert| &alert.deliveries))
            .map(|one| one.destination.as_str())
            .filter(|name| !config.settings.alerts.to.contains_key(*name))
            .collect();
        if let Some(name) = strangers.first() {
            let told = format!("`{}` is not under [alerts.to] in the policy file", shown(name));
            writeln!(anstream::stderr(), "{} {told}", painted(YELLOW, "note:"))?;
        }
        Ok(if waiting == 0 { Exit::Done } else { Exit::Failed })
    }
}

fn in_words(alert: &AlertRow) -> String {
    let when = local_time(&rfc3339(alert.unix_ms));
    let mut text = format!("{} {when}  {}\n", painted(DIM, &alert.id), shown_line(&sentence(alert)));
    for delivery in &alert.deliveries {
        let _ = writeln!(text, "    {}", of_delivery(delivery));
    }
    text
}

fn of_delivery(delivery: &DeliveryRow) -> String {
    let style = match delivery.state.as_str() {
        "delivered" => GREEN,
        "failed" => RED,
        _ => YELLOW,
    };
    let times = match delivery.attempts {
        0 => "not tried yet".to_owned(),
        1 => "tried once".to_owned(),
        times => format!("tried {times} times"),
    };
    let error = delivery.error.as_ref().map(|error| format!(": {}", shown_line(error))).unwrap_or_default();
    format!("{} {}, {times}{error}", shown(&delivery.destination), painted(style, &delivery.state))
}

/// What others wrote, on one line.
fn shown_line(text: &str) -> String {
    crate::wire::shown_within(text, 300)
}

fn as_json(alert: &AlertRow) -> Value {
    let deliveries: Vec<Value> = (alert.deliveries.iter())
        .map(|delivery| {
            json!({
                "destination": delivery.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "next": delivery.next_ms.map(rfc3339),
                "done": delivery.done_ms.map(rfc3339),
                "error": delivery.error,
            })
        })
        .collect();
    json!({
        "id": alert.id,
        "when": rfc3339(alert.unix_ms),
        "topic": alert.topic,
        "severity": alert.severity,
        "text": sentence(alert),
        "about": told(alert).into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<serde_json::Map<_, _>>(),
        "rule": alert.rule,
        "outcome": alert.outcome,
        "count": alert.count,
        "deliveries": deliveries,
    })
}
