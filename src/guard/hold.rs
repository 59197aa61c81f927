//! Calls that wait for people: which there are, when each is due, and what they may go through by.
//!
//! It refuses to rule, and to know a clock. Invariant: a call is held once, its bytes are kept as they came, and what is
//! held is bounded in number and bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::policy::Budget;
use crate::record::{Channel, Confirm, Grant, Now};
use crate::wire::IdKey;

/// More calls than people can be asked about at once.
const MOST_HELD: usize = 4_096;
/// What they may take together, bytes.
const MOST_BYTES: usize = 64 << 20;
/// Questions to hosts of which an answer may still come, though nobody waits for it.
const MOST_IN_HOST: usize = 8_192;
/// How long after a ruling that could not be taken it is tried again, microseconds.
const AGAIN_US: u64 = 25_000;

/// `[approval]`, as a session needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// After so long a question closes, milliseconds.
    pub timeout_ms: i64,
    /// So long a call waits that its client cannot be kept waiting for, milliseconds.
    pub patience_ms: i64,
    /// What then becomes of its call.
    pub on_timeout: OnTimeout,
    /// What an approval asks of whoever gives it.
    pub confirm: Confirm,
    /// What an approval is good for, where nobody says otherwise.
    pub grant: Grant,
    /// Where questions may be answered.
    pub channels: Vec<Channel>,
    /// Agents whose hosts may ask the person at hand.
    pub host_agents: BTreeSet<String>,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            timeout_ms: 600_000,
            patience_ms: 45_000,
            on_timeout: OnTimeout::Deny,
            confirm: Confirm::None,
            grant: Grant::Once,
            channels: vec![Channel::Local],
            host_agents: BTreeSet::new(),
        }
    }
}

/// `[approval] on_timeout`: what becomes of a call about which nobody rules, or can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTimeout {
    /// It is refused.
    #[default]
    Deny,
    /// It passes.
    Allow,
}

/// What is heard of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The question.
    pub question: Box<str>,
    /// What.
    pub heard: Heard,
    /// What they said of it.
    pub said: Option<String>,
}

/// What is heard of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A person said yes.
    Yes,
    /// A person said no.
    No,
    /// Another session took it back: who still waits has to ask.
    TakenBack,
}

/// A call like which there may have been a question.
#[derive(Debug, Clone, Copy)]
pub struct Like<'a> {
    /// SHA-256 of what an approval is bound to.
    pub binding: &'a [u8; 32],
    /// Who asks: `agent:KEY` or `session:ID`.
    pub owner: &'a str,
    /// The revision of the policy.
    pub policy: &'a str,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What there is of questions like it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Earlier {
    /// Nothing that helps.
    #[default]
    Nothing,
    /// One is open.
    Open {
        /// Which.
        question: Box<str>,
        /// When it closes, milliseconds since the Unix epoch.
        until_ms: i64,
    },
    /// One was approved, and a call may go through by it.
    Granted {
        /// Which.
        question: Box<str>,
    },
    /// A person denied one after its call was answered: whoever makes the call again has yet to be told.
    Denied {
        /// Which.
        question: Box<str>,
        /// What they said of it.
        said: Option<String>,
    },
}

/// Whether a call went through by an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// There is none any more.
    No,
    /// A person has denied it: their word is on its way, and says why.
    Denied,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Hold {
    /// Its number in the session.
    pub number: u64,
    /// Its line as it came, newline included.
    pub line: Vec<u8>,
    /// Its id.
    pub id: IdKey,
    /// What people are asked.
    pub question: Box<str>,
    /// Whether an earlier call asked it.
    pub joined: bool,
    /// What an approval of it is bound to.
    pub binding: [u8; 32],
    /// The revision that asks.
    pub policy: Arc<str>,
    /// Why it asks, in words for people.
    pub why: Box<str>,
    /// When it was read.
    pub since: Now,
    /// The budgets that it drew on, and which were spent.
    pub spends: Vec<(Budget, bool)>,
    /// When the question closes, steady microseconds.
    pub closes_us: u64,
    /// When its client has to be answered, steady microseconds; later than `closes_us` where it can be kept waiting.
    pub answer_us: u64,
    /// How its client is kept waiting.
    pub progress: Option<Progress>,
    /// What is to be said to the host, and its answer waited for.
    pub in_host: InHost,
}

/// What a client is told while it waits.
#[derive(Debug)]
pub(super) struct Progress {
    /// Its token as it was spelled.
    pub token: Box<str>,
    /// How often it was told.
    pub told: u32,
    /// When it is told next, steady microseconds.
    pub next_us: u64,
}

/// Whether the person in the host is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InHost {
    /// Not.
    No,
    /// As soon as the question is in the store.
    Due,
    /// It is, under this id.
    Asked(IdKey),
}

impl Hold {
    /// When something is next to be done about it, steady microseconds.
    fn due_us(&self) -> u64 {
        if self.in_host == InHost::Due {
            return 0;
        }
        let told = self.progress.as_ref().map_or(u64::MAX, |progress| progress.next_us);
        self.closes_us.min(self.answer_us).min(told)
    }
}

/// A question that was put to the host by an answer: its call is over, and may be made again with the person's word.
#[derive(Debug)]
pub(super) struct ByResult {
    pub question: Box<str>,
    pub binding: [u8; 32],
}

/// A question that was put to the host by a request of our own.
#[derive(Debug)]
pub(super) struct AskedInHost {
    /// The call that it is about.
    pub number: u64,
    pub question: Box<str>,
    /// When it closes, steady microseconds.
    pub closes_us: u64,
}

/// All calls of a session that wait.
#[derive(Debug, Default)]
pub(super) struct Holds {
    calls: BTreeMap<u64, Hold>,
    ids: HashMap<IdKey, u64>,
    /// When each is due, steady microseconds, with its number.
    due: BTreeSet<(u64, u64)>,
    bytes: usize,
    /// Rulings that could not be taken, and when they are tried again.
    put_off: Vec<Ruling>,
    again_us: u64,
    /// What the host was asked, by the ids that it has there.
    in_host: BTreeMap<IdKey, AskedInHost>,
    /// Questions that were put to hosts by an answer, by the name that they have there.
    by_result: BTreeMap<Box<str>, ByResult>,
    /// Questions that are open though their calls were answered.
    pending: BTreeSet<Box<str>>,
    /// Whether a revision took force since they were last looked at.
    revised: bool,
}

impl Holds {
    /// Whether there is room for a call of so many bytes.
    pub fn fits(&self, bytes: usize) -> bool {
        self.calls.len() < MOST_HELD && self.bytes + bytes <= MOST_BYTES
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether a call with this id waits.
    pub fn contains(&self, id: &IdKey) -> bool {
        self.ids.contains_key(id)
    }

    /// A call waits from here on.
    pub fn put(&mut self, hold: Hold) {
        self.bytes += hold.line.len();
        self.due.insert((hold.due_us(), hold.number));
        self.ids.insert(hold.id.clone(), hold.number);
        self.calls.insert(hold.number, hold);
    }

    /// A call waits no longer.
    pub fn take(&mut self, number: u64) -> Option<Hold> {
        let hold = self.calls.remove(&number)?;
        self.bytes -= hold.line.len();
        self.due.remove(&(hold.due_us(), number));
        self.ids.remove(&hold.id);
        Some(hold)
    }

    /// The call with this id waits no longer.
    pub fn take_id(&mut self, id: &IdKey) -> Option<Hold> {
        let number = *self.ids.get(id)?;
        self.take(number)
    }

    /// One of them.
    pub fn find(&self, number: u64) -> Option<&Hold> {
        self.calls.get(&number)
    }

    /// The numbers of all, in the order in which they came.
    pub fn numbers(&self) -> Vec<u64> {
        self.calls.keys().copied().collect()
    }

    /// Those that wait for an answer to a question.
    pub fn of_question(&self, question: &str) -> Vec<u64> {
        let all = self.calls.values().filter(|hold| *hold.question == *question);
        all.map(|hold| hold.number).collect()
    }

    /// Whether the host has, or will soon have, a question on the screen.
    pub fn is_in_host(&self, question: &str) -> bool {
        self.calls.values().any(|hold| *hold.question == *question && hold.in_host != InHost::No)
    }

    /// The question that is open about a call like this.
    pub fn like(&self, binding: &[u8; 32], policy: &str) -> Option<&Hold> {
        self.calls.values().find(|hold| hold.binding == *binding && *hold.policy == *policy)
    }

    /// When the next is due, steady microseconds.
    pub fn next_us(&self) -> Option<u64> {
        let again = (!self.put_off.is_empty()).then_some(self.again_us);
        let first = self.due.first().map(|(due, _)| *due);
        let revised = self.revised.then_some(0);
        [again, first, revised].into_iter().flatten().min()
    }

    /// Those that are due: no longer among the others until they are put back.
    pub fn take_due(&mut self, now_us: u64) -> Vec<Hold> {
        let due: Vec<u64> =
            self.due.iter().take_while(|(due, _)| *due <= now_us).map(|(_, number)| *number).collect();
        due.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// A revision took force.
    pub fn revise(&mut self) {
        self.revised = !self.calls.is_empty() || !self.pending.is_empty();
    }

    /// Whether one did since this was last asked.
    pub fn is_revised(&mut self) -> bool {
        std::mem::take(&mut self.revised)
    }

    /// Keeps a ruling that could not be taken now.
    pub fn put_off(&mut self, ruling: Ruling, now_us: u64) {
        self.again_us = now_us.saturating_add(AGAIN_US);
        if !self.put_off.contains(&ruling) {
            self.put_off.push(ruling);
        }
    }

    /// The rulings that are to be tried again.
    pub fn take_put_off(&mut self, now_us: u64) -> Vec<Ruling> {
        if self.again_us <= now_us { std::mem::take(&mut self.put_off) } else { Vec::new() }
    }

    /// The host is asked about a call, under this id.
    pub fn ask_in_host(&mut self, id: IdKey, hold: &Hold) {
        if self.in_host.len() >= MOST_IN_HOST {
            self.in_host.retain(|_, asked| self.calls.contains_key(&asked.number));
        }
        let Hold { number, question, closes_us, .. } = hold;
        let asked = AskedInHost { number: *number, question: question.clone(), closes_us: *closes_us };
        self.in_host.insert(id, asked);
    }

    /// The host is asked by another of the calls that wait for an answer to a question, where there is one.
    pub fn hand_on_host(&mut self, question: &str) {
        let other = self.of_question(question).first().and_then(|number| self.take(*number));
        if let Some(mut other) = other {
            other.in_host = InHost::Due;
            self.put(other);
        }
    }

    /// Whether the host may still answer something that we asked.
    pub fn asks_host(&self) -> bool {
        !self.in_host.is_empty()
    }

    /// The host answers one of our own questions: which.
    pub fn answered_in_host(&mut self, id: &IdKey) -> Option<AskedInHost> {
        self.in_host.remove(id)
    }

    /// The host is asked by an answer. Where there are too many, one that is likely old is forgotten: its word asks anew.
    pub fn ask_by_result(&mut self, name: Box<str>, asked: ByResult) {
        if self.by_result.len() >= MOST_HELD {
            self.by_result.pop_first();
        }
        self.by_result.insert(name, asked);
    }

    /// What the host was asked by an answer, once.
    pub fn answered_by_result(&mut self, name: &str) -> Option<ByResult> {
        self.by_result.remove(name)
    }

    /// A question stays open though its call was answered.
    pub fn leave_open(&mut self, question: Box<str>) {
        if self.pending.len() < MOST_IN_HOST {
            self.pending.insert(question);
        }
    }

    /// Whether this is one of them.
    pub fn is_left_open(&self, question: &str) -> bool {
        self.pending.contains(question)
    }

    /// Those questions, once.
    pub fn take_pending(&mut self) -> BTreeSet<Box<str>> {
        std::mem::take(&mut self.pending)
    }
}
