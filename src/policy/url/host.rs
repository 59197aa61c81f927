//! A host: a name or an address, as a text spells it and as a rule names it.
//!
//! It refuses spellings that some reader would map to another name: percent signs, invisible characters, dots and
//! letters of other widths. Invariant: names are in lower case and in Punycode, without the dot of the root.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;

use super::address::Addresses;
use super::{Outcome, Place};
use crate::policy::{HostItem, HostName, HostPort};

/// Letters that older readers (IDNA 2003) turn into others.
const DEVIATIONS: &[char] = &['\u{df}', '\u{3c2}', '\u{200c}', '\u{200d}'];

/// Characters between two dots; RFC 1035, section 2.3.4. It also bounds what Punycode costs, which is quadratic.
const LONGEST_LABEL: usize = 63;

/// A host that a text names.
pub(super) enum Host<'t> {
    /// A name.
    Name(Cow<'t, str>),
    /// An address, with the text that spells it.
    Address(IpAddr, &'t str),
}

impl<'t> Host<'t> {
    /// Reads a host that is spelled as every reader spells it.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into(), text));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Some(Self::Address(address.into(), text));
        }
        let in_name = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = text.strip_suffix('.').unwrap_or(text);
        let fits = |label: &str| (1..=LONGEST_LABEL).contains(&label.chars().take(LONGEST_LABEL + 1).count());
        if !name.chars().all(in_name) || !name.split('.').all(fits) {
            return None;
        }
        match url::Host::parse(name).ok()? {
            url::Host::Domain(domain) if name.is_ascii() => {
                Some(Self::Name(if domain == name { Cow::Borrowed(name) } else { Cow::Owned(domain) }))
            }
            url::Host::Domain(domain) => {
                is_spelled_out(name, &domain).then_some(Self::Name(Cow::Owned(domain)))
            }
            url::Host::Ipv4(address) if name.is_ascii() => Some(Self::Address(address.into(), text)),
            url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
        }
    }

    /// Whether this is what browsers found, by its text.
    pub(super) fn is(&self, found: &str) -> bool {
        let Ok(found) = url::Host::parse(found) else { return false };
        match (self, found) {
            (Self::Name(name), url::Host::Domain(domain)) => {
                domain.strip_suffix('.').unwrap_or(&domain) == name
            }
            (Self::Address(address, _), url::Host::Ipv4(found)) => *address == found,
            (Self::Address(address, _), url::Host::Ipv6(found)) => *address == found,
            (Self::Name(_), url::Host::Ipv4(_) | url::Host::Ipv6(_))
            | (Self::Address(..), url::Host::Domain(_)) => false,
        }
    }

    /// An IPv6 address without brackets, which no port can follow.
    pub(super) fn is_bare_v6(&self) -> bool {
        matches!(self, Self::Address(IpAddr::V6(_), text) if !text.starts_with('['))
    }
}

impl HostItem {
    /// Whether a place is this one. A port that is neither named nor the scheme's own leaves doubt.
    pub(super) fn meets(&self, place: &Place<'_>) -> Outcome {
        let host = match (&self.name, &place.host) {
            (HostName::Exact(wanted), Host::Name(name)) => Outcome::of(wanted == name),
            (HostName::Below(wanted), Host::Name(name)) => {
                let start = name.strip_suffix(wanted.as_str());
                Outcome::of(start.is_some_and(|start| start.len() > 1 && start.ends_with('.')))
            }
            (HostName::Address(wanted), host @ Host::Address(..)) => Addresses::of(host).stand_for(wanted),
            (HostName::Exact(_) | HostName::Below(_), Host::Address(..))
            | (HostName::Address(_), Host::Name(_)) => Outcome::Not,
        };
        let known = place.port.or(place.default_port);
        let port = match self.port {
            HostPort::Any => Outcome::Satisfied,
            HostPort::Number(wanted) => known.map_or(Outcome::Opaque, |port| Outcome::of(port == wanted)),
            HostPort::Default if place.port.is_none() || place.port == place.default_port => {
                Outcome::Satisfied
            }
            HostPort::Default => Outcome::Opaque,
        };
        match (host, port) {
            (Outcome::Not, _) | (_, Outcome::Not) => Outcome::Not,
            (Outcome::Satisfied, Outcome::Satisfied) => Outcome::Satisfied,
            (Outcome::Opaque, _) | (_, Outcome::Opaque) => Outcome::Opaque,
        }
    }
}

/// Why a text is no host of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Unnamed {
    /// The port is not a number from 1 to 65535.
    Port,
    /// A `*` elsewhere than in front, before a dot.
    Star,
    /// An address that should be spelled like this.
    Spelling(IpAddr),
    /// It is no name and no address.
    Nothing,
}

/// Reads `name`, `*.name`, an address, each with `:port` or `:*`.
pub(in crate::policy) fn host_item(text: &str) -> Result<HostItem, Unnamed> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(HostItem { name: HostName::Address(address.to_canonical()), port: HostPort::Default });
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, read_port(port)?),
        Some(_) | None => (text, HostPort::Default),
    };
    let (name, below) = match name.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.contains('*') {
        return Err(Unnamed::Star);
    }
    let name = match Host::read(name).or_else(|| spelled_in_unicode(name)) {
        Some(Host::Address(..)) if below => return Err(Unnamed::Star),
        Some(Host::Address(address, text)) => plain_address(address, text)?,
        Some(Host::Name(name)) if below => HostName::Below(name.into_owned()),
        Some(Host::Name(name)) => HostName::Exact(name.into_owned()),
        None => return Err(Unnamed::Nothing),
    };
    Ok(HostItem { name, port })
}

fn read_port(port: &str) -> Result<HostPort, Unnamed> {
    if port == "*" {
        return Ok(HostPort::Any);
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|number| digits && *number > 0).map(HostPort::Number).ok_or(Unnamed::Port)
}

/// A rule spells an address in the one way that everybody reads.
fn plain_address(address: IpAddr, text: &str) -> Result<HostName, Unnamed> {
    let plain = address.is_ipv6() || text.parse::<Ipv4Addr>().is_ok();
    if plain { Ok(HostName::Address(address.to_canonical())) } else { Err(Unnamed::Spelling(address)) }
}

/// A rule may say a name as its author types it: what it maps to today is meant.
fn spelled_in_unicode(name: &str) -> Option<Host<'_>> {
    let mapped = name.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.".contains(c));
    match url::Host::parse(name).ok().filter(|_| mapped && !name.is_ascii())? {
        url::Host::Domain(domain) if !domain.split('.').any(str::is_empty) => {
            Some(Host::Name(Cow::Owned(domain)))
        }
        url::Host::Domain(_) | url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
    }
}

/// Whether the text is, but for case, what its Punycode stands for: nothing was mapped or left out. The sign for
/// Kelvin is a `k` in lower case, but not to every reader.
fn is_spelled_out(name: &str, domain: &str) -> bool {
    let (unicode, valid) = idna::domain_to_unicode(domain);
    let stays_foreign = |c: char| c.is_ascii() || c.to_lowercase().all(|lower| !lower.is_ascii());
    let lower = name.to_lowercase();
    valid.is_ok() && name.chars().all(stays_foreign) && !lower.contains(DEVIATIONS) && unicode == lower
}
