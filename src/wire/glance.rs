//! A tolerant look at a line from the server: what it is and whom it answers, never whether it may pass.
//!
//! Refuses to judge what is inside values; bytes that are not UTF-8 may stand in strings. Invariant: a line that some
//! client could take for the answer to an id is told as that answer, as ambiguous, or as not JSON.

use std::borrow::Cow;

use super::{Id, Json, skip, string, text};

/// What a line from the server looks like.
#[derive(Debug, Clone)]
pub struct Glance<'a> {
    /// The id, where it is one that callgate may have seen in a request.
    pub id: Option<Id<'a>>,
    /// What the line is.
    pub kind: GlanceKind,
    /// `method`, decoded.
    pub method: Option<Cow<'a, str>>,
    /// The bytes of `result`.
    pub result: Option<&'a [u8]>,
    /// The bytes of `error`.
    pub error: Option<&'a [u8]>,
    /// What the names of the result's members say of it.
    pub holds: Holds,
}

/// What a result may hold beside an answer, told by names that any client could take for those of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holds {
    /// `inputRequests`: it asks the client for something.
    pub requests: bool,
    /// `task` or `taskId`: it is about a task.
    pub task: bool,
}

/// The kinds of lines that a server writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlanceKind {
    /// White space.
    Blank,
    /// Neither one JSON object nor one array of objects.
    NotJson,
    /// A message that clients could read differently, or match with different requests.
    Ambiguous,
    /// A request.
    Request,
    /// A notification.
    Notification,
    /// A result.
    Result {
        /// Whether `result.isError` is true: the tool ran and failed.
        is_error: bool,
    },
    /// An error; without id where the server could not read the request's.
    Error,
    /// An array of messages, see [`glance_batch`].
    Batch,
    /// A JSON object that is no JSON-RPC message.
    Other,
}

/// The name of what a result asks for (2026-07-28, multi round-trip requests).
const REQUESTS: &str = "inputRequests";
/// Names in a result that makes a task, or tells of one.
const TASK: &[&str] = &["task", "taskId"];

/// The keys that say what a message is.
const TELLING: &[&str] = &["id", "method", "result", "error"];

/// Looks at one line, given without its `\n`. One `\r` at its end is tolerated.
pub fn glance(line: &[u8]) -> Glance<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let start = skip::space(line, 0);
    let mut glance = match line.get(start) {
        None => Glance::of(GlanceKind::Blank),
        Some(b'{') => whole(line, message(line, start)),
        Some(b'[') => whole(line, batch(line, start)),
        Some(_) => Glance::of(GlanceKind::NotJson),
    };
    // Some clients end a line at each carriage return and would read what stands between two of them.
    let is_read = !matches!(glance.kind, GlanceKind::Blank | GlanceKind::NotJson);
    if is_read && memchr::memchr(b'\r', line).is_some() {
        glance.kind = GlanceKind::Ambiguous;
    }
    glance
}

/// The members of a line that [`glance`] calls a batch, each looked at by itself; nothing for other lines.
pub fn glance_batch(line: &[u8]) -> impl Iterator<Item = Glance<'_>> {
    let start = skip::space(line, 0);
    let mut at = if line.get(start) == Some(&b'[') { start + 1 } else { line.len() };
    std::iter::from_fn(move || {
        let start = line.get(at..)?.iter().position(|b| matches!(b, b'{' | b']'))? + at;
        let (glance, end) = (line.get(start) == Some(&b'{')).then(|| message(line, start)).flatten()?;
        at = end;
        Some(glance)
    })
}

impl Glance<'_> {
    fn of(kind: GlanceKind) -> Self {
        Self { id: None, kind, method: None, result: None, error: None, holds: Holds::default() }
    }
}

/// The glance, if its value ends the line.
fn whole<'a>(line: &[u8], read: Option<(Glance<'a>, usize)>) -> Glance<'a> {
    read.filter(|(_, end)| skip::space(line, *end) == line.len())
        .map_or_else(|| Glance::of(GlanceKind::NotJson), |(glance, _)| glance)
}

/// An array whose elements are objects, and its end.
fn batch(line: &[u8], start: usize) -> Option<(Glance<'_>, usize)> {
    let batch = Glance::of(GlanceKind::Batch);
    let mut at = skip::space(line, start + 1);
    if line.get(at) == Some(&b']') {
        return Some((batch, at + 1));
    }
    loop {
        let element = (line.get(at) == Some(&b'{')).then_some(at)?;
        at = skip::space(line, skip::container(line, element)?);
        match line.get(at)? {
            b',' => at = skip::space(line, at + 1),
            b']' => return Some((batch, at + 1)),
            _ => return None,
        }
    }
}

/// The message that opens at `start`, and its end.
fn message(line: &[u8], start: usize) -> Option<(Glance<'_>, usize)> {
    let mut seen = Seen::default();
    let end = members(line, start, |key, at| seen.member(line, key, at))?;
    Some((seen.tell(), end))
}

/// The telling members of a message, as raw bytes.
#[derive(Default)]
struct Seen<'a> {
    id: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    result: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    is_error: bool,
    holds: Holds,
    ambiguous: bool,
}

impl<'a> Seen<'a> {
    /// Notes a member whose value begins at `at`; the value's end.
    fn member(&mut self, line: &'a [u8], key: &[u8], at: usize) -> Option<usize> {
        // In every message, and nothing that a client could take for another key.
        if key == b"jsonrpc" {
            return skip::value(line, at);
        }
        let key = decoded(key);
        let end = if key == "result" && line.get(at) == Some(&b'{') {
            self.result_object(line, at)?
        } else {
            skip::value(line, at)?
        };
        let place = match &*key {
            "id" => &mut self.id,
            "method" => &mut self.method,
            "result" => &mut self.result,
            "error" => &mut self.error,
            stranger => {
                self.ambiguous |= text::lookalike(stranger, TELLING).is_some();
                return Some(end);
            }
        };
        self.ambiguous |= place.is_some();
        *place = line.get(at..end);
        Some(end)
    }

    fn result_object(&mut self, line: &[u8], at: usize) -> Option<usize> {
        members(line, at, |key, at| {
            let end = skip::value(line, at)?;
            self.holds.note(key);
            self.is_error |= line.get(at..end) == Some(b"true") && decoded(key) == "isError";
            Some(end)
        })
    }

    fn tell(self) -> Glance<'a> {
        let id = self.id.and_then(id);
        let method = self.method.and_then(method);
        let kind = match (self.method, self.result, self.error) {
            _ if self.ambiguous => GlanceKind::Ambiguous,
            (Some(_), None, None) if method.is_none() => GlanceKind::Ambiguous,
            (Some(_), None, None) if self.id.is_some() => GlanceKind::Request,
            (Some(_), None, None) => GlanceKind::Notification,
            (None, Some(_), None) if id.is_some() => GlanceKind::Result { is_error: self.is_error },
            (None, None, Some(_)) if id.is_some() || self.id.is_none_or(|id| id == b"null") => {
                GlanceKind::Error
            }
            (None, None, None) => GlanceKind::Other,
            _ => GlanceKind::Ambiguous,
        };
        Glance { id, kind, method, result: self.result, error: self.error, holds: self.holds }
    }
}

impl Holds {
    /// Notes the name of one member. Those of every result of a tool come first.
    fn note(&mut self, key: &[u8]) {
        if matches!(key, b"content" | b"structuredContent" | b"isError" | b"_meta" | b"resultType") {
            return;
        }
        let key = decoded(key);
        let is_one_of = |known: &[&str]| known.contains(&&*key) || text::lookalike(&key, known).is_some();
        self.requests |= is_one_of(&[REQUESTS]);
        self.task |= is_one_of(TASK);
    }
}

/// Goes through an object, giving each key's raw bytes and the place of its value to `each`, which says where that
/// ends; the object's end.
fn members<'a>(
    line: &'a [u8],
    start: usize,
    mut each: impl FnMut(&'a [u8], usize) -> Option<usize>,
) -> Option<usize> {
    let mut at = skip::space(line, start + 1);
    if line.get(at) == Some(&b'}') {
        return Some(at + 1);
    }
    loop {
        let key = (line.get(at) == Some(&b'"')).then_some(at + 1)?;
        let key_end = skip::string(line, at)?;
        at = skip::space(line, key_end);
        if line.get(at) != Some(&b':') {
            return None;
        }
        at = each(line.get(key..key_end - 1)?, skip::space(line, at + 1))?;
        at = skip::space(line, at);
        match line.get(at)? {
            b',' => at = skip::space(line, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// A key as a tolerant client reads it.
fn decoded(key: &[u8]) -> Cow<'_, str> {
    if let (Ok(text), None) = (str::from_utf8(key), memchr::memchr(b'\\', key)) {
        return Cow::Borrowed(text);
    }
    match String::from_utf8_lossy(key) {
        Cow::Borrowed(key) => string::decode(key),
        Cow::Owned(key) => Cow::Owned(string::decode(&key).into_owned()),
    }
}

fn id(value: &[u8]) -> Option<Id<'_>> {
    Id::from_json(Json::from_text(str::from_utf8(value).ok()?)?)
}

fn method(value: &[u8]) -> Option<Cow<'_, str>> {
    let raw = value.strip_prefix(b"\"")?;
    Some(decoded(raw.strip_suffix(b"\"").unwrap_or(raw)))
}
