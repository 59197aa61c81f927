//! What a text leads to, by table and by property.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use Outcome::{Not, Opaque, Satisfied};

fn on(item: &str, text: &str) -> Outcome {
    host(text, &[host_item(item).unwrap()])
}

fn within(net: &str, text: &str) -> Outcome {
    ip_in(text, &[net.parse().unwrap()])
}

fn by(word: &str, text: &str) -> Outcome {
    scheme(text, &[word.to_owned()])
}

#[test]
fn a_host_is_compared_whole_and_without_regard_to_case() {
    for (item, text, expected) in [
        ("api.example.com", "https://api.example.com/v1?x=1#y", Satisfied),
        ("API.example.com", "HTTPS://api.EXAMPLE.com", Satisfied),
        ("api.example.com.", "https://api.example.com/", Satisfied),
        ("api.example.com", "https://api.example.com./", Satisfied),
        ("api.example.com", "https://api.example.com.evil.test/", Not),
        ("api.example.com", "https://evil-api.example.com/", Not),
        ("api.example.com", "https://example.com/", Not),
        ("*.example.com", "https://api.example.com/", Satisfied),
        ("*.example.com", "https://a.b.example.com/", Satisfied),
        ("*.example.com", "https://example.com/", Not),
        ("*.example.com", "https://evilexample.com/", Not),
        ("*.example.com", "https://.example.com/", Opaque),
        ("api.example.com", "https://evil.test/#@api.example.com/", Not),
        ("api.example.com", "https://evil.test/?u=https://api.example.com/", Not),
        ("api.example.com", "custom+x://API.example.com/x", Satisfied),
        ("a_b.example", "https://a_b.example/", Satisfied),
    ] {
        assert_eq!(on(item, text), expected, "{item} {text}");
    }
}

#[test]
fn a_port_that_nobody_named_leaves_doubt() {
    for (item, text, expected) in [
        ("a.example", "https://a.example:443/", Satisfied),
        ("a.example", "https://a.example:0443/", Satisfied),
        ("a.example", "https://a.example:/", Satisfied),
        ("a.example", "https://a.example:80/", Opaque),
        ("a.example", "https://a.example:8443/", Opaque),
        ("a.example:8443", "https://a.example:8443/", Satisfied),
        ("a.example:8443", "https://a.example/", Not),
        ("a.example:443", "https://a.example/", Satisfied),
        ("a.example:443", "git://a.example/", Opaque),
        ("a.example", "git://a.example/", Satisfied),
        ("a.example", "git://a.example:9418/", Opaque),
        ("a.example:*", "https://a.example:8443/", Satisfied),
        ("*.example:8080", "http://a.example:8080/", Satisfied),
        ("b.example:8443", "https://a.example:8443/", Not),
        ("a.example", "https://a.example:65536/", Opaque),
        ("a.example", "https://a.example:8a/", Opaque),
    ] {
        assert_eq!(on(item, text), expected, "{item} {text}");
    }
}

#[test]
fn a_user_before_the_host_leaves_doubt_and_never_names_the_host() {
    for (item, text, expected) in [
        ("good.example", "https://me@good.example/", Opaque),
        ("good.example", "https://me:pw@good.example/", Opaque),
        ("good.example", "https://@good.example/", Opaque),
        ("good.example", "https://good.example@evil.test/", Not),
        ("good.example", "https://good.example:443@evil.test/", Not),
        ("evil.test", "https://good.example@evil.test/", Opaque),
        ("good.example", "https://a@b@good.example/", Opaque),
    ] {
        assert_eq!(on(item, text), expected, "{item} {text}");
    }
}

#[test]
fn what_readers_tell_apart_is_opaque() {
    for text in [
        "",
        " ",
        "//good.example/",
        "/path",
        "good.example/path",
        "me@good.example",
        "git@good.example:org/repository",
        "https:good.example",
        "https:/good.example",
        "https:///good.example",
        "https:\\\\good.example",
        "https://evil.test\\@good.example/",
        "https://good.example\\evil.test/",
        "https://good.example?@evil.test/",
        "https://good.example#@evil.test/",
        "https://good.example#\\@evil.test/",
        "https://evil.test&@good.example#@other.test/",
        " https://good.example/",
        "https://good.example ",
        "https://good.example\n",
        "https://go\tod.example/",
        "ht\ttps://good.example/",
        "\u{0}https://good.example/",
        "https://good.example\0.evil.test/",
        "https://good%2eexample/",
        "https://good.example%00/",
        "https://good\u{3002}example/",
        "https://good\u{ff0e}example/",
        "https://g\u{ad}ood.example/",
        "https://\u{ff47}ood.example/",
        "https://good\u{200b}.example/",
        "https://\u{212a}elvin.example/",
        "https://fa\u{df}.example/",
        "https://good..example/",
        "https://good.example../",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[v1.good]/",
        "https://[::1/",
        "https://256.1.1.1/",
        "https://4294967297/",
        "https://1.2.3.4.5/",
        "https://xn--0/",
        "<https://good.example/>",
        "see https://good.example/",
        "jar:https://good.example!/x",
        "view-source:https://good.example/",
        // No reader of RFC 3986 minds the dots; some take what is before them for a host.
        "evil.test+https://good.example/",
        "mailto:me@good.example",
        "1https://good.example/",
        "file:////good.example/share",
        "file://localhost//good.example/share",
    ] {
        for item in ["good.example", "other.example", "127.0.0.1"] {
            assert_eq!(on(item, text), Opaque, "{item} {text:?}");
        }
        assert_eq!(within("10.0.0.0/8", text), Opaque, "{text:?}");
    }
}

#[test]
fn names_in_unicode_and_in_punycode_are_one() {
    for item in
        ["m\u{fc}nchen.example", "xn--mnchen-3ya.example", "M\u{dc}NCHEN.example", "XN--MNCHEN-3YA.example"]
    {
        for text in [
            "https://m\u{fc}nchen.example/",
            "https://M\u{dc}nchen.example",
            "https://xn--mnchen-3ya.example",
        ] {
            assert_eq!(on(item, text), Satisfied, "{item} {text}");
        }
    }
    assert_eq!(on("api.example.com", "https://\u{430}pi.example.com/"), Not);
    assert_eq!(on("m\u{fc}nchen.example", "https://mu\u{308}nchen.example/"), Opaque);
}

#[test]
fn a_url_that_reaches_no_host_is_on_none() {
    for text in [
        "data:text/html,https://evil.test/",
        "javascript:alert(1)",
        "about:blank",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE://localhost/etc/passwd",
        "tel:123456789",
    ] {
        assert_eq!((on("evil.test", text), within("0.0.0.0/0", text)), (Not, Not), "{text}");
    }
    assert_eq!(on("evil.test", "file://evil.test/share"), Satisfied);
    assert_eq!(on("evil.test", "file://evil.test/e:/share"), Opaque);
}

#[test]
fn a_bare_host_is_one() {
    for (item, text, expected) in [
        ("a.example", "a.example", Satisfied),
        ("a.example", "A.example.", Satisfied),
        ("a.example", "a.example:8443", Opaque),
        ("a.example:8443", "a.example:8443", Satisfied),
        ("a.example:8443", "a.example", Opaque),
        ("a.example", "b.example", Not),
        ("::1", "::1", Satisfied),
        ("::1", "[::1]", Satisfied),
        ("[::1]:80", "[::1]:80", Satisfied),
        ("localhost:3000", "localhost:3000", Satisfied),
        ("http", "http:7", Opaque),
        ("evil.test", "https:443", Opaque),
    ] {
        assert_eq!(on(item, text), expected, "{item} {text}");
    }
    assert_eq!(within("10.0.0.0/8", "10.0.0.1"), Satisfied);
    assert_eq!(within("10.0.0.0/8", "10.0.0.1:80"), Satisfied);
    assert_eq!(within("::1/128", "::1"), Satisfied);
    assert_eq!(within("0.0.0.0/8", "http:7"), Opaque);
}

#[test]
fn an_address_is_found_in_every_spelling_and_only_the_plain_one_permits() {
    for (text, plain) in [
        ("http://127.0.0.1/", true),
        ("http://127.0.0.1:8080/x", true),
        ("http://2130706433/", false),
        ("http://0x7f.1/", false),
        ("http://0177.0.0.1/", false),
        ("http://127.1/", false),
        ("http://0x7F000001/", false),
        ("http://127.0.0.1./", false),
        ("http://127.0.00.1/", false),
        ("http://[::ffff:127.0.0.1]/", false),
        ("http://[::ffff:7f00:1]/", false),
        ("http://[::127.0.0.1]/", false),
        ("http://[64:ff9b::127.0.0.1]/", false),
        ("http://[2002:7f00:1::]/", false),
        ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", false),
        ("http://[fe80::5efe:7f00:1]/", false),
        ("http://0.0.0.0/", false),
        ("http://localhost/", false),
        ("http://user@127.0.0.1/", false),
    ] {
        assert_eq!(within("127.0.0.0/8", text), if plain { Satisfied } else { Opaque }, "{text}");
        let same_host = on("127.0.0.1", text);
        assert!(same_host != Not || text.contains("localhost"), "{text}");
    }
    let octal_or_not = "http://010.0.0.1/";
    assert_eq!(within("8.0.0.0/8", octal_or_not), Opaque);
    assert_eq!(within("10.0.0.0/8", octal_or_not), Opaque);
    assert_eq!(within("12.0.0.0/8", octal_or_not), Not);
}

#[test]
fn a_name_is_in_no_network_but_for_this_machine() {
    let loopback = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    for text in ["http://localhost/", "https://LOCALHOST:3000", "http://a.localhost./", "localhost"] {
        assert_eq!(ip_in(text, &loopback), Satisfied, "{text}");
    }
    for text in ["https://example.com/", "https://127.0.0.1.nip.io/", "example.com"] {
        assert_eq!(ip_in(text, &loopback), Not, "{text}");
        assert_eq!(within("0.0.0.0/0", text), Not, "{text}");
    }
}

#[test]
fn a_scheme_is_what_stands_before_the_colon_of_a_url() {
    for (text, expected) in [
        ("https://a/", Satisfied),
        ("HTTPS://a/", Satisfied),
        ("http://a/", Not),
        ("httpss://a/", Not),
        ("data:,x", Not),
        ("mailto:me@a", Not),
        ("https:a", Opaque),
        ("https:/a", Opaque),
        ("a.example:80", Opaque),
        ("a.https://a/", Opaque),
        ("localhost:80/x", Opaque),
        ("c:\\x", Opaque),
        ("//a/", Opaque),
        ("a/b", Opaque),
        ("", Opaque),
        (" https://a/", Opaque),
        ("ht\ttps://a/", Opaque),
        ("url:https://a/", Opaque),
        ("blob:https://a/", Opaque),
    ] {
        assert_eq!(by("https", text), expected, "{text:?}");
    }
    assert_eq!(by("data", "data:text/plain,x"), Satisfied);
}

#[test]
fn texts_that_begin_like_urls_are_told_from_those_that_do_not() {
    let yes = [
        "https://a",
        "HTTPS:\\\\a",
        "https:a",
        " \thttps://a b",
        "h\nttps://a",
        "<https://a>",
        "x-y:/a",
        "//a.b/c",
        "a.b://c",
    ];
    for text in yes {
        assert!(looks_like_url(text), "{text:?}");
    }
    let no = [
        "",
        "a",
        "a/b",
        "/a",
        "c:\\x",
        "c:/x",
        "12:30",
        "note: x",
        "// a remark",
        "//",
        "see https://a",
        "a@b.c",
    ];
    for text in no {
        assert!(!looks_like_url(text), "{text:?}");
    }
}

#[test]
fn items_are_read_as_people_type_them_and_faults_are_told_apart() {
    assert_eq!(host_item("FA\u{df}.example"), host_item("xn--fa-hia.example"));
    assert_eq!(host_item("[::FFFF:10.0.0.1]"), host_item("10.0.0.1"));
    for (text, expected) in [
        ("a:0", Unnamed::Port),
        ("a:99999", Unnamed::Port),
        ("a:x", Unnamed::Port),
        ("a.*.example", Unnamed::Star),
        ("*example", Unnamed::Star),
        ("*.*.example", Unnamed::Star),
        ("*.10.0.0.1", Unnamed::Star),
        ("0x7f.1", Unnamed::Spelling(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        ("", Unnamed::Nothing),
        ("a b", Unnamed::Nothing),
        ("a..b", Unnamed::Nothing),
        ("a%2eb", Unnamed::Nothing),
    ] {
        assert_eq!(host_item(text), Err(expected), "{text}");
    }
}

#[test]
fn an_endless_authority_is_not_read() {
    let long = "a".repeat(LONGEST_AUTHORITY + 1);
    assert_eq!(on("a", &format!("https://{long}/")), Opaque);
    assert_eq!(on("a", &long), Opaque);
    let (longest, longer) = ("a".repeat(63), "a".repeat(64));
    assert_eq!(on(&longest, &format!("https://{longest}/")), Satisfied);
    assert_eq!(on(&longest, &format!("https://{longer}/")), Opaque);
    assert_eq!(on("good.example", &format!("https://good.example/{}", long.repeat(100))), Satisfied);
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?(\\.[a-z][a-z0-9]{0,6}){1,3}"
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("https:"),
        Just("http:"),
        Just("HTTPS:"),
        Just("//"),
        Just("/"),
        Just("\\"),
        Just("@"),
        Just(":"),
        Just("#"),
        Just("?"),
        Just("."),
        Just(" "),
        Just("\t"),
        Just("%2e"),
        Just("good.example"),
        Just("evil.test"),
        Just("443"),
        Just("127.0.0.1"),
        Just("0x7f.1"),
        Just("[::1]"),
        Just("m\u{fc}nchen"),
        Just("xn--mnchen-3ya"),
        Just("\u{3002}"),
        Just("\u{ad}"),
        Just("localhost"),
        Just("file:"),
        Just("x:"),
    ];
    proptest::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_url_made_from_parts_is_on_its_host(
        name in any_name(), other in any_name(), port in proptest::option::of(1_u16..), tail in "([/?#][a-z/?#=&]{0,9})?",
        shout in any::<bool>(), dot in any::<bool>(),
    ) {
        let spelled = if shout { name.to_uppercase() } else { name.clone() };
        let dot = if dot { "." } else { "" };
        let written = port.map_or(String::new(), |port| format!(":{port}"));
        let text = format!("https://{spelled}{dot}{written}{tail}");
        prop_assert_eq!(on(&format!("{name}:*"), &text), Satisfied);
        let expected = if port.is_none_or(|port| port == 443) { Satisfied } else { Opaque };
        prop_assert_eq!(on(&name, &text), expected);
        prop_assert_eq!(on(&format!("{}:{}", name, port.unwrap_or(443)), &text), Satisfied);
        prop_assert_eq!(on(&format!("{other}:*"), &text), Outcome::of(other == name));
        prop_assert_eq!(by("https", &text), Satisfied);
        prop_assert_eq!(within("::/0", &text), Not);
    }

    #[test]
    fn unicode_and_its_punycode_are_on_the_same_hosts(label in "[a-z\u{e0}-\u{f6}\u{430}-\u{44f}\u{4e00}-\u{4eff}]{1,8}") {
        let Ok(ascii) = idna::domain_to_ascii(&format!("{label}.example")) else { return Ok(()) };
        let (unicode, punycode) = (format!("https://{label}.example/"), format!("https://{ascii}/"));
        prop_assert_eq!(on(&ascii, &unicode), Satisfied);
        prop_assert_eq!(on(&format!("{label}.example"), &punycode), Satisfied);
    }

    #[test]
    fn an_address_is_in_its_own_network(bits in any::<u32>(), v6 in any::<u128>(), prefix in 0_u8..=32) {
        let (v4, v6) = (Ipv4Addr::from(bits), Ipv6Addr::from(v6));
        let net = IpNet::new(v4.into(), prefix).unwrap().to_string();
        for text in [format!("http://{v4}/"), format!("http://{bits}/"), format!("http://{bits:#x}:81"), format!("http://[{}]", v4.to_ipv6_mapped())] {
            prop_assert_ne!(within(&net, &text), Not, "{}", text);
        }
        prop_assert_ne!(within(&format!("{v6}/128"), &format!("http://[{v6}]/")), Not);
    }

    /// What no reader contradicts: the second opinions are that of browsers and a plain split at the marks.
    #[test]
    fn what_satisfies_is_read_so_by_everybody(text in prop_oneof![any_text(), any::<String>()]) {
        for item in ["good.example", "xn--mnchen-3ya.good.example", "127.0.0.1", "::1"] {
            if on(item, &text) != Satisfied || !text.contains("://") {
                continue;
            }
            let browsers = Url::parse(&text).unwrap();
            let plain = text.split("://").nth(1).unwrap().split(['/', '?', '#']).next().unwrap();
            let plain = url::Host::parse(plain.trim_end_matches(|c: char| c == ':' || c == '.' || c.is_ascii_digit()));
            let bare = |host: &str| host.trim_matches(['[', ']', '.']).trim_end_matches(".0.0.1").to_owned();
            prop_assert_eq!(bare(browsers.host_str().unwrap()), bare(item));
            prop_assert!(browsers.username().is_empty() && browsers.password().is_none());
            prop_assert!(browsers.port().is_none());
            if let Ok(url::Host::Domain(plain)) = plain {
                prop_assert_eq!(plain, item);
            }
        }
    }

    #[test]
    fn every_text_has_an_answer(text in prop_oneof![any_text(), any::<String>()]) {
        looks_like_url(&text);
        if let Ok(item) = host_item(&text) {
            prop_assert_ne!(host(&text, std::slice::from_ref(&item)), Not, "{:?}", item);
        }
        prop_assert!(by("https", &text) != Satisfied || Url::parse(&text).is_ok_and(|url| url.scheme() == "https") || Url::parse(&text).is_err());
    }
}
