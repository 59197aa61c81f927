//! The server behind a session: a child of ours or a remote one, as one way to write and one to read.
//!
//! It refuses to judge or to route. Invariant: what is read are whole lines, each with its `\n`; what is written are
//! the bytes that were given, in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::settings::Server;
use crate::transport::child::{Child, Program};
use crate::transport::remote::{Endpoint, Remote, Said};
use crate::transport::stdio::{Inlet, Outlet};
use crate::wire::Lines;

/// Messages for a remote server that wait before the client has to.
const MOST_WAITING: usize = 64;
/// How long a server may take to end by itself once its input has.
const FAREWELL: Duration = Duration::from_secs(1);

/// Remote servers that were spoken to: sessions share connections, and the certificates that were read.
pub(super) type Endpoints = Vec<(Server, Endpoint)>;

/// A server under way.
pub(super) struct Upstream {
    /// To it.
    pub to: ToServer,
    /// From it.
    pub from: FromServer,
    /// Its life.
    pub life: Life,
}

/// The way to a server.
pub(super) enum ToServer {
    Child(Outlet),
    Remote(Queue),
}

/// What waits for a remote server.
pub(super) struct Queue {
    sender: RefCell<Option<mpsc::Sender<Vec<u8>>>>,
    waiting: RefCell<VecDeque<Vec<u8>>>,
    is_closing: Cell<bool>,
    changed: Notify,
}

/// The way from a server.
pub(super) enum FromServer {
    Child { inlet: Inlet, lines: Lines, ready: VecDeque<Said> },
    Remote(mpsc::Receiver<Said>),
}

/// What ends.
pub(super) enum Life {
    Child(Child),
    Remote,
}

impl Upstream {
    /// Starts a child, or sets out to a remote server. `limit` is the longest line that is read from a child, bytes.
    ///
    /// # Errors
    /// Why there is no server, in words that hold no secret.
    pub fn start(server: &Server, limit: usize, endpoints: &mut Endpoints) -> Result<Self, String> {
        match server {
            Server::Child { command, args, env, cwd } => {
                let program = Program {
                    command: command.clone(),
                    args: args.clone(),
                    env: env.clone(),
                    cwd: cwd.clone(),
                };
                let started = program.start().map_err(|error| {
                    format!("the server cannot be started ({error}): is it installed and in PATH?")
                })?;
                let (inlet, lines) = (started.from, Lines::new(limit));
                Ok(Self {
                    to: ToServer::Child(started.to),
                    from: FromServer::Child { inlet, lines, ready: VecDeque::new() },
                    life: Life::Child(started.child),
                })
            }
            Server::Remote { url, transport, headers_env } => {
                if let Some((_, known)) = endpoints.iter().find(|(of, _)| of == server) {
                    return Ok(Self::remote(known.clone().reading(limit).connect()));
                }
                let endpoint = Endpoint::from_environment(url, *transport, headers_env);
                let endpoint = endpoint.map_err(|error| error.to_string())?;
                endpoints.push((server.clone(), endpoint.clone()));
                let remote = endpoint.reading(limit).connect();
                Ok(Self::remote(remote))
            }
        }
    }

    fn remote(Remote { to, from, .. }: Remote) -> Self {
        let queue = Queue {
            sender: RefCell::new(Some(to)),
            waiting: RefCell::default(),
            is_closing: Cell::new(false),
            changed: Notify::new(),
        };
        Self { to: ToServer::Remote(queue), from: FromServer::Remote(from), life: Life::Remote }
    }
}

impl ToServer {
    /// Writes whole lines, or has them wait.
    pub fn send(&self, lines: &[u8]) {
        match self {
            Self::Child(outlet) => outlet.send(lines),
            Self::Remote(queue) => {
                let each = lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec);
                queue.waiting.borrow_mut().extend(each);
                queue.announce();
            }
        }
    }

    /// Resolves when more may be sent.
    pub async fn room(&self) {
        match self {
            Self::Child(outlet) => outlet.room().await,
            Self::Remote(queue) => {
                while queue.waiting.borrow().len() > MOST_WAITING {
                    queue.changed.notified().await;
                }
            }
        }
    }

    /// Passes on what waits. Never resolves; to be polled beside everything else.
    pub async fn drain(&self) -> Infallible {
        match self {
            Self::Child(outlet) => outlet.drain().await,
            Self::Remote(queue) => queue.drain().await,
        }
    }

    /// Has the server read its end, after what waits.
    pub async fn close(&self) {
        match self {
            Self::Child(outlet) => {
                let _ = timeout(FAREWELL, outlet.flushed()).await;
                outlet.close();
            }
            Self::Remote(queue) => {
                queue.is_closing.set(true);
                queue.announce();
            }
        }
    }
}

impl Queue {
    async fn drain(&self) -> Infallible {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let sender = self.sender.borrow().clone();
            match (next, sender) {
                (Some(line), Some(sender)) => {
                    // A remote server that has ended is told by its other end.
                    let _ = sender.send(line).await;
                    self.announce();
                }
                (Some(_), None) => {}
                (None, _) => {
                    if self.is_closing.get() {
                        self.sender.borrow_mut().take();
                    }
                    self.changed.notified().await;
                }
            }
        }
    }

    /// Several may wait: whoever wants room, and the drain.
    fn announce(&self) {
        self.changed.notify_waiters();
        self.changed.notify_one();
    }
}

impl FromServer {
    /// The next line; `None` at the end. May be dropped and called again without losing any.
    pub async fn next(&mut self) -> Option<Said> {
        match self {
            Self::Remote(said) => said.recv().await,
            Self::Child { inlet, lines, ready } => loop {
                if let Some(said) = ready.pop_front() {
                    return Some(said);
                }
                let chunk = inlet.read().await.ok().flatten()?;
                lines.feed(chunk, |line| ready.push_back(Said { line: line.bytes.to_vec(), about: None }));
            },
        }
    }
}

impl Life {
    /// Resolves when a child has exited, with its status in words. A remote server ends by its last word alone.
    pub async fn exited(&mut self) -> String {
        match self {
            Self::Child(child) => words(child.exited().await),
            Self::Remote => std::future::pending().await,
        }
    }

    /// Ends what is left; how it ended, in words.
    pub async fn end(&mut self) -> String {
        match self {
            Self::Child(child) => {
                let exited = timeout(FAREWELL, child.exited()).await.ok().flatten();
                let told = child.end().await;
                words(exited.or(told))
            }
            Self::Remote => "the connection ended".to_owned(),
        }
    }
}

fn words(status: Option<std::process::ExitStatus>) -> String {
    status.map_or_else(|| "exit status unknown".to_owned(), |status| status.to_string())
}
