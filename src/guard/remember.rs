//! When a session's memory changes: at a judgement, at a success, and when a call is taken back.
//!
//! It refuses to take an answer for a success that only says that the work goes on. Invariant: what a call leaves
//! behind is remembered in the step that judges it, so that no call beside it comes in between.

use std::borrow::Cow;

use super::effect::Outbox;
use super::flight::{Asks, InFlight};
use super::past::{By, Left};
use super::session::{Session, notice};
use crate::policy::Traces;
use crate::record::{NoticeKind, Now, Record, Status};
use crate::wire::{Json, JsonKind, fold};

/// What people are told when the store does not say what other processes do.
const BLIND: &str = "the audit store cannot be read: calls of other processes do not count, and labels of theirs \
    are taken for possibly set";

impl Session {
    /// Notes what a judged call leaves behind.
    pub(super) fn remember(&mut self, traces: &Traces, number: u64, now: Now) -> Left {
        if traces.is_empty() {
            return Left::default();
        }
        let by = By { policy: &self.terms.policy, facts: &self.facts };
        let mut left = self.memory.note(traces, by, now);
        left.trace.number = number;
        left
    }

    /// An answer came to a request that the client still waits for, or no longer does.
    pub(super) fn succeeded(
        &mut self,
        request: InFlight,
        status: Status,
        result: Option<&[u8]>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Asks::Success(labels) = request.asks else { return };
        if status != Status::Ok || request.cancelled || !is_complete(result) {
            return;
        }
        let by = By { policy: &self.terms.policy, facts: &self.facts };
        let mut trace = self.memory.succeed(&labels, by, now);
        trace.number = request.call.unwrap_or_default();
        out.records.extend((!trace.is_empty()).then_some(Record::Trace(trace)));
    }

    /// A call that was to leave does not: it has set no label. The budgets that it drew on stay spent.
    pub(super) fn retract(&mut self, records: &mut Vec<Record>, call: Option<u64>) {
        for record in records.iter_mut() {
            match record {
                Record::Call(row) if Some(row.number) == call => {
                    self.memory.doubt(&std::mem::take(&mut row.labels));
                }
                Record::Trace(trace) if Some(trace.number) == call => trace.marks.clear(),
                Record::Call(_)
                | Record::Trace(_)
                | Record::Completion(_)
                | Record::Gap(_)
                | Record::Notice(_)
                | Record::Tools(_)
                | Record::Question(_)
                | Record::Turn(_)
                | Record::Warning(_)
                | Record::Course(_) => {}
            }
        }
        records.retain(|record| !matches!(record, Record::Trace(trace) if trace.is_empty()));
    }

    /// Says once that the store does not answer.
    pub(super) fn tell_blindness(&mut self, now: Now, out: &mut Outbox) {
        if self.memory.goes_blind() {
            out.say.push(BLIND.to_owned());
            out.records.push(notice(now, NoticeKind::PastUnreadable, BLIND.to_owned()));
        }
    }
}

impl Left {
    /// What the answer to the call will tell.
    pub(super) fn asks(&mut self) -> Asks {
        let labels = std::mem::take(&mut self.on_success);
        if labels.is_empty() { Asks::Nothing } else { Asks::Success(labels) }
    }

    /// The call does not leave after all: another member of its batch is refused.
    pub(super) fn withdraw(&mut self) {
        self.labels.clear();
        self.on_success.clear();
        self.trace.marks.clear();
    }
}

/// Whether a result is the end of the call: not a task that goes on (2025-11-25, tasks), nor a question to the
/// client (2026-07-28, multi round-trip requests). An object, as every result is; one that says of an error
/// anything but `false` may mean that there was one, whatever its spelling.
fn is_complete(result: Option<&[u8]>) -> bool {
    let Some(result) = result.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(Json::from_text)
    else {
        return false;
    };
    let kind = result.member("resultType");
    let succeeds =
        |(name, value): (Cow<'_, str>, Json<'_>)| fold(&name) != "iserror" || value.text() == "false";
    result.kind() == JsonKind::Object
        && result.members().all(succeeds)
        && result.member("task").is_none()
        && kind.is_none_or(|kind| kind.as_str().is_some_and(|kind| kind == "complete"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_that_says_nothing_of_an_error_is_a_success() {
        for success in [r#"{"content":[]}"#, r#"{"isError":false}"#, "{}", r#"{"resultType":"complete"}"#] {
            assert!(is_complete(Some(success.as_bytes())), "{success}");
        }
        for other in [
            "null",
            "[]",
            r#""ok""#,
            r#"{"isError":true}"#,
            r#"{"isError":"true"}"#,
            r#"{"isError":1}"#,
            r#"{"isError":null}"#,
            r#"{"IsError":true}"#,
            r#"{"task":{}}"#,
            r#"{"resultType":"input_required"}"#,
        ] {
            assert!(!is_complete(Some(other.as_bytes())), "{other}");
        }
        assert!(!is_complete(None));
    }
}
