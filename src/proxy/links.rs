//! Where paths on this machine really lead.

use std::path::{Component, Path, PathBuf};

use crate::policy::ResolvePath;

/// The kernel gives up after so many links as well (`path_resolution(7)`).
const MOST_DANGLING: usize = 40;

/// Follows symbolic links in the local file system.
///
/// A path that does not exist yet (a file to be written) is resolved as far as it exists. What a link points to
/// may change between the judgement and the server's own look: this narrows that race, it does not close it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalLinks;

impl ResolvePath for LocalLinks {
    fn resolve(&self, path: &str) -> Option<String> {
        let real = real(Path::new(path), 0)?;
        // A name that is not UTF-8 still says below which folder it is.
        let real = real.to_string_lossy();
        (real != path).then(|| real.into_owned())
    }

    /// Most folders that rules name stand side by side: what holds for the folder around them is looked up once.
    fn moved(&self, start: &str, folders: &[String]) -> Vec<(usize, String)> {
        let mut moved = Vec::new();
        let mut around: Option<(&str, Around)> = None;
        for (at, folder) in folders.iter().enumerate() {
            let Some((parent, name)) = folder.rsplit_once('/') else {
                let whole = if start.is_empty() { None } else { self.resolve(start) };
                moved.extend(whole.map(|real| (at, real)));
                continue;
            };
            let known = match around.take() {
                Some((known, around)) if known == parent => around,
                Some(_) | None => Around::of(&format!("{start}{parent}")),
            };
            if !(known.is_missing && known.stays) {
                let real = known.real(&format!("{start}{folder}"), name);
                moved.extend(real.map(|real| (at, real)));
            }
            around = Some((parent, known));
        }
        moved
    }
}

/// What is known of a folder, for the sake of what is in it.
struct Around {
    is_missing: bool,
    /// It leads nowhere else.
    stays: bool,
    real: Option<PathBuf>,
}

impl Around {
    /// The empty text is the root folder.
    fn of(folder: &str) -> Self {
        let folder = Path::new(if folder.is_empty() { "/" } else { folder });
        let real = real(folder, 0);
        let stays = real.as_ref().is_none_or(|real| *real == folder);
        Self { is_missing: folder.symlink_metadata().is_err(), stays, real }
    }

    /// Where `path` leads, which has this name here; `None` where that is itself or cannot be told.
    fn real(&self, path: &str, name: &str) -> Option<String> {
        let at = Path::new(path);
        let is_plain = self.is_missing
            || match at.symlink_metadata() {
                // Elsewhere a name that is no link may still be spelled in another case.
                Ok(found) => cfg!(target_os = "linux") && !found.is_symlink(),
                Err(_) => true,
            };
        if !is_plain {
            return LocalLinks.resolve(path);
        }
        let real = self.real.as_ref().filter(|_| !self.stays)?.join(name);
        let real = real.to_string_lossy();
        (real != path).then(|| real.into_owned())
    }
}

/// Follows the part that exists and keeps the rest. It is looked for from the top down, so that a long path of
/// which little exists costs little. `dangling` counts the links that were followed by hand.
fn real(path: &Path, dangling: usize) -> Option<PathBuf> {
    let ancestors: Vec<&Path> = path.ancestors().collect();
    let exists = |at: &&Path| at.symlink_metadata().is_ok();
    let existing = ancestors.into_iter().rev().take_while(exists).last()?;
    let rest = path.strip_prefix(existing).ok()?;
    match existing.canonicalize() {
        Ok(real) => Some(below(real, rest)),
        Err(_) if dangling == MOST_DANGLING => None,
        // A dangling link leads somewhere all the same.
        Err(_) => real(&below(existing.parent()?.join(existing.read_link().ok()?), rest), dangling + 1),
    }
}

/// `rest` below `folder`. Nothing of it exists, so that no link can stand before a `..`.
fn below(mut folder: PathBuf, rest: &Path) -> PathBuf {
    for component in rest.components() {
        match component {
            Component::Normal(name) => folder.push(name),
            Component::ParentDir => {
                folder.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::{LocalLinks, ResolvePath};

    #[test]
    fn links_are_followed_as_far_as_the_path_exists() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        symlink(root.join("nowhere"), root.join("dangling")).unwrap();
        let resolve = |name: &str| LocalLinks.resolve(root.join(name).to_str().unwrap());
        let at = |name: &str| Some(root.join(name).to_str().unwrap().to_owned());
        assert_eq!(resolve("link/new/file"), at("real/new/file"));
        assert_eq!(resolve("dangling"), at("nowhere"));
        assert_eq!(resolve("dangling/x"), at("nowhere/x"));
        assert_eq!(resolve("real/x"), None);
    }

    #[test]
    fn a_way_up_from_what_does_not_exist_is_taken_by_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("gone/../else", root.join("link")).unwrap();
        let resolved = LocalLinks.resolve(root.join("link/x").to_str().unwrap());
        assert_eq!(resolved.as_deref(), root.join("else/x").to_str());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_to_a_name_that_is_not_unicode_does_not_stay_where_it_is() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let real = root.join(std::ffi::OsStr::from_bytes(b"out\xff"));
        std::fs::create_dir(&real).unwrap();
        symlink(real, root.join("link")).unwrap();
        let resolved = LocalLinks.resolve(root.join("link/x").to_str().unwrap()).unwrap();
        assert_eq!(resolved, root.join("out\u{fffd}/x").to_str().unwrap());
    }

    #[test]
    fn folders_asked_about_together_lead_where_each_does() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        for (link, target) in
            [("link", "real"), ("real/up", ".."), ("dangling", "gone/on"), ("twice", "dangling")]
        {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("ring"), root.join("ring")).unwrap();
        let names = [
            "",
            "/real",
            "/link",
            "/link/deep",
            "/link/new",
            "/link/up/x",
            "/dangling",
            "/dangling/x",
            "/twice/x",
        ];
        let more = [
            "/gone",
            "/gone/a",
            "/gone/b",
            "/gone/a/b",
            "/ring",
            "/ring/x",
            "/file",
            "/file/x",
            "/real/up",
            "/link/up",
        ];
        let folders: Vec<String> = names.into_iter().chain(more).map(str::to_owned).collect();
        let absolute: Vec<String> =
            folders[1..].iter().map(|folder| format!("{}{folder}", root.display())).collect();
        for (start, folders) in [(root.to_str().unwrap(), &folders), ("", &absolute)] {
            let each = folders.iter().enumerate();
            let each =
                each.filter_map(|(at, name)| Some((at, LocalLinks.resolve(&format!("{start}{name}"))?)));
            assert_eq!(LocalLinks.moved(start, folders), each.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_ring_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink(root.join("b"), root.join("a")).unwrap();
        symlink(root.join("a"), root.join("b")).unwrap();
        assert_eq!(LocalLinks.resolve(root.join("a").to_str().unwrap()), None);
    }
}
