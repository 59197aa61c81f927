//! That the schema takes what the reader takes, and refuses what an editor can see.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::json_schema;
use crate::policy::Effect;
use crate::settings::{Environment, read};

/// As editors give a document to a validator: times are strings to them.
fn json(toml: &str) -> Option<Value> {
    let mut document = serde_json::to_value(toml.parse::<toml::Table>().ok()?).ok()?;
    times_as_strings(&mut document);
    Some(document)
}

fn times_as_strings(value: &mut Value) {
    if let Some(time) = value.get("$__toml_private_datetime") {
        *value = time.clone();
    }
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(times_as_strings),
        Value::Object(members) => members.values_mut().for_each(times_as_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_valid(toml: &str) -> bool {
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    validator.is_valid(&json(toml).unwrap())
}

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies").join(name)).unwrap()
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&json_schema()));
}

#[test]
fn every_valid_file_is_valid() {
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies/valid");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp.toml.example"));
    for path in files {
        let document = json(&fs::read_to_string(&path).unwrap()).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
}

#[test]
fn unknown_keys_and_words_and_wrong_types_are_seen() {
    for name in [
        "unknown-keys",
        "unknown-words",
        "wrong-types",
        "missing-version",
        "newer-version",
        "rules-as-a-table",
    ] {
        assert!(!is_valid(&fixture(&format!("invalid/{name}.toml"))), "{name}");
    }
    for (table, wrong) in [
        ("", "mode = \"loud\""),
        ("", "max_frame = \"huge\""),
        ("[audit]", "retention = \"3 fortnights\""),
        ("[[rule]]\naction = \"deny\"", "when = {}"),
        ("[[rule]]\naction = \"deny\"", "when = { path = \"x\" }"),
        ("[[rule]]\naction = \"deny\"", "when = { \"/path\" = { pathunder = \"x\" } }"),
        ("[[rule]]\naction = \"deny\"", "when = { \"/path\" = { gt = \"3\" } }"),
        ("[[rule]]\naction = \"deny\"", "when = { agent = { gt = 3 } }"),
        ("[servers.a]", "args = [\"x\"]"),
    ] {
        assert!(!is_valid(&format!("version = 1\n{table}\n{wrong}\n")), "{wrong}");
        let shown = wrong.replace("loud", "shadow").replace("huge", "1MiB").replace("3 fortnights", "3d");
        assert_eq!(is_valid(&format!("version = 1\n{table}\n{shown}\n")), shown != wrong, "{shown}");
    }
}

#[test]
fn words_of_other_products_are_words() {
    for word in Effect::WORDS.iter().chain(Effect::OTHER_WORDS) {
        assert!(Effect::from_word(word).is_some());
        assert!(is_valid(&format!("version = 1\ndefault = \"{word}\"\n")), "{word}");
    }
}

#[test]
fn words_about_sql_and_times_are_those_of_the_reader() {
    for (wanted, condition) in [
        (true, r#""/q" = { sql_only = ["read", "DROP", "upsert"], dialect = "postgres" }"#),
        (true, r#""/q" = { sql_any = { list = "kinds" } }"#),
        (true, r#"time = "Fri""#),
        (true, r#"time = { in = "Fri", zone = "UTC" }"#),
        (false, r#""/q" = { sql_any = "dorp" }"#),
        (false, r#""/q" = { sql_any = "read", dialect = "postgresql" }"#),
        (false, r#"time = { zone = "UTC" }"#),
    ] {
        let source = format!(
            "version = 1\n[lists]\nkinds = [\"drop\"]\n[[rule]]\naction = \"deny\"\nwhen = {{ {condition} }}\n"
        );
        assert_eq!(read(&source, &Environment::default()).is_ok(), wanted, "{condition}");
        assert_eq!(is_valid(&source), wanted, "{condition}");
    }
}

/// The keys that the reader names when it meets one that it does not know.
fn keys_of_the_reader(before: &str) -> BTreeSet<String> {
    let source = format!("version = 1\n{before}");
    let faults = read(&source, &Environment::default()).unwrap_err();
    let hint = faults
        .iter()
        .find(|fault| fault.message.contains("qqqqqqqqqqqq"))
        .and_then(|fault| fault.hint.clone());
    let hint = hint.unwrap_or_else(|| panic!("no hint: {faults:?}"));
    let (_, keys) = hint
        .split_once("keys here: ")
        .or_else(|| hint.split_once("facts: "))
        .unwrap_or_else(|| panic!("{hint}"));
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn it_knows_the_keys_that_the_reader_knows() {
    let schema = json_schema();
    for (source, place) in [
        ("qqqqqqqqqqqq = 1", ""),
        ("[policy]\nqqqqqqqqqqqq = 1", "/properties/policy"),
        ("[identity]\nqqqqqqqqqqqq = 1", "/properties/identity"),
        ("[agents.a]\nqqqqqqqqqqqq = 1", "/properties/agents/additionalProperties"),
        ("[servers.a]\nqqqqqqqqqqqq = 1", "/properties/servers/additionalProperties"),
        ("[audit]\nqqqqqqqqqqqq = 1", "/properties/audit"),
        ("[approval]\nqqqqqqqqqqqq = 1", "/properties/approval"),
        ("[[tool]]\nqqqqqqqqqqqq = 1", "/properties/tool/items"),
        ("[[rule]]\nqqqqqqqqqqqq = 1", "/properties/rule/items"),
        ("[[rule]]\n[[rule.test]]\nqqqqqqqqqqqq = 1", "/properties/rule/items/properties/test/items"),
        ("[[rule]]\nwhen = { qqqqqqqqqqqq = 1 }", "/$defs/table"),
        ("[[rule]]\nwhen = { \"/a\" = { qqqqqqqqqqqq = 1 } }", "/$defs/argument/anyOf/2"),
    ] {
        let known = schema.pointer(&format!("{place}/properties")).unwrap_or_else(|| panic!("{place}"));
        let known: BTreeSet<String> = known.as_object().unwrap().keys().cloned().collect();
        let read = keys_of_the_reader(source);
        assert_eq!(read, known, "{source}");
    }
}

#[test]
fn everything_has_a_description() {
    fn walk(value: &Value, silent: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            let quiet = properties.iter().filter(|(_, takes)| takes.get("description").is_none());
            silent.extend(quiet.map(|(key, _)| key.clone()));
        }
        match value {
            Value::Object(members) => members.values().for_each(|member| walk(member, silent)),
            Value::Array(items) => items.iter().for_each(|item| walk(item, silent)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut silent = Vec::new();
    walk(&json_schema(), &mut silent);
    // What a list is named by, what `time` takes, and facts of tests say it one level up.
    silent.retain(|key| {
        !["list", "in", "zone"].contains(&key.as_str())
            && !crate::policy::Fact::WORDS.iter().any(|(word, _)| word == key)
    });
    assert!(silent.is_empty(), "{silent:?}");
}
