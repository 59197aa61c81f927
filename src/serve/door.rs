//! Whom the face speaks to by name: the `Host` and `Origin` of a request.
//!
//! A web page that has its own name resolve to this machine sends that name as `Host` (DNS rebinding), and its own
//! address as `Origin`. It refuses to guess: a header that is there twice, or that is no address, opens nothing.
//! Invariant: no name but those of loopback and those that were allowed by name is ever answered.

use std::net::{IpAddr, SocketAddr};

/// What a request is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// `Host`
    Host,
    /// `Origin`
    Origin,
}

/// The names under which the face may be asked for.
#[derive(Debug, Clone)]
pub(super) struct Door {
    address: SocketAddr,
    scheme: &'static str,
    /// Lower case, without the dot at the end.
    hosts: Vec<String>,
    /// Lower case.
    origins: Vec<String>,
}

impl Door {
    /// The door of a face that listens at `address`. `hosts` are names with or without a port (without one any port
    /// does, for a proxy in front has another), `origins` are as browsers write them.
    pub fn new(address: SocketAddr, scheme: &'static str, hosts: &[String], origins: &[String]) -> Self {
        let lower = |all: &[String]| all.iter().map(|one| one.to_ascii_lowercase()).collect();
        Self { address, scheme, hosts: lower(hosts), origins: lower(origins) }
    }

    /// Whether a request with these headers may come in: every `Host` (or `:authority`) that it has, every `Origin`.
    ///
    /// # Errors
    /// The header that speaks against it.
    pub fn admits(&self, hosts: &[&str], origins: &[&str]) -> Result<(), Shut> {
        match hosts {
            [host] if self.knows_host(host) => {}
            _ => return Err(Shut::Host),
        }
        match origins {
            [] => Ok(()),
            [origin] if self.knows_origin(origin) => Ok(()),
            _ => Err(Shut::Origin),
        }
    }

    fn knows_host(&self, text: &str) -> bool {
        let Some(host) = Authority::read(text) else { return false };
        let named = |allowed: &String| {
            Authority::read(allowed).is_some_and(|allowed| {
                allowed.name == host.name && (allowed.port.is_none() || allowed.port == host.port)
            })
        };
        self.is_ours(&host) || self.hosts.iter().any(named)
    }

    /// RFC 6454, section 7: `scheme://host[:port]`, or `null`, which names nobody.
    fn knows_origin(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let ours = text
            .strip_prefix(self.scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .and_then(Authority::read)
            .is_some_and(|origin| self.is_ours(&origin));
        ours || self.origins.contains(&text)
    }

    /// A loopback name with our port; and the address itself that we were told to listen at, which no page can make
    /// its own name.
    fn is_ours(&self, host: &Authority) -> bool {
        let default = if self.scheme == "https" { 443 } else { 80 };
        let Ok(port) = host.port.as_deref().map_or(Ok(default), str::parse::<u16>) else { return false };
        let address = host.address();
        let here = match address {
            Some(address) => {
                address.is_loopback()
                    || address == self.address.ip()
                    || self.address.ip().is_unspecified() && !address.is_unspecified()
            }
            None => host.name == "localhost",
        };
        here && port == self.address.port()
    }
}

/// Whether a text can stand in `Host`: a name or an address, with or without a port.
pub fn is_host(text: &str) -> bool {
    Authority::read(text).is_some()
}

/// `host[:port]`, lower case.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    name: String,
    port: Option<String>,
}

impl Authority {
    fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let end =
            if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
        let (name, rest) = text.split_at_checked(end)?;
        let port = match rest.strip_prefix(':') {
            Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                Some(port.to_owned())
            }
            None if rest.is_empty() => None,
            Some(_) | None => return None,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
        (!name.is_empty() && name.bytes().all(plain)).then(|| Self { name: name.to_owned(), port })
    }

    fn address(&self) -> Option<IpAddr> {
        match self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            None => self.name.parse().ok().map(IpAddr::V4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(address: &str) -> Door {
        let hosts = ["gate.example".to_owned(), "Other.example:9000".to_owned()];
        Door::new(address.parse().unwrap(), "http", &hosts, &["https://App.example".to_owned()])
    }

    #[test]
    fn loopback_names_come_in_with_our_port_only() {
        let door = door("127.0.0.1:8377");
        for host in ["localhost:8377", "LOCALHOST.:8377", "127.0.0.1:8377", "127.9.9.9:8377", "[::1]:8377"] {
            assert_eq!(door.admits(&[host], &[]), Ok(()), "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "localhost:8378",
            "evil.example:8377",
            "127.0.0.1.evil.example:8377",
            "localhost.evil.example:8377",
            "10.0.0.1:8377",
            "0.0.0.0:8377",
            "",
            ":8377",
            "localhost:",
            "[::1",
            "localhost:8377:1",
            "localhost:8377/",
            "user@localhost:8377",
            "localhost:+8377",
            "2130706433:8377",
            "[::ffff:10.0.0.1]:8377",
        ] {
            assert_eq!(door.admits(&[host], &[]), Err(Shut::Host), "{host}");
        }
    }

    #[test]
    fn a_host_is_there_once() {
        let door = door("127.0.0.1:8377");
        assert_eq!(door.admits(&[], &[]), Err(Shut::Host));
        assert_eq!(door.admits(&["localhost:8377", "localhost:8377"], &[]), Err(Shut::Host));
    }

    #[test]
    fn allowed_names_come_in_with_their_port_or_with_any() {
        let door = door("127.0.0.1:8377");
        for host in ["gate.example", "Gate.Example:443", "gate.example.:8377", "other.example:9000"] {
            assert_eq!(door.admits(&[host], &[]), Ok(()), "{host}");
        }
        for host in ["x.gate.example", "gate.example.evil", "other.example", "other.example:9001"] {
            assert_eq!(door.admits(&[host], &[]), Err(Shut::Host), "{host}");
        }
    }

    #[test]
    fn the_address_that_we_listen_at_is_ours() {
        assert_eq!(door("10.0.0.5:80").admits(&["10.0.0.5"], &[]), Ok(()));
        assert_eq!(door("10.0.0.5:80").admits(&["10.0.0.6"], &[]), Err(Shut::Host));
        assert_eq!(door("0.0.0.0:80").admits(&["10.0.0.6"], &[]), Ok(()));
        assert_eq!(door("0.0.0.0:80").admits(&["evil.example"], &[]), Err(Shut::Host));
    }

    #[test]
    fn an_origin_is_ours_or_allowed_or_absent() {
        let door = door("127.0.0.1:8377");
        let with = |origins: &[&str]| door.admits(&["localhost:8377"], origins);
        for origin in ["http://localhost:8377", "http://127.0.0.1:8377", "https://app.example"] {
            assert_eq!(with(&[origin]), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://localhost:8377",
            "http://localhost:3000",
            "http://localhost",
            "https://app.example:444",
            "http://app.example",
        ] {
            assert_eq!(with(&[origin]), Err(Shut::Origin), "{origin}");
        }
        assert_eq!(with(&["http://localhost:8377", "http://localhost:8377"]), Err(Shut::Origin));
    }
}
