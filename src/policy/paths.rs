//! Paths in arguments: where they lead, or that it cannot be told.
//!
//! Lexical only; the file system is asked through [`ResolvePath`] alone. Components are compared with case, on
//! every system: where the file system folds case, the resolved path is what catches another spelling.
//! Invariant: what two servers could place differently has no place here ([`None`], which callers read as opaque).

mod guess;

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{Anchor, Base, Facts, PathGlob, ResolvePath};

pub(super) use guess::{guess, is_file_uri};

/// More `..` than this and the way through symbolic links is not followed.
const MAX_STEPS_UP: usize = 64;
/// Longer texts lead nowhere on any system we run on, and what a server would shorten first cannot be told. Bytes.
const MAX_PATH: usize = 4096;

/// Where a path of the arguments may lead: as it is written, and through symbolic links where that differs.
pub(super) struct Places {
    candidates: Vec<String>,
}

/// A place that a rule names, without a trailing `/`; the root folder is empty.
#[derive(Debug, Clone)]
pub(super) struct Ground(String);

/// How a path stands to the places of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// At or below one of them.
    Inside,
    /// At or below none.
    Outside,
    /// Below none that is known, and some are not known.
    Unknown,
}

impl Places {
    /// Every place that the text may lead to; `None` where that cannot be told.
    pub(super) fn of(text: &str, links: &dyn ResolvePath) -> Option<Self> {
        if text.len() > MAX_PATH {
            return None;
        }
        let spelled = lexical(text)?;
        let composed = nfc(&spelled);
        // Most file systems keep both spellings of one name apart, and a link may stand at either.
        let other = matches!(composed, Cow::Owned(_)).then(|| links.resolve(&composed)).flatten();
        let mut candidates = Vec::new();
        for real in [links.resolve(&spelled), other, walked(text, links)?].into_iter().flatten() {
            let real = nfc(&real).into_owned();
            if real != composed && !candidates.contains(&real) {
                candidates.push(real);
            }
        }
        candidates.push(composed.into_owned());
        Some(Self { candidates })
    }

    /// The places themselves: normalised, in NFC.
    pub(super) fn candidates(&self) -> &[String] {
        &self.candidates
    }

    /// How each candidate stands to the bases.
    pub(super) fn standings<'p>(
        &'p self,
        bases: &'p [Base],
        facts: &'p Facts,
        links: &'p dyn ResolvePath,
    ) -> impl Iterator<Item = Standing> + 'p {
        self.candidates.iter().map(move |path| standing(path, bases, facts, links))
    }

    /// For each candidate, whether some glob matches it; `None` where that hangs on an anchor that is not known.
    pub(super) fn glob_matches<'p>(
        &'p self,
        globs: &'p [PathGlob],
        facts: &'p Facts,
        links: &'p dyn ResolvePath,
    ) -> impl Iterator<Item = Option<bool>> + 'p {
        self.candidates.iter().map(move |path| any_glob(path, globs, facts, links))
    }

    /// Whether a candidate is at or below one of these, which are not resolved.
    pub(super) fn reach(&self, places: &[Ground]) -> bool {
        places.iter().any(|place| self.candidates.iter().any(|path| place.below(path).is_some()))
    }
}

/// An absolute POSIX path without `.`, `..`, `//` or a trailing `/`, in NFC; `None` where it cannot be placed.
pub(super) fn normalise(text: &str) -> Option<String> {
    lexical(&nfc(text))
}

/// The same in the spelling that it came in: what the file system is asked about.
fn lexical(text: &str) -> Option<String> {
    if !is_plain(text) {
        return None;
    }
    let mut components: Vec<&str> = Vec::new();
    for component in steps(text) {
        if component == ".." {
            components.pop();
        } else if ends_strangely(component) {
            return None;
        } else {
            components.push(component);
        }
    }
    (!is_alias(&components)).then(|| format!("/{}", components.join("/")))
}

/// Absolute, and spelled so that no server can decode it into something else.
fn is_plain(text: &str) -> bool {
    let encodes = |escape: &str| {
        text.as_bytes().windows(escape.len()).any(|window| window.eq_ignore_ascii_case(escape.as_bytes()))
    };
    text.starts_with('/')
        && !text.contains(['\0', '\\'])
        && !(text.contains('%') && ["%2e", "%2f", "%5c"].into_iter().any(encodes))
}

fn steps(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|component| !component.is_empty() && *component != ".")
}

/// Some systems drop trailing dots and white space, so that `x.` is also `x`.
fn ends_strangely(component: &str) -> bool {
    component.ends_with(|last: char| last == '.' || last.is_whitespace() || last.is_control())
}

/// Folders of the kernel that lead anywhere.
fn is_alias(components: &[&str]) -> bool {
    match components {
        ["proc", rest @ ..] => {
            rest.iter().any(|part| matches!(*part, "root" | "cwd" | "fd" | "map_files" | "exe"))
        }
        ["dev", "fd", ..] => true,
        _ => false,
    }
}

/// Where the kernel gets to when each `..` follows the links before it; `None` inside where it is the lexical
/// path anyway, `None` outside where it cannot be told.
#[allow(clippy::option_option)] // "nothing new" and "cannot be told" are two answers
fn walked(text: &str, links: &dyn ResolvePath) -> Option<Option<String>> {
    let ups = steps(text).filter(|component| *component == "..").count();
    if ups == 0 {
        return Some(None);
    }
    if ups > MAX_STEPS_UP {
        return None;
    }
    let mut path = String::new();
    for component in steps(text) {
        if component == ".." {
            path = links.resolve(&path).unwrap_or(path);
            path.truncate(path.rfind('/').unwrap_or(0));
        } else {
            path.push('/');
            path.push_str(component);
        }
    }
    let path = if path.is_empty() { "/".to_owned() } else { path };
    Some(Some(links.resolve(&path).unwrap_or(path)))
}

fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

impl Ground {
    /// The place that a text names; `None` where it cannot be placed.
    pub(super) fn of(text: &str) -> Option<Self> {
        normalise(text).map(Self::new)
    }

    fn new(path: String) -> Self {
        Self(if path == "/" { String::new() } else { path })
    }

    /// The place itself; the root folder is empty.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What links made of a place.
    pub(super) fn real(path: &str) -> Self {
        Self::new(nfc(path).into_owned())
    }

    /// What is below the place, without a leading `/`; empty for the place itself.
    pub(super) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.0.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The place with its links followed: a root that is itself a link holds what is really below it.
    fn resolved(&self, links: &dyn ResolvePath) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        links.resolve(&self.0).map(|real| Self::real(&real))
    }

    fn holds(&self, path: &str, links: &dyn ResolvePath) -> bool {
        self.below(path).is_some() || self.resolved(links).is_some_and(|real| real.below(path).is_some())
    }
}

/// The absolute place of an anchor with components below it; `None` where the anchor is not known.
pub(super) fn ground(anchor: Anchor, components: &[String], facts: &Facts) -> Option<Ground> {
    let start = match anchor {
        Anchor::Absolute => String::new(),
        Anchor::Home => known(facts.home.as_deref())?,
        // A root that holds everything, or all of the user's files, says nothing about the project.
        Anchor::Root => known(facts.root.as_deref())
            .filter(|root| facts.home.as_deref().and_then(normalise).as_ref() != Some(root))?,
    };
    let path = components.iter().fold(start, |path, component| path + "/" + component);
    Some(Ground(path))
}

fn known(path: Option<&str>) -> Option<String> {
    normalise(path?).filter(|path| path != "/")
}

fn standing(path: &str, bases: &[Base], facts: &Facts, links: &dyn ResolvePath) -> Standing {
    let mut standing = Standing::Outside;
    for base in bases {
        match ground(base.anchor, &base.components, facts) {
            Some(ground) if ground.holds(path, links) => return Standing::Inside,
            Some(_) => {}
            None => standing = Standing::Unknown,
        }
    }
    standing
}

fn any_glob(path: &str, globs: &[PathGlob], facts: &Facts, links: &dyn ResolvePath) -> Option<bool> {
    let mut answer = Some(false);
    for glob in globs {
        match glob_match(path, glob, facts, links) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

fn glob_match(path: &str, glob: &PathGlob, facts: &Facts, links: &dyn ResolvePath) -> Option<bool> {
    if glob.name_only {
        return Some(glob.below.is_match(path.rsplit('/').next().unwrap_or_default()));
    }
    let ground = ground(glob.anchor, &[], facts)?;
    let hits = |ground: &Ground| ground.below(path).is_some_and(|below| glob.below.is_match(below));
    Some(hits(&ground) || ground.resolved(links).as_ref().is_some_and(hits))
}

#[cfg(test)]
mod tests;
