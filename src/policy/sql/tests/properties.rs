//! What holds for every text.

use proptest::prelude::*;

use super::super::{Dialect, Kinds, Sql, SqlKinds};

/// What a query is made of, with quotes that all servers read alike.
fn any_token() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&[
            "select", "from", "where", "t", "a.b", "(", ")", ",", "=", "1", "2.5", "'x'", "'it''s'", "\"n\"",
            "*", "and", "or", "union", "with", "as", "drop", "table", "delete", "insert", "into", "values",
            "update", "set", "for", "explain", "analyze", "begin", "end", ";", "call", "f", "sleep", "order",
            "by", "grant", "on", "to", "create", "function", "exec", "merge", "then", "replace", "copy", "x",
        ])
        .prop_map(str::to_owned),
        // `GO` means more where it has a line of its own.
        "[a-z]{1,6}".prop_filter("depends on lines", |word| word != "go"),
    ]
}

fn any_query() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any_token(), 0..16)
}

/// Text that may be anything, with much that opens quotes and comments.
fn any_text() -> impl Strategy<Value = String> {
    let mark = prop::sample::select(&[
        "'", "\"", "`", "[", "]", "]]", "$", "$$", "$a$", "/*", "*/", "/*!", "--", "#", "//", "\\", "\n",
        "\r", " ", ";", "(", ")", "q'", "e'", "'''", "!'", "\0", "\u{a0}", "select ", "drop ", "table ",
        "1e", "0x", "é", "GO\n",
    ]);
    prop::collection::vec(prop_oneof![mark.prop_map(str::to_owned), ".{0,3}"], 0..24)
        .prop_map(|parts| parts.concat())
}

fn any_kinds() -> impl Strategy<Value = SqlKinds> {
    let words: Vec<&str> = Kinds::words().collect();
    let dialect = prop::option::of(prop::sample::select(Dialect::WORDS));
    (prop::sample::subsequence(words, 1..4), dialect).prop_map(|(words, dialect)| {
        let kinds = words.into_iter().filter_map(Kinds::named).fold(Kinds::default(), Kinds::and);
        SqlKinds { kinds, dialect: dialect.and_then(Dialect::named) }
    })
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in any_text(), sql in any_kinds()) {
        sql.any(&text);
        sql.only(&text);
        Sql::read(&text, sql.dialect).is_evident();
    }

    #[test]
    fn what_is_clear_in_every_way_is_the_same_in_each(text in any_text(), sql in any_kinds()) {
        let every = SqlKinds { dialect: None, ..sql };
        for dialect in Dialect::WORDS {
            let one = SqlKinds { dialect: Dialect::named(dialect), ..sql };
            prop_assert!(every.any(&text).is_none() || every.any(&text) == one.any(&text), "{}", dialect);
            prop_assert!(every.only(&text).is_none() || every.only(&text) == one.only(&text), "{}", dialect);
        }
    }

    #[test]
    fn white_space_comments_and_case_change_nothing(
        tokens in any_query(),
        blanks in prop::collection::vec(prop::sample::select(&[" ", "\n", "\t ", " /* drop */ ", " -- drop\n"]), 17),
        upper in proptest::bool::ANY,
        sql in any_kinds(),
    ) {
        let plain = tokens.join(" ");
        let between = tokens.iter().zip(&blanks).map(|(token, blank)| format!("{token}{blank}"));
        let other = format!("{}{}", blanks[16], between.collect::<String>());
        let other = if upper { other.to_uppercase() } else { other };
        prop_assert_eq!(sql.any(&plain), sql.any(&other), "{} | {}", plain, other);
        prop_assert_eq!(sql.only(&plain), sql.only(&other), "{} | {}", plain, other);
    }

    #[test]
    fn what_stands_in_quotes_changes_nothing(inside in "[a-z;()*\n -]{0,20}", sql in any_kinds()) {
        for (quoted, plain) in [
            (format!("SELECT '{inside}' FROM t"), "SELECT 'x' FROM t"),
            (format!("SELECT a AS \"{inside}\" FROM t"), "SELECT a AS \"x\" FROM t"),
            (format!("SELECT 1 /*{inside}*/ FROM t"), "SELECT 1 FROM t"),
        ] {
            prop_assert_eq!(sql.any(&quoted), sql.any(plain), "{}", quoted);
            prop_assert_eq!(sql.only(&quoted), sql.only(plain), "{}", quoted);
        }
    }

    #[test]
    fn a_statement_behind_a_clear_query_is_seen(text in any_text(), tokens in any_query(), sql in any_kinds()) {
        let select = SqlKinds { kinds: Kinds::named("select").unwrap_or_default(), ..sql };
        let drop = SqlKinds { kinds: Kinds::named("drop").unwrap_or_default(), ..sql };
        for text in [text.clone(), format!("SELECT {text}"), tokens.join(" "), format!("SELECT {}", tokens.join(" "))] {
            let longer = format!("{text}\n; DROP TABLE x");
            if select.only(&text) == Some(true) {
                prop_assert_eq!(select.only(&longer), Some(false), "{}", longer);
                prop_assert_eq!(drop.any(&longer), Some(true), "{}", longer);
            }
        }
    }
}
