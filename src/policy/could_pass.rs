//! Whether any call of a tool could pass, told without a call: for lists that leave out what is of no use.
//!
//! It refuses to say "no" where it depends on anything that a call brings or that changes within a session: arguments,
//! time, rates, labels, what the client or the server says of itself. Invariant: a tool of which some call passes could
//! pass.

use super::evaluate::{COVERED, nfc};
use super::matcher::{Polarity, Scene, condition_holds};
use super::readings::Readings;
use super::{Condition, Effect, Fact, Facts, Mode, Policy, Predicate, Rule, Stance, Subject, Table, World};
use crate::call::Call;

/// What is known of a condition before there is a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Whatever the call.
    Always,
    /// Whatever the call, it does not.
    Never,
    /// It depends.
    Perhaps,
}

impl Policy {
    /// Whether what takes force lets any call of this tool pass; in doubt it does. `stance` must come from this policy.
    ///
    /// The answer is no authorization: it says nothing about a call that is made.
    pub fn could_pass(&self, stance: &Stance, tool: &str, facts: &Facts) -> bool {
        let name = nfc(tool);
        let call = Call::new(COVERED[0], tool, None);
        let scene = Scene {
            call: &call,
            name: &name,
            world: World::of(facts),
            policy: self,
            readings: Readings::default(),
        };
        let live = || stance.live().iter().filter_map(|index| Some((*index, self.rules.get(*index)?)));
        let acts = |index: usize| stance.rules.get(index) == Some(&Mode::Enforce);
        let perhaps = |rule: &Rule| rule_holds(rule, &scene) != Holds::Never;
        let is_lifted = |index: usize| {
            live().any(|(_, rule)| {
                rule.effect == Effect::Allow && rule.overrides.contains(&index) && perhaps(rule)
            })
        };
        let is_denied = live().any(|(index, rule)| {
            rule.effect == Effect::Deny
                && acts(index)
                && is_plain(rule)
                && rule_holds(rule, &scene) == Holds::Always
                && !is_lifted(index)
        });
        // What admits a call keeps the default out; a rule that asks people does so only where it acts.
        let admits = |(index, rule): (usize, &Rule)| match rule.effect {
            Effect::Allow => perhaps(rule),
            Effect::RequireApproval => acts(index) && perhaps(rule),
            Effect::Warn | Effect::Deny => false,
        };
        let is_refused = self.default == Effect::Deny && stance.base == Mode::Enforce && !live().any(admits);
        stance.is_off() || !(is_denied || is_refused)
    }
}

/// Whether a rule matches calls of the scene's tool. A budget, a label and an argument that nobody named depend on more.
fn rule_holds(rule: &Rule, scene: &Scene<'_>) -> Holds {
    if !rule.methods.contains(&scene.call.method) || !rule.tools.contains(scene.name) {
        return Holds::Never;
    }
    let polarity = Polarity::of(rule.effect);
    let keys = all(rule
        .when
        .iter()
        .map(|table| table_holds(table, polarity, scene))
        .chain((!rule.any.is_empty()).then(|| any(rule.any.iter().map(|t| table_holds(t, polarity, scene)))))
        .chain(rule.unless.iter().map(|table| not(table_holds(table, polarity.reversed(), scene)))));
    if depends_on_more(rule) && keys == Holds::Always { Holds::Perhaps } else { keys }
}

/// Whether it looks back, or at arguments that it does not name.
fn depends_on_more(rule: &Rule) -> bool {
    rule.rate.is_some() || rule.closed || !rule.after.is_empty() || !rule.unless_after.is_empty()
}

/// Whether a rule may match whatever the call: asked first, for most rules name an argument, and names cost more.
fn is_plain(rule: &Rule) -> bool {
    !depends_on_more(rule) && rule.when.iter().flatten().all(is_settled)
}

fn table_holds(table: &Table, polarity: Polarity, scene: &Scene<'_>) -> Holds {
    all(table.iter().map(|condition| {
        if !is_settled(condition) {
            Holds::Perhaps
        } else if condition_holds(condition, polarity, scene) {
            Holds::Always
        } else {
            Holds::Never
        }
    }))
}

/// Whether it is about what is the same for every call of a session. Paths are not: links may be laid anew.
fn is_settled(condition: &Condition) -> bool {
    let Subject::Fact(fact) = condition.subject else { return false };
    let about_session = matches!(
        fact,
        Fact::Agent
            | Fact::User
            | Fact::Group
            | Fact::Environment
            | Fact::Server
            | Fact::Risk
            | Fact::Action
            | Fact::Resource
    );
    let compares = |test: &Predicate| {
        matches!(
            test,
            Predicate::Eq(_)
                | Predicate::In(_)
                | Predicate::Glob(_)
                | Predicate::Matches(_)
                | Predicate::Exists(_)
        )
    };
    about_session && condition.tests.iter().all(compares)
}

fn all(parts: impl Iterator<Item = Holds>) -> Holds {
    parts.fold(Holds::Always, |all, part| match (all, part) {
        (Holds::Never, _) | (_, Holds::Never) => Holds::Never,
        (Holds::Perhaps, _) | (_, Holds::Perhaps) => Holds::Perhaps,
        (Holds::Always, Holds::Always) => Holds::Always,
    })
}

fn any(parts: impl Iterator<Item = Holds>) -> Holds {
    not(all(parts.map(not)))
}

fn not(holds: Holds) -> Holds {
    match holds {
        Holds::Always => Holds::Never,
        Holds::Never => Holds::Always,
        Holds::Perhaps => Holds::Perhaps,
    }
}

#[cfg(test)]
mod tests;
