//! Batches (2025-03-26): several messages in one line.
//!
//! It refuses to take a batch apart. Invariant: a batch passes whole or not at all, and of one that does not, no member
//! has done anything that rules look back on but ask.

use super::client::{Leaving, asks, spoil};
use super::effect::{Outbox, Passing, Way};
use super::exchange::{ANOTHER, Emit, Exchange, Judged, Moment, Subject};
use super::past::Left;
use super::refusal::{About, Cause, Refusal, Shape};
use super::session::Session;
use crate::call::Reading;
use crate::policy::Mode;
use crate::record::Now;
use crate::wire::{Fault, Id, IdKey, Line, Malformed, Message, mcp};

impl Session {
    /// Under 2025-03-26 a batch passes whole or not at all; other revisions have none.
    pub(super) fn batch(&mut self, line: Line<'_>, members: &[Message<'_>], now: Now, out: &mut Outbox) {
        if self.info.protocol.as_deref() != Some(mcp::REVISION_BATCHES) {
            return self.malformed(line, Malformed { fault: Fault::BatchNotNegotiated, id: None }, now, out);
        }
        let mut ids: Vec<IdKey> =
            members.iter().filter(|m| !m.is_response).filter_map(|m| m.id).map(Id::key).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last())
            || members.iter().any(|m| self.fault_of_id(m).is_some())
        {
            return self.malformed(line, Malformed { fault: Fault::IdInFlight, id: None }, now, out);
        }
        let before = self.memory.marks();
        let judged = self.judge_members(line.bytes, members, now);
        let stops = judged.iter().any(|member| member.stops(&self.moment(now)));
        if stops {
            self.memory.restore(before);
        }
        let bytes = if stops { 0..0 } else { self.pass_range(line.bytes, line.ahead, out) };
        for Member { message, judged } in judged {
            let Some((exchange, mut left)) = judged else {
                if !stops {
                    self.answered_by_client(message, line.bytes.len(), now, out);
                }
                self.bystander(message, (!stops).then(|| bytes.clone()), now, out);
                continue;
            };
            if stops {
                left.withdraw();
            }
            let moment = self.moment(now);
            let settled = exchange.settle(&moment, stops.then_some(Cause::Batch));
            let warning = settled.warning(&moment);
            let (record, emit) = settled.into_parts(&moment);
            self.follow_warning(&record, warning.as_ref(), now, out);
            match emit {
                Emit::Forward(_) => {
                    let (bytes, asks) = (bytes.clone(), left.asks());
                    self.leave(&record, Leaving { id: message.id, bytes, asks, warning }, now, out);
                }
                Emit::Refuse(frame) => out.to_client.extend(frame),
                Emit::Withhold => {}
            }
            let number = record.number;
            self.keep(record, left, now, out);
            self.tell_carried(message, number, now, out);
        }
        if stops {
            spoil(line, out);
        }
    }

    fn judge_members<'a, 'm>(
        &mut self,
        line: &'a [u8],
        members: &'m [Message<'a>],
        now: Now,
    ) -> Vec<Member<'m, 'a>> {
        let mut all = Vec::with_capacity(members.len());
        for message in members {
            let subject = match self.reading(message) {
                Reading::Call(call) => Some(Subject::Call(call)),
                Reading::Malformed(malformed) => Some(Subject::Malformed(malformed)),
                Reading::Other => None,
            };
            let called = subject.map(|subject| Exchange::new(self.origin(line, message), subject));
            let judged = called.map(|called| {
                let moment = self.moment(now);
                let mut judged = called.judge(&moment);
                let traces = judged.take_traces(&moment);
                // At once: the members after it look back on it.
                (judged, self.remember(&traces, self.number, now))
            });
            all.push(Member { message, judged });
        }
        all
    }

    /// A member of a batch that is no call: it shares the fate of the calls, and its id is answered. `bytes` is where
    /// the batch stands in the outbox, if it passes.
    fn bystander(
        &mut self,
        message: &Message<'_>,
        bytes: Option<std::ops::Range<usize>>,
        now: Now,
        out: &mut Outbox,
    ) {
        let id = message.id.filter(|_| !message.is_response);
        match (id, bytes) {
            (Some(id), Some(bytes)) => {
                self.depart(Some(id), asks(message), now);
                if self.is_gated() {
                    let id = Some(id.raw().to_owned());
                    out.passing.push(Passing { call: None, way: Way::ToServer, bytes, id, enforced: false });
                }
            }
            (None, Some(_)) => self.cancellation(message, now, out),
            (Some(id), None) => out.to_client.extend(self.refused_with_its_batch(id, About::Call)),
            (None, None) => {}
        }
    }

    pub(super) fn refused_with_its_batch(&self, id: Id<'_>, about: About) -> Vec<u8> {
        Refusal {
            about,
            cause: Cause::Batch,
            reason: ANOTHER,
            explanation: None,
            said: None,
            rule_id: None,
            policy_id: Some(&self.terms.policy.revision),
            tool_call_id: None,
            mode: Mode::Enforce,
        }
        .frame(Some(id.raw()), Shape::Error)
    }
}

/// A member of a batch; what it leaves behind is remembered already.
struct Member<'m, 'a> {
    message: &'m Message<'a>,
    /// `None` where it is no call.
    judged: Option<(Exchange<'a, Judged>, Left)>,
}

impl Member<'_, '_> {
    fn stops(&self, moment: &Moment<'_>) -> bool {
        self.judged.as_ref().is_some_and(|(exchange, _)| exchange.stops(moment))
    }
}
