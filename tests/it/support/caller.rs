//! A minimal MCP client over HTTP that shows what was answered as it is: no SDK stands between the test and the face.
//!
//! It refuses to reconnect or to try again.
//!
//! Invariant: every request carries the session that the handshake gave, and nothing that the test did not ask for.

use std::io;

use serde_json::{Value, json};

use super::http::{Answer, Opened, Site};

/// One session at an endpoint.
pub struct Caller {
    /// Where its requests go, with all headers of the session.
    pub site: Site,
    last_id: u64,
}

impl Caller {
    /// Shakes hands at revision 2025-11-25.
    pub fn open(site: &Site) -> Self {
        let who = json!({"name": "callgate-tests", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": who});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello});
        Self::greet(site, &hello.to_string(), "2025-11-25")
    }

    /// Shakes hands with these words.
    pub fn greet(site: &Site, hello: &str, revision: &str) -> Self {
        let answer = site.post(hello.as_bytes()).unwrap();
        let session = answer.header("mcp-session-id");
        let session = session.unwrap_or_else(|| panic!("no session: {answer:?}"));
        let site = site.clone().with("Mcp-Session-Id", session).with("MCP-Protocol-Version", revision);
        let noted = site.post(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").unwrap();
        assert_eq!(noted.status, 202, "{noted:?}");
        Self { site, last_id: 0 }
    }

    /// Sends a request and returns the whole message that answers it.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let (id, frame) = self.frame(method, params);
        let answer = self.site.post(frame.as_bytes()).unwrap();
        answer_to(&answer, &id).unwrap_or_else(|| panic!("no answer to {id}: {answer:?}"))
    }

    /// Calls a tool and returns the whole message that answers.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool and reads no further than the head of the answer.
    pub fn call_and_wait(&mut self, tool: &str, arguments: &Value) -> io::Result<Opened> {
        let (_, frame) = self.frame("tools/call", &json!({"name": tool, "arguments": arguments}));
        self.site.open("POST", frame.as_bytes())
    }

    /// Ends the session.
    pub fn close(self) -> Answer {
        self.site.ask("DELETE").unwrap()
    }

    fn frame(&mut self, method: &str, params: &Value) -> (Value, String) {
        self.last_id += 1;
        let frame = json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        (json!(self.last_id), frame.to_string())
    }
}

/// The message in an answer that answers `id`.
pub fn answer_to(answer: &Answer, id: &Value) -> Option<Value> {
    let answers = |message: &Value| message.get("method").is_none() && message.get("id") == Some(id);
    answer.messages().into_iter().find(answers)
}
