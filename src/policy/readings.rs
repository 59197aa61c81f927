//! What the texts of one call were read as, so that any number of rules read each once.
//!
//! It refuses to grow with a call that is made for it: what is too much is read again. Invariant: what is remembered
//! is what reading again would give.

use std::cell::RefCell;
use std::rc::Rc;

use super::Dialect;
use super::shell::{Given, Reading};
use super::sql::Sql;

/// So many texts of each kind are remembered.
const MOST_TEXTS: usize = 64;
/// So many words of shell lines are remembered in all.
const MOST_WORDS: usize = 128 << 10;

/// The readings of one call; empty until something is read.
#[derive(Debug, Default)]
pub(super) struct Readings {
    shell: RefCell<Shell>,
    sql: RefCell<Known<Option<Dialect>, Sql>>,
}

/// Texts, how each was read, and as what.
type Known<H, R> = Vec<(Box<str>, H, Rc<R>)>;

#[derive(Debug, Default)]
struct Shell {
    words: usize,
    known: Known<Form, Reading>,
}

/// What a text is that is read as a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line.
    Line,
    /// JSON that holds a list of words.
    Words,
}

impl Readings {
    /// A command. `given` is what `text` stands for.
    pub(super) fn shell(&self, text: &str, form: Form, given: &Given<'_>) -> Rc<Reading> {
        let known = |known: &&(Box<str>, Form, Rc<Reading>)| known.1 == form && *known.0 == *text;
        if let Some((.., reading)) = self.shell.borrow().known.iter().find(known) {
            return Rc::clone(reading);
        }
        let reading = Rc::new(Reading::of(given));
        let mut shell = self.shell.borrow_mut();
        let words = shell.words + reading.size();
        if shell.known.len() < MOST_TEXTS && words <= MOST_WORDS {
            shell.words = words;
            shell.known.push((text.into(), form, Rc::clone(&reading)));
        }
        reading
    }

    /// A text in a dialect, or in each.
    pub(super) fn sql(&self, text: &str, dialect: Option<Dialect>) -> Rc<Sql> {
        let known = |known: &&(Box<str>, Option<Dialect>, Rc<Sql>)| known.1 == dialect && *known.0 == *text;
        if let Some((.., sql)) = self.sql.borrow().iter().find(known) {
            return Rc::clone(sql);
        }
        let sql = Rc::new(Sql::read(text, dialect));
        let mut all = self.sql.borrow_mut();
        if all.len() < MOST_TEXTS {
            all.push((text.into(), dialect, Rc::clone(&sql)));
        }
        sql
    }
}
