//! Hostile frames against a command prefix: first that the harness itself tells the truth.
//!
//! It refuses to trust a harness that has only ever seen a pass: without a gate, every denied frame must arrive, and
//! must be called a failure.
//!
//! Invariant: the judgement of a case depends only on what reached each end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::corpus::{self, Case};
use crate::support::frames::{self, Report};
use crate::support::gates::{self, Gate};
use crate::support::parsers::denied_calls_seen;

/// Long enough for a recorder to answer; the frames that swallow the next line use it up.
const CONTROL_TIME: Duration = Duration::from_secs(12);

/// The largest case that is worth sending where nothing judges it.
const CONTROL_SIZE: usize = 1 << 20;

#[test]
fn without_a_gate_every_frame_arrives_as_it_was_sent() {
    let cases = small(corpus::own());
    let reports = frames::run_all(&cases, CONTROL_TIME, |_| Some(Vec::new()));
    assert_all_arrived(&cases, &reports);
}

#[test]
fn behind_a_bare_prefix_the_shared_frames_arrive_as_they_were_sent() {
    let Some(cases) = corpus::shared().map(small) else { return };
    let reports = frames::run_all(&cases, CONTROL_TIME, |_| Some(vec![OsString::from("env")]));
    assert_all_arrived(&cases, &reports);
}

#[test]
fn without_a_gate_every_parser_sees_denied_calls_in_the_frames() {
    let test = "without_a_gate_every_parser_sees_denied_calls_in_the_frames";
    let mut cases = corpus::own();
    cases.retain(|case| ["control", "batch", "duplicate_key", "escape"].contains(&case.cls.as_str()));
    let reports = frames::run_all(&cases, CONTROL_TIME, |_| Some(Vec::new()));
    let seen = denied_calls_seen(test, &reports);
    assert!(!seen.is_empty() && seen.values().all(|&denied| denied > 0), "{seen:?}");
}

#[test]
fn behind_callgate_every_strict_case_passes_and_no_parser_sees_a_denied_call() {
    let test = "behind_callgate_every_strict_case_passes_and_no_parser_sees_a_denied_call";
    for cases in [Some(corpus::own()), corpus::shared()].into_iter().flatten() {
        let gates = Gates::new(gates::of_policy);
        let reports = frames::run_all(&cases, frames::CASE_TIME, |case| gates.prefix(case));
        let failures = frames::failures(&cases, &reports);
        assert!(failures.is_empty(), "{failures}");
        let seen = denied_calls_seen(test, &reports);
        assert!(seen.values().all(|&denied| denied == 0), "{seen:?}");
    }
}

#[test]
fn behind_callgate_in_shadow_every_frame_arrives_as_it_was_sent() {
    for cases in [Some(corpus::own()), corpus::shared()].into_iter().flatten() {
        let gates = Gates::new(gates::of_policy_in_shadow);
        let reports = frames::run_all(&cases, frames::CASE_TIME, |case| gates.prefix(case));
        let changed: Vec<&Report> =
            reports.iter().filter(|report| report.outcome != "forwarded_unchanged").collect();
        assert!(changed.is_empty(), "{:?}", changed.iter().map(|r| (&r.id, r.outcome)).collect::<Vec<_>>());
    }
}

#[test]
fn a_gate_that_lets_nothing_through_passes_what_must_be_stopped_and_fails_what_must_not() {
    let deaf = r#""$0" </dev/null; cat >/dev/null"#;
    let prefix: Vec<OsString> = ["sh", "-c", deaf].map(OsString::from).to_vec();
    let cases: Vec<Case> =
        corpus::own().into_iter().filter(|case| case.id.starts_with("end-of-input")).collect();
    let reports = frames::run_all(&cases, CONTROL_TIME, |_| Some(prefix.clone()));
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((report.outcome, report.ok), ("not_forwarded", true), "{report:?}");
}

#[test]
fn a_lost_session_fails_a_case_that_arrived() {
    let cases: Vec<Case> = corpus::own().into_iter().filter(|case| case.id == "allowed-call").collect();
    // It passes on the handshake and the frame, and then is gone before the sentinel.
    let three_lines = r#"for n in 1 2 3; do IFS= read -r line; printf '%s\n' "$line"; done | "$0""#;
    let prefix: Vec<OsString> = ["sh", "-c", three_lines].map(OsString::from).to_vec();
    let reports = frames::run_all(&cases, CONTROL_TIME, |_| Some(prefix.clone()));
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(
        (report.outcome, report.survived, report.ok),
        ("forwarded_unchanged", Some(false), false),
        "{report:?}"
    );
    assert!(frames::failures(&cases, &reports).contains("the session was lost"));
}

/// One gate for each policy, made when it is first asked for.
struct Gates {
    make: fn(&str) -> Option<Gate>,
    made: Mutex<BTreeMap<String, Option<Gate>>>,
}

impl Gates {
    fn new(make: fn(&str) -> Option<Gate>) -> Self {
        Self { make, made: Mutex::default() }
    }

    /// The prefix for the case; none where its policy is beyond what this repository can say yet.
    fn prefix(&self, case: &Case) -> Option<Vec<OsString>> {
        let mut made = self.made.lock().unwrap();
        let gate = made.entry(case.policy.clone()).or_insert_with(|| (self.make)(&case.policy));
        gate.as_ref().map(|gate| gate.prefix.clone())
    }
}

fn small(mut cases: Vec<Case>) -> Vec<Case> {
    cases.retain(|case| case.size() <= CONTROL_SIZE);
    cases
}

fn assert_all_arrived(cases: &[Case], reports: &[Report]) {
    assert_eq!(reports.len(), cases.len());
    for (case, report) in cases.iter().zip(reports) {
        assert_eq!(report.outcome, "forwarded_unchanged", "{report:?}");
        assert_eq!(
            report.ok,
            case.accept.iter().any(|accepted| accepted == "forwarded_unchanged"),
            "{report:?}"
        );
        assert_eq!(report.failed(), report.strict && !report.ok);
        assert!(
            report.peak_kib.is_some() || case.unterminated() || cfg!(not(target_os = "linux")),
            "{report:?}"
        );
    }
}
