//! The decision request: what a frame asks a server to do, read once and strictly.
//!
//! A frame that cannot be read is [`Reading::Malformed`], never "not a call": the difference between the
//! two is how gateways were bypassed.

use std::borrow::Cow;

use crate::wire::{Json, Malformed, Message, mcp};

/// A governed request, as the policy sees it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The JSON-RPC method, decoded: `tools/call`, `resources/read`, …
    pub method: Cow<'a, str>,
    /// The tool, the prompt, or the URI of the resource; empty for methods that name nothing.
    pub name: Cow<'a, str>,
    /// `params.arguments` of `tools/call` and `prompts/get`, all of `params` elsewhere. Valid JSON of any type;
    /// `None` where the member is absent.
    pub arguments: Option<Json<'a>>,
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
    let (name, arguments) = match &**method {
        mcp::TOOLS_CALL | mcp::PROMPTS_GET => (message.name, message.arguments),
        mcp::RESOURCES_READ => (message.uri, message.params),
        mcp::TASKS_UPDATE => (None, message.params),
        unknown if message.id.is_some() && !mcp::is_known(unknown) => (None, message.params),
        _ => return Reading::Other,
    };
    let name = name.and_then(Json::as_str).unwrap_or_default();
    Reading::Call(Call { method: method.clone(), name, arguments })
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
}
