//! Properties: agreement with serde on what is valid, and calm about what is not.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::Value;

use super::oracle;
use crate::wire::{Frame, GlanceKind, IdKey, Json, JsonKind, Message, glance, read};

/// JSON as it may be written, duplicates included.
#[derive(Debug, Clone)]
enum Tree {
    Scalar(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Tree::Scalar),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?".prop_map(Tree::Number),
        any::<String>().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(5, 48, 20, |inner| {
        let key = prop_oneof![8 => any::<String>(), 2 => "[ab]", 1 => "k[0-9]{1,2}"];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Tree::Array),
            vec((key, inner), 0..18).prop_map(Tree::Object),
        ]
    })
}

/// Choices of spelling, drawn from a seed.
struct Pen {
    seed: u64,
    out: String,
}

impl Pen {
    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn space(&mut self) {
        let space = ["", "", "", " ", "\t", "  "][usize::try_from(self.draw(6)).unwrap()];
        self.out.push_str(space);
    }

    fn token(&mut self, token: &str) {
        self.space();
        self.out.push_str(token);
        self.space();
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '/' if self.draw(2) == 0 => self.out.push_str("\\/"),
                '\n' if self.draw(2) == 0 => self.out.push_str("\\n"),
                c if c < ' ' || self.draw(8) == 0 => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let hex = if self.seed & 1 << 40 == 0 {
                            format!("{unit:04x}")
                        } else {
                            format!("{unit:04X}")
                        };
                        self.out.push_str("\\u");
                        self.out.push_str(&hex);
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Scalar(text) => self.out.push_str(text),
            Tree::Number(text) => self.out.push_str(text),
            Tree::Text(text) => self.text(text),
            Tree::Array(elements) => {
                self.token("[");
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        self.token(",");
                    }
                    self.tree(element);
                }
                self.token("]");
            }
            Tree::Object(members) => {
                self.token("{");
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        self.token(",");
                    }
                    self.text(key);
                    self.token(":");
                    self.tree(value);
                }
                self.token("}");
            }
        }
    }
}

fn written(tree: &Tree, seed: u64) -> String {
    let mut pen = Pen { seed, out: String::new() };
    pen.tree(tree);
    pen.out
}

fn text(text: &str) -> Tree {
    Tree::Text(text.to_owned())
}

/// The parts of a legal tools/call: id, name, arguments; and it, its members in any order.
fn calls() -> impl Strategy<Value = (Tree, String, Tree, Tree)> {
    let id = prop_oneof![
        any::<i64>().prop_map(|n| Tree::Number(n.to_string())),
        any::<String>().prop_map(Tree::Text)
    ];
    let arguments = vec(("[a-z]{1,6}", trees()), 0..4).prop_map(Tree::Object);
    let name = "[a-zäß/_. -]{1,20}";
    (id, name, arguments).prop_flat_map(|(id, name, arguments)| {
        let params = vec![("name".to_owned(), text(&name)), ("arguments".to_owned(), arguments.clone())];
        let envelope = (Just(params).prop_shuffle(), Just(id.clone())).prop_flat_map(|(params, id)| {
            Just(vec![
                ("jsonrpc".to_owned(), text("2.0")),
                ("id".to_owned(), id),
                ("method".to_owned(), text("tools/call")),
                ("params".to_owned(), Tree::Object(params)),
            ])
            .prop_shuffle()
        });
        (Just(id), Just(name), Just(arguments), envelope.prop_map(Tree::Object))
    })
}

/// What a mutation does to a line.
fn mutated(mut line: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    for &(place, kind, byte) in edits {
        let at = place % (line.len() + 1);
        match kind % 5 {
            0 => line.insert(at, byte),
            1 => line.truncate(at),
            2 if at < line.len() => drop(line.remove(at)),
            3 if at < line.len() => line[at] = byte,
            _ => line.extend_from_within(at..),
        }
    }
    line
}

/// Whatever we accept serde reads as well, and means the same by it.
fn same_in_serde(message: &Message<'_>, bytes: &[u8]) {
    let value: Value = serde_json::from_slice(bytes).expect("serde reads what we accept");
    assert_eq!(message.method.as_deref(), value["method"].as_str());
    assert_eq!(message.name.map(as_value), value["params"].get("name").cloned());
    assert_eq!(message.params.map(as_value), value.get("params").cloned());
    let id = message.id.map(|id| match id.key() {
        IdKey::Number(number) => Value::from(number),
        IdKey::Text(text) => Value::from(&*text),
    });
    // serde reads -0 as the float -0.0.
    let theirs = value.get("id").map(|id| if id.as_f64() == Some(0.0) { Value::from(0) } else { id.clone() });
    assert_eq!(id, theirs);
}

/// The value as our own walking sees it.
fn as_value(json: Json<'_>) -> Value {
    match json.kind() {
        JsonKind::Object => json.members().map(|(key, value)| (key.into_owned(), as_value(value))).collect(),
        JsonKind::Array => json.elements().map(as_value).collect(),
        JsonKind::String => Value::from(json.as_str().unwrap()),
        JsonKind::Number | JsonKind::Bool | JsonKind::Null => serde_json::from_str(json.text()).unwrap(),
    }
}

proptest! {
    #[test]
    fn every_spelling_of_a_legal_call_is_accepted((id, name, arguments, call) in calls(), seed in any::<u64>()) {
        let line = written(&call, seed);
        let has_duplicates = !oracle::accepts(line.as_bytes());
        match read(line.as_bytes()) {
            Ok(Frame::Message(message)) => {
                prop_assert!(!has_duplicates);
                same_in_serde(&message, line.as_bytes());
                prop_assert_eq!(message.name.unwrap().as_str().unwrap(), name);
                let theirs: Value = serde_json::from_str(&written(&arguments, 0)).unwrap();
                prop_assert_eq!(as_value(message.arguments.unwrap()), theirs);
            }
            other => prop_assert!(has_duplicates, "{:?}: {}", other, line),
        }
        // The same members as an answer of the server.
        let answer = Tree::Object(vec![("result".to_owned(), arguments), ("id".to_owned(), id)]);
        let answer = written(&answer, seed);
        let seen = glance(answer.as_bytes());
        prop_assert!(matches!(seen.kind, GlanceKind::Result { .. }), "{:?}", seen.kind);
        prop_assert!(seen.id.is_some());
    }

    #[test]
    fn values_are_accepted_exactly_where_serde_finds_no_duplicates(tree in trees(), seed in any::<u64>()) {
        let written = written(&tree, seed);
        prop_assert!(oracle::parses(written.as_bytes()));
        prop_assert_eq!(Json::from_text(&written).is_some(), oracle::accepts(written.as_bytes()));
    }

    #[test]
    fn walking_sees_what_serde_sees(tree in trees(), seed in any::<u64>()) {
        let written = written(&tree, seed);
        if let Some(json) = Json::from_text(&written) {
            prop_assert_eq!(as_value(json), serde_json::from_str::<Value>(&written).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_read_calmly(bytes in vec(any::<u8>(), 0..200)) {
        glance(&bytes);
        if let Ok(Frame::Message(message)) = read(&bytes) {
            same_in_serde(&message, &bytes);
        }
    }

    #[test]
    fn damage_never_makes_two_meanings(
        (_, _, _, call) in calls(),
        seed in any::<u64>(),
        edits in vec((any::<usize>(), any::<u8>(), prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\u0\r\0".to_vec())]), 1..4),
    ) {
        let line = mutated(written(&call, seed).into_bytes(), &edits);
        glance(&line);
        match read(&line) {
            Ok(Frame::Message(message)) => {
                prop_assert!(oracle::accepts(&line));
                same_in_serde(&message, &line);
            }
            Ok(Frame::Batch(_)) => prop_assert!(oracle::accepts(&line)),
            Ok(Frame::Blank) => prop_assert!(line.trim_ascii().is_empty()),
            Err(malformed) => {
                // An id that is repeated is one that stands in the line.
                let id = malformed.id.unwrap_or_default();
                prop_assert!(id.is_empty() || line.windows(id.len()).any(|window| window == id.as_bytes()));
            }
        }
    }
}
