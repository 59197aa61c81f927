//! The exact arguments of calls that wait, for people who look at questions: by a local socket, from memory alone.
//!
//! It refuses whoever is another user, and to wait for anybody. Invariant: what the store must not hold is in no file, and
//! the socket is gone with its session.

mod ask;
mod place;

use std::cell::{OnceCell, RefCell};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustix::process::getuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::guard::Session;

pub use ask::Asking;
use place::{listen, places};

/// How long one who asks may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// So many are listened to at once; others wait for one of them to be done. Arbitrary: people are few.
const MOST_ASKING: usize = 16;
/// After a failure of the system's (too many open files, a folder that cannot be made) there is no other attempt sooner.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer arguments are not given out; the store has their beginning. Bytes.
const LONGEST: usize = 1 << 20;
/// An id is shorter than this, bytes.
const LONGEST_QUESTION: u64 = 128;

/// The socket of a session, as long as it is there.
#[derive(Debug)]
pub struct Held {
    store: PathBuf,
    session: String,
    waits: Notify,
    door: OnceCell<Door>,
}

#[derive(Debug)]
struct Door {
    path: PathBuf,
    listener: UnixListener,
}

impl Held {
    /// Of the session with this id, beside the store at `store`. Makes nothing yet.
    pub fn new(store: &Path, session: &str) -> Self {
        let (store, session) = (store.to_owned(), session.to_owned());
        Self { store, session, waits: Notify::new(), door: OnceCell::new() }
    }

    /// A call waits by now.
    pub(super) fn open(&self) {
        self.waits.notify_one();
    }

    /// Answers whoever asks, from the first call on that waits. Where there can be no socket nobody is answered: people
    /// then see what the store has.
    pub(super) async fn answer(&self, session: &RefCell<Session>) -> Infallible {
        let listener = self.listener().await;
        let mut asking = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if asking.len() < MOST_ASKING => match accepted {
                    Ok((stream, _)) => asking.push(tokio::time::timeout(PATIENCE, one(stream, session))),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                // How one of them fared is nobody's concern.
                Some(_) = asking.next(), if !asking.is_empty() => {}
            }
        }
    }

    async fn listener(&self) -> &UnixListener {
        loop {
            if let Some(door) = self.door.get() {
                return &door.listener;
            }
            self.waits.notified().await;
            // Only now: before the first call the store's folder may not be there, and its real path not be known.
            let open = |path: PathBuf| Some(Door { listener: listen(&path).ok()?, path });
            match places(&self.store, &self.session).into_iter().find_map(open) {
                Some(door) => drop(self.door.set(door)),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(door) = self.door.get() {
            let _ = fs::remove_file(&door.path);
        }
    }
}

async fn one(mut stream: UnixStream, session: &RefCell<Session>) -> std::io::Result<()> {
    if stream.peer_cred()?.uid() != getuid().as_raw() {
        return Ok(());
    }
    let (from, mut to) = stream.split();
    let mut question = String::new();
    tokio::io::BufReader::new(from.take(LONGEST_QUESTION)).read_line(&mut question).await?;
    let arguments = session.borrow().held_arguments(question.trim()).filter(|text| text.len() < LONGEST);
    // A newline in JSON is white space between values, and here it ends the answer.
    let line = arguments.unwrap_or_default().replace(['\n', '\r'], " ") + "\n";
    to.write_all(line.as_bytes()).await
}
