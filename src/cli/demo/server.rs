//! `callgate demo-server`: a small MCP server on stdio whose tools act on the notes of one folder.
//!
//! It is the other end of the demo and real in every respect but size: what it deletes is gone. It knows nothing of
//! callgate. Invariant: no tool leaves its folder.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;

/// The revision that is answered to a client that names none.
const REVISION: &str = "2025-06-18";
/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const PARSE_ERROR: i32 = -32700;

/// The command line of `demo-server`.
#[derive(Debug, Args)]
#[command(about = "The demo's MCP server: notes in a folder, on stdio")]
pub(in crate::cli) struct DemoServer {
    /// Where the notes are
    folder: PathBuf,
}

/// A tool: its name, what it is for, and its required arguments.
const TOOLS: &[(&str, &str, &[&str])] = &[
    ("list_notes", "List the notes", &[]),
    ("read_note", "Read one note", &["name"]),
    ("write_note", "Write one note, over what was there", &["name", "text"]),
    ("delete_note", "Delete one note", &["name"]),
];

/// An answer of JSON-RPC: a result, or a code and a message.
type Answer = Result<Value, (i32, String)>;

impl DemoServer {
    /// Serves until stdin ends.
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut out = io::stdout().lock();
        for line in io::stdin().lock().lines() {
            if let Some(answer) = self.answer(&line?) {
                writeln!(out, "{answer}")?;
                out.flush()?;
            }
        }
        Ok(Exit::Done)
    }

    /// The answer to one line; notifications have none.
    fn answer(&self, line: &str) -> Option<Value> {
        let (id, answer) = match serde_json::from_str::<Value>(line) {
            Ok(message) => (message.get("id")?.clone(), self.method(&message)),
            Err(_) => (Value::Null, Err((PARSE_ERROR, "this is no JSON".to_owned()))),
        };
        Some(match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
        })
    }

    fn method(&self, message: &Value) -> Answer {
        let params = message.get("params").unwrap_or(&Value::Null);
        match message.get("method").and_then(Value::as_str).unwrap_or_default() {
            "initialize" => Ok(json!({
                "protocolVersion": params.get("protocolVersion").and_then(Value::as_str).unwrap_or(REVISION),
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "callgate-demo-notes", "version": env!("CARGO_PKG_VERSION") },
            })),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": TOOLS.iter().map(described).collect::<Vec<_>>() })),
            "tools/call" => self.call(params),
            other => Err((METHOD_NOT_FOUND, format!("no method `{other}`"))),
        }
    }

    fn call(&self, params: &Value) -> Answer {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let argument = |key| params.pointer("/arguments").and_then(|all| all.get(key)?.as_str());
        let done = match name {
            "list_notes" => self.list(),
            "read_note" => self.note(argument("name")).and_then(fs::read_to_string),
            "write_note" => self.write(argument("name"), argument("text")),
            "delete_note" => self.delete(argument("name")),
            other => return Err((INVALID_PARAMS, format!("no tool `{other}`"))),
        };
        let (text, is_error) = match done {
            Ok(text) => (text, false),
            Err(error) => (error.to_string(), true),
        };
        Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": is_error }))
    }

    fn list(&self) -> io::Result<String> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names.join("\n"))
    }

    fn write(&self, name: Option<&str>, text: Option<&str>) -> io::Result<String> {
        let text = text.ok_or_else(|| io::Error::other("`text` is missing"))?;
        fs::write(self.note(name)?, text)?;
        Ok(format!("wrote {} bytes", text.len()))
    }

    fn delete(&self, name: Option<&str>) -> io::Result<String> {
        fs::remove_file(self.note(name)?)?;
        Ok(format!("deleted {}", name.unwrap_or_default()))
    }

    /// A plain file name in the folder, and nothing else.
    fn note(&self, name: Option<&str>) -> io::Result<PathBuf> {
        let name = name.ok_or_else(|| io::Error::other("`name` is missing"))?;
        let plain = Path::new(name).file_name().is_some_and(|file| file == name) && !name.starts_with('.');
        if plain { Ok(self.folder.join(name)) } else { Err(io::Error::other("a note has a plain name")) }
    }
}

fn described((name, description, required): &(&str, &str, &[&str])) -> Value {
    let properties: serde_json::Map<String, Value> =
        required.iter().map(|key| ((*key).to_owned(), json!({ "type": "string" }))).collect();
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties, "required": required },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::DemoServer;

    fn call(server: &DemoServer, tool: &str, arguments: &Value) -> (String, bool) {
        let params = json!({ "name": tool, "arguments": arguments });
        let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = server.answer(&line.to_string()).unwrap();
        let text = answer.pointer("/result/content/0/text").and_then(Value::as_str).unwrap().to_owned();
        (text, answer.pointer("/result/isError").and_then(Value::as_bool).unwrap())
    }

    #[test]
    fn a_note_can_be_written_read_listed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let server = DemoServer { folder: folder.path().to_owned() };
        assert!(!call(&server, "write_note", &json!({ "name": "a.md", "text": "hello" })).1);
        assert_eq!(call(&server, "read_note", &json!({ "name": "a.md" })), ("hello".to_owned(), false));
        assert_eq!(call(&server, "list_notes", &json!({})), ("a.md".to_owned(), false));
        assert!(!call(&server, "delete_note", &json!({ "name": "a.md" })).1);
        assert!(!folder.path().join("a.md").exists());
    }

    #[test]
    fn no_tool_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        std::fs::create_dir(&notes).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let server = DemoServer { folder: notes };
        for name in ["../secret", "..", ".", "", "a/../../secret", ".hidden", "/etc/hostname", "secret/"] {
            assert!(call(&server, "read_note", &json!({ "name": name })).1, "{name}");
            assert!(call(&server, "delete_note", &json!({ "name": name })).1, "{name}");
        }
        assert!(folder.path().join("secret").exists());
    }

    #[test]
    fn the_handshake_answers_in_the_clients_revision_and_notifications_get_no_answer() {
        let server = DemoServer { folder: "nowhere".into() };
        let hello =
            r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
        let answer = server.answer(hello).unwrap();
        assert_eq!(answer["id"], "a");
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        assert_eq!(server.answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
        assert_eq!(server.answer("{").unwrap()["error"]["code"], -32700);
    }
}
