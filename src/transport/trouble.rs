//! Why a request did not get an answer over HTTP, in words that are enough by themselves.
//!
//! Refuses to quote what was sent, headers above all, and the query of an address. Invariant: each frame is an error
//! for one request under the id as it was spelled, and says whether the request can have been run.

use reqwest::StatusCode;
use serde::Serialize;
use url::Url;

use super::remote::{chain, place, without_secrets};
use crate::wire::{Id, IdKey, refusal, shown_within};

/// JSON-RPC 2.0, section 5.1: of the range left to servers; the same as every refusal of callgate.
const CODE: i32 = -32001;
/// So much of a server's own words is passed on, characters.
const WORDS: usize = 200;

/// A part of a path may be a key from so many characters on: shorter ones can be guessed.
const SHORTEST_KEY: usize = 16;

/// A request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// What its id means.
    pub key: IdKey,
    /// How its id was spelled.
    pub raw: String,
}

impl From<Id<'_>> for Asked {
    fn from(id: Id<'_>) -> Self {
        Self { key: id.key(), raw: id.raw().to_owned() }
    }
}

/// What went wrong.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    kind: &'static str,
    /// `false` where the request was surely not run, `None` where nobody knows.
    executed: Option<bool>,
    status: Option<u16>,
    words: String,
}

#[derive(Serialize)]
struct Data<'a> {
    r#type: &'a str,
    executed: Option<bool>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl Trouble {
    /// No answer by HTTP at all.
    pub fn unreachable(url: &Url, error: reqwest::Error) -> Self {
        let at = place(url);
        let never_sent = error.is_connect() || error.is_builder();
        let why = chain(&error.without_url());
        let (executed, words) = if never_sent {
            (
                Some(false),
                format!("the server at {at} cannot be reached ({why}): is it running, is its url right?"),
            )
        } else {
            (None, format!("the connection to the server at {at} broke before it answered ({why})"))
        };
        Self { kind: "server_unreachable", executed, status: None, words }
    }

    /// The stream of the answer ended, and could not be resumed.
    pub fn lost(url: &Url, why: &str) -> Self {
        let words = format!("the server at {} broke off before it answered ({why})", place(url));
        Self { kind: "server_unreachable", executed: None, status: None, words }
    }

    /// The server has forgotten the session, and a new one did not help.
    pub fn session_lost(url: &Url) -> Self {
        let words = format!(
            "the server at {} has ended the session, and does not know the one that callgate opened in its place",
            place(url)
        );
        Self { kind: "server_http_error", executed: Some(false), status: Some(404), words }
    }

    /// An answer that is none in MCP.
    pub fn strange(url: &Url, status: StatusCode, what: &str) -> Self {
        let words = format!("the server at {} answered HTTP {status} with {what}", place(url));
        Self { kind: "server_http_error", executed: None, status: Some(status.as_u16()), words }
    }

    /// The address for messages that a server of 2024-11-05 names is none that callgate would send them to.
    pub fn misdirected(url: &Url, to: &str) -> Self {
        let to = Url::parse(to).map_or_else(|_| "no address".to_owned(), |to| place(&to));
        let words = format!(
            "the server at {} asks for messages to be sent to {}, which is another origin; callgate sends none there",
            place(url),
            shown_within(&to, WORDS)
        );
        Self { kind: "server_http_error", executed: Some(false), status: None, words }
    }

    /// A redirect, which is not followed: it would take the headers elsewhere.
    pub fn redirect(url: &Url, status: StatusCode, location: Option<&str>) -> Self {
        let to = location.and_then(|to| url.join(to).ok());
        let to = to.map_or_else(|| "nowhere".to_owned(), |to| shown_within(&without_keys(&to), WORDS));
        let words = format!(
            "the server at {} answered HTTP {status} and points to {to}; callgate follows no redirect, so put the final address in `url`",
            place(url)
        );
        Self { kind: "server_http_error", executed: Some(false), status: Some(status.as_u16()), words }
    }

    /// An HTTP error; `said` are the words of the server, if there are any.
    pub fn status(url: &Url, status: StatusCode, said: Option<&str>) -> Self {
        let at = place(url);
        let said = said.map(|said| format!(" ({})", shown_within(said, WORDS))).unwrap_or_default();
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let words = if refused {
            format!(
                "the server at {at} answered HTTP {status}{said}; callgate does not do OAuth: get a token and pass it with headers_env = {{ Authorization = \"VAR\" }} in mcp.toml, or with --header-env Authorization=VAR, where the environment variable VAR holds `Bearer …`"
            )
        } else if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            format!("the server at {at} answered HTTP {status}{said}: are its url and its transport right?")
        } else {
            format!("the server at {at} answered HTTP {status}{said}")
        };
        let executed = status.is_client_error().then_some(false);
        let kind = if refused { "server_unauthorized" } else { "server_http_error" };
        Self { kind, executed, status: Some(status.as_u16()), words }
    }

    /// The error in place of the answer.
    pub fn frame(&self, asked: &Asked) -> Vec<u8> {
        let run = match self.executed {
            Some(false) => "The request was not run",
            Some(true) | None => "Whether the request was run is not known",
        };
        let data = Data { r#type: self.kind, executed: self.executed, retryable: false, status: self.status };
        let stop = if self.words.ends_with('?') { "" } else { "." };
        refusal(Some(&asked.raw), CODE, &format!("{}{stop} {run}; not a timeout.", self.words), &data)
    }
}

/// An address without what may be a key: in its query, or as a long part of its path.
fn without_keys(url: &Url) -> String {
    let mut url = url.clone();
    let is_key = |part: &str| part.chars().count() >= SHORTEST_KEY;
    let path: Vec<&str> = url.path().split('/').map(|part| if is_key(part) { "KEY" } else { part }).collect();
    let path = path.join("/");
    url.set_path(&path);
    without_secrets(&url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked::from(Id::from_text(r#""\u0061""#).unwrap())
    }

    fn url() -> Url {
        Url::parse("https://u:p@tickets.example/mcp?key=s3cret#f").unwrap()
    }

    #[test]
    fn an_error_has_the_id_as_it_was_spelled_and_no_secret_of_the_address() {
        let frame = Trouble::status(&url(), StatusCode::BAD_GATEWAY, None).frame(&asked());
        let text = String::from_utf8(frame).unwrap();
        assert_eq!(
            text,
            "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\",\"error\":{\"code\":-32001,\"message\":\"the server at \
             https://tickets.example answered HTTP 502 Bad Gateway. Whether the request was run is not known; \
             not a timeout.\",\"data\":{\"type\":\"server_http_error\",\"executed\":null,\"retryable\":false,\
             \"status\":502}}}\n"
        );
    }

    #[test]
    fn who_is_not_let_in_learns_how_to_pass_a_token() {
        let frame = Trouble::status(&url(), StatusCode::UNAUTHORIZED, Some("no token")).frame(&asked());
        let text = String::from_utf8(frame).unwrap();
        for words in ["401", "(no token)", "OAuth", "headers_env", "Bearer", "server_unauthorized", "not run"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn a_wrong_address_is_asked_about_in_one_sentence() {
        let frame = Trouble::status(&url(), StatusCode::NOT_FOUND, None).frame(&asked());
        let text = String::from_utf8(frame).unwrap();
        let words =
            "answered HTTP 404 Not Found: are its url and its transport right? The request was not run; not";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn a_redirect_tells_where_it_pointed() {
        let there = Trouble::redirect(&url(), StatusCode::FOUND, Some("/other?token=x"));
        assert!(there.words.contains("https://tickets.example/other;"), "{}", there.words);
        assert!(!there.words.contains("token"), "{}", there.words);
        let there = Trouble::redirect(&url(), StatusCode::FOUND, Some("/mcp/0123456789abcdef/"));
        assert!(there.words.contains("https://tickets.example/mcp/KEY/;"), "{}", there.words);
    }
}
