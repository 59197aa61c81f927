//! The frames that callgate writes itself: refusals, and results that say no.
//!
//! Refuses to write an id in other words than the client's. Invariant: each frame is one line with one `\n`, at its end.

use jsonrpsee_types::ErrorObject;
use serde::Serialize;
use serde_json::{Value, json};

/// A JSON-RPC error (2.0, section 5.1) for the request with this id, given as it was spelled; without the member where
/// there is no id that could be told. Data that cannot be serialised is left out.
pub fn refusal(id: Option<&str>, code: i32, message: &str, data: &impl Serialize) -> Vec<u8> {
    let error = ErrorObject::owned(code, message, Some(data));
    let error = serde_json::to_string(&error)
        .unwrap_or_else(|_| json!({ "code": code, "message": message }).to_string());
    frame(id, "error", &error)
}

/// A tool's result that is an error for the model (MCP, `CallToolResult.isError`), for the request with this id, given
/// as it was spelled. `modern` is for requests of 2026-07-28, where a result says that it is complete.
pub fn tool_result(id: &str, text: &str, modern: bool) -> Vec<u8> {
    let kind = if modern { r#""resultType":"complete","# } else { "" };
    let text = Value::from(text);
    frame(
        Some(id),
        "result",
        &format!(r#"{{{kind}"content":[{{"type":"text","text":{text}}}],"isError":true}}"#),
    )
}

fn frame(id: Option<&str>, member: &str, value: &str) -> Vec<u8> {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    format!("{{\"jsonrpc\":\"2.0\",{id}\"{member}\":{value}}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: Vec<u8>) -> String {
        String::from_utf8(frame).unwrap()
    }

    #[test]
    fn a_refusal_echoes_the_id_as_it_was_spelled() {
        assert_eq!(
            text(refusal(Some(r#""\u0061""#), -32001, "no\n", &json!({ "type": "policy_denied" }))),
            "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\",\"error\":{\"code\":-32001,\"message\":\"no\\n\",\
             \"data\":{\"type\":\"policy_denied\"}}}\n"
        );
    }

    #[test]
    fn a_refusal_without_id_has_no_such_member() {
        let frame = text(refusal(None, -32700, "no", &Value::Null));
        assert!(frame.starts_with(r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no""#), "{frame}");
    }

    #[test]
    fn a_tool_result_says_that_it_is_complete_where_the_revision_asks_for_it() {
        let content = r#""content":[{"type":"text","text":"\"no\""}],"isError":true}}"#;
        let old = format!("{{\"jsonrpc\":\"2.0\",\"id\":-0,\"result\":{{{content}\n");
        assert_eq!(text(tool_result("-0", "\"no\"", false)), old);
        let modern =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":-0,\"result\":{{\"resultType\":\"complete\",{content}\n");
        assert_eq!(text(tool_result("-0", "\"no\"", true)), modern);
    }
}
