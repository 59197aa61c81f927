//! Why a call is judged as it is: each rule, the predicate that decided it, and what would change the verdict.
//!
//! It decides nothing of its own: conditions are asked of the matcher and matches are weighed by the evaluator, so that
//! there is one truth. Invariant: where nothing was lost, the rules that it calls matching are those of the verdict.

mod before;
mod beside;
mod change;
mod lost;
#[cfg(test)]
mod tests;
mod trace;
mod values;

use super::evaluate::nfc;
use super::facts::Remembered;
use super::matcher::{Polarity, Scene};
use super::readings::Readings;
use super::self_protection::reaches_protected;
use super::{By, Effect, Mode, Policy, Rule, Stance, Verdict, Wording, World};
use crate::call::Call;
use crate::wire::Json;

pub use before::{Before, Mark, Set};
pub use change::Change;
pub use lost::Lost;

/// With more rules than this in doubt, not every combination of them is weighed.
const MOST_DOUBTS: usize = 8;

/// A call to be explained.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// The modes that hold; of the policy that is asked.
    pub stance: &'a Stance,
    /// The call, as it came or as the store has kept it.
    pub call: &'a Call<'a>,
    /// Under which circumstances.
    pub world: World<'a>,
    /// The arguments as they may be shown.
    pub shown: Option<Json<'a>>,
    /// What of the arguments is no longer as it was.
    pub lost: &'a Lost,
    /// What came before the call, in place of what the world says of it.
    pub before: &'a Before,
    /// Whether `callgate-self` matched when the call came: what stands for it where something was lost.
    pub guarded: Holds,
}

/// Why a call is judged as it is.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What the policy says.
    pub said: Said,
    /// Every rule: `callgate-self` first where it has a say, then in file order.
    pub traces: Vec<Trace>,
    /// What `default` says of such a call; `None` where it has no say.
    pub default: Option<Effect>,
    /// What would change the verdict or what takes force, the nearest first.
    pub changes: Vec<Change>,
}

/// What the policy says, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing is judged.
    Off,
    /// This.
    Verdict(Verdict),
    /// One of these: it hangs on something that is not known.
    OneOf(Vec<Effect>),
}

/// Whether something holds, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What decides it was not kept, or is not known.
    Unknown,
}

/// One rule before one call.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Which.
    pub by: By,
    /// What it says where it matches.
    pub effect: Effect,
    /// The mode that holds for it here.
    pub mode: Mode,
    /// Whether it matches.
    pub matches: Holds,
    /// Whether its conditions were asked at all.
    pub reach: Reach,
    /// Its conditions, predicate by predicate, in the order in which they are asked.
    pub parts: Vec<Part>,
    /// The matching allow rules that lift it.
    pub lifted_by: Vec<By>,
    /// Whether it has a part in what takes force.
    pub acted: bool,
}

/// How far a call got into a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To its conditions.
    Conditions,
    /// It is about other methods.
    Methods,
    /// It is about other tools.
    Tools,
    /// It is about other servers.
    Servers,
    /// It is off.
    Off,
}

/// One predicate of a rule and what it met.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where in the rule.
    pub place: Place,
    /// What it looks at: `/path | /source`, `agent`.
    pub looks_at: String,
    /// What it asks.
    pub asks: Wording,
    /// The answer.
    pub holds: Holds,
    /// Whether the governed side chooses what it looks at, so that it never loosens.
    pub claimed: bool,
    /// The values it met, those that decided first; not all where there are many.
    pub values: Vec<Seen>,
    /// How many more there were.
    pub more: usize,
}

/// Where in a rule a predicate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `when`
    When,
    /// The table of `any` with this number, from 1.
    Any(usize),
    /// `unless`
    Unless,
    /// `closed`
    Closed,
    /// `after`
    After,
    /// `unless_after`
    UnlessAfter,
    /// `rate`
    Rate,
    /// In what is asked beside all these.
    Elsewhere,
}

impl Place {
    /// Whether what stands there must hold by itself for the rule to match.
    fn is_own(self) -> bool {
        !matches!(self, Self::Any(_) | Self::Unless)
    }

    /// Whether what stands there is about what came before the call.
    pub fn looks_back(self) -> bool {
        matches!(self, Self::After | Self::UnlessAfter | Self::Rate)
    }
}

/// A value that a predicate met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Fit to be shown: without secrets, cut, nothing in it invisible.
    pub text: String,
    /// What it is to the predicate.
    pub fits: Fits,
}

/// What a value is to a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    /// It satisfies.
    Yes,
    /// It does not.
    No,
    /// It cannot be told: another type, no clear path, too long, or not looked into. Doubt tightens.
    Opaque,
    /// It is not as it was.
    Lost,
}

impl Policy {
    /// Why the call is judged as it is. `inquiry.stance` must come from this policy.
    pub fn explain(&self, inquiry: Inquiry<'_>) -> Explanation {
        let default = self.default_for(inquiry.call);
        if inquiry.stance.is_off() {
            return Explanation { said: Said::Off, traces: Vec::new(), default, changes: Vec::new() };
        }
        let name = nfc(&inquiry.call.name);
        let links = Remembered::new(inquiry.world.links);
        let (call, world) = (inquiry.call, inquiry.world.with_links(&links).with_past(inquiry.before));
        let scene = Scene { call, name: &name, world, policy: self, readings: Readings::default() };
        let mut traces: Vec<Trace> = self.guard(&scene, &inquiry).into_iter().collect();
        let numbered = self.rules.iter().enumerate();
        traces.extend(numbered.map(|(index, rule)| trace_of(index, rule, &scene, &inquiry)));
        self.mark_lifted(&mut traces);
        let said = self.said(&traces, &inquiry);
        let changes = match &said {
            Said::Verdict(verdict) => {
                for trace in &mut traces {
                    trace.acted = verdict.matched.iter().any(|found| found.by == trace.by && found.acted);
                }
                change::changes(self, &inquiry, &traces, verdict)
            }
            Said::Off | Said::OneOf(_) => Vec::new(),
        };
        Explanation { said, traces, default, changes }
    }

    /// The built-in rule, where it has a say.
    fn guard(&self, scene: &Scene<'_>, inquiry: &Inquiry<'_>) -> Option<Trace> {
        let asked = self.self_protection && inquiry.call.is_about_a_tool() && !self.protected.is_empty();
        asked.then(|| {
            let matches = match reaches_protected(scene) {
                true => Holds::Yes,
                false if inquiry.lost.is_nothing() => Holds::No,
                false => inquiry.guarded,
            };
            Trace { matches, ..Trace::of(By::SelfProtection, Effect::Deny, inquiry.stance.base) }
        })
    }

    fn mark_lifted(&self, traces: &mut [Trace]) {
        let matching: Vec<By> = traces.iter().filter(|t| t.matches == Holds::Yes).map(|t| t.by).collect();
        for trace in traces.iter_mut().filter(|trace| trace.effect > Effect::Allow) {
            let By::Rule(lifted) = trace.by else { continue };
            trace.lifted_by = matching.iter().copied().filter(|by| self.lifts(*by, lifted)).collect();
        }
    }

    /// Whether an allow rule names the rule at this index.
    fn lifts(&self, by: By, lifted: usize) -> bool {
        let By::Rule(index) = by else { return false };
        self.rules.get(index).is_some_and(|rule| rule.overrides.contains(&lifted))
    }

    /// Weighs what matches; where rules are in doubt, with and without each of them.
    fn said(&self, traces: &[Trace], inquiry: &Inquiry<'_>) -> Said {
        let doubts: Vec<By> = traces.iter().filter(|t| t.matches == Holds::Unknown).map(|t| t.by).collect();
        let weigh = |taken: &dyn Fn(usize) -> bool| {
            let counts = |trace: &&Trace| match trace.matches {
                Holds::Yes => true,
                Holds::No => false,
                Holds::Unknown => doubts.iter().position(|by| *by == trace.by).is_some_and(taken),
            };
            let matched: Vec<By> = traces.iter().filter(counts).map(|trace| trace.by).collect();
            self.weigh(inquiry.stance, inquiry.call, &matched)
        };
        if doubts.is_empty() {
            return Said::Verdict(weigh(&|_| false));
        }
        let mut effects: Vec<Effect> = if doubts.len() <= MOST_DOUBTS {
            (0..1_usize << doubts.len()).map(|taken| weigh(&|at| taken >> at & 1 == 1).effect).collect()
        } else {
            vec![Effect::Allow, Effect::Warn, Effect::RequireApproval, Effect::Deny]
        };
        effects.sort_unstable();
        effects.dedup();
        Said::OneOf(effects)
    }
}

impl Trace {
    fn of(by: By, effect: Effect, mode: Mode) -> Self {
        let reach = Reach::Conditions;
        let (parts, lifted_by) = (Vec::new(), Vec::new());
        Self { by, effect, mode, matches: Holds::No, reach, parts, lifted_by, acted: false }
    }

    /// The predicates that say why: the first that failed (in each table of `any`); all that held, and why nothing exempts;
    /// or all in doubt.
    pub fn decisive(&self) -> Vec<&Part> {
        let parts = |place: fn(Place) -> bool| self.parts.iter().filter(move |part| place(part.place));
        let own = || parts(Place::is_own);
        match self.matches {
            Holds::Unknown => self.parts.iter().filter(|part| part.holds == Holds::Unknown).collect(),
            Holds::Yes => own()
                .chain(self.tables().into_iter().find(|table| all_hold(table)).unwrap_or_default())
                .chain(parts(|place| place == Place::Unless).find(|part| part.holds == Holds::No))
                .collect(),
            Holds::No => {
                let failed = |part: &&Part| part.holds == Holds::No;
                if let Some(part) = own().find(failed) {
                    return vec![part];
                }
                let tables = self.tables();
                if !tables.is_empty() && !tables.iter().any(|table| all_hold(table)) {
                    return tables.into_iter().filter_map(|table| table.into_iter().find(failed)).collect();
                }
                let unknown = own().filter(|part| part.holds == Holds::Unknown);
                unknown.chain(parts(|place| place == Place::Unless)).collect()
            }
        }
    }

    /// The parts of each table of `any`.
    fn tables(&self) -> Vec<Vec<&Part>> {
        let mut tables: Vec<Vec<&Part>> = Vec::new();
        for part in &self.parts {
            let Place::Any(number) = part.place else { continue };
            tables.resize_with(number.max(tables.len()), Vec::new);
            if let Some(table) = tables.get_mut(number - 1) {
                table.push(part);
            }
        }
        tables
    }
}

impl Part {
    /// The values in a row.
    pub fn told_values(&self) -> String {
        let values: Vec<&str> = self.values.iter().map(|seen| seen.text.as_str()).collect();
        let more = if self.more > 0 { format!(" and {} more", self.more) } else { String::new() };
        format!("{}{more}", values.join(", "))
    }
}

fn all_hold(table: &[&Part]) -> bool {
    table.iter().all(|part| part.holds == Holds::Yes)
}

impl Holds {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn reversed(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }

    /// Whether all hold: one that does not settles it, whatever is unknown.
    fn all(answers: impl IntoIterator<Item = Self>) -> Self {
        answers.into_iter().fold(Self::Yes, |all, one| match (all, one) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        })
    }

    /// Whether one of them holds.
    fn any(answers: impl IntoIterator<Item = Self>) -> Self {
        Self::all(answers.into_iter().map(Self::reversed)).reversed()
    }
}

fn trace_of(index: usize, rule: &Rule, scene: &Scene<'_>, inquiry: &Inquiry<'_>) -> Trace {
    let mode = inquiry.stance.rules.get(index).copied().unwrap_or(Mode::Off);
    let reach = reach(rule, mode, scene, inquiry.stance);
    let trace = Trace { reach, ..Trace::of(By::Rule(index), rule.effect, mode) };
    if reach != Reach::Conditions {
        return trace;
    }
    let Inquiry { shown, lost, before, .. } = *inquiry;
    let (matches, parts) = trace::Tracer { scene, shown, lost, before }.rule(index, rule);
    Trace { matches, parts, ..trace }
}

fn reach(rule: &Rule, mode: Mode, scene: &Scene<'_>, stance: &Stance) -> Reach {
    if !rule.methods.contains(&scene.call.method) {
        Reach::Methods
    } else if !rule.tools.covers(Polarity::of(rule.effect), scene) {
        Reach::Tools
    } else if !rule.servers.contains(stance.server()) {
        Reach::Servers
    } else if mode == Mode::Off {
        Reach::Off
    } else {
        Reach::Conditions
    }
}
