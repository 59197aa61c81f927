//! The kinds of statement that rules name, and sets of them.
//!
//! It accepts the words that databases have for them too, and knows each kind by one name all the same.
//! Invariant: every statement that callgate knows is of at least one kind.

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Kinds(u64);

impl Kinds {
    pub(super) const NONE: Self = Self(0);

    /// The kinds of a word in a rule, in any letters: one kind, a group of them, or another word for one.
    pub fn named(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        let known = SYNONYMS.iter().find(|(synonym, _)| *synonym == lower).map_or(&*lower, |(_, name)| *name);
        KINDS.iter().chain(GROUPS).find(|(name, _)| *name == known).map(|(_, kinds)| *kinds)
    }

    /// The names of the kinds in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(move |(_, kind)| self.meets(*kind)).map(|(name, _)| *name)
    }

    /// Every word that a rule may use: the kinds, then the groups.
    pub fn words() -> impl Iterator<Item = &'static str> {
        KINDS.iter().chain(GROUPS).map(|(name, _)| *name)
    }

    /// The other words that a rule may use for them.
    pub fn synonyms() -> impl Iterator<Item = &'static str> {
        SYNONYMS.iter().map(|(synonym, _)| *synonym)
    }

    /// What is in either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether the sets share a kind.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the other set holds all of this one.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

macro_rules! kinds {
    ($($name:ident $word:literal $place:literal),+ $(,)?) => {
        $(pub(super) const $name: Kinds = Kinds(1 << $place);)+
        const KINDS: &[(&str, Kinds)] = &[$(($word, $name)),+];
    };
}

kinds! {
    SELECT "select" 0, VALUES "values" 1, TABLE "table" 2, SHOW "show" 3, DESCRIBE "describe" 4, EXPLAIN "explain" 5,
    INSERT "insert" 6, UPDATE "update" 7, DELETE "delete" 8, MERGE "merge" 9, REPLACE "replace" 10,
    TRUNCATE "truncate" 11,
    CREATE "create" 12, ALTER "alter" 13, DROP "drop" 14, RENAME "rename" 15, COMMENT "comment" 16,
    GRANT "grant" 17, REVOKE "revoke" 18,
    TRANSACTION "transaction" 19, LOCK "lock" 20,
    SET "set" 21, USE "use" 22, PRAGMA "pragma" 23, DECLARE "declare" 24, CALL "call" 25,
    COPY "copy" 26, LOAD "load" 27, IMPORT "import" 28, EXPORT "export" 29, UNLOAD "unload" 30,
    ATTACH "attach" 31, DETACH "detach" 32, BACKUP "backup" 33, RESTORE "restore" 34,
    VACUUM "vacuum" 35, ANALYZE "analyze" 36, OPTIMIZE "optimize" 37, REINDEX "reindex" 38, REFRESH "refresh" 39,
    CLUSTER "cluster" 40, CHECKPOINT "checkpoint" 41,
    KILL "kill" 42, SHUTDOWN "shutdown" 43, NOTIFY "notify" 44, INSTALL "install" 45,
}

const GROUPS: &[(&str, Kinds)] = &[
    ("read", SELECT.and(VALUES).and(TABLE).and(SHOW).and(DESCRIBE).and(EXPLAIN)),
    ("write", INSERT.and(UPDATE).and(DELETE).and(MERGE).and(REPLACE).and(TRUNCATE)),
    ("define", CREATE.and(ALTER).and(DROP).and(RENAME).and(COMMENT)),
    (
        "move",
        COPY.and(LOAD).and(IMPORT).and(EXPORT).and(UNLOAD).and(ATTACH).and(DETACH).and(BACKUP).and(RESTORE),
    ),
    ("maintain", VACUUM.and(ANALYZE).and(OPTIMIZE).and(REINDEX).and(REFRESH).and(CLUSTER).and(CHECKPOINT)),
];

/// Words that people may try, and ours.
const SYNONYMS: &[(&str, &str)] = &[
    ("abort", "transaction"),
    ("begin", "transaction"),
    ("commit", "transaction"),
    ("ddl", "define"),
    ("desc", "describe"),
    ("dml", "write"),
    ("do", "call"),
    ("exec", "call"),
    ("execute", "call"),
    ("listen", "notify"),
    ("outfile", "export"),
    ("prepare", "call"),
    ("query", "read"),
    ("reset", "set"),
    ("rollback", "transaction"),
    ("savepoint", "transaction"),
    ("unlock", "lock"),
    ("upsert", "insert"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_group_has_one_name() {
        let mut words: Vec<&str> = Kinds::words().collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
        let mut seen = Kinds::NONE;
        for (word, kind) in KINDS {
            assert!(!seen.meets(*kind), "{word} shares its place");
            seen.add(*kind);
        }
    }

    #[test]
    fn a_synonym_leads_to_a_word_that_rules_know() {
        for (synonym, word) in SYNONYMS {
            assert!(Kinds::named(word).is_some(), "{word}");
            assert_eq!(Kinds::named(&synonym.to_uppercase()), Kinds::named(word), "{synonym}");
        }
    }
}
