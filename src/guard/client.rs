//! What the client sends: each line is read strictly, judged, recorded, and passes or does not.
//!
//! Invariant: a line that cannot be read is judged as malformed; it is never taken for traffic that is no call.

use std::borrow::Cow;

use super::effect::{Outbox, Passing, SPOILED, Way};
use super::exchange::{Emit, Exchange, Origin, Subject, Warning, Word, call_id};
use super::flight::{Asks, InFlight};
use super::past::Left;
use super::refusal::About;
use super::session::{Session, Side};
use super::tasks::task_id;
use crate::call::Reading;
use crate::policy::Mode;
use crate::record::{CallRecord, Now, Outcome, Page, Record, Status};
use crate::wire::{
    Fault, Frame, Id, Json, JsonKind, Line, Lines, Malformed, Message, kept, mcp, read, shown,
};

/// A short call: as many records as a chunk is likely to make get their room at once. Bytes.
const SMALL_CALL: usize = 128;

/// How a governed frame leaves.
pub(super) struct Leaving<'i> {
    pub id: Option<Id<'i>>,
    /// Where it stands in the outbox.
    pub bytes: std::ops::Range<usize>,
    pub asks: Asks,
    /// What the agent is told with its answer, unless it knows.
    pub warning: Option<Warning>,
}

impl Session {
    /// Bytes from the client.
    pub fn client_bytes(&mut self, chunk: &[u8], now: Now) -> Outbox {
        let mut out = Outbox::default();
        out.records.reserve(chunk.len() / SMALL_CALL);
        let mut lines = std::mem::replace(&mut self.client, Lines::new(0));
        lines.feed(chunk, |line| self.client_line(line, now, &mut out));
        self.client = lines;
        if self.takes_lines(Side::Client) {
            self.between_lines(&mut out);
        } else {
            self.client.mark_forwarded();
        }
        if !self.client.is_ahead() {
            self.between_client_lines(&mut out);
        }
        out
    }

    /// The client has closed its end. An unfinished line is recorded, and forwarded only where it already was.
    pub fn client_gone(&mut self, now: Now) -> Outbox {
        let mut out = Outbox::default();
        let mut lines = std::mem::replace(&mut self.client, Lines::new(0));
        let gated = self.is_gated();
        if !self.takes_lines(Side::Client) {
            out.to_server.extend_from_slice(lines.withheld());
        }
        lines.end(|line| {
            if gated {
                let id = match read(line.content()) {
                    Ok(Frame::Message(message)) => message.id.map(|id| id.raw().to_owned()),
                    Ok(Frame::Blank | Frame::Batch(_)) => None,
                    Err(malformed) => malformed.id,
                };
                self.malformed(line, Malformed { fault: Fault::Unterminated, id }, now, &mut out);
            } else {
                self.client_line(line, now, &mut out);
            }
        });
        self.client = lines;
        self.withdraw_all(Word::Cancelled, now, &mut out);
        self.between_lines(&mut out);
        self.between_client_lines(&mut out);
        out
    }

    fn client_line(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) {
        if line.too_long {
            return self.malformed(line, Malformed { fault: Fault::TooLarge, id: None }, now, out);
        }
        match read(line.content()) {
            Ok(Frame::Blank) => self.pass(line, out),
            Ok(Frame::Message(message)) => self.message(line, &message, now, out),
            Ok(Frame::Batch(members)) => self.batch(line, &members, now, out),
            Err(malformed) => self.malformed(line, malformed, now, out),
        }
    }

    fn message(&mut self, line: Line<'_>, message: &Message<'_>, now: Now, out: &mut Outbox) {
        if let Some(fault) = self.fault_of_id(message) {
            return self.malformed(line, Malformed { fault, id: None }, now, out);
        }
        self.learn(message, out);
        self.learn_level(message);
        if self.is_own_answer(message, now, out) {
            return spoil(line, out);
        }
        if self.is_gated()
            && let Some(stripped) = self.without_own_answers(line.bytes, message)
        {
            spoil(line, out);
            return self.client_line(Line { bytes: &stripped, too_long: false, ahead: 0 }, now, out);
        }
        match self.reading(message) {
            Reading::Call(call) => {
                let exchange = Exchange::new(self.origin(line.bytes, message), Subject::Call(call));
                self.exchange(line, exchange, Some(message), now, out);
                self.tell_carried(message, self.number, now, out);
            }
            Reading::Malformed(malformed) => self.malformed(line, malformed, now, out),
            Reading::Other => {
                self.cancellation(message, now, out);
                self.answered_by_client(message, line.bytes.len(), now, out);
                self.depart(message.id.filter(|_| !message.is_response), asks(message), now);
                self.pass(line, out);
            }
        }
    }

    /// An id that is in flight must not be used again, nor answered: the answer would reach the first request.
    pub(super) fn fault_of_id(&self, message: &Message<'_>) -> Option<Fault> {
        let id = message.id.filter(|_| !message.is_response)?;
        if self.has_in_flight(&id.key()) {
            Some(Fault::IdInFlight)
        } else if self.flight.is_full() {
            Some(Fault::TooManyInFlight)
        } else {
            None
        }
    }

    pub(super) fn malformed(&mut self, line: Line<'_>, mut malformed: Malformed, now: Now, out: &mut Outbox) {
        // Answering under an id that another request waits for would end that request.
        malformed.id =
            malformed.id.filter(|id| Id::from_text(id).is_some_and(|id| !self.has_in_flight(&id.key())));
        self.number += 1;
        let origin = Origin {
            line: line.bytes,
            id: malformed.id.clone().map(Cow::Owned),
            about: About::Call,
            modern: false,
            number: self.number,
        };
        self.exchange(line, Exchange::new(origin, Subject::Malformed(malformed)), None, now, out);
    }

    fn exchange(
        &mut self,
        line: Line<'_>,
        called: Exchange<'_, super::exchange::Called>,
        message: Option<&Message<'_>>,
        now: Now,
        out: &mut Outbox,
    ) {
        let moment = self.moment(now);
        let mut judged = called.judge(&moment);
        if let Some(message) = message.filter(|_| judged.waits(&moment)) {
            return self.hold(line, message, judged, now, out);
        }
        let traces = judged.take_traces(&moment);
        let settled = judged.settle(&moment, None);
        let warning = settled.warning(&moment);
        let (record, emit) = settled.into_parts(&moment);
        self.follow_warning(&record, warning.as_ref(), now, out);
        let mut left = self.remember(&traces, record.number, now);
        match emit {
            Emit::Forward(frame) => {
                let bytes = self.pass_range(frame, line.ahead, out);
                let id = message.and_then(|message| message.id);
                self.leave(&record, Leaving { id, bytes, asks: left.asks(), warning }, now, out);
            }
            Emit::Refuse(frame) => {
                out.to_client.extend(frame);
                spoil(line, out);
            }
            Emit::Withhold => spoil(line, out),
        }
        self.keep(record, left, now, out);
    }

    /// A governed frame leaves: it is in flight from here on.
    pub(super) fn leave(&mut self, record: &CallRecord, leaving: Leaving<'_>, now: Now, out: &mut Outbox) {
        let Leaving { id, bytes, asks, warning } = leaving;
        if let Some(id) = id {
            let warning = self.due_warning(warning);
            let tool = (record.method == mcp::TOOLS_CALL).then(|| record.tool.as_str().into());
            self.flight.depart(
                id.key(),
                InFlight { tool, warning, ..InFlight::new(Some(record.number), asks, now) },
            );
        }
        if self.is_gated() {
            out.passing.push(Passing {
                call: Some(record.number),
                way: Way::ToServer,
                bytes,
                id: id.map(|id| id.raw().to_owned()),
                enforced: self.is_enforced(record),
            });
        }
    }

    pub(super) fn origin<'a>(&mut self, line: &'a [u8], message: &Message<'a>) -> Origin<'a> {
        self.number += 1;
        let modern = message.meta.is_some_and(|meta| meta.member(mcp::META_PROTOCOL_VERSION).is_some());
        let id = message.id.map(|id| Cow::Borrowed(id.raw()));
        Origin { line, id, about: About::Call, modern, number: self.number }
    }

    /// A request leaves that is no call.
    pub(super) fn depart(&mut self, id: Option<Id<'_>>, asks: Asks, now: Now) {
        if let Some(id) = id {
            self.flight.depart(id.key(), InFlight::new(None, asks, now));
        }
    }

    fn pass(&self, line: Line<'_>, out: &mut Outbox) {
        self.pass_range(line.bytes, line.ahead, out);
    }

    /// Lets out what has not left yet. In a tee all of it has.
    pub(super) fn pass_range(&self, frame: &[u8], ahead: usize, out: &mut Outbox) -> std::ops::Range<usize> {
        if !self.takes_lines(Side::Client) {
            return 0..0;
        }
        out.begun |= ahead > 0;
        out.forward(frame.get(ahead..).unwrap_or_default())
    }

    pub(super) fn keep(&mut self, mut record: CallRecord, left: Left, now: Now, out: &mut Outbox) {
        out.commit_first |= self.is_gated() && self.is_enforced(&record);
        if let Some(text) = announcement(&record, &self.info.session) {
            out.say.push(text);
        }
        record.labels = left.labels;
        out.records.push(Record::Call(record));
        out.records.extend((!left.trace.is_empty()).then_some(Record::Trace(left.trace)));
        self.tell_blindness(now, out);
    }

    pub(super) fn is_enforced(&self, record: &CallRecord) -> bool {
        self.stance.base == Mode::Enforce || record.matched.iter().any(|found| found.mode == Mode::Enforce)
    }

    /// What messages tell about the session: the client's name, and the revision of the modern era.
    fn learn(&mut self, message: &Message<'_>, out: &mut Outbox) {
        if message.method.as_deref() == Some(mcp::INITIALIZE) {
            self.learn_elicitation(message.params);
        }
        let client = match (message.method.as_deref(), message.meta) {
            (Some(mcp::INITIALIZE), _) => message.params.and_then(|params| params.member("clientInfo")),
            (_, Some(meta)) => meta.member(mcp::META_CLIENT_INFO),
            (_, None) => return,
        };
        let name =
            client.and_then(|client| text(client.member("name")?)).or_else(|| self.info.client.clone());
        let version = client
            .and_then(|client| text(client.member("version")?))
            .or_else(|| self.info.client_version.clone());
        // Batches are for both ends to agree on: no message can claim the revision that has them.
        let protocol = message
            .meta
            .and_then(|meta| text(meta.member(mcp::META_PROTOCOL_VERSION)?))
            .filter(|revision| revision != mcp::REVISION_BATCHES)
            .or_else(|| self.info.protocol.clone());
        if (&name, &version, &protocol) != (&self.info.client, &self.info.client_version, &self.info.protocol)
        {
            self.facts.client.clone_from(&name);
            self.info.client = name;
            self.info.client_version = version;
            self.info.protocol = protocol;
            out.session = Some(self.info.clone());
        }
    }

    pub(super) fn cancellation(&mut self, message: &Message<'_>, now: Now, out: &mut Outbox) {
        if message.method.as_deref() != Some(mcp::CANCELLED) {
            return;
        }
        let id = message.params.and_then(|params| params.member("requestId"));
        let Some(id) = id.and_then(Id::from_json) else { return };
        self.take_back(id, now, out);
        let Some(request) = self.flight.cancel(&id.key()) else {
            return;
        };
        out.records.extend(request.completion(Status::Cancelled, now, 0));
    }
}

fn text(json: Json<'_>) -> Option<String> {
    json.as_str().map(|text| kept(&text).to_owned())
}

pub(super) fn asks(message: &Message<'_>) -> Asks {
    match message.method.as_deref() {
        Some(mcp::INITIALIZE) => Asks::Revision,
        Some(mcp::TOOLS_LIST) => {
            let cursor = message.params.and_then(|params| params.member("cursor"));
            let more = cursor.is_some_and(|cursor| cursor.kind() != JsonKind::Null);
            Asks::Tools(if more { Page::Next } else { Page::First })
        }
        Some(mcp::TASKS_GET | mcp::TASKS_CANCEL) => {
            task_id(message.params).map_or(Asks::Nothing, |id| Asks::TaskState(id.into()))
        }
        Some(mcp::TASKS_RESULT) => {
            task_id(message.params).map_or(Asks::Nothing, |id| Asks::TaskResult(id.into()))
        }
        Some(_) | None => Asks::Nothing,
    }
}

pub(super) fn spoil(line: Line<'_>, out: &mut Outbox) {
    if line.ahead > 0 {
        out.forward(SPOILED);
    }
}

/// What people see on stderr of a call that did not pass silently.
fn announcement(record: &CallRecord, session: &str) -> Option<String> {
    let what = match record.outcome {
        Outcome::Blocked | Outcome::FailClosed => "blocked",
        Outcome::Warned => "warning",
        Outcome::Approved => "approved",
        Outcome::Denied => "denied by a person",
        Outcome::Expired => "nobody ruled in time",
        Outcome::Withdrawn => "no longer waiting",
        Outcome::Pending => "answered as pending",
        Outcome::FailOpen => "passed without a verdict or a record",
        Outcome::Forwarded => return None,
    };
    let name = match (&*record.method, &*record.tool) {
        (mcp::ELICITATION, mode) if !mode.is_empty() => format!("{} by {}: ", mcp::ELICITATION, shown(mode)),
        // A frame that cannot be read names nothing; its reason says what it is.
        ("", "") => String::new(),
        (method, "") => format!("{}: ", shown(method)),
        (_, name) => format!("{}: ", shown(name)),
    };
    let reason = record.reason.as_deref().unwrap_or_default();
    Some(format!("{what}: {name}{reason} [ref {}]", call_id(session, record.number)))
}
