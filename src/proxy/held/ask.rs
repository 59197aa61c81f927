//! The asking end: what calls that wait were made with, as the processes that hold them remember it.
//!
//! It refuses answers of other users. Invariant: processes that do not answer cost whoever asks [`PATIENCE_US`] in all,
//! however many there are.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::LONGEST;
use super::place::{connect_at_once, is_ours, places};
use crate::clock::steady_us;

/// How long processes are waited for in all, microseconds.
const PATIENCE_US: u64 = 200_000;
/// What an answer takes is not counted where it comes as soon as this, microseconds: a thousand calls may be held.
const SOON_US: u64 = 5_000;

/// One look at questions, in which processes are asked.
#[derive(Debug)]
pub struct Asking<'a> {
    store: &'a Path,
    left_us: Cell<u64>,
}

impl<'a> Asking<'a> {
    /// About the questions of the store at `store`.
    pub fn new(store: &'a Path) -> Self {
        Self { store, left_us: Cell::new(PATIENCE_US) }
    }

    /// The arguments, as they came, of the call in this session that waits for an answer to a question; `None` where they
    /// cannot be had now.
    pub fn exact_arguments(&self, session: &str, question: &str) -> Option<String> {
        let (began, left) = (steady_us(), self.left_us.get());
        let until = began.saturating_add(left);
        let answer = places(self.store, session).iter().find_map(|path| ask(path, question, until));
        let took = steady_us().saturating_sub(began);
        self.left_us.set(left.saturating_sub(took.saturating_sub(SOON_US)));
        answer
    }
}

fn ask(path: &Path, question: &str, until_us: u64) -> Option<String> {
    if !path.parent().is_some_and(is_ours) {
        return None;
    }
    let mut stream = connect_at_once(path).ok().filter(is_of_this_user)?;
    stream.set_write_timeout(Some(left(until_us)?)).ok()?;
    stream.write_all(format!("{question}\n").as_bytes()).ok()?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1 << 14]);
    while answer.last() != Some(&b'\n') {
        stream.set_read_timeout(Some(left(until_us)?)).ok()?;
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(piece.get(..read)?);
        if answer.len() > LONGEST {
            return None;
        }
    }
    answer.pop();
    String::from_utf8(answer).ok().filter(|answer| !answer.is_empty())
}

fn left(until_us: u64) -> Option<Duration> {
    until_us.checked_sub(steady_us()).filter(|left| *left > 0).map(Duration::from_micros)
}

/// unix(7), `SO_PEERCRED`: who listened, as the kernel noted it then.
#[cfg(target_os = "linux")]
fn is_of_this_user(stream: &UnixStream) -> bool {
    use rustix::net::sockopt::socket_peercred;
    use rustix::process::getuid;

    socket_peercred(stream).is_ok_and(|peer| peer.uid == getuid())
}

/// Elsewhere the folder vouches for it: nobody else can write there.
#[cfg(not(target_os = "linux"))]
fn is_of_this_user(_: &UnixStream) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::proxy::held::place::listen;

    #[test]
    fn processes_that_do_not_answer_are_waited_for_once_in_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("audit.db");
        std::fs::create_dir(folder.path().join("live")).unwrap();
        let silent: Vec<UnixListener> = (0..40)
            .map(|n| UnixListener::bind(folder.path().join(format!("live/{n}.sock"))).unwrap())
            .collect();
        let (asking, began) = (Asking::new(&store), steady_us());
        for n in 0..silent.len() {
            assert_eq!(asking.exact_arguments(&n.to_string(), "question"), None);
        }
        // One after the other would be eight seconds.
        assert!((PATIENCE_US..2_000_000).contains(&(steady_us() - began)), "{}", steady_us() - began);
    }

    #[test]
    fn an_answer_without_an_end_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("audit.db");
        std::fs::create_dir(folder.path().join("live")).unwrap();
        for (n, said) in [("cut", &b"{\"a\":"[..]), ("empty", b"\n"), ("binary", b"\xff\n")] {
            let listener = UnixListener::bind(folder.path().join(format!("live/{n}.sock"))).unwrap();
            let answering = std::thread::spawn(move || listener.accept().unwrap().0.write_all(said).unwrap());
            assert_eq!(Asking::new(&store).exact_arguments(n, "question"), None, "{n}");
            answering.join().unwrap();
        }
    }

    #[test]
    fn an_answer_of_any_length_up_to_the_longest_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("audit.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        for (length, comes) in [(1, true), (LONGEST - 1, true), (LONGEST, false), (3 * LONGEST, false)] {
            let name = length.to_string();
            let listener = {
                let _entered = runtime.enter();
                listen(&folder.path().join(format!("live/{name}.sock"))).unwrap().into_std().unwrap()
            };
            listener.set_nonblocking(false).unwrap();
            let answering = std::thread::spawn(move || {
                // Whoever asks may have gone before the end.
                let _ =
                    listener.accept().unwrap().0.write_all(&["1".repeat(length).as_bytes(), b"\n"].concat());
            });
            let answer = Asking::new(&store).exact_arguments(&name, "question");
            assert_eq!(answer.map(|answer| answer.len()), comes.then_some(length));
            answering.join().unwrap();
        }
    }
}
