//! Taking secrets out of what is stored.
//!
//! It works by known shapes and telling names, so it is best effort on secrets that have neither. It decides
//! nothing and keeps nothing. Invariant: what it returns as text is valid JSON, and what it took away is listed.

mod secrets;
mod source;
mod walk;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::Json;
use secrets::Secrets;
use walk::Walk;

/// Strings of arguments longer than this are cut. Bytes.
const LONG: usize = 1024;
/// What is kept of them, at most. Bytes.
const KEPT: usize = 256;
/// How far into a long string secrets are looked for: far enough for one that begins in what is kept. Bytes.
const LOOKED_AT: usize = 4096;

/// What is kept of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// As they came, secrets included.
    Full,
    /// Without secrets, long values cut.
    #[default]
    Redacted,
    /// Which members there were; no value.
    Keys,
    /// Nothing.
    None,
}

/// Arguments as they may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// JSON; `None` where nothing is kept.
    pub text: Option<String>,
    /// JSON Pointers (RFC 6901) of what is not as it was; `""` is all of it. Pointers go on into strings that hold
    /// JSON, and spell member names as they are stored.
    pub lost: Vec<String>,
    /// Keyed hash of the text as it came: HMAC-SHA256, its first 16 bytes.
    pub hash: [u8; 16],
}

/// Takes secrets out, leaving keyed hashes so that equal ones can be told.
#[derive(Clone)]
pub struct Redactor {
    key: Hmac<Sha256>,
    secrets: Arc<Secrets>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Hashes are comparable under the same key only. Make one and keep it: it keeps what it compiles.
    pub fn new(key: [u8; 32]) -> Self {
        // RFC 2104, section 2: a key shorter than a block is filled up with zeros.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to = from;
        }
        Self { key: Hmac::new(&block.into()), secrets: Arc::new(Secrets::new()) }
    }

    /// Arguments, as `keep` wants them. Text that is not one strict JSON value is kept as one string.
    pub fn arguments(&self, text: &str, keep: Keep) -> Redacted {
        let hash = self.hash(text);
        let everything = || vec![String::new()];
        let (text, lost) = match keep {
            Keep::Full => (Some(text.to_owned()), Vec::new()),
            Keep::None => (None, everything()),
            Keep::Redacted if self.is_harmless(text) && Json::from_text(text).is_some() => {
                (Some(text.to_owned()), Vec::new())
            }
            Keep::Redacted => {
                let (text, lost) = self.walked(text, Walk::redacting);
                (Some(text), lost)
            }
            Keep::Keys => (Some(self.walked(text, Walk::only_keys).0), everything()),
        };
        Redacted { text, lost, hash }
    }

    /// As [`Self::arguments`], for text that a strict reader has taken for one JSON value: that is not asked again, and
    /// text that stays as it is is not copied.
    pub fn read_arguments(&self, json: Box<str>, keep: Keep) -> Redacted {
        let stays = match keep {
            Keep::Full => true,
            Keep::Redacted => self.is_harmless(&json),
            Keep::Keys | Keep::None => false,
        };
        if stays {
            let hash = self.hash(&json);
            return Redacted { text: Some(json.into()), lost: Vec::new(), hash };
        }
        self.arguments(&json, keep)
    }

    /// A sentence, a name or a URI: as it is, but for secrets.
    pub fn prose(&self, text: &str) -> String {
        self.clean(text).unwrap_or_else(|| text.to_owned())
    }

    /// What a server says of a tool, a JSON object: without secrets, and far longer than arguments before it is cut.
    pub fn definition(&self, json: &str) -> String {
        self.walked(json, Walk::definition).0
    }

    /// The source of a policy: [`Self::prose`], and the values of environments, headers, flags and addresses that
    /// carry secrets.
    pub fn policy_source(&self, toml: &str) -> String {
        source::cleaned_parts(self, toml)
    }

    /// Nothing in it looks like the mark of a secret, nothing is escaped and nothing is long: one pass tells.
    fn is_harmless(&self, text: &str) -> bool {
        text.len() <= LONG && !text.contains('\\') && !self.secrets.is_marked(text)
    }

    fn walked<'r>(&'r self, text: &str, walk: fn(&'r Self) -> Walk<'r>) -> (String, Vec<String>) {
        match Json::from_text(text) {
            Some(json) => walk(self).run(json),
            None => (self.unreadable(text), vec![String::new()]),
        }
    }

    /// What no strict reader takes for JSON. Simple escapes are read, for some server may.
    fn unreadable(&self, text: &str) -> String {
        let plain = secrets::unescaped(text.get(..floor(text, LOOKED_AT)).unwrap_or_default());
        let clean = self.prose(&plain);
        quoted(&if text.len() > LONG { self.cut(&clean, text) } else { clean })
    }

    /// The text without secrets, where it holds any.
    fn clean(&self, text: &str) -> Option<String> {
        self.secrets.replaced(text, |kind, secret| self.placeholder(kind, secret))
    }

    /// A string of arguments without secrets and not too long, where that changes it.
    fn shortened(&self, text: &str, long: usize) -> Option<String> {
        if text.len() <= long {
            return self.clean(text);
        }
        let head = text.get(..floor(text, LOOKED_AT)).unwrap_or_default();
        Some(self.cut(&self.prose(head), text))
    }

    fn cut(&self, clean: &str, whole: &str) -> String {
        let kept = clean.get(..floor(clean, KEPT)).unwrap_or_default();
        // A placeholder is kept or dropped as a whole.
        let kept = match (kept.rfind('‹'), kept.rfind('›')) {
            (Some(opened), closed) if closed.is_none_or(|closed| closed < opened) => kept.get(..opened),
            _ => Some(kept),
        };
        kept.unwrap_or_default().to_owned() + &self.cut_mark(whole)
    }

    fn cut_mark(&self, whole: &str) -> String {
        format!("‹cut:{} bytes:{}›", whole.len(), self.short_hash(whole))
    }

    fn placeholder(&self, kind: &str, secret: &str) -> String {
        format!("‹redacted:{kind}:{}›", self.short_hash(secret))
    }

    fn short_hash(&self, text: &str) -> String {
        let first = self.hash(text).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        format!("{:012x}", first >> 16)
    }

    fn hash(&self, text: &str) -> [u8; 16] {
        let whole = self.key.clone().chain_update(text).finalize().into_bytes();
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(whole) {
            *to = from;
        }
        hash
    }
}

/// The largest character boundary that is not after `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
