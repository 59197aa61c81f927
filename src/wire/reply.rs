//! The frames that callgate writes itself: refusals, results that say no, and what keeps a client waiting for a person.
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

/// How far a request is (MCP, progress): `token` as it was spelled. A thousandth for each step, so that what the server
/// says of its own progress comes after it.
pub fn progress(token: &str, step: u32, message: &str) -> Vec<u8> {
    let message = Value::from(message);
    let params = format!(
        r#"{{"progressToken":{token},"progress":{}.{:03},"message":{message}}}"#,
        step / 1000,
        step % 1000
    );
    notification("notifications/progress", &params)
}

/// A line of the log (MCP 2024-11-05, logging) in the name of callgate.
pub fn log_message(level: &str, text: &str) -> Vec<u8> {
    let text = Value::from(text);
    notification(
        "notifications/message",
        &format!(r#"{{"level":"{level}","logger":"callgate","data":{text}}}"#),
    )
}

/// A request of ours is taken back (MCP, cancellation); its id as JSON text.
pub fn taken_back(id: &str, reason: &str) -> Vec<u8> {
    let reason = Value::from(reason);
    notification("notifications/cancelled", &format!(r#"{{"requestId":{id},"reason":{reason}}}"#))
}

/// What asks the person at hand for a yes or a no (MCP 2025-06-18, elicitation): a request with this id, JSON text.
pub fn elicitation(id: &str, message: &str) -> Vec<u8> {
    let params = form(message);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"elicitation/create\",\"params\":{params}}}\n")
        .into_bytes()
}

/// The same as the result of the request with this id, as it was spelled (2026-07-28, multi round-trip requests); `key`
/// names it among what is asked for.
pub fn ask_by_result(id: &str, key: &str, message: &str) -> Vec<u8> {
    let (key, params) = (Value::from(key), form(message));
    let request = format!(r#"{{"method":"elicitation/create","params":{params}}}"#);
    let result = format!(r#"{{"resultType":"input_required","inputRequests":{{{key}:{request}}}}}"#);
    frame(Some(id), "result", &result)
}

/// One field, so that hosts show two buttons and a choice: who sends the form away without a choice has said nothing.
fn form(message: &str) -> Value {
    json!({
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { "approve": {
                "type": "boolean",
                "title": "Approve",
                "description": "Whether it may run"
            } },
            "required": ["approve"]
        }
    })
}

fn notification(method: &str, params: &str) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}\n").into_bytes()
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
