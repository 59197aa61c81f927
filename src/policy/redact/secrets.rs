//! What secrets look like, and what the names of secrets look like.
//!
//! Shapes are the public ones of the issuers. Invariant: a text without a mark matches no pattern, so the one pass
//! for marks never hides a secret from the patterns.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};

/// A family of secrets.
struct Shape {
    /// Stands in the placeholder; no pattern may take it for the name of a secret.
    kind: &'static str,
    /// In lower case: one of these stands in whatever the pattern matches.
    marks: &'static [&'static str],
    /// The first group that takes part is the secret; without groups it is the whole match.
    pattern: &'static str,
}

const SHAPES: &[Shape] = &[
    Shape {
        kind: "pem",
        marks: &["-----begin"],
        pattern: r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    },
    Shape {
        kind: "aws-key-id",
        marks: &["akia", "asia", "abia", "acca"],
        pattern: "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}",
    },
    Shape {
        kind: "aws",
        marks: &["aws"],
        pattern: r#"(?i)aws[a-z0-9_ .-]{0,40}["']?\s*[:=,]?\s*["']?([a-z0-9/+]{40})"#,
    },
    Shape {
        kind: "github",
        marks: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: "gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    },
    Shape {
        kind: "gitlab",
        marks: &["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-"],
        pattern: "gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{16,}",
    },
    Shape {
        kind: "slack",
        marks: &["xox", "xapp-", "hooks.slack"],
        pattern: r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/([A-Za-z0-9/_-]+)",
    },
    Shape {
        kind: "stripe",
        marks: &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"],
        pattern: "[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{16,}",
    },
    Shape { kind: "sk", marks: &["sk-"], pattern: r"(?-u:\b)sk-[A-Za-z0-9_-]{20,}" },
    Shape {
        kind: "google",
        marks: &["aiza", "ya29.", "gocspx-"],
        pattern: r"AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",
    },
    Shape {
        kind: "package-registry",
        marks: &["npm_", "pypi-"],
        pattern: "npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{32,}",
    },
    Shape {
        kind: "platform",
        marks: &["hf_", "doo_v1", "dop_v1", "dor_v1", "hvs.", "sg."],
        pattern: concat!(
            r"hf_[A-Za-z0-9]{30,}|do[opr]_v1_[a-f0-9]{40,}|hvs\.[A-Za-z0-9_-]{20,}",
            r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
        ),
    },
    // Our own, as the store makes them.
    Shape { kind: "callgate", marks: &["cg_"], pattern: "cg_[0-9a-z]{52}" },
    Shape { kind: "jwt", marks: &["eyj"], pattern: r"eyJ[A-Za-z0-9_-]{14,}(?:\.[A-Za-z0-9_-]*){0,4}" },
    Shape {
        kind: "authorization",
        marks: &["authorization"],
        pattern: concat!(
            r#"(?i)authorization\\*["']?\s*[:=]\s*\\*["']?"#,
            r#"(?:(?:bearer|basic|token|digest|apikey)\s+)?([^\s"',;\\]+)"#
        ),
    },
    Shape { kind: "bearer", marks: &["bearer"], pattern: r"(?i)(?-u:\b)bearer\s+([a-z0-9._~+/=-]{8,})" },
    Shape {
        kind: "cookie",
        marks: &["cookie"],
        pattern: r#"(?i)(?-u:\b)cookie\\*["']?\s*[:=]\s*\\*["']?([^\r\n"'\\]+)"#,
    },
    Shape { kind: "url-login", marks: &["://"], pattern: r#"://[^\s/:"'<>]*:([^\s/"'<>]+)@"# },
    Shape { kind: "url-user", marks: &["://"], pattern: r#"(?i)https?://([^\s/?#@:"'<>]+)@"# },
    Shape {
        kind: "url-query",
        marks: &["key=", "sig=", "signature=", "auth=", "code=", "credential="],
        pattern: r#"(?i)[?&](?:key|sig|signature|auth|code|x-amz-signature|x-amz-credential)=([^&\s"'#]+)"#,
    },
    Shape {
        kind: "login",
        marks: &["-u", "--user"],
        pattern: r#"(?:\s|^)(?:-u|--user)[ =]?["']?[^\s:"']+:([^\s"']+)"#,
    },
    Shape {
        kind: "value",
        marks: NAMES,
        pattern: concat!(
            r"(?i)(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)",
            r#"\\*["']?\s*[:=]=?\s*(?:\\*"([^"\\]+)|\\*'([^'\\]+)|([^\s"'&;,\\]+))"#
        ),
    },
    Shape {
        kind: "flag",
        marks: NAMES,
        pattern: concat!(
            r"(?i)--?[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|private-?key|credentials?)",
            r#"\s+(?:"([^"]+)"|'([^']+)'|([^\s"'-][^\s"']*))"#
        ),
    },
];

/// Marks of what is a secret by its name in running text.
const NAMES: &[&str] = &[
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "private-key",
    "credential",
];

/// Marks of names that only tell as the name of a member.
const MEMBERS: &[&str] = &[
    "passcode",
    "\"auth\"",
    "\"pass\"",
    "api key",
    "access key",
    "private key",
    "api.key",
    "access.key",
    "private.key",
];

/// Names, without case and punctuation, whose values are secrets wherever they occur in a name.
const TELLING: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "bearer",
];
/// The same as whole names.
const TELLING_WHOLE: &[&str] = &["pwd", "pass", "auth", "token"];
/// Tokens that only mark a place in a list or a request.
const IDLE_TOKENS: &[&str] = &["pagetoken", "nexttoken", "continuationtoken", "progresstoken", "synctoken"];

static PLACEHOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^‹redacted:[a-z-]+:[0-9a-f]{12}›$").ok());
static ESCAPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\\u00([0-7][0-9a-fA-F])|\\(/)").ok());

/// The marks, compiled, and the patterns, each compiled when its mark is first met: most sessions never meet one.
#[derive(Debug)]
pub(super) struct Secrets {
    marks: Option<AhoCorasick>,
    /// By the number of a mark: the shapes that it is a mark of.
    owners: Vec<Vec<usize>>,
    patterns: Vec<OnceLock<Option<Regex>>>,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let mut marks: Vec<&str> = MEMBERS.to_vec();
        let mut owners: Vec<Vec<usize>> = vec![Vec::new(); marks.len()];
        for (shape, mark) in
            SHAPES.iter().enumerate().flat_map(|(at, shape)| shape.marks.iter().map(move |mark| (at, *mark)))
        {
            if let Some(owner) =
                marks.iter().position(|known| *known == mark).and_then(|at| owners.get_mut(at))
            {
                owner.push(shape);
            } else {
                marks.push(mark);
                owners.push(vec![shape]);
            }
        }
        let marks = AhoCorasick::builder().ascii_case_insensitive(true).build(marks).ok();
        Self { marks, owners, patterns: SHAPES.iter().map(|_| OnceLock::new()).collect() }
    }

    /// Whether anything in the text could be part of a secret or its name.
    pub(super) fn is_marked(&self, text: &str) -> bool {
        self.marks.as_ref().is_none_or(|marks| marks.is_match(text))
    }

    /// The text with each secret replaced; `None` where it holds none.
    pub(super) fn replaced(&self, text: &str, placeholder: impl Fn(&str, &str) -> String) -> Option<String> {
        let mut clean: Option<String> = None;
        for (shape, pattern) in self.patterns_for(text) {
            let so_far = clean.as_deref().unwrap_or(text);
            let secrets: Vec<Range<usize>> =
                pattern.captures_iter(so_far).filter_map(|found| secret(&found)).collect();
            if !secrets.is_empty() {
                clean = Some(with_replaced(so_far, &secrets, |secret| placeholder(shape.kind, secret)));
            }
        }
        clean
    }

    /// The patterns that can match, in their order.
    fn patterns_for(&self, text: &str) -> impl Iterator<Item = (&'static Shape, &Regex)> {
        let mut wanted = vec![self.marks.is_none(); SHAPES.len()];
        let found = self.marks.iter().flat_map(|marks| marks.find_overlapping_iter(text));
        for shape in found.filter_map(|found| self.owners.get(found.pattern().as_usize())).flatten() {
            if let Some(wanted) = wanted.get_mut(*shape) {
                *wanted = true;
            }
        }
        let shapes = SHAPES.iter().zip(&self.patterns).zip(wanted).filter(|(_, wanted)| *wanted);
        shapes.filter_map(|((shape, pattern), _)| Some((shape, compiled(shape, pattern)?)))
    }
}

fn compiled<'p>(shape: &Shape, pattern: &'p OnceLock<Option<Regex>>) -> Option<&'p Regex> {
    pattern.get_or_init(|| Regex::new(shape.pattern).ok()).as_ref()
}

/// Whether a member, variable or flag of this name holds a secret.
pub(super) fn is_telling(name: &str) -> bool {
    let bare: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let is_token = bare.ends_with("token") && !IDLE_TOKENS.iter().any(|idle| bare.ends_with(idle));
    is_token || TELLING_WHOLE.contains(&bare.as_str()) || TELLING.iter().any(|part| bare.contains(part))
}

/// Whether the word after this one is a secret: `--password`, `-token`.
pub(super) fn is_telling_flag(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ' ']) && is_telling(word)
}

/// ASCII escapes read.
pub(super) fn unescaped(text: &str) -> String {
    let read = |found: &Captures<'_>| match (found.get(1), found.get(2)) {
        (Some(code), _) => u8::from_str_radix(code.as_str(), 16).map_or(' ', char::from).to_string(),
        (None, slash) => slash.map_or("", |slash| slash.as_str()).to_owned(),
    };
    ESCAPE.as_ref().map_or_else(|| text.to_owned(), |escape| escape.replace_all(text, read).into_owned())
}

/// The text with each range, in order and apart, replaced.
fn with_replaced(text: &str, ranges: &[Range<usize>], replacement: impl Fn(&str) -> String) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        clean.push_str(text.get(from..range.start).unwrap_or_default());
        clean.push_str(&replacement(text.get(range.clone()).unwrap_or_default()));
        from = range.end;
    }
    clean.push_str(text.get(from..).unwrap_or_default());
    clean
}

fn secret(found: &Captures<'_>) -> Option<Range<usize>> {
    let secret = found.iter().skip(1).flatten().next().or_else(|| found.get(0))?;
    let is_ours = PLACEHOLDER.as_ref().is_some_and(|placeholder| placeholder.is_match(secret.as_str()));
    (!is_ours && !secret.is_empty()).then(|| secret.range())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_and_mark_compiles() {
        let secrets = Secrets::new();
        for (shape, pattern) in SHAPES.iter().zip(&secrets.patterns) {
            assert!(compiled(shape, pattern).is_some(), "{}", shape.kind);
        }
        assert!(secrets.marks.is_some() && PLACEHOLDER.is_some() && ESCAPE.is_some());
    }

    #[test]
    fn no_placeholder_is_taken_for_a_secret_by_a_later_pattern() {
        let secrets = Secrets::new();
        for (at, shape) in SHAPES.iter().enumerate() {
            let text = format!("‹redacted:{}:0123456789ab›@example.org/a", shape.kind);
            for (later, pattern) in SHAPES.iter().zip(&secrets.patterns).skip(at + 1) {
                let found =
                    compiled(later, pattern).unwrap().captures_iter(&text).find_map(|found| secret(&found));
                assert_eq!(found, None, "{} takes {text}", later.kind);
            }
        }
    }

    #[test]
    fn every_telling_name_is_marked() {
        let secrets = Secrets::new();
        for name in TELLING.iter().chain(TELLING_WHOLE) {
            assert!(secrets.is_marked(&format!("{{\"{name}\":1}}")), "{name}");
        }
    }

    #[test]
    fn names_tell_secrets_from_counts_and_places() {
        for name in [
            "password",
            "DB_PASSWORD",
            "apiKey",
            "X-Api-Key",
            "access_token",
            "client_secret",
            "Cookie",
            "auth",
        ] {
            assert!(is_telling(name), "{name}");
        }
        for name in
            ["max_tokens", "nextPageToken", "author", "path", "key", "tokenizer", "passenger", "compass"]
        {
            assert!(!is_telling(name), "{name}");
        }
    }
}
