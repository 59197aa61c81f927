//! The body of a POST as the one line that is judged and sent, and what the face must know of it to route the answer.
//!
//! It refuses to say whether the message may pass: that is the session's to say. Invariant: but for a newline, which
//! becomes a space (JSON knows the two as the same, and a line ends at one), the line is the body.

use std::ops::Range;

use crate::call::{Reading, read_call};
use crate::wire::{Frame, Glance, GlanceKind, Id, IdKey, Json, Message, glance, kept, mcp, read};

/// One body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posted {
    /// With its `\n`.
    pub line: Vec<u8>,
    /// The requests in it that want an answer.
    pub asks: Vec<Asked>,
    /// How it could be read.
    pub kind: Kind,
    /// `method` of a single message.
    pub method: Option<String>,
    /// What `Mcp-Name` repeats, where the method has it.
    pub name: Option<String>,
    /// The revision in `_meta`, which only messages of 2026-07-28 and later have.
    pub revision: Option<String>,
    /// The client's name in `_meta`.
    pub client: Option<String>,
    /// The request that it takes back.
    pub cancels: Option<IdKey>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its id.
    pub id: IdKey,
    /// Where the id stands in the line, as it was spelled. Empty where the line has more than one reading.
    pub at: Range<usize>,
    /// Its `progressToken`.
    pub token: Option<IdKey>,
}

/// How a body could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As one message or a batch, without ambiguity.
    Plain,
    /// White space.
    Blank,
    /// Not: whoever passes it on does not know what the server makes of it.
    Unreadable,
}

impl Posted {
    /// Reads a body.
    pub fn read(body: Vec<u8>) -> Self {
        let mut line = body;
        for byte in &mut line {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
        line.push(b'\n');
        let mut posted = Self::unread();
        posted.look(line.strip_suffix(b"\n").unwrap_or_default());
        posted.line = line;
        posted
    }

    fn unread() -> Self {
        Self {
            line: Vec::new(),
            asks: Vec::new(),
            kind: Kind::Plain,
            method: None,
            name: None,
            revision: None,
            client: None,
            cancels: None,
        }
    }

    /// The id of a single request, as it was spelled.
    pub fn id(&self) -> Option<String> {
        let [asked] = self.asks.as_slice() else { return None };
        let raw = self.line.get(asked.at.clone()).filter(|raw| !raw.is_empty())?;
        String::from_utf8(raw.to_vec()).ok()
    }

    /// Writes another id in the place of a single request's: its new key.
    pub fn rename(&mut self, id: &str) -> Option<IdKey> {
        let [asked] = self.asks.as_mut_slice() else { return None };
        let key = Id::from_text(id).filter(|_| !asked.at.is_empty())?.key();
        asked.at = splice(&mut self.line, asked.at.clone(), id)?;
        asked.id = key.clone();
        Some(key)
    }

    fn look(&mut self, line: &[u8]) {
        match read(line) {
            Ok(Frame::Blank) => self.kind = Kind::Blank,
            Ok(Frame::Message(message)) => self.note(line, &message),
            Ok(Frame::Batch(members)) => {
                self.asks = members.iter().filter_map(|member| asked(line, member)).collect();
            }
            Err(_) => self.guess(&glance(line)),
        }
    }

    fn note(&mut self, line: &[u8], message: &Message<'_>) {
        if matches!(read_call(message), Reading::Malformed(_)) {
            self.kind = Kind::Unreadable;
        }
        self.asks.extend(asked(line, message));
        self.method = message.method.as_deref().map(str::to_owned);
        let named = match self.method.as_deref() {
            Some(mcp::TOOLS_CALL | mcp::PROMPTS_GET) => message.name,
            Some(mcp::RESOURCES_READ) => message.uri,
            _ => None,
        };
        self.name = named.and_then(text);
        let meta = |key| message.meta.and_then(|meta| meta.member(key));
        self.revision = meta(mcp::META_PROTOCOL_VERSION).and_then(text);
        self.client = meta(mcp::META_CLIENT_INFO).and_then(|info| info.member("name")).and_then(text);
        // It stays as long as its session.
        self.client = self.client.take().map(|name| kept(&name).to_owned());
        if self.method.as_deref() == Some(mcp::CANCELLED) {
            let id = message.params.and_then(|params| params.member("requestId"));
            self.cancels = id.and_then(Id::from_json).map(Id::key);
        }
    }

    /// What a server may make of a line that has no single meaning.
    fn guess(&mut self, seen: &Glance<'_>) {
        self.kind = Kind::Unreadable;
        self.method = seen.method.as_deref().map(str::to_owned);
        if let (GlanceKind::Request, Some(id)) = (seen.kind, seen.id) {
            self.asks.push(Asked { id: id.key(), at: 0..0, token: None });
        }
    }
}

fn asked(line: &[u8], message: &Message<'_>) -> Option<Asked> {
    let id = message.id.filter(|_| !message.is_response)?;
    let token = message.meta.and_then(|meta| meta.member("progressToken"));
    let token = token.and_then(Id::from_json).map(Id::key);
    Some(Asked { id: id.key(), at: place(line, id.raw())?, token })
}

fn text(json: Json<'_>) -> Option<String> {
    json.as_str().map(std::borrow::Cow::into_owned)
}

/// Where a part of a line stands in it.
pub(super) fn place(line: &[u8], part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= line.len()).then_some(start..end)
}

/// Replaces a part of a line; where the new one stands.
pub(super) fn splice(line: &mut Vec<u8>, at: Range<usize>, with: &str) -> Option<Range<usize>> {
    line.get(at.clone())?;
    let start = at.start;
    line.splice(at, with.bytes());
    Some(start..start + with.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::*;

    fn posted(body: &str) -> Posted {
        Posted::read(body.as_bytes().to_vec())
    }

    #[test]
    fn a_body_of_many_lines_is_one_line() {
        let posted = posted("{\n \"jsonrpc\": \"2.0\",\r\n \"id\": 7, \"method\": \"ping\"}\n");
        assert_eq!(posted.line, b"{  \"jsonrpc\": \"2.0\",\r  \"id\": 7, \"method\": \"ping\"} \n");
        assert_eq!(posted.kind, Kind::Unreadable);
        assert_eq!(posted.asks.len(), 0, "an answer to a line with a raw carriage return finds nobody");
    }

    #[test]
    fn requests_are_found_with_their_tokens() {
        let call = r#"{"jsonrpc":"2.0","id":"\u0061","method":"tools/call","params":{"name":"t","_meta":{"progressToken":5}}}"#;
        let posted = posted(call);
        let text = || IdKey::Text("a".into());
        assert_eq!(posted.asks.iter().map(|asked| asked.id.clone()).collect::<Vec<_>>(), [text()]);
        assert_eq!(posted.asks[0].token, Some(IdKey::Number(5)));
        assert_eq!(posted.id().as_deref(), Some(r#""\u0061""#));
        assert_eq!((posted.kind, posted.name.as_deref()), (Kind::Plain, Some("t")));
    }

    #[test]
    fn answers_and_notifications_want_none() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ] {
            assert_eq!((posted(body).asks.len(), posted(body).kind), (0, Kind::Plain), "{body}");
        }
        assert_eq!(posted(" \n").kind, Kind::Blank);
    }

    #[test]
    fn an_ambiguous_request_may_be_answered_all_the_same() {
        let posted = posted(r#"{"jsonrpc":"2.0","id":3,"method":"ping","Method":"tools/call"}"#);
        assert_eq!((posted.kind, posted.asks.len()), (Kind::Unreadable, 0));
        let posted = self::posted(
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        );
        assert_eq!((posted.kind, posted.asks[0].id.clone()), (Kind::Unreadable, IdKey::Number(3)));
    }

    #[test]
    fn a_client_cannot_have_a_long_name_kept() {
        let name = "\u{1f600}".repeat(100_000);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{{"io.modelcontextprotocol/clientInfo":{{"name":"x{name}"}}}}}}}}"#
        );
        assert_eq!(posted(&body).client.map(|name| name.len()), Some(1 + 4 * 255));
    }

    #[test]
    fn a_message_of_the_modern_era_says_so() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"}}}}"#;
        let posted = posted(body);
        assert_eq!((posted.revision.as_deref(), posted.client.as_deref()), (Some("2026-07-28"), Some("c")));
    }

    proptest! {
        #[test]
        fn renaming_changes_the_id_and_nothing_else(
            id in "(-?[1-9][0-9]{0,8}|\"[a-z0-9\\\\u0061]{0,9}\")",
            before in "[ \t]{0,3}",
            argument in "[a-z\u{e4}\u{1f600} ]{0,9}",
        ) {
            let body = format!(
                "{before}{{\"params\":{{\"name\":\"id\",\"arguments\":{{\"id\":{id},\"x\":\"{argument}\"}}}},{before}\"id\":{before}{id},\"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}}"
            );
            let original = posted(&body);
            let Some(spelled) = original.id() else { return Ok(()) };
            let mut renamed = original.clone();
            let key = renamed.rename("\"callgate-1\"").unwrap();
            prop_assert_eq!(&key, &IdKey::Text("callgate-1".into()));
            prop_assert_eq!(&posted(std::str::from_utf8(&renamed.line).unwrap()).asks[0].id, &key);
            let (mut one, two): (Value, Value) =
                (serde_json::from_slice(&original.line).unwrap(), serde_json::from_slice(&renamed.line).unwrap());
            one["id"] = "callgate-1".into();
            prop_assert_eq!(one, two);
            renamed.rename(&spelled);
            prop_assert!(renamed.line == original.line);
        }
    }
}
