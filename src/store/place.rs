//! The file behind the path: whether it is still the one that was opened, and what becomes of one that is damaged.
//!
//! It refuses to delete anything: a damaged file is set aside under another name. Invariant: of several processes that find
//! the same file damaged, one sets it aside, and all go on with the one that takes its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::ErrorCode;
use rustix::fs::{FlockOperation, flock};

use crate::clock;

/// A database has a header of this length (SQLite file format, 1.3), bytes.
const HEADER: u64 = 100;
/// What follows the file's name for those that belong to it.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// Between the file's name and the moment it was set aside.
const CORRUPT: &str = ".corrupt-";
/// How that moment is written, in UTC.
const MOMENT: &str = "%Y%m%dT%H%M%SZ";

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that a path leads to now.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { device: file.dev(), inode: file.ino() })
    }

    fn is(file: &fs::Metadata, opened: Self) -> bool {
        Self { device: file.dev(), inode: file.ino() } == opened
    }
}

/// What a look at the path finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The file that was opened.
    Same,
    /// Another one, or none.
    Another,
    /// The file that was opened, and it is no database any more.
    Damaged,
}

/// Looks, without opening it: to close a file lets go of all locks that this process holds on it (POSIX, `fcntl`), those
/// of `SQLite` among them. About a microsecond.
pub(super) fn look(path: &Path, opened: FileId) -> Found {
    match fs::metadata(path) {
        Ok(file) if FileId::is(&file, opened) && file.len() < HEADER => Found::Damaged,
        Ok(file) if FileId::is(&file, opened) => Found::Same,
        Ok(_) | Err(_) => Found::Another,
    }
}

/// Whether SQLite says that the file is not what it was.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    let is_emptied = code == Some(ErrorCode::Unknown) && error.to_string().contains("no such table");
    is_emptied || matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Gives the damaged file another name, and those that belong to it: which. `None` where another process was first.
pub(super) fn set_aside(path: &Path, opened: FileId) -> io::Result<Option<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Held until the end of this function.
    let lock = File::open(folder)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if FileId::of(path) != Some(opened) {
        return Ok(None);
    }
    let now = Timestamp::from_millisecond(clock::unix_ms()).map_err(io::Error::other)?;
    let end = format!("{CORRUPT}{}", now.strftime(MOMENT));
    let named = |beside: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!("{end}{beside}"));
        (PathBuf::from(name), PathBuf::from(aside))
    };
    // The log first: a new file must not find the old one's.
    for beside in BESIDE.iter().rev().filter(|beside| !beside.is_empty()) {
        let (name, aside) = named(beside);
        match fs::rename(name, aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let (name, aside) = named("");
    fs::rename(name, &aside)?;
    Ok(Some(aside))
}

/// When a file at this path was last set aside, while it is still kept: milliseconds since the Unix epoch.
pub(super) fn lost_ms(path: &Path) -> Option<i64> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let start = format!("{}{CORRUPT}", path.file_name()?.to_str()?);
    let moment = |name: &str| {
        let moment = DateTime::strptime(MOMENT, name.strip_prefix(&start)?).ok()?;
        Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
    };
    fs::read_dir(folder).ok()?.filter_map(|file| moment(file.ok()?.file_name().to_str()?)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_set_aside_once_with_what_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        fs::write(&path, "x".repeat(200)).unwrap();
        fs::write(folder.path().join("audit.db-wal"), "log").unwrap();
        let opened = FileId::of(&path).unwrap();
        assert_eq!(look(&path, opened), Found::Same);
        fs::write(&path, "cut off").unwrap();
        assert_eq!(look(&path, opened), Found::Damaged);
        assert_eq!(lost_ms(&path), None);
        let before_ms = clock::unix_ms();
        let aside = set_aside(&path, opened).unwrap().unwrap();
        let lost_ms = lost_ms(&path).unwrap();
        assert!((before_ms - 1_000..=clock::unix_ms()).contains(&lost_ms), "{lost_ms}");
        assert_eq!(fs::read_to_string(&aside).unwrap(), "cut off");
        assert_eq!(look(&path, opened), Found::Another);
        assert_eq!(set_aside(&path, opened).unwrap(), None, "another was first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
