//! Arguments against the words of an item: flags in bundles, paths with detours, patterns of file names.
//!
//! It refuses to look at files. Invariant: each answer takes time linear in the argument.

use super::item::Answer;

/// Whether an argument holds this flag: alone, bundled with others, or by the long name that everyone gives it.
pub(super) fn flag(letter: char, argument: &str, is_rm: bool) -> Answer {
    let long: &str = match letter {
        'r' | 'R' => "--recursive",
        'f' => "--force",
        _ => "",
    };
    if let Some(rest) = argument.strip_prefix("--") {
        let name = rest.split_once('=').map_or(rest, |(name, _)| name);
        let named = long.strip_prefix("--").unwrap_or_default();
        return match (name.is_empty(), named == name) {
            (false, true) => Answer::Yes,
            (false, false) if named.starts_with(name) => Answer::Maybe,
            _ => Answer::No,
        };
    }
    let Some(bundle) = argument.strip_prefix('-') else { return Answer::No };
    let bundle = bundle.split_once('=').map_or(bundle, |(bundle, _)| bundle);
    let same = |found: char| {
        found == letter || letter == 'r' && found == 'R' || is_rm && letter == 'R' && found == 'r'
    };
    let holds = bundle.chars().all(|c| c.is_ascii_alphanumeric()) && bundle.chars().any(same);
    if holds { Answer::Yes } else { Answer::No }
}

/// A path without `//`, `/./` and `..`; `None` where it has none of them.
pub(super) fn normal(path: &str) -> Option<String> {
    let odd = |part: &str| matches!(part, "." | "..");
    if !path.contains('/') || !(path.contains("//") || path.split('/').any(odd)) || path.contains("://") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "~")) => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Some(format!("{root}{}{end}", parts.join("/")))
}

/// Whether a shell could put a name that the word asks for in the place of this pattern: every component that the
/// word spells out must be able to stand for one in the pattern, in the same order.
pub(super) fn may_name(pattern: &str, wanted: &str) -> bool {
    let literal = |part: &&str| !part.is_empty() && !part.contains(['*', '?', '[', '{', '\\']);
    let mut wanted = wanted.split('/').filter(literal).peekable();
    if wanted.peek().is_none() {
        return false;
    }
    let mut parts = pattern.split('/');
    wanted.all(|part| parts.any(|pattern| is_named(pattern, part)))
}

/// A file name against a pattern. A character class counts as any character.
fn is_named(pattern: &str, name: &str) -> bool {
    let (mut rest, mut left) = (pattern.as_bytes(), name.as_bytes());
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let stuck = match (rest.split_first(), left.split_first()) {
            (None, None) => return true,
            (Some((b'*', after)), _) => {
                retry = Some((after, left));
                rest = after;
                false
            }
            (Some((pattern, after)), Some((byte, next)))
                if *pattern == b'[' || *pattern == b'?' || pattern == byte =>
            {
                rest = if *pattern == b'[' { behind_class(after) } else { after };
                left = next;
                false
            }
            _ => true,
        };
        if stuck {
            let Some((after, from)) = retry else { return false };
            let Some(from) = from.get(1..) else { return false };
            retry = Some((after, from));
            (rest, left) = (after, from);
        }
    }
}

/// What follows the bracket that closes a class.
fn behind_class(rest: &[u8]) -> &[u8] {
    rest.iter().position(|byte| *byte == b']').and_then(|at| rest.get(at + 1..)).unwrap_or_default()
}
