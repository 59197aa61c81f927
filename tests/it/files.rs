//! What looks after the policy file through the binary: `policy fmt`, `policy schema`, and the page of the language.
//!
//! It refuses to test layout and schema for themselves: that is done where they stand.
//!
//! Invariant: a file with faults is left as it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::home::Home;

const UNTIDY: &str = "version=1\nmode = 'monitor'  # calm\n[[rule]]\naction=\"block\"\nid=\"a\"\n";
const TIDY: &str = "version = 1\nmode = \"shadow\"  # calm\n\n[[rule]]\nid = \"a\"\naction = \"deny\"\n";

#[test]
fn fmt_replaces_the_file_and_keeps_its_mode_and_its_link() {
    let home = Home::with_policy(UNTIDY);
    let real = home.path("real.toml");
    fs::rename(home.policy(), &real).unwrap();
    symlink(&real, home.policy()).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let told = home.run(&["policy", "fmt"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    assert!(told.out.starts_with("formatted "), "{}", told.out);
    assert_eq!(fs::read_to_string(&real).unwrap(), TIDY);
    assert!(home.policy().is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let beside: Vec<_> =
        fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains("real.toml.")), "{beside:?}");
    let again = home.run(&["policy", "fmt", real.to_str().unwrap()]);
    assert!(again.code == Some(0) && again.out.starts_with("as it should be"), "{again:?}");
}

#[test]
fn fmt_shows_what_it_would_do_and_does_not_do_it() {
    let home = Home::with_policy(UNTIDY);
    let told = home.run(&["policy", "fmt", "--check"]);
    assert_eq!((told.code, told.err.as_str()), (Some(4), ""), "{told:?}");
    for line in ["-version=1", "+version = 1", "+action = \"deny\"", "@@ "] {
        assert!(told.out.contains(line), "{line}: {}", told.out);
    }
    let told = home.run(&["policy", "fmt", "--stdout"]);
    assert_eq!((told.code, told.out.as_str()), (Some(0), TIDY));
    assert_eq!(fs::read_to_string(home.policy()).unwrap(), UNTIDY);
    home.write_policy(TIDY);
    assert_eq!(home.run(&["policy", "fmt", "--check"]).code, Some(0));
}

#[test]
fn fmt_leaves_a_file_with_faults_as_it_is() {
    let wrong = "version=1\nmoed='off'\n[[rule]\n";
    let home = Home::with_policy(wrong);
    let told = home.run(&["policy", "fmt"]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{told:?}");
    assert!(told.err.contains("not valid TOML") && told.err.contains("moed"), "{}", told.err);
    assert_eq!(fs::read_to_string(home.policy()).unwrap(), wrong);
}

#[test]
fn schema_is_json_on_stdout() {
    let told = Home::new().run(&["policy", "schema"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert_eq!(told.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let help = Home::new().run(&["policy", "schema", "--help"]);
    assert!(help.out.contains("#:schema ./mcp.schema.json"), "{}", help.out);
}

#[test]
fn help_policy_is_the_language_and_policy_help_too() {
    let home = Home::new();
    for asked in [["help", "policy"], ["policy", "help"]] {
        let told = home.run(&asked);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{asked:?}");
        assert!(
            told.out.starts_with("The policy language\n") && told.out.contains("    [[rule]]"),
            "{}",
            told.out
        );
        assert!(!told.out.contains('\u{1b}'), "no colour where no terminal reads");
    }
    let command = home.run(&["policy", "--help"]);
    assert!(
        command.out.contains("Usage: callgate policy") && command.out.contains("callgate help policy"),
        "{}",
        command.out
    );
    assert!(home.run(&["help", "run"]).out.contains("Usage: callgate run"));
}
