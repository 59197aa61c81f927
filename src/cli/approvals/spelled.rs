//! Arguments as people read them: what the tool will read, with nothing hidden and a line for each part where it is long.
//!
//! It refuses to move the cursor and to break a line in a text. Invariant: two arguments that differ are spelled
//! differently, but for escapes that mean the same and white space between values.

use crate::cli::rows::visible;
use crate::wire::{Json, JsonKind};

/// What fits on a line beside what stands before it, characters.
const WIDTH: usize = 88;
/// How far what is inside stands in.
const STEP: usize = 2;

/// Spells a JSON text, each line but the first this far in; what is no JSON stays as it is, but for what is hidden.
pub(super) fn spelled(text: &str, far_in: usize) -> String {
    let mut out = String::new();
    match Json::from_text(text) {
        Some(json) => spell(json, far_in, &mut out),
        None => out.extend(text.chars().flat_map(visible)),
    }
    out
}

fn spell(json: Json<'_>, far_in: usize, out: &mut String) {
    let (open, close) = match json.kind() {
        JsonKind::Object => ('{', '}'),
        JsonKind::Array => ('[', ']'),
        JsonKind::String | JsonKind::Number | JsonKind::Bool | JsonKind::Null => return flat(json, out),
    };
    let mut line = String::new();
    // What is long as it was written is not spelled twice to find out.
    if json.text().len() <= 2 * WIDTH {
        flat(json, &mut line);
        if line.chars().count() <= WIDTH.saturating_sub(far_in) {
            return out.push_str(&line);
        }
    }
    out.push(open);
    let inner = far_in + STEP;
    let begin = |out: &mut String, index: usize| {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', inner));
    };
    for (index, (key, value)) in json.members().enumerate() {
        begin(out, index);
        quoted(&key, out);
        out.push_str(": ");
        spell(value, inner, out);
    }
    for (index, value) in json.elements().enumerate() {
        begin(out, index);
        spell(value, inner, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', far_in));
    out.push(close);
}

fn flat(json: Json<'_>, out: &mut String) {
    match json.kind() {
        JsonKind::Object => {
            out.push('{');
            for (index, (key, value)) in json.members().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                quoted(&key, out);
                out.push_str(": ");
                flat(value, out);
            }
            out.push('}');
        }
        JsonKind::Array => {
            out.push('[');
            for (index, value) in json.elements().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                flat(value, out);
            }
            out.push(']');
        }
        JsonKind::String => quoted(&json.as_str().unwrap_or_default(), out),
        JsonKind::Number | JsonKind::Bool | JsonKind::Null => out.push_str(json.text()),
    }
}

/// A text as it is, not as it was escaped: `\u0072m` is `rm` to whoever runs it.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            other => out.extend(visible(other)),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::has_invisible;

    #[test]
    fn what_is_short_is_one_line_and_numbers_stay_as_written() {
        let text = "{ \"path\":\"/tmp/a\",\n\"n\":[1.10, 1e400 ,true,null,{ }] }";
        assert_snapshot!(spelled(text, 9), @r#"{"path": "/tmp/a", "n": [1.10, 1e400, true, null, {}]}"#);
    }

    #[test]
    fn what_is_long_has_a_line_for_each_part() {
        let long = "x".repeat(60);
        let text = format!(r#"{{"to":"{long}","items":[{{"name":"{long}","n":1}},"{long}"],"dry":false}}"#);
        assert_snapshot!(spelled(&text, 4), @r#"
        {
              "to": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
              "items": [
                {"name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "n": 1},
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
              ],
              "dry": false
            }
        "#);
    }

    #[test]
    fn escapes_do_not_hide_what_runs_and_text_cannot_pass_for_an_escape() {
        assert_eq!(
            spelled(r#"{"c":"\u0072m\n\u202e\u001b[2J\\u{1b}"}"#, 0),
            r#"{"c": "rm\n\u{202e}\u{1b}[2J\\u{1b}"}"#
        );
        assert_eq!(spelled("{\"cut\u{1b}", 0), "{\"cut\\u{1b}");
    }

    proptest! {
        #[test]
        fn nothing_that_is_spelled_moves_the_cursor(text in any::<String>(), far_in in 0..200usize) {
            let json = serde_json::to_string(&[&text, &text]).unwrap();
            for spelled in [spelled(&json, far_in), spelled(&text, far_in)] {
                prop_assert!(!has_invisible(&spelled.replace('\n', "")), "{spelled:?}");
            }
            // Only between values is there a new line: no text looks like another line of what is told.
            let lines = spelled(&json, far_in).matches('\n').count();
            prop_assert!(matches!(lines, 0 | 3), "{lines}");
        }

        #[test]
        fn texts_that_differ_are_spelled_differently(one in "[\\\\u{}n0-9a-f\u{0}-\u{20}\u{200b}\"]{0,6}", two in "[\\\\u{}n0-9a-f\u{0}-\u{20}\u{200b}\"]{0,6}") {
            prop_assume!(one != two);
            let spell = |text: &str| spelled(&serde_json::to_string(text).unwrap(), 0);
            prop_assert_ne!(spell(&one), spell(&two));
        }
    }
}
