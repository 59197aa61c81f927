//! The answers of the face itself: what was asked for is not done, and why.
//!
//! It refuses to repeat what a request held but its id. Invariant: every refusal has a kind, a status and one line that
//! is enough by itself.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::guard::REFUSED;
use crate::wire::refusal;

/// The specification's own code for headers that do not say what the body says (MCP 2026-07-28, Streamable HTTP): a
/// client that meets another takes the server for one of the years before.
const HEADER_MISMATCH: i32 = -32020;
/// JSON-RPC 2.0, section 5.1: invalid request.
const INVALID: i32 = -32600;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $status:ident, $word:literal;)+) => {
        /// Why a request is refused by the face, before any policy is asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Why {
            $($(#[$doc])* $variant,)+
        }

        impl Why {
            /// The word in `data.type` and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }
        }
    };
}

refusals! {
    /// `Host` names somebody else.
    Host = FORBIDDEN, "host_not_allowed";
    /// `Origin` names somebody else.
    Origin = FORBIDDEN, "origin_not_allowed";
    /// No bearer, or none that is known.
    Key = UNAUTHORIZED, "key_required";
    /// The key is not good for this.
    Scope = FORBIDDEN, "scope_missing";
    /// No such path or server.
    NotFound = NOT_FOUND, "not_found";
    /// No such session, or none of this key.
    Session = NOT_FOUND, "session_not_found";
    /// A message of the sessions' years without a session.
    SessionMissing = BAD_REQUEST, "session_required";
    /// Not this method here.
    Method = METHOD_NOT_ALLOWED, "method_not_allowed";
    /// `Accept`
    Accept = NOT_ACCEPTABLE, "not_acceptable";
    /// `Content-Type`
    ContentType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type";
    /// The body is longer than a frame may be.
    TooLarge = PAYLOAD_TOO_LARGE, "too_large";
    /// The body did not come.
    Body = BAD_REQUEST, "body_incomplete";
    /// The body holds nothing.
    Empty = BAD_REQUEST, "body_empty";
    /// `MCP-Protocol-Version`
    Version = BAD_REQUEST, "unsupported_protocol_version";
    /// The headers of 2026-07-28 and the body differ.
    HeaderMismatch = BAD_REQUEST, "header_mismatch";
    /// A second stream where there can be one.
    StreamTaken = CONFLICT, "stream_taken";
    /// `Last-Event-ID` names nothing that is kept.
    EventUnknown = BAD_REQUEST, "event_not_found";
    /// Too many sessions.
    TooMany = SERVICE_UNAVAILABLE, "too_many_sessions";
    /// The face is about to end.
    Ending = SERVICE_UNAVAILABLE, "ending";
    /// The server cannot be started or reached.
    Unreachable = BAD_GATEWAY, "server_unreachable";
    /// The server ended before it answered.
    Exited = BAD_GATEWAY, "server_exited";
    /// Something of our own failed.
    Internal = INTERNAL_SERVER_ERROR, "internal";
}

/// One refusal.
#[derive(Debug)]
pub(super) struct Refused {
    /// Why.
    pub why: Why,
    /// The line that must suffice.
    pub message: String,
    /// The id of the request that is refused, as it was spelled.
    pub id: Option<String>,
    /// What is allowed where the method is not.
    pub allow: &'static str,
}

impl Why {
    /// A refusal that says this.
    pub fn because(self, message: impl Into<String>) -> Refused {
        Refused { why: self, message: message.into(), id: None, allow: "" }
    }

    fn code(self) -> i32 {
        match self.status() {
            _ if self == Self::HeaderMismatch => HEADER_MISMATCH,
            StatusCode::BAD_REQUEST => INVALID,
            _ => REFUSED,
        }
    }
}

impl Refused {
    /// The same, for the request with this id.
    pub fn for_id(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }

    /// What leaves. `path` says in whose words: JSON-RPC's for MCP, plain ones elsewhere.
    pub fn response(&self, path: &str) -> Response<Body> {
        let kind = self.why.as_str();
        let body = if path.starts_with("/mcp/") {
            // Whether a server that ended had done something before, nobody knows.
            let executed = (self.why != Why::Exited).then_some(false);
            let data = json!({ "type": kind, "executed": executed, "retryable": false });
            refusal(self.id.as_deref(), self.why.code(), &self.message, &data)
        } else {
            json!({ "error": { "type": kind, "message": self.message } }).to_string().into_bytes()
        };
        let mut response = json_response(self.why.status(), body);
        let headers = response.headers_mut();
        match self.why.status() {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static(self.allow));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// A response with a JSON body.
pub(super) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response without a body.
pub(super) fn empty_response(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
