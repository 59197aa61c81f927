//! The grammar of a line, as far as it takes to find every simple command in it.
//!
//! It refuses to check a script: keywords without their partners are no matter here. Invariant: a command is told
//! as soon as it is read, so that memory does not grow with their number; parentheses, `case` and here-documents
//! are followed exactly, or reading stops in doubt.

use std::mem;

use super::cursor::Cursor;
use super::fuel::Fuel;
use super::heredoc::{HereDoc, Reader};
use super::redirect::is_descriptor;
use super::run::{Input, is_plain_file, substitutes};
use super::word::Word;
use super::{Command, Doubt, Lexed, Listener};

/// How deep substitutions, scripts and wrappers may stand in each other: it bounds the work at this many passes.
const MAX_DEPTH: u8 = 16;

/// Reads scripts and tells what it finds.
pub(super) struct Shell<'l, 'f> {
    pub(super) listener: &'l mut (dyn Listener + 'f),
    depth: u8,
    /// Those whose bodies begin at the next newline.
    pub(super) heredocs: Vec<HereDoc>,
    /// Whether a surrounding script waits for bodies too.
    outer_heredocs: bool,
    pub(super) fuel: Fuel,
}

/// What ends a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Parenthesis,
}

/// What is open in a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Parenthesis,
    /// In front of the `)` of a `case` pattern.
    Pattern,
    /// Behind it.
    Arm,
}

/// A simple command while it is read.
#[derive(Debug, Default)]
pub(super) struct Simple {
    words: Vec<Word>,
    assignments: Vec<Word>,
    pub(super) strings: Vec<Word>,
    pub(super) input: Option<Word>,
}

/// What a keyword leaves to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    /// Another command.
    Command,
    /// Arguments: it was none.
    Arguments,
}

impl<'l, 'f> Shell<'l, 'f> {
    /// `length` is that of what will be read, bytes.
    pub(super) fn new(listener: &'l mut (dyn Listener + 'f), length: usize) -> Self {
        Self { listener, depth: 0, heredocs: Vec::new(), outer_heredocs: false, fuel: Fuel::of(length) }
    }

    /// Reads a whole script. What it cannot read is doubt, and no matter to the one that it stands in.
    pub(super) fn script(&mut self, text: &str) {
        let heredocs = mem::take(&mut self.heredocs);
        let outer = mem::replace(&mut self.outer_heredocs, false);
        let read = self
            .fuel
            .burn(text.len())
            .and_then(|()| self.deeper(|shell| shell.commands(&mut Cursor::new(text), End::Text)));
        if let Err(doubt) = read {
            self.listener.doubt(doubt);
        }
        self.heredocs = heredocs;
        self.outer_heredocs = outer;
    }

    /// Reads the commands of a substitution, up to and with its closing parenthesis.
    pub(super) fn nested(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        let heredocs = mem::take(&mut self.heredocs);
        let outer = self.outer_heredocs;
        self.outer_heredocs |= !heredocs.is_empty();
        self.commands(cursor, End::Parenthesis)?;
        if !self.heredocs.is_empty() {
            // Shells disagree on where such a body is.
            return Err(Doubt::Hidden);
        }
        self.heredocs = heredocs;
        self.outer_heredocs = outer;
        Ok(())
    }

    /// One level further down, if there is one.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Lexed<T>) -> Lexed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Doubt::Hidden);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn commands(&mut self, cursor: &mut Cursor<'_>, end: End) -> Lexed<()> {
        let mut open = Vec::new();
        loop {
            if self.fuel.is_out() {
                return Err(Doubt::Hidden);
            }
            cursor.skip_blanks();
            let Some(byte) = cursor.peek() else {
                let complete = end == End::Text && open.is_empty() && self.heredocs.is_empty();
                return if complete { Ok(()) } else { Err(Doubt::Syntax) };
            };
            match byte {
                b'\n' => {
                    cursor.bump();
                    self.bodies(cursor)?;
                }
                b'#' => {
                    cursor.raw_until(|byte| byte == b'\n');
                }
                b')' if open.is_empty() => {
                    cursor.bump();
                    return if end == End::Parenthesis { Ok(()) } else { Err(Doubt::Syntax) };
                }
                b'(' | b')' => parenthesis(cursor, &mut open)?,
                b';' | b'|' => operator(cursor, &mut open),
                b'&' if cursor.second() != Some(b'>') => operator(cursor, &mut open),
                _ if open.last() == Some(&Open::Pattern) => {
                    let word = self.word(cursor)?.ok_or(Doubt::Syntax)?;
                    if word.is_keyword("esac") {
                        open.pop();
                    }
                }
                _ => self.simple(cursor, &mut open)?,
            }
        }
    }

    /// The bodies of the here-documents that a line has named.
    fn bodies(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        if self.outer_heredocs {
            return Err(Doubt::Hidden);
        }
        for heredoc in mem::take(&mut self.heredocs) {
            let body = heredoc.body(cursor)?;
            self.body(&heredoc, &body);
        }
        Ok(())
    }

    /// What is in a body. Its end is known, so that a fault in it is no matter to what follows.
    fn body(&mut self, heredoc: &HereDoc, body: &str) {
        let word = self
            .fuel
            .burn(body.len())
            .and_then(|()| if heredoc.literal { Ok(Word::plain(body)) } else { self.expanded(body) });
        match word {
            Ok(word) if heredoc.reader == Reader::Script => self.fed(&word),
            Ok(_) => {}
            Err(doubt) => self.listener.doubt(doubt),
        }
    }

    /// A text that something runs as a script.
    pub(super) fn fed(&mut self, text: &Word) {
        if text.known().is_none() {
            self.listener.doubt(Doubt::Hidden);
        }
        self.script(text.text());
    }

    fn simple(&mut self, cursor: &mut Cursor<'_>, open: &mut Vec<Open>) -> Lexed<()> {
        let (mut simple, first_heredoc) = (Simple::default(), self.heredocs.len());
        loop {
            cursor.skip_blanks();
            match cursor.peek() {
                None | Some(b'\n' | b';' | b'|' | b')' | b'#') => break,
                Some(b'&') if cursor.second() != Some(b'>') => break,
                Some(b'(') => {
                    // `name()`: what follows is its body, a command like any other.
                    let names_a_function = simple.words.len() == 1 && simple.assignments.is_empty();
                    return if names_a_function { empty_parentheses(cursor) } else { Err(Doubt::Syntax) };
                }
                Some(b'<' | b'>') if cursor.second() == Some(b'(') => {}
                Some(b'<' | b'>' | b'&') => {
                    self.redirection(cursor, None, &mut simple)?;
                    continue;
                }
                Some(_) => {}
            }
            let word = self.word(cursor)?.ok_or(Doubt::Syntax)?;
            if is_descriptor(&word) && matches!(cursor.peek(), Some(b'<' | b'>')) {
                self.redirection(cursor, Some(&word), &mut simple)?;
            } else if simple.words.is_empty() && word.assignment().is_some() {
                simple.assignments.push(word);
            } else if simple.is_empty() && self.keyword(&word, cursor, open)? == Onward::Command {
                return Ok(());
            } else {
                simple.words.push(word);
            }
        }
        self.complete(&simple, first_heredoc);
        Ok(())
    }

    fn keyword(&mut self, word: &Word, cursor: &mut Cursor<'_>, open: &mut Vec<Open>) -> Lexed<Onward> {
        match word.keyword().unwrap_or_default() {
            "if" | "then" | "else" | "elif" | "fi" | "do" | "done" | "while" | "until" | "{" | "}" | "!" => {}
            // What follows may be a name or a command.
            "coproc" => self.listener.doubt(Doubt::Hidden),
            "esac" if matches!(open.last(), Some(Open::Arm)) => {
                open.pop();
            }
            "case" => {
                self.subject(cursor)?;
                open.push(Open::Pattern);
            }
            "for" | "select" | "foreach" => self.loop_words(cursor)?,
            "function" => {
                cursor.skip_blanks();
                self.word(cursor)?;
                cursor.skip_blanks();
                if cursor.peek() == Some(b'(') {
                    empty_parentheses(cursor)?;
                }
            }
            "time" => {
                cursor.skip_blanks();
                if cursor.peek() == Some(b'-') {
                    return Ok(Onward::Arguments);
                }
                self.tell(word, &[]);
            }
            _ => return Ok(Onward::Arguments),
        }
        Ok(Onward::Command)
    }

    /// The word and the `in` of a `case`.
    fn subject(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        cursor.skip_blanks();
        self.word(cursor)?.ok_or(Doubt::Syntax)?;
        self.skip_lines(cursor)?;
        let word = self.word(cursor)?.ok_or(Doubt::Syntax)?;
        if word.is_keyword("in") { Ok(()) } else { Err(Doubt::Syntax) }
    }

    /// What a loop goes over: `NAME in WORDS`, `NAME` alone, or arithmetic.
    fn loop_words(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        cursor.skip_blanks();
        if cursor.eat(b'(') {
            return if cursor.eat(b'(') { self.arithmetic(cursor) } else { Err(Doubt::Syntax) };
        }
        self.word(cursor)?.ok_or(Doubt::Syntax)?;
        self.skip_lines(cursor)?;
        if cursor.peek() == Some(b';') {
            return Ok(());
        }
        let word = self.word(cursor)?.ok_or(Doubt::Syntax)?;
        if word.is_keyword("do") || word.is_keyword("{") {
            return Ok(());
        }
        if !word.is_keyword("in") {
            return Err(Doubt::Syntax);
        }
        loop {
            cursor.skip_blanks();
            if let None | Some(b'\n' | b';' | b'#' | b'&' | b'|' | b')') = cursor.peek() {
                return Ok(());
            }
            self.word(cursor)?.ok_or(Doubt::Syntax)?;
        }
    }

    /// Newlines where none ends a command.
    fn skip_lines(&mut self, cursor: &mut Cursor<'_>) -> Lexed<()> {
        loop {
            cursor.skip_blanks();
            match cursor.peek() {
                Some(b'\n') => {
                    cursor.bump();
                    self.bodies(cursor)?;
                }
                Some(b'#') => {
                    cursor.raw_until(|byte| byte == b'\n');
                }
                _ => return Ok(()),
            }
        }
    }

    /// Tells what a command is, and gives it what stands for its input.
    fn complete(&mut self, simple: &Simple, first_heredoc: usize) {
        for (name, value) in simple.assignments.iter().filter_map(Word::assignment) {
            self.assigned(name, value);
        }
        let input = if simple.words.is_empty() { Input::Data } else { self.run(&simple.words) };
        if input == Input::Data {
            return;
        }
        let mut known = simple.input.as_ref().is_some_and(is_plain_file) || !simple.strings.is_empty();
        for heredoc in
            self.heredocs.iter_mut().skip(first_heredoc).filter(|heredoc| heredoc.reader == Reader::Input)
        {
            known = true;
            if input == Input::Script {
                heredoc.reader = Reader::Script;
            }
        }
        for text in simple.strings.iter().filter(|_| input == Input::Script) {
            self.fed(text);
        }
        if !known {
            self.listener.doubt(Doubt::Hidden);
        }
    }

    /// A variable that is set, as a program `NAME=` with the value as its argument.
    pub(super) fn assigned(&mut self, name: &str, value: Word) {
        // Arithmetic, `${name@P}` and prompts expand what a variable holds.
        if substitutes(value.text()) {
            self.listener.doubt(Doubt::Hidden);
        }
        self.tell(&Word::plain(format!("{}=", name.trim_end_matches('+'))), &[value]);
    }

    /// One simple command.
    pub(super) fn tell(&mut self, program: &Word, arguments: &[Word]) {
        match self.fuel.burn_words(arguments) {
            Ok(()) => self.listener.command(&Command { program, arguments, more: false }),
            Err(doubt) => self.listener.doubt(doubt),
        }
    }
}

impl Simple {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.assignments.is_empty()
    }
}

fn parenthesis(cursor: &mut Cursor<'_>, open: &mut Vec<Open>) -> Lexed<()> {
    let opens = cursor.peek() == Some(b'(');
    cursor.bump();
    match (opens, open.last_mut()) {
        (true, Some(Open::Pattern)) => {}
        (true, _) => open.push(Open::Parenthesis),
        (false, Some(pattern @ Open::Pattern)) => *pattern = Open::Arm,
        (false, Some(Open::Parenthesis)) => {
            open.pop();
        }
        (false, Some(Open::Arm) | None) => return Err(Doubt::Syntax),
    }
    Ok(())
}

/// `;`, `&`, `|` and their doubles; `;;` ends an arm of `case`.
fn operator(cursor: &mut Cursor<'_>, open: &mut [Open]) {
    let ends_an_arm = cursor.eat(b';') && matches!(cursor.peek(), Some(b';' | b'&'));
    if ends_an_arm && let Some(arm @ Open::Arm) = open.last_mut() {
        *arm = Open::Pattern;
        cursor.bump();
        cursor.eat(b'&');
        return;
    }
    if let Some(b'&' | b'|') = cursor.peek() {
        cursor.bump();
    }
}

fn empty_parentheses(cursor: &mut Cursor<'_>) -> Lexed<()> {
    cursor.bump();
    cursor.skip_blanks();
    if cursor.eat(b')') { Ok(()) } else { Err(Doubt::Syntax) }
}
