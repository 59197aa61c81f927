//! What was called and what was said of it: the same for nearly all calls, so it is one row that they share.
//!
//! It refuses to touch the database. Invariant: equal judgements have equal hashes, in every process and every file.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::Serialize;

use super::chain::{Encoder, Hash};
use super::intake::{json, text};
use crate::policy::{Effect, Mode, Redactor};
use crate::record::{CallRecord, MatchRecord, Outcome};
use crate::wire::shown;

/// How many judgements are remembered: more than tools are in use, few enough to be looked through.
const REMEMBERED: usize = 64;
/// Names and reasons longer than this are not remembered, together, bytes.
const LONG: usize = 1_024;

/// A row of `judgements`: cleaned, and hashed.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) hash: Hash,
    pub(super) policy: Option<Arc<str>>,
    method: String,
    tool: String,
    verdict: Option<&'static str>,
    mode: &'static str,
    outcome: &'static str,
    rule: Option<Arc<str>>,
    matched: Option<String>,
    reason: Option<String>,
}

impl Judgement {
    /// Redacted before it is cut: half a secret is one still.
    fn of(call: &CallRecord, redactor: &Redactor, encoder: &mut Encoder) -> Self {
        let mut judgement = Self {
            hash: Hash::default(),
            policy: call.policy.clone(),
            method: shown(&redactor.prose(&call.method)),
            tool: shown(&redactor.prose(&call.tool)),
            verdict: call.verdict.map(Effect::as_str),
            mode: call.mode.as_str(),
            outcome: call.outcome.as_str(),
            rule: call.rule.clone(),
            matched: call.verdict.map(|_| matched(&call.matched)),
            reason: call.reason.as_deref().map(|reason| redactor.prose(reason)),
        };
        let policy = text(judgement.policy.as_deref());
        judgement.hash = encoder.judgement(&judgement.columns(policy));
        judgement
    }

    /// One that was written by this version, its columns from `first` on: as in the table, the policy by its revision.
    /// `None` for words of a later version.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let word = |index: usize| row.get::<_, Option<String>>(first + index);
        let (verdict, mode, outcome) = (word(2)?, word(3)?, word(4)?);
        let (Some(mode), Some(outcome)) = (
            mode.as_deref().and_then(Mode::from_word),
            outcome.and_then(|word| Outcome::ALL.iter().find(|outcome| outcome.as_str() == word)),
        ) else {
            return Ok(None);
        };
        let mut judgement = Self {
            hash: Hash::default(),
            policy: word(8)?.map(Into::into),
            method: word(0)?.unwrap_or_default(),
            tool: word(1)?.unwrap_or_default(),
            verdict: verdict.as_deref().and_then(Effect::from_word).map(Effect::as_str),
            mode: mode.as_str(),
            outcome: outcome.as_str(),
            rule: word(5)?.map(Into::into),
            matched: word(6)?,
            reason: word(7)?,
        };
        let policy = text(judgement.policy.as_deref());
        judgement.hash = Encoder::default().judgement(&judgement.columns(policy));
        Ok(Some(judgement))
    }

    /// Every column from `method` on, in the order of the table: the policy by its number, or by its revision for the hash.
    pub(super) fn columns<'a>(&'a self, policy: ValueRef<'a>) -> [ValueRef<'a>; 9] {
        [
            text(Some(&self.method)),
            text(Some(&self.tool)),
            text(self.verdict),
            text(Some(self.mode)),
            text(Some(self.outcome)),
            text(self.rule.as_deref()),
            text(self.matched.as_deref()),
            text(self.reason.as_deref()),
            policy,
        ]
    }
}

/// The judgements of late, by what the calls said. The last that was asked for is the first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: Vec<(Said, Arc<Judgement>)>,
    encoder: Encoder,
}

impl Recent {
    /// The judgement of a call.
    pub(super) fn of(&mut self, call: &CallRecord, redactor: &Redactor) -> Arc<Judgement> {
        if let Some(at) = self.known.iter().position(|(said, _)| said.fits(call)) {
            self.known.swap(0, at);
            if let Some((_, known)) = self.known.first() {
                return Arc::clone(known);
            }
        }
        let judgement = Arc::new(Judgement::of(call, redactor, &mut self.encoder));
        // Whoever makes up names all the time gains nothing by it.
        if call.method.len() + call.tool.len() + call.reason.as_deref().map_or(0, str::len) <= LONG {
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.push((Said::by(call), Arc::clone(&judgement)));
        }
        judgement
    }
}

/// What a judgement was made from, as it came.
#[derive(Debug)]
struct Said {
    method: String,
    tool: String,
    verdict: Option<Effect>,
    mode: Mode,
    outcome: Outcome,
    rule: Option<Arc<str>>,
    matched: Vec<MatchRecord>,
    reason: Option<Arc<str>>,
    policy: Option<Arc<str>>,
}

impl Said {
    fn by(call: &CallRecord) -> Self {
        Self {
            method: call.method.clone(),
            tool: call.tool.clone(),
            verdict: call.verdict,
            mode: call.mode,
            outcome: call.outcome,
            rule: call.rule.clone(),
            matched: call.matched.clone(),
            reason: call.reason.clone(),
            policy: call.policy.clone(),
        }
    }

    /// What differs most often is looked at first.
    fn fits(&self, call: &CallRecord) -> bool {
        self.tool == call.tool
            && (self.outcome, self.verdict, self.mode) == (call.outcome, call.verdict, call.mode)
            && self.reason == call.reason
            && self.rule == call.rule
            && self.policy == call.policy
            && self.method == call.method
            && self.matched == call.matched
    }
}

/// One member of the `matched` column.
#[derive(Serialize)]
struct Member<'a> {
    rule: &'a str,
    effect: &'static str,
    mode: &'static str,
    acted: bool,
}

fn matched(matches: &[MatchRecord]) -> String {
    let members = matches.iter().map(|one| Member {
        rule: &one.rule,
        effect: one.effect.as_str(),
        mode: one.mode.as_str(),
        acted: one.acted,
    });
    json(&members.collect::<Vec<_>>())
}
