//! What the server asks of the client: judged like a call, by rules whose `methods` name it.
//!
//! It refuses to tell two clients apart that would read a request differently: where a rule could be about it, such a
//! request is malformed. Invariant: a line of the server passes whole or not at all, and whoever asked gets an answer.

use std::borrow::Cow;

use super::effect::{Outbox, Passing, Way};
use super::exchange::{Emit, Exchange, Judged, Origin, Subject};
use super::flight::InFlight;
use super::past::Left;
use super::refusal::{About, Cause};
use super::session::{Session, notice};
use crate::call::{Asker, Call, read_asked};
use crate::record::{NoticeKind, Now, Status};
use crate::wire::mcp::{self, FromServer};
use crate::wire::{Frame, Glance, GlanceKind, Id, Json, Line, Malformed, Message, fold, read, shown};

/// Methods of the server that are new to callgate are told of once each, so many of them.
const MOST_STRANGERS: usize = 64;

/// Whether a line of the server goes on to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As it came.
    Pass,
    /// Not at all.
    Drop,
    /// These lines go instead.
    Instead(Vec<u8>),
}

/// One thing that a line of the server asks.
pub(super) struct Asking<'a> {
    pub subject: Subject<'a>,
    /// The id that is answered if it is refused, as it was spelled.
    pub id: Option<Cow<'a, str>>,
    pub about: About,
}

impl Session {
    /// A request or a notification of the server in a line of its own.
    pub(super) fn asks(
        &mut self,
        line: Line<'_>,
        seen: &Glance<'_>,
        now: Now,
        out: &mut Outbox,
    ) -> Admission {
        match seen.method.as_deref() {
            Some(mcp::CANCELLED) if !self.asked.is_empty() => {
                self.withdrawn(line, now, out);
                Admission::Pass
            }
            Some(mcp::TASKS_TOLD) => self.told_of_task(line, now, out),
            Some(method) if self.is_judged(method, seen.kind, now, out) => {
                let message = match read(line.content()) {
                    Ok(Frame::Message(message)) => Ok(message),
                    Ok(Frame::Blank | Frame::Batch(_)) => return Admission::Pass,
                    Err(malformed) => Err(malformed),
                };
                let asking = self.asking(method, message);
                self.ask(line.bytes, vec![asking], now, out)
            }
            Some(_) | None => Admission::Pass,
        }
    }

    /// Whether the policy has a say in what the server sends with this method. People are told once of what is new.
    pub(super) fn is_judged(&mut self, method: &str, kind: GlanceKind, now: Now, out: &mut Outbox) -> bool {
        let (is_new, judged) = if kind == GlanceKind::Request {
            let kind = mcp::from_server(method);
            (kind == FromServer::ForServers, kind == FromServer::Judged)
        } else {
            let judged = self.may_govern(method);
            (!judged && !mcp::is_told(method), judged)
        };
        if is_new && self.strangers.len() < MOST_STRANGERS && self.strangers.insert(method.into()) {
            let text = format!("the server sent `{}`, which servers are not known to send", shown(method));
            out.records.push(notice(now, NoticeKind::UnknownMethod, text));
        }
        judged
    }

    /// Whether some rule is about requests with this method, or with the one that it may be taken for.
    pub(super) fn may_govern(&self, method: &str) -> bool {
        let governs = |method: &str| self.stance.governs(&self.terms.policy, method);
        let folded = fold(method);
        governs(method) || mcp::ASKED.iter().any(|asked| fold(asked) == folded && governs(asked))
    }

    /// What a request of the server is to the policy. One that cannot be read is harmless only where no rule is about
    /// its method.
    pub(super) fn asking<'a>(&self, method: &str, message: Result<Message<'a>, Malformed>) -> Asking<'a> {
        let about = About::Asked;
        let malformed = match message {
            Ok(message) => {
                let id = message.id.map(Id::raw);
                match read_asked(method.to_owned().into(), message.params) {
                    Ok(call) => {
                        return Asking { subject: Subject::Call(call), id: id.map(Cow::Borrowed), about };
                    }
                    Err(fault) => Malformed { fault, id: id.map(str::to_owned) },
                }
            }
            Err(malformed) => malformed,
        };
        let id = malformed.id.clone().map(Cow::Owned);
        if self.may_govern(method) {
            return Asking { subject: Subject::Malformed(malformed), id, about };
        }
        let call = Call { asker: Asker::Server, ..Call::new(method.to_owned(), "", None) };
        Asking { subject: Subject::Call(call), id, about }
    }

    /// Judges all that a line asks: it passes whole or not at all.
    pub(super) fn ask(
        &mut self,
        line: &[u8],
        asking: Vec<Asking<'_>>,
        now: Now,
        out: &mut Outbox,
    ) -> Admission {
        let before = self.memory.marks();
        let judged: Vec<_> = asking.into_iter().map(|asking| self.judge_asking(line, asking, now)).collect();
        let stops = judged.iter().any(|asked| asked.exchange.stops(&self.moment(now)));
        if stops {
            self.memory.restore(before);
        }
        let mut instead = Instead::default();
        for Asked { exchange, mut left, id, about } in judged {
            if stops {
                left.withdraw();
            }
            let moment = self.moment(now);
            let stopped = exchange.stops(&moment);
            let (record, emit) = exchange.settle(&moment, stops.then_some(Cause::Batch)).into_parts(&moment);
            match (emit, about) {
                (Emit::Forward(_), about) => {
                    let way = if about == About::Within { Way::InAnswer } else { Way::ToClient };
                    if let (Way::ToClient, Some(id)) = (way, id.as_deref().and_then(Id::from_text)) {
                        let request = InFlight::new(Some(record.number), left.asks(), now);
                        let before = self.asked.land(&id.key());
                        out.records.extend(before.and_then(|old| old.completion(Status::NoReply, now, 0)));
                        self.asked.depart(id.key(), request);
                    }
                    if self.is_gated() {
                        let (call, enforced) = (Some(record.number), self.is_enforced(&record));
                        out.passing.push(Passing { call, way, bytes: 0..0, id, enforced });
                    }
                }
                (Emit::Refuse(frame), About::Within) => instead.put(id, frame, stopped),
                (Emit::Refuse(frame), About::Asked) => out.to_server.extend(frame),
                (Emit::Refuse(_) | Emit::Withhold, _) => {}
            }
            self.keep(record, left, now, out);
        }
        match stops {
            true if instead.0.is_empty() => Admission::Drop,
            true => Admission::Instead(instead.0.into_iter().flat_map(|(_, frame)| frame).collect()),
            false => Admission::Pass,
        }
    }

    fn judge_asking<'a>(&mut self, line: &'a [u8], asking: Asking<'a>, now: Now) -> Asked<'a> {
        self.number += 1;
        let Asking { subject, id, about } = asking;
        let kept = id.as_deref().map(str::to_owned);
        let origin = Origin { line, id, about, modern: false, number: self.number };
        let moment = self.moment(now);
        let mut exchange = Exchange::new(origin, subject).judge(&moment);
        let traces = exchange.take_traces(&moment);
        let left = self.remember(&traces, self.number, now);
        Asked { exchange, left, id: kept, about }
    }

    /// The client has answered something that the server asked.
    pub(super) fn answered_by_client(
        &mut self,
        message: &Message<'_>,
        length: usize,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(id) = message.id.filter(|_| message.is_response && !self.asked.is_empty()) else { return };
        let Some(request) = self.asked.land(&id.key()) else { return };
        let status = if message.result.is_some() { Status::Ok } else { Status::RpcError };
        out.records.extend(request.completion(status, now, length));
        let result = message.result.map(|result| result.text().as_bytes());
        self.succeeded(request, status, result, now, out);
    }

    /// The server takes back what it asked.
    fn withdrawn(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) {
        let Ok(Frame::Message(message)) = read(line.content()) else { return };
        let id = message.params.and_then(|params| params.member("requestId")).and_then(Id::from_json);
        if let Some(request) = id.and_then(|id| self.asked.cancel(&id.key())) {
            out.records.extend(request.completion(Status::Cancelled, now, 0));
        }
    }

    /// Records that a call carries something beside its arguments: what, but none of it.
    pub(super) fn tell_carried(&self, message: &Message<'_>, number: u64, now: Now, out: &mut Outbox) {
        let [responses, state] = message.carried;
        // Answers to our own questions have been taken out.
        let responses = responses.filter(|responses| responses.text() != "{}");
        let is_told = matches!(message.method.as_deref(), Some(mcp::TOOLS_CALL | mcp::PROMPTS_GET));
        if !is_told || self.stance.is_off() || responses.or(state).is_none() {
            return;
        }
        let names: Vec<String> = responses
            .into_iter()
            .flat_map(Json::members)
            .take(MOST_STRANGERS)
            .map(|(name, _)| format!("`{}`", shown(&name)))
            .collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let answers = responses.map(|_| format!("answers to {names}"));
        let state = state.map(|state| format!("a state of {} bytes", state.text().len()));
        let what: Vec<String> = answers.into_iter().chain(state).collect();
        let text = format!("call {number} carries {}", what.join(" and "));
        out.records.push(notice(now, NoticeKind::InputCarried, text));
    }
}

/// What the client gets instead of answers that do not pass: one line for one id.
#[derive(Default)]
struct Instead(Vec<(Option<String>, Vec<u8>)>);

impl Instead {
    /// `stopped` tells that this one is the reason.
    fn put(&mut self, id: Option<String>, frame: Vec<u8>, stopped: bool) {
        match self.0.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) if stopped => *known = frame,
            Some(_) => {}
            None => self.0.push((id, frame)),
        }
    }
}

/// One thing that a line asks, judged; what it leaves behind is remembered already.
struct Asked<'a> {
    exchange: Exchange<'a, Judged>,
    left: Left,
    id: Option<String>,
    about: About,
}
