//! The headers of 2026-07-28 that mirror the body (Streamable HTTP, "Request Metadata"), and what tools ask to have
//! mirrored.
//!
//! Refuses to mirror anything but the message that is sent. Invariant: each value is one that any reader of the body
//! finds there, and no value can end its header.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::{Json, JsonKind, Message, mcp};

/// Deepest nesting of a schema that is looked into.
const DEEPEST: usize = 32;
/// How an annotation stands in a schema.
const ANNOTATION: &str = "x-mcp-header";

/// What tools ask to have mirrored: for each tool the headers, and where in the arguments their values are.
pub(in crate::transport) type Bindings = HashMap<String, Vec<Binding>>;

/// One argument and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) struct Binding {
    /// The members that lead to the value.
    path: Vec<String>,
    /// The whole name, `Mcp-Param-…`.
    header: String,
}

/// The headers for a request of this revision.
pub(super) fn headers(message: &Message<'_>, revision: &str, bindings: &Bindings) -> Vec<(String, String)> {
    let method = message.method.as_deref().unwrap_or_default();
    let mut headers = vec![
        ("mcp-protocol-version".to_owned(), encoded(revision)),
        ("mcp-method".to_owned(), encoded(method)),
    ];
    let task = || message.params.and_then(|params| params.member("taskId"));
    let name = match method {
        mcp::TOOLS_CALL | mcp::PROMPTS_GET => message.name,
        mcp::RESOURCES_READ => message.uri,
        // The tasks extension (SEP-2663, "Routing Headers").
        "tasks/get" | "tasks/cancel" | mcp::TASKS_UPDATE => task(),
        _ => None,
    };
    let name = name.and_then(Json::as_str);
    headers.extend(name.as_deref().map(|name| ("mcp-name".to_owned(), encoded(name))));
    let (Some(name), Some(arguments), mcp::TOOLS_CALL) = (name, message.arguments, method) else {
        return headers;
    };
    for binding in bindings.get(&*name).into_iter().flatten() {
        let value = binding.path.iter().try_fold(arguments, |value, member| value.member(member));
        headers.extend(value.and_then(text).map(|text| (binding.header.clone(), encoded(&text))));
    }
    headers
}

/// Notes what the tools in this result of tools/list ask to have mirrored.
pub(super) fn learn(result: &[u8], bindings: &mut Bindings) {
    let annotated = memchr::memmem::find(result, ANNOTATION.as_bytes()).is_some();
    if !annotated && bindings.is_empty() {
        return;
    }
    let result = str::from_utf8(result).ok().and_then(Json::from_text);
    let tools = result.and_then(|result| result.member("tools"));
    for tool in tools.into_iter().flat_map(Json::elements) {
        let Some(name) = tool.member("name").and_then(Json::as_str) else { continue };
        let asked = tool.member("inputSchema").and_then(asked).unwrap_or_default();
        if asked.is_empty() {
            bindings.remove(&*name);
        } else {
            bindings.insert(name.into_owned(), asked);
        }
    }
}

/// What one tool asks to have mirrored; `None` where an annotation of it is not valid: then the tool as a whole is not.
fn asked(schema: Json<'_>) -> Option<Vec<Binding>> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let mut names: Vec<_> = found.iter().map(|binding| binding.header.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == found.len()).then_some(found)
}

fn collect(schema: Json<'_>, path: &mut Vec<String>, found: &mut Vec<Binding>) -> Option<()> {
    if path.len() > DEEPEST {
        return None;
    }
    let properties = schema.member("properties").filter(|value| value.kind() == JsonKind::Object);
    for (name, property) in properties.into_iter().flat_map(Json::members) {
        if property.kind() != JsonKind::Object {
            continue;
        }
        path.push(name.into_owned());
        if let Some(annotation) = property.member(ANNOTATION) {
            let header = annotation.as_str().filter(|name| is_token(name))?;
            is_primitive(property).then_some(())?;
            found.push(Binding { path: path.clone(), header: format!("mcp-param-{header}") });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Some(())
}

/// RFC 9110, section 5.1.
fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

/// `number` has no place here by the letter, yet servers annotate it, and refuse calls without the header.
fn is_primitive(property: Json<'_>) -> bool {
    let kind = property.member("type").and_then(Json::as_str);
    kind.is_some_and(|kind| matches!(&*kind, "string" | "integer" | "boolean" | "number"))
}

/// A value as text; `None` for what has no header.
fn text(value: Json<'_>) -> Option<String> {
    match value.kind() {
        JsonKind::String => value.as_str().map(std::borrow::Cow::into_owned),
        JsonKind::Bool => Some(value.text().to_owned()),
        JsonKind::Number => Some(decimal(value.text())),
        JsonKind::Null | JsonKind::Object | JsonKind::Array => None,
    }
}

/// An integer in whatever spelling (`-0`, `42.0`, `1e3`) as a decimal one; any other number as it is.
fn decimal(text: &str) -> String {
    /// What a double holds exactly.
    const SAFE: f64 = 9_007_199_254_740_991.0;
    if let Ok(number) = text.parse::<i64>() {
        return number.to_string();
    }
    match text.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() <= SAFE => format!("{:.0}", number + 0.0),
        _ => text.to_owned(),
    }
}

/// A value as a header carries it ("Value Encoding").
fn encoded(value: &str) -> String {
    let plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let padded = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    let marked = value.starts_with("=?base64?") && value.ends_with("?=");
    if plain && !padded && !marked {
        return value.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, read};

    fn mirrored(line: &str, bindings: &Bindings) -> Vec<(String, String)> {
        let Ok(Frame::Message(message)) = read(line.as_bytes()) else { panic!("a message") };
        headers(&message, "2026-07-28", bindings).split_off(1)
    }

    fn learned(schema: &str) -> Bindings {
        let mut bindings = Bindings::default();
        let result = format!(r#"{{"tools":[{{"name":"t","inputSchema":{schema}}}]}}"#);
        learn(result.as_bytes(), &mut bindings);
        bindings
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_that_no_header_can_hold_are_encoded() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("a b\tc", "a b\tc"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("a\r\nX-Evil: 1", "=?base64?YQ0KWC1FdmlsOiAx?="),
        ] {
            assert_eq!(encoded(value), header, "{value:?}");
        }
    }

    #[test]
    fn the_name_is_that_of_what_is_asked_for() {
        let none = Bindings::default();
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é","arguments":{}}}"#;
        assert_eq!(
            mirrored(call, &none),
            pairs(&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?w6k=?=")])
        );
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
        assert_eq!(
            mirrored(read, &none),
            pairs(&[("mcp-method", "resources/read"), ("mcp-name", "file:///a")])
        );
        let task = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t1","name":"no"}}"#;
        assert_eq!(mirrored(task, &none), pairs(&[("mcp-method", "tasks/get"), ("mcp-name", "t1")]));
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":"no"}}"#;
        assert_eq!(mirrored(list, &none), pairs(&[("mcp-method", "tools/list")]));
    }

    #[test]
    fn arguments_that_a_tool_asks_for_are_mirrored() {
        let bindings = learned(
            r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"deep":{"type":"object","properties":
                {"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"}}},
                "nil":{"type":"string","x-mcp-header":"Nil"},"gone":{"type":"string","x-mcp-header":"Gone"}}}"#,
        );
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":
            {"region":"Zürich","deep":{"n":42.0,"b":true},"nil":null}}}"#;
        let expected = [
            ("mcp-method", "tools/call"),
            ("mcp-name", "t"),
            ("mcp-param-Region", "=?base64?WsO8cmljaA==?="),
            ("mcp-param-N", "42"),
            ("mcp-param-B", "true"),
        ];
        assert_eq!(mirrored(&call.replace('\n', ""), &bindings), pairs(&expected));
    }

    #[test]
    fn a_tool_with_an_annotation_that_is_not_valid_has_none() {
        for schema in [
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
        ] {
            assert!(learned(schema).is_empty(), "{schema}");
        }
    }

    #[test]
    fn a_later_list_takes_annotations_back() {
        let mut bindings = learned(r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}"#);
        assert_eq!(bindings.len(), 1);
        learn(br#"{"tools":[{"name":"t","inputSchema":{}}]}"#, &mut bindings);
        assert!(bindings.is_empty());
    }

    #[test]
    fn integers_are_spelled_in_decimal() {
        for (text, spelled) in
            [("42", "42"), ("-7", "-7"), ("42.0", "42"), ("1e3", "1000"), ("-0.0", "0"), ("1.5", "1.5")]
        {
            assert_eq!(decimal(text), spelled);
        }
        assert_eq!(decimal("18446744073709551616"), "18446744073709551616");
    }
}
