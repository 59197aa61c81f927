//! Whole files, read: the shipped example, the fixtures, and whatever a generator makes up.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn environment() -> Environment {
    Environment { home: Some("/home/me".to_owned()), ..Environment::default() }
}

fn config(source: &str) -> Config {
    match read(source, &environment()) {
        Ok(read) => read.config,
        Err(diagnostics) => panic!("{}", rendered(&diagnostics, source)),
    }
}

fn rendered(diagnostics: &[Diagnostic], source: &str) -> String {
    diagnostics.iter().fold(String::new(), |mut out, diagnostic| {
        let _ = writeln!(out, "{}", diagnostic.render("mcp.toml", source));
        out
    })
}

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies").join(kind);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_shipped_example_has_no_fault_and_says_what_it_shows() {
    let config = config(include_str!("../../mcp.toml.example"));
    assert_eq!(config.policy.rules.len(), 4);
    assert_eq!(config.settings.identity.root.as_deref(), Some("/home/me/app"));
    assert_eq!(config.policy.rules[2].overrides, [1]);
}

#[test]
fn every_valid_fixture_is_read() {
    for path in fixtures("valid") {
        let source = fs::read_to_string(&path).unwrap();
        if let Err(diagnostics) = read(&source, &environment()) {
            panic!("{}\n{}", path.display(), rendered(&diagnostics, &source));
        }
    }
}

#[test]
fn every_invalid_fixture_shows_all_its_faults() {
    for path in fixtures("invalid") {
        let source = fs::read_to_string(&path).unwrap();
        let diagnostics = read(&source, &environment()).expect_err(&path.display().to_string());
        let (found, expected) = (rendered(&diagnostics, &source), path.with_extension("stderr"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}
