//! What changes between two revisions of a policy: whether it weakens, and which modes move.
//!
//! It refuses to prove much: whatever is not plainly as strict counts as weaker, since a wrong "weaker" only
//! waits a second longer. Invariant: the order of rules never matters.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, FailMode, Mode, Policy, Rule};

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
        || !old.protected.iter().all(|path| new.protected.contains(path))
        || new.max_judged > old.max_judged
        || adds_a_permission(old, new);
    whole || pairs(old, new).iter().any(|(agent, server)| weakens_for(old, new, *agent, server.unwrap_or("")))
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
    new.rules.iter().filter(admits).any(|rule| !known.contains(&rule.fingerprint))
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
    let (before, now) = (Holding::of(old, agent, server), Holding::of(new, agent, server));
    if now.base < before.base || before.fail_mode != FailMode::Open && now.fail_mode == FailMode::Open {
        return true;
    }
    let modes = now.strongest(new);
    let questions_matter = new.default > Effect::Warn;
    old.rules.iter().filter(|rule| rule.effect != Effect::Allow).any(|rule| {
        let was = before.mode(rule);
        let is = modes.get(&rule.fingerprint).copied().unwrap_or(Mode::Off);
        is < was || questions_matter && rule.effect == Effect::RequireApproval && is != was
    })
}

/// The modes of one policy for one agent and one server.
struct Holding<'p> {
    agent: Option<&'p str>,
    wanted: Mode,
    brake: Mode,
    base: Mode,
    fail_mode: FailMode,
}

impl<'p> Holding<'p> {
    fn of(policy: &Policy, agent: Option<&'p str>, server: &str) -> Self {
        let own = agent.and_then(|key| policy.agents.get(key)).copied().unwrap_or_default();
        let by_server = policy.servers.get(server).copied().unwrap_or_default();
        let wanted = own.mode.or(by_server.mode).unwrap_or(policy.mode);
        let brake = policy.max_mode.into_iter().chain(own.max_mode).fold(Mode::Enforce, Mode::min);
        let fail_mode = own.fail_mode.or(by_server.fail_mode).or(policy.fail_mode).unwrap_or(FailMode::Open);
        Self { agent, wanted, brake, base: wanted.min(brake), fail_mode }
    }

    /// Off where the base is: it is absolute.
    fn mode(&self, rule: &Rule) -> Mode {
        if self.base == Mode::Off {
            return Mode::Off;
        }
        let by_agent = self.agent.and_then(|key| rule.modes.get(key)).copied();
        by_agent.or(rule.mode).unwrap_or(self.wanted).min(self.brake)
    }

    /// The strongest mode of each fingerprint: the same rule may be written twice.
    fn strongest(&self, policy: &Policy) -> BTreeMap<[u8; 32], Mode> {
        let mut modes = BTreeMap::new();
        for rule in &policy.rules {
            let mode = modes.entry(rule.fingerprint).or_insert(Mode::Off);
            *mode = (*mode).max(self.mode(rule));
        }
        modes
    }
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
