//! An explanation as scripts read it: everything, near or not.
//!
//! Invariant: members are only ever added.

use serde_json::{Value, json};

use super::words::Told;
use crate::policy::explain::{Change, Fits, Holds, Part, Place, Reach, Said, Trace};
use crate::policy::{By, Effect};

impl Told<'_> {
    /// One JSON object.
    pub(super) fn as_json(&self) -> Value {
        let (verdict, possible) = match &self.explanation.said {
            Said::Off => (None, Vec::new()),
            Said::Verdict(verdict) => (Some(verdict), vec![verdict.effect.as_str()]),
            Said::OneOf(effects) => (None, effects.iter().map(|effect| effect.as_str()).collect()),
        };
        json!({
            "method": self.call.method,
            "tool": self.call.name,
            "server": self.stance.server(),
            "agent": self.facts.agent,
            "arguments": self.visible.and_then(|text| serde_json::from_str::<Value>(text).ok()),
            "policyId": self.policy.revision.as_ref(),
            "verdict": verdict.map(|verdict| verdict.effect.as_str()),
            "possible": possible,
            "rule": verdict.map(|verdict| self.id(verdict.by)),
            "mode": verdict.map_or_else(|| self.stance.base.as_str(), |verdict| verdict.mode.as_str()),
            "acting": verdict.map(|verdict| json!({
                "effect": verdict.acting.effect.as_str(),
                "rule": self.id(verdict.acting.by),
                "mode": verdict.acting.mode.as_str(),
            })),
            "default": self.explanation.default.map(Effect::as_str),
            "rules": self.explanation.traces.iter().map(|trace| self.trace_json(trace)).collect::<Vec<_>>(),
            "changes": self.explanation.changes.iter().map(|change| self.change_json(change)).collect::<Vec<_>>(),
            "assumed": self.recalled.is_none().then(|| json!({
                "after": self.before.labels.keys().collect::<Vec<_>>(),
                "callsBefore": self.before.calls,
            })),
            "recorded": self.recalled.map(|recalled| json!({
                "toolCallId": recalled.row.tool_call_id,
                "ts": recalled.row.ts,
                "policyId": recalled.row.policy,
                "verdict": recalled.row.verdict,
                "rule": recalled.row.rule,
                "mode": recalled.row.mode,
                "outcome": recalled.row.outcome,
                "lost": recalled.lost,
            })),
        })
    }

    fn id(&self, by: By) -> String {
        self.policy.rule_id(by).to_string()
    }

    fn trace_json(&self, trace: &Trace) -> Value {
        let position = if let By::Rule(index) = trace.by { Some(index + 1) } else { None };
        json!({
            "id": self.id(trace.by),
            "position": position,
            "effect": trace.effect.as_str(),
            "mode": trace.mode.as_str(),
            "matches": holds(trace.matches),
            "asked": match trace.reach {
                Reach::Conditions => "conditions",
                Reach::Methods => "other_methods",
                Reach::Tools => "other_tools",
                Reach::Servers => "other_servers",
                Reach::Off => "off",
            },
            "acted": trace.acted,
            "liftedBy": trace.lifted_by.iter().map(|by| self.id(*by)).collect::<Vec<_>>(),
            "decisive": trace.decisive().into_iter().map(part).collect::<Vec<_>>(),
            "predicates": trace.parts.iter().map(part).collect::<Vec<_>>(),
        })
    }

    fn change_json(&self, change: &Change) -> Value {
        json!({
            "kind": change.kind,
            "rules": change.rules.iter().map(|by| self.id(*by)).collect::<Vec<_>>(),
            "text": change.text,
            "then": change.then.map(Effect::as_str),
        })
    }
}

fn part(part: &Part) -> Value {
    let (place, table) = match part.place {
        Place::When => ("when", None),
        Place::Any(number) => ("any", Some(number)),
        Place::Unless => ("unless", None),
        Place::Closed => ("closed", None),
        Place::After => ("after", None),
        Place::UnlessAfter => ("unless_after", None),
        Place::Rate => ("rate", None),
        Place::Elsewhere => ("rule", None),
    };
    let values = part.values.iter().map(|seen| {
        let fits = match seen.fits {
            Fits::Yes => "yes",
            Fits::No => "no",
            Fits::Opaque => "opaque",
            Fits::Lost => "lost",
        };
        json!({ "value": seen.text, "fits": fits })
    });
    json!({
        "in": place,
        "table": table,
        "on": part.looks_at,
        "predicate": part.asks.word,
        "operands": part.asks.operands,
        "holds": holds(part.holds),
        "claimed": part.claimed,
        "values": values.collect::<Vec<_>>(),
        "more": part.more,
    })
}

fn holds(holds: Holds) -> &'static str {
    match holds {
        Holds::Yes => "yes",
        Holds::No => "no",
        Holds::Unknown => "unknown",
    }
}
