//! A scripted HTTP server: each request is noted, and answered by what a test says.
//!
//! It refuses to know MCP beyond the usual answers: what a server does wrong is the point of most tests.
//!
//! Invariant: nothing of it outlives the [`Web`], whose port is free again once it is dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::home::until;
use super::process::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `POST`, `GET`, `DELETE`.
    pub method: String,
    /// The target.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The JSON-RPC method of the body; empty where there is none.
    pub fn rpc(&self) -> String {
        self.json()["method"].as_str().unwrap_or_default().to_owned()
    }

    /// The result for this request, as a JSON-RPC message.
    pub fn result(&self, result: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": self.json()["id"], "result": result})
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    after: After,
}

/// What happens to the connection after the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It is used again; the body has a length.
    Reuse,
    /// It is closed; the body has none.
    Close,
    /// It stays as it is until the other side closes it.
    Hold,
    /// The same, with nothing said at all.
    Never,
}

impl Reply {
    /// A status and nothing else.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), after: After::Reuse }
    }

    /// A body of a type.
    pub fn body(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty(status).with("content-type", kind) }
    }

    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self::body(200, "application/json", value.to_string())
    }

    /// A stream of events that ends after these.
    pub fn events(events: impl Into<Vec<u8>>) -> Self {
        Self { after: After::Close, ..Self::body(200, "text/event-stream", events) }
    }

    /// A stream of events that stays open after these.
    pub fn open_events(events: impl Into<Vec<u8>>) -> Self {
        Self { after: After::Hold, ..Self::events(events) }
    }

    /// No answer, ever.
    pub fn never() -> Self {
        Self { after: After::Never, ..Self::empty(200) }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut lines = vec![format!("HTTP/1.1 {} Scripted", self.status)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(match self.after {
            After::Reuse => format!("content-length: {}", self.body.len()),
            After::Close | After::Hold => "connection: close".to_owned(),
            After::Never => return Vec::new(),
        });
        let head = lines.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), &self.body].concat()
    }
}

type Script = dyn Fn(&Heard) -> Reply + Send + Sync;

/// A server under way.
pub struct Web {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    tls: Option<Arc<ServerConfig>>,
    heard: Mutex<Vec<Heard>>,
    /// Requests whose connection the other side has closed while it was held.
    left: Mutex<Vec<Heard>>,
    connections: Mutex<Vec<TcpStream>>,
    over: Mutex<bool>,
}

impl Web {
    /// A server on a free port.
    pub fn start(script: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// A server on this port, where another may have been before.
    pub fn start_at(address: SocketAddr, script: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::begin(address, None, Box::new(script))
    }

    /// A server that speaks TLS with this certificate.
    pub fn start_tls(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        script: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::begin(SocketAddr::from(([127, 0, 0, 1], 0)), Some(Arc::new(tls)), Box::new(script))
    }

    fn begin(address: SocketAddr, tls: Option<Arc<ServerConfig>>, script: Box<Script>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            tls,
            heard: Mutex::default(),
            left: Mutex::default(),
            connections: Mutex::default(),
            over: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(connection) = connection else { return };
                let shared = Arc::clone(&serving);
                let over = shared.over.lock().unwrap();
                if *over {
                    return;
                }
                let socket = connection.try_clone().unwrap();
                shared.connections.lock().unwrap().push(connection.try_clone().unwrap());
                drop(over);
                thread::spawn(move || match &shared.tls {
                    Some(tls) => {
                        let session = ServerConnection::new(Arc::clone(tls)).unwrap();
                        shared.serve(StreamOwned::new(session, connection), &socket);
                    }
                    None => shared.serve(connection, &socket),
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Every request so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// Waits for a request like this one, and gives the first.
    pub fn await_heard(&self, what: &str, is_it: impl Fn(&Heard) -> bool) -> Heard {
        let found = until(PATIENCE, || self.heard().into_iter().find(&is_it));
        found.unwrap_or_else(|| panic!("no {what} in {:#?}", self.heard()))
    }

    /// Waits until the other side has closed the connection of a request like this one.
    pub fn await_left(&self, what: &str, is_it: impl Fn(&Heard) -> bool) {
        let left = until(PATIENCE, || self.shared.left.lock().unwrap().iter().any(&is_it).then_some(()));
        assert!(left.is_some(), "nobody left {what}");
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        *self.shared.over.lock().unwrap() = true;
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            connection.shutdown(Shutdown::Both).ok();
        }
        // Wakes the listener, which then goes.
        TcpStream::connect(self.address).ok();
        until(PATIENCE, || TcpStream::connect(self.address).is_err().then_some(()));
    }
}

impl Shared {
    fn serve(&self, connection: impl Read + Write, socket: &TcpStream) {
        let mut reader = BufReader::new(connection);
        while let Some(heard) = read(&mut reader) {
            self.heard.lock().unwrap().push(heard.clone());
            let reply = (self.script)(&heard);
            let sent = reader.get_mut().write_all(&reply.bytes()).and_then(|()| reader.get_mut().flush());
            if sent.is_err() {
                return;
            }
            match reply.after {
                After::Reuse => {}
                After::Close => {
                    // Dropping it would not do: its twin among the connections is open still.
                    socket.shutdown(Shutdown::Both).ok();
                    return;
                }
                After::Hold | After::Never => {
                    let mut rest = Vec::new();
                    reader.read_to_end(&mut rest).ok();
                    self.left.lock().unwrap().push(heard);
                    return;
                }
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Heard> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Heard { method, path, headers, body })
}

/// What a server of 2025-11-25 answers to what tests do not care about.
pub fn usual(heard: &Heard) -> Reply {
    match (heard.method.as_str(), heard.rpc().as_str()) {
        ("GET", _) => Reply::empty(405),
        ("DELETE", _) => Reply::empty(200),
        (_, "initialize") => Reply::json(&heard.result(&json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"},
        })))
        .with("mcp-session-id", "s-1"),
        (_, _) if heard.json()["id"].is_null() || heard.json()["method"].is_null() => Reply::empty(202),
        (_, "tools/call") => Reply::json(&heard.result(&text("done"))),
        (_, _) => Reply::json(&heard.result(&json!({}))),
    }
}

/// A tool's result with this text.
pub fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// An event with this message, under an id where one is given.
pub fn event(id: Option<&str>, message: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: message\ndata: {message}\n\n")
}
