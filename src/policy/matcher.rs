//! Whether a rule matches a call.
//!
//! Total: there is no error, only an answer that differs by polarity where something cannot be judged.
//! Invariant: what is opaque tightens: it matches a restrictive rule, never satisfies an allow rule, and
//! never exempts through `unless`.

use super::pointer::{Readers, Selected, covers, select};
use super::predicate::{Judge, Outcome, Value};
use super::readings::Readings;
use super::{
    Condition, Effect, Fact, Grade, Label, Names, Pointer, Policy, Predicate, Rule, Subject, Table, World,
};
use crate::call::Call;

/// All that a rule can look at.
pub(super) struct Scene<'a> {
    /// The call.
    pub(super) call: &'a Call<'a>,
    /// Its name in NFC.
    pub(super) name: &'a str,
    /// Under which circumstances.
    pub(super) world: World<'a>,
    /// What is judged by.
    pub(super) policy: &'a Policy,
    /// What its texts were read as.
    pub(super) readings: Readings,
}

/// Which way doubt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Polarity {
    /// A match tightens: one value that satisfies is enough, doubt counts as a match.
    Restrictive,
    /// A match loosens: every value must satisfy, doubt does not.
    Permissive,
}

impl Polarity {
    pub(super) fn of(effect: Effect) -> Self {
        if effect == Effect::Allow { Self::Permissive } else { Self::Restrictive }
    }

    pub(super) fn reversed(self) -> Self {
        match self {
            Self::Restrictive => Self::Permissive,
            Self::Permissive => Self::Restrictive,
        }
    }
}

/// Whether the rule matches, but for its rate. Its mode and its `servers` are not looked at: the stance has.
pub(super) fn rule_matches(rule: &Rule, scene: &Scene<'_>) -> bool {
    let polarity = Polarity::of(rule.effect);
    let Rule { methods, tools, when, any, unless, .. } = rule;
    let keys = Keys { methods, tools, when: when.as_ref(), any, unless: unless.as_ref() };
    keys.hold(polarity, scene)
        && (!rule.closed || keys.name_all(polarity, scene))
        && (rule.after.is_empty() || any_is_set(&rule.after, polarity, scene))
        && !any_is_set(&rule.unless_after, polarity.reversed(), scene)
}

/// How sure it is that a call is what the label speaks of, if it may be at all. `servers` is not looked at.
pub(super) fn label_matches(label: &Label, scene: &Scene<'_>) -> Option<Grade> {
    let Label { methods, tools, when, any, unless, .. } = label;
    let keys = Keys { methods, tools, when: when.as_ref(), any, unless: unless.as_ref() };
    if !keys.hold(Polarity::Restrictive, scene) {
        return None;
    }
    Some(if keys.hold(Polarity::Permissive, scene) { Grade::Surely } else { Grade::Possibly })
}

/// What rules and labels name calls by.
struct Keys<'r> {
    methods: &'r Names,
    tools: &'r Names,
    when: Option<&'r Table>,
    any: &'r [Table],
    unless: Option<&'r Table>,
}

impl Keys<'_> {
    fn hold(&self, polarity: Polarity, scene: &Scene<'_>) -> bool {
        let holds = |table: &Table, polarity| {
            table.iter().all(|condition| condition_holds(condition, polarity, scene))
        };
        self.methods.contains(&scene.call.method)
            && self.tools.covers(polarity, scene)
            && self.when.is_none_or(|table| holds(table, polarity))
            && (self.any.is_empty() || self.any.iter().any(|table| holds(table, polarity)))
            && !self.unless.is_some_and(|table| holds(table, polarity.reversed()))
    }

    /// Whether the tables that hold name every argument.
    fn name_all(&self, polarity: Polarity, scene: &Scene<'_>) -> bool {
        let holds =
            |table: &&Table| table.iter().all(|condition| condition_holds(condition, polarity, scene));
        let tables = self.when.into_iter().chain(self.any.iter().filter(holds));
        let pointers = tables.flatten().flat_map(|condition| match &condition.subject {
            Subject::Arguments(pointers) => pointers.as_slice(),
            Subject::Fact(_) | Subject::Time(_) => &[],
        });
        let searching = pointers.clone().filter(|pointer| pointer.searches_all());
        covers(pointers, scene.call.arguments)
            && scene.call.carried().all(|json| covers(searching.clone(), Some(json)))
    }
}

/// Whether one of these labels is set, by their indices.
pub(super) fn any_is_set(labels: &[usize], polarity: Polarity, scene: &Scene<'_>) -> bool {
    let mut labels = labels.iter().filter_map(|index| scene.policy.labels.get(*index));
    labels.any(|label| scene.world.past.marked(label).holds(polarity))
}

impl Names {
    /// Whether a call's name is in the list. A call about some tool may be about any.
    pub(super) fn covers(&self, polarity: Polarity, scene: &Scene<'_>) -> bool {
        if !scene.call.is_about_some_tool() {
            return self.contains(scene.name);
        }
        // No tool is called so: whatever lets this name pass lets all pass that are not taken out.
        polarity == Polarity::Restrictive
            || self.except.is_empty() && self.contains("\u{0}any tool at all\u{0}")
    }

    /// Whether a name, in NFC, is in the list.
    pub fn contains(&self, name: &str) -> bool {
        let given =
            !self.any_given || self.exact.iter().any(|exact| exact == name) || self.globs.is_match(name);
        given && !self.except.is_match(name)
    }
}

/// Whether one member of a table holds.
pub(super) fn condition_holds(condition: &Condition, polarity: Polarity, scene: &Scene<'_>) -> bool {
    match &condition.subject {
        Subject::Arguments(pointers) => arguments_hold(pointers, &condition.tests, polarity, scene),
        Subject::Fact(fact) if fact.is_claimed() && polarity == Polarity::Permissive => false,
        Subject::Fact(fact) => fact_holds(*fact, &condition.tests, polarity, scene),
        Subject::Time(windows) => windows.contains(scene.world.unix_ms),
    }
}

/// A name in other letters counts against a permission and never for one: where only `Path` is given, a server that
/// reads names as they are spelled goes by what it does without `path`.
fn arguments_hold(pointers: &[Pointer], tests: &[Predicate], polarity: Polarity, scene: &Scene<'_>) -> bool {
    let holds_for = |readers| tally(pointers, tests, readers, polarity, scene).holds(tests, polarity);
    holds_for(Readers::All) && (polarity == Polarity::Restrictive || holds_for(Readers::Exact))
}

fn tally(
    pointers: &[Pointer],
    tests: &[Predicate],
    readers: Readers,
    polarity: Polarity,
    scene: &Scene<'_>,
) -> Tally {
    let judge = Judge { polarity, scene };
    let mut tally = Tally::default();
    for pointer in pointers {
        // What a retry carries has names that the server chose: no pointer can be meant for one of them.
        let carried = scene.call.carried().filter(|_| pointer.searches_all());
        for brought in scene.call.arguments.into_iter().chain(carried) {
            select(
                pointer,
                Some(brought),
                readers,
                scene.policy.max_judged,
                &mut |selected| match selected {
                    Selected::Value(json) => tally.count(judge.all(tests, &Value::Json(json))),
                    Selected::Leaf(json) => tally.count(judge.all(tests, &Value::Found(json))),
                    Selected::Name(name) => tally.count(judge.all(tests, &Value::Name(&name))),
                    Selected::Opaque => tally.count_opaque(),
                },
            );
        }
    }
    tally
}

/// A fact with several values: a person in several groups is in each of them, so one that satisfies is enough
/// whatever the polarity; a tool with several risks has the worst of them, so the polarity decides.
fn fact_holds(fact: Fact, tests: &[Predicate], polarity: Polarity, scene: &Scene<'_>) -> bool {
    let judge = Judge { polarity, scene };
    let mut tally = Tally::default();
    if fact.is_truth() && scene.call.is_about_a_tool() {
        tally.count(match scene.world.truth(fact) {
            Some(truth) => judge.all(tests, &Value::Truth(truth)),
            // A tool that the server did not list may be anything, and one whose pin cannot be read too.
            None => Outcome::Opaque,
        });
    }
    if scene.call.is_about_some_tool() && scene.policy.tools.iter().any(|tool| tool.says(fact)) {
        tally.count_opaque();
    }
    for value in fact_values(fact, scene) {
        tally.count(judge.all(tests, &Value::Word(value)));
    }
    if fact == Fact::Group && tally.satisfied {
        tally.not = false;
        tally.opaque = false;
    }
    tally.holds(tests, polarity)
}

/// The values of a fact, as conditions see them.
pub(super) fn fact_values<'a>(fact: Fact, scene: &'a Scene<'_>) -> Vec<&'a str> {
    let facts = scene.world.facts;
    let one = |value: &'a Option<String>| value.as_deref().into_iter().collect();
    let metadata = || scene.policy.tools.iter().filter(|tool| tool.tools.contains(scene.name));
    match fact {
        Fact::Agent => one(&facts.agent),
        Fact::User => one(&facts.user),
        Fact::Group => facts.groups.iter().map(String::as_str).collect(),
        Fact::Repo => one(&facts.repo),
        Fact::Client => one(&facts.client),
        Fact::Environment => one(&facts.environment),
        Fact::Server => one(&facts.server),
        Fact::Root => one(&facts.root),
        Fact::Risk => metadata().filter_map(|tool| tool.risk.as_deref()).collect(),
        Fact::Action => metadata().filter_map(|tool| tool.action.as_deref()).collect(),
        Fact::Resource => metadata().filter_map(|tool| tool.resource.as_deref()).collect(),
        Fact::Time
        | Fact::ClaimedReadOnly
        | Fact::ClaimedDestructive
        | Fact::ClaimedIdempotent
        | Fact::ClaimedOpenWorld
        | Fact::ToolChanged => Vec::new(),
    }
}

/// What the selected values came to.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // kinds of finding that occur in any combination
struct Tally {
    /// Some value is there to be seen.
    seen: bool,
    satisfied: bool,
    not: bool,
    opaque: bool,
    /// Something is in the way of the pointer.
    hidden: bool,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        self.seen = true;
        match outcome {
            Outcome::Satisfied => self.satisfied = true,
            Outcome::Not => self.not = true,
            Outcome::Opaque => self.opaque = true,
        }
    }

    fn count_opaque(&mut self) {
        self.hidden = true;
        self.opaque = true;
    }

    /// `exists` is about the selection, the other predicates about its values; both must hold.
    fn holds(self, tests: &[Predicate], polarity: Polarity) -> bool {
        let exists = |test: &Predicate| match test {
            Predicate::Exists(wanted) => Some(self.exists(*wanted, polarity)),
            Predicate::Eq(_)
            | Predicate::In(_)
            | Predicate::Glob(_)
            | Predicate::Matches(_)
            | Predicate::Gt(_)
            | Predicate::Ge(_)
            | Predicate::Lt(_)
            | Predicate::Le(_)
            | Predicate::BytesGt(_)
            | Predicate::PathUnder(_)
            | Predicate::PathOutside(_)
            | Predicate::PathGlob(_)
            | Predicate::Host(_)
            | Predicate::Scheme(_)
            | Predicate::IpIn(_)
            | Predicate::SqlAny(_)
            | Predicate::SqlOnly(_)
            | Predicate::ShellAny(_)
            | Predicate::ShellOnly(_) => None,
        };
        let only_exists = tests.iter().all(|test| exists(test).is_some());
        tests.iter().filter_map(exists).all(|held| held) && (only_exists || self.values_hold(polarity))
    }

    fn exists(self, wanted: bool, polarity: Polarity) -> bool {
        match (self.seen, self.hidden) {
            (true, _) => wanted,
            (false, true) => polarity == Polarity::Restrictive,
            (false, false) => !wanted,
        }
    }

    fn values_hold(self, polarity: Polarity) -> bool {
        match polarity {
            Polarity::Restrictive => self.satisfied || self.opaque,
            Polarity::Permissive => self.satisfied && !self.not && !self.opaque,
        }
    }
}
