//! What the strict pass accepts, what it refuses and why, and which id it dares to repeat.

mod fixtures;
mod oracle;
mod properties;
mod server;

use super::{Fault, Frame, Json, JsonKind, MAX_BATCH, Message, read};

fn message(line: &str) -> Message<'_> {
    match read(line.as_bytes()) {
        Ok(Frame::Message(message)) => message,
        other => panic!("one message, not {other:?}: {line}"),
    }
}

fn refused(line: &[u8]) -> (Fault, Option<String>) {
    let malformed = read(line).expect_err("refused");
    (malformed.fault, malformed.id)
}

#[test]
fn a_message_is_what_its_escapes_decode_to() {
    let message = message(
        r#"{"jsonrpc":"2.0","id":"\u0061","m\u0065thod":"tools\/call",
            "params":{"n\u0061me":"\u0065cho","arguments": {} ,"_meta":{}}}"#,
    );
    assert_eq!(message.method.as_deref(), Some("tools/call"));
    assert_eq!(message.name.and_then(Json::as_str).as_deref(), Some("echo"));
    assert_eq!(message.id.unwrap().raw(), r#""\u0061""#);
    assert_eq!(message.arguments.unwrap().text(), "{}");
    assert_eq!(message.meta.unwrap().kind(), JsonKind::Object);
    assert!(!message.is_response);
}

#[test]
fn a_fault_does_not_hide_an_id_that_stands_behind_it() {
    for (line, fault) in [
        (r#"{"jsonrpc":"2.0","params":{"a":1,"a":2},"method":"ping","id":"x"}"#, Fault::DuplicateKey),
        (r#"{"zz":"\ud800","id":"x"}"#, Fault::UnknownKey),
        (r#"{"method":"tools/call","jsonrpc":"2.0","id":"x"}"#, Fault::ParamsType),
        ("{\"method\":\"ping\",\r\"jsonrpc\":\"2.0\",\"id\":\"x\"}", Fault::BareCr),
    ] {
        assert_eq!(refused(line.as_bytes()), (fault, Some("\"x\"".into())), "{line}");
    }
    let deep = format!(r#"{{"params":{}{},"id":"x"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refused(deep.as_bytes()), (Fault::TooDeep, Some("\"x\"".into())));
}

#[test]
fn an_id_before_the_damage_is_repeated_and_one_behind_it_is_not() {
    assert_eq!(refused(br#"{"id":7,"method":NaN}"#), (Fault::Syntax, Some("7".into())));
    assert_eq!(refused(br#"{"method":NaN,"id":7}"#), (Fault::Syntax, None));
    assert_eq!(refused(br#"{"id":7"#), (Fault::Truncated, Some("7".into())));
    assert_eq!(refused(br#"{"id":"7"#), (Fault::Truncated, None));
}

#[test]
fn an_id_that_readers_could_see_differently_is_not_repeated() {
    for line in [
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","id":8}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","\u0069d":7}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","Id":8}"#,
        r#"{"jsonrpc":"2.0","ID":8,"method":"ping","id":7}"#,
        r#"{"jsonrpc":"2.0","id\u0000":8,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":7.0,"method":"ping"}"#,
        r#"[{"jsonrpc":"2.0","id":7,"method":"ping"},7]"#,
    ] {
        assert_eq!(refused(line.as_bytes()).1, None, "{line}");
    }
}

#[test]
fn a_line_that_is_not_utf8_is_refused_with_its_id() {
    let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"x\xff\",\"id\":7}";
    assert_eq!(refused(line), (Fault::NotUtf8, Some("7".into())));
    let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":\"\xff\"}";
    assert_eq!(refused(line), (Fault::NotUtf8, None));
    let line = b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":7}";
    assert_eq!(refused(line), (Fault::Bom, Some("7".into())));
}

#[test]
fn batches_have_a_longest_length() {
    let member = r#"{"jsonrpc":"2.0","method":"n"}"#;
    let batch = |n| format!("[{}]", vec![member; n].join(","));
    assert!(
        matches!(read(batch(MAX_BATCH).as_bytes()), Ok(Frame::Batch(members)) if members.len() == MAX_BATCH)
    );
    assert_eq!(refused(batch(MAX_BATCH + 1).as_bytes()).0, Fault::BatchTooLong);
}

#[test]
fn the_first_fault_of_a_batch_is_told() {
    assert_eq!(refused(br#"[7,{"id":"#), (Fault::BatchMember, None));
    assert_eq!(refused(br#"[{"id":"#), (Fault::Truncated, None));
}

#[test]
fn depth_is_counted_from_the_outermost_bracket() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(Json::from_text(&nested(127)).is_some());
    assert!(Json::from_text(&nested(128)).is_none());
}

#[test]
fn many_keys_cost_no_more_than_sorting_them() {
    let members: Vec<_> = (0..100_000).map(|i| format!("\"k{i}\":0")).collect();
    let unique = format!("{{{}}}", members.join(","));
    assert!(Json::from_text(&unique).is_some());
    let doubled = format!("{{{},\"\\u006b77\":1}}", members.join(","));
    assert!(Json::from_text(&doubled).is_none());
}

#[test]
fn carriage_returns_are_white_space_in_a_text_that_is_no_line() {
    assert_eq!(Json::from_text(" {\r\n \"a\": 1\r\n}\r\n").unwrap().member("a").unwrap().text(), "1");
}

#[test]
fn walking_a_value_of_another_kind_gives_nothing() {
    for text in ["7", "\"{\"", "true", "null", "[1]"] {
        assert_eq!(Json::from_text(text).unwrap().members().count(), 0, "{text}");
    }
    assert_eq!(Json::from_text("{\"a\":1}").unwrap().elements().count(), 0);
    assert_eq!(Json::from_text("7").unwrap().as_str(), None);
}
