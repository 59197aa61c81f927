//! Pieces of text without which a pattern cannot match.
//!
//! It knows regexes only; globs come as those. Invariant: a text that the pattern matches holds, but for the case
//! of ASCII letters, at least one piece of every set that is given for it.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Pieces of which one must be there; in lower case as far as they are ASCII.
pub(super) type Pieces = Vec<Vec<u8>>;

/// More pieces than this in a set say little.
const MOST_PIECES: usize = 16;
/// So many sets are kept of one pattern, the longest.
const MOST_SETS: usize = 4;

/// Sets of pieces for a regex, each enough by itself; none where nothing is required.
pub(super) fn sets(regex: &str) -> Vec<Pieces> {
    let Ok(parsed) = ParserBuilder::new().utf8(false).build().parse(regex) else { return Vec::new() };
    let mut sets = Vec::new();
    gather(&parsed, &mut sets);
    sets.sort_by_key(|set| std::cmp::Reverse(shortest(set)));
    sets.truncate(MOST_SETS);
    sets
}

/// The longest piece that every match of a glob holds, the glob given as its regex.
pub(super) fn longest_of_glob(regex: &str) -> Option<Vec<u8>> {
    sets(regex).into_iter().find_map(|set| <[Vec<u8>; 1]>::try_from(set).ok().map(|[piece]| piece))
}

fn shortest(set: &Pieces) -> usize {
    set.iter().map(Vec::len).min().unwrap_or(0)
}

fn gather(pattern: &Hir, sets: &mut Vec<Pieces>) {
    match pattern.kind() {
        HirKind::Literal(_) => add(literal(pattern).unwrap_or_default(), sets),
        HirKind::Capture(capture) => gather(&capture.sub, sets),
        HirKind::Repetition(repetition) if repetition.min > 0 => gather(&repetition.sub, sets),
        HirKind::Concat(parts) => in_a_row(parts, sets),
        HirKind::Alternation(parts) => sets.extend(one_of(parts)),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) | HirKind::Repetition(_) => {}
    }
}

/// What stands together makes one piece.
fn in_a_row(parts: &[Hir], sets: &mut Vec<Pieces>) {
    let mut run = Vec::new();
    for part in parts {
        if let Some(piece) = literal(part) {
            run.extend(piece);
        } else {
            add(std::mem::take(&mut run), sets);
            gather(part, sets);
        }
    }
    add(run, sets);
}

fn one_of(parts: &[Hir]) -> Option<Pieces> {
    let mut pieces = Pieces::new();
    for part in parts {
        let mut sets = Vec::new();
        gather(part, &mut sets);
        pieces.extend(sets.into_iter().max_by_key(shortest)?);
        if pieces.len() > MOST_PIECES {
            return None;
        }
    }
    Some(pieces)
}

fn add(piece: Vec<u8>, sets: &mut Vec<Pieces>) {
    if !piece.is_empty() {
        sets.push(vec![piece]);
    }
}

/// The only text that the pattern stands for, the case of ASCII letters aside. What has no width stands for the
/// empty text.
fn literal(pattern: &Hir) -> Option<Vec<u8>> {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(Vec::new()),
        HirKind::Literal(literal) => Some(literal.0.to_ascii_lowercase()),
        HirKind::Capture(capture) => literal(&capture.sub),
        HirKind::Class(Class::Unicode(class)) => {
            let ends: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
            letter(&ends)
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ends: Vec<_> =
                class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect();
            letter(&ends)
        }
        HirKind::Repetition(_) | HirKind::Concat(_) | HirKind::Alternation(_) => None,
    }
}

/// The letter whose two cases a class consists of.
fn letter(ranges: &[(char, char)]) -> Option<Vec<u8>> {
    let [(upper, upper_end), (lower, lower_end)] = ranges else { return None };
    let pair = upper == upper_end && lower == lower_end && upper.is_ascii_uppercase();
    (pair && upper.to_ascii_lowercase() == *lower).then(|| lower.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(regex: &str) -> Vec<Vec<String>> {
        let text = |piece: Vec<u8>| String::from_utf8_lossy(&piece).into_owned();
        sets(regex).into_iter().map(|set| set.into_iter().map(text).collect()).collect()
    }

    #[test]
    fn pieces_are_what_a_match_cannot_do_without() {
        assert_eq!(shown(r"\brm\s+-\w*r"), [["rm"], ["-"], ["r"]]);
        assert_eq!(shown(r"(?i)drop\s+table"), [["table"], ["drop"]]);
        assert_eq!(shown("^(cat|hotdog)+x?$"), [["cat", "hotdog"]]);
        assert_eq!(shown("a(b)c"), [["abc"]]);
        for open in ["", "x*", "[ab]c?", "a|", "(a|b*)"] {
            assert!(shown(open).is_empty(), "{open}");
        }
        let glob = globset::GlobBuilder::new("**/se?ret/[ab]*.Pem").literal_separator(true).build().unwrap();
        assert_eq!(shown(glob.regex()), [["ret/"], [".pem"], ["se"]]);
    }

    proptest! {
        #[test]
        fn a_match_holds_a_piece_of_every_set(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("a"), Just("B"), Just("(?i:ab)"), Just("(?i:k)"), Just("(a|bc|)"), Just("(ab|c)+"), Just("."),
                    Just("[ab]"), Just("b*"), Just(r"\b"), Just("c{2}"), Just("(?:ab|B){1,2}"), Just("$"),
                ], 1..6),
            text in "[abcABCK\u{212a}]{0,8}",
        ) {
            let pattern = parts.concat();
            if regex::Regex::new(&pattern).unwrap().is_match(&text) {
                let text = text.to_ascii_lowercase();
                for set in sets(&pattern) {
                    let held = set.iter().any(|piece| memchr::memmem::find(text.as_bytes(), piece).is_some());
                    prop_assert!(held, "{pattern} {text} {set:?}");
                }
            }
        }
    }
}
