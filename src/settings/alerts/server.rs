//! Mail servers and syslog receivers, as `[alerts.to.NAME]` has them.
//!
//! It refuses a way on which what is said could be read by others, but on this machine. Invariant: a port is known.

use std::ops::Range;

use toml::Spanned;

use super::{Email, Protocol, Security, Syslog, missing, required, variable};
use crate::policy::schema::{List, Reading, Section};
use crate::settings::sections::value;

const SMTP: &str =
    "`smtps://mail.example`, `smtp+starttls://mail.example`, or `smtp://127.0.0.1:25` on this machine";

pub(super) fn email(section: &mut Section<'_>, reading: &mut Reading) -> Option<Email> {
    let smtp = required(section, "smtp", SMTP, reading);
    let from = required(section, "from", "the address that mail comes from", reading);
    let hint = "the addresses that mail goes to";
    let to = if section.has("to") {
        section.strings("to", reading)
    } else {
        missing(section, "to", hint, reading)
    };
    let (user_env, password_env) =
        (variable(section, "user_env", reading), variable(section, "password_env", reading));
    if user_env.is_some() != password_env.is_some() {
        let message = format!("{} has one of `user_env` and `password_env`", section.title);
        reading.fault_with(section.span.clone(), message, "whoever signs in needs both");
    }
    let (from, to) = (from?, to?);
    let mut mailboxes = vec![(from.span(), from.get_ref())];
    mailboxes.extend(to.get_ref().iter().map(|to| (to.span(), to.get_ref())));
    for (span, address) in &mailboxes {
        mailbox(span, address, reading);
    }
    if to.get_ref().is_empty() {
        reading.fault(to.span(), "`to` names nobody");
    }
    let (host, port, security) = server(&smtp?, reading)?;
    let names = |to: List<String>| to.into_inner().into_iter().map(Spanned::into_inner).collect();
    Some(Email { host, port, security, user_env, password_env, from: from.into_inner(), to: names(to) })
}

/// RFC 5321 in full is not read here: what a server does not like, it says.
fn mailbox(span: &Range<usize>, address: &str, reading: &mut Reading) {
    let parts = address.rsplit_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty());
    if parts.is_none() || address.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,".contains(c))
    {
        reading.fault_with(span.clone(), "this is no mail address", "`oncall@example.com`");
    }
}

fn server(smtp: &Spanned<String>, reading: &mut Reading) -> Option<(String, u16, Security)> {
    let (scheme, host, port) = place(smtp.get_ref()).or_else(|| {
        reading.fault_with(smtp.span(), "`smtp` is no address of a mail server", SMTP);
        None
    })?;
    let (security, usual) = match scheme {
        "smtps" => (Security::Tls, 465),
        "smtp+starttls" => (Security::StartTls, 587),
        "smtp" if is_loopback(host) => (Security::Plain, 25),
        "smtp" => {
            reading.fault_with(smtp.span(), "`smtp://` is not protected and leaves this machine", SMTP);
            return None;
        }
        _ => {
            reading.fault_with(smtp.span(), "`smtp` is no address of a mail server", SMTP);
            return None;
        }
    };
    Some((host.to_owned(), port.unwrap_or(usual), security))
}

const SYSLOG: &str = "`udp://127.0.0.1:514`, `tcp://siem.example:601` or `tls://siem.example:6514`";

pub(super) fn syslog(section: &mut Section<'_>, reading: &mut Reading) -> Option<Syslog> {
    let address = required(section, "address", SYSLOG, reading);
    let payload = value(section.word("format", reading)).unwrap_or_default();
    let address = address?;
    let found = place(address.get_ref()).and_then(|(scheme, host, port)| {
        let (protocol, usual) = match scheme {
            "udp" => (Protocol::Udp, 514),
            "tcp" => (Protocol::Tcp, 601),
            "tls" => (Protocol::Tls, 6514),
            _ => return None,
        };
        Some(Syslog { protocol, host: host.to_owned(), port: port.unwrap_or(usual), payload })
    });
    if found.is_none() {
        reading.fault_with(address.span(), "`address` is no address of a syslog receiver", SYSLOG);
    }
    found
}

/// `scheme://host[:port]`, the host without brackets; no user, no path.
pub(super) fn place(text: &str) -> Option<(&str, &str, Option<u16>)> {
    let (scheme, rest) = text.split_once("://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || "@/?#".contains(c)) {
        return None;
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
    if host.is_empty() || port == Some(None) {
        return None;
    }
    Some((scheme, host, port.flatten()))
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
