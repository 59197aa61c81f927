//! Whom rules alert.
//!
//! It refuses destinations that nothing configures: whoever wrote the name believes that somebody hears of it.
//! Invariant: an allow rule alerts nobody, for nothing happens by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fault;
use crate::policy::schema::{Alert, Reading, Rule, did_you_mean, list_words};
use crate::policy::{Alerted, Effect};

/// What `alert` of a rule says, against the destinations that there are.
pub(super) fn alerted(rule: &Rule, destinations: &BTreeSet<String>, reading: &mut Reading) -> Alerted {
    let Some(alert) = &rule.alert else { return Alerted::BySeverity };
    let at = match alert {
        Alert::Said(said) => said.span(),
        Alert::These(names) => names.span(),
    };
    if rule.action.as_ref().is_some_and(|action| *action.get_ref() == Effect::Allow) {
        fault(
            reading,
            at,
            "an allow rule alerts nobody",
            "`alert` goes with what is warned about or stopped",
        );
        return Alerted::Nobody;
    }
    match alert {
        Alert::Said(said) if !*said.get_ref() => Alerted::Nobody,
        Alert::Said(_) if destinations.is_empty() => {
            let hint = "write an [alerts.to.NAME] with a `kind`: webhook, slack, email, syslog";
            fault(reading, at, "there is nobody to alert", hint);
            Alerted::All
        }
        Alert::Said(_) => Alerted::All,
        Alert::These(names) => {
            for name in names.get_ref().iter().filter(|name| !destinations.contains(name.get_ref())) {
                let known = || destinations.iter().map(String::as_str);
                let hint =
                    did_you_mean(name.get_ref(), known()).unwrap_or_else(|| match destinations.len() {
                        0 => "the file has no [alerts.to.NAME]".to_owned(),
                        _ => format!("under [alerts.to]: {}", list_words(known())),
                    });
                fault(reading, name.span(), format!("there is no destination `{}`", name.get_ref()), &hint);
            }
            Alerted::These(names.get_ref().iter().map(|name| Arc::from(name.get_ref().as_str())).collect())
        }
    }
}
