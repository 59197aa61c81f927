//! Where paths on this machine really lead.

use std::path::{Component, Path, PathBuf};

use crate::policy::ResolvePath;

/// Follows symbolic links in the local file system.
///
/// A path that does not exist yet (a file to be written) is resolved as far as it exists. What a link points to
/// may change between the judgement and the server's own look: this narrows that race, it does not close it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalLinks;

impl ResolvePath for LocalLinks {
    fn resolve(&self, path: &str) -> Option<String> {
        let mut existing = PathBuf::from(path);
        let mut missing = Vec::new();
        let real = loop {
            if let Ok(real) = existing.canonicalize() {
                break real;
            }
            let last = existing.components().next_back()?;
            // A dangling link leads somewhere all the same.
            if let Ok(target) = existing.read_link() {
                existing = existing.parent()?.join(target);
                if missing.len() > 255 {
                    return None;
                }
                missing.push(PathBuf::new());
                continue;
            }
            let Component::Normal(name) = last else { return None };
            missing.push(PathBuf::from(name));
            existing = existing.parent().unwrap_or(Path::new("/")).to_path_buf();
        };
        let whole: PathBuf = missing
            .iter()
            .rev()
            .filter(|part| !part.as_os_str().is_empty())
            .fold(real, |at, part| at.join(part));
        whole.into_os_string().into_string().ok().filter(|resolved| resolved != path)
    }
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
    fn a_ring_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink(root.join("b"), root.join("a")).unwrap();
        symlink(root.join("a"), root.join("b")).unwrap();
        assert_eq!(LocalLinks.resolve(root.join("a").to_str().unwrap()), None);
    }
}
