//! Lists of names and globs: `tools`, `servers`, `methods`, `match`.
//!
//! It refuses patterns that match no name at all. Invariant: every pattern for names is in NFC, as the names
//! it meets are.

use std::ops::Range;

use globset::{Glob, GlobBuilder};
use toml::Spanned;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::fault;
use crate::policy::schema::{List, Reading};
use crate::policy::{Globs, Names};

/// Bytes. Far above any real pattern, and far below what a compiled glob may take.
const LONGEST_GLOB: usize = 1024;

/// What the names are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Tools,
    Servers,
    Methods,
    Match,
}

impl What {
    fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Servers => "servers",
            Self::Methods => "methods",
            Self::Match => "match",
        }
    }
}

/// Compiles a list of names; absent means every name.
pub(super) fn names(list: Option<&List<String>>, what: What, reading: &mut Reading) -> Names {
    let Some(list) = list else { return Names::default() };
    if list.get_ref().is_empty() {
        let message = format!("`{}` is empty, so nothing can ever match", what.key());
        fault(reading, list.span(), message, "leave the key out to match everything");
    }
    let mut sorted = Sorted::default();
    for pattern in list.get_ref() {
        sorted.add(pattern, what, reading);
    }
    let names = sorted.build(list.span(), reading);
    let nothing_left = !names.exact.is_empty()
        && names.globs.is_empty()
        && names.exact.iter().all(|name| names.except.is_match(name));
    if nothing_left {
        let message = format!("the `!` patterns of `{}` take away every name it lists", what.key());
        fault(
            reading,
            list.span(),
            message,
            "a name matches when a plain pattern does and no `!` pattern does",
        );
    }
    names
}

/// Compiles `methods`: calls of tools where the file names none.
pub(super) fn methods(list: Option<&List<String>>, reading: &mut Reading) -> Names {
    let Some(list) = list else {
        return Names { exact: vec!["tools/call".to_owned()], any_given: true, ..Names::default() };
    };
    let methods = names(Some(list), What::Methods, reading);
    super::notes::about_methods(list, &methods, reading);
    methods
}

/// Compiles globs over whole strings, where `*` also crosses `/`. Values come as they are spelled, so a pattern
/// that is not in NFC stands for that form too.
pub(super) fn globs(patterns: &[Spanned<String>], reading: &mut Reading) -> Globs {
    let mut globs = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let text = pattern.get_ref();
        let Some(written) = glob(text, Crossing::Slash, pattern.span(), reading) else { continue };
        globs.push(written);
        if !is_nfc(text) {
            globs.extend(glob(&text.nfc().collect::<String>(), Crossing::Slash, pattern.span(), reading));
        }
    }
    let span = patterns.first().map_or(0..0, Spanned::span);
    build(globs, span, reading)
}

/// Whether `*` crosses `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    Slash,
    Nothing,
}

/// Compiles one glob, or reports what is wrong with it.
pub(super) fn glob(
    pattern: &str,
    crossing: Crossing,
    span: Range<usize>,
    reading: &mut Reading,
) -> Option<Glob> {
    if pattern.len() > LONGEST_GLOB {
        let message = format!("this glob is longer than {LONGEST_GLOB} bytes");
        fault(reading, span, message, "list several shorter ones");
        return None;
    }
    let mut builder = GlobBuilder::new(pattern);
    builder.literal_separator(crossing == Crossing::Nothing).backslash_escape(true);
    match builder.build() {
        Ok(glob) => Some(glob),
        Err(error) => {
            let message = format!("`{pattern}` is not a glob: {}", error.kind());
            fault(
                reading,
                span,
                message,
                "`*` any text, `?` one character, `[ab]` a set, `{a,b}` alternatives",
            );
            None
        }
    }
}

/// Whether the text has a character that means something in a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Puts globs together, or reports that they are too large.
pub(super) fn build(globs: Vec<Glob>, span: Range<usize>, reading: &mut Reading) -> Globs {
    Globs::new(globs).unwrap_or_else(|error| {
        fault(
            reading,
            span,
            format!("these globs are too large together: {}", error.kind()),
            "use fewer or simpler globs",
        );
        Globs::default()
    })
}

#[derive(Default)]
struct Sorted {
    exact: Vec<String>,
    globs: Vec<Glob>,
    except: Vec<Glob>,
    any_given: bool,
}

impl Sorted {
    fn add(&mut self, pattern: &Spanned<String>, what: What, reading: &mut Reading) {
        let text: String = pattern.get_ref().nfc().collect();
        let (plain, negated) = match text.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (text.as_str(), false),
        };
        if plain.trim().is_empty() {
            fault(
                reading,
                pattern.span(),
                format!("an empty name in `{}`", what.key()),
                "write a name, or `*` for all",
            );
            return;
        }
        if what == What::Methods && !looks_like_method(plain) {
            let message = format!("`{plain}` does not look like a method");
            fault(
                reading,
                pattern.span(),
                message,
                "methods are spelled like `tools/call` or `resources/read`",
            );
            return;
        }
        self.any_given |= !negated;
        match (negated, is_glob(plain)) {
            (false, false) => self.exact.push(plain.to_owned()),
            (false, true) => self.globs.extend(glob(plain, Crossing::Slash, pattern.span(), reading)),
            (true, true) => self.except.extend(glob(plain, Crossing::Slash, pattern.span(), reading)),
            (true, false) => {
                self.except.extend(glob(&globset::escape(plain), Crossing::Slash, pattern.span(), reading));
            }
        }
    }

    fn build(self, span: Range<usize>, reading: &mut Reading) -> Names {
        Names {
            exact: self.exact,
            globs: build(self.globs, span.clone(), reading),
            except: build(self.except, span, reading),
            any_given: self.any_given,
        }
    }
}

fn looks_like_method(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_$./-*?[]{},!".contains(c))
}
