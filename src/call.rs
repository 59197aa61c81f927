//! The decision request: what a frame asks a server to do, read once and strictly.
//!
//! A frame that cannot be read is [`Reading::Malformed`], never "not a call": the difference between the
//! two is how gateways were bypassed.

use std::borrow::Cow;

use crate::wire::{Fault, Json, JsonKind, Malformed, Message, fold, mcp};

/// How a form is asked for where the mode is left out (MCP 2025-11-25, elicitation).
const FORM: &str = "form";

/// A governed request, as the policy sees it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Which end asks.
    pub asker: Asker,
    /// The JSON-RPC method, decoded: `tools/call`, `resources/read`, …
    pub method: Cow<'a, str>,
    /// The tool, the prompt, or the URI of the resource; for `tasks/update` the tool whose call made the task, empty
    /// where nobody knows it; for `elicitation/create` the mode. Empty for methods that name nothing.
    pub name: Cow<'a, str>,
    /// `params.arguments` of `tools/call` and `prompts/get`, all of `params` elsewhere. Valid JSON of any type;
    /// `None` where the member is absent.
    pub arguments: Option<Json<'a>>,
    /// `inputResponses` and `requestState` of a request that is made again (2026-07-28), where they are no part of
    /// `arguments`.
    pub carried: [Option<Json<'a>>; 2],
}

/// Which end asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The agent host.
    Client,
    /// The MCP server.
    Server,
}

impl<'a> Call<'a> {
    /// A call that carries nothing. Of methods that only servers ask for, the server is taken for the asker, and an
    /// elicitation without a name has that of its mode.
    pub fn new(
        method: impl Into<Cow<'a, str>>,
        name: impl Into<Cow<'a, str>>,
        arguments: Option<Json<'a>>,
    ) -> Self {
        let (method, mut name) = (method.into(), name.into());
        if name.is_empty() && method == mcp::ELICITATION {
            name = mode(arguments).unwrap_or_default();
        }
        let asker = if mcp::is_asked(&method) { Asker::Server } else { Asker::Client };
        Self { asker, method, name, arguments, carried: [None; 2] }
    }

    /// Whether it makes a tool do something: it calls it, or tells it more.
    pub fn is_about_a_tool(&self) -> bool {
        self.asker == Asker::Client && [mcp::TOOLS_CALL, mcp::TASKS_UPDATE].contains(&&*self.method)
    }

    /// Whether it is about a tool of which nobody knows which.
    pub fn is_about_some_tool(&self) -> bool {
        self.method == mcp::TASKS_UPDATE && self.name.is_empty()
    }

    /// What people know it by: its name, or its method where it names nothing.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.method } else { &self.name }
    }

    /// What it carries beside its arguments.
    pub fn carried(&self) -> impl Iterator<Item = Json<'a>> {
        self.carried.into_iter().flatten()
    }
}

/// What one message on the wire is to the gate.
#[derive(Debug, Clone)]
pub enum Reading<'a> {
    /// A request that the policy judges.
    Call(Call<'a>),
    /// A message that two parsers could read differently, or none can.
    Malformed(Malformed),
    /// Traffic that passes: answers, notifications, lists, the handshake.
    Other,
}

/// What a message asks for, if it asks for anything that the policy judges.
///
/// Requests that callgate does not know count as calls that name nothing, so that a strict default covers them.
pub fn read_call<'a>(message: &Message<'a>) -> Reading<'a> {
    let Some(method) = &message.method else { return Reading::Other };
    let (name, arguments, carried) = match &**method {
        mcp::TOOLS_CALL | mcp::PROMPTS_GET => (message.name, message.arguments, message.carried),
        mcp::RESOURCES_READ => (message.uri, message.params, [None; 2]),
        mcp::TASKS_UPDATE => (None, message.params, [None; 2]),
        unknown if message.id.is_some() && !mcp::is_known(unknown) => (None, message.params, [None; 2]),
        _ => return Reading::Other,
    };
    let name = name.and_then(Json::as_str).unwrap_or_default();
    Reading::Call(Call { asker: Asker::Client, method: method.clone(), name, arguments, carried })
}

/// As [`read_call`], of a message that either end may have sent: for questions about calls that nobody makes.
pub fn read_either<'a>(message: &Message<'a>) -> Reading<'a> {
    match &message.method {
        Some(method) if mcp::is_asked(method) => match read_asked(method.clone(), message.params) {
            Ok(call) => Reading::Call(call),
            Err(fault) => {
                Reading::Malformed(Malformed { fault, id: message.id.map(|id| id.raw().to_owned()) })
            }
        },
        Some(_) | None => read_call(message),
    }
}

/// What a server asks of the client with this method and these params.
///
/// # Errors
/// Where two clients could read the params differently.
pub fn read_asked<'a>(method: Cow<'a, str>, params: Option<Json<'a>>) -> Result<Call<'a>, Fault> {
    let name = match &*method {
        mcp::ELICITATION => mode(params)?,
        mcp::SAMPLING => object(params).map(|_| Cow::Borrowed(""))?,
        _ => Cow::Borrowed(""),
    };
    Ok(Call { asker: Asker::Server, method, name, arguments: params, carried: [None; 2] })
}

fn object(params: Option<Json<'_>>) -> Result<Json<'_>, Fault> {
    params.filter(|params| params.kind() == JsonKind::Object).ok_or(Fault::ParamsType)
}

/// Which way an elicitation goes: `form` or `url`.
fn mode(params: Option<Json<'_>>) -> Result<Cow<'_, str>, Fault> {
    let mut mode = None;
    for (key, value) in object(params)?.members() {
        if key == "mode" {
            mode = Some(value.as_str().ok_or(Fault::NameType)?);
        } else if fold(&key) == "mode" {
            return Err(Fault::LookalikeKey);
        }
    }
    Ok(mode.unwrap_or(Cow::Borrowed(FORM)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, read};

    fn reading(line: &str) -> Reading<'_> {
        match read(line.as_bytes()) {
            Ok(Frame::Message(message)) => read_call(&message),
            Ok(Frame::Blank | Frame::Batch(_)) => panic!("one message"),
            Err(malformed) => Reading::Malformed(malformed),
        }
    }

    fn call(line: &str) -> (String, String, Option<String>) {
        let Reading::Call(call) = reading(line) else { panic!("a call: {line}") };
        (call.method.into(), call.name.into(), call.arguments.map(|json| json.text().to_owned()))
    }

    #[test]
    fn a_tool_call_is_read_as_what_it_decodes_to() {
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"\u0064el","arguments":{"a":1}}}"#;
        assert_eq!(call(line), ("tools/call".into(), "del".into(), Some(r#"{"a":1}"#.into())));
    }

    #[test]
    fn a_tool_call_without_id_is_still_a_call() {
        let line = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"del"}}"#;
        assert_eq!(call(line), ("tools/call".into(), "del".into(), None));
    }

    #[test]
    fn a_resource_is_named_by_its_uri_and_judged_by_all_params() {
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///x"}}"#;
        assert_eq!(
            call(line),
            ("resources/read".into(), "file:///x".into(), Some(r#"{"uri":"file:///x"}"#.into()))
        );
    }

    #[test]
    fn an_unknown_request_is_a_call_that_names_nothing() {
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools/run","params":{"name":"del"}}"#;
        assert_eq!(call(line), ("tools/run".into(), String::new(), Some(r#"{"name":"del"}"#.into())));
    }

    #[test]
    fn other_traffic_is_not_a_call() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"a"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/unheard-of"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"del"}}}"#,
        ] {
            assert!(matches!(reading(line), Reading::Other), "{line}");
        }
    }

    fn asked(method: &'static str, params: &'static str) -> Result<(String, Option<&'static str>), Fault> {
        let call = read_asked(method.into(), Json::from_text(params))?;
        assert_eq!(call.asker, Asker::Server);
        Ok((call.name.into(), call.arguments.map(Json::text)))
    }

    #[test]
    fn what_a_server_asks_is_judged_by_its_params() {
        let params = r#"{"messages":[]}"#;
        assert_eq!(asked("sampling/createMessage", params), Ok((String::new(), Some(params))));
        assert_eq!(asked("vendor/ask", "[1]"), Ok((String::new(), Some("[1]"))));
    }

    #[test]
    fn an_elicitation_is_named_by_its_mode() {
        let name = |params| asked("elicitation/create", params).map(|(name, _)| name);
        assert_eq!(name(r#"{"mode":"u\u0072l","url":"https://a"}"#), Ok("url".into()));
        assert_eq!(name(r#"{"message":"?"}"#), Ok("form".into()));
        assert_eq!(name(r#"{"mode":7}"#), Err(Fault::NameType));
        assert_eq!(name(r#"{"Mode":"url"}"#), Err(Fault::LookalikeKey));
        assert_eq!(name("[]"), Err(Fault::ParamsType));
    }

    #[test]
    fn a_retry_carries_what_is_no_argument() {
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","inputResponses":{"a":1},"requestState":"s"}}"#;
        let Reading::Call(call) = reading(line) else { panic!("a call") };
        assert_eq!(call.carried().map(Json::text).collect::<Vec<_>>(), [r#"{"a":1}"#, r#""s""#]);
    }
}
