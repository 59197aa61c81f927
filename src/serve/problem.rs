//! What a request is told that got no answer: one JSON object with a type, a sentence and the way out.
//!
//! It refuses to repeat values of the request. Invariant: every problem names what to change, in the body or elsewhere.

use axum::http::StatusCode;
use serde::Serialize;

use crate::policy::schema::did_you_mean;
use crate::wire::shown;

/// A status and a body of JSON.
pub type Reply = (StatusCode, Vec<u8>);

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    error: Told,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Told {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    /// A JSON Pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    /// With a word for scripts and a sentence for people.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, error: Told { kind, message: message.into(), at: None, hint: None } }
    }

    /// The body is not what was asked for.
    pub fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A member of the body is not what was asked for.
    pub fn member(name: &str, message: impl Into<String>) -> Self {
        let at = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let problem = Self::body(message);
        Self { error: Told { at: Some(at), ..problem.error }, ..problem }
    }

    /// The way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    /// As it leaves.
    pub fn into_reply(self) -> Reply {
        let body = serde_json::json!({ "error": self.error });
        (self.status, body.to_string().into_bytes())
    }
}

/// `name` as problems repeat it, and whether a known one was meant.
pub(super) fn unknown_member<'k>(name: &str, known: impl Iterator<Item = &'k str> + Clone) -> Problem {
    let name = shown(name);
    let hint = did_you_mean(&name, known.clone())
        .unwrap_or_else(|| format!("known are {}", known.collect::<Vec<_>>().join(", ")));
    Problem::member(&name, format!("unknown key `{name}`")).with_hint(hint)
}
