//! From records to rows: redaction, names from outside cut and escaped, words for columns.
//!
//! It refuses to touch the database. Invariant: nothing that leaves this file holds a value that redaction takes away.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use serde::Serialize;

use super::alerts::Raised;
use super::approvals::{self, Asked};
use super::chain::JUDGEMENT_COLUMN;
use super::judgement::{Judgement, Recent};
use super::key::Key;
use super::tools::Tools;
use crate::clock;
use crate::policy::{Keep, Redactor};
use crate::record::{
    Alarm, Assignment, CallRecord, Completion, CourseRecord, Gap, Notice, PolicySource, Question, Record,
    SessionInfo, Status, Trace, Turn, WarningRecord,
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
    Event(Event),
    /// What a server listed.
    Tools(Tools),
    /// What other processes are to know of a call.
    Trace(Trace),
    /// A question to people, redacted.
    Question(Box<Asked>),
    /// What became of one, redacted.
    Turn(Turn),
    /// What an agent was told.
    Warning(Box<WarningRecord>),
    /// What it did next.
    Course(CourseRecord),
    /// What people are told, redacted.
    Alert(Box<Raised>),
}

/// A row of `events`, but for what only the transaction knows.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) ts: i64,
    pub(super) number: Option<u64>,
    pub(super) judgement: Option<Arc<Judgement>>,
    pub(super) eval_us: Option<u64>,
    pub(super) completion: Option<Completion>,
    /// For a completion: the `seq` of its call, where it is known.
    pub(super) of: Option<i64>,
    pub(super) arguments_hash: Option<[u8; 16]>,
    /// The kind of a notice.
    pub(super) topic: Option<&'static str>,
    pub(super) note: Option<String>,
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
    Batch,
}

impl Kind {
    /// The number in the file.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Call => 1,
            Self::Completion => 2,
            Self::Gap => 3,
            Self::Notice => 4,
            Self::Batch => 5,
        }
    }
}

fn status_number(status: Status) -> i64 {
    match status {
        Status::Ok => 1,
        Status::ToolError => 2,
        Status::RpcError => 3,
        Status::Cancelled => 4,
        Status::NoReply => 5,
    }
}

/// Turns records into rows.
#[derive(Debug)]
pub(super) struct Intake {
    key: Key,
    redactor: Redactor,
    keep: Keep,
    judgements: Recent,
}

impl Intake {
    /// `key` is the store's.
    pub(super) fn new(key: Key, arguments: KeepArguments) -> Self {
        let keep = match arguments {
            KeepArguments::Full => Keep::Full,
            KeepArguments::Redacted => Keep::Redacted,
            KeepArguments::Keys => Keep::Keys,
            KeepArguments::None => Keep::None,
        };
        Self { key, redactor: Redactor::new(key), keep, judgements: Recent::default() }
    }

    /// What takes out secrets here.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What is written of one record, which is used up.
    pub(super) fn take(&mut self, mut record: Record) -> Entry {
        let arguments = match &mut record {
            Record::Call(call) => call.arguments.take(),
            Record::Completion(_)
            | Record::Gap(_)
            | Record::Notice(_)
            | Record::Tools(_)
            | Record::Trace(_)
            | Record::Question(_)
            | Record::Turn(_)
            | Record::Warning(_)
            | Record::Course(_) => None,
        };
        self.entry(&record, arguments)
    }

    /// What is written of one record, which its owner keeps.
    pub(super) fn copy(&mut self, record: &Record) -> Entry {
        let arguments = match record {
            Record::Call(call) => call.arguments.clone(),
            Record::Completion(_)
            | Record::Gap(_)
            | Record::Notice(_)
            | Record::Tools(_)
            | Record::Trace(_)
            | Record::Question(_)
            | Record::Turn(_)
            | Record::Warning(_)
            | Record::Course(_) => None,
        };
        self.entry(record, arguments)
    }

    fn entry(&mut self, record: &Record, arguments: Option<Box<str>>) -> Entry {
        Entry::Event(match record {
            Record::Call(call) => self.call(call, arguments),
            Record::Completion(completion) => Event {
                number: Some(completion.number),
                completion: Some(completion.clone()),
                ..Event::new(Kind::Completion, clock::unix_ms())
            },
            Record::Gap(gap) => self.gap(gap),
            Record::Notice(notice) => self.notice(notice),
            Record::Tools(list) => return Entry::Tools(Tools::of(list, &self.redactor)),
            Record::Trace(trace) => return Entry::Trace(trace.clone()),
            Record::Question(question) => return Entry::Question(self.question(question)),
            Record::Turn(turn) => return Entry::Turn(self.turn(turn)),
            Record::Warning(warning) => return Entry::Warning(warning.clone()),
            Record::Course(course) => return Entry::Course(course.clone()),
        })
    }

    /// The policy with secrets taken out of its text.
    pub(super) fn policy(&self, policy: PolicySource) -> PolicySource {
        PolicySource { source: self.redactor.policy_source(&policy.source), ..policy }
    }

    fn call(&mut self, call: &CallRecord, arguments: Option<Box<str>>) -> Event {
        let mut event = Event {
            number: Some(call.number),
            judgement: Some(self.judgements.of(call, &self.redactor)),
            eval_us: Some(call.eval_us),
            completion: call.completion.clone(),
            note: (!call.labels.is_empty()).then(|| json(&labels(call))),
            ..Event::new(Kind::Call, call.unix_ms)
        };
        if let Some(arguments) = arguments {
            let kept = self.redactor.read_arguments(arguments, self.keep);
            event.arguments_hash = Some(kept.hash);
            event.lost = (!kept.lost.is_empty()).then(|| json(&kept.lost));
            event.arguments = kept.text;
        }
        event
    }

    /// What people are told of a record, where there is anything to tell.
    pub(super) fn alert(&self, record: &Record) -> Option<Entry> {
        let raised = match record {
            Record::Call(call) => Raised::of_call(call, call.alert()?, &self.redactor),
            Record::Question(question) => {
                let telling = question.telling.as_deref().filter(|telling| !telling.to.is_empty())?;
                Raised::of_question(question, telling, &self.redactor)
            }
            Record::Completion(_)
            | Record::Gap(_)
            | Record::Notice(_)
            | Record::Tools(_)
            | Record::Trace(_)
            | Record::Turn(_)
            | Record::Warning(_)
            | Record::Course(_) => return None,
        };
        Some(Entry::Alert(Box::new(raised)))
    }

    /// What people are told of callgate itself.
    pub(super) fn alarm(&self, alarm: &Alarm) -> Entry {
        Entry::Alert(Box::new(Raised::of_alarm(alarm, &self.redactor)))
    }

    fn gap(&self, gap: &Gap) -> Event {
        Event {
            number: Some(gap.missing),
            note: Some(self.redactor.prose(&gap.why)),
            ..Event::new(Kind::Gap, gap.unix_ms)
        }
    }

    fn notice(&self, notice: &Notice) -> Event {
        Event {
            topic: Some(notice.kind.as_str()),
            note: Some(self.redactor.prose(&notice.text)),
            ..Event::new(Kind::Notice, notice.unix_ms)
        }
    }

    /// What is asked, with the arguments as the log keeps them.
    fn question(&self, question: &Question) -> Box<Asked> {
        let mut asked = question.clone();
        let arguments = asked.arguments.take();
        let kept = arguments.map(|arguments| self.redactor.read_arguments(arguments, self.keep));
        let (arguments, lost) = kept.map(|kept| (kept.text, kept.lost)).unwrap_or_default();
        asked.tool = shown(&self.redactor.prose(&asked.tool));
        asked.method = shown(&asked.method);
        asked.reason = self.redactor.prose(&asked.reason).into();
        Box::new(Asked {
            binding: approvals::sealed(&self.key, &asked.binding),
            arguments,
            lost: (!lost.is_empty()).then(|| json(&lost)),
            question: asked,
        })
    }

    fn turn(&self, turn: &Turn) -> Turn {
        let reason = turn.reason.as_deref().map(|reason| self.redactor.prose(reason));
        Turn { reason, ..turn.clone() }
    }

    /// What the other side says about itself is cut like any other name from outside.
    pub(super) fn session(&self, info: SessionInfo) -> SessionInfo {
        let name = |name: String| shown(&self.redactor.prose(&name));
        SessionInfo {
            client: info.client.map(name),
            client_version: info.client_version.map(name),
            protocol: info.protocol.map(name),
            repo: info.repo.map(|remote| self.redactor.prose(&remote)),
            ..info
        }
    }
}

fn labels(call: &CallRecord) -> Vec<&str> {
    call.labels.iter().map(|label| &**label).collect()
}

/// How a call ended: `status`, `latency_us` and `result_bytes`, as the columns have them.
pub(super) type Ended = [i64; 3];

impl Entry {
    /// For a completion: the `seq` of its call, and what it says.
    pub(super) fn completed(&self) -> Option<(i64, Ended)> {
        let Self::Event(event) = self else { return None };
        let (call, done) = (event.of?, event.completion.as_ref()?);
        Some((call, [status_number(done.status), number(done.latency_us), number(done.result_bytes)]))
    }
}

impl Event {
    /// The row for completions that come together.
    pub(super) fn batch(ts: i64, note: String) -> Self {
        Self { note: Some(note), ..Self::new(Kind::Batch, ts) }
    }

    fn new(kind: Kind, ts: i64) -> Self {
        Self {
            kind,
            ts,
            number: None,
            judgement: None,
            eval_us: None,
            completion: None,
            of: None,
            arguments_hash: None,
            topic: None,
            note: None,
            lost: None,
            arguments: None,
        }
    }

    /// Every column in the order of the table, but for `hash`; the judgement by its hash.
    pub(super) fn columns(&self, seq: i64, session: i64, n: i64) -> [ValueRef<'_>; COLUMNS] {
        let done = self.completion.as_ref();
        [
            ValueRef::Integer(seq),
            ValueRef::Integer(self.kind.number()),
            ValueRef::Integer(session),
            ValueRef::Integer(self.ts),
            count(self.number),
            self.judgement.as_ref().map_or(ValueRef::Null, |judgement| ValueRef::Blob(&judgement.hash)),
            count(self.eval_us),
            done.map_or(ValueRef::Null, |done| ValueRef::Integer(status_number(done.status))),
            count(done.map(|done| done.latency_us)),
            count(done.map(|done| done.result_bytes)),
            ValueRef::Integer(n),
            self.arguments_hash.as_ref().map_or(ValueRef::Null, |hash| ValueRef::Blob(hash)),
            text(self.topic),
            text(self.note.as_deref()),
            text(self.lost.as_deref()),
            text(self.arguments.as_deref()),
        ]
    }
}

/// How many [`Event::columns`] there are. The judgement's is [`JUDGEMENT_COLUMN`].
pub(super) const COLUMNS: usize = 16;
const _: () = assert!(JUDGEMENT_COLUMN < COLUMNS);

/// A column of text.
pub(super) fn text(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

/// A column that counts.
pub(super) fn count(value: Option<u64>) -> ValueRef<'static> {
    value.map_or(ValueRef::Null, |count| ValueRef::Integer(number(count)))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// JSON text; the types given here have no way to fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
