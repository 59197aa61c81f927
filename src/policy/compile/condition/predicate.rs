//! One predicate from its word and its operand.
//!
//! It refuses an operand of another type than the predicate compares. Invariant: regexes are linear and of
//! bounded size.

use toml::Spanned;

use super::super::{fault, names, path, shell, url};
use crate::policy::regexes::Unfit;
use crate::policy::schema::units::size_bytes;
use crate::policy::schema::{List, PredicateWord, Reading, Test, did_you_mean, list_words, only_strings};
use crate::policy::{Kinds, Number, Predicate, Regexes, Scalar, ShellItems, SqlKinds};

/// What a condition looks at, as far as operands depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// Arguments: JSON of any type.
    Values,
    /// Facts: text.
    Texts,
    /// Facts that are true or false.
    Truths,
}

/// Compiles one test.
pub(super) fn predicate(test: &Test, compared: Compared, reading: &mut Reading) -> Option<Predicate> {
    use PredicateWord as W;
    let word = *test.word.get_ref();
    if test.values.get_ref().is_empty() {
        let message = format!("`{}` has an empty list, so it can never hold", word.as_str());
        fault(reading, test.values.span(), message, "list at least one value");
        return None;
    }
    match word {
        W::Eq => scalars(test, compared, reading)?.into_iter().next().map(Predicate::Eq),
        W::In => scalars(test, compared, reading).map(Predicate::In),
        W::Glob => texts_of(test, reading).map(|list| Predicate::Glob(names::globs(list.get_ref(), reading))),
        W::Matches => {
            texts_of(test, reading).and_then(|list| regexes(&list, reading)).map(Predicate::Matches)
        }
        W::Gt => number(test, reading).map(Predicate::Gt),
        W::Ge => number(test, reading).map(Predicate::Ge),
        W::Lt => number(test, reading).map(Predicate::Lt),
        W::Le => number(test, reading).map(Predicate::Le),
        W::BytesGt => bytes(test, reading).map(Predicate::BytesGt),
        W::Exists => truth(test, reading).map(Predicate::Exists),
        W::PathUnder => places(test, path::base, reading).map(Predicate::PathUnder),
        W::PathOutside => places(test, path::base, reading).map(Predicate::PathOutside),
        W::PathGlob => places(test, path::path_glob, reading).map(Predicate::PathGlob),
        W::Host => places(test, url::host, reading).map(Predicate::Host),
        W::Scheme => places(test, url::scheme, reading).map(Predicate::Scheme),
        W::IpIn => places(test, url::net, reading).map(Predicate::IpIn),
        W::SqlAny => sql(test, reading).map(Predicate::SqlAny),
        W::SqlOnly => sql(test, reading).map(Predicate::SqlOnly),
        W::ShellAny => {
            places(test, shell::done, reading).map(|items| Predicate::ShellAny(ShellItems::new(items)))
        }
        W::ShellOnly => {
            places(test, shell::admitted, reading).map(|items| Predicate::ShellOnly(ShellItems::new(items)))
        }
    }
}

fn scalars(test: &Test, compared: Compared, reading: &mut Reading) -> Option<Vec<Scalar>> {
    if compared == Compared::Texts {
        let strings = texts_of(test, reading)?.into_inner();
        return Some(strings.into_iter().map(|text| Scalar::String(text.into_inner())).collect());
    }
    if compared == Compared::Truths {
        let wrong: Vec<_> = test
            .values
            .get_ref()
            .iter()
            .filter(|value| !matches!(value.get_ref(), Scalar::Bool(_)))
            .collect();
        for value in &wrong {
            let message = "this fact is `true` or `false`";
            fault(reading, value.span(), message, "write it without quotes");
        }
        if !wrong.is_empty() {
            return None;
        }
    }
    Some(test.values.get_ref().iter().map(|value| value.get_ref().clone()).collect())
}

/// The operand as texts, none of them empty.
fn texts_of(test: &Test, reading: &mut Reading) -> Option<List<String>> {
    let word = test.word.get_ref();
    let values = Spanned::new(test.values.span(), test.values.get_ref().clone());
    let texts = only_strings(values, word.as_str(), reading)?;
    if matches!(word, PredicateWord::Glob | PredicateWord::Matches)
        && let Some(empty) = texts.get_ref().iter().find(|text| text.get_ref().is_empty())
    {
        let message = format!("an empty pattern for `{}`", word.as_str());
        fault(reading, empty.span(), message, "`eq = \"\"` asks for the empty string");
        return None;
    }
    Some(texts)
}

/// The regexes; those of two predicates that list the same are one.
fn regexes(list: &List<String>, reading: &mut Reading) -> Option<Regexes> {
    let patterns: Vec<String> = list.get_ref().iter().map(|pattern| pattern.get_ref().clone()).collect();
    if let Some(known) = reading.regexes.get(&patterns) {
        return Some(known.clone());
    }
    let at = |index: usize| list.get_ref().get(index).map_or_else(|| list.span(), Spanned::span);
    match Regexes::new(patterns.clone()) {
        Ok(regexes) => {
            reading.regexes.insert(patterns, regexes.clone());
            return Some(regexes);
        }
        Err(Unfit::Syntax(wrong)) => {
            for (index, error) in wrong {
                let pattern = patterns.get(index).map_or("", String::as_str);
                let (message, hint) = describe(pattern, &error);
                fault(reading, at(index), message, hint);
            }
        }
        Err(Unfit::TooLarge(Some(index))) => {
            let hint = "repeat less; `\\w` and `\\d` cover all of Unicode, `[A-Za-z0-9_]` is far smaller";
            fault(reading, at(index), "the compiled regex would be too large", hint);
        }
        Err(Unfit::TooLarge(None)) => {
            let hint = "spread them over several tables of `any`";
            fault(reading, list.span(), "these regexes are too large together", hint);
        }
    }
    None
}

fn describe(pattern: &str, error: &regex_syntax::Error) -> (String, &'static str) {
    // The library draws its own caret; the last line is the reason.
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let hint = if reason.contains("look-around") || reason.contains("backreference") {
        "regexes here run in linear time, without look-around and backreferences"
    } else {
        "in TOML, single quotes keep backslashes: matches = '\\d+'"
    };
    (format!("`{pattern}` is not a regex: {reason}"), hint)
}

fn number(test: &Test, reading: &mut Reading) -> Option<Number> {
    let value = only_value(test, reading)?;
    if let Scalar::Number(number) = value.get_ref() {
        return Some(*number);
    }
    let message = format!("`{}` compares numbers", test.word.get_ref().as_str());
    fault(reading, value.span(), message, "write the number without quotes");
    None
}

fn bytes(test: &Test, reading: &mut Reading) -> Option<u64> {
    let value = only_value(test, reading)?;
    let bytes = match value.get_ref() {
        Scalar::Number(Number::Integer(integer)) => u64::try_from(*integer).ok(),
        Scalar::String(size) => size_bytes(size),
        Scalar::Number(Number::Float(_)) | Scalar::Bool(_) => None,
    };
    if bytes.is_none() {
        fault(reading, value.span(), "`bytes_gt` takes a number of bytes", "write `100000` or \"100KiB\"");
    }
    bytes
}

fn truth(test: &Test, reading: &mut Reading) -> Option<bool> {
    let value = only_value(test, reading)?;
    if let Scalar::Bool(value) = value.get_ref() {
        return Some(*value);
    }
    fault(reading, value.span(), "`exists` is `true` or `false`", "write it without quotes");
    None
}

/// The one value of a predicate that takes no list; a named list may have brought several.
fn only_value<'t>(test: &'t Test, reading: &mut Reading) -> Option<&'t Spanned<Scalar>> {
    if let [value] = test.values.get_ref().as_slice() {
        return Some(value);
    }
    let message = format!("`{}` takes one value", test.word.get_ref().as_str());
    fault(reading, test.values.span(), message, "a list needs `in`");
    None
}

fn places<T>(
    test: &Test,
    read: fn(&Spanned<String>, &mut Reading) -> Option<T>,
    reading: &mut Reading,
) -> Option<Vec<T>> {
    let texts = texts_of(test, reading)?;
    let places: Vec<_> = texts.get_ref().iter().map(|text| read(text, reading)).collect();
    places.into_iter().collect()
}

/// The kinds of statement that are named.
fn sql(test: &Test, reading: &mut Reading) -> Option<SqlKinds> {
    let words = texts_of(test, reading)?;
    let mut kinds = Some(Kinds::default());
    for word in words.get_ref() {
        let named = Kinds::named(word.get_ref());
        if named.is_none() {
            unknown_kind(word, reading);
        }
        kinds = kinds.zip(named).map(|(kinds, named)| kinds.and(named));
    }
    kinds.map(|kinds| SqlKinds { kinds, dialect: test.dialect })
}

fn unknown_kind(word: &Spanned<String>, reading: &mut Reading) {
    let text = word.get_ref().as_str();
    let lower = text.to_ascii_lowercase();
    let with =
        (lower == "with").then(|| "`WITH …` is of the kinds of what is done in and behind it".to_owned());
    let first = || {
        let kind = Kinds::words().find(|kind| lower.split_whitespace().next() == Some(*kind))?;
        Some(format!("did you mean `{kind}`? a kind is one word, whatever it is done to"))
    };
    let hint = with
        .or_else(first)
        .or_else(|| did_you_mean(text, Kinds::words()))
        .unwrap_or_else(|| format!("kinds: {}", list_words(Kinds::words())));
    fault(reading, word.span(), format!("`{text}` is not a kind of SQL statement"), &hint);
}
