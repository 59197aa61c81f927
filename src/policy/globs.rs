//! Globs of a rule, put together when a text first comes that could match.
//!
//! A set takes far longer to build than its globs take to check, and most rules of a large file never see a name
//! that begins and ends as theirs do. Invariant: a set that is built late is small enough to build.

use std::sync::{Arc, OnceLock};

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Sets whose globs are longer than this together, as regexes, are built at once: they could be too large. A byte
/// of a glob compiles to about a hundred, and the set may take ten MiB. Bytes.
const SMALL: usize = 64 << 10;

/// Globs of which any may match a text as a whole; the default has none and matches nothing.
#[derive(Debug, Clone, Default)]
pub struct Globs(Option<Arc<Checked>>);

#[derive(Debug)]
struct Checked {
    globs: Vec<Glob>,
    ends: Vec<Ends>,
    set: OnceLock<GlobSet>,
}

/// What every text that a glob matches begins and ends with.
#[derive(Debug)]
struct Ends {
    start: String,
    end: String,
}

impl Globs {
    /// # Errors
    /// Where the globs are too large together.
    pub(super) fn new(globs: Vec<Glob>) -> Result<Self, globset::Error> {
        if globs.is_empty() {
            return Ok(Self::default());
        }
        let set = OnceLock::new();
        if globs.iter().map(|glob| glob.regex().len()).sum::<usize>() > SMALL {
            let _ = set.set(build(&globs)?);
        }
        let ends = globs.iter().map(|glob| Ends::of(glob.glob())).collect();
        Ok(Self(Some(Arc::new(Checked { globs, ends, set }))))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The regex that each of them stands for, as the glob's own crate spells it.
    pub(super) fn regexes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|checked| checked.globs.iter().map(Glob::regex))
    }

    /// As the file spells them.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|checked| checked.globs.iter().map(Glob::glob))
    }

    /// Whether one of them matches the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|checked| checked.is_match(text))
    }
}

impl Checked {
    fn is_match(&self, text: &str) -> bool {
        if !self.ends.iter().any(|ends| ends.fit(text)) {
            return false;
        }
        if let Some(set) = self.set.get() {
            return set.is_match(text);
        }
        match build(&self.globs) {
            Ok(set) => self.set.get_or_init(|| set).is_match(text),
            // Out of reach for sets this small; one by one they give the same answer.
            Err(_) => self.globs.iter().any(|glob| glob.compile_matcher().is_match(text)),
        }
    }
}

impl Ends {
    const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

    fn of(pattern: &str) -> Self {
        let start = pattern.split(Self::SPECIAL).next().unwrap_or_default();
        let end = pattern.rsplit(Self::SPECIAL).next().unwrap_or_default();
        // `**` can take the slash beside it away.
        Self { start: start.trim_end_matches('/').to_owned(), end: end.trim_start_matches('/').to_owned() }
    }

    fn fit(&self, text: &str) -> bool {
        text.starts_with(&self.start) && text.ends_with(&self.end)
    }
}

fn build(globs: &[Glob]) -> Result<GlobSet, globset::Error> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(glob.clone());
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn globs(patterns: &[String]) -> Globs {
        Globs::new(patterns.iter().map(|pattern| Glob::new(pattern).unwrap()).collect()).unwrap()
    }

    #[test]
    fn a_small_set_is_built_for_the_first_text_and_a_large_one_at_once() {
        let built = |globs: &Globs| globs.0.as_ref().is_some_and(|checked| checked.set.get().is_some());
        let small = globs(&["db_*".to_owned(), "x".to_owned()]);
        assert!(!built(&small) && small.is_match("db_drop") && built(&small) && !small.is_match("y"));
        let many: Vec<String> = (0..1000).map(|n| format!("{}?{n}", "a".repeat(100))).collect();
        let large = globs(&many);
        assert!(built(&large) && large.is_match(&format!("{}b7", "a".repeat(100))));
    }

    #[test]
    fn a_text_that_cannot_match_builds_nothing() {
        let one = globs(&["db_*_drop".to_owned()]);
        assert!(!one.is_match("echo") && !one.is_match("db_x"));
        assert!(one.0.as_ref().is_some_and(|checked| checked.set.get().is_none()));
    }

    proptest! {
        #[test]
        fn the_look_at_the_ends_hides_no_match(pattern in "[ab/*?{},!\\\\\\[\\]]{0,8}", text in "[ab/,*!]{0,5}") {
            if let Ok(glob) = Glob::new(&pattern) {
                let plain = glob.compile_matcher().is_match(&text);
                prop_assert_eq!(Globs::new(vec![glob]).unwrap().is_match(&text), plain, "{} on {}", pattern, text);
            }
        }
    }

    #[test]
    fn none_match_nothing() {
        assert!(globs(&[]).is_empty() && !globs(&[]).is_match(""));
    }

    #[test]
    fn the_densest_set_that_is_built_late_can_be_built() {
        for piece in ["?", "*", "[a-z]", "[!a-z]", "{a,b?}", "**/"] {
            let pattern = piece.repeat(1000 / piece.len());
            let fits = SMALL / Glob::new(&pattern).unwrap().regex().len();
            let set: Vec<Glob> = (0..fits).map(|_| Glob::new(&pattern).unwrap()).collect();
            assert!(build(&set).is_ok(), "{piece}");
        }
    }
}
