//! Which mode holds for whom: a policy reduced to one agent in front of one server.
//!
//! Computed once per session and revision; it never looks at a call. Invariant: a base mode of off leaves
//! nothing that could act, whatever the rules say.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::index::{FEW, Index};
use super::matcher::Scene;
use super::{Effect, Fact, FailMode, Mode, Policy, Rule, Subject, Table};

/// The modes of one revision as they hold for one agent and one server.
///
/// It belongs to the policy that made it: the indices of another revision mean other rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stance {
    /// The mode of the default and of `callgate-self`: agent over server over file, under the ceilings.
    pub base: Mode,
    /// The mode of each rule, by its index; off disables the rule.
    pub rules: Vec<Mode>,
    /// The strongest mode of anything that could stop or warn about a call here.
    pub strictest: Mode,
    /// What happens to a call without a verdict.
    pub fail_mode: FailMode,
    server: String,
    live: Vec<usize>,
    index: Lazy,
    labels: Vec<usize>,
    asks_for_pins: bool,
}

/// The index of the live rules, made when a call first asks. It follows from the rest, so any two are alike.
#[derive(Debug, Clone, Default)]
struct Lazy(OnceLock<Arc<Index>>);

impl PartialEq for Lazy {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Lazy {}

impl Stance {
    /// Whether nothing is evaluated at all.
    pub fn is_off(&self) -> bool {
        self.base == Mode::Off
    }

    /// Whether anything can take force here, so that frames must have one meaning.
    pub fn is_strict(&self) -> bool {
        self.strictest == Mode::Enforce
    }

    /// Whether a rule that restricts, or a label, is about requests with this method here. `policy` is the one that it
    /// came from.
    pub fn governs(&self, policy: &Policy, method: &str) -> bool {
        let rules = self.live.iter().filter_map(|index| policy.rules.get(*index));
        let labels = self.labels.iter().filter_map(|index| policy.labels.get(*index));
        rules.filter(|rule| rule.effect > Effect::Allow).any(|rule| rule.methods.contains(method))
            || labels.into_iter().any(|label| label.methods.contains(method))
    }

    /// The server that it was made for.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether a rule or a label that holds here asks for `tool_changed`.
    pub fn asks_for_pins(&self) -> bool {
        self.asks_for_pins
    }

    /// Indices of the labels that can be set in front of the server.
    pub(super) fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Indices of the rules that are not off and cover the server, in file order.
    pub(super) fn live(&self) -> &[usize] {
        &self.live
    }

    /// Indices of the live rules that are worth asking about a call, in file order.
    pub(super) fn asked(&self, scene: &Scene<'_>) -> Cow<'_, [usize]> {
        // What the index looks up is the tool's name, and values in the arguments.
        let has_more = scene.call.is_about_some_tool() || scene.call.carried().next().is_some();
        if self.live.len() <= FEW || has_more {
            return Cow::Borrowed(&self.live);
        }
        Cow::Owned(self.index(scene.policy).candidates(scene))
    }

    /// Makes the index now, so that the first call does not wait for it. `policy` is the one that it came from.
    pub fn prepare(&self, policy: &Policy) {
        if self.live.len() > FEW {
            self.index(policy);
        }
    }

    fn index(&self, policy: &Policy) -> &Index {
        self.index.0.get_or_init(|| Arc::new(Index::new(policy, &self.live)))
    }
}

impl Policy {
    /// The modes that hold for this agent in front of this server.
    ///
    /// The most specific setting wins, for a rule: `modes` by agent, `mode` of the rule, agent, server, file.
    /// Both ceilings then cap it.
    pub fn stance(&self, agent: Option<&str>, server: &str) -> Stance {
        let by_agent = agent.and_then(|key| self.agents.get(key)).copied().unwrap_or_default();
        let by_server = self.servers.get(server).copied().unwrap_or_default();
        let wanted = by_agent.mode.or(by_server.mode).unwrap_or(self.mode);
        let capped =
            |mode: Mode| [self.max_mode, by_agent.max_mode].into_iter().flatten().fold(mode, Mode::min);
        let base = capped(wanted);
        let rules: Vec<Mode> =
            self.rules.iter().map(|rule| capped(own_mode(rule, agent).unwrap_or(wanted))).collect();
        let live = self.live_rules(base, &rules, server);
        let strictest = live
            .iter()
            .filter(|index| self.rules.get(**index).is_some_and(|rule| rule.effect > Effect::Allow))
            .filter_map(|index| rules.get(*index))
            .fold(base, |strictest, mode| strictest.max(*mode));
        let fail_mode =
            by_agent.fail_mode.or(by_server.fail_mode).or(self.fail_mode).unwrap_or(FailMode::Open);
        let labels = self.live_labels(base, server);
        let asks_for_pins = self.ask_for_pins(&live, &labels);
        let server = server.to_owned();
        let index = Lazy::default();
        Stance { base, rules, strictest, fail_mode, server, live, index, labels, asks_for_pins }
    }

    fn ask_for_pins(&self, live: &[usize], labels: &[usize]) -> bool {
        let rules = live.iter().filter_map(|index| self.rules.get(*index));
        let labels = labels.iter().filter_map(|index| self.labels.get(*index));
        let tables = rules.map(|rule| (&rule.when, &rule.any, &rule.unless));
        let mut tables = tables.chain(labels.map(|label| (&label.when, &label.any, &label.unless)));
        let asks = |table: &Table| {
            table.iter().any(|condition| matches!(condition.subject, Subject::Fact(Fact::ToolChanged)))
        };
        tables.any(|(when, any, unless)| when.iter().chain(any).chain(unless).any(asks))
    }

    fn live_labels(&self, base: Mode, server: &str) -> Vec<usize> {
        let numbered = self.labels.iter().enumerate().filter(|_| base != Mode::Off);
        numbered.filter(|(_, label)| label.servers.contains(server)).map(|(index, _)| index).collect()
    }

    fn live_rules(&self, base: Mode, modes: &[Mode], server: &str) -> Vec<usize> {
        if base == Mode::Off {
            return Vec::new();
        }
        let covers = |(rule, mode): (&Rule, &Mode)| *mode != Mode::Off && rule.servers.contains(server);
        let numbered = self.rules.iter().zip(modes).enumerate();
        numbered.filter(|(_, pair)| covers(*pair)).map(|(index, _)| index).collect()
    }
}

fn own_mode(rule: &Rule, agent: Option<&str>) -> Option<Mode> {
    agent.and_then(|key| rule.modes.get(key)).copied().or(rule.mode)
}
