//! Random words: what names a session, a key, and the key itself.
//!
//! It refuses to go on without the system's random numbers. Invariant: each digit carries five random bits, and none can
//! be taken for another when it is read out.

use std::io;

/// The digits of Crockford's base 32, lower case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// So many random digits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn random_word<const LENGTH: usize>() -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes
        .iter()
        .filter_map(|byte| DIGITS.get(usize::from(byte % 32)))
        .map(|digit| char::from(*digit))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_length_differ_and_are_easy_to_read() {
        let (one, two) = (random_word::<10>().unwrap(), random_word::<10>().unwrap());
        assert_ne!(one, two);
        assert!(one.len() == 10 && one.bytes().all(|b| b.is_ascii_alphanumeric() && !b"ilou".contains(&b)));
        assert_eq!(random_word::<52>().unwrap().len(), 52);
    }
}
