//! Runs the tests that a policy carries: `[[rule.test]]`.
//!
//! Modes play no part: a test says what the policy says, whoever it is enforced on. Invariant: every example is
//! judged by the whole policy, so a rule's test also fails when another rule changes the verdict.

use super::{By, Effect, Example, Fact, Facts, Mode, NoLinks, Policy};
use crate::call::Call;
use crate::wire::Json;

/// How one example came out.
#[derive(Debug, Clone)]
pub struct Tried<'p> {
    /// The id of the rule that carries it.
    pub rule: &'p str,
    /// The example.
    pub example: &'p Example,
    /// The verdict that the policy gives.
    pub verdict: Effect,
    /// Who gives it.
    pub by: By,
}

impl Tried<'_> {
    /// Whether the policy says what the example expects.
    pub fn passed(&self) -> bool {
        self.verdict == self.example.expect
    }
}

impl Policy {
    /// Judges every example. `known` is what holds where an example does not say otherwise.
    pub fn try_examples(&self, known: &Facts) -> Vec<Tried<'_>> {
        let enforced = self.enforced();
        let carried =
            self.rules.iter().flat_map(|rule| rule.examples.iter().map(move |example| (rule, example)));
        carried
            .map(|(rule, example)| {
                let (verdict, by) = enforced.try_example(example, known);
                Tried { rule: &rule.id, example, verdict, by }
            })
            .collect()
    }

    /// The same rules with every mode taken out but `off` on a rule.
    fn enforced(&self) -> Self {
        let mut policy = self.clone();
        policy.mode = Mode::Enforce;
        policy.max_mode = None;
        policy.agents.clear();
        policy.servers.clear();
        policy
    }

    fn try_example(&self, example: &Example, known: &Facts) -> (Effect, By) {
        let facts = supposed(example, known);
        let call = Call {
            method: example.method.as_str().into(),
            name: example.tool.as_str().into(),
            arguments: example.arguments.as_deref().and_then(Json::from_text),
        };
        let stance = self.stance(facts.agent.as_deref(), facts.server.as_deref().unwrap_or_default());
        match self.evaluate(&stance, &call, &facts, &NoLinks) {
            Some(verdict) => (verdict.effect, verdict.by),
            None => (Effect::Allow, By::Default),
        }
    }
}

fn supposed(example: &Example, known: &Facts) -> Facts {
    let mut facts = known.clone();
    for (fact, values) in &example.facts {
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
            // What `[[tool]]` declares is part of the policy, not of a supposition.
            Fact::Risk | Fact::Action | Fact::Resource => {}
        }
    }
    facts
}
