//! The look at a server's lines.

use crate::wire::{Glance, GlanceKind, IdKey, glance, glance_batch};

fn kind(line: &[u8]) -> GlanceKind {
    glance(line).kind
}

fn key(glance: &Glance<'_>) -> Option<IdKey> {
    glance.id.map(super::super::Id::key)
}

#[test]
fn messages_of_a_server_are_told_apart() {
    for (line, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, GlanceKind::Result { is_error: false }),
        (r#" {"result":{"content":[],"isError":true},"id":"a"} "#, GlanceKind::Result { is_error: true }),
        (
            r#"{"result":{"isError" : false,"x":{"isError":true}},"id":1}"#,
            GlanceKind::Result { is_error: false },
        ),
        (r#"{"result":"isError","id":1}"#, GlanceKind::Result { is_error: false }),
        (r#"{"r\u0065sult":{"is\u0045rror":true},"\u0069d":1}"#, GlanceKind::Result { is_error: true }),
        (r#"{"id":1,"error":{"code":1,"message":""}}"#, GlanceKind::Error),
        (r#"{"id":null,"error":{"code":1,"message":""}}"#, GlanceKind::Error),
        (r#"{"error":{"code":1,"message":""}}"#, GlanceKind::Error),
        (r#"{"id":1,"method":"roots/list"}"#, GlanceKind::Request),
        (r#"{"method":"notifications/message","params":{"a":"}"}}"#, GlanceKind::Notification),
        (r#"{"level":"info","msg":"started"}"#, GlanceKind::Other),
        ("[]", GlanceKind::Batch),
        (r#"[ {"id":1,"result":{}} , {"method":"n"} ]"#, GlanceKind::Batch),
        ("", GlanceKind::Blank),
        (" \r", GlanceKind::Blank),
        ("{}\r", GlanceKind::Other),
    ] {
        assert_eq!(kind(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn a_result_tells_what_else_it_holds_by_the_names_of_its_members() {
    let holds = |result: &str| {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let holds = glance(line.as_bytes()).holds;
        (holds.requests, holds.task)
    };
    for (result, expected) in [
        (r#"{"inputRequests":{}}"#, (true, false)),
        (r#"{"content":[],"resultType":"x","_meta":{},"input\u0052equests":{}}"#, (true, false)),
        (r#"{"InputRequests":{}}"#, (true, false)),
        (r#"{"input\u212aequests":{},"INPUTREQUE\u017fTS":1}"#, (true, false)),
        (r#"{"task":{}}"#, (false, true)),
        (r#"{"tas\u212aId":""}"#, (false, true)),
        (r#"{"taskId":"t","inputRequests":{}}"#, (true, true)),
        (
            r#"{"content":[{"inputRequests":{},"task":{}}],"structuredContent":{"taskId":1},"tasks":[]}"#,
            (false, false),
        ),
        (r#"["inputRequests"]"#, (false, false)),
        (r#""inputRequests""#, (false, false)),
    ] {
        assert_eq!(holds(result), expected, "{result}");
    }
}

#[test]
fn what_is_not_one_message_is_not_json() {
    for line in [
        "Server started on stdio...",
        "[info] listening",
        "[info]",
        "{listening}",
        r#"{"id":1,"result":{}"#,
        r#"{"id":1,"result":{}} {"id":2,"result":{}}"#,
        "{\"id\":1,\"result\":{}}\r{\"id\":2,\"result\":{}}",
        r#"{"id":1 "result":{}}"#,
        r#"{"id":1,}"#,
        r#"{"id":"#,
        "7",
        "\"text\"",
        "\u{feff}{\"id\":1,\"result\":{}}",
    ] {
        assert_eq!(kind(line.as_bytes()), GlanceKind::NotJson, "{line}");
    }
}

#[test]
fn an_answer_that_clients_could_match_differently_is_ambiguous() {
    for line in [
        r#"{"id":1,"id":2,"result":{}}"#,
        r#"{"id":1,"\u0069d":1,"result":{}}"#,
        r#"{"ID":1,"id":2,"result":{}}"#,
        r#"{"Id":1,"Result":{}}"#,
        r#"{"id":1,"result":{},"result":{}}"#,
        r#"{"id":1,"result":{},"error":{}}"#,
        r#"{"id":1,"method":"x","result":{}}"#,
        r#"{"id":1.0,"result":{}}"#,
        r#"{"id":null,"result":{}}"#,
        r#"{"id":{},"error":{}}"#,
        r#"{"id":18446744073709551617,"result":{}}"#,
        r#"{"id":"\ud800","result":{}}"#,
        r#"{"result":{}}"#,
        r#"{"id":1,"method":7}"#,
        "[\r{\"id\":1,\"result\":{}}\r]",
        "{\"method\":\"x\",\"params\":[\"a\r{\"id\":5,\"result\":{}}\rb\"]}",
    ] {
        assert_eq!(kind(line.as_bytes()), GlanceKind::Ambiguous, "{line}");
    }
}

#[test]
fn bytes_that_are_not_utf8_do_not_hide_what_a_line_is() {
    assert_eq!(kind(b"{\"method\":\"notifications/message\",\"params\":\"\xff\"}"), GlanceKind::Notification);
    let answer = glance(b"{\"result\":{\"\xff\":\"\xff\\\"\"},\"id\":7}");
    assert_eq!(key(&answer), Some(IdKey::Number(7)));
    assert_eq!(answer.result, Some(&b"{\"\xff\":\"\xff\\\"\"}"[..]));
}

#[test]
fn nesting_has_no_limit_for_a_server() {
    let line = format!(r#"{{"id":7,"result":{}{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(kind(line.as_bytes()), GlanceKind::Result { is_error: false });
}

#[test]
fn members_of_a_batch_are_looked_at_one_by_one() {
    let line = br#"[{"id":1,"result":{}}, {"id":"b","error":{}},{"method":"n"}]"#;
    let kinds: Vec<_> = glance_batch(line).map(|member| (member.kind, key(&member))).collect();
    assert_eq!(
        kinds,
        [
            (GlanceKind::Result { is_error: false }, Some(IdKey::Number(1))),
            (GlanceKind::Error, Some(IdKey::Text("b".into()))),
            (GlanceKind::Notification, None),
        ]
    );
    assert_eq!(glance_batch(b"[]").count(), 0);
    assert_eq!(glance_batch(b"{\"method\":\"n\"}").count(), 0);
}
