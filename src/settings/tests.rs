//! Whole files, read: the shipped example, the fixtures, and whatever a generator makes up.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::policy::{Effect, Facts, Mode, Place, World, run_examples};

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
    let texts: Vec<String> = diagnostics.iter().map(|one| one.render("mcp.toml", source)).collect();
    texts.join("\n")
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
fn a_store_that_the_file_names_is_guarded_with_its_siblings() {
    let policy = config("version = 1\n[audit]\npath = \"~/audit/calls.db\"\n").policy;
    let files = ["", "-wal", "-shm", ".key"].map(|end| format!("/home/me/audit/calls.db{end}"));
    assert_eq!(policy.protected.paths(), files);
    assert!(config("version = 1\n").policy.protected.is_empty());
}

#[test]
fn the_shipped_example_has_no_fault_and_says_what_it_shows() {
    let config = config(include_str!("../../mcp.toml.example"));
    assert!(config.policy.rules.len() >= 4);
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
fn every_noted_fixture_shows_all_its_notes() {
    for path in fixtures("noted") {
        let source = fs::read_to_string(&path).unwrap();
        let notes = match read(&source, &environment()) {
            Ok(read) => read.notes,
            Err(faults) => panic!("{}\n{}", path.display(), rendered(&faults, &source)),
        };
        let (found, expected) = (rendered(&notes, &source), path.with_extension("stderr"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

/// What is shown as an example is written as it should be.
#[test]
fn neither_the_example_nor_a_valid_fixture_gives_cause_for_a_note_on_its_rules() {
    let mut sources = vec![include_str!("../../mcp.toml.example").to_owned()];
    sources.extend(fixtures("valid").iter().map(|path| fs::read_to_string(path).unwrap()));
    for source in sources {
        let notes = read(&source, &environment()).unwrap_or_else(|_| panic!("{source}")).notes;
        // Modes that differ from the file's are what some of them are there to show.
        let others: Vec<_> = notes
            .into_iter()
            .filter(|note| {
                !["stronger than", "the brake", "in a later version", "without a `zone`"]
                    .iter()
                    .any(|known| note.message.contains(known))
            })
            .collect();
        assert!(others.is_empty(), "{}", rendered(&others, &source));
    }
}

#[test]
fn every_kind_of_name_that_is_nearly_right_is_put_right() {
    for (line, meant) in [
        ("modee = \"warn\"", "mode"),
        ("mode = \"enforec\"", "enforce"),
        ("default = \"alow\"", "allow"),
        ("[[rule]]\naction = \"deny\"\ntols = \"x\"", "tools"),
        ("[[rule]]\naction = \"denny\"", "deny"),
        ("[[rule]]\naction = \"deny\"\nwhen = { agnet = \"x\" }", "agent"),
        ("[[rule]]\naction = \"deny\"\nwhen = { \"/a\" = { mathces = \"x\" } }", "matches"),
        ("[[rule]]\naction = \"deny\"\nwhen = { \"/a\" = { in = { list = \"trused\" } } }", "trusted"),
        (
            "[[rule]]\naction = \"deny\"\nid = \"first\"\n[[rule]]\naction = \"allow\"\noverrides = \"frist\"",
            "first",
        ),
        ("[[rule]]\naction = \"deny\"\n[[rule.test]]\ntool = \"x\"\nexpects = \"deny\"", "expect"),
        ("[[rule]]\naction = \"deny\"\nmodes = { ci-bto = \"enforce\" }", "ci-bot"),
        ("[[rule]]\naction = \"deny\"\nservers = [\"flies\"]", "files"),
    ] {
        let tables = "[lists]\ntrusted = [\"x\"]\n[agents.ci-bot]\nmode = \"enforce\"\n[servers.files]\ncommand = \"x\"\n";
        let source = format!("version = 1\n{line}\n{tables}");
        let found = read(&source, &environment()).map_or_else(|faults| faults, |read| read.notes);
        let hint = format!("did you mean `{meant}`?");
        assert!(
            found.iter().any(|one| one.hint.as_deref().is_some_and(|given| given.starts_with(&hint))),
            "{}",
            rendered(&found, &source)
        );
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

#[test]
fn ten_faults_of_one_file_show_at_once() {
    let source = include_str!("../../fixtures/policies/invalid/ten-faults.toml");
    let faults = read(source, &environment()).unwrap_err();
    assert!(faults.len() >= 10, "{}", faults.len());
    let places: Vec<Place> = faults.iter().map(|fault| fault.place(source)).collect();
    assert!(places.is_sorted());
}

#[test]
fn a_file_says_what_it_says() {
    let config = config(include_str!("../../fixtures/policies/valid/agents-and-servers.toml"));
    let policy = &config.policy;
    assert_eq!(
        (policy.mode, policy.max_mode, policy.default),
        (Mode::Shadow, Some(Mode::Enforce), Effect::Allow)
    );
    assert_eq!(policy.agents["ci-bot"].fail_mode, Some(FailMode::Closed));
    assert_eq!(policy.agents["new hire"].max_mode, Some(Mode::Warn));
    assert_eq!(policy.servers["db"].mode, Some(Mode::Warn));
    assert_eq!(policy.servers["notes"].fail_mode, Some(FailMode::Error));
    let rule = &policy.rules[0];
    assert_eq!((rule.effect, rule.position, &*rule.id), (Effect::RequireApproval, 1, "prod-is-read-only"));
    assert_eq!(rule.modes["new hire"], Mode::Warn);
    assert_eq!(rule.methods.exact, ["tools/call"]);
    assert!(rule.tools.globs.is_match("execute_sql"));
    assert_eq!(rule.unless.as_ref().map(Vec::len), Some(2));
    assert_eq!(config.settings.identity.root.as_deref(), Some("/srv/app"));
    let Server::Child { command, env, .. } = &config.settings.servers["db"] else { panic!("not a child") };
    assert_eq!((command.as_str(), env["PGHOST"].as_str()), ("/usr/local/bin/db-mcp", "localhost"));
}

#[test]
fn an_example_is_placed_and_its_arguments_are_json() {
    let config = config(include_str!("../../fixtures/policies/valid/unicode.toml"));
    let example = &config.policy.rules[0].examples[0];
    assert_eq!(example.line, 12);
    let expected = r#"{"ganz":true,"ordner":"grüße","teile":["a",{"b":1.5}],"tiefe":3}"#;
    assert_eq!(example.arguments.as_deref(), Some(expected));
}

#[test]
fn the_examples_of_every_valid_fixture_and_of_the_shipped_file_hold() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp.toml.example");
    let mut count = 0;
    for path in fixtures("valid").into_iter().chain([example]) {
        let config = config(&fs::read_to_string(&path).unwrap());
        let facts = Facts { home: Some("/home/me".to_owned()), ..Facts::default() };
        for tried in run_examples(&config.policy, World::of(&facts)) {
            assert!(tried.passed(), "{}:{}: {:?}", path.display(), tried.example.line, tried.verdict);
            count += 1;
        }
    }
    assert!(count >= 30, "{count}");
}

#[test]
fn an_example_that_does_not_hold_says_so_whatever_the_mode() {
    for mode in ["off", "shadow", "warn", "enforce"] {
        let source = format!(
            "version = 1\nmode = \"{mode}\"\n[[tool]]\nmatch = \"a\"\nrisk = \"low\"\n\
             [[rule]]\nwhen = {{ risk = \"high\", group = \"x\" }}\naction = \"deny\"\n\
             [[rule.test]]\ntool = \"a\"\nexpect = \"deny\"\n\
             [[rule.test]]\ntool = \"a\"\nfacts = {{ risk = \"high\", group = [\"x\"] }}\nexpect = \"deny\"\n"
        );
        let config = config(&source);
        let passed: Vec<bool> = run_examples(&config.policy, World::of(&Facts::default()))
            .iter()
            .map(crate::policy::Tried::passed)
            .collect();
        assert_eq!(passed, [false, true], "{mode}");
    }
}

#[test]
fn settings_are_read_with_their_units() {
    let settings = config(include_str!("../../fixtures/policies/valid/everything-kept.toml")).settings;
    let audit = &settings.audit;
    assert_eq!(audit.path.as_deref(), Some(Path::new("/home/me/audit/callgate.db")));
    assert_eq!((audit.retention_ms, audit.max_bytes), (14 * 86_400_000, 10_000_000_000));
    assert_eq!((audit.arguments, audit.durability), (KeepArguments::Full, Durability::Strict));
    assert_eq!((settings.block_response, settings.max_frame), (BlockResponse::ToolResult, 8 << 20));
}

#[test]
fn the_environment_only_tightens_and_only_where_the_file_is_silent() {
    let with = |source: &str, fail_mode| {
        let environment = Environment { fail_mode: Some(fail_mode), ..Environment::default() };
        read(source, &environment).unwrap().config.policy.fail_mode
    };
    assert_eq!(with("version = 1", FailMode::Closed), Some(FailMode::Closed));
    assert_eq!(with("version = 1", FailMode::Open), None);
    assert_eq!(with("version = 1\nfail_mode = \"open\"", FailMode::Closed), Some(FailMode::Open));
    let builtin =
        Config::builtin(&Environment { fail_mode: Some(FailMode::Error), ..Environment::default() });
    assert_eq!((builtin.policy.mode, builtin.policy.fail_mode), (Mode::Shadow, Some(FailMode::Error)));
    assert_eq!(&*builtin.policy.revision, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn a_file_that_loses_its_rules_must_say_so() {
    let some = config("version = 1\n[[rule]]\naction = \"deny\"\n");
    let none = config("version = 1");
    let meant = config("version = 1\nrule = []");
    assert!(suddenly_rule_less(&some, &none));
    assert!(!suddenly_rule_less(&some, &meant) && !suddenly_rule_less(&none, &none));
    assert!(is_blank("") && is_blank("\n  # nothing\r\n\t") && !is_blank("version = 1"));
}

#[test]
fn labels_that_are_of_little_use_are_pointed_out() {
    let source = "version = 1\n[[label]]\nid = \"unread\"\n[[label]]\nid = \"attempt\"\nscope = \"agent\"\n\
        [[label]]\nid = \"fine\"\non = \"result\"\n[[rule]]\naction = \"deny\"\n\
        unless_after = [\"attempt\", \"fine\"]\n";
    let notes = read(source, &environment()).unwrap().notes;
    let said: Vec<(usize, &str)> =
        notes.iter().map(|note| (note.place(source).line, note.message.as_str())).collect();
    let expected = [
        (3, "no rule reads the label `unread`"),
        (5, "an attempt is enough to set `attempt`, whatever comes of it"),
        (6, "once set, `attempt` stays set in every later session"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn notes_point_out_what_may_surprise() {
    let source = "version = 1\nmode = \"warn\"\nmax_mode = \"shadow\"\n[[rule]]\nmode = \"enforce\"\nmodes = { ci = \"enforce\" }\naction = \"deny\"\n\
                  [[rule]]\nmode = \"off\"\nmethods = \"tools/list\"\naction = \"deny\"\n[[tool]]\nmatch = \"x\"\n[approval]\n\
                  [servers.a]\nurl = \"https://a.example\"\n[[rule]]\ntools = \"x\"\naction = \"allow\"\n";
    let notes = read(source, &environment()).unwrap().notes;
    let lines: Vec<usize> = notes.iter().map(|note| note.place(source).line).collect();
    assert_eq!(lines, [3, 5, 6, 9, 10, 12, 19], "{}", rendered(&notes, source));
    assert!(notes.iter().all(|note| note.severity == Severity::Note));
}

#[test]
fn deep_and_long_files_are_refused_or_read_but_never_too_much() {
    let deep = format!("version = 1\na = {}", "[".repeat(50_000));
    let dotted = format!("version = 1\n{}a = 1", "a.".repeat(20_000));
    let wide = "x = [\n".repeat(5_000);
    let glob = format!("version = 1\n[[rule]]\ntools = \"{}\"\naction = \"deny\"", "?".repeat(1 << 14));
    for source in [deep, dotted, wide, glob] {
        assert!(read(&source, &environment()).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_fail_otherwise_than_with_diagnostics(source in "\\PC{0,200}") {
        check_text(&source)?;
    }

    #[test]
    fn no_mutilated_file_does_either(file in 0usize..64, cut in 0usize..2000, paste in 0usize..2000, with in "[\\[\\]{}=\"'#.,\n\ta-z0-9é]{0,8}") {
        let files: Vec<PathBuf> = fixtures("valid").into_iter().chain(fixtures("invalid")).collect();
        let mut source = fs::read_to_string(&files[file % files.len()]).unwrap();
        let near = |source: &str, at: usize| (0..=at % (source.len() + 1)).rev().find(|at| source.is_char_boundary(*at));
        let at = near(&source, paste).unwrap();
        source.insert_str(at, &with);
        let cut = near(&source, cut).unwrap();
        check_text(&source[cut..])?;
        check_text(&source[..cut])?;
    }
}

/// Reads it; faults must be there if it fails, and every diagnostic can be shown.
fn check_text(source: &str) -> Result<(), TestCaseError> {
    let diagnostics = match read(source, &environment()) {
        Ok(read) => read.notes,
        Err(faults) => {
            prop_assert!(!faults.is_empty());
            faults
        }
    };
    for diagnostic in diagnostics {
        prop_assert!(diagnostic.span.end <= source.len() && diagnostic.span.start <= diagnostic.span.end);
        prop_assert!(!diagnostic.render("mcp.toml", source).is_empty());
    }
    Ok(())
}
