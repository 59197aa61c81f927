//! The store's key: 32 random bytes beside the file, for hashes of what redaction takes away and for checkpoints.
//!
//! It refuses to replace a key that is there. Invariant: all processes on one store use the same key, whoever made it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;

/// The key of one store.
pub(super) type Key = [u8; 32];

/// Reads the key of the store at `path`, or makes it (mode 0600). Waits up to a second for another process that is
/// just writing it.
pub(super) fn read_or_make(path: &Path) -> Result<Key, StoreError> {
    let path = beside(path);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    match make(&path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| StoreError::File { path, source: error })
        }
        Err(source) => Err(StoreError::File { path, source }),
    }
}

/// A key that nobody keeps; all zeros where the system gives no random numbers.
pub(super) fn passing() -> Key {
    let mut key = [0; 32];
    let _ = getrandom::fill(&mut key);
    key
}

/// The key's file: the store's name with `.key` at the end.
pub(super) fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

/// Written whole under a name of its own and then linked: a reader never sees half a key.
fn make(path: &Path) -> std::io::Result<Key> {
    let (mut key, mut tag) = ([0; 32], [0; 4]);
    getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut tag)).map_err(std::io::Error::other)?;
    let mut mine = path.as_os_str().to_owned();
    mine.push(format!(".{:08x}", u32::from_ne_bytes(tag)));
    let mine = PathBuf::from(mine);
    let written = write_new(&mine, &key).and_then(|()| fs::hard_link(&mine, path));
    let _ = fs::remove_file(&mine);
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => write_new(path, &key)?, // no hard links here
        other => other?,
    }
    Ok(key)
}

fn write_new(path: &Path, key: &Key) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

fn read(path: &Path) -> Result<Option<Key>, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    for _ in 0..1_000 {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut key = [0; 32];
        match file.read_exact(&mut key) {
            Ok(()) => return Ok(Some(key)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(std::io::Error::new(ErrorKind::InvalidData, "the key file is cut short")))
}
