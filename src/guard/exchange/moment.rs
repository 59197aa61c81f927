//! What all exchanges of one moment share, and the asking of the policy.
//!
//! It refuses to let a fault of our own end a session. Invariant: whatever happens while a call is judged, there is a
//! verdict or there is none.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::call::Call;
use crate::guard::alerts::Routes;
use crate::guard::catalog::Catalog;
use crate::guard::past::{Elsewhere, Hindsight, Memory};
use crate::guard::refusal::BlockResponse;
use crate::policy::{Budget, Facts, FailMode, Policy, ResolvePath, Stance, Verdict, World};
use crate::record::Now;

/// What all exchanges of one moment share.
pub(in crate::guard) struct Moment<'a> {
    pub policy: &'a Policy,
    pub stance: &'a Stance,
    pub facts: &'a Facts,
    pub links: &'a dyn ResolvePath,
    /// What the server claims of its tools.
    pub catalog: &'a Catalog,
    pub server: &'a str,
    pub memory: &'a Memory,
    pub elsewhere: &'a dyn Elsewhere,
    /// Budgets of which it was told before whether they are spent: those of a call that is judged anew.
    pub told: &'a [(Budget, bool)],
    /// The tool whose calls make judging fail: for tests of what happens then.
    #[cfg(debug_assertions)]
    pub fault_at: Option<&'a str>,
    /// Whether frames can be held back at all; else this is a tee.
    pub gated: bool,
    /// The reason of everything that the default decides in the base mode: most of all calls.
    pub default_reason: &'a Arc<str>,
    /// What holds while there is no policy to ask.
    pub unguarded: Option<FailMode>,
    pub block_response: BlockResponse,
    /// Who hears of it.
    pub alerts: &'a Routes,
    pub session: &'a str,
    pub now: Now,
    pub steady_us: fn() -> u64,
}

impl<'a> Moment<'a> {
    /// Asks the policy. Judging has no error; should it panic all the same, there is no verdict, and the session goes on.
    pub(super) fn judge(&self, call: &Call<'_>) -> Result<Option<Verdict>, Unjudged> {
        let judged = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(debug_assertions)]
            assert!(
                self.stance.is_off() || self.fault_at.is_none_or(|tool| tool != call.name),
                "as a test wants it"
            );
            self.policy.evaluate(self.stance, call, self.world(call).with_past(&self.past()))
        }));
        judged.map_err(|_| Unjudged)
    }

    fn world(&self, call: &Call<'_>) -> World<'a> {
        let world = World::of(self.facts).with_links(self.links).at(self.now.unix_ms);
        world.with_claims(self.catalog.claims(&call.name)).with_changed(self.changed(&call.name))
    }

    /// Whether the tool is another one than those that are pinned. Looked up only where a rule wants to know.
    fn changed(&self, tool: &str) -> Option<bool> {
        let ask = |hash: &str| self.elsewhere.pinned(self.server, hash);
        if self.stance.asks_for_pins() { self.catalog.changed(tool, &ask) } else { None }
    }

    /// What a call of this moment can look back on.
    pub fn past(&self) -> Hindsight<'a> {
        let Self { memory, elsewhere, facts, now, told, .. } = *self;
        Hindsight { memory, elsewhere, facts, now, told, asked: RefCell::default() }
    }
}

/// Judging failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unjudged;
