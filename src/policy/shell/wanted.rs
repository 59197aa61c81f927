//! A word of an item, and the texts that it stands for.
//!
//! It knows one argument at a time and nothing of the program. Invariant: what is not known about an argument makes the
//! answer "maybe", never "no", where it could be the word.

use globset::{Glob, GlobBuilder};

use super::item::{Answer, Unfit};
use super::word::{Unknown, Word};
use super::{Command, words};
use crate::policy::Globs;

/// A word of an item.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// `-r`, `-rf`: flags of one letter, alone or bundled.
    Letters(String),
    /// `--force`, `-delete`
    Flag(Pattern),
    /// Anything else.
    Plain(Pattern),
    /// `!/tmp/*`: some argument that is neither a flag nor like this.
    Other(Pattern),
}

/// A text with or without a glob.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) text: String,
    pub(super) globs: Option<Globs>,
}

impl Wanted {
    pub(super) fn new(text: &str) -> Result<Self, Unfit> {
        if let Some(rest) = text.strip_prefix('!') {
            if rest.is_empty() {
                return Err(Unfit::NegatedNothing);
            }
            return Pattern::new(rest).map(Self::Other);
        }
        let letters = text.strip_prefix('-').unwrap_or_default();
        if (1..=4).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self::Letters(letters.to_owned()));
        }
        let pattern = Pattern::new(text)?;
        Ok(if text.starts_with('-') { Self::Flag(pattern) } else { Self::Plain(pattern) })
    }

    /// Whether one argument that is known, or a pattern of file names, is this word.
    pub(super) fn is(&self, argument: &Word, is_rm: bool) -> Answer {
        let Some(text) = argument.known() else { return Answer::No };
        match self {
            // Some file may have the flag's name.
            Self::Letters(_) | Self::Flag(_) if argument.is_pattern() && is_flag_pattern(text) => {
                Answer::Maybe
            }
            Self::Letters(letters) => {
                let each = letters.chars().map(|letter| words::flag(letter, text, is_rm));
                if text.strip_prefix('-') == Some(letters) {
                    Answer::Yes
                } else {
                    each.min().unwrap_or(Answer::No)
                }
            }
            Self::Flag(flag) => flag.is_flag(text),
            Self::Plain(pattern) if pattern.is_text(text) => Answer::Yes,
            Self::Plain(pattern) if argument.is_pattern() && words::may_name(text, &pattern.text) => {
                Answer::Maybe
            }
            Self::Plain(_) => Answer::No,
            Self::Other(pattern) => pattern.is_other(text),
        }
    }

    /// Flags of one letter that are spread over several arguments.
    pub(super) fn across(&self, command: &Command<'_>) -> Answer {
        let Self::Letters(letters) = self else { return Answer::No };
        let anywhere = |letter| {
            let texts = command.arguments.iter().filter_map(Word::known);
            texts.map(|text| words::flag(letter, text, false)).max().unwrap_or(Answer::No)
        };
        if letters.len() < 2 { Answer::No } else { letters.chars().map(anywhere).min().unwrap_or(Answer::No) }
    }

    /// Whether an argument of which a part is unknown could be this word.
    pub(super) fn could_be(&self, argument: &Word) -> bool {
        if argument.unknown() != Unknown::Part {
            return false;
        }
        let (head, tail) = (argument.head(), argument.tail());
        match self {
            Self::Letters(_) => head.is_empty() || head.starts_with('-') && !head.starts_with("--"),
            Self::Flag(pattern) | Self::Plain(pattern) => pattern.fits(head, tail),
            Self::Other(_) => !head.starts_with('-'),
        }
    }

    pub(super) fn maybe(&self, argument: &Word) -> Answer {
        if self.could_be(argument) { Answer::Maybe } else { Answer::No }
    }

    /// Whether an argument is this word in every reading.
    pub(super) fn is_exactly(&self, argument: &Word) -> Answer {
        let Some(text) = argument.known() else { return Answer::No };
        match self {
            Self::Letters(_) => Answer::of(self.is(argument, false) == Answer::Yes),
            Self::Flag(pattern) => Answer::of(pattern.is_flag(text) == Answer::Yes),
            Self::Plain(pattern) => {
                Answer::of(pattern.is(text) && words::normal(text).is_none_or(|text| pattern.is(&text)))
            }
            // Refused for lists that admit.
            Self::Other(_) => Answer::No,
        }
    }
}

/// Whether the name of a flag is a pattern of file names: `-[r]f`, `--forc?`.
fn is_flag_pattern(text: &str) -> bool {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    name.starts_with('-') && name.contains(['*', '?', '['])
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, Unfit> {
        // The names of `test` are no character classes.
        let is_glob = text.contains(['*', '?', '[', '{']) && !matches!(text, "[" | "[[");
        if !is_glob {
            return Ok(Self { text: text.to_owned(), globs: None });
        }
        let unfit = |error| Unfit::Glob(text.to_owned(), error);
        let glob: Glob = GlobBuilder::new(text).backslash_escape(true).build().map_err(unfit)?;
        Ok(Self { text: text.to_owned(), globs: Some(Globs::new(vec![glob]).map_err(unfit)?) })
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.globs.as_ref().map_or_else(|| self.text == text, |globs| globs.is_match(text))
    }

    /// Whether a text, or the path that it is when written without detours, is this.
    pub(super) fn is_text(&self, text: &str) -> bool {
        self.is(text) || words::normal(text).is_some_and(|text| self.is(&text))
    }

    /// A long flag, with or without a value; its beginning alone may be enough for a program.
    pub(super) fn is_flag(&self, text: &str) -> Answer {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if self.is(text) || self.is(name) {
            return Answer::Yes;
        }
        let short = name.len() > 2 && name.starts_with("--") && self.text.starts_with(name);
        if short { Answer::Maybe } else { Answer::No }
    }

    /// Whether an argument that is no flag is something else than this.
    pub(super) fn is_other(&self, text: &str) -> Answer {
        if text.starts_with('-') {
            return Answer::No;
        }
        match words::normal(text) {
            Some(normal) if self.is(&normal) => Answer::Maybe,
            Some(_) => Answer::Yes,
            None => Answer::of(!self.is(text)),
        }
    }

    /// Whether a text with this beginning and end could be this.
    pub(super) fn fits(&self, head: &str, tail: &str) -> bool {
        if self.globs.is_none() {
            return self.text.len() >= head.len() + tail.len()
                && self.text.starts_with(head)
                && self.text.ends_with(tail);
        }
        let special = ['*', '?', '[', '{', '\\'];
        let start = self.text.split(special).next().unwrap_or_default();
        let end = self.text.rsplit(['*', '?', ']', '}']).next().unwrap_or_default();
        (start.starts_with(head) || head.starts_with(start)) && (end.ends_with(tail) || tail.ends_with(end))
    }
}
