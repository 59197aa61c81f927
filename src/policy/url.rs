//! Where a URL leads: what `host`, `scheme` and `ip_in` compare.
//!
//! It refuses to choose between readers. A text is read as RFC 3986, section 3 spells it, and what browsers make of it
//! (the WHATWG's URL standard) must agree; whatever they could read apart is unclear. It asks no name server: a name is in
//! no network, but for those that always mean this machine.
//! Invariant: where a permission is satisfied, every reader goes to that host. Time is linear in the text.

mod address;
mod host;

use core::net::IpAddr;
use std::borrow::Cow;

use ipnet::IpNet;
use url::Url;

use self::address::Addresses;
use self::host::Host;
use super::HostItem;
use super::predicate::Outcome;

pub(super) use self::host::{Unnamed, host_item};

/// No more of a text than this is read as user, host and port. Bytes; a name has at most 253.
const LONGEST_AUTHORITY: usize = 2048;
/// A longer scheme is none. Bytes.
const LONGEST_SCHEME: usize = 64;
/// Schemes that browsers read without their slashes too.
const SPECIAL: &[&str] = &["http", "https", "ws", "wss", "ftp", "file"];
/// Schemes that lead to no host where no `//` follows.
const HOSTLESS: &[&str] = &["about", "data", "javascript", "sms", "tel", "urn"];

/// Whether a text leads to one of these hosts.
pub(super) fn host(text: &str, items: &[HostItem]) -> Outcome {
    match lead(text) {
        Lead::Place(place) => place.among(items.iter().map(|item| item.meets(&place))),
        Lead::Nowhere => Outcome::Not,
        Lead::Unclear => Outcome::Opaque,
    }
}

/// Whether a text leads to an address in one of these networks.
pub(super) fn ip_in(text: &str, nets: &[IpNet]) -> Outcome {
    match lead(text) {
        Lead::Place(place) => place.among(std::iter::once(Addresses::of(&place.host).in_any(nets))),
        Lead::Nowhere => Outcome::Not,
        Lead::Unclear => Outcome::Opaque,
    }
}

/// Whether a text is a URL with one of these schemes, which are in lower case.
pub(super) fn scheme(text: &str, items: &[String]) -> Outcome {
    scheme_of(text).map_or(Outcome::Opaque, |scheme| {
        Outcome::of(items.iter().any(|item| item.eq_ignore_ascii_case(scheme)))
    })
}

/// The scheme of a URL, as it is spelled; `None` where the text is no URL for certain.
pub(super) fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = split_scheme(text)?;
    // `localhost:80` and `c:\x` have the form of a scheme, and a URL inside a URL is unpacked by some.
    let no_scheme = scheme.len() < 2 || looks_like_port(rest) || rest.contains(":/");
    if has_dots(scheme) || !rest.starts_with("//") && (no_scheme || is_one_of(scheme, SPECIAL)) {
        return None;
    }
    Some(scheme)
}

/// What a text leads to, to look up the hosts and networks that may be meant.
pub(super) enum Leads<'t> {
    /// This name, if it is one, and these addresses.
    To(Option<Cow<'t, str>>, Vec<IpAddr>),
    /// To no host.
    Nowhere,
    /// It cannot be told.
    Unclear,
}

/// What [`host`] and [`ip_in`] compare.
pub(super) fn leads(text: &str) -> Leads<'_> {
    match lead(text) {
        Lead::Place(Place { host, .. }) => {
            let addresses = Addresses::of(&host).all;
            Leads::To(if let Host::Name(name) = host { Some(name) } else { None }, addresses)
        }
        Lead::Nowhere => Leads::Nowhere,
        Lead::Unclear => Leads::Unclear,
    }
}

/// Whether a text that a search came across begins as URLs do, if only to a forgiving reader.
pub(super) fn looks_like_url(text: &str) -> bool {
    let ignored = |c: &char| !matches!(c, '\t' | '\r' | '\n');
    let wrapped = |c: char| c.is_control() || c.is_whitespace() || "\u{feff}<\"'`([".contains(c);
    let start = text.trim_start_matches(wrapped).chars().filter(ignored).take(LONGEST_SCHEME + 4);
    let start: String = start.collect();
    let slashes = |rest: &str| rest.starts_with(['/', '\\']);
    if let Some((scheme, rest)) = split_scheme(&start) {
        return scheme.len() > 1 && slashes(rest) || is_one_of(scheme, SPECIAL);
    }
    let rest = start.strip_prefix("//").or_else(|| start.strip_prefix("\\\\"));
    rest.is_some_and(|rest| !rest.is_empty() && !slashes(rest) && !text.trim().contains(char::is_whitespace))
}

/// Where a text leads.
enum Lead<'t> {
    /// To a host.
    Place(Place<'t>),
    /// It is a URL, and one that reaches no host.
    Nowhere,
    /// Readers may differ, or it is no URL and no host by itself.
    Unclear,
}

/// A host as all readers see it.
struct Place<'t> {
    host: Host<'t>,
    /// The port that is written.
    port: Option<u16>,
    /// The port of the scheme, where it has one.
    default_port: Option<u16>,
    /// Something before `@`.
    userinfo: bool,
}

impl Place<'_> {
    /// One match is enough; with a user before it none is beyond doubt.
    fn among(&self, outcomes: impl Iterator<Item = Outcome>) -> Outcome {
        let mut answer = Outcome::Not;
        for outcome in outcomes {
            match outcome {
                Outcome::Satisfied if !self.userinfo => return Outcome::Satisfied,
                Outcome::Satisfied | Outcome::Opaque => answer = Outcome::Opaque,
                Outcome::Not => {}
            }
        }
        answer
    }
}

fn lead(text: &str) -> Lead<'_> {
    // `http:7` is a host called http to some, and 0.0.0.7 to browsers.
    let is_scheme = || split_scheme(text).is_some_and(|(scheme, _)| is_one_of(scheme, SPECIAL));
    if text.len() <= LONGEST_AUTHORITY
        && let Some((host, port)) = host_and_port(text)
        && !is_scheme()
    {
        return Lead::Place(Place { host, port, default_port: None, userinfo: false });
    }
    let Some((scheme, rest)) = split_scheme(text).filter(|(scheme, _)| !has_dots(scheme)) else {
        return Lead::Unclear;
    };
    if scheme.eq_ignore_ascii_case("file") && is_local_file(rest) {
        return Lead::Nowhere;
    }
    match rest.strip_prefix("//") {
        Some(rest) => place(scheme, rest).map_or(Lead::Unclear, Lead::Place),
        None if is_one_of(scheme, HOSTLESS) => Lead::Nowhere,
        None => Lead::Unclear,
    }
}

/// What follows `scheme://`, where browsers read the same.
fn place<'t>(scheme: &str, rest: &'t str) -> Option<Place<'t>> {
    let mut start = rest.bytes().take(LONGEST_AUTHORITY + 1);
    let end = start.position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, after) = match end {
        Some(end) => rest.split_at_checked(end)?,
        None => (rest, ""),
    };
    // Readers that know only of `/` as the end see a user in what follows.
    let longest = after.split('/').next().unwrap_or_default();
    if authority.len() > LONGEST_AUTHORITY || longest.contains(['@', '\\']) {
        return None;
    }
    // A drive letter makes browsers forget the host of a `file:` URL.
    if scheme.eq_ignore_ascii_case("file") && after.contains([':', '|']) {
        return None;
    }
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if !user.is_none_or(|user| user.bytes().all(in_userinfo)) {
        return None;
    }
    let (host, port) = host_and_port(host)?;
    let browsers = Url::parse(&format!("{scheme}://{authority}/")).ok()?;
    let default_port = default_port(scheme);
    let agree = host.is(browsers.host_str()?)
        && browsers.scheme().eq_ignore_ascii_case(scheme)
        && browsers.port_or_known_default() == port.or(default_port);
    agree.then_some(Place { host, port, default_port, userinfo: user.is_some() })
}

/// The port of a scheme that browsers know.
fn default_port(scheme: &str) -> Option<u16> {
    let known = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21)];
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme)).map(|(_, port)| *port)
}

/// `host`, `host:port`, `[v6]:port`, and `v6` by itself; an empty port is none (RFC 3986, section 3.2.3).
fn host_and_port(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    if let Some(host) = Host::read(text) {
        return Some((host, None));
    }
    let (host, port) = text.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
    Host::read(host).filter(|host| !host.is_bare_v6()).map(|host| (host, port))
}

/// Scheme and rest; RFC 3986, section 3.1.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let mut start = text.bytes().take(LONGEST_SCHEME + 1);
    let end = start.position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)))?;
    let (scheme, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(':')?;
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((scheme, rest))
}

/// A scheme may have dots, but then it looks like a host, and some readers take it for one.
fn has_dots(scheme: &str) -> bool {
    scheme.contains('.')
}

/// `file:` on this machine. More slashes than three lead to another one on Windows.
fn is_local_file(rest: &str) -> bool {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = if path.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("localhost")) {
        path.get(9..).unwrap_or_default()
    } else {
        path
    };
    path.strip_prefix('/').is_some_and(|path| !path.starts_with(['/', '\\', '\t', '\r', '\n']))
}

fn looks_like_port(rest: &str) -> bool {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    end > 0 && rest.get(end..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// RFC 3986, section 3.2.1.
fn in_userinfo(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}

fn is_one_of(scheme: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests;
