//! A server behind a URL: where it is, and the two queues that stand for it.
//!
//! It refuses to judge: a message goes out as the bytes it came in, and comes back as what the server said, one line
//! each. Invariant: the values of headers from the environment are in no message, no log and no `Debug` output.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::{Host, Url};

use super::{http, sse};
use crate::settings::{Transport, sendable};
use crate::wire::IdKey;

/// A server that cannot be connected to within this time is unreachable. Nothing else is limited: a live stream may
/// be silent for hours.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether the other end still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Messages that wait in each direction before the sender has to. Few, for one may be as long as a frame.
const QUEUE: usize = 8;
/// Longer messages than this are read only where the session's frames may be longer. Bytes; arbitrary, far above what
/// models are shown.
const LONGEST: usize = 256 << 20;

/// Where a remote server is and how it is spoken to. Clones share their connections.
#[derive(Clone)]
pub struct Endpoint {
    /// Its address, `http` or `https`.
    pub url: Url,
    /// How it is spoken to.
    pub transport: Transport,
    /// Sent with each request; marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) client: reqwest::Client,
    longest: usize,
}

/// Why a remote server cannot be spoken to as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address. It is not repeated: what is wrong with it may be a secret in it.
    #[error("the server's url {0}")]
    Url(&'static str),
    /// A header's name.
    #[error("`{0}` {1}")]
    Header(String, &'static str),
    /// The environment variable that should hold a header's value.
    #[error("the environment variable `{variable}`, which holds the header `{header}`, {why}")]
    Variable {
        /// The header.
        header: String,
        /// The variable.
        variable: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No client, mostly because the system's certificates cannot be read.
    #[error("no HTTPS client can be made: {0}")]
    Client(String),
}

/// A remote server under way: messages in, messages out. Dropping `to` ends it: what is under way is finished, the
/// session is deleted, then `from` ends. Dropping `from` as well cuts short what is under way.
pub struct Remote {
    /// Messages for the server: one each, as one line, with or without its `\n`.
    pub to: mpsc::Sender<Vec<u8>>,
    /// What the server says.
    pub from: mpsc::Receiver<Said>,
    /// Resolves when all is over, the session deleted.
    pub ended: JoinHandle<()>,
}

/// One message from the server, or an error in its place where HTTP could not deliver a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The message; ends with its only `\n`.
    pub line: Vec<u8>,
    /// The client's request on whose response stream it came; `None` for the stream that belongs to none.
    pub about: Option<IdKey>,
}

impl Endpoint {
    /// An endpoint with these headers.
    ///
    /// # Errors
    /// An address of another scheme or with credentials, a header that callgate writes itself, certificates that
    /// cannot be read.
    pub fn new(
        url: Url,
        transport: Transport,
        mut headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Self, EndpointError> {
        if !url.has_host() || !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Url("is not an http or https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Url("holds credentials: send a header from the environment instead"));
        }
        for (name, value) in &mut headers {
            sendable(name.as_str()).map_err(|why| EndpointError::Header(name.to_string(), why))?;
            value.set_sensitive(true);
        }
        let client = client(&url)?;
        Ok(Self { url, transport, headers, client, longest: LONGEST })
    }

    /// An endpoint whose headers are in the environment: `headers_env` says for each header which variable holds it.
    ///
    /// # Errors
    /// As [`Self::new`], and a variable that is not set or cannot be a header's value.
    pub fn from_environment(
        url: &str,
        transport: Transport,
        headers_env: &BTreeMap<String, String>,
    ) -> Result<Self, EndpointError> {
        let headers = headers_env.iter().map(|(header, variable)| from_environment(header, variable));
        let headers = headers.collect::<Result<_, _>>()?;
        let parsed = Url::parse(url).map_err(|_| EndpointError::Url("is not an http or https address"))?;
        Self::new(parsed, transport, headers)
    }

    /// Sets out to the server; to be called inside a runtime. Nothing is sent before the first message.
    pub fn connect(self) -> Remote {
        let (to, inbox) = mpsc::channel(QUEUE);
        let (said, from) = mpsc::channel(QUEUE);
        let ended = match self.transport {
            Transport::Http => tokio::spawn(http::speak(self, inbox, said)),
            Transport::Sse => tokio::spawn(sse::speak(self, inbox, said)),
        };
        Remote { to, from, ended }
    }

    /// Reads messages of at least this length, in bytes: the session's longest frame.
    #[must_use]
    pub fn reading(mut self, frame: usize) -> Self {
        self.longest = self.longest.max(frame);
        self
    }

    /// Longest message that is read, bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The headers of the user.
    pub(super) fn header_map(&self) -> HeaderMap {
        self.headers.iter().cloned().collect()
    }
}

/// Where an address is, as it may be told to anybody: paths of servers hold keys as well.
pub(super) fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// An address as it may be told to whoever configured it: without user, password, query and fragment, which may hold secrets.
pub(super) fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that cannot have them refuse, which is as good.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn from_environment(header: &str, variable: &str) -> Result<(HeaderName, HeaderValue), EndpointError> {
    let failed =
        |why| EndpointError::Variable { header: header.to_owned(), variable: variable.to_owned(), why };
    sendable(header).map_err(|why| EndpointError::Header(header.to_owned(), why))?;
    let name = HeaderName::try_from(header)
        .map_err(|_| EndpointError::Header(header.to_owned(), "is no header name"))?;
    let value = std::env::var_os(variable).ok_or_else(|| failed("is not set"))?;
    let value = value.into_string().map_err(|_| failed("is not UTF-8"))?;
    // A token read from a file often brings its newline.
    let value = value.trim();
    if value.is_empty() {
        return Err(failed("is empty"));
    }
    let value = HeaderValue::try_from(value).map_err(|_| failed("holds what no header may hold"))?;
    Ok((name, value))
}

/// A client for one address. A proxy on the way to our own machine would see what was never to leave it.
pub(crate) fn client(url: &Url) -> Result<reqwest::Client, EndpointError> {
    // Whoever was first has set the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("callgate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_PATIENCE)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE / 2)
        .tcp_keepalive_retries(4)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    let builder = match (is_loopback(url), url.scheme()) {
        // No certificate is ever looked at, so that reading hundreds of them is spared.
        (true, "http") => builder.no_proxy().tls_certs_only([]),
        (true, _) => builder.no_proxy(),
        (false, _) => builder,
    };
    builder.build().map_err(|error| EndpointError::Client(chain(&error)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// An error with its causes, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
