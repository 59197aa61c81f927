//! Who hears of what the gate does.
//!
//! It refuses to decide by anything but the acting rule: its `alert`, or its severity. Invariant: under off and shadow
//! nothing acts, so nobody hears of calls.

use std::sync::Arc;

use crate::policy::{Acting, Alerted, Policy, Severity};
use crate::record::{Recipients, Telling};

/// Which destinations there are, and from which severity on each hears of rules that do not name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    destinations: Vec<(Arc<str>, Severity)>,
    min_severity: Severity,
    repeat_ms: i64,
    /// All of them.
    all: Recipients,
    /// Those that hear of what no rule says.
    usual: Recipients,
}

impl Routes {
    /// Destinations by name, each with the least severity that it wants to hear of.
    pub fn new(destinations: Vec<(Arc<str>, Severity)>, min_severity: Severity, repeat_ms: i64) -> Self {
        let all = destinations.iter().map(|(name, _)| Arc::clone(name)).collect();
        let mut routes = Self { destinations, min_severity, repeat_ms, all, usual: Recipients::default() };
        routes.usual = routes.by_severity(Severity::default());
        routes
    }

    /// Every destination: who hears of callgate itself.
    pub fn all(&self) -> Recipients {
        Arc::clone(&self.all)
    }

    /// What people are told should anything have become of a call; `None` where nobody would hear of it. `name` is the
    /// call's, where it is known already that it did not merely pass.
    pub(super) fn telling(
        &self,
        policy: &Policy,
        acting: &Acting,
        name: Option<&str>,
    ) -> Option<Box<Telling>> {
        if self.all.is_empty() {
            return None;
        }
        let rule = policy.rule(acting.by);
        let severity = rule.map_or_else(Severity::default, |rule| rule.severity);
        let to = match (rule.map(|rule| &rule.alert), name) {
            (None | Some(Alerted::BySeverity), Some(_)) => self.by_severity(severity),
            (Some(Alerted::Nobody), Some(_)) => return None,
            (Some(Alerted::All), Some(_)) => self.all(),
            (Some(Alerted::These(these)), Some(_)) => Arc::clone(these),
            // It passed by the policy; should it not be recorded, that is no rule's doing.
            (_, None) => Arc::clone(&self.usual),
        };
        Some(Box::new(Telling {
            to,
            severity,
            rule: policy.rule_id(acting.by),
            mode: acting.mode,
            reason: name.map(|name| policy.reason(acting.by, acting.mode, name).into()),
            why: policy.explanation(acting.by).map(Into::into),
            repeat_ms: self.repeat_ms,
        }))
    }

    fn by_severity(&self, severity: Severity) -> Recipients {
        let wanted =
            self.destinations.iter().filter(|(_, least)| severity >= (*least).max(self.min_severity));
        wanted.map(|(name, _)| Arc::clone(name)).collect()
    }
}
