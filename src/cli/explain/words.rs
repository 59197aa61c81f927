//! An explanation as people read it, within 100 columns.
//!
//! Invariant: what comes from a call was redacted and made visible before it got here.

use std::fmt::Write as _;

use crate::call::Call;
use crate::cli::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use crate::cli::question::{then, word};
use crate::cli::rows;
use crate::guard::Answer;
use crate::policy::explain::{Before, Explanation, Fits, Holds, Part, Place, Reach, Said, Trace};
use crate::policy::{By, Effect, Facts, Policy, Stance, Verdict};
use crate::store::Recalled;
use crate::wire::{shown, shown_within};

/// Longer lines are broken at a space.
const WIDTH: usize = 100;
/// How much of the arguments is shown, characters.
const ARGUMENTS_SHOWN: usize = 84;

/// Which rules are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those whose conditions were asked; the others are counted.
    Near,
    /// Every one.
    All,
}

/// An explanation and what it is of.
pub(super) struct Told<'a> {
    pub(super) policy: &'a Policy,
    pub(super) explanation: &'a Explanation,
    pub(super) stance: &'a Stance,
    pub(super) call: &'a Call<'a>,
    pub(super) facts: &'a Facts,
    /// The arguments, redacted.
    pub(super) visible: Option<&'a str>,
    pub(super) recalled: Option<&'a Recalled>,
    /// What is known of what came before it.
    pub(super) before: &'a Before,
    pub(super) scope: Scope,
}

impl Told<'_> {
    /// For people; ends in a newline.
    pub(super) fn in_words(&self) -> String {
        let mut out = self.verdict() + "\n";
        for line in self.about_the_call() {
            push(&mut out, "  ", &line);
        }
        if self.explanation.said == Said::Off {
            return out;
        }
        let _ = writeln!(out, "\n{}", painted(BOLD, "Rules"));
        for trace in &self.explanation.traces {
            self.trace(trace, &mut out);
        }
        self.default(&mut out);
        self.far(&mut out);
        if !self.explanation.changes.is_empty() {
            let _ = writeln!(out, "\n{}", painted(BOLD, "What would change it"));
        }
        for change in &self.explanation.changes {
            let then = change.then.map(|effect| format!(" → {effect}")).unwrap_or_default();
            push(&mut out, "  - ", &format!("{}{then}", change.text));
        }
        out
    }

    fn verdict(&self) -> String {
        let name = if self.call.name.is_empty() { &self.call.method } else { &self.call.name };
        let agent =
            self.facts.agent.as_deref().map(|agent| format!(" by {}", shown(agent))).unwrap_or_default();
        let place = format!("{} on {}{agent}", painted(BOLD, shown(name)), shown(self.stance.server()));
        match &self.explanation.said {
            Said::Off => format!("{} {place}", painted(DIM, "OFF")),
            Said::Verdict(verdict) => {
                let (word, style) = word(verdict.effect);
                format!("{} {place}", painted(style, word))
            }
            Said::OneOf(effects) => {
                let words: Vec<String> =
                    effects.iter().map(|effect| painted(word(*effect).1, word(*effect).0)).collect();
                format!("{} {place}", words.join(" or "))
            }
        }
    }

    fn about_the_call(&self) -> Vec<String> {
        let mut lines = match &self.explanation.said {
            Said::Off => vec!["enforcement is off here: nothing is judged".to_owned()],
            Said::Verdict(verdict) => self.about_the_verdict(verdict),
            Said::OneOf(effects) => vec![self.hangs_on(effects)],
        };
        lines.extend(self.assumed());
        lines.extend(self.recalled.into_iter().flat_map(|recalled| self.recorded(recalled)));
        if let Some(arguments) = self.visible {
            lines.push(format!("arguments {}", shown_within(arguments, ARGUMENTS_SHOWN)));
        }
        if let Some(root) = self.facts.root.as_deref().filter(|_| self.speaks_of_root()) {
            lines.push(format!("{{root}} is {}", shown(root)));
        }
        lines
    }

    /// What is not known, and how to say it.
    fn hangs_on(&self, effects: &[Effect]) -> String {
        let unknown = || self.explanation.traces.iter().filter(|trace| trace.matches == Holds::Unknown);
        let about = |looks_back: bool| {
            let is_it = |part: &Part| part.holds == Holds::Unknown && part.place.looks_back() == looks_back;
            unknown().any(|trace| trace.parts.iter().any(is_it) || trace.parts.is_empty() && !looks_back)
        };
        let arguments = about(false).then_some("arguments that the store has not kept");
        let earlier = about(true).then_some(match self.recalled {
            Some(_) => "what came before the call, of which the store knows too little",
            None => "how many calls came before (--calls-before N says it)",
        });
        let on: Vec<&str> = arguments.into_iter().chain(earlier).collect();
        let what = if effects.len() == 1 { "which rules match" } else { "which one" };
        format!("{what} hangs on {}", on.join(", and on "))
    }

    /// The labels that a call which nobody made is taken to come after, where a rule asks for some.
    fn assumed(&self) -> Option<String> {
        let asks = |part: &Part| matches!(part.place, Place::After | Place::UnlessAfter);
        let asked = self.explanation.traces.iter().any(|trace| trace.parts.iter().any(asks));
        (self.recalled.is_none() && asked).then(|| {
            let labels: Vec<String> = self.before.labels.keys().map(|id| shown(id)).collect();
            let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
            format!("labels taken as set: {labels} (--after LABEL sets one)")
        })
    }

    fn about_the_verdict(&self, verdict: &Verdict) -> Vec<String> {
        let answer = Answer::of(self.policy, Some(verdict), &self.call.name, String::new());
        let mut lines = vec![answer.reason];
        lines.extend(self.policy.explanation(verdict.by).map(str::to_owned));
        lines.extend(then(verdict).map(str::to_owned));
        lines
    }

    fn recorded(&self, recalled: &Recalled) -> Vec<String> {
        let row = &recalled.row;
        let text = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), shown);
        let by = row.rule.as_deref().map(|rule| format!(" by {}", shown(rule))).unwrap_or_default();
        let mut lines = vec![format!(
            "recorded {} as {}: verdict {}{by}, mode {}, {}",
            rows::local_time(&row.ts),
            text(&row.tool_call_id),
            text(&row.verdict),
            text(&row.mode),
            text(&row.outcome)
        )];
        if let Some(then) = row.policy.as_deref().filter(|then| **then != *self.policy.revision) {
            lines.push(format!(
                "judged then by revision {}, now by {} (--recorded asks the one of then)",
                short(then),
                short(&self.policy.revision)
            ));
        }
        if !recalled.lost.is_empty() {
            let lost: Vec<String> = recalled
                .lost
                .iter()
                .take(6)
                .map(|at| if at.is_empty() { "all arguments".to_owned() } else { shown(at) })
                .collect();
            let more = recalled.lost.len() - lost.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!("not kept as it was: {}{more}", lost.join(", ")));
        }
        lines
    }

    fn speaks_of_root(&self) -> bool {
        let parts = self.explanation.traces.iter().flat_map(|trace| &trace.parts);
        parts.flat_map(|part| &part.asks.operands).any(|operand| operand.starts_with("{root}"))
    }

    fn trace(&self, trace: &Trace, out: &mut String) {
        if trace.reach != Reach::Conditions && self.scope == Scope::Near {
            return;
        }
        let (says, style) = match (trace.matches, trace.lifted_by.is_empty(), trace.acted) {
            (Holds::Unknown, ..) => ("unknown", YELLOW),
            (Holds::Yes, true, true) => {
                ("matches, and acts", if trace.effect == Effect::Allow { GREEN } else { RED })
            }
            (Holds::Yes, true, false) => ("matches", YELLOW),
            (Holds::Yes, false, _) => ("matches, but is lifted", DIM),
            (Holds::No, ..) => ("does not match", DIM),
        };
        let number = match trace.by {
            By::Rule(index) => self.policy.rules.get(index).map_or(0, |rule| rule.position).to_string(),
            By::Default | By::SelfProtection | By::Malformed => "-".to_owned(),
        };
        let id = painted(BOLD, format!("{:<24}", self.policy.rule_id(trace.by)));
        let mode = if trace.effect == Effect::Allow { String::new() } else { format!(", {}", trace.mode) };
        let does = format!("{}{mode}", trace.effect);
        let _ = writeln!(out, "{number:>3} {id} {does:<26} {}", painted(style, says));
        for line in self.why(trace) {
            push(out, "      ", &line);
        }
    }

    /// The predicates that said so, or why none was asked.
    fn why(&self, trace: &Trace) -> Vec<String> {
        let rule = if let By::Rule(index) = trace.by { self.policy.rules.get(index) } else { None };
        let list = |names: Vec<String>| names.join(", ");
        match (trace.reach, rule) {
            (Reach::Methods, Some(rule)) => {
                return vec![format!("it is about other methods: {}", list(rule.methods.patterns()))];
            }
            (Reach::Tools, Some(rule)) => {
                return vec![format!("it is about other tools: {}", list(rule.tools.patterns()))];
            }
            (Reach::Servers, Some(rule)) => {
                return vec![format!("it is about other servers: {}", list(rule.servers.patterns()))];
            }
            (Reach::Off, _) => return vec!["it is off".to_owned()],
            (Reach::Conditions | Reach::Methods | Reach::Tools | Reach::Servers, _) => {}
        }
        let mut lines: Vec<String> = trace.decisive().into_iter().map(told).collect();
        if trace.matches == Holds::Yes && trace.parts.is_empty() && trace.by != By::SelfProtection {
            lines.push("it has no condition: every call of its tools matches".to_owned());
        }
        if !trace.lifted_by.is_empty() {
            let lifters: Vec<_> = trace.lifted_by.iter().map(|by| self.policy.rule_id(*by)).collect();
            lines.push(format!("lifted by {}", lifters.join(", ")));
        }
        lines
    }

    fn default(&self, out: &mut String) {
        let Some(effect) = self.explanation.default else { return };
        let Said::Verdict(verdict) = &self.explanation.said else { return };
        let joins = verdict.by == By::Default || verdict.matched.iter().any(|found| found.by == By::Default);
        let says = if joins { "decides where no rule does" } else { "a rule decides" };
        let does = if effect == Effect::Allow {
            effect.to_string()
        } else {
            format!("{effect}, {}", self.stance.base)
        };
        let id = painted(BOLD, format!("{:<24}", "default"));
        let _ = writeln!(out, "    {id} {does:<26} {}", painted(DIM, says));
    }

    /// The rules that were never near, by number.
    fn far(&self, out: &mut String) {
        if self.scope == Scope::All {
            return;
        }
        let count = |reach| self.explanation.traces.iter().filter(|trace| trace.reach == reach).count();
        let far = [
            (count(Reach::Methods), "about other methods"),
            (count(Reach::Tools), "about other tools"),
            (count(Reach::Servers), "about other servers"),
            (count(Reach::Off), "off"),
        ];
        let far: Vec<String> = far
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !far.is_empty() {
            let _ = writeln!(
                out,
                "{}",
                painted(DIM, format!("    further rules: {} (--all lists them)", far.join(", ")))
            );
        }
    }
}

/// One predicate: where it stands, what it found, and of which value.
fn told(part: &Part) -> String {
    let place = match part.place {
        Place::When => "when".to_owned(),
        Place::Any(number) => format!("any {number}"),
        Place::Unless => "unless".to_owned(),
        Place::Closed => return closed(part),
        Place::After | Place::UnlessAfter => {
            return format!("{}: {}{}", part.asks.word, part.told_values(), doubt(part));
        }
        Place::Rate => return format!("rate: {}; {}", part.asks.operands.join(", "), part.told_values()),
        Place::Elsewhere => "and".to_owned(),
    };
    let (holds, found) = match part.holds {
        Holds::Yes => ("", &part.asks.is),
        Holds::No => ("", &part.asks.is_not),
        Holds::Unknown => ("unknown whether ", &part.asks.is),
    };
    let doubt = doubt(part);
    // A pointer begins with a slash: this is the fact.
    if let ("time", [now]) = (part.looks_at.as_str(), part.values.as_slice()) {
        let not = if part.holds == Holds::No { "not " } else { "" };
        return format!("{place}: time is {}, {not}{}", now.text, part.asks.brief());
    }
    if part.values.is_empty()
        && part.holds == Holds::No
        && part.asks.word != "exists"
        && part.place != Place::Elsewhere
    {
        return format!("{place}: {} is not given{doubt}; asked is {}", part.looks_at, part.asks.brief());
    }
    let line = format!("{place}: {holds}{} {found}", part.looks_at);
    let values = if part.values.is_empty() { String::new() } else { format!(": {}", part.told_values()) };
    format!("{line}{values}{doubt}")
}

/// What `closed` found.
fn closed(part: &Part) -> String {
    match (part.holds, part.values.as_slice()) {
        (Holds::Yes, _) => "closed: the rule names every argument".to_owned(),
        (Holds::Unknown, _) => "closed: unknown whether the rule names every argument".to_owned(),
        (Holds::No, [one]) => format!("closed: argument `{}` is not named by the rule", one.text),
        (Holds::No, _) => format!("closed: arguments {} are not named by the rule", part.told_values()),
    }
}

fn doubt(part: &Part) -> &'static str {
    let doubtful = part.values.iter().any(|seen| seen.fits == Fits::Opaque);
    match part.holds {
        _ if part.claimed => " (it is only claimed, and never loosens)",
        Holds::Yes if doubtful => " (it cannot be told, and doubt tightens)",
        Holds::No if doubtful => " (it cannot be told, and doubt never loosens)",
        Holds::Yes | Holds::No | Holds::Unknown => "",
    }
}

fn short(revision: &str) -> &str {
    revision.get(..12).unwrap_or(revision)
}

/// The text behind `head`, broken at spaces, further lines below its beginning.
fn push(out: &mut String, head: &str, text: &str) {
    let mut line = head.to_owned();
    let indent = " ".repeat(head.chars().count());
    for (index, word) in text.split(' ').enumerate() {
        let long = line.chars().count() + 1 + word.chars().count() > WIDTH;
        if index > 0 && long && line.trim() != "" {
            let _ = writeln!(out, "{line}");
            line.clone_from(&indent);
        } else if index > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}
