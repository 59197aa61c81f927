//! SEAM: a stand-in for `policy::redact`, with its names and signatures, until that room is in the tree.
//!
//! It refuses to be clever: it knows a few marks of secrets. Invariant: one `use` line in `intake.rs` replaces it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What is kept of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// As they came.
    Full,
    /// Without secrets.
    Redacted,
    /// Only which members there were.
    Keys,
    /// Nothing.
    None,
}

/// Arguments as the store keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// JSON text.
    pub text: Option<String>,
    /// Pointers to what was taken away.
    pub lost: Vec<String>,
    /// Keyed hash of the original.
    pub hash: [u8; 16],
}

/// Takes secrets out.
#[derive(Debug, Clone)]
pub struct Redactor {
    key: [u8; 32],
}

impl Redactor {
    /// With the store's key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Redacts the JSON text of arguments.
    pub fn arguments(&self, text: &str, keep: Keep) -> Redacted {
        let kept = match keep {
            Keep::Full => Some(text.to_owned()),
            Keep::Redacted => Some(self.prose(text)),
            Keep::Keys => Some("{}".to_owned()),
            Keep::None => None,
        };
        let lost = if kept.as_deref() == Some(text) { Vec::new() } else { vec![String::new()] };
        Redacted { text: kept, lost, hash: self.hash(text) }
    }

    /// Redacts free text.
    #[allow(clippy::unused_self)] // as the real one has it
    pub fn prose(&self, text: &str) -> String {
        const MARKS: [&str; 3] = ["ghp_", "sk-", "AKIA"];
        let mut rest = text;
        let mut out = String::with_capacity(text.len());
        while let Some(at) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
            let (before, secret) = rest.split_at(at);
            let end = secret.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
            out.push_str(before);
            out.push_str("[redacted]");
            rest = secret.split_at(end.unwrap_or(secret.len())).1;
        }
        out.push_str(rest);
        out
    }

    /// Redacts the text of a policy file.
    pub fn policy_source(&self, text: &str) -> String {
        self.prose(text)
    }

    fn hash(&self, text: &str) -> [u8; 16] {
        let mut hash = [0; 16];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(text.as_bytes());
            hash.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        hash
    }
}

/// SEAM: stands for `wire::text::shown`: at most 64 characters, what cannot be seen escaped.
pub fn shown(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(64));
    for (index, c) in name.chars().enumerate() {
        if index == 64 {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
