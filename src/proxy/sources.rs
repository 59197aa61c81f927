//! The policy file and the files that it includes, read into one text.
//!
//! It judges nothing of what it reads but `include`. Invariant: what cannot be read whole is not read at all: a
//! policy without one of its files is not the policy that was meant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::Glob;

use crate::policy::{Diagnostic, Included, is_joined, join};
use crate::settings::{Environment, includes};

/// More files than this are an accident.
const MOST_FILES: usize = 64;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The file itself.
    #[error("{0}")]
    Itself(#[from] Reason),
    /// Something that it includes; the fault is a place in `text`.
    #[error("{}", fault.message)]
    Include {
        /// What is the matter, and where it is included.
        fault: Box<Diagnostic>,
        /// The text of the file itself.
        text: String,
    },
}

/// Why one file has no text.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Opening a named pipe would wait for a writer.
    #[error("it is no file")]
    NoFile,
    /// The system says so.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// As TOML must be.
    #[error("it is not UTF-8, as TOML must be")]
    NotUtf8,
    /// It would be taken for an included file.
    #[error("it has a line that begins with `#:included-by-callgate`, which only callgate writes")]
    Joined,
}

/// Reads the policy at `path` with all that it includes.
///
/// # Errors
/// When any of the files cannot be read.
pub fn gather(path: &Path, environment: &Environment) -> Result<String, Unread> {
    let main = text_of(path)?;
    let wanted = includes(&main);
    if wanted.is_empty() {
        return Ok(main);
    }
    let base = Base { main: path, home: environment.home.as_deref() };
    let mut included: Vec<(Included, String)> = Vec::new();
    for pattern in &wanted {
        let fault = |what: String, hint: &str| Unread::Include {
            fault: Box::new(Diagnostic::fault(pattern.span(), what).with_hint(hint)),
            text: main.clone(),
        };
        let found = base.files(pattern.get_ref()).map_err(|(what, hint)| fault(what, hint))?;
        // A file put into the folder would be policy: so the folder is guarded as the files are.
        included.extend(found.folder.as_deref().map(|folder| (named(folder), String::new())));
        for file in found.files {
            let text = text_of(&file).map_err(|error| {
                let what = format!("cannot include `{}`: {error}", file.display());
                fault(what, "a path is relative to the folder of this file")
            })?;
            let file = named(&file);
            if included.iter().all(|(other, _)| *other != file) {
                included.push((file, text));
            }
        }
        if included.len() > MOST_FILES {
            return Err(fault(format!("more than {MOST_FILES} files are included"), "join some of them"));
        }
    }
    Ok(join(&main, &included))
}

/// The folders in which a change can mean another text: those of all files that are, or could be, included.
pub fn places(path: &Path, environment: &Environment) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::from([path.to_path_buf()]);
    let base = Base { main: path, home: environment.home.as_deref() };
    for pattern in text_of(path).map(|main| includes(&main)).unwrap_or_default() {
        places.insert(base.absolute(pattern.get_ref()));
        places.extend(base.files(pattern.get_ref()).map(|found| found.files).unwrap_or_default());
    }
    places
}

/// What an entry of `include` names.
struct Found {
    /// Where a glob looks.
    folder: Option<PathBuf>,
    /// In the order of their names.
    files: Vec<PathBuf>,
}

/// What relative paths are relative to.
struct Base<'a> {
    main: &'a Path,
    home: Option<&'a str>,
}

impl Base<'_> {
    fn absolute(&self, pattern: &str) -> PathBuf {
        match (pattern.strip_prefix("~/"), self.home) {
            (Some(below), Some(home)) => Path::new(home).join(below),
            (_, _) => self.main.parent().unwrap_or(Path::new("/")).join(pattern),
        }
    }

    /// What an entry of `include` names; what is wrong with it and the way out, where that is nothing.
    fn files(&self, pattern: &str) -> Result<Found, (String, &'static str)> {
        let path = self.absolute(pattern);
        let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
            return Err((format!("`{pattern}` names no file"), "write a path such as `rules/team.toml`"));
        };
        if is_glob(&folder.to_string_lossy()) {
            let hint = "only its last part may be a glob: `rules/*.toml`";
            return Err((format!("`{pattern}` is a glob of folders"), hint));
        }
        if !is_glob(name) {
            return Ok(Found { folder: None, files: vec![path] });
        }
        if folder.canonicalize().ok() == self.main.parent().and_then(|own| own.canonicalize().ok()) {
            let hint = "give them a folder of their own: `rules/*.toml`";
            return Err(("a glob beside this file would make policy of whatever is put there".into(), hint));
        }
        let glob = Glob::new(name)
            .map_err(|error| (format!("`{name}` is not a glob: {}", error.kind()), "`*.toml` is one"))?
            .compile_matcher();
        let entries = std::fs::read_dir(folder).map_err(|error| {
            let hint = "make the folder, or take the entry out";
            (format!("cannot look into `{}`: {error}", folder.display()), hint)
        })?;
        let fits = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            !name.starts_with('.') && glob.is_match(name)
        };
        let mut files: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect();
        files.sort();
        Ok(Found { folder: Some(folder.to_path_buf()), files })
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn named(path: &Path) -> Included {
    let leads_to = path.canonicalize().ok().filter(|real| real != path);
    Included { path: path.display().to_string(), leads_to: leads_to.map(|real| real.display().to_string()) }
}

/// The text of one file.
fn text_of(path: &Path) -> Result<String, Reason> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Reason::NoFile);
    }
    let text = String::from_utf8(std::fs::read(path)?).map_err(|_| Reason::NotUtf8)?;
    if is_joined(&text) { Err(Reason::Joined) } else { Ok(text) }
}
