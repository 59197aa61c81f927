//! `/mcp/{server}`: the server's side of Streamable HTTP, in both eras.
//!
//! It refuses to look into a message but to tell its era and whom to answer. Invariant: every message of a request goes
//! through the one session that its key may use, and the answer comes back in that request's response.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::{Primed, event_id, events, whole};
use super::face::{Face, Way, unknown_server};
use super::headers::{self, SESSION, VERSION};
use super::link::{Ask, Era, Reply};
use super::posted::{Kind, Posted};
use super::refused::{Refused, Why, empty_response, json_response};
use super::stream::{End, Next, Reader};
use crate::store::ApiKey;
use crate::wire::{GlanceKind, glance, mcp};

/// How long an answer may take before the response begins without it: clients give up on a response that does not
/// begin, and on the way somebody may as well.
const PLAIN: Duration = Duration::from_secs(5);
/// How long an error is waited for that may come of a message which nobody can read.
const PERHAPS: Duration = Duration::from_secs(1);
/// The first revision whose clients take an event without data.
const PRIMED: &str = "2025-11-25";

/// What a message came in.
struct Coming {
    way: Way,
    era: Era,
    /// Whether it opened the session.
    opened: bool,
}

/// Answers a request for a server.
pub(super) async fn answer(
    face: &Arc<Face>,
    key: &ApiKey,
    server: &str,
    request: Request,
) -> Result<Response<Body>, Refused> {
    if !face.config().settings.servers.contains_key(server) {
        return Err(unknown_server());
    }
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => post(face, key, server, &parts.headers, body).await,
        Method::GET | Method::DELETE if !parts.headers.contains_key(SESSION) => {
            let hint = "without a session (Mcp-Session-Id) there is only POST";
            Err(Refused { allow: "POST", ..Why::Method.because(hint) })
        }
        Method::GET => listen(face, key, server, &parts).await,
        Method::DELETE => {
            headers::check_version(&parts.headers)?;
            session(face, key, server, &parts.headers)?.way.end();
            Ok(empty_response(StatusCode::NO_CONTENT))
        }
        _ => Err(Refused { allow: "GET, POST, DELETE", ..Why::Method.because("not this method") }),
    }
}

async fn post(
    face: &Arc<Face>,
    key: &ApiKey,
    server: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Refused> {
    headers::check_post(headers)?;
    let posted = Posted::read(whole(body, face.config().settings.max_frame).await?);
    if posted.kind == Kind::Blank {
        return Err(Why::Empty.because("the body is empty"));
    }
    let id = posted.id();
    let (coming, reply) = hand_over(face, key, server, headers, posted).await?;
    let primed = match headers::only(headers, VERSION) {
        Ok(Some(version)) if (PRIMED..mcp::REVISION_MODERN).contains(&version) => Primed::Yes,
        Ok(_) | Err(()) => Primed::No,
    };
    let mut response = match reply {
        Reply::Accepted => empty_response(StatusCode::ACCEPTED),
        Reply::Answers(mut reader) => {
            let first = timeout(PLAIN, reader.next()).await.ok();
            // A session that the server did not agree to is of no use.
            if let (true, Some(Next::Event(event))) = (coming.opened, &first)
                && glance(event.line.strip_suffix(b"\n").unwrap_or(&event.line)).kind == GlanceKind::Error
            {
                coming.way.end();
                return Ok(json_response(StatusCode::OK, event.line.clone()));
            }
            answers(first, reader, primed, headers, id)?
        }
        Reply::Perhaps(reader) => perhaps(reader).await,
        Reply::Malformed(frame) => {
            if coming.opened {
                coming.way.end();
            }
            return Ok(json_response(StatusCode::BAD_REQUEST, frame));
        }
    };
    if let (true, Ok(id)) = (coming.opened, HeaderValue::from_str(&coming.way.id)) {
        response.headers_mut().insert(SESSION, id);
    }
    Ok(response)
}

/// Hands a message to its session. One of the modern era that has just ended is opened again, for nobody knows of it.
async fn hand_over(
    face: &Arc<Face>,
    key: &ApiKey,
    server: &str,
    headers: &HeaderMap,
    mut posted: Posted,
) -> Result<(Coming, Reply), Refused> {
    let id = posted.id();
    loop {
        let coming = coming(face, key, server, headers, &posted)?;
        let (answer, reply) = oneshot::channel();
        match coming.way.asks.send(Ask::Post(posted, answer)).await {
            Ok(()) => match reply.await {
                Ok(reply) => return Ok((coming, reply)),
                Err(_) if coming.era == Era::Modern => return Err(server_gone(id)),
                Err(_) => return Err(session_gone(id)),
            },
            Err(SendError(Ask::Post(unsent, _))) if coming.era == Era::Modern => posted = unsent,
            Err(_) => return Err(session_gone(id)),
        }
        // It leaves the list of sessions before anything else is done.
        tokio::task::yield_now().await;
    }
}

/// The session of a message: by what it says of itself, by its header, or a new one.
fn coming(
    face: &Arc<Face>,
    key: &ApiKey,
    server: &str,
    headers: &HeaderMap,
    posted: &Posted,
) -> Result<Coming, Refused> {
    let has_session = headers.contains_key(SESSION);
    if posted.revision.is_some() || (!has_session && headers::is_modern(headers)) {
        // What cannot be read has nothing to compare headers with, and is judged by what it is.
        if posted.kind != Kind::Unreadable {
            headers::check_modern(headers, posted)?;
        }
        let way = face.modern(posted.client.as_deref(), key, server)?;
        return Ok(Coming { way, era: Era::Modern, opened: false });
    }
    headers::check_version(headers).map_err(|no| no.for_id(posted.id()))?;
    if has_session {
        return session(face, key, server, headers).map_err(|no| no.for_id(posted.id()));
    }
    if posted.method.as_deref() == Some(mcp::INITIALIZE) {
        let way = face.open(Era::Sessions, key, server).map_err(|no| no.for_id(posted.id()))?;
        return Ok(Coming { way, era: Era::Sessions, opened: true });
    }
    let hint = "Mcp-Session-Id is missing: send `initialize` first, or the headers and `_meta` of 2026-07-28";
    Err(Why::SessionMissing.because(hint).for_id(posted.id()))
}

fn session(face: &Face, key: &ApiKey, server: &str, headers: &HeaderMap) -> Result<Coming, Refused> {
    let id = headers::only(headers, SESSION).ok().flatten();
    let id = id.ok_or_else(|| Why::SessionMissing.because("Mcp-Session-Id is there twice, or is no text"))?;
    Ok(Coming { way: face.find(id, key, server)?, era: Era::Sessions, opened: false })
}

fn session_gone(id: Option<String>) -> Refused {
    Why::Session.because("the session has ended: send `initialize` without Mcp-Session-Id").for_id(id)
}

fn server_gone(id: Option<String>) -> Refused {
    let message = "the server ended before it answered. Whether anything was run is not known.";
    Why::Exited.because(message).for_id(id)
}

/// One plain answer where nothing else comes before it, it comes soon, and the client does not ask for events first;
/// else events.
fn answers(
    first: Option<Next>,
    reader: Reader,
    primed: Primed,
    headers: &HeaderMap,
    id: Option<String>,
) -> Result<Response<Body>, Refused> {
    match first {
        Some(Next::Event(event)) if event.last && !headers::prefers_events(headers) => {
            Ok(json_response(StatusCode::OK, event.line))
        }
        Some(Next::Event(event)) => Ok(events(Some(event), reader, primed)),
        Some(Next::End(End::ServerGone)) => Err(server_gone(id)),
        Some(Next::End(End::Answered | End::Closed)) | None => Ok(events(None, reader, primed)),
    }
}

async fn perhaps(mut reader: Reader) -> Response<Body> {
    match timeout(PERHAPS, reader.next()).await {
        Ok(Next::Event(event)) => json_response(StatusCode::BAD_REQUEST, event.line),
        Ok(Next::End(_)) | Err(_) => empty_response(StatusCode::ACCEPTED),
    }
}

async fn listen(face: &Face, key: &ApiKey, server: &str, parts: &Parts) -> Result<Response<Body>, Refused> {
    let headers = &parts.headers;
    headers::check_get(headers)?;
    headers::check_version(headers)?;
    let way = session(face, key, server, headers)?.way;
    let unknown = || Why::EventUnknown.because("Last-Event-ID names nothing that is kept");
    let after = match headers::only(headers, "last-event-id") {
        Ok(None) => None,
        Ok(Some(id)) => Some(event_id(id).ok_or_else(unknown)?),
        Err(()) => return Err(unknown()),
    };
    let (answer, reply) = oneshot::channel();
    way.asks.send(Ask::Listen(after, answer)).await.map_err(|_| session_gone(None))?;
    match reply.await.map_err(|_| session_gone(None))? {
        Ok(reader) => Ok(events(None, reader, Primed::No)),
        Err(Why::StreamTaken) => {
            Err(Why::StreamTaken.because("this session has a listening stream; there can be one"))
        }
        Err(_) => Err(unknown()),
    }
}
