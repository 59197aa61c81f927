//! Any text as a URL: what a permission accepts, the `url` and `http` crates read alike; what a restriction on a host lets
//! pass, they do not take to that host.
#![no_main]

use std::sync::LazyLock;

use callgate::call::Call;
use callgate::policy::{By, Facts, Policy, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

/// Items with the host that browsers should find for them.
const ITEMS: &[(&str, &str)] = &[
    ("good.example", "good.example"),
    ("evil.test", "evil.test"),
    ("münchen.example", "xn--mnchen-3ya.example"),
    ("faß.example", "xn--fa-hia.example"),
    ("127.0.0.1", "127.0.0.1"),
    ("10.0.0.1", "10.0.0.1"),
    ("[::1]", "[::1]"),
    ("localhost", "localhost"),
    ("a", "a"),
];
const NETS: &[&str] = &["127.0.0.0/8", "10.0.0.0/8", "0.0.0.0/4", "::/16", "2000::/3"];

static POLICY: LazyLock<Policy> = LazyLock::new(policy);

fuzz_target!(|text: &str| {
    let arguments = serde_json::json!({ "url": text }).to_string();
    let call = Call::new("tools/call", "t", Json::from_text(&arguments));
    let stance = POLICY.stance(None, "s");
    let verdict = POLICY.evaluate(&stance, &call, World::of(&Facts::default())).expect("it is not off");
    let matched: Vec<String> =
        verdict.matched.iter().map(|found| POLICY.rule_id(found.by).to_string()).collect();
    assert!(!matches!(verdict.by, By::Malformed));
    let has = |id: String| matched.contains(&id);
    let browsers = Url::parse(text).ok();
    let host = browsers.as_ref().and_then(found_host);
    for (at, (item, wanted)) in ITEMS.iter().enumerate() {
        let (allowed, stopped) = (has(format!("allow-{at}")), has(format!("deny-{at}")));
        assert!(stopped || !allowed, "{item} {text:?}");
        if allowed && text.contains("://") {
            everybody_reads(text, browsers.as_ref().expect("browsers read it"), wanted);
        }
        let there = host.as_ref().is_some_and(|host| host.to_string() == *wanted);
        assert!(stopped || !there, "{item} is let pass in {text:?}");
    }
    for (at, net) in NETS.iter().enumerate() {
        let (allowed, stopped) = (has(format!("allow-net-{at}")), has(format!("deny-net-{at}")));
        assert!(stopped || !allowed, "{net} {text:?}");
        let inside = match &host {
            Some(Host::Ipv4(address)) => contains(net, (*address).into()),
            Some(Host::Ipv6(address)) => contains(net, (*address).into()),
            Some(Host::Domain(_)) | None => false,
        };
        assert!(stopped || !inside, "{net} is let pass in {text:?}");
        let literal = host
            .as_ref()
            .is_some_and(|host| !matches!(host, Host::Domain(name) if !name.contains("localhost")));
        assert!(!allowed || literal || !text.contains("://"), "{net} {text:?}");
    }
    let https = browsers.as_ref().is_some_and(|url| url.scheme() == "https");
    assert!(!has("allow-scheme".into()) || https || browsers.is_none(), "{text:?}");
    assert!(has("deny-scheme".into()) || !https, "{text:?}");
});

/// The host as browsers see it; of schemes that they do not know, its name is read once more.
fn found_host(url: &Url) -> Option<Host<String>> {
    let host = Host::parse(url.host_str()?).ok()?;
    Some(match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
        address => address,
    })
}

fn everybody_reads(text: &str, browsers: &Url, wanted: &str) {
    assert_eq!(found_host(browsers).map(|host| host.to_string()).as_deref(), Some(wanted), "{text:?}");
    assert!(
        browsers.port().is_none() && browsers.username().is_empty() && browsers.password().is_none(),
        "{text:?}"
    );
    if let Ok(uri) = text.parse::<http::Uri>()
        && let Some(host) = uri.host()
    {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // One address has several spellings in brackets, and this reader keeps the one it met.
        let address = Host::parse(&host).ok().filter(|_| host.starts_with('['));
        assert_eq!(address.map_or(host, |address| address.to_string()), wanted, "{text:?}");
    }
}

fn contains(net: &str, address: std::net::IpAddr) -> bool {
    let (base, prefix) = net.split_once('/').unwrap();
    let prefix: u32 = prefix.parse().unwrap();
    match (base.parse().unwrap(), address) {
        (std::net::IpAddr::V4(base), std::net::IpAddr::V4(address)) => {
            (u32::from(base) ^ u32::from(address)) >> (32 - prefix) == 0
        }
        (std::net::IpAddr::V6(base), std::net::IpAddr::V6(address)) => {
            (u128::from(base) ^ u128::from(address)) >> (128 - prefix) == 0
        }
        _ => false,
    }
}

fn policy() -> Policy {
    let rule = |id: &str, action: &str, test: &str| {
        format!("[[rule]]\nid = \"{id}\"\naction = \"{action}\"\nwhen = {{ \"/url\" = {{ {test} }} }}\n")
    };
    let mut source = "version = 1\nmode = \"enforce\"\ndefault = \"deny\"\n".to_owned();
    for (at, (item, _)) in ITEMS.iter().enumerate() {
        source += &rule(&format!("allow-{at}"), "allow", &format!("host = \"{item}\""));
        source += &rule(&format!("deny-{at}"), "deny", &format!("host = \"{item}\""));
    }
    for (at, net) in NETS.iter().enumerate() {
        source += &rule(&format!("allow-net-{at}"), "allow", &format!("ip_in = \"{net}\""));
        source += &rule(&format!("deny-net-{at}"), "deny", &format!("ip_in = \"{net}\""));
    }
    source += &rule("allow-scheme", "allow", "scheme = \"https\"");
    source += &rule("deny-scheme", "deny", "scheme = \"https\"");
    let read = read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}"));
    std::sync::Arc::unwrap_or_clone(read.config.policy)
}
