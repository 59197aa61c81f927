//! One session of the face at work: a guard, its store and its server, between the streams of one client.
//!
//! It performs what the guard decides and decides nothing but the way of an answer. Both directions are futures on one
//! thread around one guard that is never borrowed across an await, as in the sidecar's own driver.
//!
//! Invariant: a line that must be committed first leaves after the commit, or by the guard's leave; while nothing can
//! enforce, it leaves before it is looked at.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::posted::{Kind, Posted, splice};
use super::refused::Why;
use super::routes::{Routes, UNRELATED};
use super::stream::{End, Gone, Reader, Stream};
use super::streams::Streams;
use super::upstream::{FromServer, ToServer};
use crate::clock::now;
use crate::guard::{Outbox, Side, Through, noise};
use crate::proxy::{Evidence, Reload};
use crate::record::Record;
use crate::transport::remote::Said;
use crate::wire::{GlanceKind, IdKey, glance};

/// How long requests in flight may take when the face ends.
const GRACE: Duration = Duration::from_secs(10);

/// What a request asks of a session.
pub(super) enum Ask {
    /// To send a message.
    Post(Posted, oneshot::Sender<Reply>),
    /// To listen: to what belongs to no request, or from after an event of a stream on.
    Listen(Option<(u64, u64)>, oneshot::Sender<Result<Reader, Why>>),
}

/// What comes of a message.
pub(super) enum Reply {
    /// It is taken, and nothing will be said of it.
    Accepted,
    /// It has no single meaning: what is said of that.
    Malformed(Vec<u8>),
    /// Its answers come here.
    Answers(Reader),
    /// It has no single meaning, and was passed on: an error may come here.
    Perhaps(Reader),
}

/// What the face tells a session.
pub(super) enum Word {
    /// The policy file was read again.
    Reload(Arc<Reload>),
    /// To end once everything in flight is answered.
    Finish,
    /// To end.
    End,
}

/// Whether requests share a session by its id, or by who sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2025-03-26 to 2025-11-25.
    Sessions,
    /// 2026-07-28.
    Modern,
}

/// Why a session ends.
pub(super) enum Over {
    /// The client or the face wants it, or nobody came for long.
    Asked,
    /// The server said its last word.
    Silent,
    /// The server exited: how, in words.
    Exited(String),
}

/// A session.
pub(super) struct Link {
    pub evidence: Evidence,
    pub to: ToServer,
    pub era: Era,
    pub routes: RefCell<Routes>,
    pub streams: Streams,
    /// Of messages that nobody can tell whom they ask.
    unreadable: RefCell<VecDeque<Stream>>,
    /// Something was answered.
    answered: Notify,
    renamed: Cell<u64>,
    /// When a request last came, steady microseconds.
    active_us: Cell<u64>,
}

impl Link {
    /// A session before its first message. `gone` is where its readers say that they have gone.
    pub fn new(evidence: Evidence, to: ToServer, era: Era, gone: Gone) -> Self {
        Self {
            evidence,
            to,
            era,
            routes: RefCell::default(),
            streams: Streams::new(gone),
            unreadable: RefCell::default(),
            answered: Notify::new(),
            renamed: Cell::new(0),
            active_us: Cell::new(now().steady_us),
        }
    }

    /// Does what requests ask, until nobody can ask any more.
    pub async fn hear_clients(&self, asks: &mut mpsc::Receiver<Ask>) -> Over {
        loop {
            self.to.room().await;
            let Some(ask) = asks.recv().await else { return Over::Asked };
            self.active_us.set(now().steady_us);
            match ask {
                Ask::Post(posted, answer) => self.post(posted, answer).await,
                // Whoever asked may have gone.
                Ask::Listen(after, answer) => drop(answer.send(self.streams.listen(after))),
            }
        }
    }

    /// Passes on what the server says, until it has said all.
    pub async fn hear_server(&self, from: &mut FromServer) -> Over {
        loop {
            self.streams.room().await;
            let Some(said) = from.next().await else { return Over::Silent };
            self.hear(said).await;
        }
    }

    /// Does what the face says, until that is to end.
    pub async fn obey(&self, words: &mut mpsc::UnboundedReceiver<Word>) -> Over {
        while let Some(word) = words.recv().await {
            match word {
                Word::Reload(reload) => self.adopt(&reload),
                Word::Finish => {
                    let quiet = async {
                        while !self.routes.borrow().is_empty() {
                            self.answered.notified().await;
                        }
                    };
                    let _ = tokio::time::timeout(GRACE, quiet).await;
                    return Over::Asked;
                }
                Word::End => return Over::Asked,
            }
        }
        Over::Asked
    }

    /// Looks after streams whose readers have gone. Resolves when there can be no more readers.
    pub async fn miss_readers(&self, went: &mut mpsc::UnboundedReceiver<u64>) -> Over {
        while let Some(number) = went.recv().await {
            self.active_us.set(now().steady_us);
            if self.era == Era::Modern && number != UNRELATED {
                self.streams.remove(number);
                let ids = self.routes.borrow_mut().abandon(number);
                for id in ids {
                    self.cancel(&id).await;
                }
            }
            if number != UNRELATED && self.routes.borrow().is_idle(number) {
                self.end(number, End::Closed);
            }
        }
        Over::Asked
    }

    /// Does what there is to do about calls that wait for people.
    pub async fn attend(&self) -> Infallible {
        loop {
            let outbox = self.evidence.due().await;
            self.perform(outbox, None);
        }
    }

    /// Lets people who look at questions see what waits.
    pub async fn show(&self) -> Infallible {
        self.evidence.show().await
    }

    /// Resolves when nobody has asked or listened for so long, and nothing is in flight.
    pub async fn rest(&self, idle: Duration) -> Over {
        loop {
            let silent = Duration::from_micros(now().steady_us.saturating_sub(self.active_us.get()));
            let is_busy = !self.routes.borrow().is_empty() || self.streams.is_read();
            match idle.checked_sub(silent).filter(|left| !left.is_zero()) {
                None if !is_busy => return Over::Asked,
                None => tokio::time::sleep(idle).await,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }

    /// One message of the client.
    async fn post(&self, mut posted: Posted, answer: oneshot::Sender<Reply>) {
        let spelled = self.rename(&mut posted);
        let line = std::mem::take(&mut posted.line);
        let mut outbox = self.take(&line).await;
        let reply = if is_malformed(&outbox.to_client) {
            Reply::Malformed(std::mem::take(&mut outbox.to_client))
        } else if !posted.asks.is_empty() {
            let (stream, reader) = self.streams.open();
            let mut routes = self.routes.borrow_mut();
            for asked in &posted.asks {
                routes.depart(asked, stream.number(), spelled.clone());
            }
            reader.map_or(Reply::Accepted, Reply::Answers)
        } else if posted.kind == Kind::Unreadable && self.is_tee(Side::Client) {
            let (stream, reader) = self.streams.open();
            let mut unreadable = self.unreadable.borrow_mut();
            unreadable.retain(Stream::is_read);
            unreadable.push_back(stream);
            reader.map_or(Reply::Accepted, Reply::Perhaps)
        } else {
            Reply::Accepted
        };
        // Whoever asked may have gone; then the reader in the reply says so.
        let _ = answer.send(reply);
        self.perform(outbox, None);
        if let Some(stream) = posted.cancels.and_then(|id| self.routes.borrow_mut().cancel(&id)) {
            self.end(stream, End::Closed);
        }
    }

    /// One line of the client, or in its name: sent at once where nothing can enforce.
    async fn take(&self, line: &[u8]) -> Outbox {
        if self.is_tee(Side::Client) {
            self.to.send(line);
        }
        let outbox = self.evidence.session.borrow_mut().client_bytes(line, now());
        self.evidence.before(outbox).await
    }

    /// One line of the server.
    pub async fn hear(&self, said: Said) {
        let about = said.about.as_ref();
        if self.is_tee(Side::Server) {
            self.deliver(&said.line, about);
        }
        let outbox = self.evidence.session.borrow_mut().server_bytes(&said.line, now());
        let outbox = self.evidence.before(outbox).await;
        self.perform(outbox, about);
    }

    /// Lets out what may leave by now, and queues the rest for the store.
    pub fn perform(&self, outbox: Outbox, about: Option<&IdKey>) {
        self.to.send(&outbox.to_server);
        for line in outbox.to_client.split_inclusive(|byte| *byte == b'\n') {
            self.deliver(line, about);
        }
        self.evidence.after(outbox);
    }

    /// Nothing more comes on a stream.
    pub fn end(&self, stream: u64, end: End) {
        self.streams.end(stream, end);
        self.answered.notify_one();
    }

    /// Whether a line of one side passes unseen. Whole lines come here, so that nothing was ever kept back of one.
    fn is_tee(&self, side: Side) -> bool {
        matches!(self.evidence.session.borrow_mut().through(side), Through::Tee(_))
    }

    /// Writes a line of the server to the stream that it belongs to.
    fn deliver(&self, line: &[u8], about: Option<&IdKey>) {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let Some(way) = self.routes.borrow_mut().way(content, about, self.streams.listens()) else {
            return self.astray(content);
        };
        if self.is_about_the_unreadable(content) {
            return;
        }
        let mut line = line.to_vec();
        if let (Some(spelled), Some(at)) = (way.spelled, way.at) {
            splice(&mut line, at, &spelled);
        }
        self.streams.push(way.stream, line, way.last.then_some(End::Answered));
        if way.last {
            self.answered.notify_one();
        }
    }

    /// A line that is no message would be an answer to nobody: people get it.
    fn astray(&self, content: &[u8]) {
        if glance(content).kind == GlanceKind::NotJson {
            (self.evidence.say)(&noise(content));
        }
    }

    /// An error without id is the answer to a message that nobody could read, if there was one.
    fn is_about_the_unreadable(&self, content: &[u8]) -> bool {
        let mut waiting = self.unreadable.borrow_mut();
        if waiting.is_empty() {
            return false;
        }
        let seen = glance(content);
        if seen.kind != GlanceKind::Error || seen.id.is_some() {
            return false;
        }
        while let Some(stream) = waiting.pop_front() {
            if stream.is_read() {
                stream.push([content, b"\n"].concat(), Some(End::Answered));
                return true;
            }
        }
        false
    }

    /// In the modern era clients that share a session number their requests alike: the second gets another id. So does
    /// one whose id belongs to a request that was taken back: the server may answer that yet.
    fn rename(&self, posted: &mut Posted) -> Option<String> {
        let is_taken = |id: &IdKey| {
            self.routes.borrow().contains(id) || self.evidence.session.borrow().has_in_flight(id)
        };
        let taken = |posted: &Posted| posted.asks.iter().any(|asked| is_taken(&asked.id));
        if self.era != Era::Modern || !taken(posted) {
            return None;
        }
        let spelled = posted.id()?;
        while taken(posted) {
            self.renamed.set(self.renamed.get() + 1);
            posted.rename(&format!("\"callgate-{}\"", self.renamed.get()))?;
        }
        Some(spelled)
    }

    /// The client closed the response (2026-07-28: that takes the request back). Servers on stdio are told in words.
    async fn cancel(&self, id: &IdKey) {
        let id = id.to_json();
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id},\"reason\":\"the client closed the response\"}}}}\n"
        );
        let outbox = self.take(line.as_bytes()).await;
        self.perform(outbox, None);
    }

    fn adopt(&self, reload: &Reload) {
        let store = self.evidence.store.borrow();
        if let Some(loaded) = &reload.loaded {
            // Who is under which mode is told once, by the face.
            store.policy(loaded.source.clone(), Vec::new());
            self.evidence.session.borrow_mut().adopt(loaded.config.terms());
            self.evidence.stir();
        }
        store.queue(vec![Record::Notice(reload.notice())]);
    }
}

/// Whether the guard says that the message has no single meaning. The mark cannot stand inside a string: its quotes
/// would be escaped.
fn is_malformed(frames: &[u8]) -> bool {
    memchr::memmem::find(frames, b"\"type\":\"malformed_frame\"").is_some()
}
