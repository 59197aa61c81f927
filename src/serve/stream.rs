//! One stream of messages to a client: what waits to be read, and what was read and may be asked for again.
//!
//! A POST that asks for something has one, and the GET that listens. It refuses to wait for a reader: whoever writes
//! looks at [`Stream::is_full`] before. Invariant: a reader gets every message after the one that it names, once and
//! in order, or is told that they are gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::{Notify, mpsc};

/// Bytes that wait for a slow reader before the server is no longer read from.
const MOST_UNREAD: usize = 4 << 20;
/// Bytes that were read and are kept for whoever lost them on the way. The last message is kept whatever its length.
const MOST_KEPT: usize = 1 << 20;

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its number in the stream, from 1.
    pub seq: u64,
    /// One message with its `\n`.
    pub line: Bytes,
    /// Whether nothing follows.
    pub last: bool,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everything asked for was answered.
    Answered,
    /// The client took it back, or the session ended.
    Closed,
    /// The server ended first.
    ServerGone,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Event(Event),
    End(End),
}

/// Tells the session that a reader has gone: of which stream.
pub(super) type Gone = mpsc::UnboundedSender<u64>;

/// The writing end, in the session.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    shared: Arc<Shared>,
}

/// The reading end, in a response.
pub(super) struct Reader {
    shared: Arc<Shared>,
    turn: u64,
    at: u64,
    gone: Gone,
}

#[derive(Debug)]
struct Shared {
    number: u64,
    log: Mutex<Log>,
    written: Notify,
    /// Of the session: some reader of it took something.
    read: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Event>,
    last: u64,
    /// The last that any reader took.
    taken: u64,
    /// Of all events that are kept, bytes.
    held: usize,
    /// Of those that no reader took, bytes.
    unread: usize,
    end: Option<End>,
    /// Counts readers; the newest is the one.
    turn: u64,
    reader: Option<u64>,
}

impl Stream {
    /// An empty one. `read` rings whenever something is taken from it.
    pub fn new(number: u64, read: &Arc<Notify>) -> Self {
        let (log, written) = (Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { number, log, written, read: Arc::clone(read) }) }
    }

    /// Which one it is.
    pub fn number(&self) -> u64 {
        self.shared.number
    }

    /// Appends a message; with `end` it is the last.
    pub fn push(&self, line: Vec<u8>, end: Option<End>) {
        let mut log = self.shared.log();
        if log.end.is_some() {
            return;
        }
        log.last += 1;
        log.held += line.len();
        log.unread += line.len();
        let seq = log.last;
        log.events.push_back(Event { seq, line: line.into(), last: end.is_some() });
        log.end = end;
        log.forget();
        drop(log);
        self.shared.written.notify_one();
    }

    /// Nothing more comes.
    pub fn end(&self, end: End) {
        self.shared.log().end.get_or_insert(end);
        self.shared.written.notify_one();
    }

    /// A reader of everything after `after`, in the place of any other.
    ///
    /// # Errors
    /// Where some of that is no longer kept.
    pub fn reader(&self, after: u64, gone: &Gone) -> Result<Reader, ()> {
        let mut log = self.shared.log();
        let oldest = log.events.front().map_or(log.last + 1, |event| event.seq);
        if after > log.last || after + 1 < oldest {
            return Err(());
        }
        log.turn += 1;
        log.reader = Some(log.turn);
        let (turn, shared) = (log.turn, Arc::clone(&self.shared));
        drop(log);
        // Whoever read until now looks, and sees that its turn is over.
        self.shared.written.notify_waiters();
        Ok(Reader { shared, turn, at: after, gone: gone.clone() })
    }

    /// The last message that a reader took.
    pub fn taken(&self) -> u64 {
        self.shared.log().taken
    }

    /// Whether somebody reads.
    pub fn is_read(&self) -> bool {
        self.shared.log().reader.is_some()
    }

    /// Whether nothing more comes.
    pub fn is_ended(&self) -> bool {
        self.shared.log().end.is_some()
    }

    /// Whether so much waits for a reader that is there that the writer should wait as well.
    pub fn is_full(&self) -> bool {
        let log = self.shared.log();
        log.reader.is_some() && log.unread > MOST_UNREAD
    }

    /// About what it holds, bytes.
    pub fn held(&self) -> usize {
        self.shared.log().held
    }
}

impl Reader {
    /// Which stream it reads.
    pub fn number(&self) -> u64 {
        self.shared.number
    }

    /// The last message that it took.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next message or the end. May be dropped and called again.
    pub async fn next(&mut self) -> Next {
        let shared = Arc::clone(&self.shared);
        loop {
            let written = shared.written.notified();
            if let Some(next) = self.look() {
                return next;
            }
            written.await;
        }
    }

    fn look(&mut self) -> Option<Next> {
        let mut log = self.shared.log();
        if log.reader != Some(self.turn) {
            return Some(Next::End(End::Closed));
        }
        if let Some(event) = log.after(self.at) {
            self.at = event.seq;
            if event.seq > log.taken {
                log.taken = event.seq;
                log.unread -= event.line.len();
            }
            log.forget();
            drop(log);
            self.shared.read.notify_waiters();
            self.shared.read.notify_one();
            return Some(Next::Event(event));
        }
        log.end.map(Next::End)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut log = self.shared.log();
        if log.reader == Some(self.turn) {
            log.reader = None;
        }
        drop(log);
        self.shared.read.notify_waiters();
        self.shared.read.notify_one();
        // A session that has ended need not be told.
        let _ = self.gone.send(self.shared.number);
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn after(&self, seq: u64) -> Option<Event> {
        let ahead = (seq + 1).saturating_sub(self.events.front()?.seq);
        self.events.get(usize::try_from(ahead).ok()?).cloned()
    }

    /// Lets go of what was read, oldest first; and of what nobody reads, once that is as much as may wait.
    fn forget(&mut self) {
        while self.events.len() > 1 {
            let Some(front) = self.events.front() else { return };
            let is_taken = front.seq <= self.taken;
            let most = match (is_taken, self.reader) {
                (true, _) => MOST_KEPT,
                (false, None) => MOST_UNREAD,
                (false, Some(_)) => return,
            };
            if self.held <= most {
                return;
            }
            self.held -= front.line.len();
            self.unread -= if is_taken { 0 } else { front.line.len() };
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> (Stream, Gone, mpsc::UnboundedReceiver<u64>) {
        let (gone, went) = mpsc::unbounded_channel();
        (Stream::new(7, &Arc::default()), gone, went)
    }

    async fn text(reader: &mut Reader) -> String {
        match reader.next().await {
            Next::Event(event) => String::from_utf8(event.line.to_vec()).unwrap(),
            Next::End(end) => panic!("{end:?}"),
        }
    }

    #[tokio::test]
    async fn a_reader_gets_what_was_written_before_and_after_it_came() {
        let (stream, gone, mut went) = stream();
        stream.push(b"one".to_vec(), None);
        let mut reader = stream.reader(0, &gone).unwrap();
        assert_eq!(text(&mut reader).await, "one");
        let (second, ()) =
            tokio::join!(text(&mut reader), async { stream.push(b"two".to_vec(), Some(End::Answered)) });
        assert_eq!(second, "two");
        assert_eq!(reader.next().await, Next::End(End::Answered));
        drop(reader);
        assert_eq!((went.recv().await, stream.is_read()), (Some(7), false));
    }

    #[tokio::test]
    async fn what_was_lost_on_the_way_is_read_again() {
        let (stream, gone, _went) = stream();
        for line in ["one", "two", "three"] {
            stream.push(line.into(), None);
        }
        let mut lost = stream.reader(0, &gone).unwrap();
        assert_eq!(text(&mut lost).await, "one");
        assert_eq!(text(&mut lost).await, "two");
        let mut again = stream.reader(1, &gone).unwrap();
        assert_eq!(lost.next().await, Next::End(End::Closed), "there is one reader");
        assert_eq!(text(&mut again).await, "two");
        assert_eq!(text(&mut again).await, "three");
        assert!(stream.reader(4, &gone).is_err());
        drop(lost);
        assert!(stream.is_read(), "the older reader's end is no news");
    }

    #[tokio::test]
    async fn what_waits_is_bounded() {
        let (stream, gone, _went) = stream();
        let mut reader = stream.reader(0, &gone).unwrap();
        (0..5).for_each(|_| stream.push(vec![b'x'; 1 << 20], None));
        assert!(stream.is_full());
        assert_eq!(text(&mut reader).await.len(), 1 << 20);
        assert!(!stream.is_full());
        drop(reader);
        (0..9).for_each(|_| stream.push(vec![b'x'; 1 << 20], None));
        assert!(!stream.is_full() && stream.held() <= MOST_UNREAD);
        assert!(stream.reader(1, &gone).is_err(), "what is gone is not passed over in silence");
    }
}
