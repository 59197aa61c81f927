//! What a session remembers for rules that look back: when calls spent a budget, which labels are set since when.
//!
//! It refuses to grow without bound, and to ask other processes for what it knows itself. Invariant: what is lost
//! or cannot be told restricts more, never less.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::hold::{Earlier, Like, Taken};
use super::pins::{Pinned, Pins};
use crate::policy::{Budget, Facts, Grade, Label, Marked, On, Past, Policy, Reach, Setting, Traces};
use crate::record::{Mark, Now, Spending, Trace};

/// Moments that are remembered for one rule: 32 MiB of them.
const MOST_MOMENTS: usize = 1 << 22;
/// Budgets of one rule that are told apart, where each is small enough.
const MOST_BUDGETS: usize = 4_096;
/// How often spent time is looked for where no budget more fits, microseconds.
const SWEEP_US: u64 = 1_000_000;
/// Labels of earlier revisions that are remembered beside those in force.
const MOST_MARKS: usize = 1_024;

/// What other processes have done, as far as they have written it down. The driver answers it from the store.
///
/// Processes do not wait for each other: calls that are judged at the same moment in several of them do not see each
/// other, so that a shared rate may be overshot by as many.
pub trait Elsewhere {
    /// How many calls other sessions have counted under a budget's key in this slot and later ones; `None` where
    /// it cannot be told.
    fn spent(&self, key: &[u8; 32], since_slot: i64) -> Option<u64>;
    /// When a label was last set for an owner, this session included; `None` where it cannot be told.
    fn marked(&self, owner: &str, label: &str) -> Option<Written>;
    /// Which definitions of a server's tools are pinned; `None` where it cannot be told.
    fn pins(&self, server: &str) -> Option<Pins>;
    /// Whether a definition of a server is pinned, by its [`crate::policy::Imprint::hash`]; `None` where it cannot be
    /// told.
    fn pinned(&self, server: &str, hash: &str) -> Option<Pinned>;
    /// What has become of questions like this one; `None` where it cannot be told.
    fn earlier(&self, like: &Like<'_>) -> Option<Earlier>;
    /// Lets the call with this number through by an approved question; `None` where that cannot be written down now.
    fn take(&self, question: &str, number: u64, now_ms: i64) -> Option<Taken>;
}

/// When a label was last set by any process, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// When it was possibly set.
    pub possibly_ms: Option<i64>,
    /// When it was surely set.
    pub surely_ms: Option<i64>,
}

/// There is no other process: for questions, tests, and where there is no store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Elsewhere for Alone {
    fn spent(&self, _key: &[u8; 32], _since_slot: i64) -> Option<u64> {
        Some(0)
    }

    fn marked(&self, _owner: &str, _label: &str) -> Option<Written> {
        Some(Written::default())
    }

    fn pins(&self, _server: &str) -> Option<Pins> {
        Some(Pins::default())
    }

    fn pinned(&self, _server: &str, _hash: &str) -> Option<Pinned> {
        Some(Pinned::NothingYet)
    }

    fn earlier(&self, _like: &Like<'_>) -> Option<Earlier> {
        Some(Earlier::Nothing)
    }

    fn take(&self, _question: &str, _number: u64, _now_ms: i64) -> Option<Taken> {
        Some(Taken::Yes)
    }
}

/// The memory of one session.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By the rule's fingerprint: a rule that changes begins anew.
    budgets: HashMap<[u8; 32], Budgets>,
    marks: HashMap<Arc<str>, Since>,
    /// Whether something could not be told of other processes.
    blind: Cell<Blind>,
}

/// Whether the store could be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Blind {
    /// As far as known.
    #[default]
    Not,
    /// It could not, and nobody was told.
    New,
    /// It could not, and people were told.
    Told,
}

/// When a label was last set in this session, steady microseconds.
#[derive(Debug, Clone, Copy)]
struct Since {
    possibly_us: u64,
    surely_us: Option<u64>,
}

/// The marks of a moment, to go back to.
pub(super) struct Marks(HashMap<Arc<str>, Since>);

/// What a judged call leaves behind, once it is remembered here.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Ids of the labels that it set.
    pub labels: Vec<Arc<str>>,
    /// Those of them that success makes sure.
    pub on_success: Vec<Arc<str>>,
    /// What other processes are to know.
    pub trace: Trace,
}

impl Memory {
    /// A new revision: budgets of rules that are gone are forgotten, labels are kept by their ids.
    pub fn adopt(&mut self, policy: &Policy) {
        self.budgets.retain(|rule, _| policy.rules.iter().any(|known| known.fingerprint == *rule));
        if self.marks.len() > MOST_MARKS {
            self.marks.retain(|id, _| policy.labels.iter().any(|label| label.id == *id));
        }
    }

    /// Notes what a call leaves behind: spent budgets in any case, and the labels that are still in `traces`.
    pub fn note(&mut self, traces: &Traces, by: By<'_>, now: Now) -> Left {
        let mut left = Left::default();
        for budget in &traces.spends {
            self.budgets.entry(budget.rule).or_default().spend(budget, now.steady_us);
            if budget.reach == Reach::Processes {
                left.trace.spendings.push(Spending {
                    key: budget.key,
                    slot: slot(budget, now.unix_ms),
                    until_ms: now.unix_ms.saturating_add(2 * ms(budget.per_ms)),
                });
            }
        }
        for Setting { label, grade } in &traces.labels {
            let Some(label) = by.policy.labels.get(*label) else { continue };
            let waits = label.on == On::Result && *grade == Grade::Surely;
            let grade = if label.on == On::Result { Grade::Possibly } else { *grade };
            left.labels.push(Arc::clone(&label.id));
            left.on_success.extend(waits.then(|| Arc::clone(&label.id)));
            left.trace.marks.extend(self.mark(label, grade, by.facts, now));
        }
        left
    }

    /// A call has succeeded that set these labels.
    pub fn succeed(&mut self, ids: &[Arc<str>], by: By<'_>, now: Now) -> Trace {
        let mut trace = Trace::default();
        for id in ids {
            // Gone with an earlier revision: who brings it back finds it unset.
            let Some(label) = by.policy.labels.iter().find(|label| label.id == *id) else { continue };
            trace.marks.extend(self.mark(label, Grade::Surely, by.facts, now));
        }
        trace
    }

    fn mark(&mut self, label: &Label, grade: Grade, facts: &Facts, now: Now) -> Option<Mark> {
        let surely_us = (grade == Grade::Surely).then_some(now.steady_us);
        let known = self.marks.entry(Arc::clone(&label.id));
        let since = known.or_insert(Since { possibly_us: now.steady_us, surely_us });
        since.possibly_us = now.steady_us;
        since.surely_us = surely_us.or(since.surely_us);
        (label.reach == Reach::Processes).then(|| Mark {
            owner: owner(facts),
            label: Arc::clone(&label.id),
            grade,
            unix_ms: now.unix_ms,
            until_ms: label.ttl_ms.map(|ttl| now.unix_ms.saturating_add(ms(ttl))),
        })
    }

    /// A call that set these labels was taken back before it left: that it may have is all that is left of it.
    pub fn doubt(&mut self, ids: &[Arc<str>]) {
        for id in ids {
            if let Some(since) = self.marks.get_mut(id) {
                since.surely_us = None;
            }
        }
    }

    /// All marks, for [`Self::restore`].
    pub fn marks(&self) -> Marks {
        Marks(self.marks.clone())
    }

    /// Forgets what was marked since.
    pub fn restore(&mut self, marks: Marks) {
        self.marks = marks.0;
    }

    /// Whether something could not be told for the first time.
    pub fn goes_blind(&mut self) -> bool {
        let new = self.blind.get() == Blind::New;
        if new {
            self.blind.set(Blind::Told);
        }
        new
    }

    fn sees_nothing(&self) {
        if self.blind.get() == Blind::Not {
            self.blind.set(Blind::New);
        }
    }
}

/// By what and for whom labels are set.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub policy: &'a Policy,
    pub facts: &'a Facts,
}

/// What a call at one moment can look back on.
pub(super) struct Hindsight<'a> {
    pub memory: &'a Memory,
    pub elsewhere: &'a dyn Elsewhere,
    pub facts: &'a Facts,
    pub now: Now,
    /// Budgets of which it was told before whether they are spent.
    pub told: &'a [(Budget, bool)],
    /// What has been asked about labels of other processes: each once for a call.
    pub asked: RefCell<Vec<(Arc<str>, Marked)>>,
}

impl Hindsight<'_> {
    fn elsewhere(&self, label: &Label) -> Marked {
        if let Some((_, known)) = self.asked.borrow().iter().find(|(id, _)| *id == label.id) {
            return *known;
        }
        let written = self.elsewhere.marked(&owner(self.facts), &label.id);
        if written.is_none() {
            self.memory.sees_nothing();
        }
        let marked =
            written.map_or(Marked::Unknown, |written| written.marked(label.ttl_ms, self.now.unix_ms));
        self.asked.borrow_mut().push((Arc::clone(&label.id), marked));
        marked
    }
}

impl Past for Hindsight<'_> {
    /// Where the store cannot be asked, this session's own calls count alone.
    fn is_spent(&self, budget: &Budget) -> bool {
        if let Some((_, spent)) = self.told.iter().find(|(told, _)| told == budget) {
            return *spent;
        }
        let (max, now) = (u64::from(budget.max), self.now);
        let own = self.memory.budgets.get(&budget.rule).map_or(0, |all| all.spent(budget, now.steady_us));
        if own >= max || budget.reach == Reach::Session {
            return own >= max;
        }
        let others = self.elsewhere.spent(&budget.key, slot(budget, now.unix_ms - ms(budget.per_ms)));
        if others.is_none() {
            self.memory.sees_nothing();
        }
        own.saturating_add(others.unwrap_or(0)) >= max
    }

    fn marked(&self, label: &Label) -> Marked {
        let own = self.memory.marks.get(&label.id);
        let own = own.map_or(Marked::No, |since| since.marked(label.ttl_ms, self.now.steady_us));
        if own == Marked::Surely || label.reach == Reach::Session {
            return own;
        }
        let elsewhere = self.elsewhere(label);
        if elsewhere == Marked::No { own } else { elsewhere }
    }
}

impl Since {
    fn marked(self, ttl_ms: Option<u64>, now_us: u64) -> Marked {
        let lasts = |since_us: u64| {
            ttl_ms.is_none_or(|ttl| now_us.saturating_sub(since_us) < ttl.saturating_mul(1_000))
        };
        match (self.surely_us.is_some_and(lasts), lasts(self.possibly_us)) {
            (true, _) => Marked::Surely,
            (false, true) => Marked::Possibly,
            (false, false) => Marked::No,
        }
    }
}

impl Written {
    /// A moment that is still to come was written before the clock was set back: it is no certainty.
    fn marked(self, ttl_ms: Option<u64>, now_ms: i64) -> Marked {
        let lasts = |since: i64| ttl_ms.is_none_or(|ttl| now_ms.saturating_sub(since) < ms(ttl));
        let surely = self.surely_ms.is_some_and(|since| lasts(since) && since <= now_ms);
        let possibly = [self.possibly_ms, self.surely_ms].into_iter().flatten().any(lasts);
        match (surely, possibly) {
            (true, _) => Marked::Surely,
            (false, true) => Marked::Possibly,
            (false, false) => Marked::No,
        }
    }
}

/// The budgets of one rule.
#[derive(Debug, Default)]
struct Budgets {
    by_key: HashMap<[u8; 32], Moments>,
    /// Of all budgets for which there was no room: they count together until none of them is within its window.
    rest: Moments,
    swept_us: u64,
}

/// When calls were made, oldest first, steady microseconds: of the newest as many as the budget has.
type Moments = VecDeque<u64>;

impl Budgets {
    fn spent(&self, budget: &Budget, now_us: u64) -> u64 {
        let moments = self.by_key.get(&budget.key).unwrap_or(&self.rest);
        let old = moments.partition_point(|moment| is_over(*moment, budget, now_us));
        (moments.len() - old) as u64
    }

    fn spend(&mut self, budget: &Budget, now_us: u64) {
        let most = usize::try_from(budget.max).unwrap_or(usize::MAX);
        if self.rest.back().is_some_and(|last| is_over(*last, budget, now_us)) {
            self.rest = Moments::new();
        }
        let moments = if self.has_room_for(budget, most, now_us) {
            self.by_key.entry(budget.key).or_default()
        } else {
            &mut self.rest
        };
        if moments.len() >= most {
            moments.pop_front();
        }
        moments.push_back(now_us);
    }

    /// Room of its own: it has it already, or none shares and there is some.
    fn has_room_for(&mut self, budget: &Budget, most: usize, now_us: u64) -> bool {
        if self.by_key.contains_key(&budget.key) {
            return true;
        }
        let room = MOST_MOMENTS.checked_div(most).unwrap_or(1).clamp(1, MOST_BUDGETS);
        if self.by_key.len() >= room && now_us.saturating_sub(self.swept_us) >= SWEEP_US {
            self.swept_us = now_us;
            self.by_key.retain(|_, all| all.back().is_some_and(|last| !is_over(*last, budget, now_us)));
        }
        self.rest.is_empty() && self.by_key.len() < room
    }
}

fn is_over(moment_us: u64, budget: &Budget, now_us: u64) -> bool {
    now_us.saturating_sub(moment_us) >= budget.per_ms.saturating_mul(1_000)
}

/// Processes count for each other in 64ths of the window: coarse, but as few rows whatever the rate is. The oldest
/// slot counts whole.
fn slot(budget: &Budget, unix_ms: i64) -> i64 {
    unix_ms.div_euclid((ms(budget.per_ms) / 64).max(1))
}

fn ms(duration: u64) -> i64 {
    i64::try_from(duration).unwrap_or(i64::MAX)
}

/// Whose labels these are: the agent's, or the user's where no agent is named.
fn owner(facts: &Facts) -> Arc<str> {
    match (&facts.agent, &facts.user) {
        (Some(agent), _) => ["agent:", agent].concat().into(),
        (None, Some(user)) => ["user:", user].concat().into(),
        (None, None) => "".into(),
    }
}

#[cfg(test)]
mod tests;
