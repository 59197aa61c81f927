//! Conditions: what is looked at, and the predicates with their operands in the form that is evaluated.
//!
//! It refuses operands of the wrong type and conditions that can never hold. Invariant: every list that comes
//! out has at least one element.

mod predicate;

use std::ops::Range;

use toml::Spanned;

use self::predicate::{Compared, predicate};
use super::{fault, pointer, time};
use crate::policy::schema::{self, PredicateWord, Reading, Test};
use crate::policy::{Condition, Effect, Fact, Number, Predicate, Subject, Table};

/// Compiles `when`, `unless`, or one table of `any`.
pub(super) fn table(table: &Spanned<Vec<schema::Condition>>, reading: &mut Reading) -> Table {
    if table.get_ref().is_empty() {
        let hint = "leave the table out, or say what must hold: `{ \"/path\" = { glob = \"…\" } }`";
        fault(reading, table.span(), "an empty table of conditions", hint);
    }
    table.get_ref().iter().map(|written| condition(written, reading)).collect()
}

/// Compiles `any`.
pub(super) fn alternatives(
    any: &Spanned<Vec<Spanned<Vec<schema::Condition>>>>,
    reading: &mut Reading,
) -> Vec<Table> {
    if any.get_ref().is_empty() {
        fault(reading, any.span(), "`any` is empty, so the rule can never match", "leave the key out");
    }
    any.get_ref().iter().map(|alternative| table(alternative, reading)).collect()
}

/// Keys that make no sense on a rule of this effect, and facts that cannot be believed where they stand.
pub(super) fn check_absent_words(rule: &schema::Rule, effect: Effect, reading: &mut Reading) {
    if effect == Effect::Allow {
        let modes = rule.modes.as_ref().map(Spanned::span);
        for span in rule.mode.as_ref().map(Spanned::span).into_iter().chain(modes) {
            let hint = "an allow rule always holds; to try out a loosening, run `callgate simulate`";
            fault(reading, span, "an allow rule has no mode of its own", hint);
        }
        let any = rule.any.iter().flat_map(Spanned::get_ref);
        for table in rule.when.iter().chain(any) {
            claimed(table, "never satisfies an allow rule, so this one could never hold", reading);
        }
    } else {
        if let Some(closed) = &rule.closed {
            let hint =
                "only an allow rule is closed: it then refuses calls with arguments that it does not name";
            fault(reading, closed.span(), "`closed` means nothing on a rule that tightens", hint);
        }
        rule.unless.iter().for_each(|table| {
            claimed(table, "never exempts from a rule, so this `unless` could never hold", reading);
        });
    }
}

/// A fault for each fact that is only claimed.
pub(super) fn claimed(table: &Spanned<Vec<schema::Condition>>, why: &str, reading: &mut Reading) {
    for condition in table.get_ref() {
        let name = condition.key.get_ref().as_str();
        if let Some(fact) = fact_named(name).filter(|fact| fact.is_claimed()) {
            let hint = if fact.is_claim() {
                "the server chooses it; say it yourself, as `risk` or `action` of a [[tool]], and ask for that"
            } else {
                "the governed side chooses it; use a fact that it cannot choose, such as `agent` or `user`"
            };
            fault(reading, condition.key.span(), format!("`{name}` is only claimed: it {why}"), hint);
        }
    }
}

fn fact_named(name: &str) -> Option<Fact> {
    Fact::WORDS.iter().find(|(word, _)| *word == name).map(|(_, fact)| *fact)
}

fn condition(written: &schema::Condition, reading: &mut Reading) -> Condition {
    let (name, span) = (written.key.get_ref().as_str(), written.key.span());
    if fact_named(name) == Some(Fact::Time) {
        let windows = time::windows(written, reading);
        let subject = windows.map_or_else(|| Subject::Arguments(Vec::new()), Subject::Time);
        return Condition { subject, tests: Vec::new() };
    }
    let subject = if pointer::is_pointer(name) {
        Subject::Arguments(pointer::pointers(name, &span, reading))
    } else if let Some(fact) = fact_named(name) {
        Subject::Fact(fact)
    } else {
        reading.diagnostics.push(schema::unknown_fact(&Spanned::new(span, name)));
        // Its predicates are still looked at, as if it were a pointer: all faults show at once.
        Subject::Arguments(Vec::new())
    };
    let compared = match &subject {
        Subject::Arguments(_) => Compared::Values,
        Subject::Fact(fact) if fact.is_truth() => Compared::Truths,
        Subject::Fact(_) | Subject::Time(_) => Compared::Texts,
    };
    let mut predicates: Vec<Predicate> = Vec::new();
    for test in &written.tests {
        if suits(&subject, test, reading) {
            predicates.extend(predicate(test, compared, reading));
        }
    }
    check_bounds(&predicates, &written.key.span(), reading);
    if predicates.len() > 1 && predicates.iter().any(|one| matches!(one, Predicate::Exists(false))) {
        let message = "what does not exist cannot satisfy another predicate";
        fault(reading, written.key.span(), message, "`exists = false` stands alone");
    }
    Condition { subject, tests: predicates }
}

/// Facts are texts, or true or false: only some predicates make sense of them.
fn suits(subject: &Subject, test: &Test, reading: &mut Reading) -> bool {
    use PredicateWord as W;
    let Subject::Fact(fact) = subject else { return true };
    let word = *test.word.get_ref();
    let suits = match word {
        W::Eq | W::In => true,
        W::Glob | W::Matches | W::Exists => !fact.is_truth(),
        W::PathUnder | W::PathOutside | W::PathGlob => *fact == Fact::Root,
        W::Gt
        | W::Ge
        | W::Lt
        | W::Le
        | W::BytesGt
        | W::Host
        | W::Scheme
        | W::IpIn
        | W::SqlAny
        | W::SqlOnly
        | W::ShellAny
        | W::ShellOnly => false,
    };
    if !suits {
        let message = format!("`{}` does not apply to the fact `{fact}`", word.as_str());
        let hint = if fact.is_truth() {
            format!("it is true or false of every tool: `{fact} = true`")
        } else {
            "facts take eq, in, glob, matches and exists".to_owned()
        };
        fault(reading, test.word.span(), message, &hint);
    }
    suits
}

/// One end of a range of numbers.
struct Bound {
    at: f64,
    open: bool,
}

/// Bounds that leave no number between them.
fn check_bounds(predicates: &[Predicate], span: &Range<usize>, reading: &mut Reading) {
    let lows = || predicates.iter().filter_map(low);
    let highs = || predicates.iter().filter_map(high);
    // Integers beyond 2^53 are compared roughly, so ends that look equal are only told apart below that.
    let touch = |a: &Bound, b: &Bound| a.at.to_bits() == b.at.to_bits() && a.at.abs() < 9e15;
    let clash = |low: &Bound, high: &Bound| low.at > high.at || touch(low, high) && (low.open || high.open);
    if lows().any(|low| highs().any(|high| clash(&low, &high))) {
        fault(
            reading,
            span.clone(),
            "these bounds leave no number between them",
            "swap them, or write two rules",
        );
    }
}

fn low(predicate: &Predicate) -> Option<Bound> {
    if let Predicate::Gt(number) = predicate {
        return Some(Bound { at: approximate(*number), open: true });
    }
    if let Predicate::Ge(number) = predicate {
        return Some(Bound { at: approximate(*number), open: false });
    }
    None
}

fn high(predicate: &Predicate) -> Option<Bound> {
    if let Predicate::Lt(number) = predicate {
        return Some(Bound { at: approximate(*number), open: true });
    }
    if let Predicate::Le(number) = predicate {
        return Some(Bound { at: approximate(*number), open: false });
    }
    None
}

#[allow(clippy::cast_precision_loss)] // Bounds are compared roughly; see above.
fn approximate(number: Number) -> f64 {
    match number {
        Number::Integer(integer) => integer as f64,
        Number::Float(float) => float,
    }
}
