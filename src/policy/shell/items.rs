//! `shell_any` and `shell_only`: a list of items against everything that a line runs.
//!
//! It refuses to remember commands: each is compared as it is found. Invariant: what is satisfied by
//! [`ShellItems::only`] holds nothing that is in doubt.

use std::borrow::Cow;
use std::sync::Arc;

use super::item::{Answer, Item};
use super::{Command, Doubt, Listener, read_line, read_words};

/// The items of one predicate.
#[derive(Debug, Clone)]
pub struct ShellItems(Arc<[Item]>);

/// What a line is to a list of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Told {
    Satisfied,
    Not,
    /// It cannot be told: only because it is no shell line, where `Doubt::Syntax`.
    Doubtful(Doubt),
}

/// A command as a server may take it.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Given<'t> {
    /// A line, or a script.
    Line(&'t str),
    /// A program and its arguments.
    Words(Vec<Cow<'t, str>>),
}

impl ShellItems {
    pub(in crate::policy) fn new(items: Vec<Item>) -> Self {
        Self(items.into())
    }

    /// As the file spells them.
    pub(in crate::policy) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Item::text)
    }

    /// Whether something in it does what an item says.
    pub(in crate::policy) fn any(&self, given: &Given<'_>) -> Told {
        let told = self.any_as_given(given);
        let Given::Words(words) = given else { return told };
        if told != Told::Not {
            return told;
        }
        // Some servers put the words together again, and some mean several lines.
        let is_line = |word: &Cow<'_, str>| word.contains([' ', '\t', '\n']);
        let as_line = |text: &str| self.any_as_given(&Given::Line(text));
        let joined = as_line(&words.join(" ")) == Told::Satisfied;
        let hidden = || words.iter().any(|word| is_line(word) && as_line(word) == Told::Satisfied);
        let lines =
            || words.first().is_some_and(is_line) && words.iter().any(|line| as_line(line) != Told::Not);
        if joined || hidden() || lines() { Told::Doubtful(Doubt::Hidden) } else { Told::Not }
    }

    /// Whether there is a command in it, and items admit every one.
    pub(in crate::policy) fn only(&self, given: &Given<'_>) -> Told {
        let told = self.only_as_given(given);
        let Given::Words(words) = given else { return told };
        if told != Told::Satisfied || words.len() < 2 {
            return told;
        }
        // Some servers put the words together again. What is no line then runs nothing.
        match self.only_as_given(&Given::Line(&words.join(" "))) {
            Told::Satisfied | Told::Doubtful(Doubt::Syntax) => Told::Satisfied,
            Told::Not | Told::Doubtful(Doubt::Hidden) => Told::Doubtful(Doubt::Hidden),
        }
    }

    fn only_as_given(&self, given: &Given<'_>) -> Told {
        let mut only = Only { items: &self.0, found: false, refused: false, doubt: None };
        read(given, &mut only);
        match only {
            Only { refused: true, .. } => Told::Not,
            Only { doubt: Some(doubt), .. } => Told::Doubtful(doubt),
            Only { found, .. } => {
                if found {
                    Told::Satisfied
                } else {
                    Told::Not
                }
            }
        }
    }

    fn any_as_given(&self, given: &Given<'_>) -> Told {
        let mut any = Any { items: &self.0, done: false, doubt: None };
        read(given, &mut any);
        match any {
            Any { done: true, .. } => Told::Satisfied,
            Any { doubt: Some(doubt), .. } => Told::Doubtful(doubt),
            Any { .. } => Told::Not,
        }
    }
}

fn read(given: &Given<'_>, listener: &mut dyn Listener) {
    match given {
        Given::Line(line) => read_line(line, listener),
        Given::Words(words) => read_words(words.iter().map(|word| Cow::Borrowed(&**word)), listener),
    }
}

struct Any<'i> {
    items: &'i [Item],
    done: bool,
    doubt: Option<Doubt>,
}

impl Listener for Any<'_> {
    fn command(&mut self, command: &Command<'_>) {
        if self.done {
            return;
        }
        match self.items.iter().map(|item| item.is_done_by(command)).max() {
            Some(Answer::Yes) => self.done = true,
            Some(Answer::Maybe) => self.doubt(Doubt::Hidden),
            Some(Answer::No) | None => {}
        }
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.doubt = self.doubt.max(Some(doubt));
    }
}

struct Only<'i> {
    items: &'i [Item],
    found: bool,
    refused: bool,
    doubt: Option<Doubt>,
}

impl Listener for Only<'_> {
    fn command(&mut self, command: &Command<'_>) {
        self.found = true;
        if self.refused || is_harmless(command) {
            return;
        }
        match self.items.iter().map(|item| item.admits(command)).max() {
            Some(Answer::Yes) => {}
            Some(Answer::Maybe) => self.doubt(Doubt::Hidden),
            Some(Answer::No) | None => self.refused = true,
        }
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.doubt = self.doubt.max(Some(doubt));
    }
}

/// A file as input does no more than the same file as an argument, which any admitted program may have.
fn is_harmless(command: &Command<'_>) -> bool {
    let is_network = |file: &str| file.starts_with("/dev/tcp/") || file.starts_with("/dev/udp/");
    command.program.known() == Some("<")
        && command.arguments.iter().all(|file| file.known().is_some_and(|file| !is_network(file)))
}
