//! Which statements a row of tokens holds.
//!
//! It parses nothing: it looks for the words that begin statements, where statements may begin, and keeps a dozen
//! words of state whatever the text. Invariant: a keyword that could begin a statement for some server is counted,
//! as possible at least; what stands in quotes never is.

use super::dialect::Lexis;
use super::kind::{self as k, Kinds};
use super::lexer::{Lexer, Token};
use super::stacked::follows;
use super::word::{Entry, Lead, Word};

/// What one reading of a text found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// Kinds of statement that the text holds.
    pub(super) certain: Kinds,
    /// Kinds that it holds if some server reads it so.
    pub(super) possible: Kinds,
    /// Whether there is something else, that nobody here can read.
    pub(super) unclear: bool,
    /// Whether more than a first word speaks for SQL.
    pub(super) evident: bool,
}

impl Found {
    /// Reads a text by one set of rules.
    pub(super) fn read(text: &str, lexis: Lexis) -> Self {
        let mut lexer = Lexer::new(text, lexis);
        let mut reader = Reader::default();
        let mut around = Around {
            before: Token::Separator,
            previous: Token::Separator,
            now: Token::Separator,
            next: lexer.next(),
        };
        while !matches!(around.next, Token::End) {
            around = Around {
                before: around.previous,
                previous: around.now,
                now: around.next,
                next: lexer.next(),
            };
            reader.step(&around);
        }
        reader.finish();
        reader.found.unclear |= lexer.unclear;
        reader.found
    }

    /// Whether a statement of one of these kinds is in the text; `None` where that cannot be told.
    pub(super) fn any(&self, kinds: Kinds) -> Option<bool> {
        if self.certain.meets(kinds) {
            return Some(true);
        }
        (!self.unclear && !self.possible.meets(kinds)).then_some(false)
    }

    /// Whether there are statements, and all of these kinds; `None` where that cannot be told.
    pub(super) fn only(&self, kinds: Kinds) -> Option<bool> {
        let nothing = self.certain.is_empty() && self.possible.is_empty() && !self.unclear;
        if nothing || !self.certain.is_within(kinds) {
            return Some(false);
        }
        (!self.unclear && self.possible.is_within(kinds)).then_some(true)
    }
}

/// A token and its neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'t> {
    pub(super) before: Token<'t>,
    pub(super) previous: Token<'t>,
    pub(super) now: Token<'t>,
    pub(super) next: Token<'t>,
}

/// Where in a statement the reader is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum At {
    /// No word came yet.
    #[default]
    Start,
    /// In a statement that begins with no word that is known.
    Unknown,
    /// In a statement that begins with this word; behind `WITH …`, the one that says what is done.
    In(&'static str),
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) found: Found,
    pub(super) at: At,
    /// Open parentheses.
    pub(super) depth: u32,
    /// Behind `WITH`, until the statement's own word comes at this depth.
    pub(super) awaited: Option<u32>,
    /// Among the privileges of a `GRANT`, which have the names of statements.
    pub(super) privileges: bool,
    /// Behind `CREATE` or `ALTER`, until the word that says what.
    pub(super) object: bool,
    /// Behind `EXPLAIN ANALYZE`.
    pub(super) runs: bool,
}

/// Statements that read rows, and so may end in `INTO` and `FOR UPDATE`.
pub(super) const READS: &[&str] = &["select", "with", "values", "table", "explain", "declare"];
/// Statements that stand in parentheses in other statements.
pub(super) const DATA: &[&str] = &["insert", "update", "delete", "merge"];
/// Words behind `CREATE` that say that no code follows.
pub(super) const OBJECTS: &[&str] = &[
    "table",
    "view",
    "index",
    "database",
    "schema",
    "sequence",
    "user",
    "role",
    "login",
    "domain",
    "type",
    "tablespace",
    "statistics",
    "extension",
    "collation",
    "publication",
    "subscription",
    "server",
    "column",
    "synonym",
    "materialized",
    "external",
    "foreign",
    "virtual",
    "warehouse",
    "stage",
    "stream",
    "policy",
];
/// Words behind `CREATE` that say that code follows, to be run later.
pub(super) const ROUTINES: &[&str] = &[
    "function",
    "procedure",
    "proc",
    "trigger",
    "package",
    "rule",
    "event",
    "task",
    "aggregate",
    "macro",
    "operator",
    "assembly",
    "library",
    "language",
    "job",
];

impl Reader {
    fn step(&mut self, around: &Around<'_>) {
        match around.now {
            Token::Separator | Token::End => return self.finish(),
            Token::Punct(b'(') => self.depth = self.depth.saturating_add(1),
            Token::Punct(b')') if self.at != At::Start => self.depth = self.depth.saturating_sub(1),
            Token::Word(word) if self.at == At::Start => self.first(word, around),
            Token::Word(word) => self.within(word, around),
            Token::Quoted(_) | Token::Text | Token::Number | Token::Punct(_) if self.at == At::Start => {
                self.found.unclear = true;
                self.at = At::Unknown;
            }
            Token::Quoted(_) | Token::Text | Token::Number | Token::Punct(_) => {}
        }
        self.calls(around);
    }

    /// The end of a statement.
    fn finish(&mut self) {
        // Only parentheses, or a `WITH` that comes to nothing.
        self.found.unclear |= self.awaited.is_some() || self.at == At::Start && self.depth > 0;
        *self = Self { found: self.found, ..Self::default() };
    }

    /// The first word of a statement.
    fn first(&mut self, word: Word<'_>, around: &Around<'_>) {
        self.at = At::Unknown;
        let Some(entry) = word.entry else {
            self.found.unclear = true;
            return;
        };
        let next = &around.next;
        match entry.lead {
            Lead::Is(kinds) => self.begin(entry, kinds, next),
            Lead::Depends => match entry.word {
                "with" => {
                    self.at = At::In(entry.word);
                    self.awaited = Some(self.depth);
                }
                "begin" if next.ends() || next.is_any(BEGIN) => self.begin(entry, k::TRANSACTION, next),
                "end" if next.ends() || next.is_any(END) => self.begin(entry, k::TRANSACTION, next),
                "start" if next.is("transaction") => self.begin(entry, k::TRANSACTION, next),
                other => {
                    // Statements follow a `BEGIN` at once.
                    self.at = if other == "begin" { At::Start } else { At::Unknown };
                    self.found.unclear = true;
                }
            },
            Lead::Not => self.found.unclear = true,
        }
    }

    /// Enters a statement.
    fn begin(&mut self, entry: &'static Entry, kinds: Kinds, next: &Token<'_>) {
        self.at = At::In(entry.word);
        self.found.certain.add(kinds);
        self.opened(entry.word, next);
        let loads = entry.word == "load" && next.is_any(&["data", "xml"]);
        if loads {
            self.found.certain.add(k::INSERT);
        }
    }

    /// What the first word of a statement means for what follows, wherever it stands.
    pub(super) fn opened(&mut self, word: &str, next: &Token<'_>) {
        match word {
            "grant" | "revoke" | "deny" => self.privileges = true,
            "create" | "alter" => self.object = true,
            "exec" | "execute" | "do" => {
                let text = matches!(next, Token::Text | Token::Punct(b'(')) || next.is("immediate");
                self.found.unclear |= text || matches!(next, Token::Word(word) if word.is_variable());
            }
            "prepare" => self.found.unclear = true,
            _ => {}
        }
        self.found.evident |= match word {
            "insert" | "merge" | "replace" => next.is("into"),
            "delete" => next.is("from"),
            "drop" | "create" | "alter" | "truncate" => {
                next.is_any(OBJECTS)
                    || next.is_any(ROUTINES)
                    || next.is_any(&["or", "temporary", "temp", "unique"])
            }
            "exec" | "execute" => true,
            _ => false,
        };
    }

    /// A later word.
    fn within(&mut self, word: Word<'_>, around: &Around<'_>) {
        let At::In(lead) = self.at else {
            // Nothing is known about where it stands, but it may still begin something.
            self.stacked(word, around);
            return;
        };
        if self.main(word, around) || self.by_statement(lead, word, around) {
            return;
        }
        self.stacked(word, around);
        self.found.evident |= match lead {
            "select" | "with" => word.is("from") || word.is("union"),
            "update" => word.is("set"),
            "grant" | "revoke" => word.is("on"),
            _ => false,
        };
    }

    /// The word behind the tables of a `WITH` that says what is done with them.
    fn main(&mut self, word: Word<'_>, around: &Around<'_>) -> bool {
        if self.awaited != Some(self.depth) || around.previous.is_punct(b'.') {
            return false;
        }
        let Some(entry) = word.entry else { return false };
        let reads = ["select", "values"].contains(&entry.word);
        let writes = ["insert", "update", "delete", "merge", "replace"].contains(&entry.word);
        if !(reads || writes && follows(entry.follows, &around.next)) {
            return false;
        }
        if let Lead::Is(kinds) = entry.lead {
            self.awaited = None;
            self.begin(entry, kinds, &around.next);
        }
        true
    }
}

/// Words behind `BEGIN` that make it the beginning of a transaction.
const BEGIN: &[&str] = &[
    "tran",
    "transaction",
    "work",
    "isolation",
    "read",
    "deferred",
    "immediate",
    "exclusive",
    "concurrent",
    "distributed",
];
/// Words behind `END` that make it the end of one.
const END: &[&str] = &["tran", "transaction", "work", "and"];
