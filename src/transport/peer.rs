//! The server's end of a run: a child process, or a remote server that looks like one.
//!
//! To the driver a remote server is what a child is: bytes each way. It refuses to look at them, but for where a line
//! ends. Invariant: one line is one message of the connection, and none is dropped on the way.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::child::Child;
use super::remote::{Endpoint, Remote, Said};
use super::stdio::{CHUNK, Inlet, Outlet};

/// What ending a connection may take: its session is deleted within it.
const FAREWELL: Duration = Duration::from_millis(700);

/// The server's end.
pub enum Peer {
    /// A process of ours.
    Child(Child),
    /// A server elsewhere.
    Remote(Connection),
}

/// A remote server under way.
pub struct Connection {
    ended: JoinHandle<()>,
    copies: [AbortHandle; 2],
}

/// How a server went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The process exited.
    Exited(ExitStatus),
    /// The connection was ended, by us.
    Closed,
}

/// A remote server with its two streams.
pub struct Connected {
    /// The connection.
    pub peer: Peer,
    /// What the server says.
    pub from: Inlet,
    /// What is for the server.
    pub to: Outlet,
}

impl Peer {
    /// Resolves when the server has gone. May be dropped and called again.
    pub async fn gone(&mut self) -> Option<Gone> {
        match self {
            Self::Child(child) => child.exited().await.map(Gone::Exited),
            Self::Remote(connection) => connection.gone().await,
        }
    }

    /// Ends the server: a process with its group, a connection with its session.
    pub async fn end(&mut self) -> Option<Gone> {
        match self {
            Self::Child(child) => child.end().await.map(Gone::Exited),
            Self::Remote(connection) => {
                for copy in &connection.copies {
                    copy.abort();
                }
                timeout(FAREWELL, connection.gone()).await.ok().flatten()
            }
        }
    }
}

impl Connection {
    async fn gone(&mut self) -> Option<Gone> {
        if !self.ended.is_finished() {
            // A task that ended badly has ended.
            let _ = (&mut self.ended).await;
        }
        Some(Gone::Closed)
    }
}

impl Gone {
    /// The exit code that stands for it: the server's own, 128 and its signal where that was one, as shells have it.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(status) => status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1),
            Self::Closed => 0,
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => status.fmt(f),
            Self::Closed => f.write_str("the connection was closed"),
        }
    }
}

impl Endpoint {
    /// Connects, and gives the server a child's two streams; to be called inside a runtime.
    ///
    /// # Errors
    /// Where the system gives no pipe.
    pub fn behind_streams(self) -> io::Result<Connected> {
        let (we_read, driver_writes) = pipe_with(PipeFlags::CLOEXEC)?;
        let (inlet, to) = (Receiver::from_owned_fd(we_read)?, Outlet::new(driver_writes.as_fd())?);
        let (chunks, from) = mpsc::channel(1);
        let Remote { to: messages, from: said, ended } = self.connect();
        let copies = [
            tokio::spawn(to_server(inlet, messages)).abort_handle(),
            tokio::spawn(from_server(said, chunks)).abort_handle(),
        ];
        Ok(Connected { peer: Peer::Remote(Connection { ended, copies }), from: Inlet::of_chunks(from), to })
    }
}

/// Lines of the pipe as messages, until either end has gone. What stands after the last newline is a message too.
async fn to_server(mut pipe: Receiver, messages: mpsc::Sender<Vec<u8>>) {
    let mut line = Vec::new();
    let mut buffer = vec![0; CHUNK];
    while let Some(chunk) = read(&mut pipe, &mut buffer).await {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end + 1);
            line.extend_from_slice(head);
            rest = tail;
            if messages.send(std::mem::take(&mut line)).await.is_err() {
                return;
            }
        }
        line.extend_from_slice(rest);
    }
    if !line.is_empty() {
        // The server has gone as well.
        let _ = messages.send(line).await;
    }
}

/// Not by `try_read`: a polled read takes a short one for an empty pipe, and does not ask a second time.
async fn read<'b>(pipe: &mut Receiver, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut chunk = ReadBuf::new(buffer);
    poll_fn(|context| Pin::new(&mut *pipe).poll_read(context, &mut chunk)).await.ok()?;
    let length = chunk.filled().len();
    buffer.get(..length).filter(|chunk| !chunk.is_empty())
}

/// Messages as lines, until either end has gone. What has come meanwhile goes together: the driver then judges and
/// commits it as one.
async fn from_server(mut said: mpsc::Receiver<Said>, chunks: mpsc::Sender<io::Result<Vec<u8>>>) {
    while let Some(Said { mut line, .. }) = said.recv().await {
        while line.len() < CHUNK
            && let Ok(more) = said.try_recv()
        {
            line.extend_from_slice(&more.line);
        }
        if chunks.send(Ok(line)).await.is_err() {
            return;
        }
    }
}
