//! The words of SQL that matter here, and what each may mean.
//!
//! It knows words, not their order. Only ASCII letters make keywords, in any case. Invariant: a word that is not in
//! the table begins no statement that callgate knows.

use super::kind::{self as k, Kinds};

/// A bare word of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    pub(super) entry: Option<&'static Entry>,
}

/// A keyword.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) word: &'static str,
    pub(super) lead: Lead,
    pub(super) follows: Follows,
    pub(super) place: Place,
}

/// What the word is as the first of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// Nothing.
    Not,
    /// A statement of these kinds.
    Is(Kinds),
    /// What the words behind it say.
    Depends,
}

/// What must follow for the word to begin a statement in the middle of another, as SQL Server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// It does not.
    Never,
    /// A name.
    Name,
    /// A name or one of these words.
    NameOr(&'static [&'static str]),
    /// One of these words.
    Only(&'static [&'static str]),
    /// One of these words, or nothing more.
    EndOr(&'static [&'static str]),
    /// A name, a string or a parenthesis.
    Anything,
    /// A variable.
    Variable,
    /// A number or a string.
    Number,
}

/// Where a word cannot stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere.
    Any,
    /// It is no name: it does not stand behind a word that begins a statement.
    Clause,
    /// It asks for more, so no statement begins behind it; and it is no name.
    Open,
}

impl<'t> Word<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let order = |entry: &Entry| {
            let lower = text.bytes().map(|byte| byte.to_ascii_lowercase());
            lower.cmp(entry.word.bytes()).reverse()
        };
        let entry = if text.len() > LONGEST { None } else { WORDS.binary_search_by(order).ok() };
        Self { text, entry: entry.and_then(|at| WORDS.get(at)) }
    }

    /// Whether it is this keyword, given in lower case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }

    pub(super) fn is_variable(&self) -> bool {
        self.text.starts_with('@')
    }

    pub(super) fn place(&self) -> Place {
        self.entry.map_or(Place::Any, |entry| entry.place)
    }
}

const LONGEST: usize = 17;

const fn entry(word: &'static str, lead: Lead, follows: Follows, place: Place) -> Entry {
    Entry { word, lead, follows, place }
}

/// A word that only ever begins a statement where one is due.
const fn lead(word: &'static str, kinds: Kinds) -> Entry {
    entry(word, Lead::Is(kinds), Follows::Never, Place::Any)
}

/// A word that also begins a statement without anything to part it from the one before.
const fn stacks(word: &'static str, kinds: Kinds, follows: Follows) -> Entry {
    entry(word, Lead::Is(kinds), follows, Place::Any)
}

const fn clause(word: &'static str) -> Entry {
    entry(word, Lead::Not, Follows::Never, Place::Clause)
}

const fn open(word: &'static str) -> Entry {
    entry(word, Lead::Not, Follows::Never, Place::Open)
}

/// What may stand behind `COMMIT`.
const WORK: &[&str] = &["tran", "transaction", "work"];

/// Sorted by word.
const WORDS: &[Entry] = &[
    lead("abort", k::TRANSACTION),
    stacks("alter", k::ALTER, Follows::Name),
    lead("analyse", k::ANALYZE),
    lead("analyze", k::ANALYZE),
    open("and"),
    clause("as"),
    clause("asc"),
    lead("attach", k::ATTACH),
    stacks("backup", k::BACKUP, Follows::Name),
    entry("begin", Lead::Depends, Follows::Only(&["tran", "transaction", "distributed"]), Place::Any),
    open("between"),
    stacks("bulk", k::INSERT.and(k::LOAD), Follows::Only(&["insert"])),
    open("by"),
    lead("call", k::CALL),
    clause("cascade"),
    lead("checkpoint", k::CHECKPOINT),
    lead("cluster", k::CLUSTER),
    clause("collate"),
    lead("comment", k::COMMENT),
    stacks("commit", k::TRANSACTION, Follows::EndOr(WORK)),
    lead("copy", k::COPY),
    stacks("create", k::CREATE, Follows::NameOr(&["or"])),
    clause("cross"),
    clause("current_timestamp"),
    stacks("dbcc", k::CALL, Follows::Name),
    lead("deallocate", k::CALL),
    stacks("declare", k::DECLARE, Follows::Variable),
    stacks("delete", k::DELETE, Follows::NameOr(&["from"])),
    stacks("deny", k::REVOKE, Follows::NameOr(&["select"])),
    entry("desc", Lead::Is(k::DESCRIBE), Follows::Never, Place::Clause),
    lead("describe", k::DESCRIBE),
    lead("detach", k::DETACH),
    lead("discard", k::SET),
    open("distinct"),
    lead("do", k::CALL),
    stacks("drop", k::DROP, Follows::Name),
    clause("else"),
    entry("end", Lead::Depends, Follows::Never, Place::Clause),
    clause("except"),
    stacks("exec", k::CALL, Follows::Anything),
    stacks("execute", k::CALL, Follows::Anything),
    lead("explain", k::EXPLAIN),
    lead("export", k::EXPORT),
    clause("for"),
    open("from"),
    clause("full"),
    stacks("grant", k::GRANT, Follows::NameOr(&["select"])),
    clause("group"),
    open("having"),
    lead("import", k::IMPORT),
    open("in"),
    clause("inner"),
    stacks("insert", k::INSERT, Follows::NameOr(&["into"])),
    lead("install", k::INSTALL),
    clause("intersect"),
    clause("into"),
    open("is"),
    open("join"),
    stacks("kill", k::KILL, Follows::Number),
    clause("left"),
    open("like"),
    clause("limit"),
    lead("listen", k::NOTIFY),
    lead("load", k::LOAD),
    lead("lock", k::LOCK),
    stacks("merge", k::MERGE, Follows::NameOr(&["into"])),
    clause("no"),
    open("not"),
    lead("notify", k::NOTIFY),
    clause("nowait"),
    clause("null"),
    clause("nulls"),
    clause("of"),
    clause("offset"),
    clause("on"),
    lead("optimize", k::OPTIMIZE),
    clause("option"),
    open("or"),
    clause("order"),
    clause("over"),
    lead("pragma", k::PRAGMA),
    lead("prepare", k::CALL),
    stacks("reconfigure", k::SET, Follows::EndOr(&["with"])),
    lead("refresh", k::REFRESH),
    lead("reindex", k::REINDEX),
    lead("release", k::TRANSACTION),
    lead("rename", k::RENAME),
    stacks("replace", k::REPLACE, Follows::Only(&["into"])),
    lead("reset", k::SET),
    stacks("restore", k::RESTORE, Follows::Name),
    clause("restrict"),
    clause("returning"),
    stacks("revoke", k::REVOKE, Follows::NameOr(&["select"])),
    clause("right"),
    stacks("rollback", k::TRANSACTION, Follows::EndOr(WORK)),
    stacks("save", k::TRANSACTION, Follows::Only(WORK)),
    lead("savepoint", k::TRANSACTION),
    entry("select", Lead::Is(k::SELECT), Follows::Never, Place::Open),
    entry("set", Lead::Is(k::SET), Follows::Name, Place::Clause),
    stacks("setuser", k::SET, Follows::Anything),
    lead("show", k::SHOW),
    stacks("shutdown", k::SHUTDOWN, Follows::EndOr(&["with"])),
    entry("start", Lead::Depends, Follows::Never, Place::Any),
    lead("table", k::TABLE),
    clause("then"),
    clause("to"),
    stacks("truncate", k::TRUNCATE, Follows::Only(&["table", "partition"])),
    clause("union"),
    lead("unlisten", k::NOTIFY),
    lead("unload", k::UNLOAD),
    lead("unlock", k::LOCK),
    stacks("update", k::UPDATE, Follows::Name),
    stacks("updatetext", k::UPDATE, Follows::Name),
    lead("upsert", k::INSERT.and(k::UPDATE)),
    lead("use", k::USE),
    clause("using"),
    lead("vacuum", k::VACUUM),
    entry("values", Lead::Is(k::VALUES), Follows::Never, Place::Clause),
    stacks("waitfor", k::CALL, Follows::Anything),
    clause("when"),
    open("where"),
    entry("with", Lead::Depends, Follows::Never, Place::Clause),
    stacks("writetext", k::UPDATE, Follows::Name),
];

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn the_words_are_sorted_so_that_each_is_found() {
        assert!(WORDS.is_sorted_by(|a, b| a.word.cmp(b.word) == Ordering::Less));
        for known in WORDS {
            let upper = known.word.to_ascii_uppercase();
            assert_eq!(Word::of(&upper).entry.map(|entry| entry.word), Some(known.word));
            assert!(known.word.len() <= LONGEST);
        }
    }

    #[test]
    fn letters_that_look_like_ours_make_no_keyword() {
        for text in ["\u{ff24}\u{ff32}\u{ff2f}\u{ff30}", "\u{17f}elect", "dr\u{3bf}p", "drops", ""] {
            assert!(Word::of(text).entry.is_none(), "{text}");
        }
    }
}
