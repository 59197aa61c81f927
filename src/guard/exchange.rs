//! One governed frame on its way through the gate: called, judged, settled.
//!
//! Each step consumes the one before, and [`Exchange::into_parts`] is the only exit: no frame leaves unjudged,
//! judged twice, both forwarded and refused, or without its record.

mod moment;
mod ruling;
mod warning;

use std::borrow::Cow;
use std::sync::Arc;

use super::refusal::{About, BlockResponse, Cause, Refusal, Shape};
use crate::call::Call;
use crate::policy::{By, Effect, FailMode, Mode, Policy, Traces, Verdict};
use crate::record::{CallRecord, MatchRecord, Outcome, Telling};
use crate::wire::{Fault, Malformed, shown};

use moment::Unjudged;

pub(super) use moment::Moment;
pub(super) use ruling::{Wish, Word};
pub(super) use warning::Warning;

/// The reason where no policy could be loaded at start.
const NO_POLICY: &str = "no policy could be loaded";
/// The reason of a call that could not be judged: a fault of callgate's own.
const FAULT: &str = "the call could not be judged, which is a fault of callgate";

/// Why a call stays out that the policy would let pass: nobody could be told what came of it.
const NO_ID: &str = "a call without an id is never forwarded";
/// The other such reason.
const WITH_ITS_BATCH: &str = "another call of its batch is refused";
/// The same of what an answer asks.
const WITH_ITS_ANSWER: &str = "something else in the same answer is refused";
/// What the refusal of such a call says.
pub(super) const ANOTHER: &str = "another call of this batch is refused";

/// A governed frame, or one that cannot be read.
pub(super) enum Subject<'a> {
    Call(Call<'a>),
    Malformed(Malformed),
}

/// Where the frame came from and how to answer it.
pub(super) struct Origin<'a> {
    /// The line, newline included.
    pub line: &'a [u8],
    /// The request's id as it was spelled, where an answer may carry it.
    pub id: Option<Cow<'a, str>>,
    /// What it is a part of.
    pub about: About,
    /// Whether it speaks 2026-07-28.
    pub modern: bool,
    /// The number of the call in its session.
    pub number: u64,
}

/// A frame in one stage of its way.
pub(super) struct Exchange<'a, Stage> {
    origin: Origin<'a>,
    subject: Subject<'a>,
    stage: Stage,
}

/// Read, not judged.
pub(super) struct Called;

/// Judged; without a verdict under off.
pub(super) struct Judged {
    verdict: Option<Verdict>,
    /// Whether there should have been one.
    fault: Option<Unjudged>,
    eval_us: u64,
}

/// Decided.
pub(super) struct Settled {
    judged: Judged,
    outcome: Outcome,
    refused: Option<Cause>,
    /// What a person said who denied it.
    said: Option<String>,
}

/// What is to leave.
pub(super) enum Emit<'a> {
    /// To the other end, as it came.
    Forward(&'a [u8]),
    /// To the end that asked.
    Refuse(Vec<u8>),
    /// Nothing: there is no id to answer.
    Withhold,
}

impl<'a> Exchange<'a, Called> {
    pub fn new(origin: Origin<'a>, subject: Subject<'a>) -> Self {
        Self { origin, subject, stage: Called }
    }

    /// Asks the policy.
    pub fn judge(self, moment: &Moment<'_>) -> Exchange<'a, Judged> {
        let before = (moment.steady_us)();
        let judged = match &self.subject {
            _ if moment.unguarded.is_some() => Ok(None),
            Subject::Call(call) => moment.judge(call),
            Subject::Malformed(_) => Ok(moment.policy.malformed(moment.stance)),
        };
        let (verdict, fault) = judged.map_or_else(|fault| (None, Some(fault)), |verdict| (verdict, None));
        let eval_us = (moment.steady_us)().saturating_sub(before);
        Exchange { origin: self.origin, subject: self.subject, stage: Judged { verdict, fault, eval_us } }
    }
}

impl<'a> Exchange<'a, Judged> {
    /// What it leaves behind for rules that look back: no labels where it does not leave for the server.
    pub fn take_traces(&mut self, moment: &Moment<'_>) -> Traces {
        let mut traces = self.traces();
        if !traces.labels.is_empty() && self.stops(moment) {
            traces.labels.clear();
        }
        traces
    }

    /// Whether the verdict, as things stand, keeps the frame from the server.
    pub fn stops(&self, moment: &Moment<'_>) -> bool {
        self.cause(moment).is_some()
    }

    /// Decides what happens. `batch` tells that another member of the same batch is refused.
    pub fn settle(self, moment: &Moment<'_>, batch: Option<Cause>) -> Exchange<'a, Settled> {
        let refused = self.cause(moment).or(batch);
        let outcome = match (refused, self.acting()) {
            (Some(Cause::FailClosed | Cause::GuardError), _) => Outcome::FailClosed,
            (Some(_), _) => Outcome::Blocked,
            (None, None) if moment.unguarded.is_some() || self.stage.fault.is_some() => Outcome::FailOpen,
            (None, Some(Effect::Allow) | None) => Outcome::Forwarded,
            (None, Some(Effect::Warn | Effect::RequireApproval | Effect::Deny)) => Outcome::Warned,
        };
        Exchange {
            origin: self.origin,
            subject: self.subject,
            stage: Settled { judged: self.stage, outcome, refused, said: None },
        }
    }

    fn acting(&self) -> Option<Effect> {
        self.stage.verdict.as_ref().map(|verdict| verdict.acting.effect)
    }

    fn cause(&self, moment: &Moment<'_>) -> Option<Cause> {
        if !moment.gated {
            return None;
        }
        match (&self.subject, self.acting()) {
            (_, None) if self.stage.fault.is_some() => failure(moment.stance.fail_mode),
            (_, None) => moment.unguarded.and_then(failure),
            (Subject::Malformed(malformed), _) => Some(Cause::Malformed(malformed.fault)),
            (Subject::Call(_), Some(Effect::Deny)) => Some(Cause::Denied),
            (Subject::Call(_), Some(Effect::RequireApproval)) => Some(Cause::ApprovalUnavailable),
            (Subject::Call(call), Some(Effect::Allow | Effect::Warn)) => {
                self.cannot_be_answered(call, moment).then_some(Cause::Denied)
            }
        }
    }
}

impl Exchange<'_, Judged> {
    /// A governed request without an id cannot be answered, and some servers run it all the same.
    fn cannot_be_answered(&self, call: &Call<'_>, moment: &Moment<'_>) -> bool {
        self.origin.id.is_none()
            && match self.origin.about {
                About::Call => true,
                About::Asked => moment.stance.governs(moment.policy, &call.method),
                About::Within => false,
            }
    }
}

impl<'a> Exchange<'a, Settled> {
    /// The record and what leaves: the only exit.
    pub fn into_parts(self, moment: &Moment<'_>) -> (CallRecord, Emit<'a>) {
        let emit = match (self.stage.refused, &self.origin.id) {
            (None, _) => Emit::Forward(self.origin.line),
            (Some(_), Some(_)) => Emit::Refuse(self.refusal(moment)),
            (Some(Cause::Malformed(_)), None) if self.origin.about == About::Call => {
                Emit::Refuse(self.refusal(moment))
            }
            (Some(_), None) => Emit::Withhold,
        };
        (self.record(moment), emit)
    }

    fn refusal(&self, moment: &Moment<'_>) -> Vec<u8> {
        let Some(cause) = self.stage.refused else { return Vec::new() };
        let by = self.stage.judged.verdict.as_ref().map_or(By::Default, |verdict| verdict.acting.by);
        let reason = match cause {
            Cause::Batch => ANOTHER.to_owned(),
            Cause::FailClosed | Cause::GuardError if self.stage.judged.fault.is_some() => FAULT.to_owned(),
            Cause::FailClosed | Cause::GuardError => NO_POLICY.to_owned(),
            Cause::Denied
            | Cause::ApprovalUnavailable
            | Cause::ApprovalDenied
            | Cause::ApprovalExpired
            | Cause::ApprovalPending
            | Cause::ApprovalWithdrawn
            | Cause::Malformed(_)
            | Cause::ServerExited => self.reason(moment, by, Mode::Enforce),
        };
        let rule_id = moment.policy.rule_id(by);
        Refusal {
            about: self.origin.about,
            cause,
            reason: &reason,
            explanation: moment.policy.explanation(by),
            said: self.stage.said.as_deref(),
            rule_id: Some(&rule_id),
            policy_id: Some(&moment.policy.revision),
            tool_call_id: Some(&call_id(moment.session, self.origin.number)),
            mode: Mode::Enforce,
        }
        .frame(self.origin.id.as_deref(), self.shape(moment.block_response))
    }

    fn shape(&self, block_response: BlockResponse) -> Shape {
        match (&self.subject, block_response) {
            (Subject::Call(call), BlockResponse::ToolResult)
                if call.method == crate::wire::mcp::TOOLS_CALL && self.origin.about == About::Call =>
            {
                if self.origin.modern { Shape::ModernToolResult } else { Shape::ToolResult }
            }
            (Subject::Call(_) | Subject::Malformed(_), BlockResponse::Error | BlockResponse::ToolResult) => {
                Shape::Error
            }
        }
    }

    fn reason(&self, moment: &Moment<'_>, by: By, mode: Mode) -> String {
        match &self.subject {
            Subject::Malformed(malformed) => malformed_reason(malformed.fault, mode),
            Subject::Call(call) => moment.policy.reason(by, mode, &shown(call.title())),
        }
    }

    fn reason_of_record(&self, moment: &Moment<'_>) -> Arc<str> {
        match (&self.stage.judged.verdict, &self.subject) {
            (Some(verdict), Subject::Call(_))
                if matches!(self.stage.refused, Some(Cause::Batch | Cause::Denied))
                    && verdict.acting.effect <= Effect::Warn =>
            {
                // Nothing in the policy stops it, so the policy's reason would explain nothing.
                let why = match self.origin.about {
                    _ if self.origin.id.is_none() => NO_ID,
                    About::Call | About::Asked => WITH_ITS_BATCH,
                    About::Within => WITH_ITS_ANSWER,
                };
                format!("{}; {why}", self.reason(moment, verdict.by, verdict.mode)).into()
            }
            (Some(verdict), Subject::Call(_))
                if verdict.by == By::Default && verdict.mode == moment.stance.base =>
            {
                Arc::clone(moment.default_reason)
            }
            (Some(verdict), _) => self.reason(moment, verdict.by, verdict.mode).into(),
            (None, _) if self.stage.judged.fault.is_some() => FAULT.into(),
            (None, _) if moment.unguarded.is_some() => NO_POLICY.into(),
            (None, _) => Arc::clone(moment.default_reason),
        }
    }

    /// What people are told of it; a malformed frame has no name.
    fn telling(&self, moment: &Moment<'_>) -> Option<Box<Telling>> {
        let acting = &self.stage.judged.verdict.as_ref()?.acting;
        let name = match &self.subject {
            Subject::Call(call) => call.title(),
            Subject::Malformed(_) => "",
        };
        moment.alerts.telling(
            moment.policy,
            acting,
            (self.stage.outcome != Outcome::Forwarded).then_some(name),
        )
    }

    fn record(self, moment: &Moment<'_>) -> CallRecord {
        let reason = self.reason_of_record(moment);
        let telling = self.telling(moment);
        let Settled { judged, outcome, .. } = self.stage;
        let verdict = judged.verdict.as_ref();
        let (method, tool, arguments) = match self.subject {
            Subject::Call(call) => {
                let kept = verdict.and(call.arguments).map(|arguments| arguments.text().into());
                (call.method.into_owned(), call.name.into_owned(), kept)
            }
            Subject::Malformed(_) => Default::default(),
        };
        CallRecord {
            unix_ms: moment.now.unix_ms,
            number: self.origin.number,
            method,
            tool,
            arguments,
            verdict: verdict.map(|verdict| verdict.effect),
            mode: verdict
                .map_or(if judged.fault.is_some() { moment.stance.base } else { Mode::Off }, |v| v.mode),
            outcome,
            rule: verdict.map(|verdict| moment.policy.rule_id(verdict.by)),
            matched: verdict.map(|verdict| matched(moment.policy, verdict)).unwrap_or_default(),
            reason: Some(reason),
            policy: verdict.map(|verdict| Arc::clone(&verdict.revision)),
            labels: Vec::new(),
            eval_us: judged.eval_us,
            completion: None,
            telling,
        }
    }
}

/// The reason string of a frame that has no single meaning.
pub(super) fn malformed_reason(fault: Fault, mode: Mode) -> String {
    let prefix = match mode {
        Mode::Shadow => "(shadow) ",
        Mode::Warn => "(warn) ",
        Mode::Off | Mode::Enforce => "",
    };
    format!("{prefix}malformed frame: it {}", fault.describe())
}

/// `{session}-{number}`: what answers call `toolCallId`.
pub(super) fn call_id(session: &str, number: u64) -> String {
    [session, "-", &number.to_string()].concat()
}

/// What a fail mode makes of a call that has no verdict or no record; `None` where it passes.
pub(super) fn failure(mode: FailMode) -> Option<Cause> {
    match mode {
        FailMode::Open => None,
        FailMode::Closed => Some(Cause::FailClosed),
        FailMode::Error => Some(Cause::GuardError),
    }
}

/// Every match but a default that merely allows: that is no news, and would be most of the store.
fn matched(policy: &Policy, verdict: &Verdict) -> Vec<MatchRecord> {
    verdict
        .matched
        .iter()
        .filter(|found| found.by != By::Default || found.effect != Effect::Allow)
        .map(|found| MatchRecord {
            rule: policy.rule_id(found.by),
            effect: found.effect,
            mode: found.mode,
            acted: found.acted,
        })
        .collect()
}
