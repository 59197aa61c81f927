//! A connection that follows its path: where another file has taken the place of the one that was opened, it is that one.
//!
//! It refuses to make a file that was taken away. Invariant: who waits for an answer looks where answers are written.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::StoreError;
use super::place::FileId;

/// How a file is opened; `None` where there is nothing in it yet.
type Open = fn(&Path) -> Result<Option<Connection>, StoreError>;

/// The way to a file, and a connection to it once one was needed.
#[derive(Debug)]
pub(super) struct Following {
    path: PathBuf,
    open: Open,
    connection: Option<Connection>,
    file: Option<FileId>,
}

impl Following {
    /// Opens nothing yet.
    pub(super) fn new(path: PathBuf, open: Open) -> Self {
        Self { path, open, connection: None, file: None }
    }

    /// Sees to it that [`Self::at_hand`] leads to the file that is there now, or to the last one while there is none: which.
    pub(super) fn follow(&mut self) -> Result<Option<FileId>, StoreError> {
        // Taken before it is opened: where it is replaced in between, the next look finds another.
        let now = FileId::of(&self.path);
        if now.is_some() && now != self.file {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.connection = (self.open)(&self.path)?;
            self.file = now;
        }
        Ok(self.file)
    }

    /// The file that was opened.
    pub(super) fn file(&self) -> Option<FileId> {
        self.connection.as_ref().and(self.file)
    }

    /// The connection, if there is one.
    pub(super) fn at_hand(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// The next connection is another: what came of this one was an error.
    pub(super) fn forget(&mut self) {
        self.connection = None;
    }
}
