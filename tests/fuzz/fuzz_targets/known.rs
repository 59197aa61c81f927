//! Any definition of a tool and any arguments: what a rule could select in recorded arguments is never called missing,
//! and no schema keeps the reader busy.
//!
//! 0xFF parts the definition from the arguments.
#![no_main]

use std::sync::LazyLock;

use callgate::policy::{Known, Policy, blind_spots};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let rule = |pointer| {
        format!(
            "[[rule]]\ntools = \"t\"\nwhen = {{ \"{pointer}\" = {{ exists = true }} }}\naction = \"deny\"\n"
        )
    };
    let rules = ["/a", "/a/*/b", "/**/b", "/**/a/**/b/**"].map(rule).concat();
    let config =
        read(&format!("version = 1\n{rules}"), &Environment::default()).expect("no fault in it").config;
    (*config.policy).clone()
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        let mut parts = data.splitn(2, |byte| *byte == 0xff);
        let mut next = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
        return look(next(), next());
    };
    look(text, text);
});

fn look(definition: &str, arguments: &str) {
    let mut known = Known::default();
    known.list("s", "t", Some(definition));
    known.call("s", "t", Some(arguments));
    let blind: Vec<usize> = blind_spots(&POLICY, &known, "s").iter().map(|spot| spot.rule).collect();
    let has_a = Json::from_text(arguments).is_some_and(|arguments| arguments.member("a").is_some());
    assert!(!(has_a && blind.contains(&0)), "{arguments}");
}
