//! From records to rows: redaction, names from outside cut and escaped, words for columns.
//!
//! It refuses to touch the database. Invariant: nothing that leaves this file holds a value that redaction takes away.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use serde::Serialize;

use crate::clock;
use crate::policy::{Keep, Redactor};
use crate::record::{
    Assignment, CallRecord, Completion, Gap, MatchRecord, Notice, PolicySource, Record, SessionInfo,
};
use crate::settings::KeepArguments;
use crate::wire::shown;

/// What waits to be written, in order.
#[derive(Debug)]
pub(super) enum Entry {
    /// The session as it is from here on.
    Session(Arc<SessionInfo>),
    /// A policy that took force, redacted.
    Policy(PolicySource),
    /// A change of modes.
    Assignment(Assignment),
    /// A row of `events`.
    Event(Box<Event>),
}

/// A row of `events`, but for what only the transaction knows.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) ts: i64,
    pub(super) number: Option<u64>,
    pub(super) method: Option<Arc<str>>,
    pub(super) tool: Option<Arc<str>>,
    pub(super) verdict: Option<&'static str>,
    pub(super) mode: Option<&'static str>,
    pub(super) outcome: Option<&'static str>,
    pub(super) rule: Option<Arc<str>>,
    pub(super) policy: Option<Arc<str>>,
    pub(super) eval_us: Option<u64>,
    pub(super) completion: Option<Completion>,
    /// For a completion: the `seq` of its call, where it is known.
    pub(super) of: Option<i64>,
    pub(super) arguments_hash: Option<[u8; 16]>,
    pub(super) reason: Option<Arc<str>>,
    pub(super) matched: Option<String>,
    pub(super) lost: Option<String>,
    pub(super) arguments: Option<String>,
}

/// Kinds of [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Completion,
    Gap,
    Notice,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Completion => "completion",
            Self::Gap => "gap",
            Self::Notice => "notice",
        }
    }
}

/// Turns records into rows.
#[derive(Debug)]
pub(super) struct Intake {
    redactor: Redactor,
    keep: Keep,
    names: Cleaned,
    sentences: Cleaned,
}

/// Texts that were cleaned before: names and reasons come again and again.
#[derive(Debug, Default)]
struct Cleaned(HashMap<Box<str>, Arc<str>>);

/// How many texts are remembered; whoever makes up names all the time gains nothing by it.
const REMEMBERED: usize = 256;

impl Cleaned {
    fn or(&mut self, text: &str, clean: impl FnOnce(&str) -> String) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let cleaned: Arc<str> = clean(text).into();
        self.0.insert(text.into(), Arc::clone(&cleaned));
        cleaned
    }
}

impl Intake {
    /// `key` is the store's.
    pub(super) fn new(key: [u8; 32], arguments: KeepArguments) -> Self {
        let keep = match arguments {
            KeepArguments::Full => Keep::Full,
            KeepArguments::Redacted => Keep::Redacted,
            KeepArguments::Keys => Keep::Keys,
            KeepArguments::None => Keep::None,
        };
        Self { redactor: Redactor::new(key), keep, names: Cleaned::default(), sentences: Cleaned::default() }
    }

    /// The row for one record.
    pub(super) fn event(&mut self, record: &Record) -> Event {
        match record {
            Record::Call(call) => self.call(call),
            Record::Completion(completion) => Event {
                number: Some(completion.number),
                completion: Some(completion.clone()),
                ..Event::new(Kind::Completion, clock::now().unix_ms)
            },
            Record::Gap(gap) => self.gap(gap),
            Record::Notice(notice) => self.notice(notice),
        }
    }

    /// The policy with secrets taken out of its text.
    pub(super) fn policy(&self, policy: PolicySource) -> PolicySource {
        PolicySource { source: self.redactor.policy_source(&policy.source), ..policy }
    }

    fn call(&mut self, call: &CallRecord) -> Event {
        let kept = call.arguments.as_deref().map(|text| self.redactor.arguments(text, self.keep));
        let mut event = Event {
            number: Some(call.number),
            method: Some(self.name(&call.method)),
            tool: Some(self.name(&call.tool)),
            verdict: call.verdict.map(crate::policy::Effect::as_str),
            mode: Some(call.mode.as_str()),
            outcome: Some(call.outcome.as_str()),
            rule: call.rule.clone(),
            policy: call.policy.clone(),
            eval_us: Some(call.eval_us),
            completion: call.completion.clone(),
            reason: call.reason.as_deref().map(|reason| self.sentence(reason)),
            matched: call.verdict.map(|_| matched(&call.matched)),
            ..Event::new(Kind::Call, call.unix_ms)
        };
        if let Some(kept) = kept {
            event.arguments_hash = Some(kept.hash);
            event.lost = (!kept.lost.is_empty()).then(|| json(&kept.lost));
            event.arguments = kept.text;
        }
        event
    }

    fn gap(&mut self, gap: &Gap) -> Event {
        Event {
            number: Some(gap.missing),
            reason: Some(self.sentence(&gap.why)),
            ..Event::new(Kind::Gap, gap.unix_ms)
        }
    }

    fn notice(&mut self, notice: &Notice) -> Event {
        Event {
            method: Some(notice.kind.as_str().into()),
            reason: Some(self.redactor.prose(&notice.text).into()),
            ..Event::new(Kind::Notice, notice.unix_ms)
        }
    }

    /// Redacted before it is cut: half a secret is one still.
    fn name(&mut self, name: &str) -> Arc<str> {
        let redactor = &self.redactor;
        self.names.or(name, |name| shown(&redactor.prose(name)))
    }

    fn sentence(&mut self, text: &str) -> Arc<str> {
        let redactor = &self.redactor;
        self.sentences.or(text, |text| redactor.prose(text))
    }

    /// What the other side says about itself is cut like any other name from outside.
    pub(super) fn session(&mut self, info: SessionInfo) -> SessionInfo {
        SessionInfo {
            client: info.client.map(|name| self.name(&name).to_string()),
            client_version: info.client_version.map(|version| self.name(&version).to_string()),
            protocol: info.protocol.map(|revision| self.name(&revision).to_string()),
            repo: info.repo.map(|remote| self.redactor.prose(&remote)),
            ..info
        }
    }
}

impl Event {
    fn new(kind: Kind, ts: i64) -> Self {
        Self {
            kind,
            ts,
            number: None,
            method: None,
            tool: None,
            verdict: None,
            mode: None,
            outcome: None,
            rule: None,
            policy: None,
            eval_us: None,
            completion: None,
            of: None,
            arguments_hash: None,
            reason: None,
            matched: None,
            lost: None,
            arguments: None,
        }
    }

    /// Every column in the order of the table, but for `hash`; the policy by its revision.
    pub(super) fn columns(&self, seq: i64, session: i64, n: i64) -> [ValueRef<'_>; 22] {
        let done = self.completion.as_ref();
        [
            ValueRef::Integer(seq),
            text(Some(self.kind.as_str())),
            ValueRef::Integer(session),
            ValueRef::Integer(self.ts),
            count(self.number),
            text(self.method.as_deref()),
            text(self.tool.as_deref()),
            text(self.verdict),
            text(self.mode),
            text(self.outcome),
            text(self.rule.as_deref()),
            text(self.policy.as_deref()),
            count(self.eval_us),
            text(done.map(|done| done.status.as_str())),
            count(done.map(|done| done.latency_us)),
            count(done.map(|done| done.result_bytes)),
            ValueRef::Integer(n),
            self.arguments_hash.as_ref().map_or(ValueRef::Null, |hash| ValueRef::Blob(hash)),
            text(self.reason.as_deref()),
            text(self.matched.as_deref()),
            text(self.lost.as_deref()),
            text(self.arguments.as_deref()),
        ]
    }
}

/// Where [`Event::columns`] has the policy.
pub(super) const POLICY_COLUMN: usize = 11;

/// A column of text.
pub(super) fn text(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

/// A column that counts.
pub(super) fn count(value: Option<u64>) -> ValueRef<'static> {
    value.map_or(ValueRef::Null, |count| ValueRef::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// JSON text; the types given here have no way to fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
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
    if matches.is_empty() {
        return "[]".to_owned();
    }
    let members = matches.iter().map(|one| Member {
        rule: &one.rule,
        effect: one.effect.as_str(),
        mode: one.mode.as_str(),
        acted: one.acted,
    });
    json(&members.collect::<Vec<_>>())
}
