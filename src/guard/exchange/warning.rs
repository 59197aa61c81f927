//! What the agent is told of a call that passes with a warning.
//!
//! It refuses to repeat an argument. Invariant: the text is one line that is enough by itself: policy, rule, action, why.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Exchange, Settled, Subject, call_id};
use crate::guard::refusal::About;
use crate::policy::{Effect, Mode, Severity};
use crate::record::Outcome;
use crate::wire::{mcp, shown};

/// A warning that goes to the agent with the answer to its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The acting rule's id.
    pub rule: Arc<str>,
    /// What it says.
    pub effect: Effect,
    /// How bad it is.
    pub severity: Severity,
    /// SHA-256 of rule, tool and the names of the arguments: what an agent is told once.
    pub shape: [u8; 32],
    /// What it is told.
    pub text: String,
}

impl Exchange<'_, Settled> {
    /// The warning, where the call passes with one that its answer can carry.
    pub fn warning(&self, moment: &super::Moment<'_>) -> Option<Warning> {
        let Subject::Call(call) = &self.subject else { return None };
        let is_call = self.origin.about == About::Call && call.method == mcp::TOOLS_CALL;
        if self.stage.outcome != Outcome::Warned || !is_call || self.origin.id.is_none() {
            return None;
        }
        let verdict = self.stage.judged.verdict.as_ref()?;
        let acting = verdict.acting;
        // What takes force in warn is a warning: what the rule itself says is told.
        let said = verdict.matched.iter().find(|found| found.by == acting.by);
        let effect = said.map_or(acting.effect, |found| found.effect);
        let id = moment.policy.rule_id(acting.by);
        let reason = moment.policy.reason(acting.by, Mode::Enforce, &shown(call.title()));
        let why = moment.policy.explanation(acting.by).map(|why| why.trim().trim_end_matches('.'));
        let why = why.filter(|why| !why.is_empty()).map(|why| format!(": {why}")).unwrap_or_default();
        let outlook = match effect {
            Effect::Allow | Effect::Warn => "The call was run; take this into account before the next one.",
            Effect::RequireApproval => {
                "The call was run; once this is enforced a person will have to approve it."
            }
            Effect::Deny => "The call was run; once this is enforced it will be refused.",
        };
        let reference = call_id(moment.session, self.origin.number);
        let text = format!("Policy warning: {reason} says {effect}{why}. {outlook} [ref {reference}]");
        Some(Warning {
            shape: shape(&id, &call.name, call.arguments),
            effect,
            severity: moment.policy.rule(acting.by).map(|rule| rule.severity).unwrap_or_default(),
            rule: id,
            text,
        })
    }
}

fn shape(rule: &str, tool: &str, arguments: Option<crate::wire::Json<'_>>) -> [u8; 32] {
    let mut names: Vec<_> =
        arguments.into_iter().flat_map(crate::wire::Json::members).map(|(name, _)| name).collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for part in [rule, tool].into_iter().chain(names.iter().map(|name| &**name)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
