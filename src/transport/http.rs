//! Streamable HTTP, as a client: 2025-03-26 to 2025-11-25 with their sessions, and 2026-07-28 without.
//!
//! One hub per connection takes the client's messages in order and starts an exchange for each; all that changes with
//! time is in it, and exchanges send it news. It refuses to send a request twice, but for one that met a server which
//! had forgotten the session. Invariant: messages of a session leave after the answer to its `initialize`, and
//! notifications in the order in which they came.

mod answers;
mod exchange;
mod link;
mod listen;
mod mirror;
mod outgoing;
pub(super) mod reopen;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use self::exchange::{Audience, Exchange, News};
use super::remote::{Endpoint, Said};
use super::trouble::Trouble;
use crate::wire::IdKey;

pub(in crate::transport) use self::link::{EVENT_STREAM, Gone, Link, Session, Taken, media_type};
pub(in crate::transport) use self::mirror::Bindings;
pub(in crate::transport) use self::outgoing::{Kind, Outgoing};

/// Requests under way before no more are taken. Arbitrary: far above what an agent does at once.
const MOST_UNDER_WAY: usize = 1024;
/// Messages that wait for a session to be open before no more are taken.
const MOST_WAITING: usize = 1024;
/// How long the end of a session may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long the next notification waits for a server that does not acknowledge the last.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(10);

/// Speaks with the server until the client's messages end and all is answered, or nobody listens any more.
pub(super) async fn speak(endpoint: Endpoint, mut inbox: mpsc::Receiver<Vec<u8>>, said: mpsc::Sender<Said>) {
    let (news, mut heard) = mpsc::unbounded_channel();
    let mut hub = Hub::new(Arc::new(Link::new(endpoint, said)), news);
    let mut more = true;
    while more || !hub.is_idle() {
        tokio::select! {
            biased;
            Some(news) = heard.recv() => hub.hear(news),
            () = hub.link.said.closed() => break,
            line = inbox.recv(), if more && hub.has_room() => match line {
                Some(line) => hub.take(line),
                None => more = false,
            },
        }
        while hub.tasks.try_join_next().is_some() {}
    }
    hub.end().await;
}

/// Where the session of the older revisions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No answer to `initialize` so far, and none is waited for.
    Fresh,
    /// `initialize` is under way: the client's own, or ours in place of a session that was lost.
    Opening,
    /// It is open.
    Open,
}

/// A request under way.
struct Flight {
    ids: Vec<IdKey>,
    is_modern: bool,
    task: AbortHandle,
}

struct Hub {
    link: Arc<Link>,
    news: mpsc::UnboundedSender<News>,
    tasks: JoinSet<()>,
    phase: Phase,
    session: Session,
    /// The client's `initialize`, to open another session with.
    opening: Option<Outgoing>,
    /// Messages for a session that is not open yet.
    waiting: VecDeque<Outgoing>,
    /// Notifications, the first of which is under way.
    lane: VecDeque<Outgoing>,
    flights: HashMap<u64, Flight>,
    number: u64,
    /// The stream that belongs to no request.
    listening: Option<AbortHandle>,
    bindings: Bindings,
}

impl Hub {
    fn new(link: Arc<Link>, news: mpsc::UnboundedSender<News>) -> Self {
        Self {
            link,
            news,
            tasks: JoinSet::new(),
            phase: Phase::Fresh,
            session: Session::default(),
            opening: None,
            waiting: VecDeque::new(),
            lane: VecDeque::new(),
            flights: HashMap::new(),
            number: 0,
            listening: None,
            bindings: Bindings::default(),
        }
    }

    fn is_idle(&self) -> bool {
        self.flights.is_empty()
            && self.waiting.is_empty()
            && self.lane.is_empty()
            && self.phase != Phase::Opening
    }

    fn has_room(&self) -> bool {
        self.flights.len() < MOST_UNDER_WAY && self.waiting.len() < MOST_WAITING
    }

    /// A line from the client.
    fn take(&mut self, line: Vec<u8>) {
        let Some(message) = Outgoing::read(line, &self.bindings) else { return };
        self.link.ask(&message.asks);
        if let Kind::Cancelled(Some(id)) = &message.kind
            && self.cut_short(id)
        {
            return;
        }
        if !matches!(message.kind, Kind::Modern(_)) && self.must_wait() {
            self.waiting.push_back(message);
        } else {
            self.send(message);
        }
    }

    /// Whether messages of the session have to wait: for its answer, or until the server knows that we have had it.
    fn must_wait(&self) -> bool {
        self.phase == Phase::Opening || self.lane.iter().any(|message| message.kind == Kind::Initialized)
    }

    fn send(&mut self, message: Outgoing) {
        if message.is_notification() {
            self.lane.push_back(message);
            if self.lane.len() == 1 {
                self.deliver();
            }
            return;
        }
        if message.kind == Kind::Initialize {
            self.phase = Phase::Opening;
            self.stop_listening();
            self.opening = Some(message.clone());
        }
        self.exchange(message);
    }

    fn exchange(&mut self, message: Outgoing) {
        self.number += 1;
        let number = self.number;
        let ids = message.asks.iter().map(|asked| asked.key.clone()).collect();
        let is_modern = matches!(message.kind, Kind::Modern(_));
        let exchange = self.exchange_of(number, Audience::Client);
        let task = self.tasks.spawn(exchange.run(message));
        self.flights.insert(number, Flight { ids, is_modern, task });
    }

    fn exchange_of(&self, number: u64, audience: Audience) -> Exchange {
        Exchange::new(Arc::clone(&self.link), self.news.clone(), (number, self.session.clone()), audience)
    }

    /// Sends the first notification of the lane.
    fn deliver(&mut self) {
        let Some(message) = self.lane.front().cloned() else { return };
        let (news, mut exchange) = (self.news.clone(), self.exchange_of(0, Audience::Client));
        self.tasks.spawn(async move {
            let delivery = exchange.quietly(message.clone());
            tokio::pin!(delivery);
            let in_time = timeout(ACKNOWLEDGEMENT, &mut delivery).await.is_ok();
            let _ = news.send(News::Delivered(message));
            if !in_time {
                let _ = delivery.await;
            }
        });
    }

    /// Closes the response stream of a request, which is how 2026-07-28 takes it back; `false` for older requests.
    fn cut_short(&mut self, id: &IdKey) -> bool {
        let found = self.flights.iter().find(|(_, flight)| flight.is_modern && flight.ids.contains(id));
        let Some(number) = found.map(|(number, _)| *number) else {
            // The answer has just been passed on.
            return self.phase == Phase::Fresh;
        };
        if let Some(flight) = self.flights.remove(&number) {
            flight.task.abort();
            for id in &flight.ids {
                self.link.forget(id);
            }
        }
        true
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Opened(session) => {
                self.session = session;
                self.phase = Phase::Open;
                self.release();
            }
            News::Tools(result) => mirror::learn(&result, &mut self.bindings),
            News::Answered(number) => self.answered(number),
            News::Delivered(message) => {
                self.lane.pop_front();
                self.deliver();
                if message.kind == Kind::Initialized {
                    self.listen();
                    self.release();
                }
            }
            News::Forgotten(message, session) => self.forgotten(message, &session),
            News::Reopened(Ok(session)) => {
                self.session = session;
                self.phase = Phase::Open;
                self.listen();
                self.release();
            }
            News::Reopened(Err(trouble)) => self.not_reopened(&trouble),
        }
    }

    fn answered(&mut self, number: u64) {
        let flight = self.flights.remove(&number);
        // An `initialize` that failed: what waits for it goes out all the same, for the server to say what it thinks.
        let opening = self.opening.as_ref().map(Outgoing::about);
        let was_opening = flight.is_some_and(|flight| opening == Some(flight.ids.into_iter().next()));
        if was_opening && self.phase == Phase::Opening {
            self.phase = Phase::Fresh;
            self.release();
        }
    }

    /// The server does not know the session of this message.
    fn forgotten(&mut self, mut message: Outgoing, session: &Session) {
        if message.is_notification() || message.kind == Kind::Answer {
            // What it speaks about went with the session.
            return;
        }
        if std::mem::replace(&mut message.replayed, true) || self.opening.is_none() {
            return self.refuse(&message, Trouble::session_lost(&self.link.url));
        }
        if session.epoch < self.session.epoch && self.phase == Phase::Open {
            return self.exchange(message);
        }
        self.waiting.push_back(message);
        if self.phase == Phase::Open {
            self.reopen();
        }
    }

    /// Opens another session in place of the one that was lost.
    fn reopen(&mut self) {
        let Some(opening) = self.opening.clone() else { return };
        self.phase = Phase::Opening;
        self.stop_listening();
        let (news, exchange) = (self.news.clone(), self.exchange_of(0, Audience::Nobody));
        self.tasks.spawn(async move {
            let _ = news.send(News::Reopened(reopen::reopen(exchange, opening).await));
        });
    }

    fn not_reopened(&mut self, trouble: &Trouble) {
        // The next message finds the session lost once more, and tries once more.
        self.phase = Phase::Open;
        for message in std::mem::take(&mut self.waiting) {
            self.refuse(&message, trouble.clone());
        }
    }

    fn refuse(&mut self, message: &Outgoing, trouble: Trouble) {
        let (link, about) = (Arc::clone(&self.link), message.about());
        let asks = message.asks.clone();
        self.number += 1;
        let (number, news) = (self.number, self.news.clone());
        let ids = asks.iter().map(|asked| asked.key.clone()).collect();
        let task = self.tasks.spawn(async move {
            for asked in asks {
                link.give_up(&asked, &trouble, about.as_ref()).await.ok();
            }
            let _ = news.send(News::Answered(number));
        });
        self.flights.insert(number, Flight { ids, is_modern: false, task });
    }

    /// Sends what has waited, as far as nothing in it makes the rest wait again.
    fn release(&mut self) {
        while !self.must_wait() {
            let Some(message) = self.waiting.pop_front() else { return };
            self.send(message);
        }
    }

    fn listen(&mut self) {
        self.stop_listening();
        let (link, session) = (Arc::clone(&self.link), self.session.clone());
        self.listening = Some(self.tasks.spawn(listen::listen(link, session)));
    }

    fn stop_listening(&mut self) {
        if let Some(task) = self.listening.take() {
            task.abort();
        }
    }

    /// Cuts short what is left and ends the session.
    async fn end(mut self) {
        self.tasks.abort_all();
        let _ = timeout(FAREWELL, self.link.delete(&self.session)).await;
        self.tasks.shutdown().await;
    }
}
