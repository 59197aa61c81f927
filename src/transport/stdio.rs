//! The two ends of a byte stream, whatever the host gave us for it.
//!
//! Hosts hand over pipes, Unix sockets (Node does), terminals and files. Pipes and sockets are read and written
//! without blocking and without a thread: tokio's own stdin and stdout go through its blocking pool, which costs
//! more than all the rest. `O_NONBLOCK` belongs to the open file and so to everyone who shares it (the child
//! shares our stderr, a shell its terminal): pipes are opened anew first, sockets use a flag per call, and what
//! is neither is left to a thread.
//!
//! Invariant: one writer per stream, and what it writes are the bytes it was given, in order.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc};

use super::kernel::polled;

/// Bytes read at once: the size of a pipe on Linux.
pub const CHUNK: usize = 64 * 1024;
/// Bytes that wait for a slow reader before the other end is no longer read from.
const MOST_QUEUED: usize = 4 * 1024 * 1024;
/// How the kernel says that the writing end of a pipe, or the far end of a socket, is closed.
#[cfg(target_os = "linux")]
const CLOSED: PollFlags = PollFlags::HUP.union(PollFlags::RDHUP);
#[cfg(not(target_os = "linux"))]
const CLOSED: PollFlags = PollFlags::HUP;

/// How a stream is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    Socket,
    /// A terminal, a file, `/dev/null`: only blocking calls are safe.
    Other,
}

fn kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        FileType::RegularFile
        | FileType::Directory
        | FileType::Symlink
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    })
}

/// An end of a pipe of our own whose other end is somebody else's: `O_NONBLOCK` on it concerns nobody else.
fn unshared(fd: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    if let Ok(own) = rustix::fs::open(path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        return Ok(own);
    }
    // No /proc, or another user's pipe: share the flag rather than fail.
    let own = fd.try_clone_to_owned()?;
    rustix::io::ioctl_fionbio(&own, true)?;
    Ok(own)
}

/// The reading end of a stream.
pub struct Inlet {
    source: Source,
    buffer: Vec<u8>,
}

enum Source {
    Polled(AsyncFd<OwnedFd>, Kind),
    /// Read elsewhere: by a thread, or by another task.
    Chunks(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Inlet {
    /// The stream at `fd`, which the caller keeps open.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = kind(fd)?;
        let source = match kind {
            Kind::Pipe => Source::Polled(polled(unshared(fd, OFlags::RDONLY)?, Interest::READABLE)?, kind),
            Kind::Socket => Source::Polled(polled(fd.try_clone_to_owned()?, Interest::READABLE)?, kind),
            Kind::Other => Source::Chunks(read_on_thread(fd.try_clone_to_owned()?)),
        };
        Ok(Self { source, buffer: vec![0; CHUNK] })
    }

    /// A stream that something else reads.
    pub(super) fn of_chunks(chunks: mpsc::Receiver<io::Result<Vec<u8>>>) -> Self {
        Self { source: Source::Chunks(chunks), buffer: Vec::new() }
    }

    /// The next bytes; `None` at the end. May be dropped and called again without losing any.
    pub async fn read(&mut self) -> io::Result<Option<&[u8]>> {
        let length = match &mut self.source {
            Source::Polled(fd, kind) => read_polled(fd, *kind, &mut self.buffer).await?,
            Source::Chunks(chunks) => match chunks.recv().await {
                Some(chunk) => {
                    self.buffer = chunk?;
                    self.buffer.len()
                }
                None => 0,
            },
        };
        Ok(self.buffer.get(..length).filter(|bytes| !bytes.is_empty()))
    }

    /// Whether the other end is closed, although bytes of it may still wait to be read. Of a file or a terminal
    /// nobody knows.
    pub fn is_hung_up(&self) -> bool {
        match &self.source {
            Source::Polled(fd, _) => events(fd.as_fd(), CLOSED).intersects(CLOSED),
            Source::Chunks(_) => false,
        }
    }
}

async fn read_polled(fd: &AsyncFd<OwnedFd>, kind: Kind, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = fd.readable().await?;
        let size = buffer.len();
        let read = match kind {
            Kind::Socket => {
                rustix::net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _)| length)
            }
            Kind::Pipe | Kind::Other => rustix::io::read(fd, &mut *buffer),
        };
        match read {
            Ok(length) => {
                // A short read emptied the stream (epoll(7)): the next wait need not be preceded by a failing read.
                if length > 0 && length < size {
                    ready.clear_ready();
                }
                return Ok(length);
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            // The far end of a socket may go with a reset: that is an end like any other.
            Err(Errno::CONNRESET) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The thread lives until the stream ends; a blocked read cannot be taken back.
fn read_on_thread(fd: OwnedFd) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel(4);
    std::thread::spawn(move || {
        loop {
            let mut buffer = vec![0; CHUNK];
            let read = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut *buffer));
            let chunk = match read {
                Ok(0) => return,
                Ok(length) => {
                    buffer.truncate(length);
                    Ok(buffer)
                }
                Err(error) => Err(error.into()),
            };
            let failed = chunk.is_err();
            if send.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    receive
}

/// The writing end of a stream. Writes that the reader does not take at once wait in a queue.
pub struct Outlet {
    sink: RefCell<Option<Sink>>,
    queue: RefCell<Vec<u8>>,
    written: Cell<usize>,
    broken: Cell<bool>,
    changed: Notify,
}

#[derive(Clone)]
enum Sink {
    Polled(Arc<AsyncFd<OwnedFd>>, Kind),
    Blocking(Arc<OwnedFd>),
}

impl Outlet {
    /// The stream at `fd`, which the caller may close.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = kind(fd)?;
        let sink = match kind {
            Kind::Pipe => {
                Sink::Polled(Arc::new(polled(unshared(fd, OFlags::WRONLY)?, Interest::WRITABLE)?), kind)
            }
            Kind::Socket => {
                Sink::Polled(Arc::new(polled(fd.try_clone_to_owned()?, Interest::WRITABLE)?), kind)
            }
            Kind::Other => Sink::Blocking(Arc::new(fd.try_clone_to_owned()?)),
        };
        Ok(Self {
            sink: RefCell::new(Some(sink)),
            queue: RefCell::default(),
            written: Cell::new(0),
            broken: Cell::new(false),
            changed: Notify::new(),
        })
    }

    /// Writes what the reader takes now and queues the rest. After the reader has gone, bytes are dropped and
    /// [`Self::is_broken`] tells so.
    pub fn send(&self, bytes: &[u8]) {
        if bytes.is_empty() || self.broken.get() {
            return;
        }
        let sink = self.sink.borrow();
        let (Some(sink), true) = (sink.as_ref(), self.queue.borrow().is_empty()) else {
            self.enqueue(bytes);
            return;
        };
        match sink.write_now(bytes) {
            Ok(length) => self.enqueue(bytes.get(length..).unwrap_or_default()),
            Err(_) => self.break_off(),
        }
    }

    /// Whether the reader has gone.
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Resolves when the reader has gone.
    pub async fn broken(&self) {
        while !self.broken.get() {
            self.changed.notified().await;
        }
    }

    /// Bytes that wait.
    pub fn queued(&self) -> usize {
        self.queue.borrow().len() - self.written.get()
    }

    /// Resolves when more may be sent without growing the queue past its bound.
    pub async fn room(&self) {
        while self.queued() > MOST_QUEUED && !self.broken.get() {
            self.changed.notified().await;
        }
    }

    /// Writes the queue whenever the reader takes more. Never resolves; to be polled beside everything else.
    pub async fn drain(&self) -> Infallible {
        loop {
            if self.queue.borrow().is_empty() {
                self.changed.notified().await;
                continue;
            }
            let sink = self.sink.borrow().clone();
            let Some(sink) = sink else {
                self.break_off();
                continue;
            };
            sink.writable().await;
            self.write_queue(&sink);
        }
    }

    /// Resolves when nothing waits.
    pub async fn flushed(&self) {
        while self.queued() > 0 && !self.broken.get() {
            self.changed.notified().await;
        }
    }

    /// Closes the stream: the reader sees its end.
    pub fn close(&self) {
        self.sink.borrow_mut().take();
    }

    fn write_queue(&self, sink: &Sink) {
        let result = sink.write_now(self.queue.borrow().get(self.written.get()..).unwrap_or_default());
        match result {
            Ok(length) => self.written.set(self.written.get() + length),
            Err(_) => self.break_off(),
        }
        if self.queued() == 0 {
            *self.queue.borrow_mut() = Vec::new();
            self.written.set(0);
        }
        self.announce();
    }

    fn enqueue(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        // The written part is given back once it is the larger one, so that each byte moves at most once.
        if self.written.get() > queue.len() / 2 {
            queue.drain(..self.written.replace(0));
        }
        queue.extend_from_slice(bytes);
        drop(queue);
        self.announce();
    }

    fn break_off(&self) {
        self.broken.set(true);
        self.queue.borrow_mut().clear();
        self.written.set(0);
        self.announce();
    }

    /// Several may wait: the pump for room, the drain for work, the shutdown for emptiness.
    fn announce(&self) {
        self.changed.notify_waiters();
        self.changed.notify_one();
    }
}

impl Sink {
    /// Writes until done or until the reader takes no more; the number of bytes written.
    fn write_now(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_once(rest) {
                Ok(length) => done += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_once(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::Polled(fd, Kind::Socket) => {
                rustix::net::send(fd.as_fd(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Self::Polled(fd, Kind::Pipe | Kind::Other) => rustix::io::write(fd.as_fd(), bytes),
            Self::Blocking(fd) => rustix::io::write(fd, bytes),
        }
    }

    /// Resolves when a write that took nothing is worth another try.
    async fn writable(&self) {
        if let Self::Polled(fd, _) = self
            && let Ok(mut ready) = fd.writable().await
            && !can_write(fd.as_fd())
        {
            ready.clear_ready();
        }
    }
}

/// Asks the kernel, because writes elsewhere may have filled the stream since it was last called writable.
fn can_write(fd: BorrowedFd<'_>) -> bool {
    !events(fd, PollFlags::OUT).is_empty()
}

/// What is true of a stream now, of what is asked for and of its end.
fn events(fd: BorrowedFd<'_>, asked: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(&fd, asked)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => fds.iter().fold(PollFlags::empty(), |all, fd| all | fd.revents()),
        Err(_) => PollFlags::empty(),
    }
}
