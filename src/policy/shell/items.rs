//! `shell_any` and `shell_only`: a list of items against everything that a line runs.
//!
//! It refuses to read: it is given what was read. Invariant: what is satisfied by [`ShellItems::only`] holds nothing
//! that is in doubt.

use std::sync::Arc;

use super::item::{Answer, Item, Mark};
use super::reading::{Line, Reading};
use super::{Command, Doubt};

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

impl ShellItems {
    pub(in crate::policy) fn new(items: Vec<Item>) -> Self {
        Self(items.into())
    }

    /// As the file spells them.
    pub(in crate::policy) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Item::text)
    }

    /// What a line must have for the items to hold of it, in each of several ways: one of these marks, unless it hides
    /// something or does nothing but read a file.
    pub(in crate::policy) fn marks(&self) -> Vec<Vec<Mark>> {
        let items: Option<Vec<Vec<Mark>>> = self.0.iter().map(Item::marks).collect();
        match items {
            Some(mut items) if items.len() == 1 => {
                items.pop().into_iter().flatten().map(|mark| vec![mark]).collect()
            }
            Some(items) => {
                let longest = |marks: Vec<Mark>| {
                    marks.into_iter().max_by_key(|mark| mark.word.as_ref().map(String::len))
                };
                vec![items.into_iter().filter_map(longest).collect()]
            }
            None => Vec::new(),
        }
    }

    /// Whether something in it does what an item says.
    pub(in crate::policy) fn any(&self, reading: &Reading) -> Told {
        let told = self.any_in(&reading.line);
        let Some(others) = reading.others.as_ref().filter(|_| told == Told::Not) else { return told };
        // Some servers put the words together again, and some mean several lines.
        let is_done_by = |line: &Line| match self.any_in(line) {
            Told::Satisfied => true,
            Told::Doubtful(_) => others.begin_with_a_line(),
            Told::Not => false,
        };
        let joined = self.any_in(others.joined()) == Told::Satisfied;
        if joined || others.lines().iter().any(is_done_by) {
            Told::Doubtful(Doubt::Hidden)
        } else {
            Told::Not
        }
    }

    /// Whether there is a command in it, and items admit every one.
    pub(in crate::policy) fn only(&self, reading: &Reading) -> Told {
        let told = self.only_in(&reading.line);
        let Some(others) = reading.others.as_ref().filter(|_| told == Told::Satisfied) else { return told };
        // Some servers put the words together again. What is no line then runs nothing.
        match self.only_in(others.joined()) {
            Told::Satisfied | Told::Doubtful(Doubt::Syntax) => Told::Satisfied,
            Told::Not | Told::Doubtful(Doubt::Hidden) => Told::Doubtful(Doubt::Hidden),
        }
    }

    fn only_in(&self, line: &Line) -> Told {
        let (mut found, mut doubt) = (false, line.doubt);
        for command in line.commands() {
            found = true;
            if is_harmless(&command) {
                continue;
            }
            match self.0.iter().map(|item| item.admits(&command)).max() {
                Some(Answer::Yes) => {}
                Some(Answer::Maybe) => doubt = Some(Doubt::Hidden),
                Some(Answer::No) | None => return Told::Not,
            }
        }
        match doubt {
            Some(doubt) => Told::Doubtful(doubt),
            None if found => Told::Satisfied,
            None => Told::Not,
        }
    }

    fn any_in(&self, line: &Line) -> Told {
        let mut doubt = line.doubt;
        for command in line.commands() {
            match self.0.iter().map(|item| item.is_done_by(&command)).max() {
                Some(Answer::Yes) => return Told::Satisfied,
                Some(Answer::Maybe) => doubt = Some(Doubt::Hidden),
                Some(Answer::No) | None => {}
            }
        }
        doubt.map_or(Told::Not, Told::Doubtful)
    }
}

/// A file as input does no more than the same file as an argument, which any admitted program may have.
pub(super) fn is_harmless(command: &Command<'_>) -> bool {
    let is_network = |file: &str| file.starts_with("/dev/tcp/") || file.starts_with("/dev/udp/");
    command.program.known() == Some("<")
        && command.arguments.iter().all(|file| file.known().is_some_and(|file| !is_network(file)))
}
