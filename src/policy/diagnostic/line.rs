//! The one source line that a diagnostic shows: masked, made printable, and cut to fit.
//!
//! It refuses to hand out a string below an `env` or `headers_env` key. The scan is lexical, because the file
//! that needs a diagnostic is often one that does not parse. Invariant: `indent` and `carets` count terminal
//! columns of `text`.

use std::ops::Range;

use unicode_general_category::{GeneralCategory, get_general_category};

/// Longer lines are windowed around the fault.
const WIDEST: usize = 160;
/// Columns of context kept in front of the fault on a windowed line.
const LEAD: usize = 60;
const TAB: &str = "    ";

/// A line ready to print, and where the carets go below it.
pub(super) struct Shown {
    pub text: String,
    pub indent: usize,
    pub carets: usize,
}

impl Shown {
    /// The line in which `span` starts.
    pub fn of(source: &str, span: &Range<usize>) -> Self {
        let before = upto(source, span.start);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = source.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let from = before.len() - start;
        let to = span.end.saturating_sub(start).min(line.len()).max(from);
        let masked = mask_credentials(&mask(source, start, line));
        Self::cut(&cells(&masked), from, to)
    }

    fn cut(cells: &[Cell], from: usize, to: usize) -> Self {
        let width = |cells: &[Cell]| cells.iter().map(|cell| cell.width).sum::<usize>();
        let first = cells.partition_point(|cell| cell.offset < from);
        let last = cells.partition_point(|cell| cell.offset < to).max(first);
        let (head, tail) = cells.split_at(first);
        let body = tail.get(..last - first).unwrap_or_default();
        if width(cells) <= WIDEST {
            let text = cells.iter().map(|cell| cell.text.as_str()).collect();
            return Self { text, indent: width(head), carets: width(body).max(1) };
        }
        let lead = head.get(head.len().saturating_sub(LEAD)..).unwrap_or_default();
        let shown = tail.get(..tail.len().min(WIDEST - LEAD)).unwrap_or_default();
        let left = if lead.len() < head.len() { "…" } else { "" };
        let right = if shown.len() < tail.len() { "…" } else { "" };
        let text: String = lead.iter().chain(shown).map(|cell| cell.text.as_str()).collect();
        let carets = width(body.get(..body.len().min(shown.len())).unwrap_or_default()).max(1);
        Self { text: format!("{left}{text}{right}"), indent: left.chars().count() + width(lead), carets }
    }
}

/// The text before a byte offset, moved back to the start of a character and never beyond the end.
pub(super) fn upto(source: &str, offset: usize) -> &str {
    let end = (0..=offset.min(source.len())).rev().find(|end| source.is_char_boundary(*end));
    source.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The text with control and invisible characters spelled out.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(spell).collect()
}

struct Cell {
    offset: usize,
    text: String,
    width: usize,
}

fn cells(line: &str) -> Vec<Cell> {
    line.char_indices()
        .map(|(offset, character)| {
            let text = if character == '\t' { TAB.to_owned() } else { spell(character) };
            let width = text.chars().map(columns).sum();
            Cell { offset, text, width }
        })
        .collect()
}

fn spell(character: char) -> String {
    use GeneralCategory as C;
    let unseen = matches!(
        get_general_category(character),
        C::Control | C::Format | C::LineSeparator | C::ParagraphSeparator | C::PrivateUse | C::Unassigned
    );
    if unseen { character.escape_unicode().to_string() } else { character.to_string() }
}

/// Terminal columns: marks take none, East Asian wide characters and emoji two.
fn columns(character: char) -> usize {
    use GeneralCategory as C;
    if matches!(get_general_category(character), C::NonspacingMark | C::EnclosingMark) {
        return 0;
    }
    let wide = matches!(u32::from(character),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
        | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    if wide { 2 } else { 1 }
}

/// The line with everything masked that may be a secret. Same length in bytes.
fn mask(source: &str, start: usize, line: &str) -> String {
    match (state_after(source.get(..start).unwrap_or_default()), environment_key(line)) {
        (State::InString, _) => "*".repeat(line.len()),
        (State::InEnvironment, _) => mask_values(line),
        (State::Elsewhere, None) => line.to_owned(),
        (State::Elsewhere, Some(at)) => {
            let (clear, secret) = line.split_at(at);
            format!("{clear}{}", mask_values(secret))
        }
    }
}

/// What the lines so far leave open for the next one.
enum State {
    Elsewhere,
    InEnvironment,
    InString,
}

fn state_after(before: &str) -> State {
    let (mut section, mut depth, mut string) = (false, 0_usize, false);
    for line in before.lines() {
        if line.trim_start().starts_with('[') && depth == 0 && !string {
            section = environment_key(line).is_some();
        } else if section || depth > 0 || string || environment_key(line).is_some() {
            // An unclosed brace or string keeps the mask on: too much is hidden rather than too little.
            let count = |wanted: &str| line.matches(wanted).count();
            depth = (depth + count("{")).saturating_sub(count("}"));
            string ^= (count("\"\"\"") + count("'''")) % 2 == 1;
        }
    }
    match (string, section || depth > 0) {
        (true, _) => State::InString,
        (false, true) => State::InEnvironment,
        (false, false) => State::Elsewhere,
    }
}

/// Where `env` or `headers_env` stands on the line as a part of a key, just behind it.
fn environment_key(line: &str) -> Option<usize> {
    line.match_indices("env").find_map(|(at, word)| {
        let before = line.get(..at).unwrap_or_default();
        let before = before.strip_suffix("headers_").unwrap_or(before);
        let after = line.get(at + word.len()..).unwrap_or_default();
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let rest = after.trim_start_matches(['"', '\'']).trim_start();
        let ends = rest.is_empty() || rest.starts_with(['=', '.', ']']);
        (starts && ends).then_some(at + word.len())
    })
}

/// Masks what stands between `://` and `@`. Same length in bytes.
fn mask_credentials(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(['/', '"', '\'', ' ', '?', '#']).unwrap_or(after.len());
        let (host, tail) = after.split_at(end);
        let hidden = host.rfind('@').unwrap_or(0);
        out.push_str(before);
        out.push_str("://");
        out.push_str(&"*".repeat(hidden));
        out.push_str(host.get(hidden..).unwrap_or_default());
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Masks quoted text, and what stands bare behind an `=`: keys and punctuation stay.
fn mask_values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let header = text.trim_start().starts_with('[') && text.trim_end().ends_with(']');
    let (mut quote, mut value, mut escaped) = (None, !header && !text.contains('='), false);
    for character in text.chars() {
        let edge = !escaped && (quote == Some(character) || quote.is_none() && "\"'".contains(character));
        let hide = !edge && (quote.is_some() || value && !"{}[],= \t".contains(character));
        match (quote, character) {
            _ if edge => quote = if quote.is_some() { None } else { Some(character) },
            (None, '=') => value = true,
            (None, ',' | '{') => value = false,
            _ => {}
        }
        escaped = !escaped && quote == Some('"') && character == '\\';
        if hide { out.extend(std::iter::repeat_n('*', character.len_utf8())) } else { out.push(character) }
    }
    out
}
