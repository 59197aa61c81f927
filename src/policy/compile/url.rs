//! Operands about URLs: hosts, schemes and networks.
//!
//! It refuses what holds more than is compared, such as a path after a host. Invariant: a host that is spelled in
//! Unicode, in capitals or with its final dot becomes the one form that is compared.

use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::Spanned;

use super::fault;
use crate::policy::HostItem;
use crate::policy::schema::Reading;
use crate::policy::url::{Unnamed, host_item};

/// Reads an element of `host`.
pub(super) fn host(text: &Spanned<String>, reading: &mut Reading) -> Option<HostItem> {
    let (written, span) = (text.get_ref().as_str(), text.span());
    if let Some((message, hint)) = more_than_a_host(written) {
        fault(reading, span, message, &hint);
        return None;
    }
    let (message, hint) = match host_item(written) {
        Ok(item) => return Some(item),
        Err(Unnamed::Port) => (
            format!("`{written}` has no port that there is"),
            "ports go from 1 to 65535; `host:*` means any".to_owned(),
        ),
        Err(Unnamed::Star) => (
            format!("`{written}` has a `*` where none can stand"),
            "`*.example.com` means every host below it; name other hosts one by one".to_owned(),
        ),
        Err(Unnamed::Spelling(address)) => {
            (format!("`{written}` is read differently by different programs"), format!("write `{address}`"))
        }
        Err(Unnamed::Nothing) => (
            format!("`{written}` is no host"),
            "write a name, `*.name` or an address, with `:port` where it matters".to_owned(),
        ),
    };
    fault(reading, span, message, &hint);
    None
}

/// What is written beside the host, and what should stand instead.
fn more_than_a_host(written: &str) -> Option<(String, String)> {
    if written.parse::<IpNet>().is_ok() {
        let hint = "`ip_in` takes networks".to_owned();
        return Some((format!("`{written}` is a network, not a host"), hint));
    }
    if written == "*" {
        let hint = "`exists = true` asks for any value; `scheme` and `ip_in` narrow it down".to_owned();
        return Some(("`*` would be every host".to_owned(), hint));
    }
    if let Some(name) = written.strip_prefix('.').filter(|name| !name.is_empty()) {
        return Some((format!("`{written}` begins with a dot"), format!("write `*.{name}`")));
    }
    let begins = written.find("//").map_or(0, |at| at + 2);
    let host = written.get(begins..).unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    if host.len() == written.len() {
        return None;
    }
    let hint = if host.is_empty() {
        "write only the host".to_owned()
    } else {
        format!("write only the host: `{host}`")
    };
    Some((format!("`{written}` is more than a host"), hint))
}

/// Reads an element of `scheme`; RFC 3986, section 3.1, but for schemes with dots, which are never compared.
pub(super) fn scheme(text: &Spanned<String>, reading: &mut Reading) -> Option<String> {
    let written = text.get_ref();
    let is_scheme = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "+-".contains(c))
    };
    if is_scheme(written) {
        return Some(written.to_ascii_lowercase());
    }
    let word = written.split(':').next().unwrap_or_default();
    let hint = if is_scheme(word) {
        format!("write only the word before the colon: `{}`", word.to_ascii_lowercase())
    } else {
        "write a word such as `https`".to_owned()
    };
    fault(reading, text.span(), format!("`{written}` is no scheme"), &hint);
    None
}

/// Reads an element of `ip_in`: a network, or one address.
pub(super) fn net(text: &Spanned<String>, reading: &mut Reading) -> Option<IpNet> {
    let written = text.get_ref().as_str();
    if let Ok(address) = written.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    let (message, hint) = match written.parse::<IpNet>() {
        Ok(net) if net.trunc() == net => return Some(unmapped(net)),
        Ok(net) => (format!("`{written}` has bits behind its prefix"), format!("write `{}`", net.trunc())),
        Err(_) => (
            format!("`{written}` is no network"),
            "write `10.0.0.0/8`, `fc00::/7` or one address; names are for `host`, and none is resolved"
                .to_owned(),
        ),
    };
    fault(reading, text.span(), message, &hint);
    None
}

/// A network of IPv4 addresses in their IPv6 form is one of IPv4.
fn unmapped(net: IpNet) -> IpNet {
    let mapped = |net: Ipv6Net| {
        let address = net.addr().to_ipv4_mapped()?;
        Ipv4Net::new(address, net.prefix_len().checked_sub(96)?).ok()
    };
    match net {
        IpNet::V6(v6) => mapped(v6).map_or(net, IpNet::V4),
        IpNet::V4(_) => net,
    }
}
