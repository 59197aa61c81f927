//! Paths in arguments, and our own files.

use std::cell::RefCell;

use globset::GlobBuilder;

use Effect::{Allow, Deny};

use super::sample::{at_home, judge_with, policy, when};
use crate::call::Call;
use crate::policy::{Anchor, Base, By, Effect, Globs, PathGlob, Policy, Predicate, ResolvePath, World};
use crate::wire::Json;

#[test]
fn a_path_outside_the_root_is_denied_and_doubt_is_too() {
    let root = || vec![Base { anchor: Anchor::Root, components: vec![] }];
    let outside = |effect| policy(vec![when(effect, "/path", vec![Predicate::PathOutside(root())])]);
    let inside = policy(vec![when(Allow, "/path", vec![Predicate::PathUnder(root())])]);
    let speaks = |policy: &Policy, path: &str| {
        let arguments = format!(r#"{{"path":"{path}"}}"#);
        !judge_with(policy, "tool", &arguments, &at_home()).matched.is_empty()
    };
    for path in
        ["/etc/passwd", "/home/me/app/../.ssh/id", "/home/me/app2", "notes", "~/x", "file:///home/me/app/x"]
    {
        assert!(speaks(&outside(Deny), path), "{path}");
        assert!(!speaks(&inside, path), "{path}");
    }
    assert!(!speaks(&outside(Deny), "/home/me/app/src/../lib.rs"));
    assert!(speaks(&inside, "/home/me/app/src/../lib.rs"));
    assert!(!speaks(&outside(Allow), "notes"));
}

#[test]
fn our_own_files_are_out_of_reach_in_every_spelling() {
    let protected = vec!["/home/me/.config/callgate".to_owned(), "/home/me/.claude.json".to_owned()];
    let policy = Policy { protected: protected.into(), ..policy(vec![]) };
    let by = |arguments: &str| judge_with(&policy, "tool", arguments, &at_home()).by;
    for arguments in [
        r#"{"path":"/home/me/.config/callgate/mcp.toml"}"#,
        r#"{"path":"/home/me//.config/x/../callgate"}"#,
        r#"{"path":"~/.config/callgate/mcp.toml"}"#,
        r#"{"path":"$HOME/.config/callgate"}"#,
        r#"{"path":"file:///home/me/.claude.json"}"#,
        r#"{"path":"../.config/callgate/mcp.toml"}"#,
        r#"{"path":"\/home\/me\/.conf\u0069g/c\u0061llgate"}"#,
        r#"{"command":"cat ~/.config/callgate/mcp.toml | grep mode"}"#,
        r#"{"command":"sed -i s/enforce/off/ '/home/me/.config//callgate/mcp.toml'"}"#,
        r#"{"command":"rm -f ${HOME}/.claude.json"}"#,
        r#"{"files":[{"deep":["/home/me/.claude.json"]}]}"#,
        r#"{"/home/me/.claude.json":"x"}"#,
        r#"{"path":"~/%2eclaude.json"}"#,
        r#"{"uri":"FILE:///home/me/%2E%63laude.json"}"#,
        r#"{"payload":"{\"path\":\"/home/me/.claude.json\"}"}"#,
    ] {
        assert_eq!(by(arguments), By::SelfProtection, "{arguments}");
    }
    for arguments in [
        r#"{"path":"/home/me/.config/callgate-notes/x"}"#,
        r#"{"path":"/home/you/.claude.json"}"#,
        r#"{"text":"callgate reads mcp.toml and/or .claude.json"}"#,
        r#"{"path":"src/../lib.rs"}"#,
        "{}",
        "",
    ] {
        assert_eq!(by(arguments), By::Default, "{arguments}");
    }
    let without = Policy { self_protection: false, ..policy };
    assert_eq!(judge_with(&without, "tool", r#"{"p":"~/.claude.json"}"#, &at_home()).by, By::Default);
}

#[test]
fn a_link_into_our_own_files_is_followed() {
    struct Link;
    impl ResolvePath for Link {
        fn resolve(&self, path: &str) -> Option<String> {
            path.strip_prefix("/home/me/app/link").map(|rest| format!("/home/me/.config/callgate{rest}"))
        }
    }
    let policy = Policy { protected: vec!["/home/me/.config/callgate".to_owned()].into(), ..policy(vec![]) };
    let arguments = Json::from_text(r#"{"path":"/home/me/app/link/mcp.toml"}"#);
    let call = Call::new("tools/call", "write", arguments);
    let verdict = policy
        .evaluate(&policy.stance(None, "files"), &call, World::of(&at_home()).with_links(&Link))
        .unwrap();
    assert_eq!((verdict.effect, verdict.by), (Deny, By::SelfProtection));
}

#[test]
fn each_path_is_resolved_once_for_all_rules() {
    struct Counted(RefCell<Vec<String>>);
    impl ResolvePath for Counted {
        fn resolve(&self, path: &str) -> Option<String> {
            self.0.borrow_mut().push(path.to_owned());
            None
        }
    }
    let under = || vec![Base { anchor: Anchor::Absolute, components: vec!["etc".to_owned()] }];
    let rules = (0..5).map(|_| when(Deny, "/**", vec![Predicate::PathUnder(under())])).collect();
    let policy = Policy { protected: vec!["/home/me/.claude.json".to_owned()].into(), ..policy(rules) };
    let arguments = Json::from_text(r#"{"a":"/srv/x","b":["/srv/x","/srv/a/../y"]}"#);
    let call = Call::new("tools/call", "write", arguments);
    let links = Counted(RefCell::default());
    policy.evaluate(&policy.stance(None, "files"), &call, World::of(&at_home()).with_links(&links)).unwrap();
    let mut asked = links.0.into_inner();
    asked.sort();
    assert_eq!(asked, ["/etc", "/home/me/app/a", "/home/me/app/b", "/srv/a", "/srv/x", "/srv/y"]);
}

#[test]
fn a_search_for_paths_sees_the_usual_spellings_and_is_not_alarmed_by_prose() {
    let glob = |text: &str, name_only| PathGlob {
        anchor: Anchor::Absolute,
        below: Globs::new(vec![GlobBuilder::new(text).literal_separator(true).build().unwrap()]).unwrap(),
        name_only,
    };
    let globs = vec![glob("**/.ssh/**", false), glob(".env", true)];
    let policy = policy(vec![when(Deny, "/**", vec![Predicate::PathGlob(globs)])]);
    let denies = |text: &str| {
        let arguments = serde_json::json!({"a": [text], "n": 1}).to_string();
        judge_with(&policy, "tool", &arguments, &at_home()).effect == Deny
    };
    for text in
        ["/x/.env", "src/.env", ".env", "~/.ssh/id", "../.ssh/id", "file:///home/me/.ssh/id", "C:\\.ssh\\id"]
    {
        assert!(denies(text), "{text}");
    }
    for text in ["hello there.", "/home/me/app/x", "a/b and c", "https://example.com/x?y", "it is 50%", ""] {
        assert!(!denies(text), "{text}");
    }
}
