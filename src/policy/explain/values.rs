//! The values that a condition met, fit to be shown.
//!
//! Values are judged as they are and shown as redaction leaves them. Invariant: no text that comes out holds anything
//! that the redacted arguments do not.

use super::{Fits, Seen};
use crate::policy::matcher::{Polarity, Scene, fact_values};
use crate::policy::pointer::{Readers, Selected, select};
use crate::policy::predicate::{Judge, Outcome, Value};
use crate::policy::{Fact, Pointer, Predicate, Windows};
use crate::wire::{Json, shown_within};

/// How much of a value is shown, characters.
const SHOWN: usize = 100;
/// How many values are shown.
const MOST: usize = 5;
/// What stands where redaction took something away.
const PLACEHOLDERS: [&str; 2] = ["‹redacted:", "‹cut:"];
/// What is shown of a claim where the server did not list the tool.
const NOT_LISTED: &str = "not listed";
/// What is shown of a pin where it cannot be told, or the server did not list the tool.
const NOT_KNOWN: &str = "not known";
/// What is shown where a pointer goes on and the value does not.
const IN_ITS_WAY: &str = "(what is in its way)";

/// What a condition met.
#[derive(Debug, Default)]
pub(super) struct Met(Vec<Seen>);

impl Met {
    /// In the arguments. Where `shown` does not select as many values as the arguments, none is told what it was.
    pub(super) fn in_arguments(
        pointers: &[Pointer],
        tests: &[Predicate],
        polarity: Polarity,
        scene: &Scene<'_>,
        shown: Option<Json<'_>>,
    ) -> Self {
        let judge = Judge { polarity, scene };
        let (mut outcomes, mut spelled) = (Vec::new(), Vec::new());
        for pointer in pointers {
            let limit = scene.policy.max_judged;
            select(pointer, scene.call.arguments, Readers::All, limit, &mut |selected| {
                outcomes.push(match selected {
                    Selected::Value(json) => judge.all(tests, &Value::Json(json)),
                    Selected::Leaf(json) => judge.all(tests, &Value::Found(json)),
                    Selected::Name(name) => judge.all(tests, &Value::Name(&name)),
                    Selected::Opaque => Outcome::Opaque,
                });
            });
            select(pointer, shown, Readers::All, limit, &mut |selected| {
                spelled.push(match selected {
                    Selected::Value(json) | Selected::Leaf(json) => json.text().to_owned(),
                    Selected::Name(name) => format!("the name \"{name}\""),
                    Selected::Opaque => IN_ITS_WAY.to_owned(),
                });
            });
        }
        if spelled.len() != outcomes.len() {
            spelled = vec!["(not shown)".to_owned(); outcomes.len()];
        }
        Self(spelled.iter().zip(outcomes).map(|(text, outcome)| seen(text, outcome)).collect())
    }

    /// In a fact.
    pub(super) fn in_fact(fact: Fact, tests: &[Predicate], polarity: Polarity, scene: &Scene<'_>) -> Self {
        let judge = Judge { polarity, scene };
        if fact.is_truth() && scene.call.is_about_a_tool() {
            return Self(vec![match scene.world.truth(fact) {
                Some(truth) => seen(&truth.to_string(), judge.all(tests, &Value::Truth(truth))),
                None => seen(if fact.is_claim() { NOT_LISTED } else { NOT_KNOWN }, Outcome::Opaque),
            }]);
        }
        let values = fact_values(fact, scene).into_iter();
        let seen = |value| Seen {
            text: format!("\"{}\"", shown_within(value, SHOWN)),
            fits: Fits::of(judge.all(tests, &Value::Word(value))),
        };
        Self(values.map(seen).collect())
    }

    /// In the time of the call.
    pub(super) fn in_time(windows: &Windows, scene: &Scene<'_>) -> Self {
        let at = scene.world.unix_ms;
        Self(vec![Seen { text: windows.wall(at), fits: Fits::of(Outcome::of(windows.contains(at))) }])
    }

    /// Whether some value that is as it was is one of these to the predicates.
    pub(super) fn has(&self, fits: &[Fits]) -> bool {
        self.0.iter().any(|seen| fits.contains(&seen.fits))
    }

    /// Marks values in which something is not as it was, or that may only be in the way since.
    pub(super) fn without_lost(mut self) -> Self {
        for seen in &mut self.0 {
            let marked = PLACEHOLDERS.iter().any(|placeholder| seen.text.contains(placeholder));
            if marked || [IN_ITS_WAY, "null"].contains(&seen.text.as_str()) {
                seen.fits = Fits::Lost;
            }
        }
        self
    }

    /// The first few, those that are `first` to the predicates before the others, and how many more there are.
    pub(super) fn told(mut self, first: Fits) -> (Vec<Seen>, usize) {
        self.0.sort_by_key(|seen| seen.fits != first);
        self.0.dedup();
        let more = self.0.len().saturating_sub(MOST);
        self.0.truncate(MOST);
        (self.0, more)
    }
}

fn seen(text: &str, outcome: Outcome) -> Seen {
    // A placeholder that is cut must still be known as one.
    let cut_in_half = PLACEHOLDERS.iter().any(|mark| text.contains(mark));
    let short = shown_within(text, SHOWN);
    let told = PLACEHOLDERS.iter().any(|mark| short.contains(mark));
    let text = if cut_in_half && !told { format!("{short} ‹cut:›") } else { short };
    Seen { text, fits: Fits::of(outcome) }
}

impl Fits {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Satisfied => Self::Yes,
            Outcome::Not => Self::No,
            Outcome::Opaque => Self::Opaque,
        }
    }
}
