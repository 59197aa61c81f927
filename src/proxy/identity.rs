//! Who is at work, as far as this machine knows: user, repository, working directory, home.
//!
//! Nothing here is taken from the environment's word alone where the system has its own.

use std::io;
use std::path::{Path, PathBuf};

use crate::clock::now;
use crate::policy::Facts;
use crate::record::SessionInfo;
use crate::settings::{Config, Server};
use crate::store::{random_word, this_process};

/// Who is at work in front of a server that works in `folder`; also for questions about calls that nobody makes.
///
/// # Errors
/// When the system gives no random numbers.
pub fn session_info(
    config: &Config,
    agent: Option<&str>,
    server: &str,
    folder: Option<PathBuf>,
) -> io::Result<SessionInfo> {
    let identity = &config.settings.identity;
    let user = user();
    // Paths of a server elsewhere are none of ours.
    let is_remote = matches!(config.settings.servers.get(server), Some(Server::Remote { .. }));
    let repo = folder.as_deref().and_then(repository);
    let root = folder.filter(|_| !is_remote);
    Ok(SessionInfo {
        session: session_id()?,
        unix_ms: now().unix_ms,
        agent: agent.map(str::to_owned).or_else(|| identity.agent.clone()),
        user: Some(user.name),
        uid: Some(user.uid),
        groups: identity.groups.clone(),
        repo,
        environment: identity.environment.clone(),
        client: None,
        client_version: None,
        server: server.to_owned(),
        protocol: None,
        pid: std::process::id(),
        process: this_process(),
        root: identity.root.clone().or_else(|| root?.into_os_string().into_string().ok()),
    })
}

/// A word that nobody can guess: 80 random bits. `None` where the system gives no random numbers.
pub fn unguessable() -> Option<Box<str>> {
    random_word::<16>().ok().map(Into::into)
}

/// What the policy may know of them.
pub fn facts(info: &SessionInfo) -> Facts {
    Facts {
        agent: info.agent.clone(),
        user: info.user.clone(),
        groups: info.groups.clone(),
        repo: info.repo.clone(),
        client: None,
        environment: info.environment.clone(),
        server: Some(info.server.clone()),
        root: info.root.clone(),
        home: home_text(),
    }
}

/// Where a server of the file works: in its `cwd`, else where we do.
pub fn folder(config: &Config, server: &str) -> Option<PathBuf> {
    let own = match config.settings.servers.get(server) {
        Some(Server::Child { cwd, .. }) => cwd.clone(),
        Some(Server::Remote { .. }) | None => None,
    };
    own.or_else(|| std::env::current_dir().ok())
}

/// 50 random bits in Crockford's base 32: enough to tell sessions apart, short enough to read out.
///
/// # Errors
/// When the system gives no random numbers.
pub fn session_id() -> io::Result<String> {
    random_word::<10>()
}

/// `~`
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// `~` as rules and facts have it.
pub fn home_text() -> Option<String> {
    home().and_then(|home| home.into_os_string().into_string().ok())
}

/// The operating system's user, by uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// Its name in the user database; `uid:N` where it has none.
    pub name: String,
}

/// Who we are.
pub fn user() -> User {
    let uid = rustix::process::getuid().as_raw();
    let known = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    User { uid, name: known.map_or_else(|| format!("uid:{uid}"), |user| user.name) }
}

/// The URL of `origin` (else of the first remote) of the git repository around `folder`, without credentials.
pub fn repository(folder: &Path) -> Option<String> {
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let config = std::fs::read_to_string(git_folder(&git)?.join("config")).ok()?;
    remote(&config).map(|url| without_credentials(&url))
}

/// A work tree's `.git` is a file that names its folder, which names the common one.
fn git_folder(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_path_buf());
    }
    let text = std::fs::read_to_string(git).ok()?;
    let folder = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    match std::fs::read_to_string(folder.join("commondir")) {
        Ok(common) => Some(folder.join(common.trim())),
        Err(_) => Some(folder),
    }
}

fn remote(config: &str) -> Option<String> {
    let mut section = "";
    let mut first = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
            && section.starts_with("[remote ")
        {
            if section == "[remote \"origin\"]" {
                return Some(value.trim().to_owned());
            }
            first.get_or_insert_with(|| value.trim().to_owned());
        }
    }
    first
}

/// `https://user:token@host/…` names more than a repository.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let slash = if rest.contains('/') { "/" } else { "" };
    format!("{scheme}://{host}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::{remote, repository, user, without_credentials};

    #[test]
    fn credentials_do_not_name_a_repository() {
        assert_eq!(
            without_credentials("https://me:t0ken@example.org/a/b.git"),
            "https://example.org/a/b.git"
        );
        assert_eq!(without_credentials("https://example.org"), "https://example.org");
        assert_eq!(without_credentials("git@example.org:a/b.git"), "git@example.org:a/b.git");
    }

    #[test]
    fn origin_comes_before_the_first_remote() {
        let config = "[core]\n\turl = no\n[remote \"fork\"]\n\turl = f\n[remote \"origin\"]\n\turl = o\n";
        assert_eq!(remote(config).as_deref(), Some("o"));
        assert_eq!(remote("[remote \"fork\"]\n url=f\n").as_deref(), Some("f"));
        assert_eq!(remote("[core]\n"), None);
    }

    #[test]
    fn a_repository_is_found_from_a_folder_below_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git")).unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join(".git/config"), "[remote \"origin\"]\nurl = https://x@h/r\n")
            .unwrap();
        assert_eq!(repository(&folder.path().join("a/b")).as_deref(), Some("https://h/r"));
    }

    #[test]
    fn the_user_is_the_one_that_the_system_knows() {
        assert_eq!(user().uid, rustix::process::getuid().as_raw());
        assert!(!user().name.is_empty());
    }
}
