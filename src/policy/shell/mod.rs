//! What a shell line runs: every simple command in it, wherever it hides.
//!
//! A small lexer of our own: it knows quotes, expansions, substitutions, here-documents, keywords and the usual
//! programs that run other programs, and it reads the way `sh`, `bash`, `dash`, `ksh` and `zsh` do where they agree.
//! It refuses to run, expand or look up anything. Where it cannot tell what would run, or where shells differ, it
//! says so: that is doubt. Invariants: time and memory are linear in the text, for what would be read too often, or comes
//! to too many words, is in doubt; it never fails.
//!
//! What runs inside other programs (`make`, `git` with aliases, `awk`, editors, code for `python -c`) is not read:
//! a rule can name those programs.

mod ansi;
mod cursor;
mod fuel;
mod heredoc;
mod item;
mod items;
mod quotes;
mod reading;
mod redirect;
mod run;
mod script;
mod shells;
mod specs;
#[cfg(test)]
mod tests;
mod wanted;
mod word;
mod words;
mod wrappers;

pub(super) use item::{Fold, Item, Mark, Unfit};
pub use items::ShellItems;
pub(super) use items::Told;
pub(super) use reading::{Clue, Given, Reading};

use word::Word;

/// Why something in a line cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// It is no complete shell line, or has characters that no line should have.
    Syntax,
    /// What runs is decided by the shell, or by something else that is not in the line.
    Hidden,
}

/// What was read, or the doubt in which reading stopped.
type Lexed<T> = Result<T, Doubt>;

/// One simple command. Redirections and assignments count as commands too: `>` (or `<`) with the file, `NAME=` with
/// the value.
#[derive(Debug, Clone, Copy)]
struct Command<'w> {
    program: &'w Word,
    arguments: &'w [Word],
    /// Whether arguments follow that are not known.
    more: bool,
}

/// Is told what is in a line.
trait Listener {
    fn command(&mut self, command: &Command<'_>);
    fn doubt(&mut self, doubt: Doubt);
}
