//! The id of a request: spelled one way, meant another.
//!
//! Refuses to re-spell: what is written back is what was read. Invariant: two spellings of one id have one key.

use super::Json;
use super::json::JsonKind;

/// An id as it was spelled: a string literal, or an integer of 64 signed bits without fraction and exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<'a> {
    raw: &'a str,
}

/// What an id means: `11` and `"11"` differ, `"\u0061"` and `"a"` do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKey {
    /// An integer; `-0` is 0.
    Number(i64),
    /// A string, decoded.
    Text(Box<str>),
}

impl IdKey {
    /// As JSON text: one spelling of the id, not that of the request.
    pub fn to_json(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::Value::from(&**text).to_string(),
        }
    }
}

impl<'a> Id<'a> {
    /// The id that this value is; `None` for every value that must not be one (MCP allows strings and integers, and
    /// readers disagree about what does not fit in 64 bits or has a fraction).
    pub fn from_json(value: Json<'a>) -> Option<Self> {
        let raw = value.text();
        let fits = match value.kind() {
            JsonKind::String => true,
            JsonKind::Number => raw.parse::<i64>().is_ok(),
            JsonKind::Object | JsonKind::Array | JsonKind::Bool | JsonKind::Null => false,
        };
        fits.then_some(Self { raw })
    }

    /// The same, from JSON text.
    pub fn from_text(text: &'a str) -> Option<Self> {
        Json::from_text(text).and_then(Self::from_json)
    }

    /// As it was spelled, quotes included.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// What it means.
    pub fn key(self) -> IdKey {
        match self.raw.parse() {
            Ok(number) => IdKey::Number(number),
            Err(_) => IdKey::Text(Json::trusted(self.raw).as_str().unwrap_or_default().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<IdKey> {
        Id::from_json(Json::from_text(text).unwrap()).map(Id::key)
    }

    #[test]
    fn spellings_of_one_id_have_one_key() {
        assert_eq!(key(r#""\u0061""#), key(r#""a""#));
        assert_eq!(key("-0"), key("0"));
        assert_ne!(key("11"), key(r#""11""#));
        assert_eq!(key("9223372036854775807"), Some(IdKey::Number(i64::MAX)));
    }

    #[test]
    fn what_readers_disagree_about_is_no_id() {
        for text in
            ["null", "true", "{}", "[]", "1.0", "1e3", "9223372036854775808", "-9223372036854775809", "1e400"]
        {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
