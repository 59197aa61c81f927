//! What the gate costs a call over HTTP, beside a bare relay and beside no gate at all, in one run on one CPU.
//!
//! `cargo bench --bench http [-- ROUNDS]` measures `callgate run --url` beside a relay from stdio to HTTP, then
//! `callgate serve` in front of a child and of a remote server beside the server itself, then 200 sessions at once, and
//! prints medians. The process plays every part but callgate itself.
//!
//! Pinned to one CPU, because otherwise most of a round trip is the wake-up of an idle one.

#![allow(clippy::disallowed_methods)] // a bench reads the clock
#![allow(clippy::cast_precision_loss)] // counts of calls are small
#![allow(clippy::print_stdout)] // its table is what it is for

mod wire;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use self::wire::Wire;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Calls of a closed loop.
const CALLS: usize = 3_000;
/// Sessions at once, and calls of each of them.
const SESSIONS: usize = 200;
const ROUNDS_OF_SESSIONS: usize = 20;

const POLICY: &str = r#"
[[rule]]
id = "no-delete"
tools = ["delete_file"]
action = "deny"
"#;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["echo"] => echo(),
        ["relay", address] => relay(address),
        [rounds] => measure(rounds.parse()?),
        _ => measure(5),
    }
}

/// Answers every request; a call with the text that it was given.
fn echo() -> Outcome<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?);
        if !answer.is_empty() {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

/// The id and the text stand where this bench writes them.
fn answer(line: &str) -> String {
    let Some((_, rest)) = line.split_once("\"id\":") else { return String::new() };
    let id = rest.split_once(',').map_or(rest, |(id, _)| id);
    let result = match rest.split_once("\"text\":\"") {
        Some((_, text)) => {
            let text = text.split_once('"').map_or(text, |(text, _)| text);
            format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#)
        }
        None => r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#.to_owned(),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The same over HTTP, for as long as the process lives; where it listens.
fn echo_over_http() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is the client's end.
            std::thread::spawn(move || serve(stream).is_ok());
        }
    });
    Ok(address)
}

fn serve(stream: TcpStream) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::of(stream)?;
    while let Ok(message) = wire.read() {
        let answer = if message.start.starts_with("POST") { answer(&message.body) } else { String::new() };
        let status = match (message.start.starts_with("GET"), answer.is_empty()) {
            (true, _) => "405 Method Not Allowed",
            (false, true) => "202 Accepted",
            (false, false) => "200 OK\r\nContent-Type: application/json",
        };
        wire.write(&format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()))?;
    }
    Ok(())
}

/// Lines to one connection and back: what any bridge costs at least.
fn relay(address: &str) -> Outcome<()> {
    let mut wire = Wire::of(TcpStream::connect(address)?)?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        wire.post(address, "/mcp", "", &line?)?;
        let body = wire.read()?.body;
        if !body.is_empty() {
            writeln!(output, "{body}")?;
            output.flush()?;
        }
    }
    Ok(())
}

/// One side of a comparison: a way to send a message, and to have the answer to it.
enum Client {
    Stdio { child: Child, to: Option<ChildStdin>, from: BufReader<ChildStdout> },
    Http { wire: Wire, host: String, path: String, headers: String },
}

impl Client {
    fn stdio(command: &[&str]) -> Outcome<Self> {
        let (program, arguments) = command.split_first().ok_or("nothing to start")?;
        let mut command = Command::new(program);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (to, from) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut client = Self::Stdio { child, to: Some(to), from: BufReader::new(from) };
        client.ask(INITIALIZE)?;
        Ok(client)
    }

    fn http(host: &str, path: &str, key: &str) -> Outcome<Self> {
        let mut wire = Wire::of(TcpStream::connect(host)?)?;
        let mut headers = format!("Authorization: Bearer {key}\r\n");
        wire.post(host, path, &headers, INITIALIZE)?;
        let opened = wire.read()?;
        if !opened.start.contains(" 200 ") {
            return Err(format!("{}: {}", opened.start, opened.body).into());
        }
        if let Some(session) = opened.session {
            write!(headers, "Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n")?;
        }
        wire.post(host, path, &headers, INITIALIZED)?;
        wire.read()?;
        Ok(Self::Http { wire, host: host.to_owned(), path: path.to_owned(), headers })
    }

    fn ask(&mut self, message: &str) -> Outcome<()> {
        self.send(message)?;
        self.receive()
    }

    fn send(&mut self, message: &str) -> Outcome<()> {
        match self {
            Self::Stdio { to, .. } => Ok(writeln!(to.as_mut().ok_or("closed")?, "{message}")?),
            Self::Http { wire, host, path, headers } => wire.post(host, path, headers, message),
        }
    }

    fn receive(&mut self) -> Outcome<()> {
        let mut answer = String::new();
        match self {
            Self::Stdio { from, .. } => drop(from.read_line(&mut answer)?),
            Self::Http { wire, .. } => answer = wire.read()?.body,
        }
        if answer.contains("\"result\"") { Ok(()) } else { Err(format!("no result: {answer}").into()) }
    }

    /// One call after the other: the median round trip, microseconds.
    fn round_trip(&mut self) -> Outcome<f64> {
        let mut times = Vec::with_capacity(CALLS);
        for number in 0..CALLS + CALLS / 10 {
            let call = call(number);
            let began = Instant::now();
            self.ask(&call)?;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(times.split_off(CALLS / 10)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Self::Stdio { child, to, .. } = self {
            drop(to.take());
            end(child);
        }
    }
}

fn call(number: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{:a<100}"}}}}}}"#,
        number + 1,
        ""
    )
}

/// `callgate serve`, once it listens.
struct Face {
    child: Child,
    /// Kept open: it is written to.
    _told: BufReader<ChildStderr>,
    address: String,
    key: String,
}

impl Face {
    fn start(config: &str) -> Outcome<Self> {
        let callgate = env!("CARGO_BIN_EXE_callgate");
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
        let name = format!("bench-{}", since.as_nanos());
        let key = Command::new(callgate).args(["keys", "add", &name, "--config", config]).output()?.stdout;
        let key = String::from_utf8(key)?
            .split_whitespace()
            .find(|word| word.starts_with("cg_"))
            .map(str::to_owned);
        let mut child = Command::new(callgate)
            .args(["serve", "--listen", "127.0.0.1:0", "--config", config])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut told = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut line = String::new();
        while !line.contains("listening on http://") {
            line.clear();
            if told.read_line(&mut line)? == 0 {
                return Err("callgate serve does not listen".into());
            }
        }
        let address = line.rsplit("http://").next().unwrap_or_default().trim().to_owned();
        Ok(Self { child, _told: told, address, key: key.ok_or("no key")? })
    }

    fn client(&self, server: &str) -> Outcome<Client> {
        Client::http(&self.address, &format!("/mcp/{server}"), &self.key)
    }

    /// A line of the kernel's account of the process: threads, or memory in KiB.
    fn status(&self, field: &str) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).ok_or("no such field")?;
        Ok(line.split_whitespace().nth(1).ok_or("no value")?.parse()?)
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        end(&mut self.child);
    }
}

/// An orderly end, outside of any measurement.
fn end(child: &mut Child) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn measure(rounds: usize) -> Outcome<()> {
    pin()?;
    let folder = tempfile::tempdir()?;
    let itself = std::env::current_exe()?.display().to_string();
    let address = echo_over_http()?;
    let url = format!("http://{address}/mcp");
    let config = |mode: &str| config(folder.path(), mode, &itself, &url);
    let (shadow, enforce) = (config("shadow")?, config("enforce")?);
    let run = |config: &str| {
        Client::stdio(&[env!("CARGO_BIN_EXE_callgate"), "run", "--config", config, "--url", &url])
    };
    let names = [
        "run: relay",
        "run: shadow",
        "run: enforce",
        "serve: child, shadow",
        "serve: child, enforce",
        "serve: remote, enforce",
    ];
    let mut all = vec![Vec::new(); names.len() + 1];
    for _ in 0..rounds {
        let mut clients = vec![
            Client::http(&address, "/mcp", "")?,
            Client::stdio(&[&itself, "relay", &address])?,
            run(&shadow)?,
            run(&enforce)?,
        ];
        let faces = (Face::start(&shadow)?, Face::start(&enforce)?);
        clients.extend([faces.0.client("child")?, faces.1.client("child")?, faces.1.client("remote")?]);
        for (client, times) in clients.iter_mut().zip(&mut all) {
            times.push(client.round_trip()?);
        }
    }
    let medians: Vec<f64> = all.into_iter().map(median).collect();
    let [direct, relay, ..] = *medians.as_slice() else { return Ok(()) };
    println!("direct over HTTP: {direct:.1} us");
    for (name, time) in names.iter().zip(medians.iter().skip(1)) {
        println!(
            "{name:24} added p50 {:>7.1} us {:>6.2} x relay",
            time - direct,
            (time - direct) / (relay - direct)
        );
    }
    for server in ["child", "remote"] {
        sessions(&enforce, server)?;
    }
    Ok(())
}

fn config(folder: &Path, mode: &str, itself: &str, url: &str) -> Outcome<String> {
    let path = folder.join(format!("{mode}.toml"));
    let store = folder.join(format!("{mode}.db"));
    let text = format!(
        "version = 1\nmode = \"{mode}\"\n{POLICY}[servers.child]\ncommand = {itself:?}\nargs = [\"echo\"]\n\
         [servers.remote]\nurl = {url:?}\n[audit]\npath = {:?}\n",
        store.display().to_string()
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Many sessions at once in front of one server: what one of them takes, and what all of them get.
fn sessions(config: &str, server: &str) -> Outcome<()> {
    let face = Face::start(config)?;
    let (memory, threads) = (face.status("VmRSS")?, face.status("Threads")?);
    let mut opened = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..SESSIONS {
        let began = Instant::now();
        clients.push(face.client(server)?);
        opened.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let began = Instant::now();
    for round in 0..ROUNDS_OF_SESSIONS {
        clients.iter_mut().try_for_each(|client| client.send(&call(round)))?;
        clients.iter_mut().try_for_each(Client::receive)?;
    }
    let rate = (SESSIONS * ROUNDS_OF_SESSIONS) as f64 / began.elapsed().as_secs_f64();
    println!(
        "{SESSIONS} sessions, {server:6}: {rate:.0} calls/s, {:.2} ms to open one, {:.0} KiB and {:.1} threads each",
        median(opened),
        (face.status("VmRSS")? - memory) / SESSIONS as f64,
        (face.status("Threads")? - threads) / SESSIONS as f64,
    );
    Ok(())
}

/// Children inherit it.
fn pin() -> Outcome<()> {
    let mut cpu = rustix::thread::CpuSet::new();
    cpu.set(std::thread::available_parallelism()?.get() - 1);
    Ok(rustix::thread::sched_setaffinity(None, &cpu)?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
