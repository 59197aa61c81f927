//! What people must hear of a reload, in every mode.
//!
//! It refuses to weigh: that a revision was refused, and that anybody is under a weaker mode, are told each time.
//! Invariant: whoever hears of calls from here on hears of the reload.

use super::reload::Reload;
use crate::alert::Sender;
use crate::record::{Alarm, Topic};

/// More changes than this are counted, not told.
const MOST_TOLD: usize = 5;

/// The destinations of a new revision hold from here on; then the alarms that a reload raises, in order.
pub fn alarms(reload: &Reload, alerts: &Sender) -> Vec<Alarm> {
    let unix_ms = reload.unix_ms;
    let Some(loaded) = &reload.loaded else {
        let text = reload.text.lines().next().unwrap_or_default().to_owned();
        return vec![Alarm { unix_ms, topic: Topic::PolicyRefused, text, to: alerts.everyone() }];
    };
    alerts.adopt(&loaded.config.settings.alerts);
    if loaded.lowered.is_empty() {
        return Vec::new();
    }
    let told: Vec<&str> = loaded.lowered.iter().take(MOST_TOLD).map(String::as_str).collect();
    let more = loaded.lowered.len() - told.len();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let origin = loaded.assignments.first().map_or("reload", |assignment| &assignment.origin);
    let text = format!("a mode was lowered ({origin}): {}{more}", told.join(", "));
    vec![Alarm { unix_ms, topic: Topic::ModeLowered, text, to: alerts.everyone() }]
}
