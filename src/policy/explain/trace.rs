//! One rule before one call, predicate by predicate.
//!
//! Whether a condition holds is the matcher's answer; here it is asked of each predicate alone as well, and answers
//! that hang on lost values are taken back. Invariant: where nothing was lost, the whole is what the matcher says.

use super::beside::Beside;
use super::lost::Touch;
use super::values::Met;
use super::{Before, Fits, Holds, Lost, Part, Place};
use crate::policy::matcher::{Polarity, Scene, condition_holds, rule_matches};
use crate::policy::{Condition, Pointer, Predicate, Rule, Subject, Table, Wording};
use crate::wire::Json;

/// Asks the rules of one policy about one call.
pub(super) struct Tracer<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) shown: Option<Json<'a>>,
    pub(super) lost: &'a Lost,
    pub(super) before: &'a Before,
}

impl Tracer<'_> {
    /// Whether the rule at this index matches, and its predicates in order.
    pub(super) fn rule(&self, index: usize, rule: &Rule) -> (Holds, Vec<Part>) {
        let Self { scene, shown, lost, before } = *self;
        let beside = Beside { rule, scene, shown, lost, before };
        let (tables, any, mut parts) = self.tables(rule);
        let closed = beside.closed(&any);
        let keys = Holds::all(closed.iter().map(|part| part.holds).chain([tables]));
        parts.extend(closed);
        let mut back: Vec<Part> = beside.labels().collect();
        let unrated = Holds::all(back.iter().map(|part| part.holds).chain([keys]));
        let truth = Holds::of(rule_matches(rule, scene));
        if unrated != Holds::Unknown && unrated != truth {
            parts.append(&mut back);
            parts.push(elsewhere(truth));
            return (truth, parts);
        }
        back.extend(beside.rate());
        let holds = match before.matched.get(&index) {
            Some(matched) => Beside::settle(&mut back, keys, *matched),
            None => Holds::all(back.iter().map(|part| part.holds).chain([keys])),
        };
        parts.append(&mut back);
        (holds, parts)
    }

    /// Whether the tables of the rule hold, each of `any` by itself, and their predicates.
    fn tables(&self, rule: &Rule) -> (Holds, Vec<Holds>, Vec<Part>) {
        let polarity = Polarity::of(rule.effect);
        let mut parts = Vec::new();
        let mut table = |table: &Table, place, polarity| {
            let holds: Vec<Holds> = table
                .iter()
                .map(|condition| self.condition(condition, place, polarity, &mut parts))
                .collect();
            Holds::all(holds)
        };
        let when = rule.when.iter().map(|when| table(when, Place::When, polarity)).collect::<Vec<_>>();
        let any: Vec<Holds> =
            rule.any.iter().enumerate().map(|(at, one)| table(one, Place::Any(at + 1), polarity)).collect();
        let unless: Vec<Holds> =
            rule.unless.iter().map(|unless| table(unless, Place::Unless, polarity.reversed())).collect();
        let some = if any.is_empty() { Holds::Yes } else { Holds::any(any.iter().copied()) };
        let holds = Holds::all(when.into_iter().chain([some]).chain(unless.into_iter().map(Holds::reversed)));
        (holds, any, parts)
    }

    fn condition(
        &self,
        condition: &Condition,
        place: Place,
        polarity: Polarity,
        parts: &mut Vec<Part>,
    ) -> Holds {
        let whole = self.holds(condition, polarity);
        let mut alone = Vec::new();
        for test in &condition.tests {
            let one = Condition { subject: condition.subject.clone(), tests: vec![test.clone()] };
            let holds = self.holds(&one, polarity);
            alone.push(holds);
            parts.push(self.part(&one, test.wording(), place, polarity, holds));
        }
        if let Subject::Time(windows) = &condition.subject {
            parts.push(self.part(condition, windows.wording(), place, polarity, whole));
        } else if condition.tests.is_empty() || Holds::all(alone) != whole {
            parts.push(self.part(condition, together(&condition.tests), place, polarity, whole));
        }
        whole
    }

    fn part(
        &self,
        condition: &Condition,
        asks: Wording,
        place: Place,
        polarity: Polarity,
        holds: Holds,
    ) -> Part {
        let first = match (holds, polarity) {
            (Holds::Yes, _) => Fits::Yes,
            (Holds::No, _) => Fits::No,
            (Holds::Unknown, _) => Fits::Lost,
        };
        let (values, more) = self.met(condition, polarity).told(first);
        let claimed = matches!(&condition.subject, Subject::Fact(fact) if fact.is_claimed());
        let claimed = claimed && polarity == Polarity::Permissive;
        Part { place, looks_at: condition.looks_at(), asks, holds, claimed, values, more }
    }

    fn holds(&self, condition: &Condition, polarity: Polarity) -> Holds {
        let truth = Holds::of(condition_holds(condition, polarity, self.scene));
        let Subject::Arguments(pointers) = &condition.subject else { return truth };
        let touch = self.touch(pointers);
        let about_presence = condition.tests.iter().all(|test| matches!(test, Predicate::Exists(_)));
        if touch == Touch::None || (about_presence && touch == Touch::Value) {
            return truth;
        }
        // One value that was kept may settle it, whatever the others were.
        let met = self.met(condition, polarity);
        match polarity {
            Polarity::Restrictive if !about_presence && met.has(&[Fits::Yes, Fits::Opaque]) => truth,
            Polarity::Permissive if !about_presence && met.has(&[Fits::No, Fits::Opaque]) => truth,
            Polarity::Restrictive | Polarity::Permissive => Holds::Unknown,
        }
    }

    fn touch(&self, pointers: &[Pointer]) -> Touch {
        pointers.iter().map(|pointer| self.lost.touch(pointer)).max().unwrap_or(Touch::None)
    }

    fn met(&self, condition: &Condition, polarity: Polarity) -> Met {
        match &condition.subject {
            Subject::Arguments(pointers) => {
                let met = Met::in_arguments(pointers, &condition.tests, polarity, self.scene, self.shown);
                if self.touch(pointers) == Touch::None { met } else { met.without_lost() }
            }
            Subject::Fact(fact) => Met::in_fact(*fact, &condition.tests, polarity, self.scene),
            Subject::Time(windows) => Met::in_time(windows, self.scene),
        }
    }
}

/// Several predicates of which each holds, of different values; or a condition that has none of its own.
fn together(tests: &[Predicate]) -> Wording {
    if tests.is_empty() {
        return whole("as asked", "is as the rule asks", "is not as the rule asks");
    }
    let words: Vec<&str> = tests.iter().map(|test| test.wording().word).collect();
    let words = words.join(", ");
    whole("together", &format!("satisfies {words} at once"), &format!("does not satisfy {words} at once"))
}

/// What is asked without operands of its own.
fn whole(word: &'static str, is: &str, is_not: &str) -> Wording {
    Wording { word, operands: Vec::new(), is: is.to_owned(), is_not: is_not.to_owned() }
}

/// What a rule asks beside its tables.
fn elsewhere(holds: Holds) -> Part {
    let asks = whole("more", "holds", "does not hold");
    let looks_at = "what else the rule asks".to_owned();
    Part { place: Place::Elsewhere, looks_at, asks, holds, claimed: false, values: Vec::new(), more: 0 }
}
