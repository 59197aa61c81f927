//! Every path of the face, and who may go it.
//!
//! Requests are admitted before anything of their body is read: by the names they use, then by key, then by scope. It
//! refuses to answer a page of another origin in any way that a browser would show it. Invariant: every refusal is
//! noted, and nothing of a refused request goes further.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::any;

use super::body::whole;
use super::face::Face;
use super::headers::only;
use super::refused::{Refused, Why, json_response};
use super::{agents, mcp};
use crate::store::{ApiKey, Scope};

/// Bodies of what is not MCP, bytes.
const MOST_QUESTION: usize = 1 << 20;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

/// Every path that there is.
pub(super) fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/healthz", any(health))
        .route("/mcp/{server}", any(server))
        .route("/v1/check", any(question))
        .route("/api/v1/agents/{agent}", any(assignment))
        .fallback(nowhere)
        .with_state(face)
}

async fn health(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response<Body> {
    let line = line(&request);
    let admitted = enter(&face, &request).and_then(|()| only_method(&request, &Method::GET, "GET"));
    let answer = admitted.map(|()| json_response(StatusCode::OK, r#"{"status":"ok"}"#));
    face.told(answer, peer, &line)
}

async fn server(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let line = line(&request);
    let answer = match admit(&face, &request, Scope::Call) {
        Ok(key) => mcp::answer(&face, &key, &name, request).await,
        Err(refused) => Err(refused),
    };
    face.told(answer, peer, &line)
}

async fn question(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response<Body> {
    let line = line(&request);
    let answer = async {
        let key = admit(&face, &request, Scope::Check)?;
        only_method(&request, &Method::POST, "POST")?;
        let body = whole(request.into_body(), MOST_QUESTION).await?;
        let (status, body) = face.foundation.check.answer(&face.config(), key.agent.as_deref(), None, &body);
        Ok(json_response(status, body))
    };
    face.told(answer.await, peer, &line)
}

async fn assignment(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Peer>,
    Path(agent): Path<String>,
    request: Request,
) -> Response<Body> {
    let line = line(&request);
    let answer = async {
        let key = admit(&face, &request, Scope::Admin)?;
        only_method(&request, &Method::PATCH, "PATCH")?;
        let body = whole(request.into_body(), MOST_QUESTION).await?;
        // It waits for others that edit the file: not on the thread that serves.
        let (config, here) = (face.config(), Arc::clone(&face));
        let edit = move || agents::assign(here.foundation.watching.as_ref(), &config, &agent, &body, &key);
        let edited = tokio::task::spawn_blocking(edit).await;
        let (status, body) = edited.map_err(|_| Why::Internal.because("the file could not be edited"))?;
        Ok(json_response(status, body))
    };
    face.told(answer.await, peer, &line)
}

async fn nowhere(
    State(face): State<Arc<Face>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response<Body> {
    let line = line(&request);
    let refused = enter(&face, &request).and_then(|()| bearer(&face, request.headers())).err();
    let refused =
        refused.unwrap_or_else(|| Why::NotFound.because("there is nothing here: servers are at /mcp/NAME"));
    face.told(Err(refused), peer, &line)
}

impl Face {
    /// The response, refusals noted.
    fn told(&self, answer: Result<Response<Body>, Refused>, peer: Peer, line: &Line) -> Response<Body> {
        match answer {
            Ok(response) => response,
            Err(refused) => {
                self.note(&refused, peer.0, &line.text);
                refused.response(&line.path)
            }
        }
    }
}

/// What is told of a request.
struct Line {
    path: String,
    /// With what its names were, for those are what it may be refused for.
    text: String,
}

fn line(request: &Request) -> Line {
    let path = request.uri().path().to_owned();
    let name = |header| {
        request.headers().get(header).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut text = format!("{} {path}", request.method());
    for (word, value) in [("Host", name(HOST)), ("Origin", name(ORIGIN))] {
        text.extend(value.map(|value| format!(", {word} {value}")));
    }
    Line { path, text }
}

/// By name, key and scope.
fn admit(face: &Face, request: &Request, scope: Scope) -> Result<ApiKey, Refused> {
    enter(face, request)?;
    let key = bearer(face, request.headers())?;
    if !key.may(scope) {
        let scope = scope.as_str();
        return Err(Why::Scope.because(format!(
            "this key has no scope `{scope}`: `callgate keys add NAME --scope {scope}` makes one that has"
        )));
    }
    Ok(key)
}

/// By name.
fn enter(face: &Face, request: &Request) -> Result<(), Refused> {
    let all = |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut hosts: Vec<&str> = all(HOST).collect();
    // HTTP/2 has it in the request line; where both are there they must agree (RFC 9113, section 8.3.1).
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    hosts.retain(|host| Some(*host) != authority);
    hosts.extend(authority);
    let origins: Vec<&str> = all(ORIGIN).collect();
    face.door.admits(&hosts, &origins).map_err(|shut| match shut {
        super::door::Shut::Host => {
            Why::Host.because("this Host is not served here; `callgate serve --allow-host NAME` lets it in")
        }
        super::door::Shut::Origin => Why::Origin.because(
            "pages of this Origin are not served; `callgate serve --allow-origin ORIGIN` lets them in",
        ),
    })?;
    // No page gets to know what it may send.
    if request.method() == Method::OPTIONS {
        return Err(Refused { allow: "GET, POST, DELETE, PATCH", ..Why::Method.because("no OPTIONS here") });
    }
    Ok(())
}

/// RFC 6750, section 2.1.
fn bearer(face: &Face, headers: &HeaderMap) -> Result<ApiKey, Refused> {
    let token = only(headers, AUTHORIZATION.as_str()).ok().flatten().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = token else {
        return Err(Why::Key.because("send `Authorization: Bearer KEY`, with a key from `callgate keys add`"));
    };
    match face.foundation.keys.find(token) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(Why::Key.because("this key is not known, or was revoked")),
        Err(error) => {
            (face.foundation.say)(&format!("keys cannot be looked up: {error}"));
            Err(Why::Internal.because("keys cannot be looked up"))
        }
    }
}

fn only_method(request: &Request, method: &Method, allow: &'static str) -> Result<(), Refused> {
    if request.method() == method {
        return Ok(());
    }
    Err(Refused { allow, ..Why::Method.because(format!("here is only {allow}")) })
}
