//! Statements that begin in the middle of others: in parentheses, or with nothing to part them, as SQL Server has it.
//!
//! It refuses to believe a word alone: what stands on both sides must fit a statement. Invariant: outside
//! parentheses what is found is possible, never certain, but for what `EXPLAIN ANALYZE` runs.

use super::kind as k;
use super::lexer::Token;
use super::statement::{Around, At, DATA, OBJECTS, READS, ROUTINES, Reader};
use super::word::{Entry, Follows, Lead, Place, Word};

impl Reader {
    /// A word that may begin a statement with nothing to part it from what stands before.
    pub(super) fn stacked(&mut self, word: Word<'_>, around: &Around<'_>) {
        if self.object {
            self.found.unclear |= ROUTINES.iter().any(|routine| word.is(routine));
            self.object = !word.is("as") && !ROUTINES.iter().chain(OBJECTS).any(|object| word.is(object));
        }
        let Some(entry) = word.entry else { return };
        self.privileges &= !["on", "to", "from"].contains(&entry.word);
        if self.privileges || !self.may_begin(&around.previous) {
            return;
        }
        let Lead::Is(kinds) = entry.lead else { return self.stacked_block(entry, around) };
        if entry.word == "select" {
            return self.also_selects();
        }
        if !follows(entry.follows, &around.next) || entry.word == "set" && !self.may_set(around) {
            return;
        }
        let in_parentheses = around.previous.is_punct(b'(') && DATA.iter().any(|data| word.is(data));
        if in_parentheses || self.runs {
            self.found.certain.add(kinds);
        } else {
            self.found.possible.add(kinds);
        }
        self.opened(entry.word, &around.next);
    }

    fn stacked_block(&mut self, entry: &Entry, around: &Around<'_>) {
        if follows(entry.follows, &around.next) {
            self.found.possible.add(k::TRANSACTION);
        }
    }

    /// `INSERT … SELECT` also selects; a subquery is a part of its statement.
    fn also_selects(&mut self) {
        let At::In(lead) = self.at else { return self.found.possible.add(k::SELECT) };
        let reads = READS.contains(&lead) || lead == "describe" || lead == "desc";
        if self.depth == 0 && (!reads || lead == "declare" || self.runs) {
            self.found.certain.add(k::SELECT);
        }
    }

    /// Whether a statement may begin behind this.
    fn may_begin(&self, previous: &Token<'_>) -> bool {
        match previous {
            Token::Word(word) if word.is("as") => {
                !matches!(self.at, At::In(lead) if lead == "select" || lead == "with")
            }
            Token::Word(word) => word.place() != Place::Open,
            // `$` alone is an amount of money, `?` a placeholder, `{d '…'}` a date.
            Token::Punct(byte) => matches!(byte, b'(' | b')' | b'*' | b']' | b'}' | b'$' | b'?'),
            Token::Quoted(_) | Token::Text | Token::Number | Token::Separator | Token::End => true,
        }
    }

    /// `SET` is a part of many statements, but not of those that read.
    fn may_set(&self, around: &Around<'_>) -> bool {
        let part = around.previous.is_any(&["character", "char", "charset"]) || self.awaited.is_some();
        !part && matches!(self.at, At::In("select" | "values" | "table" | "declare" | "set" | "use"))
    }
}

/// Whether what stands behind a word fits a statement.
pub(super) fn follows(wanted: Follows, next: &Token<'_>) -> bool {
    let name = match next {
        Token::Word(word) => word.place() == Place::Any,
        // `..t` is a table of the database in use.
        Token::Quoted(_) | Token::Punct(b'.') => true,
        Token::Text | Token::Number | Token::Punct(_) | Token::Separator | Token::End => false,
    };
    match wanted {
        Follows::Never => false,
        Follows::Name => name,
        Follows::NameOr(words) => name || next.is_any(words),
        Follows::Only(words) => next.is_any(words),
        Follows::EndOr(words) => {
            let statement =
                matches!(next, Token::Word(Word { entry: Some(entry), .. }) if entry.lead != Lead::Not);
            next.ends() || statement || next.is_any(words)
        }
        Follows::Anything => matches!(next, Token::Text | Token::Punct(b'(' | b'{')) || name || next.is("as"),
        Follows::Variable => matches!(next, Token::Word(word) if word.is_variable()),
        Follows::Number => matches!(next, Token::Number | Token::Text),
    }
}
