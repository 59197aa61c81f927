//! The corpus of hostile frames, as it is written.
//!
//! It refuses to say what came of a case: it knows what is sent and what may happen.
//!
//! Invariant: a case's bytes are made from its pieces alone, so that a line of 64 MiB stays short in the corpus.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::parts;

/// One hostile frame (or a few) with what may come of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Names the case in reports.
    pub id: String,
    /// Its kind: `framing`, `batch`, `duplicate_key`, …
    pub cls: String,
    /// The policy it is judged by, `P1` to `P8`.
    pub policy: String,
    /// Who sends it.
    pub direction: Direction,
    /// The protocol revision shaken hands on before; `none` and `2026-07-28` have no handshake.
    pub negotiated: String,
    /// What is sent, each piece as often as it says.
    pub pieces: Vec<Piece>,
    /// Sent first and left pending at the server.
    #[serde(default)]
    pub pre_b64: Option<String>,
    /// The outcomes that pass.
    pub accept: Vec<String>,
    /// Whether another outcome is a failure, or only worth telling.
    pub strict: bool,
    /// Why.
    pub reason: String,
    /// What must never happen, for the reader of a failure.
    #[serde(default)]
    pub must_not: String,
    /// Which half of the corpus it is from; it decides the tool that the sentinel calls.
    #[serde(default)]
    pub half: Option<String>,
}

/// Who sends a case's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Written to the command's stdin.
    ClientToServer,
    /// Written by the recorder to its stdout.
    ServerToClient,
}

/// A run of bytes, repeated. Written as text where it is text, so that the corpus can be read.
#[derive(Debug, Clone, Deserialize)]
pub struct Piece {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    b64: Option<String>,
    /// How often they are sent.
    pub times: usize,
}

impl Piece {
    /// The bytes of one run.
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.b64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(b64)) => STANDARD.decode(b64).unwrap(),
            (None, None) => Vec::new(),
        }
    }
}

impl Case {
    /// All bytes of the case.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.bytes().repeat(piece.times)).collect()
    }

    /// How many bytes that is, without making them.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes().len() * piece.times).sum()
    }

    /// What is sent first and left pending at the server; often nothing.
    pub fn pending(&self) -> Vec<u8> {
        self.pre_b64.as_ref().map(|b64| STANDARD.decode(b64).unwrap()).unwrap_or_default()
    }

    /// The lines that open the session.
    pub fn handshake(&self) -> Vec<Vec<u8>> {
        if matches!(self.negotiated.as_str(), "none" | "2026-07-28") {
            return Vec::new();
        }
        let hello = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{}\",\
             \"capabilities\":{{}},\"clientInfo\":{{\"name\":\"f\",\"version\":\"1\"}}}}}}\n",
            self.negotiated
        );
        vec![hello.into_bytes(), b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_vec()]
    }

    /// The case ends in the middle of a line: only the end of input completes it.
    pub fn unterminated(&self) -> bool {
        let ends_a_line =
            self.pieces.last().is_some_and(|last| last.times == 1 && last.bytes().ends_with(b"\n"));
        self.direction == Direction::ClientToServer && !ends_a_line && !self.id.contains("utf")
    }

    /// An allowed call, sent afterwards to learn whether the session goes on.
    pub fn sentinel(&self) -> Vec<u8> {
        let tool = if self.half.as_deref().is_none_or(|half| half == "dev") { "echo" } else { "get_weather" };
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"sentinel\",\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\
             \"arguments\":{{}}}}}}\n"
        )
        .into_bytes()
    }
}

/// Reads a corpus, one case on each line.
pub fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let case = |(at, line)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), at + 1))
    };
    text.lines().enumerate().map(case).collect()
}

/// The corpus of this repository.
pub fn own() -> Vec<Case> {
    read(&parts::fixture("frames/corpus.jsonl"))
}

/// The larger corpus that is kept beside the repository. `None`, and said so, where it is not.
pub fn shared() -> Option<Vec<Case>> {
    let path = parts::test_data("frames/frames.jsonl")?;
    Some(read(&path))
}
