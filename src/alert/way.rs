//! The ways to a destination, behind one call.
//!
//! It refuses to keep a secret longer than the process that read it from its environment, and to tell one: what went
//! wrong is told without addresses. Invariant: as many results come back as alerts went in, in their order.

use futures_util::future::join_all;

use super::sent::{Sent, variable};
use super::{email, slack, syslog, webhook};
use crate::settings::{Address, Destination, Way};
use crate::store::AlertRow;

/// A way with all that it needs of the environment.
pub(super) enum Sending {
    Webhook(webhook::Webhook),
    Slack(slack::Slack),
    Email(email::Mail),
    Syslog(syslog::Receiver),
}

impl Sending {
    /// Reads what it needs of the environment; connects to nothing.
    pub fn open(way: &Way) -> Result<Self, String> {
        Ok(match way {
            Way::Webhook { url, secret_env } => {
                let secret = secret_env.as_deref().map(variable).transpose()?;
                Self::Webhook(webhook::Webhook::new(&address(url)?, secret)?)
            }
            Way::Slack { url } => Self::Slack(slack::Slack::new(&address(url)?)?),
            Way::Email(email) => Self::Email(email::Mail::new(email)?),
            Way::Syslog(syslog) => Self::Syslog(syslog::Receiver::new(syslog)?),
        })
    }

    /// Sends these alerts, as many at once as [`at_once`] says.
    pub async fn send(&self, alerts: &[AlertRow]) -> Vec<Sent> {
        match self {
            Self::Webhook(webhook) => join_all(alerts.iter().map(|alert| webhook.send(alert))).await,
            Self::Slack(slack) => join_all(alerts.iter().map(|alert| slack.send(alert))).await,
            Self::Email(mail) => join_all(alerts.iter().map(|alert| mail.send(alert))).await,
            Self::Syslog(receiver) => receiver.send(alerts).await,
        }
    }
}

/// How many alerts a destination is given at once. Arbitrary, but for Slack, which takes about one a second.
pub(super) fn at_once(way: &Way) -> usize {
    match way {
        Way::Webhook { .. } => 32,
        Way::Slack { .. } => 1,
        Way::Email(_) => 4,
        Way::Syslog(_) => 64,
    }
}

/// Sends one alert once.
///
/// # Errors
/// Why it was not taken, for people.
pub async fn send(destination: &Destination, alert: &AlertRow) -> Result<(), String> {
    let results = Sending::open(&destination.way)?.send(std::slice::from_ref(alert)).await;
    results.into_iter().collect()
}

/// What is missing of the environment for a destination; `None` where nothing is.
pub fn missing(destination: &Destination) -> Option<String> {
    let named = |address: &Address| match address {
        Address::Given(_) => None,
        Address::Env(name) => Some(name.clone()),
    };
    let needed = match &destination.way {
        Way::Webhook { url, secret_env } => [named(url), secret_env.clone()],
        Way::Slack { url } => [named(url), None],
        Way::Email(email) => [email.user_env.clone(), email.password_env.clone()],
        Way::Syslog(_) => [None, None],
    };
    needed.into_iter().flatten().find_map(|name| variable(&name).err())
}

fn address(address: &Address) -> Result<String, String> {
    match address {
        Address::Given(url) => Ok(url.clone()),
        Address::Env(name) => variable(name),
    }
}
