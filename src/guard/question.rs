//! Calls about which people are asked: by which earlier approval they go, or what is asked and where.
//!
//! It refuses to ask twice at once about the same. Invariant: a call is held only with a question that is in the store
//! before anybody is told of it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::effect::Outbox;
use super::exchange::{Exchange, Judged, Wish, Word};
use super::hold::{Earlier, Hold, InHost, Like, Progress, Taken};
use super::in_host::Said;
use super::session::Session;
use crate::policy::{Budget, Channel, Past as _};
use crate::record::{Now, Question, Record, Turn, TurnKind};
use crate::wire::{Id, Json, Line, Message, shown, write_canonical_members};

/// What `params` hold that is no part of what the call does: clients put new things into it with each call.
const PASSING: &str = "_meta";
/// Answers to what the server, or callgate, asked (2026-07-28).
const RESPONSES: &str = "inputResponses";

/// A call that needs a person, on its way to being asked about.
pub(super) struct Case {
    pub number: u64,
    pub since: Now,
    /// The budgets that it drew on, and which were spent.
    pub spends: Vec<(Budget, bool)>,
    /// What an approval of it is bound to.
    pub binding: [u8; 32],
    /// What there is of questions like it.
    pub earlier: Earlier,
    /// Whether the person in the host has just had it on the screen, and said nothing.
    pub host_was_asked: bool,
}

impl Session {
    /// A call that may not run before a person says so: it goes by an earlier approval, or waits.
    pub(super) fn hold(
        &mut self,
        line: Line<'_>,
        message: &Message<'_>,
        mut judged: Exchange<'_, Judged>,
        now: Now,
        out: &mut Outbox,
    ) {
        super::client::spoil(line, out);
        let mut traces = judged.traces();
        let moment = self.moment(now);
        let past = moment.past();
        let spends = traces.spends.iter().map(|budget| (*budget, past.is_spent(budget))).collect();
        let (number, binding) = (self.number, self.binding(message));
        traces.labels.clear();
        let left = self.remember(&traces, number, now);
        out.records.extend((!left.trace.is_empty()).then_some(Record::Trace(left.trace)));
        let earlier = self.earlier(&binding, now);
        let mut case = Case { number, since: now, spends, binding, earlier, host_was_asked: false };
        match self.brought(&case, now, out) {
            Some(Said::No) => return self.conclude(judged, message.id, Word::Denied(None), &case, now, out),
            // A yes comes back from the store, unless somebody has denied it there.
            Some(Said::Yes | Said::Nothing) => case.host_was_asked = true,
            None => {}
        }
        self.wait(line.bytes.to_vec(), judged, message, case, now, out);
    }

    /// What there is of questions about a call like this.
    pub(super) fn earlier(&self, binding: &[u8; 32], now: Now) -> Earlier {
        let (owner, policy) = (self.owner(), &self.terms.policy.revision);
        let alike = Like { binding, owner: &owner, policy, now_ms: now.unix_ms };
        self.elsewhere.earlier(&alike).unwrap_or_default()
    }

    /// What people have said already of a call like this.
    fn word_of_earlier<'c>(&self, case: &'c Case, now: Now, out: &mut Outbox) -> Option<Word<'c>> {
        match &case.earlier {
            Earlier::Granted { question } => {
                let taken = self.elsewhere.take(question, case.number, now.unix_ms);
                (taken == Some(Taken::Yes)).then_some(Word::Approved)
            }
            Earlier::Denied { question, said } => {
                out.records.push(told(question, case.number, now));
                Some(Word::Denied(said.as_deref()))
            }
            Earlier::Nothing | Earlier::Open { .. } => None,
        }
    }

    /// A call goes the way that people said of one like it. Else it waits, and is asked about unless an open question is
    /// about the same.
    pub(super) fn wait(
        &mut self,
        line: Vec<u8>,
        judged: Exchange<'_, Judged>,
        message: &Message<'_>,
        case: Case,
        now: Now,
        out: &mut Outbox,
    ) {
        if let Some(word) = self.word_of_earlier(&case, now, out) {
            return self.conclude(judged, message.id, word, &case, now, out);
        }
        let wish = judged.wish(&self.moment(now));
        let channels = self.channels(&wish, message);
        let policy = Arc::clone(&self.terms.policy.revision);
        let here = self.holds.like(&case.binding, &policy);
        let here = here.map(|hold| (hold.question.clone(), left_ms(hold.closes_us, now)));
        let elsewhere = match &case.earlier {
            Earlier::Open { question, until_ms } => {
                Some((question.clone(), until_ms.saturating_sub(now.unix_ms)))
            }
            Earlier::Nothing | Earlier::Granted { .. } | Earlier::Denied { .. } => None,
        };
        let open = here.or(elsewhere);
        let is_new = open.is_none();
        let asked = open.or_else(|| Some(((self.random_word)()?, self.terms.approval.timeout_ms)));
        let has_room = !channels.is_empty() && self.holds.fits(line.len());
        let (Some((question, lasts_ms)), Some(id), true) = (asked, message.id, has_room) else {
            return self.conclude(judged, message.id, Word::Unasked, &case, now, out);
        };
        let progress = progress(message, now);
        let patience_us = later(case.since, self.terms.approval.patience_ms);
        let asks_host =
            channels.contains(&Channel::Host) && !case.host_was_asked && !self.holds.is_in_host(&question);
        let Case { number, since, spends, binding, .. } = case;
        let hold = Hold {
            number,
            line,
            id: id.key(),
            question,
            joined: !is_new,
            binding,
            policy,
            why: wish.in_words(),
            since,
            spends,
            closes_us: later(now, lasts_ms),
            answer_us: if progress.is_some() { u64::MAX } else { patience_us },
            progress,
            in_host: if asks_host { InHost::Due } else { InHost::No },
        };
        if is_new {
            self.ask_people(&hold, wish, channels, now, out);
        }
        self.holds.put(hold);
    }

    /// Asks people about a call: by a row of the store, which has to be there before the call waits for it.
    fn ask_people(&self, hold: &Hold, wish: Wish, channels: Vec<Channel>, now: Now, out: &mut Outbox) {
        let name = shown(if wish.tool.is_empty() { &wish.method } else { &wish.tool });
        let approval = &self.terms.approval;
        out.say.push(format!("waiting for approval: {name}: {}; see `callgate approvals`", wish.reason));
        out.records.push(Record::Question(Box::new(Question {
            id: hold.question.clone(),
            unix_ms: now.unix_ms,
            until_ms: now.unix_ms.saturating_add(left_ms(hold.closes_us, now)),
            number: hold.number,
            owner: self.owner(),
            method: wish.method,
            tool: wish.tool,
            arguments: wish.arguments,
            rule: wish.rule,
            reason: wish.reason,
            why: wish.why,
            severity: wish.severity,
            class: wish.class,
            policy: Arc::clone(&hold.policy),
            grant: approval.grant,
            confirm: approval.confirm,
            channels,
            binding: hold.binding,
            telling: wish.telling,
        })));
        out.commit_first = true;
    }

    /// Where the question may be put: where the rules and the file want it, and where somebody can be asked.
    fn channels(&self, wish: &Wish, message: &Message<'_>) -> Vec<Channel> {
        let approval = &self.terms.approval;
        let is_wanted = |channel: &Channel| wish.channels.contains(channel);
        let is_there = |channel: &Channel| match channel {
            Channel::Local => true,
            Channel::Host => {
                wish.class.may_be_asked_in_host()
                    && self.info.agent.as_ref().is_some_and(|agent| approval.host_agents.contains(agent))
                    && self.can_ask_in_host(message)
            }
        };
        approval.channels.iter().copied().filter(|channel| is_wanted(channel) && is_there(channel)).collect()
    }

    /// Who may use an approval: the agent, or this session where none is named.
    pub(super) fn owner(&self) -> Arc<str> {
        match &self.info.agent {
            Some(agent) => ["agent:", agent].concat().into(),
            None => ["session:", &self.info.session].concat().into(),
        }
    }

    /// What an approval is bound to: who asks, the server, the tool as it is defined, the method and all parameters,
    /// numbers as written.
    pub(super) fn binding(&self, message: &Message<'_>) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"callgate binding v1");
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(self.owner().as_bytes());
        add(self.info.server.as_bytes());
        let name = message.name.and_then(Json::as_str).unwrap_or_default();
        for definition in self.catalog.definitions(&name) {
            add(definition.as_bytes());
        }
        add(message.method.as_deref().unwrap_or_default().as_bytes());
        let mut parameters = String::new();
        // What is left of answers that were all for us is none.
        let is_answered = |name: &str| {
            let [responses, _] = message.carried;
            name == RESPONSES && responses.is_some_and(|all| all.members().next().is_none())
        };
        if let Some(params) = message.params {
            let wanted = |name: &str| name != PASSING && !is_answered(name);
            write_canonical_members(params, wanted, &mut parameters);
        }
        add(parameters.as_bytes());
        hash.finalize().into()
    }
}

/// A person's no has reached whoever made the call again.
pub(super) fn told(question: &str, number: u64, now: Now) -> Record {
    Record::Turn(Turn::new(question, Some(number), TurnKind::Told, now))
}

fn progress(message: &Message<'_>, now: Now) -> Option<Progress> {
    let token = Id::from_json(message.meta?.member("progressToken")?)?;
    Some(Progress { token: token.raw().into(), told: 0, next_us: now.steady_us })
}

fn later(now: Now, ms: i64) -> u64 {
    now.steady_us.saturating_add(u64::try_from(ms).unwrap_or_default().saturating_mul(1_000))
}

fn left_ms(until_us: u64, now: Now) -> i64 {
    i64::try_from(until_us.saturating_sub(now.steady_us) / 1_000).unwrap_or(i64::MAX)
}
