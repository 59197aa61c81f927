//! All streams of one session: opened, found again, let go of.
//!
//! It refuses to keep them for ever. Invariant: number 0 is there from the beginning to the end, and belongs to no
//! request.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::refused::Why;
use super::routes::{Listens, UNRELATED};
use super::stream::{End, Gone, Reader, Stream};

/// Streams that have ended and are kept for a client that lost its connection.
const MOST_ENDED: usize = 16;
/// What all streams may hold for such clients, bytes.
const MOST_HELD: usize = 16 << 20;

/// The streams.
pub(super) struct Streams {
    all: RefCell<BTreeMap<u64, Stream>>,
    opened: Cell<u64>,
    /// A reader took something, or has gone.
    read: Arc<Notify>,
    gone: Gone,
}

impl Streams {
    /// With the one that belongs to no request. `gone` is where readers say that they have gone.
    pub fn new(gone: Gone) -> Self {
        let read = Arc::default();
        let unrelated = Stream::new(UNRELATED, &read);
        Self {
            all: RefCell::new(BTreeMap::from([(UNRELATED, unrelated)])),
            opened: Cell::new(UNRELATED),
            read,
            gone,
        }
    }

    /// A new one with its reader.
    pub fn open(&self) -> (Stream, Option<Reader>) {
        let number = self.opened.get() + 1;
        self.opened.set(number);
        let stream = Stream::new(number, &self.read);
        let reader = stream.reader(0, &self.gone).ok();
        self.all.borrow_mut().insert(number, stream.clone());
        (stream, reader)
    }

    /// A reader of what belongs to no request, or of a stream from after an event on.
    ///
    /// # Errors
    /// Where another reads it, or what is asked for is no longer kept.
    pub fn listen(&self, after: Option<(u64, u64)>) -> Result<Reader, Why> {
        let all = self.all.borrow();
        let number = after.map_or(UNRELATED, |(stream, _)| stream);
        let stream = all.get(&number).ok_or(Why::EventUnknown)?;
        let whatever_is_left = || stream.reader(stream.taken(), &self.gone);
        let reader = match after {
            None if stream.is_read() => return Err(Why::StreamTaken),
            None => whatever_is_left(),
            // Here what is left is better than nothing.
            Some((UNRELATED, seq)) => stream.reader(seq, &self.gone).or_else(|()| whatever_is_left()),
            Some((_, seq)) => stream.reader(seq, &self.gone),
        };
        reader.map_err(|()| Why::EventUnknown)
    }

    /// Whether somebody reads what belongs to no request.
    pub fn listens(&self) -> Listens {
        let listens = self.all.borrow().get(&UNRELATED).is_some_and(Stream::is_read);
        if listens { Listens::Yes } else { Listens::No }
    }

    /// Whether somebody reads anything.
    pub fn is_read(&self) -> bool {
        self.all.borrow().values().any(Stream::is_read)
    }

    /// Writes a message to a stream; with `end` it is the last.
    pub fn push(&self, number: u64, line: Vec<u8>, end: Option<End>) {
        if let Some(stream) = self.all.borrow().get(&number) {
            stream.push(line, end);
        }
        if end.is_some() {
            self.sweep();
        }
    }

    /// Nothing more comes on a stream.
    pub fn end(&self, number: u64, end: End) {
        if let Some(stream) = self.all.borrow().get(&number) {
            stream.end(end);
        }
        self.sweep();
    }

    /// Nor on any.
    pub fn end_all(&self, end: End) {
        for stream in self.all.borrow().values() {
            stream.end(end);
        }
    }

    /// Nobody can ask for it any more.
    pub fn remove(&self, number: u64) {
        self.all.borrow_mut().remove(&number);
    }

    /// Resolves when no reader is so slow that the server should wait.
    pub async fn room(&self) {
        while self.all.borrow().values().any(Stream::is_full) {
            self.read.notified().await;
        }
    }

    /// Lets go of streams that nobody will ask for again: the oldest of those that have ended.
    fn sweep(&self) {
        let mut all = self.all.borrow_mut();
        let idle = |stream: &Stream| stream.is_ended() && !stream.is_read();
        let ended: Vec<u64> =
            all.iter().filter(|(_, stream)| idle(stream)).map(|(number, _)| *number).collect();
        let mut held: usize = all.values().filter(|stream| !stream.is_read()).map(Stream::held).sum();
        let mut left = ended.len();
        for number in ended {
            if left <= MOST_ENDED && held <= MOST_HELD {
                return;
            }
            held -= all.remove(&number).map_or(0, |stream| stream.held());
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn streams() -> Streams {
        Streams::new(mpsc::unbounded_channel().0)
    }

    #[test]
    fn one_listens_at_a_time_and_the_next_reads_on() {
        let streams = streams();
        streams.push(UNRELATED, b"early".to_vec(), None);
        let first = streams.listen(None).unwrap();
        assert_eq!((streams.listens(), streams.listen(None).err()), (Listens::Yes, Some(Why::StreamTaken)));
        assert!(streams.listen(Some((UNRELATED, 0))).is_ok(), "who lost its connection takes its place");
        drop(first);
        assert!(streams.listen(Some((UNRELATED, 99))).is_ok());
        assert_eq!(streams.listen(Some((7, 0))).err(), Some(Why::EventUnknown));
    }

    #[test]
    fn ended_streams_are_kept_for_a_while() {
        let streams = streams();
        for _ in 0..100 {
            let (_, reader) = streams.open();
            let number = reader.unwrap().number();
            streams.push(number, b"answer".to_vec(), Some(End::Answered));
        }
        assert_eq!(streams.all.borrow().len(), 1 + MOST_ENDED);
        assert!(streams.listen(Some((100, 0))).is_ok() && streams.listen(Some((1, 0))).is_err());
    }
}
