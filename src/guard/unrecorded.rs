//! What becomes of frames that were to leave and whose records cannot be committed.
//!
//! It refuses to weigh causes: `fail_mode` alone decides. Invariant: a frame is taken out of its way whole, and whoever
//! waits for its answer gets one.

use std::ops::Range;

use super::effect::{Outbox, Passing, SPOILED, Way};
use super::exchange::{Word, failure};
use super::refusal::{About, Cause, Refusal, Shape};
use super::session::Session;
use crate::policy::Mode;
use crate::record::{Outcome, Record};
use crate::wire::Id;

impl Session {
    /// The records of `outbox` could not be committed because of `why`: what leaves now, and what is kept for a
    /// later attempt. Verdicts that stop stand; passing ones fall under `fail_mode` where enforce holds for them.
    pub fn unrecorded(&mut self, mut outbox: Outbox, why: &str) -> Outbox {
        self.unask(&mut outbox);
        let passing = std::mem::take(&mut outbox.passing);
        let failing = failure(self.stance.fail_mode);
        // The members of a batch share their bytes, and so their fate.
        let held: Vec<_> = match failing {
            Some(_) => passing.iter().filter(|frame| frame.enforced).map(Passing::place).collect(),
            None => Vec::new(),
        };
        let mut back = Back::default();
        for frame in passing {
            let cause = failing.filter(|_| held.contains(&frame.place()));
            let outcome = if cause.is_some() { Outcome::FailClosed } else { Outcome::FailOpen };
            if frame.enforced || cause.is_some() {
                revise(&mut outbox.records, frame.call, outcome);
            }
            let Some(cause) = cause else { continue };
            self.retract(&mut outbox.records, frame.call);
            let refusal = self.recall(&frame, cause);
            back.take(frame, refusal);
        }
        outbox.to_server = without(&outbox.to_server, &back.of_client, &mut outbox.begun);
        outbox.to_client = without(&outbox.to_client, &back.of_server, &mut outbox.begun_to_client);
        outbox.to_client.extend(back.to_client);
        self.between_lines(&mut outbox);
        if !back.to_server.is_empty() {
            outbox.to_server.extend(back.to_server);
            self.between_client_lines(&mut outbox);
        }
        outbox.commit_first = false;
        outbox.say.push(format!(
            "the audit store cannot be written ({why}); fail_mode is {}",
            self.stance.fail_mode
        ));
        outbox
    }

    /// Questions that are not in the store cannot be answered: their calls wait no longer.
    fn unask(&mut self, outbox: &mut Outbox) {
        let (questions, records) = std::mem::take(&mut outbox.records)
            .into_iter()
            .partition(|record| matches!(record, Record::Question(_)));
        outbox.records = records;
        let questions: Vec<Record> = questions;
        for record in questions {
            let Record::Question(question) = record else { continue };
            for number in self.holds.of_question(&question.id) {
                if let Some(hold) = self.holds.take(number) {
                    let now = hold.since;
                    self.settle(hold, Word::Unasked, now, outbox);
                }
            }
        }
    }

    /// Takes back what was to leave. The cause of the trouble names files: it is for people, not for the agent.
    fn recall(&mut self, frame: &Passing, cause: Cause) -> Vec<u8> {
        let Some(id) = &frame.id else { return Vec::new() };
        let key = Id::from_text(id).map(Id::key);
        let about = match frame.way {
            Way::ToServer => {
                key.map(|key| self.flight.land(&key));
                About::Call
            }
            Way::ToClient => {
                key.map(|key| self.asked.land(&key));
                About::Asked
            }
            Way::InAnswer => About::Within,
        };
        Refusal {
            about,
            cause,
            reason: "the call could not be recorded",
            explanation: None,
            said: None,
            rule_id: None,
            policy_id: Some(&self.terms.policy.revision),
            tool_call_id: frame.call.map(|number| self.tool_call_id(number)).as_deref(),
            mode: Mode::Enforce,
        }
        .frame(Some(id), Shape::Error)
    }
}

impl Passing {
    /// The stream that it is in, and where.
    fn place(&self) -> (bool, Range<usize>) {
        (self.way == Way::ToServer, self.bytes.clone())
    }
}

/// What is taken back, and what is said instead.
#[derive(Default)]
struct Back {
    of_client: Vec<Range<usize>>,
    of_server: Vec<Range<usize>>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Back {
    fn take(&mut self, frame: Passing, refusal: Vec<u8>) {
        match frame.way {
            Way::ToServer => {
                self.of_client.push(frame.bytes);
                self.to_client.extend(refusal);
            }
            Way::ToClient => {
                self.of_server.push(frame.bytes);
                self.to_server.extend(refusal);
            }
            // Whatever an answer asks, the request that it answers gets one answer.
            Way::InAnswer if frame.call.is_some() && self.of_server.last() == Some(&frame.bytes) => {}
            Way::InAnswer => {
                self.of_server.push(frame.bytes);
                self.to_client.extend(refusal);
            }
        }
    }
}

/// The bytes without these, which come in order. `begun` tells whether the first line had begun to leave.
fn without(bytes: &[u8], ranges: &[Range<usize>], begun: &mut bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in ranges {
        kept.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        if range.start == 0 && std::mem::take(begun) {
            kept.extend_from_slice(SPOILED);
        }
        at = at.max(range.end);
    }
    kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
    kept
}

fn revise(records: &mut [Record], call: Option<u64>, outcome: Outcome) {
    for record in records {
        if let Record::Call(row) = record
            && Some(row.number) == call
        {
            row.outcome = outcome;
        }
    }
}
