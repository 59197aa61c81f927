//! Windows, bounds, and what becomes of doubt.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::guard::{Earlier, Like, Taken};

fn budget(max: u32, per_s: u64, key: u32) -> Budget {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&key.to_le_bytes());
    Budget { rule: [7; 32], key: bytes, max, per_ms: per_s * 1_000, reach: Reach::Session }
}

fn at(seconds: u64) -> Now {
    Now { unix_ms: 1_000 * i64::try_from(seconds).unwrap(), steady_us: seconds * 1_000_000 }
}

fn policy() -> Policy {
    let source = "version = 1\n[[label]]\nid = \"here\"\nttl = \"10s\"\n[[label]]\nid = \"there\"\nttl = \"10s\"\n\
        scope = \"agent\"\n[[label]]\nid = \"done\"\non = \"result\"\n";
    let read = crate::settings::read(source, &crate::settings::Environment::default()).unwrap();
    Arc::unwrap_or_clone(read.config.policy)
}

/// A store that says the same to every question.
struct Says(Option<u64>, Option<Written>);

impl Elsewhere for Says {
    fn spent(&self, _key: &[u8; 32], _since_slot: i64) -> Option<u64> {
        self.0
    }

    fn marked(&self, _owner: &str, _label: &str) -> Option<Written> {
        self.1
    }

    fn pins(&self, _server: &str) -> Option<Pins> {
        None
    }

    fn pinned(&self, _server: &str, _hash: &str) -> Option<Pinned> {
        None
    }

    fn earlier(&self, _like: &Like<'_>) -> Option<Earlier> {
        None
    }

    fn take(&self, _question: &str, _number: u64, _now_ms: i64) -> Option<Taken> {
        None
    }
}

fn is_spent(memory: &Memory, elsewhere: &dyn Elsewhere, budget: &Budget, now: Now) -> bool {
    let facts = Facts::default();
    Hindsight { memory, elsewhere, facts: &facts, now, told: &[], asked: RefCell::default() }.is_spent(budget)
}

fn marked(memory: &Memory, elsewhere: &dyn Elsewhere, label: &Label, now: Now) -> Marked {
    let facts = Facts::default();
    Hindsight { memory, elsewhere, facts: &facts, now, told: &[], asked: RefCell::default() }.marked(label)
}

fn spend(memory: &mut Memory, budget: Budget, now: Now) -> Left {
    static POLICY: LazyLock<Policy> = LazyLock::new(policy);
    let (policy, facts) = (&*POLICY, Facts::default());
    let traces = Traces { spends: vec![budget], labels: Vec::new() };
    memory.note(&traces, By { policy, facts: &facts }, now)
}

fn set(memory: &mut Memory, policy: &Policy, label: usize, grade: Grade, now: Now) -> Left {
    let facts = Facts { agent: Some("ci".into()), ..Facts::default() };
    let traces = Traces { spends: Vec::new(), labels: vec![Setting { label, grade }] };
    memory.note(&traces, By { policy, facts: &facts }, now)
}

#[test]
fn calls_of_other_processes_count_where_they_share_the_budget_and_can_be_read() {
    let mut memory = Memory::default();
    let shared = Budget { reach: Reach::Processes, ..budget(3, 10, 1) };
    let left = spend(&mut memory, shared, at(100));
    assert_eq!((left.trace.spendings.len(), left.trace.spendings[0].key), (1, shared.key));
    assert!(!is_spent(&memory, &Says(Some(1), None), &shared, at(100)));
    assert!(is_spent(&memory, &Says(Some(2), None), &shared, at(100)));
    assert!(!memory.goes_blind());
    assert!(!is_spent(&memory, &Says(None, None), &shared, at(100)));
    assert!(memory.goes_blind() && !memory.goes_blind());
    let own = budget(3, 10, 1);
    assert!(!is_spent(&memory, &Says(Some(2), None), &own, at(100)));
    assert!(spend(&mut memory, own, at(100)).trace.is_empty());
}

#[test]
fn a_label_that_cannot_be_told_is_unknown_unless_this_session_is_sure() {
    let (mut memory, policy) = (Memory::default(), policy());
    let there = &policy.labels[1];
    let blind = Says(None, None);
    assert_eq!(marked(&memory, &blind, &policy.labels[0], at(1)), Marked::No);
    assert_eq!(marked(&memory, &blind, there, at(1)), Marked::Unknown);
    set(&mut memory, &policy, 1, Grade::Possibly, at(1));
    assert_eq!(marked(&memory, &blind, there, at(1)), Marked::Unknown);
    set(&mut memory, &policy, 1, Grade::Surely, at(1));
    assert_eq!(marked(&memory, &blind, there, at(1)), Marked::Surely);
}

#[test]
fn what_another_process_wrote_counts_for_as_long_as_the_label_lasts() {
    let (mut memory, policy) = (Memory::default(), policy());
    let there = &policy.labels[1];
    let written = |possibly_ms, surely_ms| Says(None, Some(Written { possibly_ms, surely_ms }));
    let sees = |memory: &Memory, says: Says| marked(memory, &says, there, at(100));
    assert_eq!(sees(&memory, written(Some(95_000), None)), Marked::Possibly);
    assert_eq!(sees(&memory, written(Some(95_000), Some(95_000))), Marked::Surely);
    assert_eq!(sees(&memory, written(Some(95_000), Some(90_000))), Marked::Possibly);
    assert_eq!(sees(&memory, written(Some(90_000), Some(90_000))), Marked::No);
    // Written before the clock was set back.
    assert_eq!(sees(&memory, written(Some(500_000), Some(500_000))), Marked::Possibly);
    set(&mut memory, &policy, 1, Grade::Possibly, at(95));
    assert_eq!(sees(&memory, written(None, None)), Marked::Possibly);
}

#[test]
fn a_label_lasts_from_when_it_was_last_set_and_doubt_does_not_take_certainty_away() {
    let (mut memory, policy) = (Memory::default(), policy());
    let here = &policy.labels[0];
    set(&mut memory, &policy, 0, Grade::Surely, at(0));
    set(&mut memory, &policy, 0, Grade::Possibly, at(5));
    let seen = [9, 10, 14, 15].map(|second| marked(&memory, &Alone, here, at(second)));
    assert_eq!(seen, [Marked::Surely, Marked::Possibly, Marked::Possibly, Marked::No]);
}

#[test]
fn only_success_makes_a_label_on_result_sure_and_a_call_taken_back_makes_none() {
    let (mut memory, policy, facts) = (Memory::default(), policy(), Facts::default());
    let done = &policy.labels[2];
    let left = set(&mut memory, &policy, 2, Grade::Surely, at(0));
    assert_eq!(marked(&memory, &Alone, done, at(0)), Marked::Possibly);
    let by = By { policy: &policy, facts: &facts };
    assert!(memory.succeed(&left.on_success, by, at(1)).is_empty());
    assert_eq!(marked(&memory, &Alone, done, at(1)), Marked::Surely);
    memory.doubt(&left.labels);
    assert_eq!(marked(&memory, &Alone, done, at(1)), Marked::Possibly);
    let doubtful = set(&mut memory, &policy, 2, Grade::Possibly, at(2));
    assert!(doubtful.on_success.is_empty());
}

#[test]
fn a_revision_keeps_labels_by_id_and_forgets_budgets_of_rules_that_changed() {
    let (mut memory, policy) = (Memory::default(), policy());
    set(&mut memory, &policy, 0, Grade::Surely, at(0));
    spend(&mut memory, budget(1, 10, 1), at(0));
    memory.adopt(&policy);
    assert_eq!(marked(&memory, &Alone, &policy.labels[0], at(0)), Marked::Surely);
    assert!(!is_spent(&memory, &Alone, &budget(1, 10, 1), at(0)));
}

#[test]
fn budgets_without_room_of_their_own_count_together() {
    let mut memory = Memory::default();
    let keys = u32::try_from(MOST_BUDGETS).unwrap();
    for key in 0..keys {
        spend(&mut memory, budget(2, 3_600, key), at(1));
    }
    let (one, other) = (budget(2, 3_600, keys), budget(2, 3_600, keys + 1));
    spend(&mut memory, one, at(1));
    assert!(!is_spent(&memory, &Alone, &other, at(1)));
    spend(&mut memory, other, at(1));
    assert!(is_spent(&memory, &Alone, &one, at(1)) && is_spent(&memory, &Alone, &other, at(1)));
    assert!(!is_spent(&memory, &Alone, &budget(2, 3_600, 3), at(1)));
    // Room comes back with time, and nobody gets it while what counted together still does.
    spend(&mut memory, budget(2, 3_600, 0), at(3_000));
    assert!(is_spent(&memory, &Alone, &one, at(3_600)));
    assert!(!is_spent(&memory, &Alone, &one, at(3_601)));
    spend(&mut memory, one, at(3_601));
    let budgets = &memory.budgets[&[7; 32]];
    assert!(budgets.rest.is_empty() && budgets.by_key.len() == 2, "{}", budgets.by_key.len());
}

proptest! {
    #[test]
    fn a_budget_is_spent_when_so_many_calls_lie_within_the_window(
        calls in proptest::collection::vec((0_u64..6, 0_u32..3), 0..60), max in 1_u32..5, per in 1_u64..12,
    ) {
        let mut memory = Memory::default();
        let mut all: Vec<(u64, u32)> = Vec::new();
        let mut second = 0;
        for (step, key) in calls {
            second += step;
            let within = all.iter().filter(|(then, of)| *of == key && second - then < per).count();
            let budget = budget(max, per, key);
            prop_assert_eq!(is_spent(&memory, &Alone, &budget, at(second)), within >= max as usize);
            spend(&mut memory, budget, at(second));
            all.push((second, key));
        }
    }
}

proptest! {
    // Thousands of calls in each.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn memory_is_bounded_whatever_is_called(keys in proptest::collection::vec(0_u32..20_000, 1..200), max in 1_u32..6) {
        let mut memory = Memory::default();
        for (second, key) in keys.into_iter().enumerate() {
            for more in 0..30 {
                spend(&mut memory, budget(max, 60, key * 30 + more), at(second as u64));
            }
        }
        let budgets = &memory.budgets[&[7; 32]];
        prop_assert!(budgets.by_key.len() <= MOST_BUDGETS);
        prop_assert!(budgets.by_key.values().chain([&budgets.rest]).all(|all| all.len() <= max as usize));
    }
}
