//! Tasks that calls have made: work that goes on after the call is answered.
//!
//! It refuses to guess whose a task is: one that no call of this session made, or that two made, belongs to no tool.
//! Invariant: a task is named by the tool whose call made it, and its call is given out once.

use std::collections::HashMap;

use super::flight::InFlight;
use crate::wire::Json;

/// Tasks of one session that are remembered. Arbitrary: far above what a client has under way.
const MOST_TASKS: usize = 4_096;
/// Longer ids are not kept, bytes. The specification suggests UUIDs.
const LONGEST_ID: usize = 1_024;

/// The tasks of one session.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    by_id: HashMap<Box<str>, Task>,
    made: u64,
}

#[derive(Debug)]
struct Task {
    /// Its place in the order in which they were made.
    place: u64,
    /// `None` where two calls claim it.
    tool: Option<Box<str>>,
    /// The call that made it, until the task ends.
    call: Option<InFlight>,
    /// What it asked the client when it was last let pass: a client that asks for its state again is told the same.
    asked: Option<[u8; 32]>,
}

impl Tasks {
    /// The tool whose call made the task.
    pub(super) fn tool(&self, id: &str) -> Option<&str> {
        self.by_id.get(id)?.tool.as_deref()
    }

    /// A call is answered by a task. The call that must be ended now, because there is no room to wait for its task.
    pub(super) fn begin(&mut self, id: &str, tool: Option<Box<str>>, call: InFlight) -> Option<InFlight> {
        if id.len() > LONGEST_ID {
            return Some(call);
        }
        if let Some(known) = self.by_id.get_mut(id) {
            known.tool = None;
            return Some(call);
        }
        let displaced = if self.by_id.len() >= MOST_TASKS { self.make_room() } else { None };
        self.made += 1;
        self.by_id.insert(id.into(), Task { place: self.made, tool, call: Some(call), asked: None });
        displaced
    }

    /// Forgets the oldest of those that have ended, else the oldest.
    fn make_room(&mut self) -> Option<InFlight> {
        let oldest = self.by_id.iter().min_by_key(|(_, task)| (task.call.is_some(), task.place));
        let id = oldest.map(|(id, _)| id.clone())?;
        self.by_id.remove(&id)?.call
    }

    /// The task has ended: the call whose record that completes.
    pub(super) fn end(&mut self, id: &str) -> Option<InFlight> {
        self.by_id.get_mut(id)?.call.take()
    }

    /// Whether the task asks what it asked before, so that it was judged. `digest` is of what it asks.
    pub(super) fn asks_again(&self, id: &str, digest: [u8; 32]) -> bool {
        self.by_id.get(id).is_some_and(|task| task.asked == Some(digest))
    }

    /// Notes what a task asks and may ask.
    pub(super) fn may_ask(&mut self, id: &str, digest: [u8; 32]) {
        if let Some(task) = self.by_id.get_mut(id) {
            task.asked = Some(digest);
        }
    }

    /// The session ends: the calls of all tasks that have not, in the order in which they were made.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = InFlight> {
        let mut all: Vec<Task> = self.by_id.drain().map(|(_, task)| task).collect();
        all.sort_by_key(|task| task.place);
        all.into_iter().filter_map(|task| task.call)
    }
}

/// The task that a result makes (2025-11-25: `task`; 2026-07-28: `resultType`).
pub(super) fn made(result: &[u8]) -> Option<String> {
    let result = Json::from_text(str::from_utf8(result).ok()?)?;
    let modern = result.member("resultType").and_then(Json::as_str).is_some_and(|kind| kind == "task");
    task_id(if modern { Some(result) } else { result.member("task") })
}

/// `taskId`
pub(super) fn task_id(holder: Option<Json<'_>>) -> Option<String> {
    let id = holder?.member("taskId")?.as_str()?;
    Some(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::flight::Asks;
    use super::*;
    use crate::record::Now;

    fn call(number: u64) -> InFlight {
        InFlight::new(Some(number), Asks::Nothing, Now::default())
    }

    #[test]
    fn a_task_is_named_by_the_tool_whose_call_made_it_and_ends_once() {
        let mut tasks = Tasks::default();
        assert_eq!(tasks.begin("t", Some("deploy".into()), call(1)), None);
        assert_eq!(tasks.tool("t"), Some("deploy"));
        assert_eq!(tasks.end("t").and_then(|call| call.call), Some(1));
        assert_eq!(tasks.end("t"), None);
        assert_eq!(tasks.tool("t"), Some("deploy"), "more can be asked about it");
        assert_eq!(tasks.tool("another"), None);
    }

    #[test]
    fn a_task_that_two_calls_claim_belongs_to_no_tool() {
        let mut tasks = Tasks::default();
        tasks.begin("t", Some("read".into()), call(1));
        let second = tasks.begin("t", Some("deploy".into()), call(2));
        assert_eq!(second.and_then(|call| call.call), Some(2), "its answer is its end");
        assert_eq!(tasks.tool("t"), None);
    }

    #[test]
    fn tasks_are_remembered_within_bounds_and_those_that_have_ended_go_first() {
        let mut tasks = Tasks::default();
        for number in 0..MOST_TASKS as u64 {
            assert_eq!(tasks.begin(&format!("t{number}"), Some("x".into()), call(number)), None);
        }
        tasks.end("t7");
        assert_eq!(tasks.begin("more", Some("x".into()), call(9_000)), None);
        assert_eq!((tasks.tool("t7"), tasks.tool("t0")), (None, Some("x")));
        let displaced = tasks.begin("yet more", Some("x".into()), call(9_001));
        assert_eq!(displaced.and_then(|call| call.call), Some(0), "the oldest is given up");
        let long = "n".repeat(LONGEST_ID + 1);
        assert!(tasks.begin(&long, Some("x".into()), call(9_002)).is_some());
        assert_eq!(tasks.by_id.len(), MOST_TASKS);
        assert_eq!(tasks.drain().count(), MOST_TASKS);
    }

    #[test]
    fn a_result_makes_a_task_by_the_word_of_its_revision() {
        for (result, expected) in [
            (r#"{"task":{"taskId":"a"}}"#, Some("a")),
            (r#"{"resultType":"task","taskId":"b"}"#, Some("b")),
            (r#"{"resultType":"complete","taskId":"c"}"#, None),
            (r#"{"content":[],"taskId":"d"}"#, None),
            (r#"{"task":{"taskId":"e","taskId":"f"}}"#, None),
            (r#"{"task":{"taskId":7}}"#, None),
        ] {
            assert_eq!(made(result.as_bytes()).as_deref(), expected, "{result}");
        }
    }
}
