//! HTTP with SSE, the remote transport of 2024-11-05, as a client: one GET whose first event names the address to POST
//! messages to, and whose others are all that the server says.
//!
//! It refuses to send a message to another origin than the one that was configured. Invariant: messages are sent in
//! the order in which they came, and what is pending when the stream is lost is answered with an error.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use url::Url;

use super::http::reopen::initialized;
use super::http::{Bindings, EVENT_STREAM, Gone, Kind, Link, Outgoing, Session, Taken, media_type};
use super::remote::{Endpoint, Said};
use super::trouble::{Asked, Trouble};
use crate::wire::events::{Event, Events, TooLong, one_line};
use crate::wire::{GlanceKind, Id, IdKey, glance};

/// How long the next message waits for a server that does not acknowledge the last.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(1);
/// Messages that wait before no more are taken.
const MOST_WAITING: usize = 1024;

/// What tasks tell the hub.
enum News {
    /// Where messages are to be sent.
    Endpoint(Url),
    /// The stream has ended, or never began.
    Down(Trouble),
    /// A request has its answer.
    Answered(IdKey),
    /// The `initialize` that was sent for a lost session has its answer.
    Reopened,
    /// A message is with the server, or late.
    Posted,
    /// These requests did not reach the server.
    Failed(Vec<Asked>, Trouble),
}

/// Speaks with the server until the client's messages end and all is answered, or nobody listens any more.
pub(super) async fn speak(endpoint: Endpoint, mut inbox: mpsc::Receiver<Vec<u8>>, said: mpsc::Sender<Said>) {
    let (news, mut heard) = mpsc::unbounded_channel();
    let mut hub = Hub::new(Arc::new(Link::new(endpoint, said)), news);
    let mut more = true;
    while more || !hub.is_idle() {
        tokio::select! {
            biased;
            Some(news) = heard.recv() => hub.hear(news).await,
            () = hub.link.said.closed() => break,
            line = inbox.recv(), if more && hub.queue.len() < MOST_WAITING => match line {
                Some(line) => hub.take(line),
                None => more = false,
            },
        }
        while hub.tasks.try_join_next().is_some() {}
    }
    hub.tasks.shutdown().await;
}

/// Where the stream is.
enum Phase {
    Down,
    Connecting,
    Up(Arc<Link>),
}

struct Hub {
    link: Arc<Link>,
    news: mpsc::UnboundedSender<News>,
    tasks: JoinSet<()>,
    phase: Phase,
    stream: Option<AbortHandle>,
    queue: VecDeque<Outgoing>,
    /// Whether the first message of the queue waits for another to arrive.
    is_posting: bool,
    /// Whether the queue waits for the answer to an `initialize` of ours.
    is_reopening: bool,
    pending: Vec<Asked>,
    /// The client's `initialize`, once sent.
    opening: Option<Outgoing>,
}

impl Hub {
    fn new(link: Arc<Link>, news: mpsc::UnboundedSender<News>) -> Self {
        Self {
            link,
            news,
            tasks: JoinSet::new(),
            phase: Phase::Down,
            stream: None,
            queue: VecDeque::new(),
            is_posting: false,
            is_reopening: false,
            pending: Vec::new(),
            opening: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.pending.is_empty() && !self.is_posting
    }

    fn take(&mut self, line: Vec<u8>) {
        let Some(message) = Outgoing::read(line, &Bindings::default()) else { return };
        self.link.ask(&message.asks);
        self.queue.push_back(message);
        match self.phase {
            Phase::Down => self.connect(),
            Phase::Connecting => {}
            Phase::Up(_) => self.next(),
        }
    }

    /// Opens the stream. A session that was lost is opened again for the client, unless it does so itself.
    fn connect(&mut self) {
        self.phase = Phase::Connecting;
        let itself = self.queue.front().is_some_and(|message| message.kind == Kind::Initialize);
        let opening = self.opening.clone().filter(|_| !itself);
        self.is_reopening = opening.is_some();
        let swallow = opening.as_ref().and_then(Outgoing::about);
        if let Some(opening) = opening {
            self.queue.push_front(Outgoing { asks: Vec::new(), ..opening });
        }
        let stream = Stream { link: Arc::clone(&self.link), news: self.news.clone(), swallow };
        self.stream = Some(self.tasks.spawn(stream.run()));
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Endpoint(url) => {
                self.phase = Phase::Up(Arc::new(self.link.at(url)));
                self.next();
            }
            News::Down(trouble) => self.down(&trouble).await,
            News::Answered(key) => self.pending.retain(|asked| asked.key != key),
            News::Reopened => {
                self.is_reopening = false;
                self.queue.push_front(initialized());
                self.next();
            }
            News::Posted => {
                self.is_posting = false;
                self.next();
            }
            News::Failed(asks, trouble) => {
                for asked in asks {
                    // Its answer may have come by the stream all the same.
                    if let Some(at) = self.pending.iter().position(|pending| *pending == asked) {
                        let asked = self.pending.swap_remove(at);
                        self.link.give_up(&asked, &trouble, None).await.ok();
                    }
                }
                if self.is_reopening {
                    self.down(&trouble).await;
                }
            }
        }
    }

    /// POSTs the first message of the queue.
    fn next(&mut self) {
        let Phase::Up(link) = &self.phase else { return };
        // While a session is opened again, only its `initialize` may leave.
        let is_ours = |message: &Outgoing| message.kind == Kind::Initialize && message.asks.is_empty();
        let may = |message: &mut Outgoing| !self.is_reopening || is_ours(message);
        if self.is_posting {
            return;
        }
        let Some(message) = self.queue.pop_front_if(may) else { return };
        if message.kind == Kind::Initialize && !message.asks.is_empty() {
            self.opening = Some(message.clone());
        }
        self.pending.extend(message.asks.iter().cloned());
        self.is_posting = true;
        self.tasks.spawn(post(Arc::clone(link), message, self.news.clone()));
    }

    /// The stream is lost: what is pending, or was to be sent on it, gets an error.
    async fn down(&mut self, trouble: &Trouble) {
        if let Some(stream) = self.stream.take() {
            stream.abort();
        }
        self.phase = Phase::Down;
        self.is_reopening = false;
        let queued = std::mem::take(&mut self.queue).into_iter().flat_map(|message| message.asks);
        let asks: Vec<Asked> = std::mem::take(&mut self.pending).into_iter().chain(queued).collect();
        for asked in asks {
            self.link.give_up(&asked, trouble, None).await.ok();
        }
    }
}

async fn post(link: Arc<Link>, message: Outgoing, news: mpsc::UnboundedSender<News>) {
    let asks = message.asks.clone();
    let posting = async {
        match link.post(&message, &Session::default()).await {
            Taken::Answered(_) | Taken::Forgotten => {}
            Taken::Refused(answer) => {
                let answer = one_line(answer);
                if link.wants(&glance(answer.trim_ascii_end()), &answer) {
                    link.say(answer, None).await.ok();
                }
                for asked in &asks {
                    let _ = news.send(News::Answered(asked.key.clone()));
                }
            }
            Taken::Failed(trouble) => {
                let _ = news.send(News::Failed(asks.clone(), trouble));
            }
        }
    };
    tokio::pin!(posting);
    let in_time = timeout(ACKNOWLEDGEMENT, &mut posting).await.is_ok();
    let _ = news.send(News::Posted);
    if !in_time {
        posting.await;
    }
}

/// The stream of one session.
struct Stream {
    link: Arc<Link>,
    news: mpsc::UnboundedSender<News>,
    /// The request of ours whose answer is not for the client.
    swallow: Option<IdKey>,
}

impl Stream {
    async fn run(self) {
        let url = &self.link.url;
        let trouble = match self.link.listen(&Session::default(), None).await {
            Ok(response) if response.status() != StatusCode::OK => self.link.refusal(response).await,
            Ok(response) if media_type(&response).as_deref() != Some(EVENT_STREAM) => Trouble::strange(
                url,
                response.status(),
                "something else than an event stream; is it an SSE server?",
            ),
            Ok(response) => match self.follow(response).await {
                Ok(trouble) => trouble,
                Err(Gone) => return,
            },
            Err(error) => Trouble::unreachable(url, error),
        };
        self.tell(News::Down(trouble));
    }

    /// Passes on what the server says, until the stream ends: why it did.
    async fn follow(&self, mut response: Response) -> Result<Trouble, Gone> {
        let url = &self.link.url;
        let mut events = Events::new(self.link.longest);
        let mut found: Vec<Event> = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Trouble::lost(url, "the stream ended")),
                Err(error) => return Ok(Trouble::unreachable(url, error)),
            };
            if let Err(TooLong) = events.feed(&chunk, |event| found.push(event)) {
                return Ok(Trouble::lost(url, "a message is too long"));
            }
            for event in found.drain(..) {
                match event.name.as_str() {
                    "endpoint" => {
                        let text = String::from_utf8_lossy(&event.data);
                        match endpoint(url, text.trim()) {
                            Ok(endpoint) => self.tell(News::Endpoint(endpoint)),
                            Err(trouble) => return Ok(trouble),
                        }
                    }
                    "message" => self.pass(event.data).await?,
                    _ => {}
                }
            }
        }
    }

    async fn pass(&self, data: Vec<u8>) -> Result<(), Gone> {
        let line = one_line(data);
        let look = glance(line.trim_ascii_end());
        let answers = matches!(look.kind, GlanceKind::Result { .. } | GlanceKind::Error);
        let key = look.id.filter(|_| answers).map(Id::key);
        if key.is_some() && key == self.swallow {
            self.tell(News::Reopened);
            return Ok(());
        }
        if self.link.wants(&look, &line) {
            self.link.say(line, None).await?;
        }
        if let Some(key) = key {
            self.tell(News::Answered(key));
        }
        Ok(())
    }

    fn tell(&self, news: News) {
        // The hub goes last.
        let _ = self.news.send(news);
    }
}

/// Where messages are to be sent: below the origin of the stream (2024-11-05 leaves it open; any other place would get
/// the headers, and the calls).
fn endpoint(url: &Url, text: &str) -> Result<Url, Trouble> {
    match url.join(text) {
        Ok(endpoint) if endpoint.origin() == url.origin() && endpoint.username().is_empty() => Ok(endpoint),
        Ok(_) | Err(_) => Err(Trouble::misdirected(url, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_nowhere_but_to_the_origin_of_the_stream() {
        let url = Url::parse("https://a.example:8443/sse?x=1").unwrap();
        let to = |text: &str| endpoint(&url, text).map(String::from).ok();
        assert_eq!(
            to("/messages?sessionId=1").as_deref(),
            Some("https://a.example:8443/messages?sessionId=1")
        );
        assert_eq!(to("https://a.example:8443/m").as_deref(), Some("https://a.example:8443/m"));
        for text in [
            "http://a.example:8443/m",
            "https://a.example/m",
            "//evil.example/m",
            "https://evil.example/m",
            "https://a.example:8443@evil.example/m",
            "file:///etc/passwd",
            "https://u:p@a.example:8443/m",
        ] {
            assert_eq!(to(text), None, "{text}");
        }
    }
}
