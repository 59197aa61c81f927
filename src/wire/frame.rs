//! A line from the client as the message that every reader of it must see, or the reason why there is none.
//!
//! Refuses to know what a policy says or a session has negotiated. Invariant: whatever is accepted here means the same
//! to readers that take the first of two keys, the last, ignore case, stop at NUL, or replace what is not Unicode.

use std::borrow::Cow;

use super::strict::{Scanner, Step};
use super::{Fault, Id, Json, JsonKind, MAX_BATCH, Malformed, mcp, string, text};

/// What one line is.
#[derive(Debug, Clone)]
pub enum Frame<'a> {
    /// White space.
    Blank,
    /// One message.
    Message(Message<'a>),
    /// An array of messages, at least one. Whether it may pass is the session's to say.
    Batch(Vec<Message<'a>>),
}

/// A request, a notification or an answer, without ambiguity.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// `id`; `None` for notifications.
    pub id: Option<Id<'a>>,
    /// `method`, decoded; `None` for answers.
    pub method: Option<Cow<'a, str>>,
    /// `params`, of any kind unless the method is governed: then it is an object.
    pub params: Option<Json<'a>>,
    /// `params.name`; for tools/call and prompts/get a string that is not empty.
    pub name: Option<Json<'a>>,
    /// `params.uri`; for resources/read a string that is not empty.
    pub uri: Option<Json<'a>>,
    /// `params.arguments`; for tools/call and prompts/get an object or null.
    pub arguments: Option<Json<'a>>,
    /// `params._meta`.
    pub meta: Option<Json<'a>>,
    /// `params.inputResponses` and `params.requestState`: what a request that is made again brings along.
    pub carried: [Option<Json<'a>>; 2],
    /// `result`
    pub result: Option<Json<'a>>,
    /// Whether it is a result or an error.
    pub is_response: bool,
}

/// The keys of JSON-RPC 2.0, and the one that MCP once allowed beside them.
const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error", "_meta"];
/// The members of `params` that change what a governed request does.
const PARAMS: &[&str] =
    &["name", "uri", "arguments", "_meta", "task", "taskId", "inputResponses", "requestState"];

/// Reads one line, given without its `\n`. One `\r` at its end is tolerated.
///
/// # Errors
/// The first fault, and the request id if exactly one can be seen in the line.
pub fn read(line: &[u8]) -> Result<Frame<'_>, Malformed> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Ok(text) = str::from_utf8(line) else {
        return Err(hopeless(Fault::NotUtf8, &String::from_utf8_lossy(line)));
    };
    if let Some(rest) = text.strip_prefix('\u{FEFF}') {
        return Err(hopeless(Fault::Bom, rest));
    }
    read_text(text)
}

/// The answer to a line with this fault; the rest of it is only searched for the id.
fn hopeless(fault: Fault, text: &str) -> Malformed {
    let id = match read_text(text) {
        Ok(Frame::Message(message)) => message.id.map(|id| id.raw().to_owned()),
        Ok(Frame::Blank | Frame::Batch(_)) => None,
        Err(malformed) => malformed.id,
    };
    Malformed { fault, id: id.filter(|id| !id.contains(char::REPLACEMENT_CHARACTER)) }
}

fn read_text(text: &str) -> Result<Frame<'_>, Malformed> {
    let mut scanner = Scanner::over_line(text);
    scanner.space();
    match scanner.peek() {
        Some(b'{') => read_message(scanner).map(Frame::Message),
        Some(b'[') => read_batch(scanner).map(Frame::Batch).map_err(without_id),
        Some(_) => {
            let fault = scanner.value().and_then(|_| scanner.end()).err();
            Err(without_id(scanner.flaw.or(fault).unwrap_or(Fault::NotAMessage)))
        }
        None => scanner.flaw.map_or(Ok(Frame::Blank), |fault| Err(without_id(fault))),
    }
}

fn without_id(fault: Fault) -> Malformed {
    Malformed { fault, id: None }
}

fn read_message(mut scanner: Scanner<'_>) -> Result<Message<'_>, Malformed> {
    let mut envelope = Envelope::default();
    let broken = envelope.read(&mut scanner).and_then(|()| scanner.end()).err();
    let id = envelope.id;
    let lost_id = envelope.lost_id;
    let fault = match scanner.flaw.or(broken) {
        Some(fault) => fault,
        None => match envelope.judge() {
            Ok(message) => return Ok(message),
            Err(fault) => fault,
        },
    };
    let id = if lost_id { None } else { id.and_then(readable) };
    Err(Malformed { fault, id })
}

/// The id that a refusal may repeat.
fn readable(id: Json<'_>) -> Option<String> {
    let id = Id::from_json(id)?.raw();
    let is_text = id.starts_with('"');
    let is_whole = !is_text || string::pass(id.as_bytes(), 1).is_ok_and(|literal| !literal.lone_surrogate);
    is_whole.then(|| id.to_owned())
}

fn read_batch(mut scanner: Scanner<'_>) -> Step<Vec<Message<'_>>> {
    let mut messages = Vec::new();
    let read = scanner.elements(|scanner| read_batch_member(scanner, &mut messages));
    let broken = read.and_then(|()| scanner.end()).err();
    match scanner.flaw.or(broken) {
        Some(fault) => Err(fault),
        None if messages.is_empty() => Err(Fault::EmptyBatch),
        None => Ok(messages),
    }
}

fn read_batch_member<'a>(scanner: &mut Scanner<'a>, messages: &mut Vec<Message<'a>>) -> Step<()> {
    if scanner.peek() != Some(b'{') {
        scanner.flawed(Fault::BatchMember);
        return scanner.value().map(drop);
    }
    let mut envelope = Envelope::default();
    envelope.read(scanner)?;
    if messages.len() == MAX_BATCH {
        return Err(Fault::BatchTooLong);
    }
    match envelope.judge() {
        Ok(message) => messages.push(message),
        Err(fault) => scanner.flawed(fault),
    }
    Ok(())
}

/// The members of a message as they were met, last one where there are two: those frames are refused by then.
#[derive(Default)]
struct Envelope<'a> {
    version: Option<Json<'a>>,
    id: Option<Json<'a>>,
    /// Whether some reader may see another id than [`Self::id`].
    lost_id: bool,
    method: Option<Json<'a>>,
    params: Option<Json<'a>>,
    result: Option<Json<'a>>,
    error: Option<Json<'a>>,
    name: Option<Json<'a>>,
    uri: Option<Json<'a>>,
    arguments: Option<Json<'a>>,
    meta: Option<Json<'a>>,
    carried: [Option<Json<'a>>; 2],
}

impl<'a> Envelope<'a> {
    fn read(&mut self, scanner: &mut Scanner<'a>) -> Step<()> {
        scanner.members(|scanner, key| self.read_member(scanner, key)).map(|_| ())
    }

    fn read_member(&mut self, scanner: &mut Scanner<'a>, key: &str) -> Step<()> {
        match key {
            "jsonrpc" => self.version = Some(scanner.value()?),
            "id" => {
                self.lost_id |= self.id.is_some();
                self.id = Some(scanner.value()?);
            }
            "method" => self.method = Some(scanner.value()?),
            "params" => self.params = Some(self.read_params(scanner)?),
            "result" => self.result = Some(scanner.value()?),
            "error" => self.error = Some(scanner.value()?),
            "_meta" => drop(scanner.value()?),
            stranger => {
                let taken_for = text::lookalike(stranger, ENVELOPE);
                self.lost_id |= taken_for == Some("id");
                scanner.flawed(if taken_for.is_some() { Fault::LookalikeKey } else { Fault::UnknownKey });
                scanner.value()?;
            }
        }
        Ok(())
    }

    fn read_params(&mut self, scanner: &mut Scanner<'a>) -> Step<Json<'a>> {
        if scanner.peek() != Some(b'{') {
            return scanner.value();
        }
        scanner.members(|scanner, key| {
            let place = match key {
                "name" => Some(&mut self.name),
                "uri" => Some(&mut self.uri),
                "arguments" => Some(&mut self.arguments),
                "_meta" => Some(&mut self.meta),
                "inputResponses" => self.carried.first_mut(),
                "requestState" => self.carried.last_mut(),
                stranger => {
                    if text::lookalike(stranger, PARAMS).is_some() {
                        scanner.flawed(Fault::LookalikeKey);
                    }
                    None
                }
            };
            let value = scanner.value()?;
            if let Some(place) = place {
                *place = Some(value);
            }
            Ok(())
        })
    }

    /// What can only be said when all members are known.
    fn judge(self) -> Step<Message<'a>> {
        if self.version.and_then(Json::as_str).as_deref() != Some("2.0") {
            return Err(Fault::Version);
        }
        let id = self.id.map(|id| Id::from_json(id).ok_or(Fault::BadId)).transpose()?;
        let method = self.judge_kind()?;
        if let Some(method) = &method {
            judge_method(method)?;
            self.judge_params(method)?;
        }
        let Self { params, name, uri, arguments, meta, carried, result, .. } = self;
        let is_response = method.is_none();
        Ok(Message { id, method, params, name, uri, arguments, meta, carried, result, is_response })
    }

    /// The method, if it is a request or a notification and nothing else.
    fn judge_kind(&self) -> Step<Option<Cow<'a, str>>> {
        match (self.method, self.result, self.error) {
            (Some(method), None, None) => method.as_str().map(Some).ok_or(Fault::MethodType),
            (Some(_), _, _) => Err(Fault::MethodWithAnswer),
            (None, None, None) => Err(Fault::NoMethod),
            (None, Some(_), Some(_)) => Err(Fault::ResultWithError),
            (None, Some(_), None) if self.id.is_none() => Err(Fault::ResultWithoutId),
            (None, _, _) => Ok(None),
        }
    }

    fn judge_params(&self, method: &str) -> Step<()> {
        if !mcp::is_governed(method) {
            return Ok(());
        }
        if self.params.map(Json::kind) != Some(JsonKind::Object) {
            return Err(Fault::ParamsType);
        }
        match method {
            mcp::TOOLS_CALL | mcp::PROMPTS_GET => {
                judge_arguments(self.arguments)?;
                judge_name(self.name)
            }
            mcp::RESOURCES_READ => judge_name(self.uri),
            _ => Ok(()),
        }
    }
}

fn judge_method(method: &str) -> Step<()> {
    if mcp::is_governed(method) {
        Ok(())
    } else if text::has_invisible(method) {
        Err(Fault::MethodCharacters)
    } else if [mcp::GOVERNED, mcp::ASKED].iter().any(|known| text::lookalike(method, known).is_some()) {
        Err(Fault::LookalikeMethod)
    } else {
        Ok(())
    }
}

fn judge_name(name: Option<Json<'_>>) -> Step<()> {
    let name = name.ok_or(Fault::NameMissing)?.as_str().ok_or(Fault::NameType)?;
    if name.is_empty() {
        Err(Fault::NameEmpty)
    } else if text::has_invisible(&name) {
        Err(Fault::NameCharacters)
    } else {
        Ok(())
    }
}

/// Servers that bind arguments by position would read an array; null is how some clients write "none".
fn judge_arguments(arguments: Option<Json<'_>>) -> Step<()> {
    match arguments.map(Json::kind) {
        None | Some(JsonKind::Object | JsonKind::Null) => Ok(()),
        Some(JsonKind::Array | JsonKind::String | JsonKind::Number | JsonKind::Bool) => {
            Err(Fault::ArgumentsType)
        }
    }
}
