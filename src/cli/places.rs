//! Where callgate's files are, and reading mcp.toml from there.
//!
//! A policy is never taken silently from the working directory: that may be a hostile repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::{Exit, paint};
use crate::policy::FailMode;
use crate::proxy::{Reason, Unread, gather, home, home_text};
use crate::settings::{Config, Environment, Read, named_store, read};

/// How long the end of a process waits for alerts that are just due; the others stay in the store.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// Where the policy is.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The policy file [default: `$CALLGATE_CONFIG`, else `callgate/mcp.toml` in your config folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A policy file that was read.
pub(super) struct File {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it was read with.
    pub environment: Environment,
    /// What it says, and what is worth saying about it.
    pub read: Read,
}

impl Place {
    /// The file that is named, whether or not it exists; `None` where none is named and the usual one is absent.
    pub fn file(&self) -> anyhow::Result<Option<PathBuf>> {
        let named = self.config.clone().or_else(|| variable("CALLGATE_CONFIG").map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None => match usual_config().filter(|path| path.exists()) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        std::path::absolute(&path).map(Some).with_context(|| format!("`{}` is no path", path.display()))
    }

    /// Reads the policy, or the built-in one where there is no file.
    ///
    /// # Errors
    /// Faults of the file are printed, and end with exit code 3; a file that cannot be read with 2.
    pub fn config(&self) -> anyhow::Result<(Config, Option<File>)> {
        match self.file()? {
            None => Ok((Config::builtin(&environment(None)?), None)),
            Some(path) => {
                let file = File::read(path)?;
                Ok((file.read.config.clone(), Some(file)))
            }
        }
    }

    /// As [`Self::config`], but `None` where the file cannot be used, and nothing is said of it.
    pub fn quiet_config(&self) -> anyhow::Result<Option<Config>> {
        let Some(path) = self.file()? else { return Ok(Some(Config::builtin(&environment(None)?))) };
        let environment = environment(Some(&path))?;
        let text = gather(&path, &environment).ok();
        Ok(text.and_then(|text| read(&text, &environment).ok()).map(|read| read.config))
    }

    /// The store of a file that cannot be used: the one that it names, else the usual one. Where neither is certain, it
    /// is said on stderr.
    pub fn store_all_the_same(&self) -> anyhow::Result<PathBuf> {
        let Some(path) = self.file()? else { return default_store() };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Exit::Usage.because(format!("cannot read `{}`: {error}", path.display())))?;
        let (named, is_whole) = named_store(&text, &environment(Some(&path))?);
        if let Some(named) = named {
            return Ok(named);
        }
        let usual = default_store()?;
        if !is_whole {
            let told = "cannot be used (`callgate policy check` says why)";
            paint::say(&format!("`{}` {told}; this is about `{}`", path.display(), usual.display()));
        }
        Ok(usual)
    }

    /// The file, which must exist.
    pub fn required(&self) -> anyhow::Result<File> {
        match self.file()? {
            Some(path) => File::read(path),
            None => Err(Exit::Usage.because(
                "there is no policy file: name one with --config, or write callgate/mcp.toml in your config folder",
            )),
        }
    }
}

impl File {
    /// Reads and compiles the file.
    pub fn read(path: PathBuf) -> anyhow::Result<Self> {
        let environment = environment(Some(&path))?;
        let text = gather(&path, &environment).map_err(|unread| told(&unread, &path))?;
        match read(&text, &environment) {
            Ok(read) => Ok(Self { path, text, environment, read }),
            Err(faults) => {
                for fault in &faults {
                    paint::diagnostic(fault, &path, &text);
                }
                let (count, s) = (faults.len(), if faults.len() == 1 { "" } else { "s" });
                Err(Exit::Policy.because(format!("{count} fault{s} in `{}`", path.display())))
            }
        }
    }
}

/// Why there is no policy to read: faults of the text are shown with their place.
pub(super) fn told(unread: &Unread, path: &Path) -> anyhow::Error {
    match unread {
        Unread::Itself(reason @ (Reason::NotUtf8 | Reason::Joined)) => {
            Exit::Policy.because(format!("cannot read `{}`: {reason}", path.display()))
        }
        Unread::Itself(reason @ (Reason::NoFile | Reason::Io(_))) => {
            Exit::Usage.because(format!("cannot read `{}`: {reason}", path.display()))
        }
        Unread::Include { fault, text } => {
            paint::diagnostic(fault, path, text);
            Exit::Policy.because(format!("1 fault in `{}`", path.display()))
        }
    }
}

/// What a policy file is read with: our own places, and the environment where it tightens.
///
/// # Errors
/// Where `FAIL_MODE` is no fail mode: who misspells "closed" must not get "open".
pub(super) fn environment(config: Option<&Path>) -> anyhow::Result<Environment> {
    let fail_mode = variable("FAIL_MODE").map(|word| {
        FailMode::from_word(&word).ok_or_else(|| {
            Exit::Usage.because("$FAIL_MODE is none of `open`, `closed`, `error`: correct it or unset it")
        })
    });
    Ok(Environment { home: home_text(), protected: protected(config), fail_mode: fail_mode.transpose()? })
}

/// The audit store's default place.
pub(super) fn default_store() -> anyhow::Result<PathBuf> {
    folder("XDG_DATA_HOME", ".local/share")
        .map(|folder| folder.join("callgate/audit.db"))
        .context("neither $XDG_DATA_HOME nor a home folder is known: set `path` under [audit] in mcp.toml")
}

/// The store that a config names.
pub(super) fn store(config: &Config) -> anyhow::Result<PathBuf> {
    config.settings.audit.path.clone().map_or_else(default_store, Ok)
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the policy file usually is.
pub(super) fn usual_config() -> Option<PathBuf> {
    config_folder().map(|folder| folder.join("mcp.toml"))
}

fn config_folder() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("callgate"))
}

/// An XDG base directory: the variable where it is absolute (the specification ignores others), else below home.
fn folder(variable_name: &str, below_home: &str) -> Option<PathBuf> {
    variable(variable_name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home().map(|home| home.join(below_home)))
}

/// Where hosts keep the list of servers that they start: an agent that can edit it can take callgate out.
const HOSTS: &[&str] = &[
    ".claude.json",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".codeium/windsurf/mcp_config.json",
    ".codex/config.toml",
    ".config/Claude/claude_desktop_config.json",
    ".config/Code/User/mcp.json",
    ".config/Code/User/settings.json",
    ".config/zed/settings.json",
    ".cursor/mcp.json",
    ".gemini/settings.json",
];
/// The same, in a project.
const PROJECT_HOSTS: &[&str] = &[
    ".mcp.json",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".cursor/mcp.json",
    ".gemini/settings.json",
    ".vscode/mcp.json",
];

fn protected(config: Option<&Path>) -> Vec<String> {
    let own = [
        config.map(Path::to_path_buf),
        config_folder(),
        default_store().ok().and_then(|path| path.parent().map(Path::to_path_buf)),
    ];
    let hosts = home().into_iter().flat_map(|home| HOSTS.iter().map(move |host| home.join(host)));
    let project = std::env::current_dir()
        .into_iter()
        .flat_map(|at| PROJECT_HOSTS.iter().map(move |host| at.join(host)));
    let mut named: Vec<PathBuf> = own.into_iter().flatten().chain(hosts).chain(project).collect();
    // What a link leads to is protected under both of its names.
    let linked: Vec<PathBuf> = named.iter().filter_map(|path| led_to(path)).collect();
    named.extend(linked);
    named.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

/// Where a path leads, if elsewhere. Of a file that does not exist its folder is followed.
fn led_to(path: &Path) -> Option<PathBuf> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(_) => path.parent()?.canonicalize().ok()?.join(path.file_name()?),
    };
    (real != path).then_some(real)
}
