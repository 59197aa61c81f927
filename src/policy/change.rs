//! What changes between two revisions of a policy: whether it weakens, and which modes move.
//!
//! It refuses to prove much: whatever is not plainly as strict counts as weaker, since a wrong "weaker" only
//! waits a second longer. Invariant: the order of rules never matters.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, FailMode, Mode, Policy, Rule, Stance};

/// A change of who is under which mode; see [`crate::record::Assignment`] for the scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `file`, `max_mode`, `default`, `fail_mode`, `agent:KEY`, `rule:ID`, …
    pub scope: String,
    /// The word before; `None` where there was none.
    pub from: Option<String>,
    /// The word now; `None` where it was taken away.
    pub to: Option<String>,
}

/// Whether `new` may let through, or let pass unrecorded, anything that `old` would not.
pub fn weakens(old: &Policy, new: &Policy) -> bool {
    let lowered =
        |old: Option<Mode>, new: Option<Mode>| new.unwrap_or(Mode::Enforce) < old.unwrap_or(Mode::Enforce);
    let whole = new.default < old.default
        || lowered(old.max_mode, new.max_mode)
        || (old.self_protection && !new.self_protection)
        || !old.protected.paths().iter().all(|path| new.protected.paths().contains(path))
        || new.max_judged > old.max_judged
        || adds_a_permission(old, new);
    whole || pairs(old, new).iter().any(|(agent, server)| weakens_for(old, new, *agent, server.unwrap_or("")))
}

/// Who is under a weaker mode than before, in words: `agent ci: enforce to shadow`, `rule no-deletes: enforce to warn`.
pub fn lowered(old: &Policy, new: &Policy) -> Vec<String> {
    let mut told = BTreeSet::new();
    for (agent, server) in pairs(old, new) {
        let (before, now) =
            (old.stance(agent, server.unwrap_or("")), new.stance(agent, server.unwrap_or("")));
        let who = match (agent, server) {
            (None, None) => "the file".to_owned(),
            (Some(agent), None) => format!("agent {agent}"),
            (None, Some(server)) => format!("server {server}"),
            (Some(agent), Some(server)) => format!("agent {agent} on {server}"),
        };
        if now.base < before.base {
            told.insert(format!("{who}: {} to {}", before.base, now.base));
            continue;
        }
        let is = |rule: &Rule| {
            holding(new, &now).filter(|(other, _)| other.id == rule.id).map(|(_, mode)| mode).max()
        };
        for (rule, was) in holding(old, &before) {
            if let Some(is) = is(rule).filter(|is| *is < was) {
                told.insert(format!("rule {} for {who}: {was} to {is}", rule.id));
            }
        }
    }
    told.into_iter().collect()
}

/// Every mode, default and fail mode that differs; with nothing before, everything that is set.
pub fn assignments(old: Option<&Policy>, new: &Policy) -> Vec<Change> {
    let before = old.map(settings).unwrap_or_default();
    let now = settings(new);
    let scopes: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changes = scopes.into_iter().map(|scope| {
        let (from, to) = (before.get(scope).copied(), now.get(scope).copied());
        Change { scope: scope.clone(), from: from.map(str::to_owned), to: to.map(str::to_owned) }
    });
    changes.filter(|change| change.from != change.to).collect()
}

/// An allow rule that was not there, or, where the default stops, a question in place of the default: a rule
/// that asks keeps the default from joining in.
fn adds_a_permission(old: &Policy, new: &Policy) -> bool {
    let admits = |rule: &&Rule| {
        rule.effect == Effect::Allow || rule.effect == Effect::RequireApproval && new.default > Effect::Warn
    };
    let known: BTreeSet<[u8; 32]> = old.rules.iter().filter(admits).map(|rule| rule.fingerprint).collect();
    // A rule that was open and is closed now admits no more than it did.
    let is_known = |rule: &Rule| known.contains(&rule.fingerprint) || known.contains(&rule.open_fingerprint);
    new.rules.iter().filter(admits).any(|rule| !is_known(rule))
}

/// Every agent and server that either file names, and those that neither does.
fn pairs<'p>(old: &'p Policy, new: &'p Policy) -> Vec<(Option<&'p str>, Option<&'p str>)> {
    let mut agents: BTreeSet<Option<&str>> = BTreeSet::from([None]);
    let mut servers = agents.clone();
    for policy in [old, new] {
        let in_rules = policy.rules.iter().flat_map(|rule| rule.modes.keys());
        agents.extend(policy.agents.keys().chain(in_rules).map(|key| Some(key.as_str())));
        servers.extend(policy.servers.keys().map(|key| Some(key.as_str())));
    }
    agents.iter().flat_map(|agent| servers.iter().map(|server| (*agent, *server))).collect()
}

fn weakens_for(old: &Policy, new: &Policy, agent: Option<&str>, server: &str) -> bool {
    let (before, now) = (old.stance(agent, server), new.stance(agent, server));
    if now.base < before.base || before.fail_mode != FailMode::Open && now.fail_mode == FailMode::Open {
        return true;
    }
    let mut strongest: BTreeMap<[u8; 32], Mode> = BTreeMap::new();
    for (rule, mode) in holding(new, &now) {
        // The same rule may be written twice.
        let known = strongest.entry(rule.fingerprint).or_insert(mode);
        *known = (*known).max(mode);
    }
    let questions_matter = new.default > Effect::Warn;
    holding(old, &before).filter(|(rule, _)| rule.effect != Effect::Allow).any(|(rule, was)| {
        let is = strongest.get(&rule.fingerprint).copied().unwrap_or(Mode::Off);
        is < was || questions_matter && rule.effect == Effect::RequireApproval && is != was
    })
}

/// Each rule with the mode that holds for it: off where the base is, which is absolute.
fn holding<'p>(policy: &'p Policy, stance: &Stance) -> impl Iterator<Item = (&'p Rule, Mode)> {
    let off = stance.is_off();
    let modes = stance.rules.iter().map(move |mode| if off { Mode::Off } else { *mode });
    policy.rules.iter().zip(modes)
}

fn settings(policy: &Policy) -> BTreeMap<String, &'static str> {
    let mut settings = BTreeMap::new();
    let mut set = |scope: String, word: Option<&'static str>| settings.extend(word.map(|word| (scope, word)));
    set("file".to_owned(), Some(policy.mode.as_str()));
    set("default".to_owned(), Some(policy.default.as_str()));
    set("max_mode".to_owned(), policy.max_mode.map(Mode::as_str));
    set("fail_mode".to_owned(), policy.fail_mode.map(FailMode::as_str));
    let agents = policy.agents.iter().map(|(key, modes)| (format!("agent:{key}"), modes));
    let servers = policy.servers.iter().map(|(name, modes)| (format!("server:{name}"), modes));
    for (scope, modes) in agents.chain(servers) {
        set(format!("{scope}:max_mode"), modes.max_mode.map(Mode::as_str));
        set(format!("{scope}:fail_mode"), modes.fail_mode.map(FailMode::as_str));
        set(scope, modes.mode.map(Mode::as_str));
    }
    for rule in &policy.rules {
        set(format!("rule:{}", rule.id), rule.mode.map(Mode::as_str));
        for (agent, mode) in &rule.modes {
            set(format!("rule:{}:{agent}", rule.id), Some(mode.as_str()));
        }
    }
    settings
}

#[cfg(test)]
mod tests;
