//! What can go wrong with the store.
//!
//! It refuses to carry values of calls. Invariant: records that were not written are given back.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::record::Record;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file, its folder or its key could not be made or read.
    #[error("cannot open `{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing to read.
    #[error("there is no audit store at `{path}`")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A database of something else.
    #[error("`{path}` is not an audit store")]
    NotAStore {
        /// Which file.
        path: PathBuf,
    },
    /// A later callgate wrote it.
    #[error("`{path}` was written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// The newest schema that is known.
        known: usize,
    },
    /// Another process kept the file locked for longer than was waited.
    #[error("the file is locked by another process")]
    Busy,
    /// The writer could not do its work; its own words.
    #[error("{0}")]
    Unavailable(String),
    /// The writer thread has ended.
    #[error("the writer has ended")]
    Gone,
    /// What SQLite says.
    #[error("{}", in_words(.0))]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What people meet, in their words; the rest in SQLite's.
fn in_words(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is no audit store, for it is no SQLite file".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps the file locked: try again".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Why [`super::Store::commit_now`] did not commit. The records come back; none of them is written.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// Another writer is at work: hand them to the writer thread.
    #[error("another writer is at work")]
    Busy(Vec<Record>),
    /// They cannot be written.
    #[error("the record cannot be written: {1}")]
    Failed(Vec<Record>, #[source] StoreError),
}

/// Whether it is a lock that others hold.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether it may pass: a full disk, a file system that is not there. What waits is kept meanwhile.
pub(super) fn may_pass(error: &rusqlite::Error) -> bool {
    is_busy(error)
        || matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::OutOfMemory
            )
        )
}
