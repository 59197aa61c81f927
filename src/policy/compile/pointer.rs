//! JSON Pointers with wildcards, and several of them in one key.
//!
//! It refuses pointers that look right and select nothing, such as one without its leading `/`. Invariant: the
//! segments joined with `/` are the text again.

use std::ops::Range;

use super::fault;
use crate::policy::schema::Reading;
use crate::policy::{Pointer, Segment};
use crate::wire::fold;

const BETWEEN: &str = " | ";

/// Whether a key of a condition is meant as a pointer.
pub(super) fn is_pointer(key: &str) -> bool {
    key.is_empty() || key.starts_with('/') || key.contains(BETWEEN)
}

/// Reads `/a | /b`; RFC 6901, section 3, for each, with `*` and `**` as segments.
pub(super) fn pointers(key: &str, span: &Range<usize>, reading: &mut Reading) -> Vec<Pointer> {
    key.split(BETWEEN).filter_map(|text| pointer(text, span, reading)).collect()
}

fn pointer(text: &str, span: &Range<usize>, reading: &mut Reading) -> Option<Pointer> {
    let Some(path) = text.strip_prefix('/') else {
        if text.is_empty() {
            return Some(Pointer { text: String::new(), segments: Vec::new() });
        }
        let message = format!("the pointer `{text}` does not begin with `/`");
        let hint = format!("write `/{}`; several are joined with ` | `", text.trim());
        fault(reading, span.clone(), message, &hint);
        return None;
    };
    if misses_a_space(path) {
        let message = format!("the pointers in `{text}` are not told apart");
        fault(
            reading,
            span.clone(),
            message,
            "join pointers with one space on each side of the bar: `/a | /b`",
        );
        return None;
    }
    if path.contains(", /") || path.contains(",/") {
        let message = format!("the pointers in `{text}` are not told apart");
        fault(reading, span.clone(), message, "several are joined with a bar, not with a comma: `/a | /b`");
        return None;
    }
    if path.split('/').any(str::is_empty) {
        let message = format!("the pointer `{text}` asks for a member without a name");
        let hint = format!(
            "write `/{}`",
            path.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
        );
        reading.note_with(span.clone(), message, hint);
    }
    if let Some(inner) = path.strip_prefix("arguments/").or_else(|| path.strip_prefix("params/arguments/")) {
        let message =
            format!("pointers begin inside the arguments, so `{text}` asks for more of that name in them");
        reading.note_with(span.clone(), message, format!("write `/{inner}`"));
    }
    let segments: Option<Vec<Segment>> = path.split('/').map(segment).collect();
    if segments.is_none() {
        let message = format!("`~` in the pointer `{text}` must be followed by 0 or 1");
        fault(reading, span.clone(), message, "write `~0` for `~` and `~1` for `/` in a name");
    }
    Some(Pointer { text: text.to_owned(), segments: segments? })
}

/// `/a |/b` and `/a|/b`: two pointers were meant.
fn misses_a_space(path: &str) -> bool {
    path.match_indices('|')
        .any(|(at, _)| path.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with('/')))
}

fn segment(text: &str) -> Option<Segment> {
    match text {
        "*" => return Some(Segment::One),
        "**" => return Some(Segment::Any),
        _ => {}
    }
    let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !escaped {
        return None;
    }
    // The order matters: `~01` is `~1`, not `/`.
    let name = text.replace("~1", "/").replace("~0", "~");
    let folded = fold(&name).into_owned();
    Some(Segment::Key { name, folded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str) -> Result<Vec<Pointer>, String> {
        let mut reading = Reading::default();
        let pointers = pointers(key, &(0..0), &mut reading);
        match reading.diagnostics.first() {
            Some(diagnostic) => Err(diagnostic.message.clone()),
            None => Ok(pointers),
        }
    }

    fn key(name: &str, folded: &str) -> Segment {
        Segment::Key { name: name.to_owned(), folded: folded.to_owned() }
    }

    #[test]
    fn escapes_are_decoded_once() {
        let pointers = read("/a~1b/m~0n/~01/Path").unwrap();
        let expected = [key("a/b", "a/b"), key("m~n", "m~n"), key("~1", "~1"), key("Path", "path")];
        assert_eq!(pointers[0].segments, expected);
        assert!(read("/a~2").is_err() && read("/a~").is_err());
    }

    #[test]
    fn stars_are_wildcards_and_several_pointers_are_alternatives() {
        let pointers = read("/edits/*/text | /**/url | ").unwrap();
        assert_eq!(pointers[0].segments, [key("edits", "edits"), Segment::One, key("text", "text")]);
        assert_eq!(pointers[1].segments, [Segment::Any, key("url", "url")]);
        assert_eq!(pointers[2].segments, []);
    }

    #[test]
    fn a_bar_without_its_spaces_is_a_fault_but_may_stand_in_a_name() {
        for wrong in ["/a|/b", "/a |/b", "/a| /b", "/a | b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("/a|b").unwrap()[0].segments, [key("a|b", "a|b")]);
    }
}
