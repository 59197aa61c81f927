//! What redaction took from arguments, and which pointers would have met it.
//!
//! It looks at places only, never at values. Invariant: a pointer that is called untouched selects the same values in
//! what was kept as in what came.

use crate::policy::{Pointer, Segment};
use crate::wire::fold;

/// Places in arguments whose values are no longer as they were.
#[derive(Debug, Clone, Default)]
pub struct Lost(Vec<Vec<String>>);

/// How a pointer stands to what was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touch {
    /// It leads elsewhere.
    None,
    /// It leads to something that is there and is not as it was.
    Value,
    /// It leads into something of which nothing was kept.
    Inside,
}

impl Lost {
    /// From JSON Pointers (RFC 6901); `""` is everything.
    pub fn of<P: AsRef<str>>(pointers: impl IntoIterator<Item = P>) -> Self {
        let steps = |pointer: &str| pointer.split('/').skip(1).map(unescaped).collect();
        Self(pointers.into_iter().map(|pointer| steps(pointer.as_ref())).collect())
    }

    /// Everything.
    pub fn everything() -> Self {
        Self(vec![Vec::new()])
    }

    /// Whether all is as it was.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a place, a JSON Pointer, is one of them or lies below one.
    pub(super) fn has(&self, place: &str) -> bool {
        let steps: Vec<String> = place.split('/').skip(1).map(unescaped).collect();
        self.0.iter().any(|lost| steps.starts_with(lost))
    }

    /// Whether each of them is a place that a pointer names, spelled as it is, or lies below one.
    pub(super) fn are_below(&self, pointers: &[&Pointer]) -> bool {
        self.0.iter().all(|place| pointers.iter().any(|pointer| names(&pointer.segments, place)))
    }

    /// How the pointer stands to all of it, at worst.
    pub(super) fn touch(&self, pointer: &Pointer) -> Touch {
        let touches = self.0.iter().map(|place| touch(&pointer.segments, place));
        touches.max().unwrap_or(Touch::None)
    }
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn touch(segments: &[Segment], place: &[String]) -> Touch {
    let (Some((segment, onward)), Some((step, below))) = (segments.split_first(), place.split_first()) else {
        return if segments.is_empty() { Touch::Value } else { Touch::Inside };
    };
    match segment {
        Segment::Any => touch(onward, place).max(touch(segments, below)),
        Segment::One => touch(onward, below),
        Segment::Key { folded, .. } if fold(step) == folded.as_str() || is_renamed(step) => {
            touch(onward, below)
        }
        Segment::Key { .. } => Touch::None,
    }
}

/// Whether the steps lead to a place or to something above it.
fn names(segments: &[Segment], place: &[String]) -> bool {
    let Some((segment, onward)) = segments.split_first() else { return true };
    match (segment, place.split_first()) {
        (Segment::Any, None) => names(onward, place),
        (Segment::Any, Some((_, below))) => names(onward, place) || names(segments, below),
        (Segment::One, Some((_, below))) => names(onward, below),
        (Segment::Key { name, .. }, Some((step, below))) => name == step && names(onward, below),
        (Segment::One | Segment::Key { .. }, None) => false,
    }
}

/// A name that held a secret: which name it was cannot be told.
fn is_renamed(step: &str) -> bool {
    step.contains('‹')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::sample::pointer;

    #[test]
    fn a_pointer_is_touched_by_what_lies_on_its_way_at_its_end_or_below() {
        let lost = Lost::of(["/content", "/a/b~1c/0", "/env/‹redacted:value:1›"]);
        for (text, expected) in [
            ("/path", Touch::None),
            ("/content", Touch::Value),
            ("/Content", Touch::Value),
            ("/content/x", Touch::Inside),
            ("", Touch::Value),
            ("/a", Touch::Value),
            ("/a/b~1c", Touch::None),
            ("/a/*", Touch::Value),
            ("/a/*/1", Touch::None),
            ("/a/*/0/x", Touch::Inside),
            ("/**/x", Touch::Inside),
            ("/**", Touch::Inside),
            ("/env/PATH", Touch::Value),
            ("/en", Touch::None),
        ] {
            assert_eq!(lost.touch(&pointer(text)), expected, "{text}");
        }
        for (text, expected) in [("/content", false), ("", true), ("/**", true), ("/env/*", false)] {
            assert_eq!(lost.are_below(&[&pointer(text)]), expected, "{text}");
        }
        assert!(lost.are_below(&[&pointer("/content"), &pointer("/a/*"), &pointer("/env/*")]));
        assert!(lost.has("/content/x") && lost.has("/a/b~1c/0") && !lost.has("/a/b~1c") && !lost.has("/b"));
        assert_eq!(Lost::everything().touch(&pointer("/x")), Touch::Inside);
        assert_eq!(Lost::default().touch(&pointer("/x")), Touch::None);
    }
}
