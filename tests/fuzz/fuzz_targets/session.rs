//! Any bytes from both ends, with policies that change between them.
//!
//! Without a policy that enforces nothing is added, held back or changed. Where one does, no line that it lets
//! end is a call of the denied tool to serde, and none asks the client for a password; a call that needs a person reaches
//! the server only after a yes. Each part between 0xFF bytes begins with `c` (the client sends the rest), `s` (the server
//! does), `y` or `n` (a person rules on all questions), `t` (a minute passes) or a digit (that policy takes force).
#![no_main]

use std::sync::LazyLock;

use callgate::guard::{Alone, Heard, Opening, Outbox, Passing, Ruling, Session, Side, Terms, Through, Way};
use callgate::policy::{Facts, NoLinks};
use callgate::record::{Now, SessionInfo};
use callgate::settings::{Environment, read};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const DENY: &str = "[[rule]]\naction = \"deny\"\ntools = \"denied\"\n\
    [[label]]\nid = \"seen\"\ntools = \"a*\"\nwhen = { \"/x\" = 1 }\non = \"result\"\n\
    [[rule]]\naction = \"deny\"\ntools = \"b*\"\nafter = \"seen\"\n\
    [[rule]]\naction = \"warn\"\ntools = \"c*\"\nunless_after = \"seen\"\n\
    rate = { max = 2, per = \"1m\", by = [\"agent\", \"tool\"] }\n\
    [[rule]]\naction = \"deny\"\nmethods = [\"elicitation/create\", \"sampling/createMessage\"]\n\
    when = { \"/message\" = \"password\" }\n\
    [[rule]]\naction = \"deny\"\nmethods = \"tasks/update\"\ntools = \"denied\"\n\
    [[rule]]\naction = \"require_approval\"\ntools = \"asked\"\n\
    [approval]\ntimeout = \"5m\"\nchannels = [\"local\", \"host\"]\nhost_agents = [\"fuzz\"]\n";

static LOOSE: LazyLock<Vec<Terms>> = LazyLock::new(|| ["shadow", "warn", "off"].map(terms).into());
static ALL: LazyLock<Vec<Terms>> = LazyLock::new(|| ["enforce", "shadow", "warn", "off"].map(terms).into());

fuzz_target!(|data: &[u8]| {
    let sent = run(&LOOSE, data);
    assert_eq!(sent.to_server, sent.from_client);
    assert_eq!(sent.to_client, sent.from_server);
    run(&ALL, data);
});

/// What came in and what went out.
#[derive(Default)]
struct Sent {
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    approved: bool,
}

fn run(policies: &[Terms], data: &[u8]) -> Sent {
    let mut session = Session::new(opening(policies[0].clone()));
    let mut sent = Sent::default();
    let mut now = Now::default();
    for part in data.split(|byte| *byte == 0xff) {
        match part.split_first() {
            Some((b'c', chunk)) => {
                sent.from_client.extend_from_slice(chunk);
                if let Through::Tee(withheld) = session.through(Side::Client) {
                    sent.to_server.extend([&withheld, chunk].concat());
                }
                let out = session.client_bytes(chunk, now);
                sent.take(out, session.is_gated());
            }
            Some((b's', chunk)) => {
                sent.from_server.extend_from_slice(chunk);
                if let Through::Tee(withheld) = session.through(Side::Server) {
                    sent.to_client.extend([&withheld, chunk].concat());
                }
                let out = session.server_bytes(chunk, now);
                sent.take(out, session.is_gated());
            }
            Some((word @ (b'y' | b'n'), _)) => {
                let heard = if *word == b'y' { Heard::Yes } else { Heard::No };
                let ruling = Ruling { question: "word".into(), heard, said: None };
                sent.approved |= heard == Heard::Yes;
                let out = session.ruled(vec![ruling], now);
                sent.take(out, session.is_gated());
            }
            Some((b't', _)) => now.steady_us += 60_000_000,
            Some((digit, _)) => session.adopt(policies[usize::from(*digit) % policies.len()].clone()),
            None => {}
        }
        // As a driver does.
        for _ in 0..3 {
            if session.deadline().is_none_or(|deadline| deadline > now.steady_us) {
                break;
            }
            let out = session.tick(now);
            sent.take(out, session.is_gated());
        }
    }
    let out = session.client_gone(now);
    sent.take(out, session.is_gated());
    let out = session.server_gone("exit 0", now);
    sent.take(out, session.is_gated());
    sent
}

impl Sent {
    fn take(&mut self, out: Outbox, gated: bool) {
        if gated {
            // The members of a batch share their bytes.
            let apart =
                |pair: &[Passing]| pair[0].bytes == pair[1].bytes || pair[0].bytes.end <= pair[1].bytes.start;
            assert!(out.passing.windows(2).all(apart));
            let stream = |frame: &Passing| match frame.way {
                Way::ToServer => out.to_server.len(),
                Way::ToClient | Way::InAnswer => out.to_client.len(),
            };
            assert!(out.passing.iter().all(|frame| frame.bytes.end <= stream(frame)));
        }
        let from = self.to_server.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        self.to_server.extend(out.to_server);
        let said = self.to_client.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        self.to_client.extend(out.to_client);
        if gated {
            let ended = self.to_client[said..].split_inclusive(|byte| *byte == b'\n');
            ended.filter(|line| line.ends_with(b"\n")).for_each(refused_password);
            let ended = self.to_server[from..].split_inclusive(|byte| *byte == b'\n');
            let approved = self.approved;
            ended.filter(|line| line.ends_with(b"\n")).for_each(|line| refused_denied(line, approved));
        }
    }
}

fn refused_denied(line: &[u8], approved: bool) {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    let is_denied = |value: &Value| {
        let name = &value["params"]["name"];
        value["method"] == "tools/call" && (name == "denied" || name == "asked" && !approved)
    };
    let members = value.as_array().into_iter().flatten();
    assert!(!members.chain([&value]).any(is_denied), "{}", String::from_utf8_lossy(line));
}

fn refused_password(line: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    let asks =
        |value: &Value| value["method"] == "elicitation/create" && value["params"]["message"] == "password";
    let within = |value: &Value| {
        let asked = value["result"]["inputRequests"].as_object();
        asked.into_iter().flatten().any(|(_, request)| asks(request))
    };
    let is_denied = |value: &Value| asks(value) || value.get("method").is_none() && within(value);
    let members = value.as_array().into_iter().flatten();
    assert!(!members.chain([&value]).any(is_denied), "{}", String::from_utf8_lossy(line));
}

fn terms(mode: &str) -> Terms {
    let source = format!("version = 1\nmode = \"{mode}\"\n{DENY}");
    let read = read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}"));
    Terms { max_frame: 4096, ..read.config.terms() }
}

fn opening(terms: Terms) -> Opening {
    let info = SessionInfo {
        session: "0123456789".to_owned(),
        unix_ms: 0,
        agent: Some("fuzz".to_owned()),
        user: None,
        uid: None,
        groups: Vec::new(),
        repo: None,
        environment: None,
        client: None,
        client_version: None,
        server: "files".to_owned(),
        protocol: None,
        pid: 1,
        root: None,
        process: None,
    };
    Opening {
        terms,
        unguarded: None,
        info,
        facts: Facts::default(),
        links: Box::new(NoLinks),
        elsewhere: Box::new(Alone),
        steady_us: || 0,
        random_word: || Some("word".into()),
        #[cfg(debug_assertions)]
        fault_at: None,
    }
}
