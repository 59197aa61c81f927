//! The session as its driver sees it, without a driver: bytes in, effects out, time as an argument.
//!
//! `sessions` runs the transcripts under `fixtures/sessions`, `properties` whatever a generator makes up.

mod desk;
mod properties;
mod sessions;

use super::{Opening, Outbox, Session, Side, Terms, Through};
use desk::Desk;

use crate::policy::{Facts, FailMode, NoLinks};
use crate::record::{CallRecord, Now, Record, SessionInfo};
use crate::settings::{Environment, read};

/// What a policy file's text means for a session.
fn terms(policy: &str) -> Terms {
    let read = read(policy, &Environment::default());
    read.unwrap_or_else(|faults| panic!("{policy}\n{faults:?}")).config.terms()
}

/// `word1`, `word2`, … in each session.
#[allow(clippy::unnecessary_wraps, reason = "the system may have no random numbers")]
fn word() -> Option<Box<str>> {
    SAID.set(SAID.get() + 1);
    Some(format!("word{}", SAID.get()).into())
}

thread_local!(static SAID: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

/// A session with the part of the driver that is not I/O.
struct Driven {
    session: Session,
    now: Now,
    desk: Desk,
}

/// What left, and what is to be kept, after one input. In a tee `to_server` and `to_client` are what had left before
/// the session saw it.
#[derive(Debug, Default)]
struct Step {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    out: Outbox,
}

impl Driven {
    fn new(policy: &str) -> Self {
        Self::opening(policy, None)
    }

    fn opening(policy: &str, unguarded: Option<FailMode>) -> Self {
        SAID.set(0);
        let info = SessionInfo {
            session: "s".into(),
            agent: Some("ci-bot".into()),
            server: "files".into(),
            ..SessionInfo::default()
        };
        let facts = Facts { agent: info.agent.clone(), server: Some("files".into()), ..Facts::default() };
        let desk = Desk::default();
        let session = Session::new(Opening {
            terms: terms(policy),
            unguarded,
            info,
            facts,
            links: Box::new(NoLinks),
            elsewhere: Box::new(desk.clone()),
            steady_us: || 0,
            random_word: word,
            fault_at: Some("fault".into()),
        });
        Self { session, now: Now::default(), desk }
    }

    /// Bytes from one side, moved as the driver moves them; `lost` tells why the store cannot keep what must be
    /// committed first.
    fn feed(&mut self, side: Side, chunk: &[u8], lost: Option<&str>) -> Step {
        let mut ahead = Vec::new();
        if let Through::Tee(mut withheld) = self.session.through(side) {
            withheld.extend_from_slice(chunk);
            ahead = withheld;
        }
        let out = match side {
            Side::Client => self.session.client_bytes(chunk, self.now),
            Side::Server => self.session.server_bytes(chunk, self.now),
        };
        let mut step = self.perform(out, lost);
        let way = match side {
            Side::Client => &mut step.to_server,
            Side::Server => &mut step.to_client,
        };
        way.splice(0..0, ahead);
        step
    }

    fn perform(&mut self, mut out: Outbox, lost: Option<&str>) -> Step {
        if let Some(why) = lost.filter(|_| out.commit_first) {
            out = self.session.unrecorded(out, why);
        }
        self.desk.keep(&out.records);
        let (to_server, to_client) = (out.to_server.clone(), out.to_client.clone());
        Step { to_server, to_client, out }
    }

    fn client(&mut self, bytes: &[u8]) -> Step {
        self.feed(Side::Client, bytes, None)
    }
}

impl Step {
    fn calls(&self) -> impl Iterator<Item = &CallRecord> {
        self.out.records.iter().filter_map(|record| match record {
            Record::Call(call) => Some(call),
            Record::Completion(_)
            | Record::Gap(_)
            | Record::Notice(_)
            | Record::Tools(_)
            | Record::Trace(_)
            | Record::Question(_)
            | Record::Turn(_)
            | Record::Warning(_)
            | Record::Course(_) => None,
        })
    }
}

#[test]
fn a_revision_takes_force_for_every_frame_that_is_not_complete() {
    let deny = "version = 1\nmode = \"enforce\"\n[[rule]]\nid = \"no\"\ntools = [\"x\"]\naction = \"deny\"\n";
    let mut driven = Driven::new(&deny.replace("enforce", "shadow"));
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
    let first = driven.client(&call[..20]);
    assert_eq!(first.to_server, &call[..20]);
    driven.session.adopt(terms(deny));
    let second = driven.client(&call[20..]);
    assert!(second.to_server.is_empty());
    let third = driven.client(b"\n");
    assert_eq!(third.to_server, b"\0\n", "what had left is spoilt for every parser");
    assert!(third.to_client.starts_with(br#"{"jsonrpc":"2.0","id":1,"error":"#));
}

#[test]
fn a_line_kept_back_leaves_as_soon_as_nothing_can_stop_it() {
    let enforce = "version = 1\nmode = \"enforce\"\n";
    let mut driven = Driven::new(enforce);
    assert!(driven.client(b"{\"jsonrpc\":").to_server.is_empty());
    driven.session.adopt(terms("version = 1\nmode = \"shadow\"\n"));
    assert_eq!(driven.client(b"nonsense").to_server, b"{\"jsonrpc\":nonsense");
}
