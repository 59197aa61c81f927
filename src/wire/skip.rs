//! Finding the end of a value without judging it, over text that is valid already or that nobody asked us to judge.
//!
//! Refuses to check grammar: a value ends where its brackets or its quotes do. Invariant: linear, without recursion
//! and without memory.

use memchr::memchr2;

/// Skips white space.
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`; `None` where the bytes end first or no value begins.
pub(super) fn value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string(bytes, at),
        b'{' | b'[' => container(bytes, at),
        b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Some(scalar(bytes, at)),
        _ => None,
    }
}

/// The end of the object or array that opens at `at`.
pub(super) fn container(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The end of the string whose opening quote is at `at`.
pub(super) fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let rest = bytes.get(at..)?;
        at += memchr2(b'"', b'\\', rest)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn scalar(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let in_it = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
    at + rest.iter().position(|b| !in_it(b)).unwrap_or(rest.len())
}
