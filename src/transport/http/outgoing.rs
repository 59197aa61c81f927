//! A line of the client as what is to be sent by POST.
//!
//! Refuses to change the message: what is sent are the bytes that came. Invariant: what a message is, and its era, are
//! read from the message alone.

use std::borrow::Cow;

use bytes::Bytes;

use super::mirror::{self, Bindings};
use crate::transport::trouble::Asked;
use crate::wire::{Frame, IdKey, Json, Message, mcp, read};

/// A message on its way to the server.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Outgoing {
    /// Its bytes, without a newline.
    pub body: Bytes,
    /// The requests in it.
    pub asks: Vec<Asked>,
    /// What becomes of it.
    pub kind: Kind,
    /// Whether it has already met a server that had forgotten the session.
    pub replayed: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) enum Kind {
    /// Opens a session.
    Initialize,
    /// Says that the session is open.
    Initialized,
    /// Takes a request back.
    Cancelled(Option<IdKey>),
    /// Any other notification.
    Notification,
    /// Asks for the tools.
    ToolsList,
    /// Any other request, a batch, or what cannot be read: the server shall say what it thinks of it.
    Plain,
    /// The answer to a request of the server.
    Answer,
    /// A request of 2026-07-28, with the headers that mirror it.
    Modern(Vec<(String, String)>),
}

impl Outgoing {
    /// The message on this line; `None` for a blank one.
    pub fn read(line: Vec<u8>, bindings: &Bindings) -> Option<Self> {
        let mut line = line;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        let (asks, kind) = match read(&line) {
            Ok(Frame::Blank) => return None,
            Ok(Frame::Message(message)) => (
                message.id.filter(|_| !message.is_response).map(Asked::from).into_iter().collect(),
                kind(&message, bindings),
            ),
            Ok(Frame::Batch(messages)) => {
                let requests = messages.iter().filter(|message| !message.is_response);
                (requests.filter_map(|message| message.id).map(Asked::from).collect(), Kind::Plain)
            }
            Err(malformed) => {
                let id = malformed.id.as_deref().and_then(crate::wire::Id::from_text);
                (id.map(Asked::from).into_iter().collect(), Kind::Plain)
            }
        };
        Some(Self { body: line.into(), asks, kind, replayed: false })
    }

    /// The request on whose response stream messages come.
    pub fn about(&self) -> Option<IdKey> {
        self.asks.first().map(|asked| asked.key.clone())
    }

    /// Whether nothing is answered to it, and its order among its like matters.
    pub fn is_notification(&self) -> bool {
        matches!(self.kind, Kind::Initialized | Kind::Cancelled(_) | Kind::Notification)
    }
}

fn kind(message: &Message<'_>, bindings: &Bindings) -> Kind {
    let Some(method) = &message.method else { return Kind::Answer };
    if let (Some(revision), Some(_)) = (revision(message), message.id) {
        return Kind::Modern(mirror::headers(message, &revision, bindings));
    }
    match (&**method, message.id) {
        (mcp::INITIALIZE, Some(_)) => Kind::Initialize,
        (mcp::TOOLS_LIST, Some(_)) => Kind::ToolsList,
        (_, Some(_)) => Kind::Plain,
        ("notifications/initialized", None) => Kind::Initialized,
        (mcp::CANCELLED, None) => Kind::Cancelled(cancelled(message)),
        (_, None) => Kind::Notification,
    }
}

/// The revision that a message names for itself, which only those of 2026-07-28 and later do.
fn revision<'a>(message: &Message<'a>) -> Option<Cow<'a, str>> {
    message.meta?.member(mcp::META_PROTOCOL_VERSION).and_then(Json::as_str)
}

fn cancelled(message: &Message<'_>) -> Option<IdKey> {
    let id = message.params?.member("requestId")?;
    crate::wire::Id::from_json(id).map(crate::wire::Id::key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(line: &str) -> Outgoing {
        Outgoing::read(line.as_bytes().to_vec(), &Bindings::default()).unwrap()
    }

    #[test]
    fn the_era_is_that_of_the_message() {
        let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert!(matches!(outgoing(modern).kind, Kind::Modern(_)));
        let old = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":1}}}"#;
        assert_eq!(outgoing(old).kind, Kind::ToolsList);
    }

    #[test]
    fn only_requests_wait_for_an_answer() {
        let asks = |line: &str| outgoing(line).asks.len();
        assert_eq!(asks(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#), 1);
        assert_eq!(asks(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#), 0);
        assert_eq!(asks(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), 0);
        assert_eq!(
            asks(
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","method":"x"}]"#
            ),
            2
        );
        assert_eq!(asks(r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"x"}"#), 1);
        assert!(Outgoing::read(b" \r\n".to_vec(), &Bindings::default()).is_none());
    }

    #[test]
    fn what_is_sent_is_what_came_but_for_the_newline() {
        let line = "{ \"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"ping\" }";
        assert_eq!(outgoing(&format!("{line}\r\n")).body, line.as_bytes());
    }

    #[test]
    fn a_cancellation_names_its_request() {
        let line = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#;
        assert_eq!(outgoing(line).kind, Kind::Cancelled(Some(IdKey::Text("a".into()))));
    }
}
