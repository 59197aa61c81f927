//! A text as one kind of server cuts it into words.
//!
//! It builds nothing: each token is a few words of memory, and none looks back. What no server is known to read
//! in one clear way marks the whole reading. Invariant: each byte is looked at a bounded number of times.

use super::dialect::{Escapes, Executable, Lexis};
use super::word::Word;

/// A piece of SQL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'t> {
    /// A bare word: a keyword, a name, a variable.
    Word(Word<'t>),
    /// A quoted name, without its quotes; in MySQL, `"…"` may be a string.
    Quoted(&'t str),
    /// A string.
    Text,
    /// A number.
    Number,
    /// Any other byte.
    Punct(u8),
    /// What parts statements: `;`, `GO`, `/` on a line of its own.
    Separator,
    /// The end.
    End,
}

impl Token<'_> {
    /// Whether it is this keyword, given in lower case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        if let Self::Word(word) = self { word.is(keyword) } else { false }
    }

    /// Whether it is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(super) fn is_punct(&self, byte: u8) -> bool {
        matches!(self, Self::Punct(other) if *other == byte)
    }

    /// Whether a statement is over here.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::Separator | Self::End)
    }
}

/// Cuts one text by one set of rules.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // what the characters so far mean for the next ones
pub(super) struct Lexer<'t> {
    pub(super) text: &'t str,
    /// Where the next token may begin; always between two characters.
    pub(super) at: usize,
    pub(super) lexis: Lexis,
    /// Whether nothing but white space stood in the line so far.
    fresh: bool,
    /// Inside `/*! … */`, read as code.
    in_code_comment: bool,
    /// Whether the last token was `E'…'`.
    after_escape_string: bool,
    /// Whether something cannot be read in one clear way.
    pub(super) unclear: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, lexis: Lexis) -> Self {
        Self {
            text,
            at: 0,
            lexis,
            fresh: true,
            in_code_comment: false,
            after_escape_string: false,
            // Some servers stop reading there.
            unclear: text.contains('\0'),
        }
    }

    /// The next token; [`Token::End`] for ever after the last.
    pub(super) fn next(&mut self) -> Token<'t> {
        self.skip_blank();
        let Some(byte) = self.peek(0) else {
            self.unclear |= self.in_code_comment;
            return Token::End;
        };
        let escape_string = std::mem::take(&mut self.after_escape_string);
        let token = self.token(byte);
        // PostgreSQL goes on with the escapes of an `E'…'` in a string on the next line.
        self.unclear |= escape_string && byte == b'\'';
        self.fresh = false;
        token
    }

    fn token(&mut self, byte: u8) -> Token<'t> {
        match byte {
            b'\'' | b'"' if self.lexis.triple && self.rest_starts_with(&[byte; 3]) => {
                self.triple(byte);
                Token::Text
            }
            b'\'' => {
                self.quoted(byte, self.lexis.backslash != Escapes::None);
                Token::Text
            }
            b'"' => Token::Quoted(self.quoted(byte, self.lexis.backslash == Escapes::All)),
            b'`' if self.lexis.backticks => {
                let name = self.quoted(byte, false);
                // BigQuery alone escapes there.
                self.unclear |= name.contains('\\');
                Token::Quoted(name)
            }
            b'[' if self.brackets() => Token::Quoted(self.bracketed()),
            b'$' if self.dollar_quoted() => Token::Text,
            b'0'..=b'9' => self.number(),
            _ if self.word_length() > 0 => self.word(),
            _ => self.punctuation(byte),
        }
    }

    fn punctuation(&mut self, byte: u8) -> Token<'t> {
        self.at += 1;
        match byte {
            b';' => Token::Separator,
            b'/' if self.fresh && self.line_ends(&[]) => Token::Separator,
            // Commands of interactive clients: `\! ls` stands anywhere, `!! dir` at the start of a line.
            b'\\' => {
                self.unclear = true;
                Token::Punct(byte)
            }
            b'!' => {
                self.unclear |= self.fresh;
                Token::Punct(byte)
            }
            _ => Token::Punct(byte),
        }
    }

    /// White space and comments.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => {
                    self.fresh = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                0..=0x1f | 0x7f => {
                    self.unclear = true;
                    self.at += 1;
                }
                b'-' | b'#' | b'/' | b'*' => {
                    if !self.comment(byte) {
                        return;
                    }
                }
                0x80.. => match self.odd_blank() {
                    Some(length) => {
                        self.unclear = true;
                        self.at += length;
                    }
                    None => return,
                },
                _ => return,
            }
        }
    }

    /// The length of a character that is white space, or nothing, to some servers and part of a name to others.
    fn odd_blank(&self) -> Option<usize> {
        let first = self.text.get(self.at..)?.chars().next()?;
        is_odd(first).then_some(first.len_utf8())
    }

    fn comment(&mut self, byte: u8) -> bool {
        match (byte, self.peek(1)) {
            (b'-', Some(b'-')) => {
                let begins = !self.lexis.dashes_need_space || self.peek(2).is_none_or(|byte| byte <= b' ');
                begins && self.line_comment()
            }
            (b'#', _) => self.lexis.hash && self.line_comment(),
            (b'/', Some(b'/')) => self.lexis.slashes && self.line_comment(),
            (b'/', Some(b'*')) => self.long_comment(),
            (b'*', Some(b'/')) if self.in_code_comment => {
                self.in_code_comment = false;
                self.at += 2;
                true
            }
            // `2*/* two */3` is a product; any other `*/` ends a comment that only some servers saw begin.
            (b'*', Some(b'/')) if self.peek(2) != Some(b'*') => {
                self.unclear = true;
                self.at += 2;
                true
            }
            _ => false,
        }
    }

    fn line_comment(&mut self) -> bool {
        let line = self.line();
        let text = line.strip_suffix('\r').unwrap_or(line);
        // Some servers end a line there.
        self.unclear |= text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']);
        self.at += line.len();
        true
    }

    fn long_comment(&mut self) -> bool {
        let version = match (self.peek(2), self.peek(3)) {
            (Some(b'!'), _) => Some(3),
            (Some(b'M' | b'm'), Some(b'!')) => Some(4),
            _ => None,
        };
        match (version, self.lexis.executable) {
            (Some(mark), Executable::Code) => {
                self.at += mark;
                while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                    self.at += 1;
                }
                self.in_code_comment = true;
            }
            (Some(_), Executable::Nested) => self.skip_comment(true),
            (Some(_), Executable::Comment) | (None, _) => self.skip_comment(self.lexis.nested),
        }
        true
    }

    fn word(&mut self) -> Token<'t> {
        let fresh = self.fresh;
        let text = self.text.get(self.at..self.at + self.word_length()).unwrap_or_default();
        self.at += text.len();
        if let Some(token) = self.prefixed(text) {
            return token;
        }
        if fresh && text.eq_ignore_ascii_case("go") && self.line_ends(b"0123456789") {
            return Token::Separator;
        }
        Token::Word(Word::of(text))
    }

    /// The string or name that a word in front changes: `E'…'`, `q'[…]'`, `U&"…"`.
    fn prefixed(&mut self, word: &str) -> Option<Token<'t>> {
        let quote = self.peek(0)?;
        if quote == b'&' {
            // A name in numbers.
            self.unclear |= word.eq_ignore_ascii_case("u") && self.peek(1) == Some(b'"');
        }
        if quote != b'\'' {
            return None;
        }
        if self.lexis.e_strings && word.eq_ignore_ascii_case("e") {
            self.quoted(b'\'', true);
            self.after_escape_string = true;
            return Some(Token::Text);
        }
        let is_q = word.eq_ignore_ascii_case("q") || word.eq_ignore_ascii_case("nq");
        if self.lexis.q_quotes && is_q {
            self.q_quoted();
            return Some(Token::Text);
        }
        None
    }

    /// A number. One that touches a word is two tokens to some servers and a name to others.
    fn number(&mut self) -> Token<'t> {
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X')) {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit());
        } else {
            self.skip_while(|byte| byte.is_ascii_digit());
            if self.peek(0) == Some(b'.') {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_digit());
            }
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            let power = self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit());
            if matches!(self.peek(0), Some(b'e' | b'E')) && power {
                self.at += 1 + sign;
                self.skip_while(|byte| byte.is_ascii_digit());
            }
        }
        self.unclear |=
            self.peek(0).is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80);
        Token::Number
    }

    fn skip_while(&mut self, wanted: fn(u8) -> bool) {
        while self.peek(0).is_some_and(wanted) {
            self.at += 1;
        }
    }

    /// The length of the word that begins here, bytes; 0 where none does.
    fn word_length(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let within = |at: usize, char: char| match char {
            'a'..='z' | 'A'..='Z' | '_' | '@' => true,
            '0'..='9' | '$' => at > 0,
            '#' => !self.lexis.hash,
            '\0'..='\u{7f}' => false,
            _ => !is_odd(char),
        };
        rest.char_indices().find(|(at, char)| !within(*at, *char)).map_or(rest.len(), |(at, _)| at)
    }

    /// Whether nothing but blanks, and these bytes, stands before the end of the line.
    fn line_ends(&self, also: &[u8]) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r') || also.contains(byte);
        match rest.iter().find(|byte| !blank(byte)) {
            None | Some(b'\n' | b';') => true,
            // Behind `GO`, clients take a comment as well.
            Some(b'-' | b'/') => !also.is_empty(),
            Some(_) => false,
        }
    }

    /// What is left of the line.
    fn line(&self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.split_once('\n').map_or(rest, |(line, _)| line)
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn rest_starts_with(&self, start: &[u8]) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(start))
    }
}

/// White space and unseen characters outside ASCII.
fn is_odd(char: char) -> bool {
    char.is_whitespace()
        || char.is_control()
        || matches!(char, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(char, '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
}
