//! How requests end: with their answer, or with the task that they made.
//!
//! It refuses to take the making of a task for the end of its call. Invariant: the record of a call ends once.

use super::effect::Outbox;
use super::flight::{Asks, InFlight};
use super::session::Session;
use super::tasks::{made, task_id};
use crate::call::{Call, Reading, read_call};
use crate::record::{Now, Status};
use crate::wire::{Glance, Json, JsonKind, Message, mcp};

/// How an answer ended its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub status: Status,
    /// Length of the answer's line, bytes.
    pub length: usize,
}

impl Session {
    /// What a message of the client asks for; more input for a task is asked in the name of the tool that made it.
    pub(super) fn reading<'a>(&self, message: &Message<'a>) -> Reading<'a> {
        match read_call(message) {
            Reading::Call(call) if call.method == mcp::TASKS_UPDATE => {
                let tool = task_id(message.params).and_then(|id| self.tasks.tool(&id).map(str::to_owned));
                Reading::Call(Call { name: tool.unwrap_or_default().into(), ..call })
            }
            reading @ (Reading::Call(_) | Reading::Malformed(_) | Reading::Other) => reading,
        }
    }

    /// An answer came: it is the end of its request, or tells of a task.
    pub(super) fn ended(
        &mut self,
        mut request: InFlight,
        seen: &Glance<'_>,
        done: Done,
        now: Now,
        out: &mut Outbox,
    ) {
        match &request.asks {
            Asks::TaskState(_) if seen.holds.task => self.state_read(seen, done, now, out),
            Asks::TaskResult(id) => self.task_ends(id, done, seen.result, now, out),
            Asks::TaskState(_) | Asks::Revision | Asks::Tools(_) | Asks::Success(_) | Asks::Nothing => {}
        }
        if seen.holds.task
            && let Some(tool) = request.tool.take()
            && let Some(id) = seen.result.and_then(made)
        {
            // The call goes on in the task. Where there is no room for it, its answer is the end of its record.
            let Some(call) = self.tasks.begin(&id, Some(tool), request) else { return };
            out.records.extend(call.completion(done.status, now, done.length));
            return;
        }
        out.records.extend(request.completion(done.status, now, done.length));
        self.succeeded(request, done.status, seen.result, now, out);
    }

    fn state_read(&mut self, seen: &Glance<'_>, done: Done, now: Now, out: &mut Outbox) {
        let state = seen.result.and_then(|bytes| Json::from_text(str::from_utf8(bytes).ok()?));
        if let Some(state) = state {
            self.task_told(state, done.length, now, out);
        }
    }

    /// The state of a task: where it has ended, the call that made it has.
    pub(super) fn task_told(&mut self, state: Json<'_>, length: usize, now: Now, out: &mut Outbox) {
        let Some(id) = task_id(Some(state)) else { return };
        let word = state.member("status").and_then(Json::as_str).unwrap_or_default();
        let result = state.member("result");
        let status = match (&*word, result) {
            ("completed", Some(result)) if is_error(result) => Status::ToolError,
            ("completed", Some(_)) => Status::Ok,
            ("failed", _) if state.member("error").is_some() => Status::RpcError,
            ("failed", _) => Status::ToolError,
            ("cancelled", _) => Status::Cancelled,
            // At work, or done with the result still to be asked for (2025-11-25).
            _ => return,
        };
        let result = result.map(|result| result.text().as_bytes());
        self.task_ends(&id, Done { status, length }, result, now, out);
    }

    fn task_ends(&mut self, id: &str, done: Done, result: Option<&[u8]>, now: Now, out: &mut Outbox) {
        let Some(call) = self.tasks.end(id) else { return };
        out.records.extend(call.completion(done.status, now, done.length));
        self.succeeded(call, done.status, result, now, out);
    }
}

fn is_error(result: Json<'_>) -> bool {
    result.kind() == JsonKind::Object && result.member("isError").is_some_and(|flag| flag.text() == "true")
}
