//! The policy file, changed by a program: whole or not at all, and only to what is a good policy.
//!
//! It refuses to write over an edit that somebody else makes meanwhile, or over a file that its owner has made read-only.
//! Invariant: whoever reads the file at any moment reads the old text or the new one, never a part; its mode, its owner
//! and the links that lead to it stay.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sources::gather;
use crate::clock::now;
use crate::policy::{Diagnostic, part_at, parts};
use crate::settings::edit::NoPlace;
use crate::settings::{Config, Environment, read, suddenly_rule_less};

/// How long to wait for another program that edits the same file.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often an edit begins again because the text has changed under it.
const TRIES: usize = 5;

/// A change: from the file's own text, and the policy that it is with all that it includes, to the new text of the file;
/// `None` where it already says what is wanted.
pub type Change<'c> = dyn Fn(&str, &Config) -> Result<Option<String>, NoPlace> + 'c;

/// The policy before and after.
#[derive(Debug)]
pub struct Edited {
    /// As it was in the file.
    pub before: Config,
    /// As it is now.
    pub after: Config,
}

/// Why the file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum Unedited {
    /// There is none.
    #[error("there is no policy file at `{0}`")]
    NoFile(PathBuf),
    /// It, or what it includes, cannot be read.
    #[error("the policy file cannot be read: {0}")]
    Unread(String),
    /// Its owner has made it, or its folder, read-only.
    #[error("`{0}` is read-only")]
    ReadOnly(PathBuf),
    /// The system does not let it be written.
    #[error("`{path}` cannot be written: {source}")]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a policy as it is; the first fault, with its place.
    #[error("the policy file has faults: {0}")]
    Faulty(String),
    /// It would not be a policy any more.
    #[error("the policy file would have faults: {0}")]
    WouldBeFaulty(String),
    /// It has lost all its rules, by accident it seems, so that no reload would take it over.
    #[error("the policy file has lost all its rules and is not in force: write `rule = []` if that is meant")]
    RuleLess,
    /// Another program is at it all the time.
    #[error("the policy file is being edited by another program")]
    Contended,
    /// The text has no place for the change.
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
}

/// Makes a change in the policy file at `path`; it is asked for again where the text is not the same any more. `ready` is
/// told what will be in the file just before it is.
///
/// # Errors
/// Why the file is as it was.
pub(super) fn edit(
    path: &Path,
    environment: &Environment,
    in_force: &Config,
    change: &Change<'_>,
    ready: &mut dyn FnMut(&Edited),
) -> Result<Edited, Unedited> {
    let real = path.canonicalize().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Unedited::NoFile(path.to_owned())
        } else {
            Unedited::Unread(error.to_string())
        }
    })?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    let _lock = locked(folder)?;
    for _ in 0..TRIES {
        match attempt(&Files { path, real: &real, folder, environment }, in_force, change, ready) {
            Err(Unedited::Contended) => {}
            done => return done,
        }
    }
    Err(Unedited::Contended)
}

/// Where the text is.
struct Files<'a> {
    /// As it was named.
    path: &'a Path,
    /// Where that leads.
    real: &'a Path,
    folder: &'a Path,
    environment: &'a Environment,
}

fn attempt(
    files: &Files<'_>,
    in_force: &Config,
    change: &Change<'_>,
    ready: &mut dyn FnMut(&Edited),
) -> Result<Edited, Unedited> {
    let unwritten = |source| Unedited::Unwritten { path: files.real.to_owned(), source };
    let draft = Draft::of(files)?;
    let Some(text) = change(&draft.text, &draft.config)? else {
        return Ok(Edited { after: draft.config.clone(), before: draft.config });
    };
    let after = draft.read_with(&text, files)?;
    if suddenly_rule_less(in_force, &after) {
        return Err(Unedited::RuleLess);
    }
    let beside = Beside::write(files.real, &draft.metadata, &text).map_err(unwritten)?;
    // The last look: an edit by hand in between is not lost.
    if fs::read(files.real).map_err(unwritten)? != draft.text.as_bytes() {
        return Err(Unedited::Contended);
    }
    let edited = Edited { before: draft.config, after };
    ready(&edited);
    beside.take_the_place_of(files.real).map_err(unwritten)?;
    // The text is there; that its name is too may wait for the system's own time where folders cannot be synced.
    let _ = File::open(files.folder).and_then(|folder| folder.sync_all());
    Ok(edited)
}

/// The file as it is while it is edited.
struct Draft {
    /// Its text.
    text: String,
    /// What it includes, as it stands behind its text.
    included: String,
    config: Config,
    metadata: Metadata,
}

impl Draft {
    fn of(files: &Files<'_>) -> Result<Self, Unedited> {
        let Files { path, real, folder, environment } = *files;
        let unwritten = |source| Unedited::Unwritten { path: real.to_owned(), source };
        let metadata = fs::metadata(real).map_err(unwritten)?;
        // Said of a file, it is meant; root could write it all the same.
        for path in [real, folder] {
            if fs::metadata(path).map_err(unwritten)?.permissions().readonly() {
                return Err(Unedited::ReadOnly(path.to_owned()));
            }
        }
        OpenOptions::new().write(true).open(real).map_err(unwritten)?;
        let joined = gather(path, environment).map_err(|error| Unedited::Unread(error.to_string()))?;
        let end = parts(&joined).first().map_or(joined.len(), |own| own.span.end);
        let (own, included) = joined.split_at(end);
        let text = fs::read_to_string(real).map_err(unwritten)?;
        // Where something is included, a newline may have been added.
        if own != text && own.strip_suffix('\n') != Some(&text) {
            return Err(Unedited::Contended);
        }
        let config = read(&joined, environment)
            .map_err(|faults| Unedited::Faulty(first(&faults, path, &joined)))?
            .config;
        Ok(Self { included: included.to_owned(), config, text, metadata })
    }

    /// The policy that the file would be with another text.
    fn read_with(&self, text: &str, files: &Files<'_>) -> Result<Config, Unedited> {
        let newline = if self.included.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let joined = [text, newline, &self.included].concat();
        let faulty = |faults: Vec<_>| Unedited::WouldBeFaulty(first(&faults, files.path, &joined));
        read(&joined, files.environment).map(|read| read.config).map_err(faulty)
    }
}

/// The first fault in one line.
fn first(faults: &[Diagnostic], path: &Path, text: &str) -> String {
    let Some(fault) = faults.first() else { return String::new() };
    let more = match faults.len() {
        1 => String::new(),
        count => format!(" (and {} more: `callgate policy check` shows them)", count - 1),
    };
    let own = part_at(text, fault.span.start);
    let path = own.path().map_or(path, Path::new);
    format!("{}:{}: {}{more}", path.display(), fault.place(text).line, fault.message)
}

/// The folder's own lock: a file beside the policy would be one more that people wonder about.
fn locked(folder: &Path) -> Result<File, Unedited> {
    let unwritten = |source| Unedited::Unwritten { path: folder.to_owned(), source };
    let lock = File::open(folder).map_err(unwritten)?;
    let began_us = now().steady_us;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {
                if Duration::from_micros(now().steady_us.saturating_sub(began_us)) > PATIENCE {
                    return Err(Unedited::Contended);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            // Some file systems lock no folders: there the last look must do.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(unwritten(error)),
        }
    }
}

/// The new text beside the old one; it goes away unless it takes its place.
struct Beside(PathBuf);

impl Beside {
    fn write(real: &Path, old: &Metadata, text: &str) -> io::Result<Self> {
        let mut tag = [0; 4];
        getrandom::fill(&mut tag).map_err(io::Error::other)?;
        let mut name = OsString::from(".");
        name.push(real.file_name().unwrap_or_default());
        name.push(format!(".{:08x}", u32::from_ne_bytes(tag)));
        let path = real.with_file_name(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let beside = Self(path);
        file.write_all(text.as_bytes())?;
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        // After the owner: a change of owner takes bits away.
        file.set_permissions(old.permissions())?;
        file.sync_all()?;
        Ok(beside)
    }

    fn take_the_place_of(self, real: &Path) -> io::Result<()> {
        fs::rename(&self.0, real)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Renamed, it is not there any more.
        let _ = fs::remove_file(&self.0);
    }
}
