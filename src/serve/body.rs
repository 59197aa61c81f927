//! The body of a request, whole and within its limit; and the bodies of answers that go on for long.
//!
//! It refuses to read on once a body is too long or its sender silent. Invariant: no more than the limit is held.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response};
use futures_util::stream::unfold;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::refused::{Refused, Why};
use super::stream::{Event, Next, Reader};

/// How long the next piece of a body may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long a silence something is said that means nothing, so that nobody on the way takes it for the end.
const SILENCE: Duration = Duration::from_secs(15);
/// What is said: a comment (HTML standard, server-sent events).
const ALIVE: &[u8] = b": \n\n";

/// The whole body.
///
/// # Errors
/// Where it is longer than `limit` bytes, or does not come.
pub(super) async fn whole(mut body: Body, limit: usize) -> Result<Vec<u8>, Refused> {
    let too_large = || Why::TooLarge.because(format!("the body is longer than {limit} bytes (`max_frame`)"));
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut whole = Vec::with_capacity(announced + 1);
    loop {
        let frame = match timeout(PATIENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(whole),
            Ok(Some(Err(_))) | Err(_) => return Err(Why::Body.because("the body did not come to its end")),
        };
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
}

/// Events from here on: `first`, then what the reader brings. With `primed` the client learns at once from where it can
/// read on (2025-11-25; clients before cannot take an event without data).
pub(super) fn events(first: Option<Event>, reader: Reader, primed: Primed) -> Response<Body> {
    let number = reader.number();
    let mut begin = Vec::new();
    if primed == Primed::Yes && first.is_none() {
        begin = format!("id: {number}-{}\ndata: \n\n", reader.at()).into_bytes();
    }
    begin.extend(first.map(|event| framed(number, &event)).unwrap_or_default());
    let begin = Some(begin).filter(|begin| !begin.is_empty());
    let pieces = unfold((begin, reader), |(begin, mut reader)| async move {
        let piece = match begin {
            Some(begin) => begin,
            None => match timeout(SILENCE, reader.next()).await {
                Ok(Next::Event(event)) => framed(reader.number(), &event),
                Ok(Next::End(_)) => return None,
                Err(_) => ALIVE.to_vec(),
            },
        };
        Some((Ok::<_, Infallible>(Bytes::from(piece)), (None, reader)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Whether the client is told at once from where it can read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primed {
    Yes,
    No,
}

/// The place that a client names in `Last-Event-ID`: stream and event.
pub(super) fn event_id(text: &str) -> Option<(u64, u64)> {
    let (stream, seq) = text.split_once('-')?;
    Some((stream.parse().ok()?, seq.parse().ok()?))
}

/// An event. A carriage return ends a line of events, so that one between the tokens of a message becomes a new line
/// of data, which JSON knows as the same.
fn framed(stream: u64, event: &Event) -> Vec<u8> {
    let line = event.line.strip_suffix(b"\n").unwrap_or(&event.line);
    let mut out = Vec::with_capacity(line.len() + 64);
    out.extend_from_slice(format!("id: {stream}-{}\nevent: message\n", event.seq).as_bytes());
    for data in line.split(|byte| *byte == b'\r') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(data);
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_holds_the_message_and_its_place() {
        let event = Event { seq: 3, line: Bytes::from_static(b"{\"a\":\r1}\r\n"), last: false };
        let text = String::from_utf8(framed(7, &event)).unwrap();
        assert_eq!(text, "id: 7-3\nevent: message\ndata: {\"a\":\ndata: 1}\ndata: \n\n");
        assert_eq!(event_id("7-3"), Some((7, 3)));
        for text in ["", "7", "7-", "-3", "a-b", "7-3-1", "99999999999999999999-1"] {
            assert_eq!(event_id(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(whole(Body::from("12345"), 5).await.unwrap(), b"12345");
        assert_eq!(whole(Body::from("123456"), 5).await.unwrap_err().why, Why::TooLarge);
        let pieces = ["123", "456"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let chunked = Body::from_stream(futures_util::stream::iter(pieces));
        assert_eq!(whole(chunked, 5).await.unwrap_err().why, Why::TooLarge);
    }
}
