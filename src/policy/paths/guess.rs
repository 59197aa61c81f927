//! What a text would be if some server took it for a path.
//!
//! For searches through all arguments, where most texts are no paths at all and doubt about each would match
//! everything. A guess is never proof: it can tighten, not loosen. Invariant: a guess is absolute, without `.` and
//! `..`, and its names are spelled as they came.

use std::borrow::Cow;

use super::super::Facts;
use super::{MAX_PATH, lexical};

/// The place that a text most likely means as a path: `~`, `$HOME`, `file:`, a drive, backslashes and encoded dots
/// read as usual, a relative path taken from the root. `None` where it is no path or leads anywhere.
pub(in crate::policy) fn guess(text: &str, facts: &Facts) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_PATH {
        return None;
    }
    let text = decoded(&of_file_uri(text).unwrap_or(Cow::Borrowed(text)));
    let text = without_drive(&text);
    if text.contains("://") {
        return None;
    }
    let home = ["~/", "$HOME/", "${HOME}/"].into_iter().find_map(|start| text.strip_prefix(start));
    let (start, rest) = match home {
        Some(rest) => (facts.home.as_deref(), rest),
        None if text == "~" => (facts.home.as_deref(), ""),
        None if text.starts_with('/') => (None, text),
        None => (facts.root.as_deref(), text),
    };
    lexical(&format!("{}/{}", start.unwrap_or_default(), tidied(rest)))
}

/// Whether the text is a `file:` URI; the case of a scheme does not matter (RFC 3986, section 3.1).
pub(in crate::policy) fn is_file_uri(text: &str) -> bool {
    text.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}

/// What stands behind the scheme of a `file:` URI, all its percent codes read.
fn of_file_uri(text: &str) -> Option<Cow<'_, str>> {
    let path = is_file_uri(text).then(|| text.get(5..))??;
    let local = path.get(..11).is_some_and(|host| host.eq_ignore_ascii_case("//localhost"));
    let path = if local { path.get(11..)? } else { path };
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        bytes.extend_from_slice(piece.get(code.map_or(0, |_| 2)..).unwrap_or_default().as_bytes());
    }
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Backslashes and the percent codes that matter to paths, read.
fn decoded(text: &str) -> String {
    let mut text = text.replace('\\', "/");
    if text.contains('%') {
        for (code, plain) in
            [("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%2F", "/"), ("%5c", "/"), ("%5C", "/")]
        {
            text = text.replace(code, plain);
        }
    }
    text
}

fn without_drive(text: &str) -> &str {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && chars.next() == Some(':');
    if drive && chars.as_str().starts_with('/') { chars.as_str() } else { text }
}

/// Without the dots and spaces at the ends of components that some systems drop.
fn tidied(text: &str) -> String {
    let tidy = |component: &str| match component {
        "." | ".." => component.to_owned(),
        _ => component
            .trim_end_matches(|last: char| last == '.' || last.is_whitespace() || last.is_control())
            .to_owned(),
    };
    text.split('/').map(tidy).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings_of_a_path_mean_one_place() {
        let facts =
            Facts { root: Some("/home/me/app".into()), home: Some("/home/me".into()), ..Facts::default() };
        for (text, place) in [
            ("/etc/x.", Some("/etc/x")),
            ("src/../.env", Some("/home/me/app/.env")),
            ("../.ssh/id", Some("/home/me/.ssh/id")),
            ("~/.ssh", Some("/home/me/.ssh")),
            ("$HOME/.ssh", Some("/home/me/.ssh")),
            ("file:///etc/x", Some("/etc/x")),
            ("FILE://LocalHost/home/me/%63onfig%2Fx%zz", Some("/home/me/config/x%zz")),
            ("file:/a%00b", None),
            ("C:\\Users\\x", Some("/Users/x")),
            ("/a/%2e%2E/b", Some("/b")),
            ("a sentence.", Some("/home/me/app/a sentence")),
            ("https://example.com/.env", None),
            ("/proc/self/root/etc", None),
            ("", None),
        ] {
            assert_eq!(guess(text, &facts).as_deref(), place, "{text}");
        }
    }
}
