//! The source of a policy without the values that are nobody's business.
//!
//! Only values go, in place: lines stay where they were. It does not check the file. Invariant: a source that is
//! not TOML comes back as it is, for the patterns to look at.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::secrets::{is_telling, is_telling_flag};
use super::{Redactor, quoted};
use crate::policy::parts;

/// Tables whose values all go.
const PRIVATE: &[&str] = &["env", "headers"];
/// Addresses, whose whole value goes when it has a user or a query.
const ADDRESSES: &[&str] = &["url", "webhook", "webhook_url"];

/// Names of environment variables are no secrets.
const NAMES: &str = "headers_env";
/// The same of single ones: `secret_env`, `url_env`.
const NAMED: &str = "_env";

/// Each file of a joined text on its own: together they need not be TOML. The lines that name them stay.
pub(super) fn cleaned_parts(redactor: &Redactor, joined: &str) -> String {
    let (mut clean, mut from) = (String::with_capacity(joined.len()), 0);
    for part in parts(joined) {
        clean.push_str(joined.get(from..part.span.start).unwrap_or_default());
        clean.push_str(&cleaned(redactor, part.text(joined)));
        from = part.span.end;
    }
    clean
}

/// The source without those values and, between them, without what looks like a secret.
fn cleaned(redactor: &Redactor, toml: &str) -> String {
    let Ok(table) = DeTable::parse(toml) else { return redactor.prose(toml) };
    let mut spans = Vec::new();
    in_table(table.get_ref(), Reach::Named, &mut spans);
    spans.sort_by_key(|(span, _)| span.start);
    let named = spans.iter().filter(|(_, reach)| *reach != Reach::Named);
    let clean = rebuilt(redactor, toml, named, Redactor::prose);
    if DeTable::parse(&clean).is_ok() {
        return clean;
    }
    // `"/token" = { … }` looks like a name and its secret and is a condition, which the store's text is asked about
    // again. Value by value and word by word the text stays TOML.
    let words = rebuilt(redactor, toml, spans.iter(), words);
    if DeTable::parse(&words).is_ok() { words } else { clean }
}

/// The text with what becomes of these values, and `rest` of what stands between them.
fn rebuilt<'s>(
    redactor: &Redactor,
    toml: &str,
    spans: impl Iterator<Item = &'s (Range<usize>, Reach)>,
    rest: fn(&Redactor, &str) -> String,
) -> String {
    let part = |range: Range<usize>| toml.get(range).unwrap_or_default();
    let (mut clean, mut from) = (String::with_capacity(toml.len()), 0);
    for (span, reach) in spans {
        clean.push_str(&rest(redactor, part(from..span.start)));
        from = span.end;
        match reach {
            Reach::All => clean.push_str(&quoted(&redactor.placeholder("value", part(span.clone())))),
            Reach::Path => clean.push_str(&quoted(&without_path(redactor, part(span.clone())))),
            Reach::Named => clean.push_str(&redactor.prose(part(span.clone()))),
            Reach::Nothing => clean.push_str(part(span.clone())),
        }
    }
    clean + &rest(redactor, part(from..toml.len()))
}

/// `https://host/…`, of a value with its quotes.
fn without_path(redactor: &Redactor, value: &str) -> String {
    let address = value.trim_matches(['"', '\'']);
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map(|at| host + at);
    match end.and_then(|end| address.get(..end)) {
        Some(origin) => format!("{origin}/{}", redactor.placeholder("value", value)),
        None => address.to_owned(),
    }
}

/// What stands between values: keys and brackets one by one, comments as a whole.
fn words(redactor: &Redactor, text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find('#').unwrap_or(line.len()));
        for word in code.split_inclusive(|c: char| c.is_whitespace() || "=[]{},".contains(c)) {
            clean.push_str(&redactor.prose(word));
        }
        clean.push_str(&redactor.prose(comment));
    }
    clean
}

/// What goes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What a name says is a secret, or what looks like one.
    Named,
    /// All of it.
    All,
    /// What follows the host of an address, so that it stays one.
    Path,
    /// Nothing, whatever it looks like.
    Nothing,
}

/// Values, and what becomes of them.
type Spans = Vec<(Range<usize>, Reach)>;

fn in_table(table: &DeTable<'_>, reach: Reach, spans: &mut Spans) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let reach = match reach {
            Reach::Named if name == NAMES || is_variable(name, value.get_ref()) => Reach::Nothing,
            // Where alerts go: the path of a webhook is its key.
            Reach::Named if name == "url" && table.contains_key("kind") => Reach::Path,
            Reach::Named if PRIVATE.contains(&name) || is_secret(name, value.get_ref()) => Reach::All,
            Reach::Named | Reach::All | Reach::Path | Reach::Nothing => reach,
        };
        in_value(value, reach, spans);
    }
}

fn is_variable(name: &str, value: &DeValue<'_>) -> bool {
    let DeValue::String(text) = value else { return false };
    name.ends_with(NAMED) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_secret(name: &str, value: &DeValue<'_>) -> bool {
    let DeValue::String(text) = value else { return false };
    is_telling(name) || (ADDRESSES.contains(&name) && text.contains(['?', '@']))
}

fn in_value(value: &Spanned<DeValue<'_>>, reach: Reach, spans: &mut Spans) {
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, reach, spans),
        DeValue::Array(values) => {
            let mut flagged = false;
            for value in values {
                in_value(value, if flagged { Reach::All } else { reach }, spans);
                flagged = matches!(value.get_ref(), DeValue::String(word) if is_telling_flag(word));
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {
            spans.push((value.span(), reach));
        }
    }
}
