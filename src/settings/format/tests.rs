//! That layout changes nothing but layout, and that it comes to rest.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Unformatted, format, laid_out};
use crate::settings::Environment;

fn formatted(source: &str) -> String {
    let environment = Environment { home: Some("/home/me".to_owned()), ..Environment::default() };
    match format(source, &environment) {
        Ok(text) => text,
        Err(Unformatted::Changed) => panic!("the meaning changed: {source}"),
        Err(Unformatted::Faults(faults)) => panic!("{faults:?}\n{source}"),
    }
}

fn words(text: &str) -> Vec<&str> {
    let mut comments: Vec<&str> =
        text.lines().filter_map(|line| line.split_once('#')).map(|(_, c)| c.trim()).collect();
    comments.sort_unstable();
    comments
}

#[test]
fn the_shipped_example_is_laid_out() {
    let example = include_str!("../../../mcp.toml.example");
    let text = formatted(example);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp.toml.example"), &text).unwrap();
    }
    let diff = similar::TextDiff::from_lines(example, &text);
    assert!(text == example, "{}", diff.unified_diff().context_radius(1));
}

#[test]
fn every_valid_fixture_keeps_its_meaning_and_its_comments_and_comes_to_rest() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies/valid");
    for entry in fs::read_dir(folder).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let once = formatted(&source);
        assert_eq!(formatted(&once), once);
        assert_eq!(words(&once), words(&source));
    }
}

const UNTIDY: &str = r#"

# The whole file.
version=1
mode   =   "monitor"   # calm


fail_mode = 'fail_open'
[agents.ci]
mode="alert"
# about the rule

[[rule]]
# why it is
reason = "no"
action="block"     # hard
tools=['write_file' ,"edit_file"]
id='a'
when={"/path"={path_glob=["**/.env", "**/.ssh/**", "*.pem", "**/credentials.json", "**/secrets/**", "*.key"]},'/re'={matches='\d+'}}


modes={ci="audit"}
[[rule.test]]
expect="block"
tool="write_file" # which
arguments={path="/x/.env",re="1"}
# the end of it

[[rule]]
any=[{"/a"=1},  # one
  # two
  {"/b"=2}]
action="alert"
[rule.unless]
  agent = "ci"
[lists]
x=[
 "1", "2",
]
y=["1",
   "2"]
# last
"#;

#[test]
fn an_untidy_file_becomes_tidy() {
    assert_snapshot!(formatted(UNTIDY));
}

#[test]
fn a_long_comment_breaks_no_list() {
    let line = format!("include = [\"a.toml\", \"b.toml\"]  # {}\n", "why ".repeat(30).trim_end());
    let text = laid_out(&format!("version = 1\n{line}")).unwrap();
    assert_eq!(text, format!("version = 1\n{line}"));
}

#[test]
fn line_ends_of_other_systems_and_a_mark_at_the_start_go() {
    assert_eq!(
        formatted("\u{feff}version = 1\r\nmode = \"off\"   \r\n\r\n\r\n"),
        "version = 1\nmode = \"off\"\n"
    );
}

#[test]
fn a_file_with_faults_is_not_touched() {
    let faults = format("version = 1\nmoed = 1\n", &Environment::default());
    assert!(matches!(faults, Err(Unformatted::Faults(faults)) if faults.len() == 1));
}

/// Where white space may stand.
fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just(" "), Just("\t"), Just("   ")]
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("\n"),
        Just("  # note\n"),
        Just("#note\n\n\n"),
        Just("\n# above\n"),
        Just("\n\n   # a\n\n# b\n")
    ]
}

proptest! {
    #[test]
    fn it_comes_to_rest_whatever_the_layout(
        spaces in proptest::collection::vec(space(), 24), ends in proptest::collection::vec(line_end(), 24),
        count in 0_usize..14, commented in any::<bool>(), turn in 0_usize..5,
    ) {
        let (mut space, mut end) = (spaces.iter().cycle(), ends.iter().cycle());
        let mut fill = |text: &str| {
            let mut filled = String::new();
            for c in text.chars() {
                match c {
                    '~' => filled.push_str(space.next().unwrap()),
                    '$' => filled.push_str(end.next().unwrap()),
                    c => filled.push(c),
                }
            }
            filled
        };
        let items = (0..count).map(|n| format!("'item number {n}'")).collect::<Vec<_>>();
        let between = if commented { ", # c\n ~" } else { "~,~" };
        let mut keys = [
            "~id~=~'r'$".to_owned(), "~action~=~'block'$".to_owned(), "~mode~=~'monitor'$".to_owned(),
            format!("~when~=~{{~'/a'~=~{{~in~=~[~{}~]~}}~,~\"/b\"~=~1~}}$", if count == 0 { "1".to_owned() } else { items.join(between) }),
            "~any~=~[~{~'/x'~=~1~}~,~{~'/y'~=~[~1~,~2~]~}~,~]$".to_owned(),
        ];
        keys.rotate_left(turn);
        let text = format!("version = 1$~[[rule]]${}~[[rule.test]]$~tool~=~'t'$~expect~=~'hold'$", keys.concat());
        let source = fill(&text);
        let once = formatted(&source);
        prop_assert_eq!(formatted(&once), once.clone());
        prop_assert_eq!(words(&once), words(&source), "{}", source);
        prop_assert!(once.lines().all(|line| line.trim_end() == line) && !once.contains("\n\n\n"), "{}", once);
    }
}
