//! What a rule asks beside its tables: `closed`, `after`, `unless_after` and `rate`.
//!
//! It asks no store: what came before is told to it. Invariant: what nobody knows is called unknown, and settled only by
//! what became of the rule when the call came.

use super::{Before, Fits, Holds, Lost, Part, Place, Seen, Set};
use crate::policy::matcher::{Polarity, Scene};
use crate::policy::pointer::uncovered;
use crate::policy::{Condition, Label, Pointer, Rate, Rule, Share, Subject, Wording, duration_text};
use crate::wire::{Json, shown, shown_within};

/// So many arguments that no pointer names are told.
const MOST: usize = 5;
/// How much of one place is shown, characters.
const SHOWN: usize = 100;

/// A rule with what is known about its call.
pub(super) struct Beside<'a> {
    pub(super) rule: &'a Rule,
    pub(super) scene: &'a Scene<'a>,
    pub(super) shown: Option<Json<'a>>,
    pub(super) lost: &'a Lost,
    pub(super) before: &'a Before,
}

impl Beside<'_> {
    /// `closed`, where the rule says so; `any` is whether each of its tables holds.
    pub(super) fn closed(&self, any: &[Holds]) -> Option<Part> {
        if !self.rule.closed {
            return None;
        }
        let (certain, possible) =
            (self.named(any, &[Holds::Yes]), self.named(any, &[Holds::Yes, Holds::Unknown]));
        let open = uncovered(&possible, self.scene.call.arguments, MOST);
        let holds = if open.iter().any(|place| !self.lost.has(place)) {
            Holds::No
        } else if self.lost.are_below(&certain)
            && uncovered(&certain, self.scene.call.arguments, 1).is_empty()
        {
            Holds::Yes
        } else {
            Holds::Unknown
        };
        let told = uncovered(&possible, self.shown, MOST);
        // A name that held a secret is another one in what may be shown.
        let told = if told.len() == open.len() { told } else { vec!["(not shown)".to_owned(); open.len()] };
        let fits = if holds == Holds::No { Fits::No } else { Fits::Lost };
        let values = told.iter().map(|place| Seen { text: shown_within(place, SHOWN), fits }).collect();
        let words =
            ["hold nothing that the rule does not name", "hold something that the rule does not name"];
        let asks = wording("closed", words, Vec::new());
        Some(part(Place::Closed, "the arguments", asks, holds, values))
    }

    /// The pointers of the tables that hold, as `holding` has it.
    fn named(&self, any: &[Holds], holding: &[Holds]) -> Vec<&Pointer> {
        let tables = self.rule.any.iter().zip(any).filter(|(_, holds)| holding.contains(holds));
        let tables = self.rule.when.iter().chain(tables.map(|(table, _)| table));
        tables.flatten().flat_map(pointers).collect()
    }

    /// `after` and `unless_after`.
    pub(super) fn labels(&self) -> impl Iterator<Item = Part> {
        let polarity = Polarity::of(self.rule.effect);
        let after = self.set(Place::After, &self.rule.after, polarity);
        let unless = self.set(Place::UnlessAfter, &self.rule.unless_after, polarity.reversed());
        after.into_iter().chain(unless)
    }

    fn set(&self, place: Place, labels: &[usize], polarity: Polarity) -> Option<Part> {
        if labels.is_empty() {
            return None;
        }
        let labels: Vec<&Label> = labels.iter().filter_map(|at| self.scene.policy.labels.get(*at)).collect();
        let set = Holds::any(labels.iter().map(|label| self.before.set(label).holds(polarity)));
        let values = labels.iter().map(|label| self.label(label)).collect();
        let ids: Vec<String> = labels.iter().map(|label| shown(&label.id)).collect();
        let [some, none] = match ids.as_slice() {
            [_] => ["comes after", "does not come after"],
            _ => ["comes after one of", "comes after none of"],
        };
        let (asks, holds) = if place == Place::UnlessAfter {
            (wording("unless_after", [none, some], ids), set.reversed())
        } else {
            (wording("after", [some, none], ids), set)
        };
        Some(part(place, "the call", asks, holds, values))
    }

    fn label(&self, label: &Label) -> Seen {
        let id = shown(&label.id);
        let mark = self.before.labels.get(&*label.id);
        let by = mark.map(|mark| mark.by.as_str()).filter(|by| !by.is_empty());
        let by = by.map(|by| format!(" {by}")).unwrap_or_default();
        let (text, fits) = match self.before.set(label) {
            Set::No => (format!("{id} is not set"), Fits::No),
            Set::Possibly => (format!("{id} is possibly set{by}"), Fits::Opaque),
            Set::Somehow | Set::Surely => (format!("{id} is set{by}"), Fits::Yes),
            Set::Unknown => (format!("whether {id} was set is not known here{by}"), Fits::Lost),
        };
        Seen { text, fits }
    }

    /// `rate`.
    pub(super) fn rate(&self) -> Option<Part> {
        let rate = self.rule.rate.as_ref()?;
        let (holds, seen) = if let Some(calls) = self.before.calls {
            let holds = Holds::of(calls >= rate.max);
            let fits = if holds == Holds::Yes { Fits::Yes } else { Fits::No };
            (holds, Seen { text: format!("{calls} calls came before"), fits })
        } else {
            let text = "how much of it was spent is not known here".to_owned();
            (Holds::Unknown, Seen { text, fits: Fits::Lost })
        };
        let (told, [is, is_not]) = (rate_text(rate), ["is spent", "is not spent"].map(str::to_owned));
        let looks_at = format!("its budget ({told})");
        let asks = Wording { word: "rate", operands: vec![told], is, is_not };
        Some(part(Place::Rate, &looks_at, asks, holds, vec![seen]))
    }

    /// Settles what looks back by what became of the rule when the call came. `rest` is whether all else holds.
    pub(super) fn settle(parts: &mut [Part], rest: Holds, matched: bool) -> Holds {
        let unknown = parts.iter().filter(|part| part.holds == Holds::Unknown).count();
        for part in parts.iter_mut().filter(|part| part.holds == Holds::Unknown) {
            let text = match (matched, unknown) {
                (true, _) => "the rule matched then",
                (false, 1) if rest == Holds::Yes => "the rule did not match then",
                (false, _) => continue,
            };
            part.holds = Holds::of(matched);
            let fits = if matched { Fits::Yes } else { Fits::No };
            part.values.retain(|seen| seen.fits != Fits::Lost);
            part.values.push(Seen { text: text.to_owned(), fits });
        }
        let holds = Holds::all(parts.iter().map(|part| part.holds).chain([rest]));
        if matched || rest == Holds::Unknown { holds } else { Holds::No }
    }
}

/// How many calls in what time, and who shares them: `max 20 per 1m by agent`.
pub(super) fn rate_text(rate: &Rate) -> String {
    let word =
        |share: &Share| Share::WORDS.iter().find(|(_, known)| known == share).map_or("", |(word, _)| word);
    let by: Vec<&str> = rate.by.iter().map(word).collect();
    format!("max {} per {} by {}", rate.max, duration_text(rate.per_ms), by.join(", "))
}

fn pointers(condition: &Condition) -> &[Pointer] {
    match &condition.subject {
        Subject::Arguments(pointers) => pointers,
        Subject::Fact(_) | Subject::Time(_) => &[],
    }
}

fn wording(word: &'static str, [is, is_not]: [&str; 2], operands: Vec<String>) -> Wording {
    let told = operands.join(", ");
    let with = |text: &str| format!("{text} {told}").trim_end().to_owned();
    Wording { word, is: with(is), is_not: with(is_not), operands }
}

fn part(place: Place, looks_at: &str, asks: Wording, holds: Holds, values: Vec<Seen>) -> Part {
    Part { place, looks_at: looks_at.to_owned(), asks, holds, claimed: false, values, more: 0 }
}
