//! The decision: every rule is asked, and what they say is put together.
//!
//! It cannot fail, and it neither blocks nor forwards: it says what the policy says and what of that takes
//! force. Invariants: the order of the rules changes nothing but who is named; a mode never changes the effect.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::facts::Remembered;
use super::matcher::{Scene, label_matches, rule_matches};
use super::readings::Readings;
use super::self_protection::reaches_protected;
use super::{Acting, Budget, By, Effect, Match, Mode, Policy, Rule, Setting, Stance, Traces, Verdict, World};
use crate::call::{Asker, Call};

/// Methods that `default` covers whatever it says.
pub(super) const COVERED: [&str; 3] = ["tools/call", "resources/read", "prompts/get"];

impl Policy {
    /// What the policy says of a call, and what of it takes force; `None` under off.
    ///
    /// `stance` must come from this policy.
    pub fn evaluate(&self, stance: &Stance, call: &Call<'_>, world: World<'_>) -> Option<Verdict> {
        self.judge(stance, call, world, |scene| stance.asked(scene))
    }

    /// The same without the index: every live rule is asked. For tests that hold the one against the other.
    #[doc(hidden)]
    pub fn evaluate_linearly(&self, stance: &Stance, call: &Call<'_>, world: World<'_>) -> Option<Verdict> {
        self.judge(stance, call, world, |_| Cow::Borrowed(stance.live()))
    }

    /// `asked` gives the indices of the rules to ask, in file order.
    fn judge<'s>(
        &self,
        stance: &'s Stance,
        call: &Call<'_>,
        world: World<'_>,
        asked: impl FnOnce(&Scene<'_>) -> Cow<'s, [usize]>,
    ) -> Option<Verdict> {
        if stance.is_off() {
            return None;
        }
        let name = nfc(&call.name);
        let links = Remembered::new(world.links);
        let world = world.with_links(&links);
        let scene = Scene { call, name: &name, world, policy: self, readings: Readings::default() };
        let mut found = Found::new(self.default_for(call), stance.base);
        if self.self_protection && call.is_about_a_tool() && reaches_protected(&scene) {
            found.push(By::SelfProtection, Effect::Deny, stance.base);
        }
        for index in &*asked(&scene) {
            let (Some(rule), Some(mode)) = (self.rules.get(*index), stance.rules.get(*index)) else {
                continue;
            };
            if rule_matches(rule, &scene) && found.is_over(rule, &scene) {
                found.push(By::Rule(*index), rule.effect, *mode);
            }
        }
        found.labels(stance, &scene);
        self.lift(&mut found.matches);
        Some(found.verdict(self))
    }

    /// The verdict on a frame that has no single meaning: deny, by the strongest mode here; `None` under off.
    pub fn malformed(&self, stance: &Stance) -> Option<Verdict> {
        if stance.is_off() {
            return None;
        }
        let mut found = Found::new(None, stance.base);
        found.push(By::Malformed, Effect::Deny, stance.strictest);
        Some(found.verdict(self))
    }

    /// What these matches come to; `matched` in file order, what is built in first.
    pub(super) fn weigh(&self, stance: &Stance, call: &Call<'_>, matched: &[By]) -> Verdict {
        let mut found = Found::new(self.default_for(call), stance.base);
        for by in matched {
            let rule = if let By::Rule(index) = by { Some(*index) } else { None };
            match rule.and_then(|index| Some((self.rules.get(index)?, stance.rules.get(index)?))) {
                Some((rule, mode)) => found.push(*by, rule.effect, *mode),
                None => found.push(*by, Effect::Deny, stance.base),
            }
        }
        self.lift(&mut found.matches);
        found.verdict(self)
    }

    /// What the default says of a call, where it has a say: it has none in what a server asks.
    pub(super) fn default_for(&self, call: &Call<'_>) -> Option<Effect> {
        let covered = COVERED.contains(&call.method.as_ref()) || self.default == Effect::Deny;
        (covered && call.asker == Asker::Client).then_some(self.default)
    }

    /// Marks what the matching allow rules lift. An allow rule is never lifted, nor is what is built in.
    fn lift(&self, matches: &mut [Voice]) {
        let lifting: Vec<(usize, &[usize])> = matches
            .iter()
            .enumerate()
            .filter(|(_, found)| found.effect == Effect::Allow)
            .filter_map(|(at, found)| Some((at, self.overrides_of(found.by)?)))
            .filter(|(_, overrides)| !overrides.is_empty())
            .collect();
        let mut useful = Vec::new();
        for found in matches.iter_mut().filter(|found| found.effect > Effect::Allow) {
            let By::Rule(index) = found.by else { continue };
            let lifters = lifting.iter().filter(|(_, overrides)| overrides.contains(&index));
            for (at, _) in lifters {
                found.lifted = true;
                if found.mode >= Mode::Warn {
                    useful.push(*at);
                }
            }
        }
        for at in useful {
            if let Some(lifter) = matches.get_mut(at) {
                lifter.lifts_acting = true;
            }
        }
    }

    fn overrides_of(&self, by: By) -> Option<&[usize]> {
        let By::Rule(index) = by else { return None };
        self.rules.get(index).map(|rule| rule.overrides.as_slice())
    }
}

/// The name as rules compare it.
pub(super) fn nfc(name: &str) -> Cow<'_, str> {
    if is_nfc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) }
}

/// A rule that matched.
struct Voice {
    by: By,
    effect: Effect,
    mode: Mode,
    lifted: bool,
    lifts_acting: bool,
}

/// All that matched, in file order, and what the default would add.
struct Found {
    default: Option<Effect>,
    base: Mode,
    matches: Vec<Voice>,
    traces: Traces,
}

impl Found {
    fn new(default: Option<Effect>, base: Mode) -> Self {
        Self { default, base, matches: Vec::new(), traces: Traces::default() }
    }

    /// Whether the budget is spent of a rule that matches otherwise; a rule without a rate needs none. The call is
    /// counted either way.
    fn is_over(&mut self, rule: &Rule, scene: &Scene<'_>) -> bool {
        let Some(rate) = &rule.rate else { return true };
        let budget = Budget::of(rule, rate, scene.world.facts, scene.name);
        // A rule that is written twice counts once.
        if !self.traces.spends.contains(&budget) {
            self.traces.spends.push(budget);
        }
        scene.world.past.is_spent(&budget)
    }

    /// Notes which labels the call sets.
    fn labels(&mut self, stance: &Stance, scene: &Scene<'_>) {
        for index in stance.labels() {
            let grade = scene.policy.labels.get(*index).and_then(|label| label_matches(label, scene));
            self.traces.labels.extend(grade.map(|grade| Setting { label: *index, grade }));
        }
    }

    fn push(&mut self, by: By, effect: Effect, mode: Mode) {
        self.matches.push(Voice { by, effect, mode, lifted: false, lifts_acting: false });
    }

    /// What counts when only modes from `floor` on do. Allow rules always do.
    fn counting(&self, floor: Mode) -> impl Iterator<Item = &Voice> {
        let counts = move |found: &&Voice| found.effect == Effect::Allow || found.mode >= floor;
        self.matches.iter().filter(|found| !found.lifted).filter(counts)
    }

    /// What the default adds when only modes from `floor` on count: nothing once a rule admits the call.
    fn default_at(&self, floor: Mode) -> Option<Effect> {
        let admits = |found: &Voice| matches!(found.effect, Effect::Allow | Effect::RequireApproval);
        self.default.filter(|_| self.base >= floor && !self.counting(floor).any(admits))
    }

    /// The strictest of what counts from `floor` on, and the first that says it. The default comes last and
    /// also stands in where nothing speaks.
    fn strictest(&self, floor: Mode) -> Acting {
        let mut strictest: Option<Acting> = None;
        for found in self.counting(floor) {
            if strictest.is_none_or(|so_far| found.effect > so_far.effect) {
                strictest = Some(Acting { effect: found.effect, by: found.by, mode: found.mode });
            }
        }
        let by_default = |effect: Option<Effect>| Acting {
            effect: effect.unwrap_or(Effect::Allow),
            by: By::Default,
            mode: self.base,
        };
        let default = by_default(self.default_at(floor));
        strictest.filter(|rules| rules.effect >= default.effect).unwrap_or(default)
    }

    /// What takes force: what is enforced, else a warning about what would be, were warn enforce.
    fn acting(&self) -> Acting {
        let enforced = self.strictest(Mode::Enforce);
        if enforced.effect > Effect::Allow {
            return enforced;
        }
        let warned = self.strictest(Mode::Warn);
        if warned.effect > Effect::Allow {
            return Acting { effect: Effect::Warn, ..warned };
        }
        enforced
    }

    fn verdict(self, policy: &Policy) -> Verdict {
        let said = self.strictest(Mode::Shadow);
        let acting = self.acting();
        let mut matched: Vec<Match> = self.matches.iter().map(Voice::as_match).collect();
        matched.extend(self.default_match());
        Verdict {
            effect: said.effect,
            by: said.by,
            mode: said.mode,
            acting,
            matched,
            revision: policy.revision.clone(),
            traces: self.traces,
        }
    }

    /// The default as a match: where it is more than allow and joins, in the verdict or in what takes force
    /// (a rule in shadow may admit a call in the one and not in the other).
    fn default_match(&self) -> Option<Match> {
        let joins = |floor| self.default_at(floor).filter(|effect| *effect > Effect::Allow);
        let acting = joins(Mode::Enforce).or_else(|| joins(Mode::Warn));
        let effect = joins(Mode::Shadow).or(acting)?;
        Some(Match { by: By::Default, effect, mode: self.base, acted: acting.is_some() })
    }
}

impl Voice {
    /// An allow rule acted when its mode acts or it lifted something that would have.
    fn as_match(&self) -> Match {
        let acted = !self.lifted && (self.mode >= Mode::Warn || self.lifts_acting);
        Match { by: self.by, effect: self.effect, mode: self.mode, acted }
    }
}
