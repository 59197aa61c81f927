//! Paths in arguments: where they lead, or that it cannot be told.
//!
//! Lexical only; the file system is asked through [`ResolvePath`] alone. Components are compared with case, on
//! every system: where the file system folds case, the resolved path is what catches another spelling.
//! Invariant: what two servers could place differently has no place here ([`None`], which callers read as opaque).

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{Anchor, Base, Facts, PathGlob, ResolvePath};

/// More `..` than this and the way through symbolic links is not followed.
const MAX_STEPS_UP: usize = 64;

/// Where a path of the arguments may lead: as it is written, and through symbolic links where that differs.
pub(super) struct Places {
    candidates: Vec<String>,
}

/// A place that a rule names, without a trailing `/`; the root folder is empty.
struct Ground(String);

/// How a path stands to the places of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// At or below one of them.
    Inside,
    /// At or below none.
    Outside,
    /// Below none that is known, and some are not known.
    Unknown,
}

impl Places {
    /// Every place that the text may lead to; `None` where that cannot be told.
    pub(super) fn of(text: &str, links: &dyn ResolvePath) -> Option<Self> {
        let lexical = normalise(text)?;
        let mut candidates = Vec::new();
        for real in [links.resolve(&lexical), walked(text, links)?].into_iter().flatten() {
            let real = nfc(&real).into_owned();
            if real != lexical && !candidates.contains(&real) {
                candidates.push(real);
            }
        }
        candidates.push(lexical);
        Some(Self { candidates })
    }

    /// How each candidate stands to the bases.
    pub(super) fn standings<'p>(
        &'p self,
        bases: &'p [Base],
        facts: &'p Facts,
        links: &'p dyn ResolvePath,
    ) -> impl Iterator<Item = Standing> + 'p {
        self.candidates.iter().map(move |path| standing(path, bases, facts, links))
    }

    /// For each candidate, whether some glob matches it; `None` where that hangs on an anchor that is not known.
    pub(super) fn glob_matches<'p>(
        &'p self,
        globs: &'p [PathGlob],
        facts: &'p Facts,
        links: &'p dyn ResolvePath,
    ) -> impl Iterator<Item = Option<bool>> + 'p {
        self.candidates.iter().map(move |path| any_glob(path, globs, facts, links))
    }

    /// Whether a candidate is at or below one of these absolute paths.
    pub(super) fn reach(&self, places: &[String], links: &dyn ResolvePath) -> bool {
        let grounds = || places.iter().filter_map(|place| normalise(place)).map(Ground::new);
        self.candidates.iter().any(|path| grounds().any(|ground| ground.holds(path, links)))
    }
}

/// An absolute POSIX path without `.`, `..`, `//` or a trailing `/`, in NFC; `None` where it cannot be placed.
pub(super) fn normalise(text: &str) -> Option<String> {
    if !is_plain(text) {
        return None;
    }
    let text = nfc(text);
    let mut components: Vec<&str> = Vec::new();
    for component in steps(&text) {
        if component == ".." {
            components.pop();
        } else if ends_strangely(component) {
            return None;
        } else {
            components.push(component);
        }
    }
    (!is_alias(&components)).then(|| format!("/{}", components.join("/")))
}

/// Absolute, and spelled so that no server can decode it into something else.
fn is_plain(text: &str) -> bool {
    let encodes = |escape: &str| {
        text.as_bytes().windows(escape.len()).any(|window| window.eq_ignore_ascii_case(escape.as_bytes()))
    };
    text.starts_with('/')
        && !text.contains(['\0', '\\'])
        && !(text.contains('%') && ["%2e", "%2f", "%5c"].into_iter().any(encodes))
}

fn steps(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|component| !component.is_empty() && *component != ".")
}

/// Some systems drop trailing dots and white space, so that `x.` is also `x`.
fn ends_strangely(component: &str) -> bool {
    component.ends_with(|last: char| last == '.' || last.is_whitespace() || last.is_control())
}

/// Folders of the kernel that lead anywhere.
fn is_alias(components: &[&str]) -> bool {
    match components {
        ["proc", rest @ ..] => {
            rest.iter().any(|part| matches!(*part, "root" | "cwd" | "fd" | "map_files" | "exe"))
        }
        ["dev", "fd", ..] => true,
        _ => false,
    }
}

/// Where the kernel gets to when each `..` follows the links before it; `None` inside where it is the lexical
/// path anyway, `None` outside where it cannot be told.
#[allow(clippy::option_option)] // "nothing new" and "cannot be told" are two answers
fn walked(text: &str, links: &dyn ResolvePath) -> Option<Option<String>> {
    let ups = steps(text).filter(|component| *component == "..").count();
    if ups == 0 {
        return Some(None);
    }
    if ups > MAX_STEPS_UP {
        return None;
    }
    let mut path = String::new();
    for component in steps(text) {
        if component == ".." {
            path = links.resolve(&path).unwrap_or(path);
            path.truncate(path.rfind('/').unwrap_or(0));
        } else {
            path.push('/');
            path.push_str(component);
        }
    }
    let path = if path.is_empty() { "/".to_owned() } else { path };
    Some(Some(links.resolve(&path).unwrap_or(path)))
}

fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

impl Ground {
    fn new(path: String) -> Self {
        Self(if path == "/" { String::new() } else { path })
    }

    /// What is below the place, without a leading `/`; empty for the place itself.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.0.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The place with its links followed: a root that is itself a link holds what is really below it.
    fn resolved(&self, links: &dyn ResolvePath) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        links.resolve(&self.0).map(|real| Self::new(nfc(&real).into_owned()))
    }

    fn holds(&self, path: &str, links: &dyn ResolvePath) -> bool {
        self.below(path).is_some() || self.resolved(links).is_some_and(|real| real.below(path).is_some())
    }
}

/// The absolute place of an anchor with components below it; `None` where the anchor is not known.
fn ground(anchor: Anchor, components: &[String], facts: &Facts) -> Option<Ground> {
    let start = match anchor {
        Anchor::Absolute => String::new(),
        Anchor::Home => known(facts.home.as_deref())?,
        // A root that holds everything, or all of the user's files, says nothing about the project.
        Anchor::Root => known(facts.root.as_deref())
            .filter(|root| facts.home.as_deref().and_then(normalise).as_ref() != Some(root))?,
    };
    let path = components.iter().fold(start, |path, component| path + "/" + component);
    Some(Ground(path))
}

fn known(path: Option<&str>) -> Option<String> {
    normalise(path?).filter(|path| path != "/")
}

fn standing(path: &str, bases: &[Base], facts: &Facts, links: &dyn ResolvePath) -> Standing {
    let mut standing = Standing::Outside;
    for base in bases {
        match ground(base.anchor, &base.components, facts) {
            Some(ground) if ground.holds(path, links) => return Standing::Inside,
            Some(_) => {}
            None => standing = Standing::Unknown,
        }
    }
    standing
}

fn any_glob(path: &str, globs: &[PathGlob], facts: &Facts, links: &dyn ResolvePath) -> Option<bool> {
    let mut answer = Some(false);
    for glob in globs {
        match glob_match(path, glob, facts, links) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

fn glob_match(path: &str, glob: &PathGlob, facts: &Facts, links: &dyn ResolvePath) -> Option<bool> {
    if glob.name_only {
        return Some(glob.below.is_match(path.rsplit('/').next().unwrap_or_default()));
    }
    let ground = ground(glob.anchor, &[], facts)?;
    let hits = |ground: &Ground| ground.below(path).is_some_and(|below| glob.below.is_match(below));
    Some(hits(&ground) || ground.resolved(links).as_ref().is_some_and(hits))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use globset::GlobBuilder;

    use super::*;
    use crate::policy::NoLinks;

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
            assert_eq!(
                stand("/etc", &root(), &facts, &NoLinks),
                Some(vec![Standing::Unknown]),
                "{root_path:?}"
            );
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
            below: GlobBuilder::new(text).literal_separator(true).build().unwrap().compile_matcher(),
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
}
