//! What came before a recorded call that is explained, as far as the store knows.
//!
//! It refuses to guess: where rows are missing, nothing is said not to have happened. Invariant: what became of a rule
//! when the call came counts only where that rule is the same, word for word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::explain::{Before, Mark, Set};
use crate::policy::{Label, Mode, On, Policy, Reach};
use crate::settings::{Environment, read};
use crate::store::{Earlier, Reader, Recalled, StoreError};
use crate::wire::shown;

/// What the store knows of what came before a recorded call, for rules of this policy.
pub(super) fn recorded(
    policy: &Arc<Policy>,
    recalled: &Recalled,
    reader: &Reader,
    environment: &Environment,
) -> Result<Before, StoreError> {
    let earlier = if policy.labels.is_empty() { Earlier::default() } else { reader.earlier(recalled)? };
    let labels =
        policy.labels.iter().map(|label| (label.id.to_string(), mark(label, recalled.unix_ms, &earlier)));
    let labels = labels.filter(|(_, mark)| mark.set != Set::No).collect();
    let then = policy_then(policy, recalled, reader, environment)?;
    let matched = then.map(|then| matched_then(policy, &then, recalled)).unwrap_or_default();
    Ok(Before { labels, calls: None, matched })
}

/// A label at the time of a call.
fn mark(label: &Label, call_ms: i64, earlier: &Earlier) -> Mark {
    let ttl = label.ttl_ms.map_or(i64::MAX, |ttl| i64::try_from(ttl).unwrap_or(i64::MAX));
    let lasts = |since_ms: i64| since_ms <= call_ms && call_ms.saturating_sub(since_ms) < ttl;
    let has_others = label.reach == Reach::Processes || !earlier.is_whole;
    let mut best = Mark { set: Set::No, by: String::new() };
    for call in earlier.calls.iter().filter(|call| call.labels.iter().any(|id| **id == *label.id)) {
        let sure = match label.on {
            On::Request => lasts(call.unix_ms),
            On::Result => call.succeeded_ms.is_some_and(lasts),
        };
        let by = || format!("(by call {})", shown(&call.tool_call_id));
        if sure {
            best = Mark { set: Set::Somehow, by: by() };
        } else if lasts(call.unix_ms) && best.set == Set::No {
            best = Mark { set: Set::Possibly, by: by() };
        }
    }
    match (best.set, has_others) {
        (Set::No, true) if earlier.is_whole => {
            Mark { set: Set::Unknown, by: "(other sessions can set it)".to_owned() }
        }
        (Set::No, true) => {
            Mark { set: Set::Unknown, by: "(not all earlier calls are in the store)".to_owned() }
        }
        (Set::Possibly, true) => Mark { set: Set::Somehow, ..best },
        (Set::No | Set::Possibly | Set::Somehow | Set::Surely | Set::Unknown, _) => best,
    }
}

/// The policy that judged the call, if it can still be read.
fn policy_then(
    policy: &Arc<Policy>,
    recalled: &Recalled,
    reader: &Reader,
    environment: &Environment,
) -> Result<Option<Arc<Policy>>, StoreError> {
    let Some(revision) = recalled.row.policy.as_deref() else { return Ok(None) };
    if *revision == *policy.revision {
        return Ok(Some(Arc::clone(policy)));
    }
    let source = reader.source_of(revision)?;
    Ok(source.and_then(|source| read(&source, environment).ok()).map(|read| read.config.policy))
}

/// Whether the rules that are still the same matched the call when it came.
fn matched_then(policy: &Policy, then: &Policy, recalled: &Recalled) -> BTreeMap<usize, bool> {
    let row = &recalled.row;
    let Some(matched) = row.matched.as_ref() else { return BTreeMap::new() };
    let matched: Vec<serde_json::Value> = serde_json::from_str(matched.as_str()).unwrap_or_default();
    let matched: BTreeSet<&str> = matched.iter().filter_map(|found| found["rule"].as_str()).collect();
    let stance = then.stance(row.agent.as_deref(), row.server.as_deref().unwrap_or("default"));
    // A rule that was off was not asked.
    let asked = then.rules.iter().zip(&stance.rules).filter(|(_, mode)| **mode != Mode::Off);
    let asked: BTreeMap<(&str, [u8; 32]), bool> =
        asked.map(|(rule, _)| ((&*rule.id, rule.fingerprint), matched.contains(&*rule.id))).collect();
    let numbered = policy.rules.iter().enumerate();
    numbered.filter_map(|(index, rule)| Some((index, *asked.get(&(&*rule.id, rule.fingerprint))?))).collect()
}
