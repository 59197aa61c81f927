//! The enforcement point without I/O: bytes of both ends in, effects out.
//!
//! Time, policy and the file system's answers are arguments. While nothing in the session can stop a frame it is
//! a tee: [`Session::through`] lets every chunk out before it is looked at, and what follows only observes.
//! As soon as something can enforce, whole lines pass one by one or not at all.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::alerts::Routes;
use super::catalog::Catalog;
use super::effect::{GAP, Outbox, SPOILED};
use super::exchange::Word;
use super::exchange::{Moment, call_id, failure};
use super::flight::Flight;
use super::hold::Approval;
use super::holds::Holds;
use super::in_host::Said;
use super::past::{Elsewhere, Memory};
use super::refusal::{About, BlockResponse, Cause, Refusal, Shape};
use super::tasks::Tasks;
use super::warn::Warnings;
use crate::policy::{By, Facts, FailMode, Mode, Policy, ResolvePath, Stance};
use crate::record::{Notice, NoticeKind, Now, Record, SessionInfo, Status};
use crate::wire::{IdKey, Lines};

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
    /// How people are asked.
    pub approval: Approval,
    /// Who hears of what.
    pub alerts: Routes,
}

/// Whose lists leave out tools of which no call could pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterTools {
    /// `filter_tools` of the file.
    pub everywhere: bool,
    /// `filter_tools` of `[servers.NAME]`, which wins.
    pub by_server: BTreeMap<String, bool>,
}

impl FilterTools {
    /// Whether a server's lists are filtered.
    pub(super) fn applies_to(&self, server: &str) -> bool {
        self.by_server.get(server).copied().unwrap_or(self.everywhere)
    }
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
    /// A word that nobody can guess; `None` where the system gives no random numbers.
    pub random_word: fn() -> Option<Box<str>>,
    /// The tool whose calls make judging fail: for tests of what happens then, and in no release.
    #[cfg(debug_assertions)]
    pub fault_at: Option<Box<str>>,
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
    pub(super) random_word: fn() -> Option<Box<str>>,
    #[cfg(debug_assertions)]
    fault_at: Option<Box<str>>,
    pub(super) client: Lines,
    pub(super) server: Lines,
    pub(super) flight: Flight,
    /// Requests of the server that the client has not answered.
    pub(super) asked: Flight,
    pub(super) tasks: Tasks,
    pub(super) catalog: Catalog,
    /// What the agent was told.
    pub(super) warnings: Warnings,
    /// Calls that wait for people.
    pub(super) holds: Holds,
    /// Whether the client said that it can ask its person (until 2025-11-25).
    pub(super) elicits: bool,
    /// The person's word on a call that is just made again (2026-07-28), by the name of the question.
    pub(super) brought: Option<(Box<str>, Said)>,
    /// Methods of the server that nobody knows and of which people have been told.
    pub(super) strangers: HashSet<Box<str>>,
    pub(super) number: u64,
    /// Frames of our own that wait for the end of a line whose beginning the client has.
    held: Vec<u8>,
    /// The same for the server.
    held_for_server: Vec<u8>,
    /// What people were last told of tools that were left out.
    pub(super) hidden: String,
}

impl Session {
    /// A session before its first byte. The policy is in force from there on, handshake or not.
    pub fn new(opening: Opening) -> Self {
        let Opening { terms, unguarded, info, facts, links, elsewhere, steady_us, random_word, .. } = opening;
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
            random_word,
            #[cfg(debug_assertions)]
            fault_at: opening.fault_at,
            flight: Flight::default(),
            asked: Flight::default(),
            tasks: Tasks::default(),
            catalog: Catalog::default(),
            warnings: Warnings::default(),
            holds: Holds::default(),
            elicits: false,
            brought: None,
            strangers: HashSet::new(),
            number: 0,
            held: Vec::new(),
            held_for_server: Vec::new(),
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
        self.holds.revise();
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

    /// Whether lines of one side are passed on one by one: as long as a frame may be held back, may be an answer of the
    /// client to a question of our own, or one of the server with which the agent is told something.
    pub(super) fn takes_lines(&self, side: Side) -> bool {
        self.is_gated()
            || match side {
                Side::Client => self.holds.asks_host(),
                Side::Server => self.flight.is_warned(),
            }
    }

    /// Whether the server has a request with this id that it has not answered, cancelled or not.
    pub fn has_in_flight(&self, id: &IdKey) -> bool {
        self.flight.contains(id) || self.holds.contains(id)
    }

    /// The mode of this agent and server, before any rule says otherwise.
    pub fn mode(&self) -> Mode {
        self.stance.base
    }

    /// How the next chunk of one side travels. A tee's chunk is to be sent before it is handed over.
    pub fn through(&mut self, side: Side) -> Through {
        if self.takes_lines(side) {
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

    /// The server has ended, `status` in words: pending requests are answered where frames may be added.
    pub fn server_gone(&mut self, status: &str, now: Now) -> Outbox {
        let mut out = Outbox::default();
        let gated = self.is_gated();
        if !gated {
            // The rest of a line that was looked at for a warning.
            out.to_client.extend_from_slice(self.server.withheld());
        } else if self.server.is_ahead() {
            out.to_client.extend_from_slice(SPOILED);
        }
        out.to_client.append(&mut self.held);
        self.withdraw_all(Word::ServerGone, now, &mut out);
        for (id, request) in self.flight.drain() {
            let tool_call_id = request.call.map(|number| self.tool_call_id(number));
            out.records.extend(request.completion(Status::NoReply, now, 0));
            if gated && !request.cancelled {
                let refusal = Refusal {
                    about: About::Call,
                    cause: Cause::ServerExited,
                    reason: &format!("the server ended before it answered ({status})"),
                    explanation: None,
                    said: None,
                    rule_id: None,
                    policy_id: None,
                    tool_call_id: tool_call_id.as_deref(),
                    mode: self.stance.base,
                };
                out.to_client.extend(refusal.frame(Some(&id.to_json()), Shape::Error));
            }
        }
        self.end_warning(now, &mut out);
        let asked = self.asked.drain().into_iter().map(|(_, request)| request);
        for request in asked.chain(self.tasks.drain()) {
            out.records.extend(request.completion(Status::NoReply, now, 0));
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

    /// The same for a client's line.
    pub(super) fn between_client_lines(&mut self, out: &mut Outbox) {
        if self.client.is_ahead() {
            self.held_for_server.append(&mut out.to_server);
        } else if !self.held_for_server.is_empty() {
            out.to_server.append(&mut self.held_for_server);
        }
    }

    pub(super) fn tool_call_id(&self, number: u64) -> String {
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
            told: &[],
            #[cfg(debug_assertions)]
            fault_at: self.fault_at.as_deref(),
            gated: self.is_gated(),
            default_reason: &self.default_reason,
            unguarded: self.unguarded,
            block_response: self.terms.block_response,
            alerts: &self.terms.alerts,
            session: &self.info.session,
            now,
            steady_us: self.steady_us,
        }
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
