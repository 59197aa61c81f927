//! `[alerts]` as people write it, and as they should not.

use super::*;
use crate::settings::{Environment, read};

fn settings(text: &str) -> Alerts {
    read(&format!("version = 1\n{text}"), &Environment::default())
        .unwrap_or_else(|faults| panic!("{faults:?}"))
        .config
        .settings
        .alerts
}

#[test]
fn every_kind_of_destination_is_read() {
    let alerts = settings(
        "[alerts]\nmin_severity = \"high\"\nrepeat = \"1m\"\n\
         [alerts.to.a]\nkind = \"webhook\"\nurl_env = \"URL\"\nsecret_env = \"SECRET\"\nmin_severity = \"critical\"\n\
         [alerts.to.b]\nkind = \"slack\"\nurl_env = \"SLACK\"\n\
         [alerts.to.c]\nkind = \"email\"\nsmtp = \"smtp+starttls://mail.example\"\nfrom = \"a@b\"\nto = [\"c@d\"]\n\
         [alerts.to.d]\nkind = \"syslog\"\naddress = \"tls://[::1]:7000\"\nformat = \"json\"\n",
    );
    assert_eq!((alerts.min_severity, alerts.repeat_ms), (Severity::High, 60_000));
    assert_eq!(alerts.to["a"].min_severity, Severity::Critical);
    let kinds: Vec<_> = alerts.to.values().map(|to| to.way.kind()).collect();
    assert_eq!(kinds, ["webhook", "slack", "email", "syslog"]);
    let Way::Email(email) = &alerts.to["c"].way else { panic!("{alerts:?}") };
    assert_eq!((email.port, email.security), (587, Security::StartTls));
    let syslog = Syslog { protocol: Protocol::Tls, host: "::1".into(), port: 7000, payload: Payload::Json };
    assert_eq!(alerts.to["d"].way, Way::Syslog(syslog));
}

#[test]
fn a_destination_that_could_not_be_reached_or_would_give_a_secret_away_is_a_fault() {
    for (text, told) in [
        ("kind = \"pager\"", "pager"),
        ("kind = \"webhook\"", "`url_env` is missing in [alerts.to.x]"),
        ("kind = \"webhook\"\nurl = \"ftp://h\"", "not an http or https address"),
        ("kind = \"webhook\"\nurl = \"https://u:p@h/\"", "holds what may be a secret"),
        ("kind = \"webhook\"\nurl = \"https://h/?token=hunter2\"", "holds what may be a secret"),
        ("kind = \"webhook\"\nurl = \"https://h\"\nurl_env = \"U\"", "has both"),
        (
            "kind = \"slack\"\nurl_env = \"https://hooks.example/hunter2\"",
            "must name an environment variable",
        ),
        ("kind = \"email\"\nfrom = \"a@b\"\nto = \"c@d\"", "`smtp` is missing"),
        (
            "kind = \"email\"\nsmtp = \"smtp://mail.example\"\nfrom = \"a@b\"\nto = \"c@d\"",
            "is not protected",
        ),
        ("kind = \"email\"\nsmtp = \"smtps://m\"\nfrom = \"a\"\nto = \"c@d\"", "no mail address"),
        ("kind = \"email\"\nsmtp = \"smtps://m\"\nfrom = \"a@b\"\nto = []", "names nobody"),
        (
            "kind = \"email\"\nsmtp = \"smtps://m\"\nfrom = \"a@b\"\nto = \"c@d\"\nuser_env = \"U\"",
            "one of `user_env`",
        ),
        ("kind = \"syslog\"\naddress = \"http://h\"", "no address of a syslog receiver"),
        ("kind = \"syslog\"\naddress = \"udp://h:0\"", "no address of a syslog receiver"),
        ("kind = \"syslog\"\naddress = \"udp://h\"\nurl = \"https://h\"", "unknown key `url`"),
    ] {
        let source = format!("version = 1\n[alerts.to.x]\n{text}\n");
        let faults = read(&source, &Environment::default()).expect_err(text);
        let all: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert!(all.iter().any(|message| message.contains(told)), "{text}: {all:?}");
        assert!(!format!("{all:?}").contains("hunter2"), "{all:?}");
    }
}

#[test]
fn what_others_on_the_way_can_read_is_noted_and_this_machine_is_not_on_the_way() {
    for (url, notes) in [
        ("http://alerts.example/callgate", 1),
        ("http://[2001:db8::1]:8080/", 1),
        ("https://alerts.example/", 0),
        ("http://127.0.0.1:8080/", 0),
        ("http://localhost/callgate", 0),
        ("http://[::1]/", 0),
        ("http://[::1]:8080", 0),
    ] {
        let source = format!("version = 1\n[alerts.to.x]\nkind = \"webhook\"\nurl = \"{url}\"\n");
        assert_eq!(read(&source, &Environment::default()).unwrap().notes.len(), notes, "{url}");
    }
}

#[test]
fn a_rule_alerts_only_destinations_that_there_are_and_only_where_something_happens() {
    let to = "[alerts.to.oncall]\nkind = \"webhook\"\nurl_env = \"U\"\n";
    for (rule, told) in [
        ("action = \"deny\"\nalert = [\"onkall\"]", "there is no destination `onkall`"),
        ("action = \"allow\"\nalert = true", "an allow rule alerts nobody"),
        ("action = \"deny\"\nalert = 3", "alert"),
    ] {
        let source = format!("version = 1\n[[rule]]\ntools = \"x\"\n{rule}\n{to}");
        let faults = read(&source, &Environment::default()).expect_err(rule);
        assert!(faults.iter().any(|fault| fault.message.contains(told)), "{rule}: {faults:?}");
    }
    let nobody = "version = 1\n[[rule]]\ntools = \"x\"\naction = \"deny\"\nalert = true\n";
    let faults = read(nobody, &Environment::default()).expect_err("nobody is there");
    assert!(faults[0].message.contains("nobody to alert"), "{faults:?}");
    settings(&format!("[[rule]]\ntools = \"x\"\naction = \"deny\"\nalert = \"oncall\"\n{to}"));
}
