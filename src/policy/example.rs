//! The tests that rules carry: each is a call, and the verdict that the whole policy must give.
//!
//! It refuses to depend on modes, which never change a verdict: a file that is off is tested like any other.
//! Only a rule that is itself off is left out, as it is everywhere. Invariant: nothing outside the policy, the
//! world given and the example has a part in the answer.

use std::collections::BTreeMap;

use super::{
    Budget, Claims, Example, Fact, Facts, Label, Marked, Mode, Names, Past, Policy, ToolMetadata, Verdict,
    World, unix_ms,
};
use crate::call::Call;
use crate::wire::Json;

/// One example and what the policy said.
#[derive(Debug, Clone)]
pub struct Tried<'p> {
    /// Index of the rule that carries it.
    pub rule: usize,
    /// The example.
    pub example: &'p Example,
    /// The verdict; `None` where the arguments are nested too deeply to be read.
    pub verdict: Option<Verdict>,
}

impl Tried<'_> {
    /// Whether the verdict is the one expected.
    pub fn passed(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.effect == self.example.expect)
    }
}

/// Runs every example of the policy, in file order. `base` is what is known, and when it is, where an example gives no
/// fact.
pub fn run_examples<'p>(policy: &'p Policy, base: World<'_>) -> Vec<Tried<'p>> {
    let neutral = without_modes(policy);
    let numbered = policy.rules.iter().enumerate();
    let examples =
        numbered.flat_map(|(index, rule)| rule.examples.iter().map(move |example| (index, example)));
    examples
        .map(|(rule, example)| Tried { rule, example, verdict: try_one(&neutral, example, base) })
        .collect()
}

/// The same rules where no setting of file, agent or server is off.
fn without_modes(policy: &Policy) -> Policy {
    Policy {
        mode: Mode::Shadow,
        max_mode: None,
        agents: BTreeMap::new(),
        servers: BTreeMap::new(),
        ..policy.clone()
    }
}

fn try_one(policy: &Policy, example: &Example, base: World<'_>) -> Option<Verdict> {
    let facts = facts(base.facts, &example.facts);
    let given = example.facts.get(&Fact::Time).and_then(|values| unix_ms(values.first()?));
    let arguments = match &example.arguments {
        Some(text) => Some(Json::from_text(text)?),
        None => None,
    };
    let call = Call::new(&*example.method, &*example.tool, arguments);
    let said = said_of_tools(policy, &example.facts);
    let policy = said.as_ref().unwrap_or(policy);
    let stance = policy.stance(facts.agent.as_deref(), facts.server.as_deref().unwrap_or("default"));
    let supposed = Supposed(example);
    let world = World { facts: &facts, ..base }.with_past(&supposed).with_claims(claims(&example.facts));
    let world = world.with_changed(Some(is_changed(&example.facts)));
    policy.evaluate(&stance, &call, world.at(given.unwrap_or(base.unix_ms)))
}

/// The past that an example gives.
struct Supposed<'p>(&'p Example);

impl Past for Supposed<'_> {
    fn is_spent(&self, budget: &Budget) -> bool {
        self.0.calls_before >= budget.max
    }

    fn marked(&self, label: &Label) -> Marked {
        if self.0.after.iter().any(|id| **id == *label.id) { Marked::Surely } else { Marked::No }
    }
}

/// Whether the tool of the example has changed. Where the example is silent nothing has happened before it.
fn is_changed(given: &BTreeMap<Fact, Vec<String>>) -> bool {
    given.get(&Fact::ToolChanged).is_some_and(|values| values.iter().any(|word| word == "true"))
}

/// What the server of the example claims of the tool. Where the example is silent, the tool was not listed.
fn claims(given: &BTreeMap<Fact, Vec<String>>) -> Option<Claims> {
    let said = |fact| given.get(&fact).and_then(|values| values.first()).map(|word| word == "true");
    let listed = given.keys().any(|fact| fact.is_claim());
    listed.then(|| {
        let plain = Claims::default();
        let read_only = said(Fact::ClaimedReadOnly).unwrap_or(plain.read_only);
        Claims {
            read_only,
            destructive: said(Fact::ClaimedDestructive).unwrap_or(!read_only),
            idempotent: said(Fact::ClaimedIdempotent).unwrap_or(read_only),
            open_world: said(Fact::ClaimedOpenWorld).unwrap_or(plain.open_world),
        }
    })
}

fn facts(base: &Facts, given: &BTreeMap<Fact, Vec<String>>) -> Facts {
    let mut facts = base.clone();
    for (fact, values) in given {
        let first = values.first().cloned();
        match fact {
            Fact::Agent => facts.agent = first,
            Fact::User => facts.user = first,
            Fact::Group => facts.groups.clone_from(values),
            Fact::Repo => facts.repo = first,
            Fact::Client => facts.client = first,
            Fact::Environment => facts.environment = first,
            Fact::Server => facts.server = first,
            Fact::Root => facts.root = first,
            Fact::Risk
            | Fact::Action
            | Fact::Resource
            | Fact::Time
            | Fact::ClaimedReadOnly
            | Fact::ClaimedDestructive
            | Fact::ClaimedIdempotent
            | Fact::ClaimedOpenWorld
            | Fact::ToolChanged => {}
        }
    }
    facts
}

/// The policy with other words about tools, where the example gives some.
fn said_of_tools(policy: &Policy, given: &BTreeMap<Fact, Vec<String>>) -> Option<Policy> {
    let mut tools = policy.tools.clone();
    let mut changed = false;
    for (fact, values) in given.iter().filter(|(fact, _)| field(**fact, &mut nothing()).is_some()) {
        changed = true;
        for tool in &mut tools {
            set(tool, *fact, None);
        }
        tools.extend(values.iter().map(|value| {
            let mut tool = nothing();
            set(&mut tool, *fact, Some(value.clone()));
            tool
        }));
    }
    changed.then(|| Policy { tools, ..policy.clone() })
}

fn nothing() -> ToolMetadata {
    ToolMetadata { tools: Names::default(), action: None, resource: None, risk: None }
}

fn set(tool: &mut ToolMetadata, fact: Fact, value: Option<String>) {
    if let Some(place) = field(fact, tool) {
        *place = value;
    }
}

fn field(fact: Fact, tool: &mut ToolMetadata) -> Option<&mut Option<String>> {
    match fact {
        Fact::Risk => Some(&mut tool.risk),
        Fact::Action => Some(&mut tool.action),
        Fact::Resource => Some(&mut tool.resource),
        Fact::Agent
        | Fact::User
        | Fact::Group
        | Fact::Repo
        | Fact::Client
        | Fact::Environment
        | Fact::Server
        | Fact::Root
        | Fact::Time
        | Fact::ClaimedReadOnly
        | Fact::ClaimedDestructive
        | Fact::ClaimedIdempotent
        | Fact::ClaimedOpenWorld
        | Fact::ToolChanged => None,
    }
}
