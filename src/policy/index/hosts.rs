//! Rules by the hosts and networks that URLs lead to.
//!
//! It leaves ports and users to the full evaluation. Invariant: a rule that is not found names no host and no network
//! that the text may lead to.

use core::net::IpAddr;

use ipnet::IpNet;

use super::Map;
use crate::policy::HostName;
use crate::policy::url::{Leads, leads, looks_like_url, scheme_of};

/// Rules with `host`, `ip_in` or `scheme` on one field.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Every rule but those of `schemes`.
    all: Vec<u32>,
    names: Map<Box<str>, Vec<u32>>,
    /// By the name that theirs end with, behind a dot.
    below: Map<Box<str>, Vec<u32>>,
    addresses: Map<IpAddr, Vec<u32>>,
    networks: Map<IpNet, Vec<u32>>,
    /// The lengths that networks have.
    lengths: Vec<u8>,
    /// Every rule of `schemes`.
    with_scheme: Vec<u32>,
    schemes: Map<Box<str>, Vec<u32>>,
}

impl Hosts {
    pub(super) fn add_hosts(&mut self, hosts: Vec<HostName>, rule: u32) {
        self.all.push(rule);
        for host in hosts {
            match host {
                HostName::Exact(name) => self.names.entry(name.into()).or_default().push(rule),
                HostName::Below(name) => self.below.entry(name.into()).or_default().push(rule),
                HostName::Address(address) => self.addresses.entry(address).or_default().push(rule),
            }
        }
    }

    pub(super) fn add_networks(&mut self, networks: Vec<IpNet>, rule: u32) {
        self.all.push(rule);
        for network in networks {
            if !self.lengths.contains(&network.prefix_len()) {
                self.lengths.push(network.prefix_len());
            }
            self.networks.entry(network).or_default().push(rule);
        }
    }

    pub(super) fn add_schemes(&mut self, schemes: Vec<String>, rule: u32) {
        self.with_scheme.push(rule);
        for scheme in schemes {
            self.schemes.entry(scheme.to_ascii_lowercase().into()).or_default().push(rule);
        }
    }

    pub(super) fn all(&self, found: &mut Vec<u32>) {
        found.extend(self.all.iter().chain(&self.with_scheme));
    }

    /// A text that is meant as a URL.
    pub(super) fn find(&self, text: &str, found: &mut Vec<u32>) {
        self.find_or(text, |_| true, found);
    }

    /// A text that may be one.
    pub(super) fn guess(&self, text: &str, found: &mut Vec<u32>) {
        self.find_or(text, looks_like_url, found);
    }

    /// Where it cannot be told what a text is, `doubtful` says whether that counts.
    fn find_or(&self, text: &str, doubtful: fn(&str) -> bool, found: &mut Vec<u32>) {
        if !self.all.is_empty() && !self.led(text, found) && doubtful(text) {
            found.extend(&self.all);
        }
        if self.with_scheme.is_empty() {
            return;
        }
        match scheme_of(text) {
            Some(scheme) => {
                let scheme = scheme.to_ascii_lowercase();
                found.extend(self.schemes.get(&*scheme).into_iter().flatten());
            }
            None if doubtful(text) => found.extend(&self.with_scheme),
            None => {}
        }
    }

    /// Whether it could be told where the text leads.
    fn led(&self, text: &str, found: &mut Vec<u32>) -> bool {
        match leads(text) {
            Leads::Unclear => return false,
            Leads::Nowhere => {}
            Leads::To(name, addresses) => {
                if let Some(name) = name {
                    self.named(&name, found);
                }
                for address in addresses {
                    self.at(address, found);
                }
            }
        }
        true
    }

    fn named(&self, name: &str, found: &mut Vec<u32>) {
        found.extend(self.names.get(name).into_iter().flatten());
        let ends = name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..));
        found.extend(ends.filter_map(|end| self.below.get(end)).flatten());
    }

    fn at(&self, address: IpAddr, found: &mut Vec<u32>) {
        found.extend(self.addresses.get(&address).into_iter().flatten());
        let networks = self.lengths.iter().filter_map(|length| IpNet::new(address, *length).ok());
        found.extend(networks.filter_map(|network| self.networks.get(&network.trunc())).flatten());
    }
}
