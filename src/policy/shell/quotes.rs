//! Words: quotes taken away, expansions found, what is inside substitutions read as commands.
//!
//! It refuses to expand anything. Invariant: each byte is read once at its depth, and where shells would disagree
//! on where something ends, nothing further is read.

use super::cursor::Cursor;
use super::run::substitutes;
use super::script::Shell;
use super::word::{Unknown, Word};
use super::{Doubt, Lexed, ansi};

/// Where an expansion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Outside quotes: its value is split.
    Nothing,
    /// Between double quotes, or in the body of a here-document.
    Quotes,
}

impl Within {
    fn unknown(self) -> Unknown {
        if self == Self::Nothing { Unknown::Any } else { Unknown::Part }
    }
}

impl Shell<'_, '_> {
    /// Reads one word; `None` where none begins here.
    pub(super) fn word(&mut self, cursor: &mut Cursor<'_>) -> Lexed<Option<Word>> {
        let mut word = Word::default();
        cursor.peek();
        let start = cursor.at();
        while let Some(byte) = cursor.peek() {
            match byte {
                b'(' if word.ends_with_equals() => self.array(cursor, &mut word)?,
                b'<' | b'>' if cursor.second() == Some(b'(') => {
                    cursor.bump();
                    cursor.bump();
                    self.substitution(cursor)?;
                    word.gap(Unknown::Part);
                }
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => single(cursor, &mut word)?,
                b'"' => self.double(cursor, &mut word)?,
                b'`' => self.backticks(cursor, &mut word, Within::Nothing)?,
                b'$' => self.dollar(cursor, &mut word, Within::Nothing)?,
                b'\\' => {
                    cursor.bump();
                    word.quote();
                    word.push(cursor.raw_char().ok_or(Doubt::Syntax)?.encode_utf8(&mut [0; 4]));
                }
                b'*' | b'?' | b'[' | b']' | b'{' | b',' | b'.' | b'=' => {
                    cursor.bump();
                    word.push_special(byte.into());
                }
                _ => word.push(cursor.raw_until(|byte| b" \t\n;&|()<>'\"`$\\*?[]{,.=".contains(&byte))),
            }
        }
        Ok((cursor.at() > start).then_some(word))
    }

    /// Reads from an opening double quote to the closing one.
    fn double(&mut self, cursor: &mut Cursor<'_>, word: &mut Word) -> Lexed<()> {
        cursor.bump();
        word.quote();
        loop {
            match cursor.peek().ok_or(Doubt::Syntax)? {
                b'"' => {
                    cursor.bump();
                    return Ok(());
                }
                b'`' => self.backticks(cursor, word, Within::Quotes)?,
                b'$' => self.dollar(cursor, word, Within::Quotes)?,
                b'\\' => escape(cursor, word, b"\"\\$`"),
                _ => word.push(cursor.raw_until(|byte| b"\"`$\\".contains(&byte))),
            }
        }
    }

    /// Reads text in which only expansions mean something: the body of a here-document.
    pub(super) fn expanded(&mut self, text: &str) -> Lexed<Word> {
        let (mut cursor, mut word) = (Cursor::new(text), Word::plain(""));
        while let Some(byte) = cursor.peek() {
            match byte {
                b'`' => self.backticks(&mut cursor, &mut word, Within::Quotes)?,
                b'$' => self.dollar(&mut cursor, &mut word, Within::Quotes)?,
                b'\\' => escape(&mut cursor, &mut word, b"\\$`"),
                _ => word.push(cursor.raw_until(|byte| b"`$\\".contains(&byte))),
            }
        }
        Ok(word)
    }

    /// Reads whatever begins with a dollar.
    pub(super) fn dollar(&mut self, cursor: &mut Cursor<'_>, word: &mut Word, within: Within) -> Lexed<()> {
        let Some(next) = cursor.second() else {
            cursor.bump();
            word.push("$");
            return Ok(());
        };
        cursor.bump();
        match next {
            b'(' => {
                cursor.bump();
                if cursor.eat(b'(') {
                    self.arithmetic(cursor)?;
                } else {
                    self.substitution(cursor)?;
                }
                word.gap(within.unknown());
            }
            b'{' => {
                cursor.bump();
                let several = self.parameter(cursor, within)?;
                word.gap(if several { Unknown::Any } else { within.unknown() });
            }
            b'\'' if within == Within::Nothing => {
                cursor.bump();
                word.quote();
                word.push(&ansi::quoted(cursor)?);
            }
            b'"' if within == Within::Nothing => self.double(cursor, word)?,
            // Arithmetic of old: what is inside is read as what it stands in.
            b'[' => word.gap(within.unknown()),
            b'@' => {
                cursor.bump();
                word.gap(Unknown::Any);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                while cursor.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    cursor.bump();
                }
                word.gap(within.unknown());
            }
            b'0'..=b'9' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' => {
                cursor.bump();
                word.gap(within.unknown());
            }
            _ => word.push("$"),
        }
        Ok(())
    }

    /// Reads to the brace that closes `${`; true where it may give several words even between quotes.
    fn parameter(&mut self, cursor: &mut Cursor<'_>, within: Within) -> Lexed<bool> {
        self.deeper(|shell| {
            let (mut several, mut inner) = (false, Word::default());
            if matches!(cursor.peek(), Some(b' ' | b'\t' | b'\n' | b'|' | b'(')) {
                // In some shells this runs commands in the shell itself.
                return Err(Doubt::Hidden);
            }
            loop {
                match cursor.peek().ok_or(Doubt::Syntax)? {
                    b'}' => {
                        cursor.bump();
                        // `${x:='$(y)'}` sets x to something that other expansions run.
                        if substitutes(inner.text()) {
                            shell.listener.doubt(Doubt::Hidden);
                        }
                        return Ok(several);
                    }
                    b'\\' => {
                        cursor.bump();
                        cursor.raw_char().ok_or(Doubt::Syntax)?;
                    }
                    // Shells disagree on what quotes do here.
                    b'\'' | b'"' if within == Within::Quotes => return Err(Doubt::Hidden),
                    b'\'' => single(cursor, &mut inner)?,
                    b'"' => shell.double(cursor, &mut inner)?,
                    b'`' => shell.backticks(cursor, &mut inner, within)?,
                    b'$' => shell.dollar(cursor, &mut inner, within)?,
                    byte => {
                        several |= matches!(byte, b'@' | b'[' | b'!');
                        cursor.bump_char();
                    }
                }
            }
        })
    }

    /// Reads to the `))` that closes arithmetic, of which only the substitutions matter.
    pub(super) fn arithmetic(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        self.deeper(|shell| {
            let (mut open, mut inner) = (0_usize, Word::default());
            loop {
                match cursor.peek().ok_or(Doubt::Syntax)? {
                    b'(' => {
                        cursor.bump();
                        open += 1;
                    }
                    b')' if open > 0 => {
                        cursor.bump();
                        open -= 1;
                    }
                    b')' => {
                        cursor.bump();
                        // Otherwise some shells begin again and read commands.
                        return if cursor.eat(b')') { Ok(()) } else { Err(Doubt::Hidden) };
                    }
                    b'\'' => return Err(Doubt::Hidden),
                    b'"' => shell.double(cursor, &mut inner)?,
                    b'`' => shell.backticks(cursor, &mut inner, Within::Quotes)?,
                    b'$' => shell.dollar(cursor, &mut inner, Within::Quotes)?,
                    b'\\' => {
                        cursor.bump();
                        cursor.raw_char().ok_or(Doubt::Syntax)?;
                    }
                    _ => cursor.bump_char(),
                }
            }
        })
    }

    /// Reads commands to the parenthesis that closes a substitution.
    fn substitution(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        self.deeper(|shell| shell.nested(cursor))
    }

    /// Reads from a backtick to the next one that is not escaped, and what is between as commands.
    fn backticks(&mut self, cursor: &mut Cursor<'_>, word: &mut Word, within: Within) -> Lexed<()> {
        cursor.bump();
        let mut inside = String::new();
        loop {
            inside.push_str(cursor.raw_until(|byte| byte == b'`' || byte == b'\\'));
            match cursor.raw_char().ok_or(Doubt::Syntax)? {
                '`' => break,
                _ => match cursor.raw() {
                    Some(b'`' | b'\\' | b'$') => inside.extend(cursor.raw_char()),
                    Some(b'"') if within == Within::Quotes => inside.extend(cursor.raw_char()),
                    _ => inside.push('\\'),
                },
            }
        }
        word.gap(within.unknown());
        self.script(&inside);
        Ok(())
    }

    /// Reads the values of an array from its parenthesis on.
    fn array(&mut self, cursor: &mut Cursor<'_>, word: &mut Word) -> Lexed<()> {
        cursor.bump();
        word.gap(Unknown::Part);
        self.deeper(|shell| {
            loop {
                match cursor.peek().ok_or(Doubt::Syntax)? {
                    b' ' | b'\t' | b'\n' => cursor.bump(),
                    b')' => {
                        cursor.bump();
                        return Ok(());
                    }
                    b'#' => {
                        cursor.raw_until(|byte| byte == b'\n');
                    }
                    _ => {
                        shell.word(cursor)?.ok_or(Doubt::Syntax)?;
                    }
                }
            }
        })
    }
}

/// Reads from an opening single quote to the next.
fn single(cursor: &mut Cursor<'_>, word: &mut Word) -> Lexed<()> {
    cursor.bump();
    word.quote();
    word.push(cursor.raw_until(|byte| byte == b'\''));
    cursor.raw_char().ok_or(Doubt::Syntax)?;
    Ok(())
}

/// A backslash where it only escapes these.
fn escape(cursor: &mut Cursor<'_>, word: &mut Word, escaped: &[u8]) {
    cursor.bump();
    match cursor.raw() {
        Some(byte) if escaped.contains(&byte) => {
            cursor.bump_char();
            word.push(char::from(byte).encode_utf8(&mut [0; 4]));
        }
        _ => word.push("\\"),
    }
}
