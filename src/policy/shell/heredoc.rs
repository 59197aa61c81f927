//! Here-documents: their delimiters and their bodies.
//!
//! It refuses the cases in which shells differ on where a body ends. Invariant: a line is looked at once.

use super::cursor::Cursor;
use super::{Doubt, Lexed};

/// A here-document whose body is still to come.
#[derive(Debug)]
pub(super) struct HereDoc {
    delimiter: String,
    /// Whether the delimiter is quoted: nothing in the body is expanded.
    pub(super) literal: bool,
    /// `<<-`: tabs in front of a line do not count.
    tabs: bool,
    /// What it is read as.
    pub(super) reader: Reader,
}

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// It is another descriptor.
    Elsewhere,
    /// It is the standard input of its command.
    Input,
    /// The same, and its command runs it.
    Script,
}

impl HereDoc {
    /// Reads what stands behind `<<`.
    pub(super) fn named(cursor: &mut Cursor<'_>, reader: Reader) -> Lexed<Self> {
        let tabs = cursor.eat(b'-');
        cursor.skip_blanks();
        let (mut delimiter, mut literal) = (String::new(), false);
        cursor.peek();
        let start = cursor.at();
        while let Some(byte) = cursor.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'$' | b'`' => return Err(Doubt::Hidden),
                b'\'' | b'"' => {
                    cursor.bump();
                    literal = true;
                    let quoted = cursor.raw_until(|end| end == byte);
                    cursor.raw_char().ok_or(Doubt::Syntax)?;
                    if quoted.contains(['\n', '\\', '$', '`']) {
                        return Err(Doubt::Hidden);
                    }
                    delimiter.push_str(quoted);
                }
                b'\\' => {
                    cursor.bump();
                    literal = true;
                    delimiter.push(cursor.raw_char().ok_or(Doubt::Syntax)?);
                }
                _ => delimiter.push_str(cursor.raw_until(|byte| b" \t\n;&|()<>'\"`$\\".contains(&byte))),
            }
        }
        if cursor.at() == start {
            return Err(Doubt::Syntax);
        }
        Ok(Self { delimiter, literal, tabs, reader })
    }

    /// Reads the body, which begins here, and the line that ends it.
    pub(super) fn body(&self, cursor: &mut Cursor<'_>) -> Lexed<String> {
        let (mut body, mut continued) = (String::new(), false);
        loop {
            let mut line = cursor.raw_until(|byte| byte == b'\n');
            if self.tabs {
                line = line.trim_start_matches('\t');
            }
            let ended = cursor.raw_char().is_none();
            if line == self.delimiter {
                return if continued { Err(Doubt::Hidden) } else { Ok(body) };
            }
            if ended {
                return Err(Doubt::Syntax);
            }
            body.push_str(line);
            body.push('\n');
            continued = !self.literal && continues(line);
            let joined = line.strip_suffix('\\').unwrap_or(line);
            if continued && self.delimiter.starts_with(joined) {
                // With the next line it may be the delimiter, in some shells.
                return Err(Doubt::Hidden);
            }
        }
    }
}

/// Whether an odd number of backslashes ends the line.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}
