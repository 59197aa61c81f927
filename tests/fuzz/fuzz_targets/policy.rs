//! Any text as a policy file: it is read, or refused with diagnostics that can be shown.
#![no_main]

use callgate::settings::{Environment, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = Environment { home: Some("/home/me".to_owned()), ..Environment::default() };
    let diagnostics = match read(text, &environment) {
        Ok(read) => read.notes,
        Err(faults) => {
            assert!(!faults.is_empty());
            faults
        }
    };
    for diagnostic in diagnostics {
        assert!(diagnostic.render("mcp.toml", text).ends_with('\n'));
    }
});
