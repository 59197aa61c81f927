//! What the headers of a request to an MCP server must say (Streamable HTTP, 2025-03-26 to 2026-07-28).
//!
//! It refuses to read a header that is there twice. Invariant: a request of 2026-07-28 whose headers say another thing
//! than its body goes nowhere, for whoever routes by headers has judged another request.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::posted::Posted;
use super::refused::{Refused, Why};
use crate::wire::mcp;

/// The session of the years 2025.
pub(super) const SESSION: &str = "mcp-session-id";
/// The revision that is spoken.
pub(super) const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
/// Around values that are not plain ASCII (2026-07-28, value encoding).
const ENCODED: (&str, &str) = ("=?base64?", "?=");
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A header's only value; `None` where it is absent.
///
/// # Errors
/// Where it is there twice or is not text.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(drop)).transpose()
}

/// A POST brings JSON, and takes JSON or events.
pub(super) fn check_post(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = only(headers, CONTENT_TYPE.as_str()).ok().flatten().unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON)) {
        return Err(Why::ContentType.because("Content-Type must be application/json"));
    }
    if accepts(headers, JSON) && accepts(headers, EVENTS) {
        return Ok(());
    }
    Err(Why::Accept.because("Accept must list both application/json and text/event-stream"))
}

/// A GET takes events.
pub(super) fn check_get(headers: &HeaderMap) -> Result<(), Refused> {
    if accepts(headers, EVENTS) {
        return Ok(());
    }
    Err(Why::Accept.because("Accept must list text/event-stream"))
}

/// Whether the client names events before JSON among what it takes: clients that want to read streams do.
pub(super) fn prefers_events(headers: &HeaderMap) -> bool {
    kinds(headers).find(|kind| kind == JSON || kind == EVENTS).is_some_and(|kind| kind == EVENTS)
}

/// In a session the revision, where it is told, is one that there is (2025-06-18, protocol version header).
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Refused> {
    match only(headers, VERSION) {
        Ok(None) => Ok(()),
        Ok(Some(version)) if mcp::REVISIONS.contains(&version) => Ok(()),
        Ok(Some(_)) | Err(()) => {
            let known = mcp::REVISIONS.join(", ");
            Err(Why::Version.because(format!("unsupported MCP-Protocol-Version; supported are {known}")))
        }
    }
}

/// Whether the header alone calls the message one of 2026-07-28 or later.
pub(super) fn is_modern(headers: &HeaderMap) -> bool {
    matches!(only(headers, VERSION), Ok(Some(version)) if version >= mcp::REVISION_MODERN && is_date(version))
}

/// 2026-07-28: `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` say what the body says.
pub(super) fn check_modern(headers: &HeaderMap, posted: &Posted) -> Result<(), Refused> {
    // Only requests must say it in their body.
    let revision = match posted.revision.as_deref() {
        None if posted.asks.is_empty() && posted.method.is_some() => Ok(()),
        revision => same(headers, VERSION, revision, "`_meta` of the body"),
    };
    revision
        .and_then(|()| same(headers, METHOD, posted.method.as_deref(), "`method` of the body"))
        .and_then(|()| same(headers, NAME, posted.name.as_deref(), "`params` of the body"))
        .map_err(|message| Why::HeaderMismatch.because(message).for_id(posted.id()))
}

/// Where the body has no such value, an equal header cannot be.
fn same(headers: &HeaderMap, name: &str, body: Option<&str>, place: &str) -> Result<(), String> {
    let header =
        only(headers, name).map_err(|()| format!("the header {name} is there twice, or is no text"))?;
    match (header.map(decoded), body) {
        (Some(Some(header)), Some(body)) if header == body => Ok(()),
        (None, None) => Ok(()),
        (None, Some(_)) => Err(format!("the header {name} is missing; it must repeat {place}")),
        (Some(None), _) => Err(format!("the header {name} is no valid Base64")),
        (Some(Some(_)), None) if name != VERSION => Ok(()),
        (Some(Some(_)), _) => Err(format!("the header {name} does not match {place}")),
    }
}

fn decoded(value: &str) -> Option<String> {
    let value = value.trim();
    let inner = value.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1));
    match inner {
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let group = wanted.split('/').next().unwrap_or_default();
    kinds(headers).any(|kind| kind == wanted || kind == "*/*" || kind.strip_suffix("/*") == Some(group))
}

/// What the client takes, as it lists them.
fn kinds(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let items = values.flat_map(|value| value.split(','));
    items.map(|item| item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn modern(name: &str) -> Posted {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name:?},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
        );
        Posted::read(body.into_bytes())
    }

    #[test]
    fn a_post_takes_both_kinds_of_answer() {
        let of = |kind, accept| {
            check_post(&headers(&[("content-type", kind), ("accept", accept)])).map_err(|no| no.why)
        };
        let both = "application/json, text/event-stream";
        for (kind, accept) in [
            ("application/json", both),
            ("Application/JSON; charset=utf-8", "*/*"),
            ("application/json", "text/*;q=0.5, application/*"),
        ] {
            assert_eq!(of(kind, accept), Ok(()));
        }
        assert_eq!(of("text/plain", both), Err(Why::ContentType));
        assert_eq!(of("application/jsonp", both), Err(Why::ContentType));
        assert_eq!(of("application/json", "application/json"), Err(Why::Accept));
        assert_eq!(of("application/json", "text/event-stream"), Err(Why::Accept));
    }

    #[test]
    fn who_names_events_first_is_given_events() {
        let of = |accept| prefers_events(&headers(&[("accept", accept)]));
        assert!(of("text/event-stream, application/json") && of("*/*, Text/Event-Stream;q=1"));
        assert!(!of("application/json, text/event-stream") && !of("*/*"));
    }

    #[test]
    fn the_revision_is_one_that_there_is() {
        assert!(check_version(&headers(&[])).is_ok());
        assert!(check_version(&headers(&[(VERSION, "2025-06-18")])).is_ok());
        for version in ["2099-01-01", "", "latest"] {
            assert!(check_version(&headers(&[(VERSION, version)])).is_err(), "{version}");
        }
        assert!(check_version(&headers(&[(VERSION, "2025-06-18"), (VERSION, "2025-06-18")])).is_err());
    }

    #[test]
    fn modern_headers_repeat_the_body() {
        let of = |method, name| {
            let all = headers(&[(VERSION, "2026-07-28"), (METHOD, method), (NAME, name)]);
            check_modern(&all, &modern("dé")).map_err(|no| no.message)
        };
        assert_eq!(of("tools/call", "=?base64?ZMOp?="), Ok(()));
        assert!(of("tools/list", "=?base64?ZMOp?=").unwrap_err().contains("mcp-method"));
        assert!(of("tools/call", "other").unwrap_err().contains("mcp-name"));
        assert!(of("tools/call", "=?base64?%?=").unwrap_err().contains("Base64"));
        let none = check_modern(&headers(&[(VERSION, "2026-07-28"), (METHOD, "tools/call")]), &modern("a"));
        let refused = none.unwrap_err();
        assert_eq!((refused.why, refused.id.as_deref()), (Why::HeaderMismatch, Some("1")));
        let other = headers(&[(VERSION, "2027-01-01"), (METHOD, "tools/call"), (NAME, "a")]);
        assert!(is_modern(&other) && check_modern(&other, &modern("a")).is_err());
    }
}
