//! The house stays tidy: rooms, directions, headers, sizes, words that have no place here.
//!
//! It refuses to parse Rust for real; what it reads of a file is told by `support::source`.
//!
//! Invariant: every finding names its file, and all findings of a rule are shown at once.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::parts::root;
use crate::support::source::{code, imports, product_code, rooms_named};

/// The rooms of `src` from the cellar up; a room may use those at its own height or below.
const ROOMS: [(&str, u8); 14] = [
    ("wire", 0),
    ("call", 1),
    ("policy", 2),
    ("record", 3),
    ("guard", 4),
    ("rollout", 5),
    ("settings", 5),
    ("clock", 6),
    ("store", 7),
    ("transport", 7),
    ("alert", 8),
    ("proxy", 8),
    ("serve", 8),
    ("cli", 9),
];
/// Rooms up to this height are pure.
const PURE: u8 = 5;
/// What a pure room has no use for.
const IMPURE: &str = r"\bstd::(fs|net|env|process|thread|os)\b|\bstd::io::(std|self\b)|\b(tokio|rusqlite|notify|rustix|SystemTime|Instant)\b|\be?print(ln)?!";
const LONGEST_FILE: usize = 400;

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |file: &Source| (!file.text.starts_with("//!")).then(|| file.name());
    expect_none("files without a `//!` header", rust_files().iter().filter_map(silent));
}

#[test]
fn every_room_has_its_place() {
    let lost = |file: &Source| (file.room().is_some_and(|room| height(room).is_none())).then(|| file.name());
    expect_none("files in a room that tidy does not know", product_files().iter().filter_map(lost));
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let impure = Regex::new(IMPURE).unwrap();
    let files = product_files();
    let pure = files.iter().filter(|file| file.room().and_then(height).is_some_and(|height| height <= PURE));
    let findings = pure.flat_map(|file| {
        let text = product_code(&file.text);
        let text = text.clone() + "\n" + &imports(&text).join("\n");
        let found: Vec<String> =
            impure.find_iter(&text).map(|found| format!("{}: {}", file.name(), found.as_str())).collect();
        found
    });
    expect_none("pure rooms that reach outside", findings);
}

#[test]
fn imports_point_down() {
    let files = product_files();
    let findings = files.iter().flat_map(|file| {
        let text = product_code(&file.text);
        let own = file.room().and_then(height).unwrap_or(u8::MAX);
        let upward =
            rooms_named(&text).into_iter().filter(|room| height(room).is_some_and(|other| other > own));
        let mut found: Vec<String> = upward.map(|room| format!("{} uses {room}", file.name())).collect();
        if longest_climb(&text) >= file.depth() {
            found.push(format!("{} leaves its room by super", file.name()));
        }
        found
    });
    expect_none("imports that point up", findings);
}

#[test]
fn only_the_command_line_parses_it_prints_and_tells_stories_of_errors() {
    let words = Regex::new(r"\b(clap|anyhow)\b|\be?print(ln)?!").unwrap();
    let files = product_files();
    let others = files.iter().filter(|file| file.room() != Some("cli"));
    let findings = others.filter_map(|file| {
        let text = product_code(&file.text);
        words.find(&text).map(|found| format!("{}: {}", file.name(), found.as_str()))
    });
    expect_none("clap, anyhow or printing outside cli", findings);
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let long = |file: &Source| {
        let lines = file.text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.name()))
    };
    expect_none("files that are too long", product_files().iter().filter_map(long));
}

#[test]
fn no_test_file_is_forgotten() {
    let findings = ["tests/it/main.rs", "tests/it/support/mod.rs"].into_iter().flat_map(|parent| {
        let parent = root().join(parent);
        let text = fs::read_to_string(&parent).unwrap();
        let siblings = fs::read_dir(parent.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let forgotten =
            siblings.filter(|path| *path != parent && path.extension().is_some_and(|end| end == "rs"));
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let declared = |name: &String| text.contains(&format!("mod {name};"));
        forgotten.map(stem).filter(|name| !declared(name)).collect::<Vec<_>>()
    });
    expect_none("test files that no module names", findings);
}

#[test]
fn nothing_is_left_for_later_and_no_test_sleeps() {
    let unfinished = Regex::new(r"\b(todo|unimplemented)!|#\[ignore").unwrap();
    let sleep = Regex::new(r"\bsleep\s*\(").unwrap();
    let findings = rust_files().into_iter().filter_map(|file| {
        let whole = code(&file.text);
        let tests =
            if file.is_test() { whole.clone() } else { whole[product_code(&file.text).len()..].to_owned() };
        let found = unfinished.find(&whole).or_else(|| sleep.find(&tests));
        found.map(|found| format!("{}: {}", file.name(), found.as_str()))
    });
    expect_none("things left for later, ignored tests, sleeps", findings);
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    // Written in halves, for this file is read as well.
    let marks = [
        concat!(r"(^|[^\w/.}])/wo", "rk/"),
        concat!(r"(^|[^\w/.}])/ro", "ot/"),
        concat!("design", r"\.md"),
        concat!(r"registry\.", "npmjs"),
        concat!("pypi", r"\.org"),
        concat!("python", "hosted"),
    ];
    let marks = Regex::new(&format!("(?m){}", marks.join("|"))).unwrap();
    let mut files = Vec::new();
    walk(&root(), &mut files);
    let findings = files.into_iter().flat_map(|path| {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let found = marks.find_iter(&text).map(|mark| format!("{}: {}", path.display(), mark.as_str()));
        found.collect::<Vec<_>>()
    });
    expect_none("marks of a machine", findings);
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut among_dependencies = false;
    let mut findings = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            among_dependencies = line.trim_end().ends_with("dependencies]");
        } else if among_dependencies && line.contains('=') && !line.contains(" # ") {
            findings.push(line.to_owned());
        }
    }
    expect_none("dependencies without a reason", findings);
}

#[test]
fn the_top_of_the_repository_is_short() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "README.md",
        "mcp.toml.example",
        "src",
        "tests",
        "fixtures",
        "benches",
    ];
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strangers = names
        .filter(|name| !name.starts_with(['.', '_']) && !name.starts_with("LICENSE") && name != "target");
    expect_none("strangers at the top", strangers.filter(|name| !known.contains(&name.as_str())));
}

#[test]
fn the_changelog_is_open() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("\n## [Unreleased]\n"), "CHANGELOG.md has no `## [Unreleased]`");
}

/// A Rust file with its path from the top of the repository.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The whole file is there for tests.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests")
            || self.path.components().any(|part| part.as_os_str() == "tests")
            || self.path.ends_with("tests.rs")
    }

    /// How many modules deep the file is, counted from the crate's root.
    fn depth(&self) -> usize {
        let folders = self.path.components().count() - 1;
        if self.path.ends_with("mod.rs") { folders - 1 } else { folders.max(1) }
    }

    /// The room that the file belongs to. `None` for `main.rs` and `lib.rs`, which are the door and the hall.
    fn room(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(room, "main" | "lib")).then_some(room)
    }
}

/// How many `super::` stand in a row at most.
fn longest_climb(text: &str) -> usize {
    let climb = Regex::new(r"\b(super::)+").unwrap();
    climb.find_iter(text).map(|found| found.len() / "super::".len()).max().unwrap_or(0)
}

fn height(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|&(_, height)| height)
}

/// The files of `src` that are not tests as a whole.
fn product_files() -> Vec<Source> {
    let mut files = rust_files();
    files.retain(|file| file.path.starts_with("src") && !file.is_test());
    files
}

fn rust_files() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    assert!(paths.len() > 10, "tidy found only {paths:?}");
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().to_owned(),
    };
    paths.into_iter().map(source).collect()
}

/// Every file below the folder that is written by people.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let made = ["target", ".git", "node_modules", "__pycache__", "corpus", "artifacts"];
        if made.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn expect_none(what: &str, findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}
