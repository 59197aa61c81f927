//! A fault or a note about a policy file, with its place in the text.
//!
//! A diagnostic is data for people, never an error type, and it refuses to carry secrets: a quoted line from
//! below an `env` or `headers_env` key is shown with its strings masked. Invariant: rendering never fails,
//! whatever the span and the source.

mod line;

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Value, json};

use line::Shown;

use super::parts::part_at;

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Fault,
    /// The file can be used; the author may want to know.
    Note,
}

impl Severity {
    /// The word in front of the message and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "error",
            Self::Note => "note",
        }
    }
}

/// One thing to say about a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can be used.
    pub severity: Severity,
    /// What is the matter: a lower-case fragment, user text in backticks.
    pub message: String,
    /// Where, in bytes of the source.
    pub span: Range<usize>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a text as editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset in the file of a joined text in which it lies.
    pub fn in_file(joined: &str, offset: usize) -> Self {
        let part = part_at(joined, offset);
        Self::of(part.text(joined), offset.saturating_sub(part.span.start))
    }

    /// The place of a byte offset; offsets beyond the text are its end, offsets inside a character its start.
    pub fn of(source: &str, offset: usize) -> Self {
        let before = line::upto(source, offset);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line, column: before.get(start..).map_or(0, |text| text.chars().count()) + 1 }
    }
}

/// What to print around the parts of a diagnostic, each `[before, after]`: the place for terminal colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paint {
    /// Around `error` and the carets of a fault.
    pub fault: [String; 2],
    /// Around `note` and the carets of a note.
    pub note: [String; 2],
    /// Around the message.
    pub message: [String; 2],
    /// Around line numbers, arrows and bars.
    pub frame: [String; 2],
}

impl Diagnostic {
    /// A fault without a hint.
    pub fn fault(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fault, message: message.into(), span, hint: None }
    }

    /// A note without a hint.
    pub fn note(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, message: message.into(), span, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where it begins, in the file in which that is.
    pub fn place(&self, source: &str) -> Place {
        Place::in_file(source, self.span.start)
    }

    /// The diagnostic as people read it, in plain text, ending in a newline.
    pub fn render(&self, path: &str, source: &str) -> String {
        self.render_with(path, source, &Paint::default())
    }

    /// The diagnostic as people read it, its parts wrapped by `paint`, ending in a newline.
    pub fn render_with(&self, path: &str, source: &str, paint: &Paint) -> String {
        let place = self.place(source);
        let part = part_at(source, self.span.start);
        let path = part.path().unwrap_or(path);
        let shown = Shown::of(source, &self.span);
        let accent = match self.severity {
            Severity::Fault => &paint.fault,
            Severity::Note => &paint.note,
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let bar = wrap(&paint.frame, "|");
        let word = wrap(accent, self.severity.as_str());
        let message = wrap(&paint.message, &format!(": {}", line::printable(&self.message)));
        let arrow = wrap(&paint.frame, "-->");
        let row = format!("{} {bar} {}", wrap(&paint.frame, &number), shown.text);
        let carets = wrap(accent, &"^".repeat(shown.carets));
        // Writing to a string cannot fail.
        let mut out = format!("{word}{message}\n");
        let _ = writeln!(out, "{margin}{arrow} {}:{number}:{}", line::printable(path), place.column);
        let _ = writeln!(out, "{margin} {bar}");
        let _ = writeln!(out, "{}", row.trim_end());
        let _ = writeln!(out, "{margin} {bar} {}{carets}", " ".repeat(shown.indent));
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{margin} {} help: {}", wrap(&paint.frame, "="), line::printable(hint));
        }
        out
    }

    /// The diagnostic as scripts read it: `severity`, `message`, `file` (null for the main one), `line`, `column`,
    /// `end` and `hint`.
    pub fn to_json(&self, source: &str) -> Value {
        let start = self.place(source);
        let end = Place::in_file(source, self.span.end.max(self.span.start));
        json!({
            "file": part_at(source, self.span.start).path(),
            "severity": self.severity.as_str(),
            "message": self.message,
            "line": start.line,
            "column": start.column,
            "end": { "line": end.line, "column": end.column },
            "hint": self.hint,
        })
    }
}

fn wrap([before, after]: &[String; 2], text: &str) -> String {
    format!("{before}{text}{after}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diagnostic_shows_its_line_a_caret_and_a_hint() {
        let source = "version = 1\ntoolz = [\"write_file\"]\n";
        let diagnostic =
            Diagnostic::fault(12..17, "unknown key `toolz` in [[rule]] 2").with_hint("did you mean `tools`?");
        assert_eq!(
            diagnostic.render("mcp.toml", source),
            "error: unknown key `toolz` in [[rule]] 2\n --> mcp.toml:2:1\n  |\n2 | toolz = [\"write_file\"]\n  | ^^^^^\n  = help: did you mean `tools`?\n"
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(Place::of("è = \"x\"", 3), Place { line: 1, column: 3 });
        assert_eq!(Place::of("a\nb", 99), Place { line: 2, column: 2 });
    }

    #[test]
    fn tabs_and_wide_characters_keep_the_caret_in_place() {
        let rendered = Diagnostic::fault(7..8, "x").render("f", "\tä漢 = 1");
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[3], "1 |     ä漢 = 1");
        assert_eq!(lines[4], "  |         ^");
    }

    #[test]
    fn a_long_line_is_shown_around_the_fault() {
        let source = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let rendered = Diagnostic::fault(500..504, "x").render("f", &source);
        let lines: Vec<&str> = rendered.lines().collect();
        assert!(lines[3].chars().count() < 180, "{rendered}");
        let caret = lines[4].find('^').unwrap();
        assert_eq!(lines[3].chars().skip(caret).take(4).collect::<String>(), "HERE");
    }

    #[test]
    fn strings_under_an_environment_are_never_echoed() {
        let inline = "servers.a = { command = \"x\", env = { T = \"hunter2\", B = 3 } }";
        let table = "[servers.a.env]\nT = \"hunter2\"\nB = 'hunter2\n";
        let lines = "[servers.a]\nenv = {\n  T = \"hunter2\",\n B = hunter2\n}\n";
        for source in [inline, table, lines] {
            for start in 0..source.len() {
                let rendered = Diagnostic::fault(start..start + 1, "x").render("f", source);
                assert!(!rendered.contains("hunter2"), "{rendered}");
            }
        }
    }

    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let rendered =
            Diagnostic::fault(0..1, "bad\u{202e}\u{1b}[31m").render("f", "a = \"\u{1b}]0;x\u{202e}\"");
        assert!(!rendered.contains(['\u{1b}', '\u{202e}']), "{rendered}");
    }

    proptest! {
        #[test]
        fn rendering_never_fails(source in ".{0,80}(\n.{0,80}){0,3}", start in 0usize..300, length in 0usize..300) {
            let diagnostic = Diagnostic::fault(start..start + length, "x").with_hint("y");
            prop_assert!(diagnostic.render("f", &source).ends_with('\n'));
            prop_assert!(diagnostic.to_json(&source).is_object());
        }
    }
}
