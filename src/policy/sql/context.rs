//! What a word means in the statement that it stands in: `INTO`, `FOR UPDATE`, `DO UPDATE`, a function that acts.
//!
//! It does not ask whether the word begins a statement. Invariant: what is found here is certain.

use super::effect::Effect;
use super::kind::{self as k, Kinds};
use super::lexer::Token;
use super::statement::{Around, At, DATA, READS, Reader};
use super::word::{Lead, Word};

impl Reader {
    /// What a word means in a statement of its own kind only. Whether that is all it can mean.
    pub(super) fn by_statement(&mut self, lead: &str, word: Word<'_>, around: &Around<'_>) -> bool {
        let (previous, next) = (&around.previous, &around.next);
        let found = match lead {
            _ if READS.contains(&lead) => self.in_a_read(lead, word, around),
            "insert" | "upsert" | "replace" => match () {
                () if word.is("update") && previous.is_any(&["do", "key"]) => k::UPDATE,
                () if word.is("replace") && previous.is("or") => k::REPLACE,
                () => Kinds::NONE,
            },
            "merge" if previous.is("then") && DATA.iter().any(|data| word.is(data)) => {
                match word.entry.map(|entry| entry.lead) {
                    Some(Lead::Is(kinds)) => kinds,
                    Some(Lead::Not | Lead::Depends) | None => Kinds::NONE,
                }
            }
            "copy" if self.depth == 0 && word.is("from") => k::INSERT,
            "copy" if self.depth == 0 && word.is("to") => k::EXPORT,
            "copy" if word.is("program") && previous.is_any(&["from", "to"]) => k::CALL,
            "vacuum" if word.is("into") => k::EXPORT,
            "show" if previous.is("show") => return true,
            "alter" if word.is("drop") && next.is_any(&["not", "default", "expression", "identity"]) => {
                return true;
            }
            _ => Kinds::NONE,
        };
        self.found.certain.add(found);
        !found.is_empty()
    }

    /// What a word means in a statement that reads rows.
    fn in_a_read(&mut self, lead: &str, word: Word<'_>, around: &Around<'_>) -> Kinds {
        let (previous, next) = (&around.previous, &around.next);
        if word.is("into") && previous.is_any(&["insert", "merge", "replace", "ignore"]) {
            // To PostgreSQL these are names, too: `SELECT 1 AS insert INTO t`.
            if !around.before.is_punct(b'(') {
                self.found.possible.add(k::CREATE);
            }
            return Kinds::NONE;
        }
        if word.is("into") {
            let variable = next.is_punct(b':') || matches!(next, Token::Word(word) if word.is_variable());
            return match () {
                () if next.is_any(&["outfile", "dumpfile"]) => k::EXPORT,
                () if variable => k::SET,
                () => k::CREATE,
            };
        }
        let by_key = previous.is("key") && (word.is("share") || around.before.is("no"));
        let locks = (word.is("update") || word.is("share")) && (previous.is("for") || by_key);
        if locks || word.is("lock") && next.is("in") {
            return k::LOCK;
        }
        if lead == "explain" && (word.is("analyze") || word.is("analyse")) {
            self.runs = true;
        }
        Kinds::NONE
    }

    /// Functions that act, procedures that run what they are given.
    pub(super) fn calls(&mut self, around: &Around<'_>) {
        let name = match around.now {
            Token::Word(word) => word.text,
            Token::Quoted(name) => name,
            Token::Text | Token::Number | Token::Punct(_) | Token::Separator | Token::End => return,
        };
        if around.previous.is_any(&["into", "table", "exists"]) {
            // Columns follow the name of a table.
            return;
        }
        let procedure = matches!(self.at, At::In("exec" | "execute" | "call")) && self.depth == 0;
        let previous = &around.previous;
        let advances = around.now.is("nextval") && previous.is_punct(b'.')
            || around.now.is("for") && previous.is("value") && around.before.is("next");
        let effect = match () {
            () if advances => Effect::Acts,
            () if procedure || around.next.is_punct(b'(') => Effect::of(name),
            () if around.next.is_punct(b'.') => Effect::of_package(name),
            () => Effect::None,
        };
        if effect != Effect::None {
            self.found.certain.add(k::CALL);
            self.found.evident = true;
            self.found.unclear |= effect == Effect::RunsText;
        }
    }
}
