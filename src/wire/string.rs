//! JSON strings (RFC 8259, section 7): where they end, and what they say.
//!
//! Refuses to allocate for strings without escapes. Invariant: no byte is looked at twice while its end is searched.

use std::borrow::Cow;

/// A string literal that has been passed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal {
    /// The place after the closing quote.
    pub end: usize,
    /// Whether it has escapes.
    pub escaped: bool,
    /// Whether an escape is half of a surrogate pair.
    pub lone_surrogate: bool,
}

/// Why a string literal does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The bytes end first.
    Open,
    /// This control character stands in it.
    Control(u8),
    /// An escape that JSON does not have.
    Escape,
}

/// Passes over a string literal from `at` on, a place after its opening quote and not inside an escape.
pub(super) fn pass(bytes: &[u8], mut at: usize) -> Result<Literal, Broken> {
    let (mut escaped, mut lone_surrogate) = (false, false);
    loop {
        at = plain(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(Literal { end: at + 1, escaped, lone_surrogate }),
            Some(b'\\') => {
                let (end, lone) = escape(bytes, at + 1)?;
                (at, escaped) = (end, true);
                lone_surrogate |= lone;
            }
            Some(&control) => return Err(Broken::Control(control)),
            None => return Err(Broken::Open),
        }
    }
}

/// The text between the quotes of a literal, decoded; half surrogate pairs become U+FFFD.
pub(super) fn decode(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    let (mut head, mut rest) = raw.split_at(first);
    loop {
        out.push_str(head);
        let Some(after) = rest.strip_prefix('\\') else { return Cow::Owned(out) };
        let (c, tail) = decode_escape(after);
        out.push(c);
        (head, rest) = tail.split_at(memchr::memchr(b'\\', tail.as_bytes()).unwrap_or(tail.len()));
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The first place from `at` on with a quote, a backslash or a control character, or the end.
#[inline]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\').unwrap_or(rest.len())
}

/// The high bit of each byte that ends a plain run, exact for the lowest such byte.
fn special(word: u64) -> u64 {
    let below_space = word.wrapping_sub(EACH * 0x20) & !word;
    let quote = word ^ (EACH * u64::from(b'"'));
    let backslash = word ^ (EACH * u64::from(b'\\'));
    (below_space | (quote.wrapping_sub(EACH) & !quote) | (backslash.wrapping_sub(EACH) & !backslash)) & HIGH
}

/// Passes over an escape whose backslash is just before `at`: its end, and whether it is half a surrogate pair.
fn escape(bytes: &[u8], at: usize) -> Result<(usize, bool), Broken> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok((at + 1, false)),
        Some(b'u') => unicode_escape(bytes, at + 1),
        Some(_) => Err(Broken::Escape),
        None => Err(Broken::Open),
    }
}

fn unicode_escape(bytes: &[u8], at: usize) -> Result<(usize, bool), Broken> {
    let end = at + 4;
    match hex4(bytes.get(at..).unwrap_or_default()) {
        None if bytes.len() < end => Err(Broken::Open),
        None => Err(Broken::Escape),
        Some(0xD800..=0xDBFF) => match bytes.get(end..) {
            Some([b'\\', b'u', low @ ..]) if is_low(hex4(low)) => Ok((end + 6, false)),
            _ => Ok((end, true)),
        },
        Some(unit) => Ok((end, is_low(Some(unit)))),
    }
}

fn is_low(unit: Option<u32>) -> bool {
    matches!(unit, Some(0xDC00..=0xDFFF))
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>()?.iter().try_fold(0, |unit, &b| Some(unit * 16 + char::from(b).to_digit(16)?))
}

/// The character of a valid escape, and what stands after it.
fn decode_escape(after: &str) -> (char, &str) {
    let mut chars = after.chars();
    let c = match chars.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return decode_unicode(chars.as_str()),
        Some(other) => other,
        None => char::REPLACEMENT_CHARACTER,
    };
    (c, chars.as_str())
}

fn decode_unicode(text: &str) -> (char, &str) {
    let unit = hex4(text.as_bytes()).unwrap_or(0xFFFD);
    let rest = text.get(4..).unwrap_or_default();
    if (0xD800..=0xDBFF).contains(&unit)
        && let Some(low) = rest.strip_prefix("\\u")
        && let Some(low_unit @ 0xDC00..=0xDFFF) = hex4(low.as_bytes())
    {
        let c = 0x1_0000 + ((unit - 0xD800) << 10) + (low_unit - 0xDC00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), low.get(4..).unwrap_or_default());
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str) -> Literal {
        pass(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn a_string_ends_at_its_own_quote() {
        for body in ["", "a", "1234567", "12345678", r#"123456\""#, "ä€𝄞ä€𝄞", r"\\", "a\u{7f}b\u{80}"]
        {
            assert_eq!(passed(&format!("\"{body}\"tail\"")).end, body.len() + 2, "{body}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_are_seen() {
        for (text, lone) in [
            (r#""\ud834\udd1e""#, false),
            (r#""\ud834""#, true),
            (r#""\ud834\ud834\udd1e""#, true),
            (r#""\udd1e\ud834""#, true),
            (r#""\ud834\n""#, true),
            (r#""\u0061""#, false),
        ] {
            assert_eq!(passed(text).lone_surrogate, lone, "{text}");
        }
    }

    #[test]
    fn broken_strings_are_told_apart() {
        for (text, broken) in [
            ("\"abc", Broken::Open),
            ("\"abc\\", Broken::Open),
            ("\"\\u12", Broken::Open),
            ("\"\\u12g4\"", Broken::Escape),
            ("\"\\u+123\"", Broken::Escape),
            ("\"\\x\"", Broken::Escape),
            ("\"12345678\t\"", Broken::Control(b'\t')),
            ("\"\0\"", Broken::Control(0)),
        ] {
            assert_eq!(pass(text.as_bytes(), 1).unwrap_err(), broken, "{text:?}");
        }
    }

    #[test]
    fn every_escape_is_decoded() {
        assert_eq!(decode(r#"\"\\\/\b\f\n\r\tä\u00e4\ud834\udd1e!"#), "\"\\/\u{8}\u{c}\n\r\tää𝄞!");
        assert_eq!(decode(r"\ud834x\udd1e"), "\u{fffd}x\u{fffd}");
        assert!(matches!(decode("plain"), Cow::Borrowed("plain")));
    }
}
