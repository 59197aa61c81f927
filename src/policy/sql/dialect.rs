//! How servers cut a text into words: what quotes, what escapes, what is a comment.
//!
//! It knows nothing of statements. Invariant: without a dialect, a text is read in every way in which one of the
//! known servers may read it, and no way is read twice.

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Standard SQL, and nothing else.
    Ansi,
    /// PostgreSQL and its kin: `E'…'`, `$tag$…$tag$`, comments in comments.
    Postgres,
    /// MySQL and MariaDB: backslashes, `#`, `` `…` ``, `/*! … */`.
    Mysql,
    /// SQLite: `` `…` `` and `[…]`.
    Sqlite,
    /// SQL Server: `[…]`, comments in comments.
    Mssql,
    /// Oracle: `q'[…]'`.
    Oracle,
    /// Snowflake: backslashes, `$$…$$`, `//`.
    Snowflake,
    /// BigQuery: backslashes, `'''…'''`, `#`, `` `…` ``.
    Bigquery,
}

impl Dialect {
    /// The words of `dialect`.
    pub const WORDS: &'static [&'static str] =
        &["ansi", "postgres", "mysql", "sqlite", "mssql", "oracle", "snowflake", "bigquery"];

    const ALL: [Self; 8] = [
        Self::Ansi,
        Self::Postgres,
        Self::Mysql,
        Self::Sqlite,
        Self::Mssql,
        Self::Oracle,
        Self::Snowflake,
        Self::Bigquery,
    ];

    /// The dialect that a word names.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == word)
    }

    /// As the file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ansi => "ansi",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
            Self::Mssql => "mssql",
            Self::Oracle => "oracle",
            Self::Snowflake => "snowflake",
            Self::Bigquery => "bigquery",
        }
    }

    fn rules(self) -> &'static [Lexis] {
        match self {
            Self::Ansi => &[PLAIN],
            Self::Postgres => &[Lexis { e_strings: true, dollars: Dollars::Tagged, nested: true, ..PLAIN }],
            Self::Mysql => &MYSQL,
            Self::Sqlite => &[Lexis { brackets: Brackets::Plain, backticks: true, ..PLAIN }],
            Self::Mssql => &[Lexis { brackets: Brackets::Doubling, nested: true, ..PLAIN }],
            Self::Oracle => &[Lexis { q_quotes: true, ..PLAIN }],
            Self::Snowflake => {
                &[Lexis { backslash: Escapes::Single, dollars: Dollars::Plain, slashes: true, ..PLAIN }]
            }
            Self::Bigquery => {
                &[Lexis { backslash: Escapes::All, hash: true, backticks: true, triple: true, ..PLAIN }]
            }
        }
    }
}

/// The lexical rules of one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent habits of servers
pub(super) struct Lexis {
    pub(super) backslash: Escapes,
    /// `E'…'` has backslash escapes.
    pub(super) e_strings: bool,
    pub(super) brackets: Brackets,
    /// `` `…` `` quotes a name.
    pub(super) backticks: bool,
    pub(super) dollars: Dollars,
    /// `q'[…]'` is a string.
    pub(super) q_quotes: bool,
    /// `'''…'''` and `"""…"""` are strings.
    pub(super) triple: bool,
    /// `#` begins a comment.
    pub(super) hash: bool,
    /// `//` begins a comment.
    pub(super) slashes: bool,
    /// `--` begins a comment only before white space.
    pub(super) dashes_need_space: bool,
    /// `/* /* */ */` is one comment.
    pub(super) nested: bool,
    pub(super) executable: Executable,
}

/// What has backslash escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// No plain string.
    None,
    /// `'…'`
    Single,
    /// `'…'` and `"…"`
    All,
}

/// What `[` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brackets {
    /// Punctuation.
    None,
    /// Quotes a name up to the first `]`.
    Plain,
    /// Quotes a name in which `]]` is a bracket.
    Doubling,
}

/// What `$` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dollars {
    /// Punctuation.
    None,
    /// `$$…$$` is a string.
    Plain,
    /// `$tag$…$tag$` is one, too.
    Tagged,
}

/// What `/*! … */` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Executable {
    /// A comment as any other; also in MySQL, where the server is older than the version in it.
    Comment,
    /// A comment in which others may stand: so MySQL skips it.
    Nested,
    /// Code.
    Code,
}

const PLAIN: Lexis = Lexis {
    backslash: Escapes::None,
    e_strings: false,
    brackets: Brackets::None,
    backticks: false,
    dollars: Dollars::None,
    q_quotes: false,
    triple: false,
    hash: false,
    slashes: false,
    dashes_need_space: false,
    nested: false,
    executable: Executable::Comment,
};

/// Which version comments are code depends on the server's version, so they are read both ways.
const MYSQL: [Lexis; 3] = {
    let code = Lexis {
        backslash: Escapes::All,
        backticks: true,
        hash: true,
        dashes_need_space: true,
        executable: Executable::Code,
        ..PLAIN
    };
    [
        code,
        Lexis { executable: Executable::Comment, ..code },
        Lexis { executable: Executable::Nested, ..code },
    ]
};

/// The ways to read a text: those of the dialect, else of all, each that differs on this text once.
pub(super) fn readings(text: &str, dialect: Option<Dialect>) -> Vec<Lexis> {
    let present = Present::of(text);
    let all = Dialect::ALL.into_iter().filter(|one| dialect.is_none_or(|it| it == *one));
    let mut distinct: Vec<Lexis> = Vec::new();
    for lexis in all.flat_map(|dialect| dialect.rules().iter()) {
        let lexis = present.matters_of(*lexis);
        if !distinct.contains(&lexis) {
            distinct.push(lexis);
        }
    }
    distinct
}

/// What stands in a text that some servers read in their own way, wherever it stands.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // one for each habit
struct Present {
    backslash: bool,
    double_quote: bool,
    escape_string: bool,
    bracket: bool,
    double_bracket: bool,
    backtick: bool,
    dollar: bool,
    q_quote: bool,
    triple: bool,
    hash: bool,
    slashes: bool,
    tight_dashes: bool,
    comments: usize,
    executable: bool,
}

impl Present {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut found = Self::default();
        for (at, byte) in bytes.iter().enumerate() {
            let next = || bytes.get(at + 1).copied();
            let after = || bytes.get(at + 2).copied();
            match byte {
                b'\\' => found.backslash = true,
                b'[' => found.bracket = true,
                b']' => found.double_bracket |= next() == Some(b']'),
                b'`' => found.backtick = true,
                b'$' => found.dollar = true,
                b'#' => found.hash = true,
                b'e' | b'E' => found.escape_string |= next() == Some(b'\''),
                b'q' | b'Q' => found.q_quote |= next() == Some(b'\''),
                b'\'' | b'"' => {
                    found.double_quote |= *byte == b'"';
                    found.triple |= next() == Some(*byte) && after() == Some(*byte);
                }
                b'-' => found.tight_dashes |= next() == Some(b'-') && after().is_some_and(|byte| byte > b' '),
                b'/' => {
                    found.slashes |= next() == Some(b'/');
                    found.comments += usize::from(next() == Some(b'*'));
                    found.executable |= next() == Some(b'*') && matches!(after(), Some(b'!' | b'M' | b'm'));
                }
                _ => {}
            }
        }
        found
    }

    /// The rules without those that make no difference here.
    fn matters_of(&self, lexis: Lexis) -> Lexis {
        Lexis {
            backslash: match lexis.backslash {
                Escapes::Single | Escapes::All if !self.backslash => Escapes::None,
                Escapes::All if !self.double_quote => Escapes::Single,
                Escapes::None | Escapes::Single | Escapes::All => lexis.backslash,
            },
            e_strings: lexis.e_strings && self.backslash && self.escape_string,
            brackets: match lexis.brackets {
                Brackets::Plain | Brackets::Doubling if !self.bracket => Brackets::None,
                Brackets::Doubling if !self.double_bracket => Brackets::Plain,
                Brackets::None | Brackets::Plain | Brackets::Doubling => lexis.brackets,
            },
            backticks: lexis.backticks && self.backtick,
            dollars: if self.dollar { lexis.dollars } else { Dollars::None },
            q_quotes: lexis.q_quotes && self.q_quote,
            triple: lexis.triple && self.triple,
            hash: lexis.hash && self.hash,
            slashes: lexis.slashes && self.slashes,
            dashes_need_space: lexis.dashes_need_space && self.tight_dashes,
            nested: lexis.nested && self.comments > 1,
            executable: match lexis.executable {
                Executable::Code if self.executable => Executable::Code,
                Executable::Nested if self.executable && self.comments > 1 => Executable::Nested,
                Executable::Comment | Executable::Nested | Executable::Code => Executable::Comment,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_dialect() {
        for (word, dialect) in Dialect::WORDS.iter().zip(Dialect::ALL) {
            assert_eq!((Dialect::named(word), dialect.as_str()), (Some(dialect), *word));
        }
    }

    #[test]
    fn a_plain_query_is_read_once() {
        assert_eq!(readings("SELECT 'a' FROM \"t\" -- so\nWHERE x = 1 /* y */", None).len(), 1);
    }

    #[test]
    fn a_text_is_read_in_each_way_that_differs_on_it() {
        for (text, ways) in [
            ("'\\'", 2),
            ("\"\\\"", 3),
            ("# x", 2),
            ("a[1]", 2),
            ("[a]]]", 3),
            ("/* /* */", 2),
            ("/*!50000 x */", 2),
            ("/*!1 /* */ */", 4),
            ("--x", 2),
        ] {
            assert_eq!(readings(text, None).len(), ways, "{text}");
            assert_eq!(readings(text, Some(Dialect::Oracle)).len(), 1, "{text}");
        }
    }
}
