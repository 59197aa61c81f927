//! The enforcement point without I/O: bytes of both ends in, effects out.
//!
//! Time, policy and the file system's answers are arguments. While nothing in the session can stop a frame it is
//! a tee: [`Session::through`] lets every chunk out before it is looked at, and what follows only observes.
//! As soon as something can enforce, whole lines pass one by one or not at all.

use std::ops::Range;
use std::sync::Arc;

use super::catalog::Catalog;
use super::effect::{GAP, Outbox, Passing, SPOILED};
use super::exchange::{Moment, call_id, failure};
use super::flight::Flight;
use super::hidden::FilterTools;
use super::past::{Elsewhere, Memory};
use super::refusal::{BlockResponse, Cause, Refusal, Shape};
use crate::policy::{By, Facts, FailMode, Mode, Policy, ResolvePath, Stance};
use crate::record::{Notice, NoticeKind, Now, Outcome, Record, SessionInfo, Status};
use crate::wire::{Id, IdKey, Lines};

/// Which end bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The agent host.
    Client,
    /// The MCP server.
    Server,
}

/// How the next chunk travels.
#[derive(Debug, PartialEq, Eq)]
pub enum Through {
    /// Unseen, at once, after these bytes that an earlier, stricter policy had kept back.
    Tee(Vec<u8>),
    /// Line by line, by way of the outbox.
    Gate,
}

/// What holds for a session until the next revision.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How refusals of tool calls travel.
    pub block_response: BlockResponse,
    /// Longest frame, bytes; longer ones are refused where something can enforce.
    pub max_frame: usize,
    /// Whose lists leave out tools of which no call could pass.
    pub filter_tools: FilterTools,
}

/// What a session begins with.
pub struct Opening {
    /// What is in force.
    pub terms: Terms,
    /// Where no policy could be loaded: what becomes of calls.
    pub unguarded: Option<FailMode>,
    /// Who is at work.
    pub info: SessionInfo,
    /// What the policy may know of them.
    pub facts: Facts,
    /// Where paths really lead.
    pub links: Box<dyn ResolvePath>,
    /// What other processes have done.
    pub elsewhere: Box<dyn Elsewhere>,
    /// A steady clock, microseconds: how long an evaluation took.
    pub steady_us: fn() -> u64,
}

/// One client in front of one server.
pub struct Session {
    pub(super) terms: Terms,
    pub(super) unguarded: Option<FailMode>,
    pub(super) stance: Stance,
    default_reason: Arc<str>,
    pub(super) info: SessionInfo,
    pub(super) facts: Facts,
    links: Box<dyn ResolvePath>,
    pub(super) memory: Memory,
    pub(super) elsewhere: Box<dyn Elsewhere>,
    steady_us: fn() -> u64,
    pub(super) client: Lines,
    pub(super) server: Lines,
    pub(super) flight: Flight,
    pub(super) catalog: Catalog,
    pub(super) number: u64,
    /// Frames of our own that wait for the end of a line whose beginning the client has.
    held: Vec<u8>,
    /// What people were last told of tools that were left out.
    pub(super) hidden: String,
}

impl Session {
    /// A session before its first byte. The policy is in force from there on, handshake or not.
    pub fn new(opening: Opening) -> Self {
        let Opening { terms, unguarded, info, facts, links, elsewhere, steady_us } = opening;
        let limit = terms.max_frame;
        let stance = terms.policy.stance(info.agent.as_deref(), &info.server);
        stance.prepare(&terms.policy);
        Self {
            default_reason: default_reason(&terms.policy, &stance),
            stance,
            client: Lines::new(limit),
            server: Lines::new(limit),
            terms,
            unguarded,
            info,
            facts,
            links,
            memory: Memory::default(),
            elsewhere,
            steady_us,
            flight: Flight::default(),
            catalog: Catalog::default(),
            number: 0,
            held: Vec::new(),
            hidden: String::new(),
        }
    }

    /// A new revision takes force: for every frame that is not complete yet.
    pub fn adopt(&mut self, terms: Terms) {
        self.stance = terms.policy.stance(self.info.agent.as_deref(), &self.info.server);
        self.stance.prepare(&terms.policy);
        self.default_reason = default_reason(&terms.policy, &self.stance);
        self.client.set_limit(terms.max_frame);
        self.server.set_limit(terms.max_frame);
        self.memory.adopt(&terms.policy);
        self.terms = terms;
        self.unguarded = None;
    }

    /// Whether frames can be held back; else the session is a tee.
    pub fn is_gated(&self) -> bool {
        match self.unguarded {
            Some(mode) => failure(mode).is_some(),
            None => self.stance.is_strict(),
        }
    }

    /// The mode of this agent and server, before any rule says otherwise.
    pub fn mode(&self) -> Mode {
        self.stance.base
    }

    /// How the next chunk of one side travels. A tee's chunk is to be sent before it is handed over.
    pub fn through(&mut self, side: Side) -> Through {
        if self.is_gated() {
            return Through::Gate;
        }
        let lines = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let mut withheld = lines.withheld().to_vec();
        if lines.has_gap() {
            withheld.extend_from_slice(GAP);
        }
        lines.mark_forwarded();
        Through::Tee(withheld)
    }

    /// Bytes from one side.
    pub fn bytes(&mut self, from: Side, chunk: &[u8], now: Now) -> Outbox {
        match from {
            Side::Client => self.client_bytes(chunk, now),
            Side::Server => self.server_bytes(chunk, now),
        }
    }

    /// The records of `outbox` could not be committed because of `why`: what leaves now, and what is kept for a
    /// later attempt. Verdicts that stop stand; passing ones fall under `fail_mode` where enforce holds for them.
    pub fn unrecorded(&mut self, mut outbox: Outbox, why: &str) -> Outbox {
        let passing = std::mem::take(&mut outbox.passing);
        let failing = failure(self.stance.fail_mode);
        // The members of a batch share their bytes, and so their fate.
        let held: Vec<Range<usize>> = match failing {
            Some(_) => {
                passing.iter().filter(|frame| frame.enforced).map(|frame| frame.bytes.clone()).collect()
            }
            None => Vec::new(),
        };
        let mut kept = Vec::with_capacity(outbox.to_server.len());
        let mut at = 0;
        for frame in passing {
            let cause = failing.filter(|_| held.contains(&frame.bytes));
            let outcome = if cause.is_some() { Outcome::FailClosed } else { Outcome::FailOpen };
            if frame.enforced || cause.is_some() {
                revise(&mut outbox.records, frame.call, outcome);
            }
            let Some(cause) = cause else { continue };
            self.retract(&mut outbox.records, frame.call);
            kept.extend_from_slice(outbox.to_server.get(at..frame.bytes.start).unwrap_or_default());
            if std::mem::take(&mut outbox.begun) && frame.bytes.start == 0 {
                kept.extend_from_slice(SPOILED);
            }
            at = at.max(frame.bytes.end);
            outbox.to_client.extend(self.recall(&frame, cause));
        }
        self.between_lines(&mut outbox);
        kept.extend_from_slice(outbox.to_server.get(at..).unwrap_or_default());
        outbox.to_server = kept;
        outbox.commit_first = false;
        outbox.say.push(format!(
            "the audit store cannot be written ({why}); fail_mode is {}",
            self.stance.fail_mode
        ));
        outbox
    }

    /// The server has ended, `status` in words: pending requests are answered where frames may be added.
    pub fn server_gone(&mut self, status: &str, now: Now) -> Outbox {
        let mut out = Outbox::default();
        let gated = self.is_gated();
        if gated && self.server.is_ahead() {
            out.to_client.extend_from_slice(SPOILED);
        }
        out.to_client.append(&mut self.held);
        for (id, request) in self.flight.drain() {
            let tool_call_id = request.call.map(|number| self.tool_call_id(number));
            out.records.extend(request.completion(Status::NoReply, now, 0));
            if gated && !request.cancelled {
                let refusal = Refusal {
                    cause: Cause::ServerExited,
                    reason: &format!("the server ended before it answered ({status})"),
                    explanation: None,
                    rule_id: None,
                    policy_id: None,
                    tool_call_id: tool_call_id.as_deref(),
                    mode: self.stance.base,
                };
                out.to_client.extend(refusal.frame(Some(&spelled(&id)), Shape::Error));
            }
        }
        if self.number > 0 {
            out.records.push(notice(now, NoticeKind::SessionEnded, format!("the server ended ({status})")));
        }
        out
    }

    /// Keeps frames of our own out of the middle of a server's line that had begun to pass when the gate closed.
    pub(super) fn between_lines(&mut self, out: &mut Outbox) {
        if self.server.is_ahead() {
            self.held.append(&mut out.to_client);
        } else if !self.held.is_empty() {
            out.to_client.append(&mut self.held);
        }
    }

    fn tool_call_id(&self, number: u64) -> String {
        call_id(&self.info.session, number)
    }

    pub(super) fn moment(&self, now: Now) -> Moment<'_> {
        Moment {
            policy: &self.terms.policy,
            stance: &self.stance,
            facts: &self.facts,
            links: self.links.as_ref(),
            catalog: &self.catalog,
            server: &self.info.server,
            memory: &self.memory,
            elsewhere: self.elsewhere.as_ref(),
            gated: self.is_gated(),
            default_reason: &self.default_reason,
            unguarded: self.unguarded,
            block_response: self.terms.block_response,
            session: &self.info.session,
            now,
            steady_us: self.steady_us,
        }
    }

    /// Takes back a call that was to leave. The cause of the trouble names files: it is for people, not for the agent.
    fn recall(&mut self, frame: &Passing, cause: Cause) -> Vec<u8> {
        let Some(id) = &frame.id else { return Vec::new() };
        if let Some(key) = Id::from_text(id).map(Id::key) {
            self.flight.land(&key);
        }
        Refusal {
            cause,
            reason: "the call could not be recorded",
            explanation: None,
            rule_id: None,
            policy_id: Some(&self.terms.policy.revision),
            tool_call_id: frame.call.map(|number| self.tool_call_id(number)).as_deref(),
            mode: Mode::Enforce,
        }
        .frame(Some(id), Shape::Error)
    }
}

/// The same for every call that no rule speaks about.
fn default_reason(policy: &Policy, stance: &Stance) -> Arc<str> {
    policy.reason(By::Default, stance.base, "").into()
}

/// A notice as a record.
pub(super) fn notice(now: Now, kind: NoticeKind, text: String) -> Record {
    Record::Notice(Notice { unix_ms: now.unix_ms, kind, text })
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

fn spelled(id: &IdKey) -> String {
    match id {
        IdKey::Number(number) => number.to_string(),
        IdKey::Text(text) => serde_json::Value::from(&**text).to_string(),
    }
}
