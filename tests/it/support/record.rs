//! What reached a server, as it arrives: the other end of `fixtures/servers/recorder.rs`.
//!
//! It refuses to guess when all has come: the record ends when the recorder does.
//!
//! Invariant: bytes appear here before the recorder answers what they ask.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The bytes that a recorder has been given so far.
pub struct Record {
    path: PathBuf,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    complete: bool,
}

impl Record {
    /// Listens in `folder` for one recorder that is told [`Self::path`] as its `CALLGATE_RECORD`.
    pub fn listen(folder: &Path) -> Self {
        let path = folder.join("record");
        let listener = UnixListener::bind(&path).unwrap();
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut piece = vec![0; 1 << 16];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                shared.0.lock().unwrap().bytes.extend_from_slice(&piece[..read]);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().complete = true;
            shared.1.notify_all();
        });
        Self { path, state }
    }

    /// What to set `CALLGATE_RECORD` to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes have come.
    pub fn len(&self) -> usize {
        self.state.0.lock().unwrap().bytes.len()
    }

    /// Waits until `wanted` is among the bytes. False when it is not after `within`.
    pub fn await_bytes(&self, wanted: &[u8], within: Duration) -> bool {
        self.await_state(within, |state| memchr::memmem::find(&state.bytes, wanted).is_some())
    }

    /// Waits for the recorder to end. False when it has not after `within`.
    pub fn await_end(&self, within: Duration) -> bool {
        self.await_state(within, |state| state.complete)
    }

    /// A copy of the bytes from `start` on.
    pub fn bytes_from(&self, start: usize) -> Vec<u8> {
        self.state.0.lock().unwrap().bytes.get(start..).unwrap_or_default().to_vec()
    }

    fn await_state(&self, within: Duration, reached: impl Fn(&State) -> bool) -> bool {
        let guard = self.state.0.lock().unwrap();
        let (guard, _) = self.state.1.wait_timeout_while(guard, within, |state| !reached(state)).unwrap();
        reached(&guard)
    }
}
