//! A policy text that is made of several files: `mcp.toml`, then what it includes.
//!
//! The files are joined into one text, each included one after a line that names it. So a revision, the store and
//! every place of a diagnostic know one text, whether or not something is included. It reads no file. Invariant: a
//! text without includes is its own joined text, byte for byte.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What the line in front of an included file begins with.
const MARK: &str = "#:included-by-callgate ";

/// An included file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    /// Where it is, absolute.
    pub path: String,
    /// Where that leads through symbolic links, if elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
}

/// One file of a joined text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is; `None` for `mcp.toml` itself.
    pub file: Option<Included>,
    /// Its text, in bytes of the joined one.
    pub span: Range<usize>,
}

/// Whether a text has a line that only callgate writes: it cannot be joined.
pub fn is_joined(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(MARK))
}

/// Joins `mcp.toml` and the texts that it includes.
pub fn join(main: &str, included: &[(Included, String)]) -> String {
    let mut joined = main.to_owned();
    for (file, text) in included {
        if !joined.ends_with('\n') {
            joined.push('\n');
        }
        // Two strings always serialise.
        let name = serde_json::to_string(file).unwrap_or_default();
        joined.push_str(MARK);
        joined.push_str(&name);
        joined.push('\n');
        joined.push_str(text);
    }
    joined
}

/// The files of a joined text; the first is `mcp.toml`.
pub fn parts(joined: &str) -> Vec<Part> {
    let mut parts = vec![Part { file: None, span: 0..joined.len() }];
    let mut at = 0;
    for line in joined.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let Some(file) = line.strip_prefix(MARK).and_then(|name| serde_json::from_str(name).ok()) else {
            continue;
        };
        if let Some(before) = parts.last_mut() {
            before.span.end = begin;
        }
        parts.push(Part { file: Some(file), span: at..joined.len() });
    }
    parts
}

impl Part {
    /// The file's text where it stands in the joined one: all in front of it is blank, so places stay as they are.
    pub fn in_place<'t>(&self, joined: &'t str) -> Cow<'t, str> {
        let text = self.text(joined);
        if self.span.start == 0 {
            return Cow::Borrowed(text);
        }
        let mut masked = " ".repeat(self.span.start);
        masked.push_str(text);
        Cow::Owned(masked)
    }

    /// The file's text.
    pub fn text<'t>(&self, joined: &'t str) -> &'t str {
        joined.get(self.span.clone()).unwrap_or_default()
    }

    /// The file's path, where it is not `mcp.toml` itself.
    pub fn path(&self) -> Option<&str> {
        self.file.as_ref().map(|file| file.path.as_str())
    }
}

/// The file in which an offset of the joined text lies.
pub fn part_at(joined: &str, offset: usize) -> Part {
    let mut parts = parts(joined);
    let index = parts.partition_point(|part| part.span.start <= offset).saturating_sub(1);
    parts.swap_remove(index)
}

/// The lines of a joined text, each numbered in its file.
#[derive(Debug)]
pub(super) struct Numbered {
    newlines: Vec<usize>,
    parts: Vec<Part>,
}

impl Numbered {
    pub(super) fn of(joined: &str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', joined.as_bytes()).collect();
        Self { newlines, parts: parts(joined) }
    }

    /// The included file in which an offset lies, if it lies in one, and its line there, from 1.
    pub(super) fn place(&self, offset: usize) -> (Option<&str>, usize) {
        let within = self.parts.partition_point(|part| part.span.start <= offset).saturating_sub(1);
        let part = self.parts.get(within);
        let line = self.line(offset) - part.map_or(0, |part| self.line(part.span.start)) + 1;
        (part.and_then(Part::path), line)
    }

    fn line(&self, offset: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str) -> Included {
        Included { path: path.to_owned(), leads_to: None }
    }

    #[test]
    fn each_offset_lies_in_its_file() {
        let joined =
            join("a = 1", &[(file("/x \"y\"\n.toml"), "b = 2\n".into()), (file("/z"), String::new())]);
        let found = parts(&joined);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].text(&joined), "a = 1\n");
        assert_eq!(found[1].text(&joined), "b = 2\n");
        assert_eq!(found[1].path(), Some("/x \"y\"\n.toml"));
        assert_eq!(part_at(&joined, joined.find("b = 2").unwrap() + 2), found[1]);
        assert_eq!(part_at(&joined, joined.len()), found[2]);
        assert_eq!(found[1].in_place(&joined).find('b'), joined.find("b = 2"));
        assert!(is_joined(&joined));
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart_as_it_was(
            main in "[a-z#\n]{0,20}", texts in prop::collection::vec("[a-z#\n]{0,20}", 0..4),
        ) {
            let named = |index: usize| Included { path: format!("/{index}"), leads_to: Some("/é".into()) };
            let included: Vec<_> =
                texts.iter().enumerate().map(|(index, text)| (named(index), text.clone())).collect();
            let joined = join(&main, &included);
            let found = parts(&joined);
            prop_assert_eq!(found.len(), included.len() + 1);
            prop_assert_eq!(found[0].text(&joined).trim_end_matches('\n'), main.trim_end_matches('\n'));
            for (part, (file, text)) in found[1..].iter().zip(&included) {
                prop_assert_eq!(part.file.as_ref(), Some(file));
                prop_assert_eq!(part.text(&joined).trim_end_matches('\n'), text.trim_end_matches('\n'));
            }
        }
    }
}
