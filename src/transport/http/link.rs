//! What every exchange with one server shares: where it is, what is sent along, and to whom its messages go.
//!
//! It refuses to keep state. Invariant: no request is sent to another address than the one that was configured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;
use url::Url;

use super::answers::Answers;
use super::outgoing::{Kind, Outgoing};
use crate::transport::remote::{Endpoint, Said};
use crate::transport::trouble::{Asked, Trouble};
use crate::wire::{Glance, Id, IdKey, Json, JsonKind};

pub(super) const JSON: &str = "application/json";
pub(in crate::transport) const EVENT_STREAM: &str = "text/event-stream";
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// So much is read of the body of an HTTP error. Bytes.
const MOST_OF_AN_ERROR: usize = 1 << 20;

/// What every exchange shares.
pub(in crate::transport) struct Link {
    pub client: reqwest::Client,
    pub url: Url,
    pub headers: HeaderMap,
    pub said: mpsc::Sender<Said>,
    /// Longest message, bytes.
    pub longest: usize,
    answers: Arc<Mutex<Answers>>,
}

/// The session of 2025-03-26 to 2025-11-25 that a message belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::transport) struct Session {
    /// Which one it is of those that this server has opened for us.
    pub epoch: u64,
    /// `Mcp-Session-Id`, where the server has given one.
    pub id: Option<HeaderValue>,
    /// The revision that was agreed on.
    pub revision: Option<HeaderValue>,
}

/// How the server took a message.
pub(in crate::transport) enum Taken {
    /// With an answer to read.
    Answered(Response),
    /// It was not run, for its session is over.
    Forgotten,
    /// With an error of its own for the request, to be passed on.
    Refused(Vec<u8>),
    /// Not at all.
    Failed(Trouble),
}

impl Link {
    pub fn new(endpoint: Endpoint, said: mpsc::Sender<Said>) -> Self {
        let headers = endpoint.header_map();
        let (longest, answers) = (endpoint.longest(), Arc::default());
        Self { headers, longest, client: endpoint.client, url: endpoint.url, said, answers }
    }

    /// The same for another address, to which messages go.
    pub fn at(&self, url: Url) -> Self {
        let (client, headers, said) = (self.client.clone(), self.headers.clone(), self.said.clone());
        Self { client, url, headers, said, longest: self.longest, answers: Arc::clone(&self.answers) }
    }

    /// The client waits for the answer to each of these.
    pub fn ask(&self, asks: &[Asked]) {
        for asked in asks {
            self.answers().ask(&asked.key);
        }
    }

    /// The client waits no longer.
    pub fn forget(&self, key: &IdKey) {
        self.answers().forget(key);
    }

    /// The client has had the answer to these.
    pub fn expect_none(&self, asks: &[Asked]) {
        for asked in asks {
            self.answers().expect_none(asked.key.clone());
        }
    }

    /// Whether a line of the server is to be passed on, which is then as good as done: not where it answers only what
    /// has had its answer, or an error in the place of one.
    pub fn wants(&self, look: &Glance<'_>, line: &[u8]) -> bool {
        self.answers().take(look, line)
    }

    /// Answers a request with an error, unless it has its answer by another stream.
    pub async fn give_up(&self, asked: &Asked, trouble: &Trouble, about: Option<&IdKey>) -> Result<(), Gone> {
        let is_open = self.answers().give_up(&asked.key);
        if is_open { self.say(trouble.frame(asked), about).await } else { Ok(()) }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a line on, unless it is blank; an error where nobody listens any more.
    pub async fn say(&self, line: Vec<u8>, about: Option<&IdKey>) -> Result<(), Gone> {
        if line.len() == 1 {
            return Ok(());
        }
        self.said.send(Said { line, about: about.cloned() }).await.map_err(|_| Gone)
    }

    /// POSTs a message.
    pub async fn post(&self, message: &Outgoing, session: &Session) -> Taken {
        let request = self.request(Method::POST, EITHER).header(CONTENT_TYPE, JSON);
        let request = match &message.kind {
            Kind::Modern(headers) => {
                headers.iter().fold(request, |request, (name, value)| request.header(name, value))
            }
            Kind::Initialize => request,
            Kind::Initialized
            | Kind::Cancelled(_)
            | Kind::Notification
            | Kind::ToolsList
            | Kind::Plain
            | Kind::Answer => in_session(request, session),
        };
        let response = match request.body(message.body.clone()).send().await {
            Ok(response) => response,
            Err(error) => return Taken::Failed(Trouble::unreachable(&self.url, error)),
        };
        if response.status().is_success() {
            return Taken::Answered(response);
        }
        let session = Some(session).filter(|_| !matches!(message.kind, Kind::Modern(_) | Kind::Initialize));
        self.refused(response, message, session.is_some_and(|session| session.id.is_some())).await
    }

    /// GETs the stream that belongs to no request, or the rest of one that broke off.
    pub async fn listen(&self, session: &Session, last_id: Option<&str>) -> reqwest::Result<Response> {
        let request = in_session(self.request(Method::GET, EVENT_STREAM), session);
        let last_id = last_id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        let request = match last_id {
            Some(last_id) => request.header(LAST_EVENT_ID, last_id),
            None => request,
        };
        request.send().await
    }

    /// Ends a session; what the server says to that changes nothing.
    pub async fn delete(&self, session: &Session) {
        if session.id.is_some() {
            let _ = in_session(self.request(Method::DELETE, EITHER), session).send().await;
        }
    }

    /// What an HTTP error to a GET means.
    pub async fn refusal(&self, response: Response) -> Trouble {
        let nothing =
            Outgoing { body: bytes::Bytes::new(), asks: Vec::new(), kind: Kind::Plain, replayed: false };
        match self.refused(response, &nothing, false).await {
            Taken::Failed(trouble) => trouble,
            Taken::Answered(_) | Taken::Forgotten | Taken::Refused(_) => {
                Trouble::lost(&self.url, "it gave no stream")
            }
        }
    }

    fn request(&self, method: Method, accept: &'static str) -> RequestBuilder {
        self.client.request(method, self.url.clone()).headers(self.headers.clone()).header(ACCEPT, accept)
    }

    /// What an HTTP error means for a message.
    async fn refused(&self, response: Response, message: &Outgoing, in_session: bool) -> Taken {
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get("location").and_then(|to| to.to_str().ok());
            return Taken::Failed(Trouble::redirect(&self.url, status, location));
        }
        let body = beginning(response).await;
        let error = body.as_deref().and_then(|body| str::from_utf8(body).ok()).and_then(RpcError::read);
        let own = error.as_ref().and_then(|error| error.answer_to(message));
        match (own, &error) {
            (Some(_), Some(error)) if in_session && error.is_lost_session(status) => return Taken::Forgotten,
            (Some(line), _) => return Taken::Refused(line),
            (None, _) => {}
        }
        let lost = error.as_ref().is_some_and(|error| error.is_lost_session(status));
        if in_session && (status == StatusCode::NOT_FOUND || lost) {
            return Taken::Forgotten;
        }
        let said = error.as_ref().and_then(RpcError::message);
        Taken::Failed(Trouble::status(&self.url, status, said.as_deref()))
    }
}

/// Nobody listens to what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) struct Gone;

/// What a POST may be answered with (2025-03-26, "Sending Messages to the Server").
const EITHER: &str = "application/json, text/event-stream";

fn in_session(request: RequestBuilder, session: &Session) -> RequestBuilder {
    let request = session.id.iter().fold(request, |request, id| request.header(SESSION_ID, id));
    session.revision.iter().fold(request, |request, revision| request.header(PROTOCOL_VERSION, revision))
}

/// The session that the answer to `initialize` has opened.
pub(super) fn session_id(response: &Response) -> Option<HeaderValue> {
    response.headers().get(SESSION_ID).cloned()
}

/// The media type of a body, without parameters, in lower case.
pub(in crate::transport) fn media_type(response: &Response) -> Option<String> {
    let text = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The body of an HTTP error, unless it is longer than any error is.
async fn beginning(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MOST_OF_AN_ERROR {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// A JSON-RPC error in the body of an HTTP error.
struct RpcError<'a> {
    whole: Json<'a>,
    id: Option<Json<'a>>,
    error: Json<'a>,
}

impl<'a> RpcError<'a> {
    fn read(body: &'a str) -> Option<Self> {
        let whole = Json::from_text(body)?;
        let error = whole.member("error").filter(|error| error.kind() == JsonKind::Object)?;
        let id = whole.member("id").filter(|id| id.kind() != JsonKind::Null);
        Some(Self { whole, id, error })
    }

    /// The line that answers the one request of a message: the body as it is if it names the request; if it names none,
    /// the server's error under the request's id. Dual-era clients tell by it which era the server speaks.
    fn answer_to(&self, message: &Outgoing) -> Option<Vec<u8>> {
        let [asked] = message.asks.as_slice() else { return None };
        let code = self.error.member("code").map(Json::text)?;
        match self.id.map(|id| Id::from_json(id).map(Id::key)) {
            Some(Some(key)) if key == asked.key => Some(self.whole.text().as_bytes().to_vec()),
            None if code.starts_with("-3202") => {
                let error = self.error.text();
                Some(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, asked.raw).into_bytes())
            }
            Some(_) | None => None,
        }
    }

    fn message(&self) -> Option<std::borrow::Cow<'a, str>> {
        self.error.member("message").and_then(Json::as_str)
    }

    /// Whether this error of the transport says that the session is not known. The status for that is 404, but many
    /// servers say 400. A method that is not known is an answer of the server behind.
    fn is_lost_session(&self, status: StatusCode) -> bool {
        let code = self.error.member("code").map(Json::text);
        let words = || self.message().unwrap_or_default().to_ascii_lowercase();
        match status {
            StatusCode::NOT_FOUND => code != Some("-32601"),
            StatusCode::BAD_REQUEST => {
                words().contains("session") || words().contains("server not initialized")
            }
            _ => false,
        }
    }
}
