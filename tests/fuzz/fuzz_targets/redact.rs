//! Any text around a secret: no part of the secret survives, and what is stored is JSON.
//!
//! The first byte says where the secret is planted, the second which one; 0xFF parts what stands before it from
//! what stands behind.
#![no_main]

use std::sync::LazyLock;

use callgate::policy::{Keep, Redactor};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new([7; 32]));

/// What introduces a secret, wherever it stands.
const MARKS: &[&str] = &["ghp_", "glpat-", "npm_", "hf_", "AIza", "github_pat_"];
const SECRET: &str = "Zq8Rt5Wm2Kx9Vb4Nc7Jd1Hf6Lg3Ps0Yu5Te8Ao2";
/// So many characters of a secret in a row are a leak.
const LEAK: usize = 12;

fuzz_target!(|data: &[u8]| {
    let [place, mark, around @ ..] = data else { return };
    let mut around = around.splitn(2, |byte| *byte == 0xff);
    let mut next = || String::from_utf8_lossy(around.next().unwrap_or_default()).into_owned();
    let (before, after) = (next(), next());
    is_json(&before);
    if leaks(&before) || leaks(&after) {
        return;
    }
    let secret = format!("{}{SECRET}", MARKS[usize::from(*mark) % MARKS.len()]);
    let text = planted(*place, format!("{before}{secret}{after}"));
    let stored = is_json(&text);
    assert!(!leaks(&stored), "{stored}");
    let prose = REDACTOR.prose(&format!("{before}{secret}{after}"));
    assert!(!leaks(&prose), "{prose}");
});

fn planted(place: u8, text: String) -> String {
    match place % 6 {
        0 => json!(text),
        1 => json!({ "text": text }),
        2 => json!([{ "deep": [1, text] }]),
        3 => json!({ text: 1 }),
        4 => json!({ "body": json!({ "text": text }).to_string() }),
        _ => return text,
    }
    .to_string()
}

fn is_json(text: &str) -> String {
    for keep in [Keep::Redacted, Keep::Keys] {
        let stored = REDACTOR.arguments(text, keep).text.expect("something is kept");
        if let Err(error) = serde_json::from_str::<Value>(&stored) {
            let error = error.to_string();
            let legal = ["number out of range", "recursion limit"].iter().any(|why| error.starts_with(why));
            assert!(legal, "{error}: {stored}");
        }
    }
    REDACTOR.arguments(text, Keep::Redacted).text.unwrap_or_default()
}

fn leaks(text: &str) -> bool {
    SECRET.as_bytes().windows(LEAK).any(|part| text.as_bytes().windows(LEAK).any(|window| window == part))
}
