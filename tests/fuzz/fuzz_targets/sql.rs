//! Any text as SQL: an answer in every dialect, the same without one where it is clear, and nothing hides a statement
//! that stands behind it.
#![no_main]

use callgate::policy::{Dialect, Kinds, SqlKinds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let kinds = |word: &str| Kinds::named(word).expect("a kind");
    let (select, drop) = (kinds("select"), kinds("drop"));
    let longer = format!("{text}\n; DROP TABLE x");
    let any = |kinds, dialect, text: &str| SqlKinds { kinds, dialect }.any(text);
    let only = |kinds, dialect, text: &str| SqlKinds { kinds, dialect }.only(text);
    let (every_any, every_only) = (any(drop, None, text), only(select, None, text));
    for dialect in Dialect::WORDS {
        let dialect = Dialect::named(dialect);
        let (one_any, one_only) = (any(drop, dialect, text), only(select, dialect, text));
        assert!(every_any.is_none() || every_any == one_any, "{dialect:?}");
        assert!(every_only.is_none() || every_only == one_only, "{dialect:?}");
        assert!(one_only != Some(true) || one_any == Some(false), "{dialect:?}: only a select, and a drop");
        if one_only == Some(true) {
            assert_eq!(only(select, dialect, &longer), Some(false), "{dialect:?}");
            assert_eq!(any(drop, dialect, &longer), Some(true), "{dialect:?}");
        }
    }
});
