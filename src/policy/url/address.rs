//! The addresses that a host may stand for, and the networks they are in.
//!
//! It refuses to resolve names: only those that mean this machine everywhere have addresses here.
//! Invariant: an address that carries another one inside counts as both.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Outcome;
use super::host::Host;

/// Names of this machine in usual host files, beside `*.localhost` (RFC 6761, section 6.3).
const LOCAL: &[&str] = &["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];

/// What one host may stand for.
pub(super) struct Addresses {
    pub(super) all: Vec<IpAddr>,
    /// Not every reader takes the text for an address, or for this one.
    odd: bool,
}

impl Addresses {
    /// The addresses of a host; none for most names.
    pub(super) fn of(host: &Host<'_>) -> Self {
        match host {
            Host::Name(name) if LOCAL.contains(&&**name) || name.ends_with(".localhost") => {
                Self { all: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], odd: false }
            }
            Host::Name(_) => Self { all: Vec::new(), odd: false },
            Host::Address(IpAddr::V4(address), text) => {
                let mut all = vec![IpAddr::V4(*address)];
                let odd = *text != address.to_string();
                all.extend(decimal(text).filter(|_| odd).map(IpAddr::V4));
                all.extend(address.is_unspecified().then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
                Self { all, odd }
            }
            Host::Address(IpAddr::V6(address), _) => {
                let mut all = vec![IpAddr::V6(*address)];
                all.extend(carried(*address).map(IpAddr::V4));
                all.extend(address.is_unspecified().then_some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
                Self { all, odd: false }
            }
        }
    }

    /// Whether they are this one. What an address carries may be meant, the address itself certainly is.
    pub(super) fn stand_for(&self, wanted: &IpAddr) -> Outcome {
        let spelled = self.all.first() == Some(wanted) && !self.odd;
        if spelled { Outcome::Satisfied } else { self.are(|address| address == wanted) }
    }

    /// How they stand to a test: all of them, some, or none.
    fn are(&self, test: impl Fn(&IpAddr) -> bool) -> Outcome {
        let passing = self.all.iter().filter(|address| test(address)).count();
        match passing {
            0 => Outcome::Not,
            _ if passing == self.all.len() && !self.odd => Outcome::Satisfied,
            _ => Outcome::Opaque,
        }
    }

    /// How they stand to some networks.
    pub(super) fn in_any(&self, nets: &[IpNet]) -> Outcome {
        self.are(|address| nets.iter().any(|net| net.contains(address)))
    }
}

/// The address that old readers see in numbers with leading zeros: no octal.
fn decimal(text: &str) -> Option<Ipv4Addr> {
    let parts: Option<Vec<u32>> =
        text.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect();
    let parts = parts?;
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() < 4)?;
    let mut address = 0_u32;
    for (at, part) in first.iter().enumerate() {
        address |= u32::from(u8::try_from(*part).ok()?) << (24 - 8 * at);
    }
    let free = 32 - 8 * first.len();
    let fits = free == 32 || last >> free == 0;
    fits.then(|| Ipv4Addr::from(address | last))
}

/// The IPv4 addresses that an IPv6 address leads to through a translator or a tunnel: mapped and compatible (RFC 4291,
/// section 2.5.5), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214), SIIT (RFC 2765).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0x2001, 0, .., high, low] => Some(join(!high, !low)),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..]
        | [.., 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}
