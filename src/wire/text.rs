//! Names as people and sloppy readers see them: shown, folded, and searched for what cannot be seen.
//!
//! Refuses to decide anything: it only compares and spells. Invariant: text in plain ASCII is never copied.

use std::borrow::Cow;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// How many characters of a name from outside people are shown.
const SHOWN: usize = 64;

/// So much is kept of what the other end calls itself, bytes. Arbitrary: names of clients have some twenty.
const LONGEST_KEPT: usize = 1024;

/// Longer text is not compared with known words. Arbitrary: no reader folds away hundreds of bytes, and folding is the
/// only step here that a hostile text could make slow.
const LONGEST_LOOKALIKE: usize = 512;

/// A name from outside in a form that is safe to show: at most 64 characters of it, and what cannot be seen or would
/// move the cursor escaped as `\u{…}`.
pub fn shown(name: &str) -> String {
    shown_within(name, SHOWN)
}

/// As [`shown`], with room for `limit` characters.
pub fn shown_within(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (index, c) in text.chars().enumerate() {
        if index == limit {
            out.push('…');
            break;
        }
        if is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// What is kept of the name that the other end gives itself, for as long as a session lasts: it may be as long as a
/// frame.
pub fn kept(name: &str) -> &str {
    let end = (0..=name.len().min(LONGEST_KEPT)).rev().find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Whether the text has a character that cannot be seen or that reads as something else: controls, formats,
/// line and paragraph separators, spaces but U+0020, and the default-ignorable characters of Unicode.
pub fn has_invisible(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|b| b.is_ascii_control());
    }
    text.chars().any(is_invisible)
}

/// The text as a careless reader compares it: NFKC, lower-case, without default-ignorable characters, and without
/// NUL, other controls and white space at its ends.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let trimmed = text.trim_matches(is_edge);
        return if trimmed.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(trimmed.to_ascii_lowercase())
        } else {
            Cow::Borrowed(trimmed)
        };
    }
    let folded: String = text
        .chars()
        .filter(|c| !is_ignorable(*c))
        .nfkc()
        .filter(|c| !is_ignorable(*c))
        .flat_map(lower)
        .collect();
    let trimmed = folded.trim_matches(is_edge);
    if trimmed.len() == folded.len() { Cow::Owned(folded) } else { Cow::Owned(trimmed.to_owned()) }
}

/// The one of `known` (which are ASCII) that a careless reader takes `text` for although it is not it. Readers that
/// end a string at NUL are among them.
pub(super) fn lookalike<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&text) {
        return None;
    }
    let cut = text.trim_matches(is_edge).split('\0').next().unwrap_or_default().trim_end_matches(is_edge);
    if cut.len() > LONGEST_LOOKALIKE {
        return None;
    }
    let folded = fold(cut);
    known.iter().copied().find(|known| folded.eq_ignore_ascii_case(known))
}

/// What is trimmed from the ends of a name.
fn is_edge(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Lower-case, where both Turkish letters i count as the plain one: Java compares them so.
fn lower(c: char) -> impl Iterator<Item = char> {
    let c = if matches!(c, 'İ' | 'ı') { 'i' } else { c };
    c.to_lowercase()
}

fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    is_ignorable(c)
        || c == '\u{2800}'
        || matches!(
            get_general_category(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::SpaceSeparator
        )
}

/// `Default_Ignorable_Code_Point` of the Unicode Character Database (DerivedCoreProperties.txt).
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_name_is_cut_at_64_characters() {
        assert_eq!(shown(&"ä".repeat(64)), "ä".repeat(64));
        assert_eq!(shown(&"ä".repeat(65)), "ä".repeat(64) + "…");
    }

    #[test]
    fn a_shown_name_hides_nothing() {
        assert_eq!(shown("a\nb\u{200b}c\u{202e}d\u{1b}"), r"a\u{a}b\u{200b}c\u{202e}d\u{1b}");
    }

    #[test]
    fn invisible_characters_are_found_and_plain_ones_are_not() {
        for text in ["a\u{7f}", "\u{a0}", "x\u{2028}", "x\u{3164}", "\u{85}", "\u{2800}", "\0"] {
            assert!(has_invisible(text), "{text:?}");
        }
        for text in ["", "delete_file ", "löschen", "削除", "a-b/c"] {
            assert!(!has_invisible(text), "{text:?}");
        }
    }

    #[test]
    fn folding_undoes_case_width_and_what_cannot_be_seen() {
        for text in ["NAME", "name\0", " name\t", "nａme", "na\u{200b}me"] {
            assert_eq!(fold(text), "name", "{text:?}");
        }
        assert_eq!(fold("argument\u{17f}"), "arguments");
        assert_eq!(fold("tas\u{212a}"), "task");
        assert_eq!(fold("İd"), "id");
    }

    #[test]
    fn a_word_is_no_lookalike_of_itself() {
        assert_eq!(lookalike("name", &["id", "name"]), None);
        assert_eq!(lookalike("names", &["id", "name"]), None);
        for text in ["Name", "name\0", "name\0x", "ｎame\0x", "\u{feff}name", "name \0", " name"] {
            assert_eq!(lookalike(text, &["id", "name"]), Some("name"), "{text:?}");
        }
        assert_eq!(lookalike("INPUTresponses", &["inputResponses"]), Some("inputResponses"));
    }
}
