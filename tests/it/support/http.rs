//! A plain HTTP/1.1 client that sends exactly the bytes it is given.
//!
//! It refuses to help: no header is added but the length, none is corrected, and what comes back is not judged.
//!
//! Invariant: each request has a connection of its own, and no read waits longer than the [`Site`]'s patience.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::process::PATIENCE;

/// One place to which requests go, with the headers that all of them carry.
#[derive(Clone)]
pub struct Site {
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
    patience: Duration,
}

/// What a server answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// The code of the status line.
    pub status: u16,
    /// Names in lower case, values as they came.
    pub headers: Vec<(String, String)>,
    /// As far as it came before its end or the deadline.
    pub body: Vec<u8>,
}

impl Site {
    /// The place of an `http://` URL. The only header is the Host that the URL says.
    pub fn new(url: &str) -> Self {
        let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let headers = vec![("Host".to_owned(), authority.to_owned())];
        Self { authority: authority.to_owned(), path: format!("/{path}"), headers, patience: PATIENCE }
    }

    /// The same, with one more header, or another value of one that is there.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// The same, with less or more patience.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What an MCP client says of itself besides: JSON goes, JSON or events may come.
    #[must_use]
    pub fn for_mcp(self) -> Self {
        self.with("Content-Type", "application/json").with("Accept", "application/json, text/event-stream")
    }

    /// Sends a body and waits for all that is answered.
    pub fn post(&self, body: &[u8]) -> io::Result<Answer> {
        let mut opened = self.open("POST", body)?;
        opened.read_to_end();
        Ok(opened.answer)
    }

    /// Any method without a body.
    pub fn ask(&self, method: &str) -> io::Result<Answer> {
        let mut opened = self.open(method, b"")?;
        opened.read_to_end();
        Ok(opened.answer)
    }

    /// Sends a request and reads no further than the head of what is answered.
    pub fn open(&self, method: &str, body: &[u8]) -> io::Result<Opened> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let mut head = format!("{method} {} HTTP/1.1\r\nConnection: close\r\n", self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        // Who refuses a body may answer before it has come, and close.
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
        Opened::read_head(BufReader::new(stream))
    }
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The JSON-RPC messages in it, whether it is one or a stream of events.
    pub fn messages(&self) -> Vec<Value> {
        if !self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return serde_json::from_slice(&self.body).into_iter().collect();
        }
        let text = String::from_utf8_lossy(&self.body);
        let events = text.split("\n\n").map(|event| {
            let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
            data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        });
        events.filter_map(|data| serde_json::from_str(&data).ok()).collect()
    }
}

/// An answer whose head has come.
pub struct Opened {
    /// What has been read of it.
    pub answer: Answer,
    source: BufReader<TcpStream>,
    body: Body,
}

/// How the end of a body is known.
enum Body {
    Length(usize),
    Chunks,
    Close,
}

impl Opened {
    fn read_head(mut source: BufReader<TcpStream>) -> io::Result<Self> {
        let status = line(&mut source)?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer = Answer { status: code.ok_or(io::ErrorKind::InvalidData)?, ..Answer::default() };
        loop {
            let header = line(&mut source)?;
            let Some((name, value)) = header.split_once(':') else { break };
            answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let body = match (length, answer.header("transfer-encoding")) {
            (Some(length), _) => Body::Length(length),
            (None, Some(_)) => Body::Chunks,
            (None, None) => Body::Close,
        };
        Ok(Self { answer, source, body })
    }

    /// Reads the next piece of the body, as the server cut it. `None` at its end, and at the deadline.
    pub fn piece(&mut self) -> Option<&[u8]> {
        let before = self.answer.body.len();
        let length = match self.body {
            Body::Length(length) => length - before,
            Body::Chunks => usize::from_str_radix(line(&mut self.source).ok()?.trim(), 16).ok()?,
            Body::Close => self.source.fill_buf().ok()?.len(),
        };
        if length == 0 {
            return None;
        }
        let read = (&mut self.source).take(length as u64).read_to_end(&mut self.answer.body);
        if matches!(self.body, Body::Chunks) {
            line(&mut self.source).ok();
        }
        read.ok().filter(|&read| read > 0).map(|_| &self.answer.body[before..])
    }

    /// Reads pieces until the body holds `wanted`. False when it ends before.
    pub fn read_until(&mut self, wanted: &[u8]) -> bool {
        while memchr::memmem::find(&self.answer.body, wanted).is_none() {
            if self.piece().is_none() {
                return false;
            }
        }
        true
    }

    /// Reads what is left of the body.
    pub fn read_to_end(&mut self) {
        while self.piece().is_some() {}
    }
}

fn line(source: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    source.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers one request with these bytes, and what it was sent.
    fn answered(bytes: &'static [u8]) -> (Answer, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/at/it", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut sent = vec![0; 1 << 12];
            let length = stream.read(&mut sent).unwrap();
            stream.write_all(bytes).unwrap();
            String::from_utf8_lossy(&sent[..length]).into_owned()
        });
        let answer = Site::new(&url).with("A", "b").ask("PUT").unwrap();
        (answer, server.join().unwrap())
    }

    #[test]
    fn a_request_is_what_was_asked_for_and_its_answer_is_read_to_its_length() {
        let (answer, sent) = answered(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX: y\r\n\r\n{}more");
        assert!(sent.starts_with("PUT /at/it HTTP/1.1\r\n") && sent.contains("\r\nA: b\r\n"), "{sent}");
        assert_eq!((answer.status, answer.header("x"), answer.body.as_slice()), (404, Some("y"), &b"{}"[..]));
    }

    #[test]
    fn events_come_in_chunks_and_their_lines_are_joined() {
        let (answer, _) = answered(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
              8\r\nid: 1\nda\r\n10\r\nta: [1,\ndata: 2]\r\n2\r\n\n\n\r\nd\r\ndata: {\"a\":3}\r\n0\r\n\r\n",
        );
        assert_eq!(answer.messages(), [serde_json::json!([1, 2]), serde_json::json!({"a": 3})]);
    }
}
