//! What becomes of calls that wait: people rule, time passes, an end goes.
//!
//! It refuses to remember what was judged before: whatever ends the waiting makes the call be judged anew, by the bytes
//! that were held and the policy then in force. Invariant: a call that waits is answered once, and a question that loses
//! its last call is closed.

use std::borrow::Cow;
use std::collections::HashSet;

use super::client::Leaving;
use super::effect::Outbox;
use super::exchange::{Emit, Exchange, Judged, Moment, Origin, Subject, Word};
use super::hold::{Earlier, Heard, Hold, InHost, Ruling, Taken};
use super::question::{Case, told};
use super::refusal::About;
use super::session::Session;
use crate::call::Reading;
use crate::record::{Now, Record, Turn, TurnKind};
use crate::wire::{Frame, Id, mcp, progress, read};

/// How often a client is told that it goes on waiting, microseconds. Clients give up at 60 s, some at 30 s.
const TELL_EVERY_US: u64 = 10_000_000;

impl Session {
    /// What people have ruled, in the order in which they did.
    pub fn ruled(&mut self, rulings: Vec<Ruling>, now: Now) -> Outbox {
        let mut out = Outbox::default();
        let mut all = self.holds.take_put_off(now.steady_us);
        all.extend(rulings);
        let denials = all.iter().filter(|ruling| ruling.heard == Heard::No);
        let denied: HashSet<Box<str>> = denials.map(|ruling| ruling.question.clone()).collect();
        for ruling in all {
            if ruling.heard == Heard::Yes && denied.contains(&ruling.question) {
                continue;
            }
            // All at once: one that has to ask anew must not find another that still waits for this.
            let numbers = self.holds.of_question(&ruling.question);
            let waiting: Vec<Hold> =
                numbers.into_iter().filter_map(|number| self.holds.take(number)).collect();
            for hold in waiting {
                self.ruled_on(hold, &ruling, now, &mut out);
            }
        }
        self.between(&mut out);
        out
    }

    fn ruled_on(&mut self, hold: Hold, ruling: &Ruling, now: Now, out: &mut Outbox) {
        match ruling.heard {
            Heard::No => {
                hold.close_host(out);
                out.records.extend(hold.joined.then(|| told(&hold.question, hold.number, now)));
                return self.settle(hold, Word::Denied(ruling.said.as_deref()), now, out);
            }
            Heard::TakenBack => {
                hold.close_host(out);
                return self.settle(hold, Word::Released, now, out);
            }
            // They said yes to what another policy asked.
            Heard::Yes if *hold.policy != *self.terms.policy.revision => {
                return self.settle(hold, Word::Released, now, out);
            }
            Heard::Yes => {}
        }
        match self.elsewhere.take(&hold.question, hold.number, now.unix_ms) {
            Some(Taken::Yes) => {
                hold.close_host(out);
                self.settle(hold, Word::Approved, now, out);
            }
            // Another call like it went through by it.
            Some(Taken::No) => self.settle(hold, Word::Released, now, out),
            // To ask anew would be to ask whoever has just said no.
            Some(Taken::Denied) => self.holds.put(hold),
            None => {
                self.holds.put(hold);
                self.holds.put_off(ruling.clone(), now.steady_us);
            }
        }
    }

    /// When [`Self::tick`] has something to do, steady microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.holds.next_us()
    }

    /// Whether calls wait for people.
    pub fn has_held(&self) -> bool {
        !self.holds.is_empty()
    }

    /// The arguments of a call that waits for an answer to this question, as they came.
    pub fn held_arguments(&self, question: &str) -> Option<String> {
        let number = self.holds.of_question(question).into_iter().next()?;
        let line = &self.holds.find(number)?.line;
        let Ok(Frame::Message(message)) = read(line.strip_suffix(b"\n").unwrap_or(line)) else { return None };
        match self.reading(&message) {
            Reading::Call(call) => call.arguments.map(|arguments| arguments.text().to_owned()),
            Reading::Malformed(_) | Reading::Other => None,
        }
    }

    /// Time has passed: questions close, clients are answered or told to wait on.
    pub fn tick(&mut self, now: Now) -> Outbox {
        let mut out = Outbox::default();
        if self.holds.is_revised() {
            for number in self.holds.numbers() {
                if let Some(hold) = self.holds.take(number) {
                    hold.close_host(&mut out);
                    self.turn(&hold, TurnKind::Withdrawn, now, &mut out);
                    self.settle(hold, Word::Released, now, &mut out);
                }
            }
            // An approval of what another policy asked would be good for nothing.
            self.withdraw_pending(now, &mut out);
        }
        while let Some(hold) = self.holds.take_due(now.steady_us) {
            self.due(hold, now, &mut out);
        }
        let late = self.ruled(Vec::new(), now);
        out.join(late);
        self.between(&mut out);
        out
    }

    fn due(&mut self, mut hold: Hold, now: Now, out: &mut Outbox) {
        if hold.closes_us <= now.steady_us {
            hold.close_host(out);
            self.turn(&hold, TurnKind::Expired, now, out);
            return self.settle(hold, Word::Expired, now, out);
        }
        if hold.answer_us <= now.steady_us {
            self.turn(&hold, TurnKind::Pending, now, out);
            self.holds.leave_open(hold.question.clone());
            return self.settle(hold, Word::Pending, now, out);
        }
        if hold.in_host == InHost::Due {
            let Some(asked) = self.ask_host(hold, now, out) else { return };
            hold = asked;
        }
        hold.tell(now, out);
        self.holds.put(hold);
    }

    /// A word on a call that waited: it is judged anew, and asked about anew where the word was about another revision.
    pub(super) fn settle(&mut self, hold: Hold, word: Word<'_>, now: Now, out: &mut Outbox) {
        let Hold { line, number, since, spends, .. } = hold;
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let Ok(Frame::Message(message)) = read(content) else { return };
        let Reading::Call(call) = self.reading(&message) else { return };
        let modern = message.meta.is_some_and(|meta| meta.member(mcp::META_PROTOCOL_VERSION).is_some());
        let id = message.id.filter(|_| word != Word::Cancelled).map(|id| Cow::Borrowed(id.raw()));
        let origin = Origin { line: &line, id, about: About::Call, modern, number };
        let binding = self.binding(&message);
        let mut case =
            Case { number, since, spends, binding, earlier: Earlier::Nothing, host_was_asked: false };
        let moment = Moment { told: &case.spends, ..self.moment(now) };
        let judged = Exchange::new(origin, Subject::Call(call)).judge(&moment);
        if word == Word::Released && judged.waits(&moment) {
            case.earlier = self.earlier(&binding, now);
            return self.wait(line.clone(), judged, &message, case, now, out);
        }
        self.conclude(judged, message.id, word, &case, now, out);
    }

    /// The end of a call about which people were, or were to be asked.
    pub(super) fn conclude(
        &mut self,
        judged: Exchange<'_, Judged>,
        id: Option<Id<'_>>,
        word: Word<'_>,
        case: &Case,
        now: Now,
        out: &mut Outbox,
    ) {
        let moment = Moment { told: &case.spends, ..self.moment(now) };
        let (settled, mut traces) = judged.settle_by(&moment, word, self.terms.approval.on_timeout);
        let warning = settled.warning(&moment);
        let (mut record, emit) = settled.into_parts(&moment);
        self.follow_warning(&record, warning.as_ref(), now, out);
        record.unix_ms = case.since.unix_ms;
        // Its budgets were counted when it came.
        traces.spends.clear();
        let mut left = self.remember(&traces, case.number, now);
        match emit {
            Emit::Forward(frame) => {
                let bytes = out.forward(frame);
                self.leave(&record, Leaving { id, bytes, asks: left.asks(), warning }, now, out);
            }
            Emit::Refuse(frame) => out.to_client.extend(frame),
            Emit::Withhold => {}
        }
        self.keep(record, left, now, out);
    }

    /// The client takes back a call that waits.
    pub(super) fn take_back(&mut self, id: Id<'_>, now: Now, out: &mut Outbox) {
        if let Some(hold) = self.holds.take_id(&id.key()) {
            if matches!(hold.in_host, InHost::Asked(_)) {
                hold.close_host(out);
                self.holds.hand_on_host(&hold.question);
            }
            self.turn(&hold, TurnKind::Withdrawn, now, out);
            self.settle(hold, Word::Cancelled, now, out);
        }
    }

    /// Nobody is there any more to whom it could matter what people say.
    pub(super) fn withdraw_all(&mut self, word: Word<'_>, now: Now, out: &mut Outbox) {
        for number in self.holds.numbers() {
            if let Some(hold) = self.holds.take(number) {
                self.turn(&hold, TurnKind::Withdrawn, now, out);
                self.settle(hold, word, now, out);
            }
        }
        // An agent that is named may come back in another session.
        if self.info.agent.is_none() {
            self.withdraw_pending(now, out);
        }
    }

    /// Closes the questions that are open though their calls were answered.
    fn withdraw_pending(&mut self, now: Now, out: &mut Outbox) {
        let withdrawn = |question: Box<str>| Turn::new(&question, None, TurnKind::Withdrawn, now);
        out.records.extend(self.holds.take_pending().into_iter().map(withdrawn).map(Record::Turn));
    }

    /// Something happened to the question of a call, unless others wait for it still.
    pub(super) fn turn(&self, hold: &Hold, kind: TurnKind, now: Now, out: &mut Outbox) {
        let is_shared = !self.holds.of_question(&hold.question).is_empty();
        if is_shared && matches!(kind, TurnKind::Expired | TurnKind::Withdrawn) {
            return;
        }
        out.records.push(Record::Turn(Turn::new(&hold.question, Some(hold.number), kind, now)));
    }

    /// Keeps what we say to both ends out of the middle of their lines.
    fn between(&mut self, out: &mut Outbox) {
        self.between_lines(out);
        self.between_client_lines(out);
    }
}

impl Hold {
    /// Keeps the client waiting, where it gave something to keep it waiting by.
    fn tell(&mut self, now: Now, out: &mut Outbox) {
        let Some(waiting) = self.progress.as_mut().filter(|waiting| waiting.next_us <= now.steady_us) else {
            return;
        };
        waiting.told += 1;
        waiting.next_us = now.steady_us.saturating_add(TELL_EVERY_US);
        let text = "waiting for a person to approve this call";
        out.to_client.extend(progress(&waiting.token, waiting.told, text));
    }
}
