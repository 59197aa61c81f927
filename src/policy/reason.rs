//! The short strings that say who in the policy spoke.
//!
//! They are pinned: people grep for them and scripts compare them. No argument value is ever part of one.

use std::sync::{Arc, LazyLock};

use super::{By, Mode, Policy, Rule};
use crate::wire::shown;

static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));
static SELF_PROTECTION: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("callgate-self"));
static MALFORMED: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("malformed"));

impl Policy {
    /// The rule that spoke; `None` where it was none of them.
    pub fn rule(&self, by: By) -> Option<&Rule> {
        match by {
            By::Rule(index) => self.rules.get(index),
            By::Default | By::SelfProtection | By::Malformed => None,
        }
    }

    /// The name under which records and answers speak of it; `default` for an index that this policy lacks.
    pub fn rule_id(&self, by: By) -> Arc<str> {
        match by {
            By::Rule(index) => self.rules.get(index).map_or_else(|| DEFAULT.clone(), |rule| rule.id.clone()),
            By::Default => DEFAULT.clone(),
            By::SelfProtection => SELF_PROTECTION.clone(),
            By::Malformed => MALFORMED.clone(),
        }
    }

    /// What the author of the rule wrote for whoever reads a refusal.
    pub fn explanation(&self, by: By) -> Option<&str> {
        match by {
            By::Rule(index) => self.rules.get(index).and_then(|rule| rule.reason.as_deref()),
            By::SelfProtection => Some("it would reach callgate's own files or the host's list of servers"),
            By::Default | By::Malformed => None,
        }
    }

    /// Who spoke, for people: `(shadow) rule 2 (delete_file) in policy "my-policy"`.
    ///
    /// `name` is the tool, prompt or URI of the call; it is cut and escaped here.
    pub fn reason(&self, by: By, mode: Mode, name: &str) -> String {
        let prefix = match mode {
            Mode::Off => return "enforcement off".to_owned(),
            Mode::Shadow => "(shadow) ",
            Mode::Warn => "(warn) ",
            Mode::Enforce => "",
        };
        let speaker = match by {
            By::Rule(index) => {
                let position = self.rules.get(index).map_or(index.saturating_add(1), |rule| rule.position);
                format!("rule {position} ({})", shown(name))
            }
            By::SelfProtection => format!("{} ({})", *SELF_PROTECTION, shown(name)),
            By::Default => DEFAULT.to_string(),
            By::Malformed => MALFORMED.to_string(),
        };
        format!("{prefix}{speaker} in policy \"{}\"", self.name)
    }
}
