//! The exact arguments of calls that wait, for people who look at questions: by a local socket, from memory alone.
//!
//! It refuses whoever is another user, and to wait for anybody. Invariant: what the store must not hold is in no file, and
//! the socket is gone with its session.

use std::cell::{OnceCell, RefCell};
use std::convert::Infallible;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getuid;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::guard::Session;

/// How long one who asks may take, and how long is waited for an answer.
const PATIENCE: Duration = Duration::from_millis(200);
/// Longer arguments are not given out; the store has their beginning. Bytes.
const LONGEST: usize = 1 << 20;
/// Longer names of sockets do not fit everywhere (`sockaddr_un`), bytes.
const LONGEST_PATH: usize = 100;
/// An id is shorter than this, bytes.
const LONGEST_QUESTION: u64 = 128;

/// The socket of a session, as long as it is there.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    waits: Notify,
    listener: OnceCell<UnixListener>,
}

impl Held {
    /// Of the session with this id, beside the store at `store`. Makes nothing yet.
    pub fn new(store: &Path, session: &str) -> Self {
        Self { path: socket(store, session), waits: Notify::new(), listener: OnceCell::new() }
    }

    /// A call waits by now.
    pub(super) fn open(&self) {
        self.waits.notify_one();
    }

    /// Answers whoever asks, from the first call on that waits. Where there can be no socket nobody is answered: people
    /// then see what the store has.
    pub(super) async fn answer(&self, session: &RefCell<Session>) -> Infallible {
        loop {
            let Some(listener) = self.listener.get() else {
                self.waits.notified().await;
                if let Ok(listener) = listen(&self.path) {
                    let _ = self.listener.set(listener);
                }
                continue;
            };
            if let Ok((stream, _)) = listener.accept().await {
                let _ = tokio::time::timeout(PATIENCE, one(stream, session)).await;
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.listener.get().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The arguments, as they came, of the call in this session that waits for an answer to a question; `None` where they
/// cannot be had now.
pub fn exact_arguments(store: &Path, session: &str, question: &str) -> Option<String> {
    let stream = Blocking::connect(socket(store, session)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    (&stream).write_all(format!("{question}\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    BufReader::new(std::io::Read::take(&stream, LONGEST as u64 + 1)).read_until(b'\n', &mut answer).ok()?;
    let answer = answer.strip_suffix(b"\n")?;
    String::from_utf8(answer.to_vec()).ok().filter(|answer| !answer.is_empty())
}

async fn one(mut stream: UnixStream, session: &RefCell<Session>) -> std::io::Result<()> {
    if stream.peer_cred()?.uid() != getuid().as_raw() {
        return Ok(());
    }
    let (from, mut to) = stream.split();
    let mut question = String::new();
    tokio::io::BufReader::new(from.take(LONGEST_QUESTION)).read_line(&mut question).await?;
    // JSON in a line of its own has no newline that matters.
    let arguments = session.borrow().held_arguments(question.trim()).filter(|text| text.len() < LONGEST);
    let line = arguments.unwrap_or_default().replace(['\n', '\r'], " ") + "\n";
    to.write_all(line.as_bytes()).await
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        sweep(folder);
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes away what processes left behind that ended without a word.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_dead = Blocking::connect(&path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
        if is_dead {
            let _ = fs::remove_file(path);
        }
    }
}

/// Where a session's socket is: beside the store, or where that is too long a name, in the folder for such things.
fn socket(store: &Path, session: &str) -> PathBuf {
    let beside = store.parent().unwrap_or(Path::new(".")).join("live").join(format!("{session}.sock"));
    if beside.as_os_str().len() <= LONGEST_PATH {
        return beside;
    }
    let digest = Sha256::digest(beside.as_os_str().as_encoded_bytes());
    let name = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("callgate-{}", getuid().as_raw())).join(format!("{name:016x}.sock"))
}
