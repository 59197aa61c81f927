//! What pointers lead to, by schema and by what was seen.

use proptest::prelude::*;

use super::*;

fn pointer(text: &str) -> Pointer {
    let segment = |part: &str| match part {
        "*" => Segment::One,
        "**" => Segment::Any,
        name => Segment::Key { name: name.into(), folded: fold(name).into_owned() },
    };
    Pointer { text: text.into(), segments: text.split('/').skip(1).map(segment).collect() }
}

fn by_schema(schema: &str, to: &str) -> Leads {
    Shape::of_schema(Json::from_text(schema).unwrap()).leads(&pointer(to))
}

fn seen(values: &[&str], to: &str) -> Leads {
    let mut shape = Shape::default();
    let mut budget = Budget::default();
    for value in values {
        shape.add(Json::from_text(value).unwrap(), &mut budget);
    }
    shape.leads(&pointer(to))
}

#[test]
fn properties_are_all_there_is_unless_the_schema_says_otherwise() {
    let files = r#"{"type":"object","properties":{"path":{"type":"string"},"edits":{"type":"array","items":
        {"type":"object","properties":{"newText":{"type":"string"}}}}}}"#;
    for to in ["", "/path", "/Path", "/edits/*/newText", "/edits/0/newText", "/**/newText", "/*", "/**"] {
        assert_eq!(by_schema(files, to), Leads::Somewhere, "{to}");
    }
    for to in ["/pth", "/edits/*/path", "/**/url", "/newText"] {
        assert_eq!(by_schema(files, to), Leads::Nowhere, "{to}");
    }
    // Text may hold JSON, and a list may be read as one element: rules take both for opaque.
    assert_eq!(by_schema(files, "/path/inner"), Leads::Perhaps);
    assert_eq!(by_schema(files, "/edits/newText"), Leads::Perhaps);
}

#[test]
fn what_a_schema_leaves_open_may_be_there() {
    for schema in [
        "{}",
        "true",
        "7",
        r#"{"type":"object"}"#,
        r#"{"properties":{"a":{}},"additionalProperties":true}"#,
        r#"{"properties":{"a":{}},"additionalProperties":{"type":"string"}}"#,
        r#"{"properties":{"a":{}},"patternProperties":{"^x":{}}}"#,
        r#"{"$ref":"https://example.org/schema"}"#,
        r##"{"$ref":"#/$defs/none"}"##,
        r#"{"type":"‹redacted:value:0›"}"#,
    ] {
        assert_eq!(by_schema(schema, "/path"), Leads::Perhaps, "{schema}");
    }
    for schema in [
        r#"{"type":"object","properties":{}}"#,
        r#"{"type":"object","additionalProperties":false}"#,
        r#"{"properties":{"a":{}},"additionalProperties":null}"#,
        r#"{"properties":{"a":{}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
    ] {
        assert_eq!(by_schema(schema, "/path"), Leads::Nowhere, "{schema}");
    }
}

#[test]
fn references_and_alternatives_are_followed() {
    let schema = r##"{"$defs":{"At":{"properties":{"path":{"type":"string"},"below":{"$ref":"#/$defs/At"}}}},
        "properties":{"at":{"anyOf":[{"$ref":"#/$defs/At"},{"type":"null"}]}}}"##;
    assert_eq!(by_schema(schema, "/at/path"), Leads::Somewhere);
    assert_eq!(by_schema(schema, "/at/below/below/path"), Leads::Somewhere);
    assert_eq!(by_schema(schema, "/path"), Leads::Nowhere);
}

#[test]
fn a_schema_that_goes_round_in_circles_has_an_end() {
    let one = r##"{"$ref":"#/$defs/a"}"##;
    let many = [one; 8].join(",");
    let schema = format!(
        r#"{{"$defs":{{"a":{{"properties":{{"p":{one},"q":{one}}},"anyOf":[{many}]}}}},"allOf":[{many}]}}"#
    );
    assert_ne!(by_schema(&schema, "/p/q/p"), Leads::Nowhere);
}

#[test]
fn what_was_seen_has_what_it_had() {
    let values = [r#"{"path":"a","list":[{"x":1}]}"#, r#"{"inner":"{\"deep\":true}"}"#];
    for to in ["/path", "/list/*/x", "/inner/deep", "/**/deep"] {
        assert_eq!(seen(&values, to), Leads::Somewhere, "{to}");
    }
    for to in ["/url", "/list/*/y", "/**/url"] {
        assert_eq!(seen(&values, to), Leads::Nowhere, "{to}");
    }
    assert_eq!(seen(&["{}"], "/**"), Leads::Nowhere);
}

#[test]
fn what_redaction_took_away_may_have_been_anything() {
    assert_eq!(seen(&[r#"{"a":"{\"x\":1… ‹cut:9000 bytes:0›"}"#], "/a/y"), Leads::Perhaps);
    assert_eq!(seen(&[r#"{"a":1,"‹cut:9000 bytes:0›":null}"#], "/y"), Leads::Perhaps);
}

#[test]
fn more_than_a_thousand_names_are_data() {
    let members: Vec<String> = (0..1_000).map(|n| format!(r#""k{n}":1"#)).collect();
    assert_eq!(seen(&[&format!("{{{}}}", members.join(","))], "/other"), Leads::Perhaps);
}

proptest! {
    #[test]
    fn what_rules_select_in_a_value_its_shape_has(
        value in "\\{(\"[ab]\":(1|\"x\"|\\[\\{\"[ab]\":2\\}\\]|\\{\"[ab]\":\\{\"[ab]\":3\\}\\}),?)?\\}",
        to in "(/(a|b|A|\\*|\\*\\*|0)){0,4}",
    ) {
        let value = value.replace(",}", "}");
        let Some(json) = Json::from_text(&value) else { return Ok(()) };
        let mut found = false;
        super::super::pointer::select(
            &pointer(&to), Some(json), super::super::pointer::Readers::All, 1 << 20, &mut |_| found = true,
        );
        let leads = seen(&[&value], &to);
        prop_assert_eq!(leads != Leads::Nowhere, found, "{} in {}", to, value);
    }
}
