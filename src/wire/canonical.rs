//! One spelling for all spellings of a JSON value: what is hashed where two of them must be told apart.
//!
//! It refuses to read numbers: `1.0` and `1` are two things, for some servers take them so. Invariant: the order of an
//! object's members, white space, and how strings are escaped make no difference.

use super::{Json, JsonKind};

/// Appends the value with the members of each object in the order of their names, and without white space.
pub fn write_canonical(value: Json<'_>, out: &mut String) {
    match value.kind() {
        JsonKind::Object => write_canonical_members(value, |_| true, out),
        JsonKind::Array => {
            out.push('[');
            for element in value.elements() {
                write_canonical(element, out);
                out.push(',');
            }
            out.push(']');
        }
        JsonKind::String => out.push_str(&quoted(&value.as_str().unwrap_or_default())),
        JsonKind::Number | JsonKind::Bool | JsonKind::Null => out.push_str(value.text()),
    }
}

/// The same of an object without the members that are not `wanted`.
pub fn write_canonical_members(object: Json<'_>, wanted: impl Fn(&str) -> bool, out: &mut String) {
    let mut members: Vec<_> = object.members().filter(|(name, _)| wanted(name)).collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push('{');
    for (name, value) in members {
        out.push_str(&quoted(&name));
        out.push(':');
        write_canonical(value, out);
        out.push(',');
    }
    out.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
