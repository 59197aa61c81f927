//! Who made the changes that the next reload brings, where a program made them: the reload alone sees only a file.
//!
//! It refuses to credit anybody with a change that is not the one that was announced. Invariant: an announcement is used
//! once, and only for a while: what never comes is forgotten.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now;
use crate::policy::Change;
use crate::record::Assignment;

/// How long an announced change may take to be seen. Arbitrary: far above what it takes, and short for people.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was announced and has not been seen.
#[derive(Debug, Default)]
pub(super) struct Origins(Mutex<Vec<Announced>>);

/// A text that is about to be in the file, whole.
#[derive(Debug)]
struct Announced {
    revision: String,
    changes: Vec<Change>,
    origin: String,
    until_us: u64,
}

impl Origins {
    /// The file is about to be given the text of this revision in one piece, with these changes.
    pub fn announce(&self, revision: &str, changes: Vec<Change>, origin: &str) {
        let until_us =
            now().steady_us.saturating_add(u64::try_from(PATIENCE.as_micros()).unwrap_or(u64::MAX));
        let (revision, origin) = (revision.to_owned(), origin.to_owned());
        self.waiting().push(Announced { revision, changes, origin, until_us });
    }

    /// It will not be, after all.
    pub fn retract(&self, revision: &str) {
        let mut waiting = self.waiting();
        if let Some(index) = waiting.iter().rposition(|announced| announced.revision == revision) {
            waiting.remove(index);
        }
    }

    /// Whether a text was written in one piece: nobody need wait for the rest of it.
    pub fn is_whole(&self, revision: &str) -> bool {
        self.waiting().iter().any(|announced| announced.revision == revision)
    }

    /// Names whoever announced a change as its origin. Another edit may have come on top, so each change is looked at for
    /// itself; the last who announced it made it.
    pub fn credit(&self, revision: &str, assignments: &mut [Assignment]) {
        let mut waiting = self.waiting();
        for assignment in &mut *assignments {
            let is_it = |change: &Change| change.scope == assignment.scope && change.to == assignment.to;
            if let Some(by) = waiting.iter().rfind(|announced| announced.changes.iter().any(is_it)) {
                assignment.origin.clone_from(&by.origin);
            }
        }
        let is_seen = |announced: &Announced| {
            announced.revision == revision
                || (announced.changes.iter()).any(|change| {
                    assignments.iter().any(|one| one.scope == change.scope && one.to == change.to)
                })
        };
        // What was announced before has been seen, or will never be.
        let last = waiting.iter().rposition(is_seen);
        waiting.drain(..last.map_or(0, |last| last + 1));
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Announced>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_us = now().steady_us;
        waiting.retain(|announced| announced.until_us > now_us);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::{Assignment, Change, Origins};

    fn to_shadow(agent: &str) -> Change {
        Change { scope: format!("agent:{agent}"), from: None, to: Some("shadow".into()) }
    }

    fn seen(origins: &Origins, revision: &str, agents: &[&str]) -> Vec<String> {
        let assignment = |agent: &&str| Assignment {
            unix_ms: 1,
            scope: format!("agent:{agent}"),
            from: Some("enforce".into()),
            to: Some("shadow".into()),
            revision: revision.into(),
            origin: "reload".into(),
        };
        let mut assignments: Vec<Assignment> = agents.iter().map(assignment).collect();
        origins.credit(revision, &mut assignments);
        assignments.into_iter().map(|assignment| assignment.origin).collect()
    }

    #[test]
    fn an_announced_change_is_credited_once() {
        let origins = Origins::default();
        origins.announce("r1", vec![to_shadow("a")], "api:ops");
        assert!(origins.is_whole("r1") && !origins.is_whole("r2"));
        assert_eq!(seen(&origins, "r1", &["a", "b"]), ["api:ops", "reload"]);
        assert_eq!(seen(&origins, "r1", &["a"]), ["reload"]);
        assert!(!origins.is_whole("r1"));
    }

    #[test]
    fn what_came_on_top_of_an_announced_change_does_not_take_its_origin() {
        let origins = Origins::default();
        origins.announce("r1", vec![to_shadow("a")], "api:one");
        origins.announce("r2", vec![to_shadow("b")], "api:two");
        assert_eq!(seen(&origins, "by hand", &["a", "b", "c"]), ["api:one", "api:two", "reload"]);
    }

    #[test]
    fn what_is_taken_back_is_credited_to_nobody() {
        let origins = Origins::default();
        origins.announce("r1", vec![to_shadow("a")], "api:ops");
        origins.retract("r1");
        assert_eq!(seen(&origins, "r1", &["a"]), ["reload"]);
    }

    #[test]
    fn a_reload_of_something_else_leaves_what_is_yet_to_come() {
        let origins = Origins::default();
        origins.announce("r1", vec![to_shadow("a")], "api:ops");
        assert_eq!(seen(&origins, "r0", &["b"]), ["reload"]);
        assert_eq!(seen(&origins, "r1", &["a"]), ["api:ops"]);
    }
}
