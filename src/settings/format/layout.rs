//! Lines: tables and their headers, keys, comments, blank lines and indentation.
//!
//! Comments stay with what they stand in front of. Invariant: at most one blank line in a row, exactly one or more
//! comments and one blank line in front of a header.

use toml_edit::{Decor, Item, KeyMut, RawString, Table, Value};

use super::{order, value};

/// Spaces for one level.
const STEP: usize = 2;

/// Lays out a table that has a header, or the document.
pub(super) fn table(table: &mut Table, path: &[&str]) {
    if let Some(order) = order::of_keys(path) {
        table.sort_values_by(|a, _, b, _| order::rank(order, a).cmp(&order::rank(order, b)));
    }
    let mut first = true;
    for (mut key, item) in table.iter_mut() {
        let name = key.get().to_owned();
        let path = [path, &[name.as_str()]].concat();
        match item {
            Item::None => {}
            Item::Value(value) => {
                entry(&mut key, value, &path, first);
                first = false;
            }
            Item::Table(inner) if inner.is_dotted() => {
                dotted(inner, &path);
                first = false;
            }
            Item::Table(inner) => {
                header(inner, &path);
                self::table(inner, &path);
            }
            Item::ArrayOfTables(tables) => {
                for inner in tables.iter_mut() {
                    header(inner, &path);
                    self::table(inner, &path);
                }
            }
        }
    }
}

/// Comments in front of something that begins a line, each on a line of its own, and its indentation.
pub(super) fn comments(text: &str, indent: usize) -> String {
    joined(&lines(text), indent)
}

/// How far the lines of the table at a path are indented: what belongs to a rule stands below it.
fn indent(path: &[&str]) -> usize {
    match path.first() {
        Some(&("rule" | "label" | "tool")) => STEP * path.len().saturating_sub(1),
        _ => 0,
    }
}

fn header(table: &mut Table, path: &[&str]) {
    let indent = indent(path);
    let decor = table.decor_mut();
    let mut lines = lines(prefix(decor));
    // A comment that a blank line follows may belong to what stands above.
    if !lines.iter().any(String::is_empty) {
        lines.insert(0, String::new());
    }
    let after = trailing(decor);
    *decor = Decor::new(joined(&lines, indent), after);
}

fn entry(key: &mut KeyMut<'_>, value: &mut Value, path: &[&str], first: bool) {
    let indent = indent(path.split_last().map_or(&[], |(_, table)| table));
    let mut lines = lines(prefix(key.leaf_decor()));
    while first && lines.first().is_some_and(String::is_empty) {
        lines.remove(0);
    }
    let before = joined(&lines, indent);
    let after = trailing(value.decor());
    value::key(key);
    *key.leaf_decor_mut() = Decor::new(before, " ");
    let column = indent + key.display_repr().chars().count() + " = ".len();
    value::value(value, path, column, indent);
    *value.decor_mut() = Decor::new(" ", after);
}

/// Keys with dots stay as they are written; their values do not.
fn dotted(table: &mut Table, path: &[&str]) {
    for (key, item) in table.iter_mut() {
        let path = [path, &[key.get()]].concat();
        match item {
            Item::Value(value) => {
                let after = trailing(value.decor());
                value::value(value, &path, 0, 0);
                *value.decor_mut() = Decor::new(" ", after);
            }
            Item::Table(inner) => dotted(inner, &path),
            Item::None | Item::ArrayOfTables(_) => {}
        }
    }
}

fn prefix(decor: &Decor) -> &str {
    decor.prefix().and_then(RawString::as_str).unwrap_or_default()
}

/// A comment at the end of a line, as far from the value as its author put it.
fn trailing(decor: &Decor) -> String {
    let text = decor.suffix().and_then(RawString::as_str).unwrap_or_default().trim_end();
    if text.starts_with('#') { format!(" {text}") } else { text.to_owned() }
}

/// Comments and blank lines, none of them twice in a row; the last line is what they stand in front of.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.split('\n').map(|line| line.trim().to_owned()).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines
}

fn joined(lines: &[String], indent: usize) -> String {
    let space = " ".repeat(indent);
    let mut text = String::new();
    for line in lines {
        if !line.is_empty() {
            text.push_str(&space);
            text.push_str(line);
        }
        text.push('\n');
    }
    text + &space
}
