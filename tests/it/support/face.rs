//! HTTP as bytes: a small client over TCP, and a face to speak to.
//!
//! It refuses to be clever: what is sent is what was given, and what came is shown as it came.
//!
//! Invariant: no read waits longer than [`PATIENCE`], and the face is gone when its [`Face`] is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use callgate::store::{Added, Keys, Scope};
use serde_json::{Value, json};

use super::home::{Home, until};
use super::process::{PATIENCE, Piped};

/// What clients send to take both kinds of answers.
pub const BOTH: &str = "application/json, text/event-stream";

/// A running `callgate serve`.
pub struct Face {
    /// The process.
    pub process: Piped,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Face {
    /// `callgate serve` of this home with these options, once it listens.
    pub fn start(home: &Home, options: &[&str]) -> Self {
        let mut command = home.callgate(["serve", "--listen", "127.0.0.1:0"].iter().chain(options));
        Self::of(&mut command)
    }

    /// The same from a command.
    pub fn of(command: &mut Command) -> Self {
        let process = Piped::start(command);
        let told = until(PATIENCE, || {
            let text = process.stderr();
            let address = text.split("listening on http").nth(1)?.split_once("://")?.1;
            address.split_once('\n')?.0.parse().ok()
        });
        let address = told.unwrap_or_else(|| panic!("it does not listen: {}", process.stderr()));
        Self { process, address }
    }

    /// The beginning of every URL of it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A request to it on a connection of its own.
    pub fn ask(&self, request: &Request) -> Response {
        self.open(request).response()
    }

    /// The same, without waiting for the response.
    pub fn open(&self, request: &Request) -> Exchange {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Who refuses a body may answer before all of it has come, and close.
        stream.write_all(&request.bytes(self.address)).ok();
        Exchange { source: BufReader::new(stream) }
    }

    /// Asks the process to end in order, and waits until it has. False when it stays.
    pub fn stop(mut self) -> bool {
        self.terminate();
        self.process.wait(PATIENCE).is_some()
    }

    /// Asks the process to end in order.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.process.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

/// A key for `serve`, made in the home's store.
pub fn key(home: &Home, name: &str, agent: Option<&str>, scopes: &[Scope]) -> String {
    std::fs::create_dir_all(home.store().parent().unwrap()).unwrap();
    match Keys::open(&home.store()).unwrap().add(name, agent, scopes).unwrap() {
        Added::Made(_, secret) => secret.reveal().to_owned(),
        Added::NameTaken(key) => panic!("{key:?}"),
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers but `Host` and what its body needs.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of a message, with a key.
    pub fn post(path: &str, key: &str, message: &Value) -> Self {
        Self::bytes_post(path, key, message.to_string().as_bytes())
    }

    /// The same with bytes.
    pub fn bytes_post(path: &str, key: &str, body: &[u8]) -> Self {
        let mut request = Self::new("POST", path).with("Authorization", &format!("Bearer {key}"));
        request.body = body.to_vec();
        request.with("Content-Type", "application/json").with("Accept", BOTH)
    }

    /// With this header, in the place of any of that name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With one more header.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// As it is sent to this address.
    pub fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let known = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.path)];
        lines.extend((!known("host")).then(|| format!("Host: {address}")));
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend((!known("content-length")).then(|| format!("Content-Length: {}", self.body.len())));
        lines.push("Connection: close\r\n\r\n".to_owned());
        let mut bytes = lines.join("\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A request that was sent, and its response on the way.
pub struct Exchange {
    source: BufReader<TcpStream>,
}

impl Exchange {
    /// The status and the headers, once they are there; the body is read from what comes back.
    pub fn head(self) -> Coming {
        self.try_head().expect("the connection ended in the head")
    }

    /// With less patience for each read.
    pub fn within(self, patience: Duration) -> Self {
        self.source.get_ref().set_read_timeout(Some(patience)).unwrap();
        self
    }

    /// The same. `None` when the connection ends before that.
    pub fn try_head(mut self) -> Option<Coming> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.source.read_line(&mut line).ok().filter(|_| line.ends_with('\n'))?;
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines[1..]
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let find =
            |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let chunked = find("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let left = find("content-length").map(|length| length.parse().unwrap());
        Some(Coming { status, headers, source: self.source, chunked, left, ahead: Vec::new() })
    }

    /// All of it.
    pub fn response(self) -> Response {
        self.head().response()
    }
}

/// A response whose body is yet to come.
pub struct Coming {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    source: BufReader<TcpStream>,
    chunked: bool,
    left: Option<usize>,
    ahead: Vec<u8>,
}

impl Coming {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What is left of it, with its head.
    pub fn response(mut self) -> Response {
        let mut body = Vec::new();
        while let Some(piece) = self.piece() {
            body.extend(piece);
        }
        Response { status: self.status, headers: self.headers, body }
    }

    /// The next piece of the body; `None` at its end.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        if self.chunked {
            let mut size = String::new();
            self.source.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            let mut piece = vec![0; size + 2];
            self.source.read_exact(&mut piece).ok()?;
            piece.truncate(size);
            return Some(piece);
        }
        let mut piece = vec![0; self.left.unwrap_or(1 << 16).min(1 << 16)];
        let read = self.source.read(&mut piece).unwrap_or(0);
        piece.truncate(read);
        self.left = self.left.map(|left| left - read);
        (read > 0).then_some(piece)
    }

    /// The next event with data; `None` at the end.
    pub fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(at) = self.ahead.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.ahead.drain(..at + 2).collect();
                let event = Event::read(&String::from_utf8(block).unwrap());
                if event.id.is_some() || !event.data.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let piece = self.piece()?;
            self.ahead.extend(piece);
        }
    }

    /// The next message among the events.
    pub fn message(&mut self) -> Value {
        loop {
            let event = self.event().expect("the stream ended");
            if !event.data.is_empty() {
                return event.json();
            }
        }
    }
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: Option<String>,
    /// Its data, lines joined.
    pub data: String,
}

impl Event {
    fn read(block: &str) -> Self {
        let field = |name: &str| {
            let of = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
            block.lines().filter_map(of).collect::<Vec<_>>()
        };
        Self { id: field("id").pop(), data: field("data").join("\n") }
    }

    /// Its data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// A whole response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON: itself, or the last of its events.
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        let is_events = self.header("content-type") == Some("text/event-stream");
        let last = text.rsplit("data: ").next().unwrap_or_default().to_owned();
        let text = if is_events { last } else { text.into_owned() };
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A client of the years 2025, in a session.
pub struct HttpClient<'a> {
    /// Whom it speaks to.
    pub face: &'a Face,
    path: String,
    key: String,
    /// The session's id.
    pub session: String,
    revision: String,
    last_id: u64,
}

impl<'a> HttpClient<'a> {
    /// Shakes hands at revision 2025-11-25 with a server of the face.
    pub fn open(face: &'a Face, server: &str, key: &str) -> Self {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        Self::greet(face, server, key, hello.to_string().as_bytes(), "2025-11-25")
    }

    /// Shakes hands with these words, which are of this revision.
    pub fn greet(face: &'a Face, server: &str, key: &str, hello: &[u8], revision: &str) -> Self {
        let path = format!("/mcp/{server}");
        let answer = face.ask(&Request::bytes_post(&path, key, hello));
        assert_eq!(answer.status, 200, "{answer:?}; {}", face.process.stderr());
        let session = answer.header("mcp-session-id").unwrap().to_owned();
        let revision = revision.to_owned();
        let client = Self { face, path, key: key.to_owned(), session, revision, last_id: 0 };
        let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.face.ask(&client.message(&told)).status, 202);
        client
    }

    /// A POST of a message in the session.
    pub fn message(&self, message: &Value) -> Request {
        self.in_session(Request::post(&self.path, &self.key, message))
    }

    /// A POST of bytes in the session.
    pub fn bytes(&self, body: &[u8]) -> Request {
        self.in_session(Request::bytes_post(&self.path, &self.key, body))
    }

    /// A request without a body in the session.
    pub fn plain(&self, method: &str) -> Request {
        let request = Request::new(method, &self.path).with("Authorization", &format!("Bearer {}", self.key));
        self.in_session(request.with("Accept", "text/event-stream"))
    }

    /// A tool's call as a request.
    pub fn call_request(&mut self, tool: &str, arguments: &Value) -> Request {
        self.last_id += 1;
        let params = json!({"name": tool, "arguments": arguments});
        self.message(&json!({"jsonrpc": "2.0", "id": self.last_id, "method": "tools/call", "params": params}))
    }

    /// Calls a tool: the response.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Response {
        let request = self.call_request(tool, arguments);
        self.face.ask(&request)
    }

    fn in_session(&self, request: Request) -> Request {
        request.with("Mcp-Session-Id", &self.session).with("MCP-Protocol-Version", &self.revision)
    }
}
