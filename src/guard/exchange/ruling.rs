//! Calls about which people are asked: what they are asked, and how their word settles a call.
//!
//! It refuses to let a word outweigh the policy: the call is judged anew, and what then denies it denies it. Invariant: a
//! yes settles a call only where the policy, as it now is, asks for one.

use std::sync::Arc;

use super::{Exchange, Judged, Moment, Settled, Subject};
use crate::guard::hold::OnTimeout;
use crate::guard::refusal::Cause;
use crate::policy::{By, Channel, Class, Effect, Match, Mode, Rule, Severity, Traces};
use crate::record::{Outcome, Telling};
use crate::wire::shown;

/// What is known of a call by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard) enum Word<'w> {
    /// A person said yes.
    Approved,
    /// A person said no, and this.
    Denied(Option<&'w str>),
    /// Nobody said anything in time.
    Expired,
    /// Nobody can be asked.
    Unasked,
    /// The client took it back: it wants no answer.
    Cancelled,
    /// The server is gone.
    ServerGone,
    /// The client has to be answered, though nobody has said anything yet.
    Pending,
    /// Nobody has to be asked any more.
    Released,
}

/// What people are asked about a call.
pub(in crate::guard) struct Wish {
    pub method: String,
    pub tool: String,
    pub arguments: Option<Box<str>>,
    pub rule: Arc<str>,
    pub reason: Arc<str>,
    pub why: Option<Arc<str>>,
    pub severity: Severity,
    pub class: Class,
    /// Where all the rules that ask let it be answered.
    pub channels: Vec<Channel>,
    /// What people are told of it.
    pub telling: Option<Box<Telling>>,
}

impl Wish {
    /// Why people are asked.
    pub fn in_words(&self) -> Box<str> {
        match &self.why {
            Some(why) => [&*self.reason, ": ", why].concat().into(),
            None => (*self.reason).into(),
        }
    }
}

impl<'a> Exchange<'a, Judged> {
    /// Whether a person has to be asked before it may leave. Only for requests of the client, in a line of their own, that
    /// can be answered.
    pub fn waits(&self, moment: &Moment<'_>) -> bool {
        self.origin.id.is_some() && self.cause(moment) == Some(Cause::ApprovalUnavailable)
    }

    /// What is to be asked: in the words of the acting rule, and as carefully as any rule that matched wants it.
    pub fn wish(&self, moment: &Moment<'_>) -> Wish {
        let by = self.stage.verdict.as_ref().map_or(By::Default, |verdict| verdict.acting.by);
        let (method, tool, arguments) = match &self.subject {
            Subject::Call(call) => (
                call.method.clone().into_owned(),
                call.name.clone().into_owned(),
                call.arguments.map(|arguments| arguments.text().into()),
            ),
            Subject::Malformed(_) => Default::default(),
        };
        let acted = self.acted(moment);
        let asks = |found: &Match| found.effect == Effect::RequireApproval && found.mode == Mode::Enforce;
        let asking: Vec<&Rule> =
            acted.iter().filter(|(found, _)| asks(found)).map(|(_, rule)| *rule).collect();
        let lets = |channel: &Channel| {
            asking.iter().all(|rule| rule.channels.is_empty() || rule.channels.contains(channel))
        };
        let own = moment.policy.rule(by).map(|rule| rule.class);
        let careful = acted.iter().map(|(_, rule)| rule.class).find(|class| !class.may_be_asked_in_host());
        let others = acted.iter().filter(|(found, _)| asks(found) && found.by != by).map(|(found, _)| {
            let why = moment.policy.explanation(found.by).map(|why| format!(": {why}")).unwrap_or_default();
            format!("{} asks, too{why}", moment.policy.rule_id(found.by))
        });
        let why = moment.policy.explanation(by).map(str::to_owned);
        let why: Vec<String> = why.into_iter().chain(others).collect();
        let name = if tool.is_empty() { &method } else { &tool };
        Wish {
            rule: moment.policy.rule_id(by),
            reason: moment.policy.reason(by, Mode::Enforce, &shown(name)).into(),
            why: (!why.is_empty()).then(|| why.join("; ").into()),
            severity: asking.iter().map(|rule| rule.severity).max().unwrap_or_default(),
            class: careful.or(own).unwrap_or_default(),
            channels: Channel::ALL.into_iter().filter(lets).collect(),
            telling: self.telling_of(moment, Some(&shown(name))),
            method,
            tool,
            arguments,
        }
    }

    /// The rules that had a part in what happens.
    fn acted<'p>(&self, moment: &Moment<'p>) -> Vec<(Match, &'p Rule)> {
        let matched = self.stage.verdict.iter().flat_map(|verdict| &verdict.matched);
        let acted = matched.filter(|found| found.acted);
        acted.filter_map(|found| Some((*found, moment.policy.rule(found.by)?))).collect()
    }

    fn telling_of(&self, moment: &Moment<'_>, name: Option<&str>) -> Option<Box<Telling>> {
        let acting = &self.stage.verdict.as_ref()?.acting;
        moment.alerts.telling(moment.policy, acting, name)
    }

    /// Decides what happens by a word, and what the call leaves behind: no labels where it does not leave.
    pub fn settle_by(
        mut self,
        moment: &Moment<'_>,
        word: Word<'_>,
        on_timeout: OnTimeout,
    ) -> (Exchange<'a, Settled>, Traces) {
        let mut traces = self.traces();
        let settled = match self.by_word(moment, word, on_timeout) {
            None => self.settle(moment, None),
            Some((outcome, refused)) => {
                let said = if let Word::Denied(said) = word { said.map(str::to_owned) } else { None };
                Exchange {
                    origin: self.origin,
                    subject: self.subject,
                    stage: Settled { judged: self.stage, outcome, refused, said },
                }
            }
        };
        if settled.stage.refused.is_some() {
            traces.labels.clear();
        }
        (settled, traces)
    }

    /// What a word makes of the call; `None` where the policy alone decides.
    fn by_word(
        &self,
        moment: &Moment<'_>,
        word: Word<'_>,
        on_timeout: OnTimeout,
    ) -> Option<(Outcome, Option<Cause>)> {
        let waits = self.cause(moment) == Some(Cause::ApprovalUnavailable);
        match (word, on_timeout) {
            (Word::Denied(_), _) => Some((Outcome::Denied, Some(Cause::ApprovalDenied))),
            (Word::Pending, _) => Some((Outcome::Pending, Some(Cause::ApprovalPending))),
            (Word::Cancelled | Word::ServerGone, _) => {
                Some((Outcome::Withdrawn, Some(Cause::ApprovalWithdrawn)))
            }
            (Word::Approved | Word::Expired | Word::Unasked, _) if !waits => None,
            (Word::Approved, _) => Some((Outcome::Approved, None)),
            (Word::Expired, OnTimeout::Allow) => Some((Outcome::Expired, None)),
            (Word::Expired, OnTimeout::Deny) => Some((Outcome::Expired, Some(Cause::ApprovalExpired))),
            (Word::Unasked, OnTimeout::Allow) => Some((Outcome::FailOpen, None)),
            (Word::Unasked, OnTimeout::Deny) | (Word::Released, _) => None,
        }
    }

    /// All that it leaves behind, whatever becomes of it.
    pub fn traces(&mut self) -> Traces {
        self.stage.verdict.as_mut().map(|verdict| std::mem::take(&mut verdict.traces)).unwrap_or_default()
    }
}
