//! One message sent by POST, and all that comes back for it.
//!
//! It refuses to send a message twice: a stream that breaks off is resumed where the server said how, else its request
//! gets an error. Invariant: each request of the message is answered exactly once, unless the exchange is cut short.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::link::{EVENT_STREAM, Gone, JSON, Link, Session, Taken, media_type, session_id};
use super::outgoing::{Kind, Outgoing};
use crate::transport::trouble::{Asked, Trouble};
use crate::wire::events::{Event, Events, TooLong, one_line};
use crate::wire::{Glance, GlanceKind, Id, IdKey, Json, glance, glance_batch};

/// How long after the answer the server may take to end the stream, so that its connection can be used again.
const LINGER: Duration = Duration::from_secs(1);
/// The wait before a stream is resumed, where the server has not said how long.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// The shortest wait that a server can ask for.
pub(super) const SHORTEST_RETRY: Duration = Duration::from_millis(20);
/// The longest.
pub(super) const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// Attempts to resume a stream that fail in a row before its request is given up.
const ATTEMPTS: u32 = 3;

/// What the tasks of one connection tell the hub.
pub(super) enum News {
    /// The answer to `initialize` has come, and opens this session. Before the answer is passed on.
    Opened(Session),
    /// A result of tools/list has come.
    Tools(Vec<u8>),
    /// Every request of the exchange with this number has its answer.
    Answered(u64),
    /// The notification is with the server.
    Delivered(Outgoing),
    /// The server does not know this session any more; the message was not run.
    Forgotten(Outgoing, Session),
    /// A session has been opened in place of another, or could not be.
    Reopened(Result<Session, Trouble>),
}

/// Who listens to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// The client.
    Client,
    /// Only we do: the client has had its answer to this message long ago.
    Nobody,
}

/// One message under way.
pub(super) struct Exchange {
    pub link: Arc<Link>,
    pub news: mpsc::UnboundedSender<News>,
    pub number: u64,
    pub session: Session,
    pub audience: Audience,
    /// Requests without an answer so far.
    pending: Vec<Asked>,
    about: Option<IdKey>,
    kind: Kind,
    /// What the headers of the answer to `initialize` say.
    opens: Option<HeaderValue>,
    trouble: Option<Trouble>,
}

/// How a stream ended.
enum End {
    /// With all answers.
    Answered,
    /// Without some.
    Cut,
    TooLong,
    Gone,
}

impl Exchange {
    pub fn new(
        link: Arc<Link>,
        news: mpsc::UnboundedSender<News>,
        (number, session): (u64, Session),
        audience: Audience,
    ) -> Self {
        Self {
            link,
            news,
            number,
            session,
            audience,
            pending: Vec::new(),
            about: None,
            kind: Kind::Plain,
            opens: None,
            trouble: None,
        }
    }

    /// POSTs the message and passes on what comes back.
    pub async fn run(mut self, message: Outgoing) {
        if let Err(Forgotten(message)) = self.post(message).await {
            self.tell(News::Forgotten(message, self.session.clone()));
        }
        self.tell(News::Answered(self.number));
    }

    /// The same, for a message that the client does not wait for. Why it failed, if it did.
    pub async fn quietly(&mut self, message: Outgoing) -> Result<(), Trouble> {
        if self.post(message).await.is_err() {
            return Err(Trouble::session_lost(&self.link.url));
        }
        self.trouble.take().map_or(Ok(()), Err)
    }

    async fn post(&mut self, message: Outgoing) -> Result<(), Forgotten> {
        self.pending.clone_from(&message.asks);
        self.about = message.about();
        self.kind.clone_from(&message.kind);
        if self.audience == Audience::Nobody {
            self.link.expect_none(&message.asks);
        }
        match self.link.post(&message, &self.session).await {
            Taken::Answered(response) => self.receive(response).await,
            Taken::Forgotten => return Err(Forgotten(message)),
            Taken::Refused(line) => {
                self.pass(line).await.ok();
            }
            Taken::Failed(trouble) => self.fail(trouble).await,
        }
        Ok(())
    }

    async fn receive(&mut self, response: Response) {
        self.opens = session_id(&response);
        let status = response.status();
        let kind = media_type(&response);
        match kind.as_deref() {
            Some(EVENT_STREAM) => self.stream(response).await,
            Some(JSON) if status != StatusCode::ACCEPTED => self.body(response).await,
            _ if self.pending.is_empty() => {}
            Some(kind) => {
                let trouble = Trouble::strange(&self.link.url, status, &format!("a body of type `{kind}`"));
                self.fail(trouble).await;
            }
            None => self.fail(Trouble::strange(&self.link.url, status, "no answer")).await,
        }
    }

    /// A JSON body: one message, or the array that answers a batch.
    async fn body(&mut self, mut response: Response) {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.link.longest => {
                    return self.fail(too_long(&self.link)).await;
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return self.fail(Trouble::unreachable(&self.link.url, error)).await,
            }
        }
        if self.pass(body).await.is_ok() && !self.pending.is_empty() {
            let trouble = Trouble::strange(&self.link.url, response.status(), "a body that holds no answer");
            self.fail(trouble).await;
        }
    }

    /// A stream of events until its end, and where the server has said how, beyond.
    async fn stream(&mut self, response: Response) {
        let mut events = Events::new(self.link.longest);
        let mut end = self.follow(response, &mut events).await;
        let mut failed = 0;
        // Streams of 2026-07-28 cannot be resumed.
        let may_resume = !matches!(self.kind, Kind::Modern(_));
        while let (End::Cut, Some(last_id)) =
            (&end, events.last_id().filter(|_| may_resume).map(str::to_owned))
        {
            sleep(wait(&events)).await;
            let resumed = match self.link.listen(&self.session, Some(&last_id)).await {
                Ok(response) if response.status() == StatusCode::OK => response,
                Ok(response) if response.status().is_client_error() => break,
                Ok(_) | Err(_) if failed + 1 == ATTEMPTS => break,
                Ok(_) | Err(_) => {
                    failed += 1;
                    continue;
                }
            };
            failed = 0;
            events.resume();
            end = self.follow(resumed, &mut events).await;
        }
        match end {
            End::Answered | End::Gone => {}
            End::TooLong => self.fail(too_long(&self.link)).await,
            End::Cut => self.fail(Trouble::lost(&self.link.url, "the stream ended")).await,
        }
    }

    async fn follow(&mut self, mut response: Response, events: &mut Events) -> End {
        let mut found: Vec<Event> = Vec::new();
        loop {
            let next = if self.pending.is_empty() {
                timeout(LINGER, response.chunk()).await.unwrap_or(Ok(None))
            } else {
                response.chunk().await
            };
            let Ok(Some(chunk)) = next else {
                return if self.pending.is_empty() { End::Answered } else { End::Cut };
            };
            if let Err(TooLong) = events.feed(&chunk, |event| found.push(event)) {
                return if self.pending.is_empty() { End::Answered } else { End::TooLong };
            }
            for event in found.drain(..) {
                if event.name == "message" && self.pass(event.data).await.is_err() {
                    return End::Gone;
                }
            }
        }
    }

    /// Passes a message on, and notes what it answers.
    async fn pass(&mut self, data: Vec<u8>) -> Result<(), Gone> {
        let line = one_line(data);
        let look = glance(line.trim_ascii_end());
        match look.kind {
            GlanceKind::Batch => glance_batch(&line).for_each(|one| self.note(&one)),
            GlanceKind::Blank
            | GlanceKind::NotJson
            | GlanceKind::Ambiguous
            | GlanceKind::Request
            | GlanceKind::Notification
            | GlanceKind::Result { .. }
            | GlanceKind::Error
            | GlanceKind::Other => self.note(&look),
        }
        let own = look.id.map(Id::key) == self.about;
        let answers = matches!(look.kind, GlanceKind::Result { .. } | GlanceKind::Error);
        let is_ours = self.audience == Audience::Nobody && own && answers;
        if !is_ours && self.link.wants(&look, &line) {
            self.link.say(line, self.about.as_ref()).await?;
        }
        if self.pending.is_empty() {
            self.tell(News::Answered(self.number));
        }
        Ok(())
    }

    fn note(&mut self, look: &Glance<'_>) {
        let answers = matches!(look.kind, GlanceKind::Result { .. } | GlanceKind::Error);
        let Some(key) = look.id.filter(|_| answers).map(Id::key) else { return };
        let before = self.pending.len();
        self.pending.retain(|asked| asked.key != key);
        if before == self.pending.len() {
            return;
        }
        match (&self.kind, look.result) {
            (Kind::Initialize, Some(result)) => self.opened(result),
            (Kind::ToolsList | Kind::Modern(_), Some(result)) if lists_tools(&self.kind) => {
                self.tell(News::Tools(result.to_vec()));
            }
            _ => {}
        }
    }

    fn opened(&mut self, result: &[u8]) {
        let result = str::from_utf8(result).ok().and_then(Json::from_text);
        let revision = result.and_then(|result| result.member("protocolVersion")).and_then(Json::as_str);
        let revision = revision.and_then(|text| HeaderValue::from_str(&text).ok());
        self.session = Session { epoch: self.session.epoch + 1, id: self.opens.take(), revision };
        if self.audience == Audience::Client {
            self.tell(News::Opened(self.session.clone()));
        }
    }

    /// Answers what is pending with an error.
    async fn fail(&mut self, trouble: Trouble) {
        for asked in std::mem::take(&mut self.pending) {
            if self.audience == Audience::Client {
                self.link.give_up(&asked, &trouble, self.about.as_ref()).await.ok();
            }
        }
        self.trouble = Some(trouble);
    }

    fn tell(&self, news: News) {
        // The hub goes last.
        let _ = self.news.send(news);
    }
}

/// The message that met a server which has forgotten its session.
struct Forgotten(Outgoing);

/// How long to leave the server alone before a stream is resumed.
pub(super) fn wait(events: &Events) -> Duration {
    events.retry_ms().map_or(RETRY, Duration::from_millis).clamp(SHORTEST_RETRY, LONGEST_RETRY)
}

fn lists_tools(kind: &Kind) -> bool {
    match kind {
        Kind::ToolsList => true,
        Kind::Modern(headers) => {
            headers.iter().any(|(name, value)| name == "mcp-method" && value == crate::wire::mcp::TOOLS_LIST)
        }
        Kind::Initialize
        | Kind::Initialized
        | Kind::Cancelled(_)
        | Kind::Notification
        | Kind::Plain
        | Kind::Answer => false,
    }
}

fn too_long(link: &Link) -> Trouble {
    let what = format!("a message longer than {} bytes", link.longest);
    Trouble::strange(&link.url, StatusCode::OK, &what)
}
