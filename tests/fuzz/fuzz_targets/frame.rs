//! Reading never panics, and what it accepts means the same to serde.
#![no_main]

use callgate::call::read_call;
use callgate::wire::{Frame, IdKey, Json, Message, glance, glance_batch, read};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|line: &[u8]| {
    glance(line);
    glance_batch(line).for_each(drop);
    match read(line) {
        Ok(Frame::Message(message)) => {
            if let Some(value) = in_serde(line) {
                agrees(&message, &value);
            }
        }
        Ok(Frame::Batch(messages)) => {
            if let Some(value) = in_serde(line) {
                let members = value.as_array().expect("a batch is an array");
                assert_eq!(members.len(), messages.len());
                messages.iter().zip(members).for_each(|(message, value)| agrees(message, value));
            }
        }
        Ok(Frame::Blank) => assert!(line.trim_ascii().is_empty()),
        Err(malformed) => {
            let id = malformed.id.unwrap_or_default();
            assert!(id.is_empty() || line.windows(id.len()).any(|window| window == id.as_bytes()));
        }
    }
});

/// What serde reads; `None` for numbers that are legal and too large for it.
fn in_serde(line: &[u8]) -> Option<Value> {
    match serde_json::from_slice(line) {
        Ok(value) => Some(value),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(error) => panic!("serde refuses what we accept: {error}"),
    }
}

fn agrees(message: &Message<'_>, value: &Value) {
    read_call(message);
    assert_eq!(message.method.as_deref(), value.get("method").and_then(Value::as_str));
    let params = value.get("params");
    for (ours, key) in [(message.name, "name"), (message.uri, "uri"), (message.arguments, "arguments")] {
        let theirs = params.and_then(|params| params.get(key));
        assert_eq!(ours.map(Json::text).map(reread).as_ref(), theirs);
    }
    match (message.id.map(|id| id.key()), value.get("id")) {
        (None, None) => {}
        (Some(IdKey::Text(ours)), Some(Value::String(theirs))) => assert_eq!(*ours, **theirs),
        (Some(IdKey::Number(ours)), Some(Value::Number(theirs))) => {
            // serde reads -0 as a float.
            assert!(theirs.as_i64() == Some(ours) || ours == 0 && theirs.as_f64() == Some(0.0));
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

fn reread(text: &str) -> Value {
    serde_json::from_str(text).expect("a value is one value")
}
