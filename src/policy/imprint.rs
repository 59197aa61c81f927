//! What one definition of a tool is told from another by: hashes of all of it and of its parts.
//!
//! It refuses to weigh a difference: which part is another one is all it says. Invariant: the order in which a server
//! writes the members of an object, white space, and how strings are escaped change no hash.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::wire::{Json, write_canonical, write_canonical_members};

/// What a definition may hold that changes though the tool does not: MCP leaves it to whoever is underway.
const PASSING: &str = "_meta";
/// Members of a tool (MCP 2025-11-25, schema, `Tool`); names that are not from here are never shown.
const MEMBERS: [&str; 8] =
    ["name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "execution"];
/// What stands for all members that are not among [`MEMBERS`]: a later revision may give them a meaning.
const OTHERS: &str = "other members";
/// How much of a part's hash is kept, bytes. Only the hash of all of it decides anything.
const SHORT: usize = 8;

/// The hashes of one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imprint {
    /// SHA-256 of the definition without `_meta`, lower-case hex: its identity.
    pub hash: Box<str>,
    /// Hashes of its members, to tell where two definitions differ.
    pub parts: Parts,
}

/// The beginning of the SHA-256 of each member, lower-case hex, by the member's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(BTreeMap<String, String>);

impl Imprint {
    /// The hashes of a definition, JSON text. One with two readings is taken as it is spelled.
    pub fn of(definition: &str) -> Self {
        let mut canonical = String::with_capacity(definition.len());
        let Some(tool) = Json::from_text(definition) else {
            return Self { hash: hex(&Sha256::digest(definition)).into(), parts: Parts::default() };
        };
        write_canonical_members(tool, |name| name != PASSING, &mut canonical);
        Self { hash: hex(&Sha256::digest(&canonical)).into(), parts: Parts::of(tool) }
    }
}

impl Parts {
    fn of(tool: Json<'_>) -> Self {
        let mut parts = BTreeMap::new();
        for name in MEMBERS {
            let mut canonical = String::new();
            if let Some(value) = tool.member(name) {
                write_canonical(value, &mut canonical);
                parts.insert(name.to_owned(), short(&canonical));
            }
        }
        let is_other = |name: &str| name != PASSING && !MEMBERS.contains(&name);
        if tool.members().any(|(name, _)| is_other(&name)) {
            let mut canonical = String::new();
            write_canonical_members(tool, is_other, &mut canonical);
            parts.insert(OTHERS.to_owned(), short(&canonical));
        }
        Self(parts)
    }

    /// The names of the parts that are not the same in both, in the order of [`MEMBERS`]; empty where it cannot be told.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        if self.0.is_empty() || other.0.is_empty() {
            return Vec::new();
        }
        let names = MEMBERS.into_iter().chain([OTHERS]);
        names.filter(|name| self.0.get(*name) != other.0.get(*name)).collect()
    }
}

fn short(canonical: &str) -> String {
    hex(Sha256::digest(canonical).get(..SHORT).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::Imprint;
    use crate::wire::Json;

    #[test]
    fn a_definition_has_one_hash_however_it_is_spelled() {
        let one = r#"{"name":"t","inputSchema":{"type":"object","properties":{"a":{},"b":[1, 2]}},"_meta":{"at":1}}"#;
        let same = r#"{ "_meta": {"at": 2}, "inputSchema":{"properties":{"b":[1,2],"\u0061":{}},"type":"object"},"name":"t"}"#;
        assert_eq!(Imprint::of(one), Imprint::of(same));
        for other in [
            one.replace("[1, 2]", "[2, 1]"),
            one.replace("\"t\"", "\"T\""),
            one.replace("{\"a\":{}", "{\"a\":{\"_meta\":1}"),
        ] {
            assert_ne!(Imprint::of(one).hash, Imprint::of(&other).hash, "{other}");
        }
    }

    #[test]
    fn it_is_told_which_part_is_another_one_and_never_what_it_says() {
        let one = Imprint::of(r#"{"name":"t","description":"a","inputSchema":{"type":"object"},"x":1}"#);
        let differing = |text: &str| one.parts.differing(&Imprint::of(text).parts);
        assert!(
            differing(r#"{"description":"a","inputSchema":{"type":"object"},"x":1,"name":"t"}"#).is_empty()
        );
        assert_eq!(
            differing(r#"{"name":"t","description":"b","inputSchema":{},"secret":2,"annotations":{}}"#),
            ["description", "inputSchema", "annotations", "other members"]
        );
        assert!(differing(r#"{"name":"t","name":"u"}"#).is_empty(), "two readings");
    }

    /// Spells a value with its members the other way round, spaces between them and each letter escaped.
    fn otherwise(json: Json<'_>) -> String {
        if let Some(text) = json.as_str() {
            return spelled(&text);
        }
        let elements: Vec<_> = json.elements().map(otherwise).collect();
        let mut members: Vec<_> = json
            .members()
            .map(|(name, value)| format!("{} : {}", spelled(&name), otherwise(value)))
            .collect();
        members.reverse();
        match json.text().as_bytes().first() {
            Some(b'{') => format!("{{ {} }}", members.join(" , ")),
            Some(b'[') => format!("[ {} ]", elements.join(" ,")),
            _ => json.text().to_owned(),
        }
    }

    fn spelled(text: &str) -> String {
        let mut spelled = "\"".to_owned();
        for unit in text.encode_utf16() {
            write!(spelled, "\\u{unit:04x}").unwrap();
        }
        spelled + "\""
    }

    proptest! {
        #[test]
        fn neither_order_nor_spelling_changes_a_definition(json in crate::policy::tests::properties::any_json()) {
            let definition = format!(r#"{{"name":"t","inputSchema":{json},"more":{json}}}"#);
            let same = otherwise(Json::from_text(&definition).unwrap());
            prop_assert_eq!(Imprint::of(&definition), Imprint::of(&same));
        }
    }
}
