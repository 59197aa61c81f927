//! What would change a verdict, or what takes force of it: the smallest steps, one at a time.
//!
//! Each step is weighed by the evaluator before it is told, so that nothing is promised that would not happen. It
//! speaks of one call: what a change would do to others is for a simulation. Invariant: values are told only as shown.

use super::{Fits, Holds, Inquiry, Part, Place, Reach, Trace};
use crate::policy::{By, Effect, Mode, Policy, Stance, Verdict};

/// No more steps of one kind are told.
const MOST: usize = 5;
/// Rules that lack more predicates than this are not near.
const NEAR: usize = 2;

/// One step, and what it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of step: `argument`, `lift`, `match`, `mode`, `default`.
    pub kind: &'static str,
    /// The rules that it is about.
    pub rules: Vec<By>,
    /// The step in words.
    pub text: String,
    /// The verdict after it; `None` where the verdict stays and only what takes force changes.
    pub then: Option<Effect>,
}

/// The steps for this call, the nearest first.
pub(super) fn changes(
    policy: &Policy,
    inquiry: &Inquiry<'_>,
    traces: &[Trace],
    verdict: &Verdict,
) -> Vec<Change> {
    let asked = Asked { policy, inquiry, traces, verdict };
    let mut changes = if verdict.effect > Effect::Allow { asked.milder() } else { asked.stricter() };
    changes.extend(asked.modes());
    changes
}

struct Asked<'a> {
    policy: &'a Policy,
    inquiry: &'a Inquiry<'a>,
    traces: &'a [Trace],
    verdict: &'a Verdict,
}

impl Asked<'_> {
    /// What would make the verdict milder.
    fn milder(&self) -> Vec<Change> {
        let deciders: Vec<&Trace> = self
            .matching()
            .filter(|trace| trace.effect == self.verdict.effect && trace.lifted_by.is_empty())
            .collect();
        let mut changes: Vec<Change> =
            deciders.iter().take(MOST).filter_map(|trace| self.without(trace)).collect();
        changes.extend(
            self.near(|trace, then| trace.effect < self.verdict.effect && then < self.verdict.effect),
        );
        let lifting: Vec<By> =
            deciders.iter().map(|trace| trace.by).filter(|by| matches!(by, By::Rule(_))).collect();
        changes.extend(self.new_allow(&lifting));
        changes
    }

    /// What would make it stricter.
    fn stricter(&self) -> Vec<Change> {
        let lifted = self.matching().filter(|trace| !trace.lifted_by.is_empty());
        let mut changes: Vec<Change> = lifted.take(MOST).map(|trace| self.unlifted(trace)).collect();
        changes.extend(self.near(|_, then| then > self.verdict.effect));
        changes
    }

    fn matching(&self) -> impl Iterator<Item = &Trace> {
        self.traces.iter().filter(|trace| trace.matches == Holds::Yes)
    }

    fn id(&self, by: By) -> String {
        format!("`{}`", self.policy.rule_id(by))
    }

    /// The verdict if what matches were what `matches` says.
    fn weighed(&self, matches: impl Fn(&Trace) -> bool) -> Effect {
        self.weighed_under(self.inquiry.stance, matches).effect
    }

    fn weighed_under(&self, stance: &Stance, matches: impl Fn(&Trace) -> bool) -> Verdict {
        let taken: Vec<By> =
            self.traces.iter().filter(|trace| matches(trace)).map(|trace| trace.by).collect();
        self.policy.weigh(stance, self.inquiry.call, &taken)
    }

    /// A call that is a little different, so that the rule does not match.
    fn without(&self, trace: &Trace) -> Option<Change> {
        let id = self.id(trace.by);
        let then = self.weighed(|other| other.by != trace.by && other.matches == Holds::Yes);
        if trace.by == By::SelfProtection {
            let text = format!(
                "{id} is built in: nothing lifts it; it matches no call that names none of callgate's own files or the host's config"
            );
            return Some(Change { kind: "argument", rules: vec![trace.by], text, then: Some(then) });
        }
        let ways = trace.ways_out();
        let text = match ways.as_slice() {
            [] if trace.parts.is_empty() => {
                format!("{id} has no condition: it matches every call of its tools")
            }
            [] => return None,
            [way] => format!("{id} does not match where {way}"),
            [first, others @ ..] => {
                format!("{id} does not match where {first}, nor where {}", others.join(", nor where "))
            }
        };
        Some(Change { kind: "argument", rules: vec![trace.by], text, then: Some(then) })
    }

    /// Without the rules that lift it.
    fn unlifted(&self, trace: &Trace) -> Change {
        let gone = |by| trace.lifted_by.contains(&by);
        let lifters: Vec<String> = trace.lifted_by.iter().map(|by| self.id(*by)).collect();
        let text = format!(
            "{} matches and is lifted by {}: without that it speaks",
            self.id(trace.by),
            lifters.join(", ")
        );
        let then = self.weighed(|other| other.matches == Holds::Yes && !gone(other.by));
        let rules = [trace.by].into_iter().chain(trace.lifted_by.iter().copied()).collect();
        Change { kind: "lift", rules, text, then: Some(then) }
    }

    /// Rules that a predicate or two keep from matching, and that would change the verdict as is wanted.
    fn near(&self, wanted: impl Fn(&Trace, Effect) -> bool) -> Vec<Change> {
        let candidates =
            self.traces.iter().filter(|trace| trace.matches == Holds::No && trace.reach == Reach::Conditions);
        let mut near: Vec<(usize, Change)> = candidates
            .filter_map(|trace| {
                let missing = trace.missing()?;
                let then = self.weighed(|other| other.by == trace.by || other.matches == Holds::Yes);
                let distance = missing.len();
                wanted(trace, then).then(|| (distance, self.would_match(trace, &missing, then)))
            })
            .filter(|(distance, _)| *distance <= NEAR)
            .collect();
        near.sort_by_key(|(distance, change)| (*distance, std::cmp::Reverse(change.then)));
        near.into_iter().take(MOST).map(|(_, change)| change).collect()
    }

    fn would_match(&self, trace: &Trace, missing: &[Missing<'_>], then: Effect) -> Change {
        let lacks: Vec<String> = missing.iter().map(Missing::told).collect();
        let only = if lacks.len() == 1 { "only " } else { "" };
        let text = format!("{} would match; it fails {only}on {}", self.id(trace.by), lacks.join(" and on "));
        Change { kind: "match", rules: vec![trace.by], text, then: Some(then) }
    }

    /// A rule that nobody has written yet.
    fn new_allow(&self, lifting: &[By]) -> Option<Change> {
        let guarded = self.matching().any(|trace| trace.by == By::SelfProtection);
        if guarded {
            return None;
        }
        if lifting.is_empty() {
            let text = "an allow rule that matches would admit it: the default decides only where none does";
            return Some(Change {
                kind: "default",
                rules: vec![By::Default],
                text: text.to_owned(),
                then: Some(Effect::Allow),
            });
        }
        let ids: Vec<String> = lifting.iter().map(|by| format!("\"{}\"", self.policy.rule_id(*by))).collect();
        let lifts = if lifting.len() == 1 { "it" } else { "them" };
        let text =
            format!("an allow rule with `overrides = [{}]` that matches would lift {lifts}", ids.join(", "));
        // It also silences the default, which decides only where nothing admits the call.
        let then = self.strictest_left(lifting);
        Some(Change { kind: "lift", rules: lifting.to_vec(), text, then: Some(then) })
    }

    /// The strictest of the rules that still speak beside a new allow rule.
    fn strictest_left(&self, lifted: &[By]) -> Effect {
        let left = self.matching().filter(|trace| trace.lifted_by.is_empty() && !lifted.contains(&trace.by));
        left.map(|trace| trace.effect).max().unwrap_or(Effect::Allow)
    }

    /// What a mode would change of what takes force.
    fn modes(&self) -> Option<Change> {
        let (said, acting) = (self.verdict, self.verdict.acting);
        if said.effect > acting.effect {
            let then = self.under(said.by, Mode::Enforce).acting.effect;
            let brake = self.policy.max_mode.filter(|most| *most < Mode::Enforce);
            let brake =
                brake.map(|most| format!(", once `max_mode` (now {most}) lets it")).unwrap_or_default();
            let text = format!(
                "{} is in {}: in mode enforce it would {} the call{brake}",
                self.id(said.by),
                said.mode,
                verb(said.effect)
            );
            return (then > acting.effect).then(|| Change {
                kind: "mode",
                rules: vec![said.by],
                text,
                then: None,
            });
        }
        if acting.effect > Effect::Warn {
            let then = self.under(acting.by, Mode::Shadow).acting;
            let outcome = match then.effect {
                Effect::Allow => "the call would pass and be recorded".to_owned(),
                Effect::Warn | Effect::RequireApproval | Effect::Deny => {
                    format!("{} would {} the call all the same", self.id(then.by), verb(then.effect))
                }
            };
            let text = format!("{} is enforced: in mode shadow, {outcome}", self.id(acting.by));
            return Some(Change { kind: "mode", rules: vec![acting.by], text, then: None });
        }
        None
    }

    /// The verdict were this rule (or all that has the base mode) in another mode.
    fn under(&self, by: By, mode: Mode) -> Verdict {
        let mut stance = self.inquiry.stance.clone();
        match by {
            By::Rule(index) => stance.rules.iter_mut().skip(index).take(1).for_each(|own| *own = mode),
            By::Default | By::SelfProtection | By::Malformed => stance.base = mode,
        }
        self.weighed_under(&stance, |trace| trace.matches == Holds::Yes)
    }
}

fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "pass",
        Effect::Warn => "warn about",
        Effect::RequireApproval => "hold",
        Effect::Deny => "block",
    }
}

/// A predicate that stands between a rule and a match.
struct Missing<'t> {
    part: &'t Part,
    /// Whether it must come to hold; one of `unless` must cease to.
    wanted: Holds,
}

impl Missing<'_> {
    fn told(&self) -> String {
        let part = self.part;
        let met = part.values.iter().find(|seen| (seen.fits == Fits::Yes) != (self.wanted == Holds::Yes));
        let value = match met.or(part.values.first()) {
            Some(seen) => format!("it is {}", seen.text),
            None => "it is not given".to_owned(),
        };
        match (self.wanted, part.place) {
            (Holds::Yes, Place::Elsewhere) => part.looks_at.clone(),
            (Holds::Yes, Place::Closed) => format!("`closed`: it does not name {}", part.told_values()),
            (Holds::Yes, place) if place.looks_back() => {
                format!("{} ({})", part.asks.brief(), part.told_values())
            }
            (Holds::Yes, _) => format!("{}: {} ({value})", part.looks_at, part.asks.brief()),
            (Holds::No | Holds::Unknown, _) => {
                format!("its unless, {}: {} ({value})", part.looks_at, part.asks.brief())
            }
        }
    }
}

impl Trace {
    /// What a call must be so that the rule does not match: each is enough by itself.
    fn ways_out(&self) -> Vec<String> {
        let not = |part: &Part| format!("{} {}", part.looks_at, part.asks.is_not);
        let when = self.parts.iter().filter(|part| part.place.is_own());
        let mut ways: Vec<String> = when.map(not).collect();
        let holding: Vec<Vec<&Part>> =
            self.tables().into_iter().filter(|table| super::all_hold(table)).collect();
        if let [only] = holding.as_slice() {
            ways.extend(only.iter().map(|part| not(part)));
        } else if !holding.is_empty() {
            let firsts: Vec<String> =
                holding.iter().filter_map(|table| table.first()).map(|part| not(part)).collect();
            ways.push(firsts.join(" and "));
        }
        let exempt = self
            .parts
            .iter()
            .filter(|part| part.place == Place::Unless && part.holds == Holds::No && !part.claimed);
        let exempt: Vec<String> = exempt.map(|part| format!("{} {}", part.looks_at, part.asks.is)).collect();
        if !exempt.is_empty() {
            ways.push(exempt.join(" and "));
        }
        ways
    }

    /// The fewest predicates that keep the rule from matching; `None` where one can never come to hold.
    fn missing(&self) -> Option<Vec<Missing<'_>>> {
        // What is not known may be missing too.
        let own = self.parts.iter().filter(|part| part.place.is_own() && part.holds != Holds::Yes);
        let mut missing: Vec<&Part> = own.collect();
        let tables = self.tables();
        let lacking = |table: &Vec<&Part>| table.iter().filter(|part| part.holds != Holds::Yes).count();
        missing.extend(
            tables
                .into_iter()
                .min_by_key(lacking)
                .unwrap_or_default()
                .into_iter()
                .filter(|part| part.holds != Holds::Yes),
        );
        if missing.iter().any(|part| part.claimed) {
            return None;
        }
        let mut missing: Vec<Missing<'_>> =
            missing.into_iter().map(|part| Missing { part, wanted: Holds::Yes }).collect();
        let unless: Vec<&Part> = self.parts.iter().filter(|part| part.place == Place::Unless).collect();
        if !unless.is_empty() && !unless.iter().any(|part| part.holds == Holds::No) {
            missing.extend(unless.first().map(|part| Missing { part, wanted: Holds::No }));
        }
        (!missing.is_empty()).then_some(missing)
    }
}
