//! Places in rules: `/etc`, `{root}/src`, `~/.ssh`, and globs over such paths.
//!
//! It refuses whatever would depend on a working directory. Invariant: components are normalised and never
//! lead out of their anchor; everything is in NFC, as the paths it meets are.

use std::ops::Range;

use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::fault;
use super::names::{Crossing, build, glob};
use crate::policy::schema::Reading;
use crate::policy::{Anchor, Base, PathGlob};

const ROOT: &str = "{root}";

/// Reads an operand of `path_under` and `path_outside`.
pub(super) fn base(text: &Spanned<String>, reading: &mut Reading) -> Option<Base> {
    let span = text.span();
    let normal: String = text.get_ref().nfc().collect();
    let (anchor, below) = anchored(&normal, &span, reading)?;
    if below.contains('*') {
        let message = format!("`{}` has a `*`, which means nothing special here", text.get_ref());
        fault(reading, span, message, "`path_glob` takes globs");
        return None;
    }
    let mut components: Vec<String> = Vec::new();
    for component in below.split('/') {
        match component {
            "" | "." => {}
            ".." if components.pop().is_some() || anchor == Anchor::Absolute => {}
            ".." => {
                let message = format!("`{}` leads out of where it starts", text.get_ref());
                fault(reading, span, message, "name the folder itself, from `/`");
                return None;
            }
            _ => components.push(component.to_owned()),
        }
    }
    Some(Base { anchor, components })
}

/// Reads an operand of `path_glob`.
pub(super) fn path_glob(text: &Spanned<String>, reading: &mut Reading) -> Option<PathGlob> {
    let span = text.span();
    let normal: String = text.get_ref().nfc().collect();
    let pattern = normal.as_str();
    let name_only = !pattern.contains('/') && !pattern.starts_with('~') && !pattern.contains(ROOT);
    let (anchor, below) = if name_only || pattern.starts_with("**/") {
        (Anchor::Absolute, pattern)
    } else {
        anchored(pattern, &span, reading)?
    };
    let components: Vec<&str> = below.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if components.is_empty() {
        fault(
            reading,
            span,
            format!("`{pattern}` has no pattern below its start"),
            "`path_under` takes a folder",
        );
        return None;
    }
    if components.contains(&"..") {
        let message = format!("`{pattern}` holds `..`, which a normalised path never does");
        fault(reading, span, message, "name the folder itself, from `/`");
        return None;
    }
    let glob = glob(&components.join("/"), Crossing::Nothing, span, reading)?;
    let below = build(vec![glob], text.span(), reading);
    Some(PathGlob { anchor, below, name_only })
}

/// The anchor and what is below it.
fn anchored<'t>(text: &'t str, span: &Range<usize>, reading: &mut Reading) -> Option<(Anchor, &'t str)> {
    let starts = [(ROOT, Anchor::Root), ("~", Anchor::Home), ("", Anchor::Absolute)];
    let found = starts.into_iter().find_map(|(start, anchor)| {
        let rest = text.strip_prefix(start)?;
        let complete = rest.starts_with('/') || rest.is_empty() && !start.is_empty();
        complete.then_some((anchor, rest))
    });
    if let Some((_, below)) = found
        && !below.contains(ROOT)
    {
        return found;
    }
    let (message, hint) = if text.contains(ROOT) {
        (
            format!("`{ROOT}` stands in the middle of `{text}`"),
            "it can only come first: `{root}` or `{root}/…`".to_owned(),
        )
    } else if text.starts_with('~') {
        (format!("`{text}` names another user's home folder"), "only `~` and `~/…` are known".to_owned())
    } else if text.is_empty() {
        ("an empty path".to_owned(), "write `/`, `{root}` or `~`".to_owned())
    } else if let Some(rest) =
        ["$HOME", "${HOME}", "{home}", "%USERPROFILE%"].iter().find_map(|home| text.strip_prefix(home))
    {
        (format!("`{text}` holds a variable, which is not expanded"), format!("write `~{rest}`"))
    } else if text.contains('\\') || text.get(1..2) == Some(":") {
        let hint = "paths begin with `/`, `~/` or `{root}`; drives and backslashes are opaque, so that rules that restrict \
            match them anyway";
        (format!("`{text}` is a path of Windows"), hint.to_owned())
    } else {
        let rest = text.trim_start_matches("./");
        (
            format!("`{text}` is not an absolute path"),
            format!("write `{{root}}/{rest}`, `~/{rest}` or the path from `/`"),
        )
    };
    fault(reading, span.clone(), message, &hint);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, with: fn(&Spanned<String>, &mut Reading) -> Option<T>) -> Result<T, String> {
        let mut reading = Reading::default();
        let value = with(&Spanned::new(0..0, text.to_owned()), &mut reading);
        value.ok_or_else(|| reading.diagnostics[0].message.clone())
    }

    #[test]
    fn bases_are_normalised_below_their_anchor() {
        let cases = [
            ("/etc//./ssl/../ssh/", Anchor::Absolute, vec!["etc", "ssh"]),
            ("/..", Anchor::Absolute, vec![]),
            ("{root}", Anchor::Root, vec![]),
            ("{root}/src/[id]", Anchor::Root, vec!["src", "[id]"]),
            ("~/.ssh", Anchor::Home, vec![".ssh"]),
        ];
        for (text, anchor, components) in cases {
            let read = read(text, base).unwrap();
            assert_eq!(
                (read.anchor, read.components),
                (anchor, components.iter().map(|c| (*c).to_owned()).collect())
            );
        }
    }

    #[test]
    fn a_base_that_cannot_be_placed_is_a_fault() {
        for text in
            ["", "src", "./src", "~bob/x", "{root}x", "/a/{root}", "{root}/..", "~/../x", "C:\\x", "/a/*"]
        {
            assert!(read(text, base).is_err(), "{text}");
        }
    }

    #[test]
    fn path_globs_are_anchored_or_name_one_component() {
        let glob = read("*.pem", path_glob).unwrap();
        assert!(glob.name_only && glob.below.is_match("key.pem"));
        let glob = read("{root}/src/*.rs", path_glob).unwrap();
        assert_eq!(glob.anchor, Anchor::Root);
        assert!(glob.below.is_match("src/a.rs") && !glob.below.is_match("src/a/b.rs"));
        let glob = read("**/.git/**", path_glob).unwrap();
        assert!(glob.below.is_match("home/me/.git/config") && glob.below.is_match(".git/config"));
        for text in ["src/*.rs", "/../x", "{root}", "/[", ""] {
            assert!(read(text, path_glob).is_err(), "{text}");
        }
    }
}
