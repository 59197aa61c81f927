//! Any text as a policy file: it is refused with diagnostics that can be shown, or it judges every call.
#![no_main]

use callgate::call::Call;
use callgate::policy::{Facts, Mode, Policy, World, run_examples};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;

const CALLS: &[(&str, &str)] = &[
    ("read_file", r#"{"path":"/home/me/.ssh/id","head":1e3,"deep":{"a":[{"url":"x"},null,true,"7"]}}"#),
    ("write_file", r#"{"path":"../a/./b","content":"[{\"path\":\"~/x\"}]","PATH":"/etc"}"#),
    ("caf\u{e9}", r#"[]"#),
    ("", r#""text""#),
];

fuzz_target!(|text: &str| {
    let environment = Environment { home: Some("/home/me".to_owned()), ..Environment::default() };
    let diagnostics = match read(text, &environment) {
        Ok(read) => {
            judges(&read.config.policy);
            read.notes
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults
        }
    };
    for diagnostic in diagnostics {
        assert!(diagnostic.render("mcp.toml", text).ends_with('\n'));
    }
});

fn judges(policy: &Policy) {
    let facts = Facts {
        home: Some("/home/me".to_owned()),
        root: Some("/home/me/app".to_owned()),
        ..Facts::default()
    };
    let stance = policy.stance(None, "files");
    for (name, arguments) in CALLS {
        let call = Call::new("tools/call", (*name), Json::from_text(arguments));
        let verdict = policy.evaluate(&stance, &call, World::of(&facts));
        assert_eq!(verdict.is_none(), stance.base == Mode::Off);
    }
    run_examples(policy, World::of(&facts));
}
