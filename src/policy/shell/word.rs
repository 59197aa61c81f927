//! One word of a shell line, as far as it is known before the shell runs.
//!
//! It refuses to guess what an expansion gives. Invariant: `text` is what the word becomes where nothing in it
//! is unknown; where something is, `head` and `tail` are what it surely begins and ends with.

/// Stands in the text for what is not known. Read as a script again, it is unknown again.
const GAP: &str = "${_}";

/// How much of a word is left to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Unknown {
    /// All is known.
    #[default]
    Nothing,
    /// It is one argument, of which a part is not known.
    Part,
    /// It may become any number of arguments.
    Any,
}

/// A word with its quotes removed.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Word {
    text: String,
    unknown: Unknown,
    /// Length of the known beginning, where something is unknown.
    head: usize,
    /// Start of the known end, where something is unknown.
    tail: usize,
    quoted: bool,
    /// Whether a bracket is open that may begin a class of characters.
    class: bool,
    pattern: bool,
    braces: Braces,
    equals: Option<usize>,
    /// How much in front of the first `=` is a name.
    name: Option<usize>,
}

/// How far a brace expansion has come, outside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Braces {
    #[default]
    None,
    Open,
    /// Alternatives or a range: several words.
    Several,
}

impl Word {
    /// A word of which everything is known.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), quoted: true, ..Self::default() }
    }

    /// The text, with gaps where it is not known.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text, where all of it is known.
    pub(super) fn known(&self) -> Option<&str> {
        (self.unknown() == Unknown::Nothing).then_some(self.text.as_str())
    }

    /// How much is not known. A brace expansion is not carried out.
    pub(super) fn unknown(&self) -> Unknown {
        if self.braces == Braces::Several { Unknown::Any } else { self.unknown }
    }

    /// What it surely begins with.
    pub(super) fn head(&self) -> &str {
        match self.unknown() {
            Unknown::Nothing => &self.text,
            Unknown::Part => self.text.get(..self.head).unwrap_or_default(),
            Unknown::Any => "",
        }
    }

    /// What it surely ends with.
    pub(super) fn tail(&self) -> &str {
        match self.unknown() {
            Unknown::Nothing => &self.text,
            Unknown::Part => self.text.get(self.tail..).unwrap_or_default(),
            Unknown::Any => "",
        }
    }

    /// Whether file names may take its place.
    pub(super) fn is_pattern(&self) -> bool {
        self.pattern
    }

    /// Whether it is exactly this, and a shell would take it for a keyword.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        !self.quoted && self.unknown == Unknown::Nothing && self.text == keyword
    }

    /// The unquoted text that may be a keyword.
    pub(super) fn keyword(&self) -> Option<&str> {
        (!self.quoted && self.unknown == Unknown::Nothing).then_some(self.text.as_str())
    }

    /// The name and the value of an assignment.
    pub(super) fn assignment(&self) -> Option<(&str, Self)> {
        let equals = self.equals?;
        let name = self.text.get(..equals)?;
        let text = self.text.get(equals + 1..)?.to_owned();
        let value = Self {
            head: self.head.saturating_sub(equals + 1),
            tail: self.tail.saturating_sub(equals + 1),
            text,
            quoted: true,
            equals: None,
            name: None,
            // A value is one word, whatever it holds.
            unknown: self.unknown().min(Unknown::Part),
            class: false,
            pattern: false,
            braces: Braces::None,
        };
        Some((name, value))
    }

    /// The file name of the program that this word runs; `None` where it is not known. A quoted expansion in front
    /// of a slash leaves the name known.
    pub(super) fn program(&self) -> Option<&str> {
        let base = |text: &str| text.rfind('/').map(|at| at + 1);
        let name = match self.unknown() {
            _ if self.pattern || (!self.quoted && self.text.starts_with('=')) => None,
            Unknown::Nothing => self.text.get(base(&self.text).unwrap_or(0)..),
            Unknown::Part => base(self.tail()).and_then(|at| self.tail().get(at..)),
            Unknown::Any => None,
        };
        name.filter(|name| !name.is_empty() || self.text.is_empty())
    }

    /// Adds literal text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds one unquoted character that may mean something.
    pub(super) fn push_special(&mut self, special: char) {
        match special {
            '*' | '?' => self.pattern = true,
            '[' => self.class = true,
            ']' => self.pattern |= self.class,
            '{' if self.braces == Braces::None => self.braces = Braces::Open,
            ',' if self.braces == Braces::Open => self.braces = Braces::Several,
            '.' if self.braces == Braces::Open && self.text.ends_with('.') => self.braces = Braces::Several,
            '=' if self.equals.is_none() && !self.quoted && self.is_variable() => {
                self.equals = Some(self.text.len());
            }
            _ => {}
        }
        self.text.push(special);
    }

    /// Whether it is a variable's name so far, with `+` or a subscript behind it.
    fn is_variable(&mut self) -> bool {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let text = &self.text;
        // What was no name at the first sign is none at the next: a word of many is not looked through for each.
        let end = *self.name.get_or_insert_with(|| text.bytes().take_while(|byte| valid(*byte)).count());
        let (name, rest) = text.split_at(end);
        let subscript = rest.strip_suffix('+').unwrap_or(rest);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && (subscript.is_empty() || subscript.starts_with('[') && subscript.ends_with(']'))
    }

    /// Whether it ends with the `=` (or `+=`) of an assignment.
    pub(super) fn ends_with_equals(&self) -> bool {
        self.equals.is_some_and(|equals| equals + 1 == self.text.len())
    }

    /// Adds something that only the shell will know.
    pub(super) fn gap(&mut self, unknown: Unknown) {
        if self.unknown == Unknown::Nothing {
            self.head = self.text.len();
        }
        self.unknown = self.unknown.max(unknown);
        self.text.push_str(GAP);
        self.tail = self.text.len();
    }

    /// Notes that a part is quoted: no keyword, no assignment from here on.
    pub(super) fn quote(&mut self) {
        self.quoted = true;
    }

    /// This word with something unknown that begins with `start` in place of each `mark`: what `find` and `xargs`
    /// put in.
    pub(super) fn filled(&self, mark: &str, start: &str) -> Self {
        if mark.is_empty() || !self.text.contains(mark) {
            return self.clone();
        }
        let text = self.text.replace(mark, &format!("{start}{GAP}"));
        Self {
            unknown: self.unknown.max(Unknown::Part),
            head: text.find(GAP).unwrap_or(0),
            tail: text.rfind(GAP).map_or(0, |at| at + GAP.len()),
            text,
            quoted: true,
            ..Self::default()
        }
    }

    /// Several words with spaces between, as programs put a script together.
    pub(super) fn joined(words: &[Self]) -> Self {
        let mut joined = Self { quoted: true, ..Self::default() };
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                joined.text.push(' ');
            }
            joined.text.push_str(&word.text);
            joined.unknown = joined.unknown.max(word.unknown());
        }
        joined
    }
}
