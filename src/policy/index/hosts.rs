//! Rules by the hosts and networks that URLs lead to.
//!
//! It leaves ports and users to the full evaluation. Invariant: a rule that is not found names no host and no network
//! that the text may lead to.

use core::net::IpAddr;

use ipnet::IpNet;

use super::Map;
use crate::policy::HostName;
use crate::policy::url::{Leads, leads, looks_like_url};

/// Rules with `host` or `ip_in` on one field.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    all: Vec<u32>,
    names: Map<Box<str>, Vec<u32>>,
    /// By the name that theirs end with, behind a dot.
    below: Map<Box<str>, Vec<u32>>,
    addresses: Map<IpAddr, Vec<u32>>,
    networks: Map<IpNet, Vec<u32>>,
    /// The lengths that networks have.
    lengths: Vec<u8>,
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

    pub(super) fn all(&self, found: &mut Vec<u32>) {
        found.extend(&self.all);
    }

    /// A text that is meant as a URL.
    pub(super) fn find(&self, text: &str, found: &mut Vec<u32>) {
        if self.all.is_empty() || self.led(text, found) {
            return;
        }
        self.all(found);
    }

    /// A text that may be one.
    pub(super) fn guess(&self, text: &str, found: &mut Vec<u32>) {
        if self.all.is_empty() || self.led(text, found) {
            return;
        }
        if looks_like_url(text) {
            self.all(found);
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
