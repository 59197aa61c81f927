//! All calls of a session that wait for people: which there are, when each is due, and what their hosts were asked.
//!
//! It refuses to rule. Invariant: a call is held once, and what is held is bounded in number and bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::hold::{Hold, InHost, Ruling};
use crate::wire::IdKey;

/// More calls than people can be asked about at once.
const MOST_HELD: usize = 4_096;
/// What they may take together, bytes.
const MOST_BYTES: usize = 64 << 20;
/// Questions to hosts of which an answer may still come, though nobody waits for it.
const MOST_IN_HOST: usize = 8_192;
/// How long after a ruling that could not be taken it is tried again, microseconds.
const AGAIN_US: u64 = 25_000;

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

    /// The first that is due: no longer among the others until it is put back.
    pub fn take_due(&mut self, now_us: u64) -> Option<Hold> {
        let (due, number) = *self.due.first()?;
        if due <= now_us { self.take(number) } else { None }
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
