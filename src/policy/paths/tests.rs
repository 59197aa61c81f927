//! Where paths lead, and what cannot be told.

use std::collections::BTreeMap;

use globset::GlobBuilder;

use super::*;
use crate::policy::{Globs, NoLinks};

struct Links(BTreeMap<&'static str, &'static str>);

impl ResolvePath for Links {
    fn resolve(&self, path: &str) -> Option<String> {
        self.0.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
        })
    }
}

fn facts() -> Facts {
    Facts { root: Some("/home/me/app".into()), home: Some("/home/me".into()), ..Facts::default() }
}

fn root() -> Vec<Base> {
    vec![Base { anchor: Anchor::Root, components: vec![] }]
}

fn stand(text: &str, bases: &[Base], facts: &Facts, links: &dyn ResolvePath) -> Option<Vec<Standing>> {
    Some(Places::of(text, links)?.standings(bases, facts, links).collect())
}

#[test]
fn dots_and_doubled_slashes_are_resolved() {
    for (written, meant) in [
        ("/a/./b//c/", "/a/b/c"),
        ("/a/../../..", "/"),
        ("/", "/"),
        ("/a/b/../c", "/a/c"),
        ("/cafe\u{301}", "/caf\u{e9}"),
        ("/a/.hidden", "/a/.hidden"),
        ("/100%/x", "/100%/x"),
    ] {
        assert_eq!(normalise(written).as_deref(), Some(meant), "{written}");
    }
}

#[test]
fn what_cannot_be_placed_has_no_place() {
    for written in [
        "",
        "a/b",
        "./a",
        "~/a",
        "~root/a",
        "$HOME/a",
        "C:\\a",
        "C:/a",
        "\\\\host\\share",
        "/a\\..\\b",
        "file:///etc",
        "http://x/y",
        "/a\0b",
        "/a/%2e%2E/b",
        "/a%2fb",
        "/a%5Cb",
        "/a/b.",
        "/a /b",
        "/a/...",
        "/a/b\n",
        "/proc/self/root/etc",
        "/proc/1/cwd/x",
        "/proc/../proc/9/task/9/root/x",
        "/dev/fd/3",
        " /a",
    ] {
        assert_eq!(normalise(written), None, "{written}");
    }
}

#[test]
fn a_sibling_with_the_same_beginning_is_outside() {
    assert_eq!(stand("/home/me/app-old/x", &root(), &facts(), &NoLinks), Some(vec![Standing::Outside]));
    assert_eq!(stand("/home/me/app", &root(), &facts(), &NoLinks), Some(vec![Standing::Inside]));
    assert_eq!(stand("/home/me/app/../x", &root(), &facts(), &NoLinks), Some(vec![Standing::Outside]));
}

#[test]
fn a_root_that_is_everything_or_the_home_folder_is_unknown() {
    for root_path in [None, Some("/"), Some("/home/me"), Some("/home/me/"), Some("relative")] {
        let facts = Facts { root: root_path.map(str::to_owned), ..facts() };
        assert_eq!(stand("/etc", &root(), &facts, &NoLinks), Some(vec![Standing::Unknown]), "{root_path:?}");
    }
}

#[test]
fn a_known_base_that_holds_the_path_outweighs_an_unknown_one() {
    let mut bases = root();
    bases.push(Base { anchor: Anchor::Absolute, components: vec!["tmp".into()] });
    let facts = Facts::default();
    assert_eq!(stand("/tmp/x", &bases, &facts, &NoLinks), Some(vec![Standing::Inside]));
    assert_eq!(stand("/etc", &bases, &facts, &NoLinks), Some(vec![Standing::Unknown]));
}

#[test]
fn a_link_gives_a_second_place() {
    let links = Links(BTreeMap::from([("/home/me/app/out", "/etc")]));
    let standings = stand("/home/me/app/out/passwd", &root(), &facts(), &links);
    assert_eq!(standings, Some(vec![Standing::Outside, Standing::Inside]));
}

#[test]
fn a_link_with_a_decomposed_name_is_followed_under_the_name_it_has() {
    let links = Links(BTreeMap::from([("/home/me/app/e\u{301}", "/etc")]));
    let standings = stand("/home/me/app/e\u{301}/passwd", &root(), &facts(), &links).unwrap();
    assert_eq!(standings, [Standing::Outside, Standing::Inside]);
    // Some file systems take both spellings for one name.
    let links = Links(BTreeMap::from([("/home/me/app/\u{e9}", "/etc")]));
    let standings = stand("/home/me/app/e\u{301}/passwd", &root(), &facts(), &links).unwrap();
    assert_eq!(standings, [Standing::Outside, Standing::Inside]);
}

#[test]
fn a_path_that_is_longer_than_any_has_no_place_and_asks_the_file_system_nothing() {
    struct Silent;
    impl ResolvePath for Silent {
        fn resolve(&self, _: &str) -> Option<String> {
            unreachable!("asked about a path that no system has")
        }
    }
    assert!(Places::of(&"/a".repeat(2_049), &Silent).is_none());
}

#[test]
fn going_up_behind_a_link_gives_the_place_that_the_kernel_reaches() {
    let links = Links(BTreeMap::from([("/home/me/app/out", "/etc/deep")]));
    let places = Places::of("/home/me/app/out/../passwd", &links);
    assert_eq!(
        places.map(|places| places.candidates),
        Some(vec!["/etc/passwd".into(), "/home/me/app/passwd".into()])
    );
}

#[test]
fn a_root_that_is_a_link_still_holds_what_is_below_it() {
    let links = Links(BTreeMap::from([("/home/me/app", "/data/app")]));
    let standings = stand("/home/me/app/x", &root(), &facts(), &links);
    assert_eq!(standings, Some(vec![Standing::Inside, Standing::Inside]));
}

#[test]
fn a_glob_is_below_its_anchor_and_a_bare_name_is_anywhere() {
    let glob = |anchor, text: &str, name_only| PathGlob {
        anchor,
        below: Globs::new(vec![GlobBuilder::new(text).literal_separator(true).build().unwrap()]).unwrap(),
        name_only,
    };
    let hits = |path, glob: &PathGlob| {
        Places::of(path, &NoLinks).map(|places| {
            places.glob_matches(std::slice::from_ref(glob), &facts(), &NoLinks).collect::<Vec<_>>()
        })
    };
    let keys = glob(Anchor::Home, ".ssh/**", false);
    assert_eq!(hits("/home/me/.ssh/id", &keys), Some(vec![Some(true)]));
    assert_eq!(hits("/home/you/.ssh/id", &keys), Some(vec![Some(false)]));
    let pem = glob(Anchor::Absolute, "*.pem", true);
    assert_eq!(hits("/a/b/c.pem", &pem), Some(vec![Some(true)]));
    assert_eq!(hits("/a.pem/c", &pem), Some(vec![Some(false)]));
}
