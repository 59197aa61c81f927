//! Which headers a user may have sent to a remote server.
//!
//! Refuses those that carry the protocol itself. Invariant: no header that callgate writes from the body it sends, and
//! none that says where a message ends, can be given by hand.

/// Lower case.
const OURS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header of this name may be sent for the user.
///
/// # Errors
/// Why not, as the rest of a sentence about it.
pub fn sendable(name: &str) -> Result<(), &'static str> {
    // RFC 9110, section 5.1: a field name is a token.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("is no header name");
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&&*lower) || lower.starts_with("mcp-") {
        return Err("is a header that callgate writes itself");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sendable;

    #[test]
    fn headers_of_the_protocol_are_not_for_the_user() {
        for name in
            ["Host", "content-LENGTH", "Mcp-Session-Id", "MCP-Protocol-Version", "Accept", "Last-Event-ID"]
        {
            assert!(sendable(name).is_err(), "{name}");
        }
        for name in ["", "a b", "x:", "é", "a\r\nb"] {
            assert_eq!(sendable(name), Err("is no header name"), "{name}");
        }
        for name in ["Authorization", "X-Api-Key", "Cookie", "User-Agent", "mcpx"] {
            assert_eq!(sendable(name), Ok(()), "{name}");
        }
    }
}
