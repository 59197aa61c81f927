//! What the ways to a destination have in common: how long one may take, what it comes to, where its secrets are.
//!
//! It refuses to tell a secret. Invariant: what went wrong is told in words for people, without addresses.

use std::time::Duration;

/// How long one alert may take to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a destination did not take an alert, for people.
pub(super) type Sent = Result<(), String>;

/// What a variable holds, without the newline that files bring along.
pub(super) fn variable(name: &str) -> Result<String, String> {
    let value = std::env::var(name).map_err(|_| format!("the environment variable `{name}` is not set"))?;
    let value = value.trim();
    if value.is_empty() {
        Err(format!("the environment variable `{name}` is empty"))
    } else {
        Ok(value.to_owned())
    }
}
