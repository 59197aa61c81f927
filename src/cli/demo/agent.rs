//! The demo's agent: an MCP client that starts `callgate run` as a host would, and talks to it over its pipes.
//!
//! It waits for nothing without a deadline. Invariant: the process it started is gone when it is.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::wait::{PATIENCE, until};

/// The MCP revision that the agent asks for.
const REVISION: &str = "2025-06-18";

/// A client with its server command running.
pub(super) struct Agent {
    process: Child,
    to: Option<ChildStdin>,
    lines: Receiver<String>,
    complaints: Receiver<String>,
    last_id: u64,
}

/// How a request was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// With a result.
    Result(Value),
    /// With an error: `code`, `message` and `data`.
    Error(Value),
}

impl Agent {
    /// Starts the command and shakes hands.
    pub fn start(program: &Path, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Self> {
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.display()))?;
        let (Some(from), Some(errors)) = (process.stdout.take(), process.stderr.take()) else {
            bail!("the process has no standard streams");
        };
        let to = process.stdin.take();
        let mut agent =
            Self { process, to, lines: each_line(from), complaints: each_line(errors), last_id: 0 };
        agent.shake_hands()?;
        Ok(agent)
    }

    /// Calls a tool.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> anyhow::Result<Reply> {
        self.request("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// What the command has printed to stderr so far.
    pub fn complaints(&self) -> String {
        self.complaints.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Closes its end and waits for the process to end by itself.
    pub fn leave(mut self) -> anyhow::Result<()> {
        self.to = None;
        until("the session to end", || Ok(self.process.try_wait()?.map(|_| ())))
    }

    fn shake_hands(&mut self) -> anyhow::Result<()> {
        let about = json!({ "name": "callgate-demo", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": about });
        match self.request("initialize", &params)? {
            Reply::Result(_) => {
                self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            }
            Reply::Error(error) => bail!("the server refused the handshake: {error}"),
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> anyhow::Result<Reply> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(error) => bail!("no answer to {method}: {error}\n{}", self.complaints()),
            };
            let mut message: Value = serde_json::from_str(&line).context("the answer is no JSON")?;
            if message.get("id").and_then(Value::as_u64) == Some(id) {
                return Ok(match message.get_mut("error") {
                    Some(error) => Reply::Error(error.take()),
                    None => Reply::Result(message.get_mut("result").map(Value::take).unwrap_or_default()),
                });
            }
        }
    }

    fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        let to = self.to.as_mut().context("the session is over")?;
        writeln!(to, "{message}").context("the session has ended")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Already gone is what we are after.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Reply {
    /// The text of a tool's result, and whether the tool failed; `None` for an error of the protocol.
    pub fn text(&self) -> Option<(&str, bool)> {
        let Self::Result(result) = self else { return None };
        let failed = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
        Some((result.pointer("/content/0/text")?.as_str()?, failed))
    }
}

/// Lines as they come, on a thread of their own: a pipe cannot be read with a deadline.
fn each_line(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}
