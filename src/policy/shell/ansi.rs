//! `$'…'`: text with escapes as in C.
//!
//! It refuses an escaped NUL, at which shells cut the text off. Invariant: it reads to the closing quote and no
//! further.

use super::cursor::Cursor;
use super::{Doubt, Lexed};

/// Reads from behind the opening quote to the closing one. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Lexed<String> {
    let mut bytes = Vec::new();
    loop {
        bytes.extend_from_slice(cursor.raw_until(|byte| byte == b'\'' || byte == b'\\').as_bytes());
        match cursor.raw_char().ok_or(Doubt::Syntax)? {
            '\'' => break,
            _ => escaped(cursor, &mut bytes)?,
        }
    }
    if bytes.contains(&0) {
        return Err(Doubt::Hidden);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn escaped(cursor: &mut Cursor<'_>, bytes: &mut Vec<u8>) -> Lexed<()> {
    let escape = cursor.raw_char().ok_or(Doubt::Syntax)?;
    match escape {
        'a' => bytes.push(7),
        'b' => bytes.push(8),
        'e' | 'E' => bytes.push(27),
        'f' => bytes.push(12),
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        'v' => bytes.push(11),
        '\\' | '\'' | '"' | '?' => bytes.extend(escape.to_string().bytes()),
        '0'..='7' => {
            let first = escape.to_digit(8).unwrap_or(0);
            let value = digits(cursor, 8, 2, first);
            bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
        }
        'x' if is_digit(cursor, 16) => {
            bytes.push(u8::try_from(digits(cursor, 16, 2, 0)).unwrap_or(0));
        }
        'u' | 'U' if is_digit(cursor, 16) => {
            let most = if escape == 'u' { 4 } else { 8 };
            let character =
                char::from_u32(digits(cursor, 16, most, 0)).unwrap_or(char::REPLACEMENT_CHARACTER);
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        // A control character, or braces that only some shells read.
        'c' | 'x' | 'M' | 'C' => return Err(Doubt::Hidden),
        other => {
            bytes.push(b'\\');
            bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(())
}

fn is_digit(cursor: &Cursor<'_>, radix: u32) -> bool {
    cursor.raw().is_some_and(|byte| char::from(byte).is_digit(radix))
}

fn digits(cursor: &mut Cursor<'_>, radix: u32, most: usize, first: u32) -> u32 {
    let mut value = first;
    for _ in 0..most {
        let Some(digit) = cursor.raw().and_then(|byte| char::from(byte).to_digit(radix)) else { break };
        cursor.raw_char();
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    value
}
