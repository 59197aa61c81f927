//! A line that was read: all that it runs, kept so that any number of rules can look at it.
//!
//! It refuses to judge. Invariant: it holds what a listener would have been told, in the same order.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::items::is_harmless;
use super::run::Input;
use super::script::Shell;
use super::word::Word;
use super::{Command, Doubt, Listener, words};

/// A command as a server may take it.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Given<'t> {
    /// A line, or a script.
    Line(&'t str),
    /// A program and its arguments.
    Words(Vec<Cow<'t, str>>),
}

/// What was given, as it was read.
#[derive(Debug)]
pub(in crate::policy) struct Reading {
    pub(super) line: Line,
    /// Of several words: as servers may take them that do not take them as words.
    pub(super) others: Option<Others>,
}

/// Words as lines.
#[derive(Debug)]
pub(super) struct Others {
    words: Vec<String>,
    joined: OnceCell<Line>,
    lines: OnceCell<Vec<Line>>,
}

/// All that one line runs.
#[derive(Debug, Default)]
pub(super) struct Line {
    runs: Vec<Run>,
    pub(super) doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Run {
    program: Word,
    arguments: Vec<Word>,
    more: bool,
}

/// What a command shows of itself, to look up the items that it may be what they mean.
#[derive(Debug)]
pub(in crate::policy) enum Clue<'r> {
    /// Nothing: it may be what any item means.
    Hidden,
    /// Its program as [`super::Mark`] has it, and its arguments; those are `None` where it may have others.
    Shown(String, Option<&'r [Word]>),
}

impl Reading {
    /// Reads it.
    pub(in crate::policy) fn of(given: &Given<'_>) -> Self {
        match given {
            Given::Line(text) => Self { line: Line::of(text), others: None },
            Given::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| word.clone().into_owned()).collect();
                let line = Line::of_words(&words);
                let any = !words.is_empty();
                let others = Others { words, joined: OnceCell::new(), lines: OnceCell::new() };
                Self { line, others: any.then_some(others) }
            }
        }
    }

    /// Why something in it cannot be told, if anything.
    pub(in crate::policy) fn doubt(&self) -> Option<Doubt> {
        self.every_line().filter_map(|line| line.doubt).max()
    }

    /// What each command shows of itself.
    pub(in crate::policy) fn clues(&self) -> impl Iterator<Item = Clue<'_>> {
        // What only reads is admitted by any list of items.
        let reads = self.line.commands().all(|command| is_harmless(&command));
        let hidden = (reads && !self.line.runs.is_empty()).then_some(Clue::Hidden);
        hidden.into_iter().chain(self.every_line().flat_map(Line::commands).map(|command| Clue::of(&command)))
    }

    fn every_line(&self) -> impl Iterator<Item = &Line> {
        let others = self.others.iter().flat_map(|others| others.lines().iter().chain([others.joined()]));
        std::iter::once(&self.line).chain(others)
    }

    /// How much it holds: words, and commands.
    pub(in crate::policy) fn size(&self) -> usize {
        self.line.runs.iter().map(|run| run.arguments.len() + 1).sum()
    }
}

impl<'r> Clue<'r> {
    fn of(command: &Command<'r>) -> Self {
        let Some(program) = command.program.program() else { return Self::Hidden };
        let literal = |word: &Word| word.known().is_some() && !word.is_pattern();
        let open = command.more || !command.arguments.iter().all(literal);
        Self::Shown(program.to_lowercase(), (!open).then_some(command.arguments))
    }

    /// The ways to spell an argument that items are compared with.
    pub(in crate::policy) fn spellings(argument: &Word) -> impl Iterator<Item = Cow<'_, str>> {
        let normal = words::normal(argument.text()).map(Cow::Owned);
        std::iter::once(Cow::Borrowed(argument.text())).chain(normal)
    }
}

impl Others {
    /// Put together again: some servers do.
    pub(super) fn joined(&self) -> &Line {
        self.joined.get_or_init(|| Line::of(&self.words.join(" ")))
    }

    /// Those that may be lines by themselves: all, where the first is no program.
    pub(super) fn lines(&self) -> &[Line] {
        let all = self.begin_with_a_line();
        let lines = || self.words.iter().filter(|word| all || is_line(word)).map(|line| Line::of(line));
        self.lines.get_or_init(|| lines().collect())
    }

    /// Whether the first is no program: some servers mean several lines then.
    pub(super) fn begin_with_a_line(&self) -> bool {
        self.words.first().is_some_and(|word| is_line(word))
    }
}

fn is_line(word: &str) -> bool {
    word.contains([' ', '\t', '\n'])
}

impl Line {
    /// Reads one line, or a script of several.
    fn of(text: &str) -> Self {
        let mut line = Self::default();
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            line.doubt(Doubt::Syntax);
        }
        Shell::new(&mut line, text.len()).script(text);
        line
    }

    /// Reads a command that comes as a list of its words.
    fn of_words(words: &[String]) -> Self {
        let mut line = Self::default();
        let length = words.iter().map(String::len).sum();
        let words: Vec<Word> = words.iter().map(Word::plain).collect();
        if !words.is_empty() && Shell::new(&mut line, length).run(&words) != Input::Data {
            line.doubt(Doubt::Hidden);
        }
        line
    }

    /// What it runs.
    pub(super) fn commands(&self) -> impl Iterator<Item = Command<'_>> {
        self.runs.iter().map(|run| Command {
            program: &run.program,
            arguments: &run.arguments,
            more: run.more,
        })
    }
}

impl Listener for Line {
    fn command(&mut self, command: &Command<'_>) {
        let Command { program, arguments, more } = *command;
        self.runs.push(Run { program: program.clone(), arguments: arguments.to_vec(), more });
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.doubt = self.doubt.max(Some(doubt));
    }
}
