//! What an answer asks of the client: `inputRequests` of a result or of a task, and the URLs of error -32042.
//!
//! It refuses to take an answer apart. Invariant: an answer that asks for something that a rule stops does not reach the
//! client, and neither does one that hides what it asks; the request that it answers gets a refusal.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::asked::{Admission, Asking};
use super::effect::Outbox;
use super::exchange::Subject;
use super::refusal::About;
use super::session::Session;
use super::tasks::task_id;
use crate::call::{Call, read_asked};
use crate::record::Now;
use crate::wire::mcp::{self, FromServer};
use crate::wire::{Fault, Frame, Glance, Id, Json, JsonKind, Line, MAX_BATCH, Malformed, fold, read};

/// What a result or a task asks for, by key.
const REQUESTS: &str = "inputRequests";
/// The URLs of an error's `data`.
const ELICITATIONS: &str = "elicitations";
/// How an elicitation goes that an error demands.
const BY_URL: &str = "url";

impl Session {
    /// Judges what an answer asks. Most ask nothing, which its members' names tell without another look.
    pub(super) fn within(
        &mut self,
        line: Line<'_>,
        seen: &Glance<'_>,
        now: Now,
        out: &mut Outbox,
    ) -> Admission {
        let asking = self.asking_within(line, seen);
        if asking.is_empty() {
            return Admission::Pass;
        }
        // What cannot be read is never what was read before.
        let is_clear = asking.iter().all(|asking| matches!(asking.subject, Subject::Call(_)));
        let task = seen.result.filter(|_| is_clear).and_then(|result| self.of_task(result));
        let Some((task, digest)) = task else { return self.ask(line.bytes, asking, now, out) };
        if self.tasks.asks_again(&task, digest) {
            return Admission::Pass;
        }
        let admission = self.ask(line.bytes, asking, now, out);
        if admission == Admission::Pass {
            self.tasks.may_ask(&task, digest);
        }
        admission
    }

    /// What an answer asks, not judged yet.
    pub(super) fn asking_within<'a>(&self, line: Line<'a>, seen: &Glance<'a>) -> Vec<Asking<'a>> {
        let calls = match (seen.result, seen.error) {
            (Some(result), _) if seen.holds.requests => json(result, line).and_then(requests),
            (_, Some(error)) => json(error, line)
                .and_then(urls)
                .or_else(|fault| if may_name_urls(error) { Err(fault) } else { Ok(Vec::new()) }),
            (_, None) => return Vec::new(),
        };
        let id = seen.id.map(Id::raw);
        self.all_asking(calls, id)
    }

    /// A task's state in a notification (2026-07-28, tasks extension): with what the task asks.
    pub(super) fn told_of_task(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) -> Admission {
        let (state, calls) = match read(line.content()) {
            Ok(Frame::Message(message)) => (message.params, message.params.map_or(Ok(Vec::new()), requests)),
            Ok(Frame::Blank | Frame::Batch(_)) => return Admission::Pass,
            Err(malformed) => (None, Err(malformed.fault)),
        };
        let asking = self.all_asking(calls, None);
        let admission =
            if asking.is_empty() { Admission::Pass } else { self.ask(line.bytes, asking, now, out) };
        if let (Admission::Pass, Some(state)) = (&admission, state) {
            self.task_told(state, line.bytes.len(), now, out);
        }
        admission
    }

    fn all_asking<'a>(&self, calls: Result<Vec<Call<'a>>, Fault>, id: Option<&'a str>) -> Vec<Asking<'a>> {
        let asking = |subject| Asking { subject, id: id.map(Cow::Borrowed), about: About::Within };
        match calls {
            Ok(calls) => calls.into_iter().map(|call| asking(Subject::Call(call))).collect(),
            Err(fault) if mcp::ASKED.iter().any(|method| self.may_govern(method)) => {
                vec![asking(Subject::Malformed(Malformed { fault, id: id.map(str::to_owned) }))]
            }
            Err(_) => Vec::new(),
        }
    }

    /// The task that a result is the state of, and a digest of what it asks under this policy.
    fn of_task(&self, result: &[u8]) -> Option<(String, [u8; 32])> {
        let state = Json::from_text(str::from_utf8(result).ok()?)?;
        let hash = Sha256::new_with_prefix(self.terms.policy.revision.as_bytes());
        let hash = hash.chain_update(state.member(REQUESTS)?.text());
        Some((task_id(Some(state))?, hash.finalize().into()))
    }
}

/// A part of a line, read strictly; else what is wrong with the line.
fn json<'a>(part: &'a [u8], line: Line<'_>) -> Result<Json<'a>, Fault> {
    let json = str::from_utf8(part).ok().and_then(Json::from_text);
    json.ok_or_else(|| read(line.content()).err().map_or(Fault::Syntax, |malformed| malformed.fault))
}

/// What a result or a task asks for, but for what passes from every server.
fn requests(holder: Json<'_>) -> Result<Vec<Call<'_>>, Fault> {
    let Some(requests) = only(holder, REQUESTS)? else { return Ok(Vec::new()) };
    let members = requests.members().map(|(_, request)| request).chain(requests.elements());
    if members.clone().nth(MAX_BATCH).is_some() {
        return Err(Fault::BatchTooLong);
    }
    members.filter_map(|request| asked(request).transpose()).collect()
}

/// One of them: `{"method": …, "params": …}`.
fn asked(request: Json<'_>) -> Result<Option<Call<'_>>, Fault> {
    let method = only(request, "method")?.and_then(Json::as_str).ok_or(Fault::MethodType)?;
    let folded = fold(&method);
    if !mcp::is_asked(&method) && mcp::ASKED.iter().any(|asked| fold(asked) == folded) {
        return Err(Fault::LookalikeMethod);
    }
    match mcp::from_server(&method) {
        FromServer::Passing | FromServer::ForServers => Ok(None),
        FromServer::Judged => read_asked(method, only(request, "params")?).map(Some),
    }
}

/// The URLs that the client has to visit first, each as the elicitation that it stands for.
fn urls(error: Json<'_>) -> Result<Vec<Call<'_>>, Fault> {
    if only(error, "code")?.is_none_or(is_another) {
        return Ok(Vec::new());
    }
    let data = only(error, "data")?;
    let all = data.map(|data| only(data, ELICITATIONS)).transpose()?.flatten();
    let elements = all.into_iter().flat_map(Json::elements);
    if elements.clone().nth(MAX_BATCH).is_some() {
        return Err(Fault::BatchTooLong);
    }
    elements
        .map(|params| {
            let call = read_asked(mcp::ELICITATION.into(), Some(params))?;
            Ok(Call { name: BY_URL.into(), ..call })
        })
        .collect()
}

/// Whether no client takes a code for the one that demands a visit. Some take text for the number that it spells.
fn is_another(code: Json<'_>) -> bool {
    match code.kind() {
        JsonKind::Number => code.text().parse() != Ok(mcp::URL_ELICITATION_REQUIRED),
        JsonKind::String => false,
        JsonKind::Null | JsonKind::Bool | JsonKind::Array | JsonKind::Object => true,
    }
}

/// The member of an object with this key, where no other can be taken for it.
fn only<'a>(object: Json<'a>, name: &str) -> Result<Option<Json<'a>>, Fault> {
    if object.kind() != JsonKind::Object {
        return Ok(None);
    }
    let folded = fold(name);
    let mut found = None;
    for (key, value) in object.members() {
        if key == name {
            found = Some(value);
        } else if fold(&key) == folded {
            return Err(Fault::LookalikeKey);
        }
    }
    Ok(found)
}

/// Whether an error that cannot be read may hold URLs: their name stands in it, or may stand in it in other letters.
fn may_name_urls(error: &[u8]) -> bool {
    let plain = error.is_ascii() && memchr::memchr(b'\\', error).is_none();
    !plain
        || error.to_ascii_lowercase().windows(ELICITATIONS.len()).any(|part| part == ELICITATIONS.as_bytes())
}
