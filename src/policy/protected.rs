//! The places that `callgate-self` guards, in the form in which each call is held against them.
//!
//! It resolves nothing and judges nothing. Invariant: a text in which [`Protected::may_be_named`] finds nothing
//! names no guarded place, however it is escaped.

use aho_corasick::AhoCorasick;

use super::paths::Ground;

/// How a text can spell a character of a name without showing it: an escape of JSON, at any depth of strings in
/// strings, and the percent code that paths are read with.
const DISGUISES: [&str; 2] = ["\\u", "%2e"];

/// Absolute paths, each with all that is below it.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    paths: Vec<String>,
    grounds: Vec<Ground>,
    /// The last components and the disguises; `None` where some name has no single spelling.
    names: Option<AhoCorasick>,
}

impl From<Vec<String>> for Protected {
    fn from(paths: Vec<String>) -> Self {
        let names: Vec<&str> = paths.iter().map(|path| last(path)).collect();
        let plain = names.iter().all(|name| name.is_ascii());
        let all = names.into_iter().chain(DISGUISES);
        // Some file systems fold case.
        let names = plain.then(|| AhoCorasick::builder().ascii_case_insensitive(true).build(all));
        let names = names.and_then(Result::ok);
        Self { grounds: paths.iter().filter_map(|path| Ground::of(path)).collect(), names, paths }
    }
}

impl Protected {
    /// The paths as they were given.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Whether nothing is guarded.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The paths as paths of calls are compared with them.
    pub(super) fn grounds(&self) -> &[Ground] {
        &self.grounds
    }

    /// Whether the last component of some path may stand in the text, which may be JSON.
    pub(super) fn may_be_named(&self, text: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_match(text))
    }
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_every_disguise_and_nothing_in_plain_text() {
        let guarded = Protected::from(vec!["/home/me/.mcp.json".to_owned(), "/home/me/data/".to_owned()]);
        for text in [
            ".mcp.json",
            r#"{"a":".MCP.json"}"#,
            r".mcp\u002ejson",
            r#""\"\\u002emcp.json\"""#,
            "%2Emcp.json",
            "DATA",
        ] {
            assert!(guarded.may_be_named(text), "{text}");
        }
        for text in [r#"{"text":"a\nb\"c\\ 100%"}"#, "mcp json", ""] {
            assert!(!guarded.may_be_named(text), "{text}");
        }
        assert!(Protected::from(vec!["/home/é".to_owned()]).may_be_named("e"));
    }
}
