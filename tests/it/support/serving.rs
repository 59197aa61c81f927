//! Processes that listen and are not ours: servers among the fixtures, relays, gateways from elsewhere.
//!
//! It refuses to guess ports: whoever listens is asked where, or is given one that was free a moment ago.
//!
//! Invariant: what listens is reachable when its value is there, and has ended when the value is gone.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::home::until;
use super::process::{Deadline, Line, PATIENCE, Piped, command_line};

/// What whoever listens says, followed by where.
const TELLS: &str = "listening on ";

/// A process that listens.
pub struct Listening {
    /// The process.
    pub process: Piped,
    /// Where, as it told: with the path of its endpoint if it has one.
    pub url: String,
}

impl Listening {
    /// A server that says where it listens on its stdout, as those among the fixtures do.
    pub fn fixture<W: AsRef<std::ffi::OsStr>>(words: &[W], more: &[&str]) -> Self {
        Self::told(command_line(words, more))
    }

    /// A server that says where it listens on its stdout.
    pub fn told(mut command: Command) -> Self {
        let process = Piped::start(&mut command);
        let deadline = Deadline::within(PATIENCE);
        loop {
            let Line::Said(line) = process.line(deadline.left()) else {
                panic!("nobody listens: {}", process.stderr())
            };
            if let Some(url) = told_in(&String::from_utf8_lossy(&line)) {
                return Self { process, url };
            }
        }
    }

    /// A gateway that has no say in where it listens: it was told this port, and does once it takes connections.
    pub fn at(mut command: Command, port: u16, path: &str) -> Self {
        let mut process = Piped::start(&mut command);
        let there = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let there = until(PATIENCE, || (there() || process.ended()).then(there));
        assert_eq!(there, Some(true), "nobody listens: {}", process.stderr());
        Self { process, url: format!("http://127.0.0.1:{port}{path}") }
    }
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn told_in(said: &str) -> Option<String> {
    // A line that is still being written has no end yet.
    let line = said.split_inclusive('\n').find(|line| line.contains(TELLS) && line.ends_with('\n'))?;
    let (_, place) = line.split_once(TELLS)?;
    Some(place.split_whitespace().next()?.trim_end_matches('/').to_owned())
}
