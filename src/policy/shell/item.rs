//! One item of a rule: a program and words among its arguments.
//!
//! It refuses items that are shell lines themselves. Invariant: what is not known about a command makes the answer
//! "maybe", never "no", where it could complete the item.

use unicode_normalization::UnicodeNormalization;

use super::wanted::{Pattern, Wanted};
use super::word::{Unknown, Word};
use super::{Command, words};

/// The longest item, bytes.
const LONGEST: usize = 1024;
/// Folders whose programs are what their names say. Other paths may lead to anything of that name.
const SYSTEM: [&str; 7] =
    ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"];

/// Whether a command is what an item means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    No,
    Maybe,
    Yes,
}

/// A program glob and what its arguments must hold.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Item {
    /// As the file spells it, composed.
    text: String,
    program: Pattern,
    words: Vec<Wanted>,
    /// How many words come first in a command that the item admits: all up to the last that is no flag.
    leading: usize,
}

/// Something that an item asks of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::policy) struct Mark {
    /// This program, in lower case and without its folder.
    pub(in crate::policy) program: String,
    /// This among its arguments.
    pub(in crate::policy) word: Option<String>,
}

/// Why an item is refused.
#[derive(Debug)]
pub(in crate::policy) enum Unfit {
    Empty,
    TooLong,
    /// It holds this, which belongs to a shell line.
    Line(char),
    /// A redirection among the words: it counts as a program of its own.
    Redirection,
    /// The program is a variable that is set.
    Assignment(String),
    /// `!` in front of the program.
    NegatedProgram,
    /// `!` in front of nothing.
    NegatedNothing,
    Glob(String, globset::Error),
}

impl Item {
    /// Reads an item. `fold` makes its program match in any case.
    pub(in crate::policy) fn new(text: &str, fold: Fold) -> Result<Self, Unfit> {
        let text: String = text.nfc().collect();
        if text.len() > LONGEST {
            return Err(Unfit::TooLong);
        }
        if let Some(odd) =
            text.chars().find(|c| ";|&`'\"\n\r".contains(*c)).or(text.contains("$(").then_some('$'))
        {
            return Err(Unfit::Line(odd));
        }
        let mut parts = text.split_whitespace();
        let program = parts.next().ok_or(Unfit::Empty)?;
        if program.starts_with('!') {
            return Err(Unfit::NegatedProgram);
        }
        if let Some((name, value)) = program.split_once('=')
            && !value.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(Unfit::Assignment(name.to_owned()));
        }
        if parts
            .clone()
            .any(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['<', '>']))
        {
            return Err(Unfit::Redirection);
        }
        let program = match fold {
            Fold::Case => Pattern::new(&program.to_lowercase())?,
            Fold::Nothing => Pattern::new(program)?,
        };
        let words = parts.map(Wanted::new).collect::<Result<Vec<_>, _>>()?;
        let leading = words.iter().rposition(|word| matches!(word, Wanted::Plain(_))).map_or(0, |at| at + 1);
        Ok(Self { text, program, words, leading })
    }

    /// As the file spells it.
    pub(in crate::policy) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says what an argument must not be.
    pub(in crate::policy) fn negates(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Wanted::Other(_)))
    }

    /// Its program and each plain word of it, in lower case as far as that matters: what a command must have to be what
    /// the item means, where it hides nothing. `None` for a program that is a pattern, or a path.
    pub(super) fn marks(&self) -> Option<Vec<Mark>> {
        let Pattern { text, globs: None } = &self.program else { return None };
        let program = (!text.contains('/')).then(|| text.to_lowercase())?;
        let plain = |word: &Wanted| {
            if let Wanted::Plain(Pattern { text, globs: None }) = word { Some(text.clone()) } else { None }
        };
        let words = self.words.iter().filter_map(plain);
        let alone = Mark { program: program.clone(), word: None };
        let with_word = words.map(|word| Mark { program: program.clone(), word: Some(word) });
        Some(with_word.chain([alone]).collect())
    }

    /// Whether a command does what the item says: the program by any path and in any case, each word anywhere.
    pub(super) fn is_done_by(&self, command: &Command<'_>) -> Answer {
        let program = self.is_run_by(command.program);
        if program == Answer::No {
            return Answer::No;
        }
        let open = command.more || command.arguments.iter().any(|word| word.unknown() == Unknown::Any);
        let (mut answer, mut filled) = (program, 0);
        for word in &self.words {
            let of_argument = |argument: &Word| word.is(argument, self.is_rm());
            let found = command.arguments.iter().map(of_argument).max().unwrap_or(Answer::No);
            let found = found.max(word.across(command));
            answer = answer.min(found.max(Answer::Maybe));
            if found == Answer::No {
                if self.is_another_subcommand(command) {
                    return Answer::No;
                }
                if !open {
                    if !command.arguments.iter().any(|argument| word.could_be(argument)) {
                        return Answer::No;
                    }
                    filled += 1;
                }
            }
        }
        // Where nothing is split, each unknown argument is one word only.
        let gaps = command.arguments.iter().filter(|word| word.unknown() == Unknown::Part).count();
        if filled > gaps { Answer::No } else { answer }
    }

    /// Whether the item admits a command: the program itself, the leading words where they belong.
    pub(super) fn admits(&self, command: &Command<'_>) -> Answer {
        let Some(program) = command.program.known() else { return Answer::Maybe };
        let folder = program.rfind('/').and_then(|at| program.get(..at));
        let named = match folder {
            Some(folder) if !self.program.text.contains('/') => {
                SYSTEM.contains(&folder)
                    && command.program.program().is_some_and(|name| self.program.is(name))
            }
            Some(_) => self.program.is(program) && words::normal(program).is_none(),
            None => self.program.is(program),
        };
        if !named {
            return Answer::No;
        }
        let (leading, flags) = self.words.split_at(self.leading.min(self.words.len()));
        let mut answer = Answer::Yes;
        for (at, word) in leading.iter().enumerate() {
            answer = answer.min(match command.arguments.get(at) {
                Some(argument) if argument.unknown() == Unknown::Any => return answer.min(Answer::Maybe),
                Some(argument) if argument.unknown() == Unknown::Part => word.maybe(argument),
                Some(argument) => word.is_exactly(argument),
                None if command.more => Answer::Maybe,
                None => Answer::No,
            });
        }
        for word in flags {
            let found = command.arguments.iter().map(|argument| word.is_exactly(argument)).max();
            let open = command.more || command.arguments.iter().any(|word| word.unknown() > Unknown::Nothing);
            let found = found.unwrap_or(Answer::No);
            answer = answer.min(if found == Answer::No && open { Answer::Maybe } else { found });
        }
        answer
    }

    fn is_run_by(&self, program: &Word) -> Answer {
        let fold = |text: &str| text.to_lowercase();
        if self.program.text.contains('/') {
            return match program.known() {
                Some(text) => {
                    let normal = words::normal(text);
                    Answer::of(
                        self.program.is(&fold(text))
                            || normal.is_some_and(|text| self.program.is(&fold(&text))),
                    )
                }
                None => Answer::Maybe,
            };
        }
        let Some(name) = program.program() else { return Answer::Maybe };
        let name = fold(name);
        Answer::of(
            self.program.is(&name) || name.strip_suffix(".exe").is_some_and(|name| self.program.is(name)),
        )
    }

    /// Whether the command's first argument is plainly another word than the item's: `git log $X` is no `git push`,
    /// whatever X is.
    fn is_another_subcommand(&self, command: &Command<'_>) -> bool {
        let is_subcommand = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
        };
        let Some(Wanted::Plain(Pattern { text: wanted, globs: None })) = self.words.first() else {
            return false;
        };
        let first = command.arguments.first().and_then(Word::known);
        first.is_some_and(|first| is_subcommand(wanted) && is_subcommand(first) && first != wanted)
    }

    fn is_rm(&self) -> bool {
        self.program.text == "rm"
    }
}

/// Whether a program's case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Fold {
    /// It does not: some file systems find `RM` as well.
    Case,
    /// It does.
    Nothing,
}

impl Answer {
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}
