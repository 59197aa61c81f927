//! Processes that listen: servers among the fixtures, `callgate serve`, and gateways from elsewhere.
//!
//! It refuses to guess ports: whoever listens is asked where, or is given one that was free a moment ago.
//!
//! Invariant: what listens is reachable when its value is there, and has ended when the value is gone.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use super::home::{Home, until};
use super::http::Site;
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

    /// `callgate serve` with these options, at home there, at a free port.
    pub fn serve(home: &Home, options: &[&str]) -> Self {
        Self::serving(home.callgate(["serve", "--listen", "127.0.0.1:0"].iter().chain(options)))
    }

    /// A `callgate serve` that somebody else has described.
    pub fn serving(mut command: Command) -> Self {
        let mut process = Piped::start(&mut command);
        let told =
            until(PATIENCE, || told_in(&process.stderr()).or_else(|| process.ended().then(String::new)));
        let url = told.filter(|url| !url.is_empty());
        let url = url.unwrap_or_else(|| panic!("nobody listens: {}", process.stderr()));
        Self { process, url }
    }

    /// A gateway that has no say in where it listens: it was told this port, and does once it takes connections.
    pub fn at(mut command: Command, port: u16, path: &str) -> Self {
        let mut process = Piped::start(&mut command);
        let there = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let there = until(PATIENCE, || (there() || process.ended()).then(there));
        assert_eq!(there, Some(true), "nobody listens: {}", process.stderr());
        Self { process, url: format!("http://127.0.0.1:{port}{path}") }
    }

    /// The endpoint of a server behind `callgate serve`.
    pub fn endpoint(&self, server: &str) -> String {
        endpoint(&self.url, server)
    }

    /// The same for requests made by hand, with a bearer.
    pub fn site(&self, server: &str, bearer: &str) -> Site {
        site(&self.url, server, bearer)
    }

    /// Asks the process to end, and waits until it has. `None` when it stays.
    pub fn stop(mut self) -> Option<ExitStatus> {
        let pid = Pid::from_raw(i32::try_from(self.process.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).ok();
        self.process.wait(PATIENCE)
    }
}

impl Home {
    /// A new API key with these options: `--agent KEY`, `--scope call,check`.
    pub fn key(&self, name: &str, options: &[&str]) -> String {
        let told = self.run(&[&["keys", "add", name], options].concat());
        let key = told.out.split_whitespace().find(|word| word.starts_with("cg_"));
        key.unwrap_or_else(|| panic!("no key: {told:?}")).to_owned()
    }
}

/// Where requests to a server behind a face at `url` go, with a bearer.
pub fn site(url: &str, server: &str, bearer: &str) -> Site {
    Site::new(&endpoint(url, server)).for_mcp().with("Authorization", &format!("Bearer {bearer}"))
}

fn endpoint(url: &str, server: &str) -> String {
    format!("{url}/mcp/{server}")
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
