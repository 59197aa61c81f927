//! HTTP/1.1 for the bench, over a plain stream.
//!
//! It refuses all but what the bench and callgate say to each other. Invariant: one message is read at a time, and no byte
//! of the next.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use super::Outcome;

/// HTTP/1.1 over one connection, as plain as it gets.
pub struct Wire {
    to: TcpStream,
    from: BufReader<TcpStream>,
}

/// A request or a response, as far as it matters here.
pub struct Message {
    pub start: String,
    pub session: Option<String>,
    pub body: String,
}

impl Wire {
    pub fn of(stream: TcpStream) -> Outcome<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { to: stream.try_clone()?, from: BufReader::with_capacity(64 * 1024, stream) })
    }

    pub fn write(&mut self, text: &str) -> Outcome<()> {
        Ok(self.to.write_all(text.as_bytes())?)
    }

    pub fn post(&mut self, host: &str, path: &str, headers: &str, body: &str) -> Outcome<()> {
        let length = body.len();
        self.write(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err("the connection was closed".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    pub fn read(&mut self) -> Outcome<Message> {
        let mut message = Message { start: self.line()?, session: None, body: String::new() };
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => is_chunked = true,
                "mcp-session-id" => message.session = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        while is_chunked {
            let size = u64::from_str_radix(&self.line()?, 16)?;
            (&mut self.from).take(size).read_to_end(&mut bytes)?;
            self.line()?;
            is_chunked = size > 0;
        }
        (&mut self.from).take(length).read_to_end(&mut bytes)?;
        message.body = String::from_utf8(bytes)?;
        Ok(message)
    }
}
