//! Values: strings, lists and inline tables.
//!
//! Numbers keep their spelling, and so do strings with escapes. Invariant: a list that holds a comment keeps it on its
//! line.

use toml_edit::{Array, Decor, Formatted, InlineTable, KeyMut, RawString, Value};

use super::order;

/// Longer lines are broken where there is a list to break.
const WIDTH: usize = 100;
/// Spaces for one level.
const STEP: usize = 2;

/// Lays out a value that begins at `column` of a line indented by `indent`; its own decor is the caller's.
pub(super) fn value(value: &mut Value, path: &[&str], column: usize, indent: usize) {
    match value {
        Value::String(text) => string(text, path),
        Value::Array(items) => array(items, path, column, indent),
        Value::InlineTable(table) => inline(table, path, column, indent),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// A key in double quotes, or none, where it needs no others.
pub(super) fn key(key: &mut KeyMut<'_>) {
    if is_plain_literal(&key.display_repr(), key.get()) {
        key.fmt();
    }
}

fn string(text: &mut Formatted<String>, path: &[&str]) {
    if let Some(word) = order::spelled(path, text.value()) {
        *text = Formatted::new(word.to_owned());
    } else if is_plain_literal(&text.display_repr(), text.value()) {
        text.fmt();
    }
}

/// Single quotes around what double ones could hold as it is.
fn is_plain_literal(spelling: &str, text: &str) -> bool {
    let literal = spelling.starts_with('\'') && !spelling.starts_with("'''");
    literal && !text.contains(|c: char| c == '\\' || c == '"' || c.is_control())
}

/// On one line where it fits, else an item a line. A list that its author broke, with a comma at its end, stays broken.
fn array(items: &mut Array, path: &[&str], column: usize, indent: usize) {
    let notes: Vec<String> = items.iter().map(|item| around(item.decor())).collect();
    let end = raw(items.trailing()).to_owned();
    let commented = notes.iter().chain([&end]).any(|text| text.contains('#'));
    let broken = items.trailing_comma() && notes.iter().chain([&end]).any(|text| text.contains('\n'));
    if !commented && !broken {
        flat(items, path, column, indent);
        // A comment behind it takes no part in what is broken.
        let mut bare = items.clone();
        bare.decor_mut().clear();
        let text = bare.to_string();
        if !text.contains('\n') && column + text.trim().chars().count() <= WIDTH {
            return;
        }
    }
    if items.is_empty() && !commented {
        return;
    }
    let inner = indent + STEP;
    for (item, note) in items.iter_mut().zip(&notes) {
        value(item, path, inner, inner);
        *item.decor_mut() = Decor::new(before_item(note, inner), "");
    }
    items.set_trailing(before_item(&end, indent));
    items.set_trailing_comma(!items.is_empty());
}

fn flat(items: &mut Array, path: &[&str], column: usize, indent: usize) {
    let mut at = column + 1;
    for (index, item) in items.iter_mut().enumerate() {
        value(item, path, at, indent);
        *item.decor_mut() = Decor::new(if index == 0 { "" } else { " " }, "");
        at += item.to_string().chars().count() + ", ".len();
    }
    items.set_trailing("");
    items.set_trailing_comma(false);
}

/// All comments beside an item that stand with it.
fn around(decor: &Decor) -> String {
    let part = |part: Option<&RawString>| part.map(raw).unwrap_or_default().to_owned();
    let (before, after) = (part(decor.prefix()), part(decor.suffix()));
    // A comment between an item and its comma: rare, and kept in front of the item.
    if after.contains('#') { format!("{before}\n{}\n", after.trim()) } else { before }
}

/// What stands in front of an item on a line of its own: the rest of the line above, and comments.
fn before_item(note: &str, indent: usize) -> String {
    let space = " ".repeat(indent);
    let (above, own) = note.split_once('\n').unwrap_or((note, ""));
    let mut text = String::new();
    if above.contains('#') {
        let above = above.trim_end();
        text.push_str(if above.starts_with('#') { " " } else { "" });
        text.push_str(above);
    }
    for line in own.lines().map(str::trim).filter(|line| !line.is_empty()) {
        text.push('\n');
        text.push_str(&space);
        text.push_str(line);
    }
    text.push('\n');
    text + &space
}

/// `{ a = 1, b = 2 }`; one that its author broke over lines, or that holds comments, stays as it is.
fn inline(table: &mut InlineTable, path: &[&str], column: usize, indent: usize) {
    if is_broken(table) {
        return;
    }
    let mut at = column + "{ ".len();
    let last = table.len().saturating_sub(1);
    for (index, (mut name, value)) in table.iter_mut().enumerate() {
        let is_dotted = matches!(value, Value::InlineTable(inner) if inner.is_dotted());
        if is_dotted {
            continue;
        }
        key(&mut name);
        *name.leaf_decor_mut() = Decor::new(" ", " ");
        at += name.display_repr().chars().count() + " = ".len();
        let path = [path, &[name.get()]].concat();
        self::value(value, &path, at, indent);
        *value.decor_mut() = Decor::new(" ", if index == last { " " } else { "" });
        at += value.to_string().trim().chars().count() + ", ".len();
    }
    table.set_trailing("");
    table.set_trailing_comma(false);
}

fn is_broken(table: &InlineTable) -> bool {
    let dotted =
        table.iter().any(|(_, value)| matches!(value, Value::InlineTable(inner) if inner.is_dotted()));
    let lines = |text: Option<&RawString>| text.map(raw).is_some_and(|text| text.contains(['\n', '#']));
    let around = |decor: &Decor| lines(decor.prefix()) || lines(decor.suffix());
    let keys = || table.iter().filter_map(|(name, _)| table.key(name));
    dotted
        || lines(Some(table.trailing()))
        || keys().any(|key| around(key.leaf_decor()))
        || table.iter().any(|(_, value)| around(value.decor()))
}

fn raw(text: &RawString) -> &str {
    text.as_str().unwrap_or_default()
}
