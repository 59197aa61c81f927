//! What the gate costs a call, beside a bare relay, in one run on one CPU.
//!
//! `cargo bench --bench end_to_end [-- ROUNDS]` runs direct, relay, shadow and enforce in turn, round after round, and
//! prints medians as ratios: absolute times of one machine say little about another. The process plays every part
//! but callgate itself: `echo` is the server, `relay` copies bytes between threads, and the rest is the client.
//!
//! Pinned to one CPU, because otherwise most of a round trip is the wake-up of an idle one.

#![allow(clippy::disallowed_methods)] // a bench reads the clock
#![allow(clippy::cast_precision_loss)] // counts of calls are small
#![allow(clippy::print_stdout)] // its table is what it is for

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use callgate::wire::{Frame, mcp, read};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Calls of a closed loop; of a pipelined one; and how many of the latter are in flight.
const CLOSED: usize = 4_000;
const PIPELINED: usize = 40_000;
const WINDOW: usize = 64;
/// Starts per round.
const STARTS: usize = 5;

const POLICY: &str = r#"
[[rule]]
id = "no-delete"
tools = ["delete_file"]
action = "deny"

[[rule]]
id = "stay-inside"
tools = ["write_file"]
when = { "/path" = { path_outside = ["/home/me/app"] } }
action = "deny"
"#;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.split_first() {
        Some((role, _)) if role == "echo" => echo(),
        Some((role, command)) if role == "relay" => relay(command),
        Some((rounds, _)) => measure(rounds.parse()?),
        None => measure(5),
    }
}

/// Answers every request; a call with the text that it was given.
fn echo() -> Outcome<()> {
    let mut input = BufReader::with_capacity(256 * 1024, std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    let (mut line, mut out) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line)? > 0 {
        answer(line.strip_suffix(b"\n").unwrap_or(&line), &mut out)?;
        line.clear();
        if out.len() > 64 * 1024 || !input.buffer().contains(&b'\n') {
            output.write_all(&out)?;
            output.flush()?;
            out.clear();
        }
    }
    Ok(())
}

fn answer(line: &[u8], out: &mut Vec<u8>) -> Outcome<()> {
    let Ok(Frame::Message(message)) = read(line) else { return Ok(()) };
    let Some(id) = message.id else { return Ok(()) };
    let text =
        message.arguments.and_then(|arguments| arguments.member("text")).map_or("\"\"", |text| text.text());
    let result = match message.method.as_deref() {
        Some(mcp::INITIALIZE) => {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#.into()
        }
        _ => format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#),
    };
    Ok(writeln!(out, r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.raw())?)
}

/// Two threads and two pipes: what any wrapper costs at least.
fn relay(command: &[String]) -> Outcome<()> {
    let (mut child, to, from) = start(command)?;
    // Not `Stdin` and `Stdout`: they would add buffers and a search for newlines.
    let (input, output) =
        (File::open("/proc/self/fd/0")?, File::options().write(true).open("/proc/self/fd/1")?);
    std::thread::spawn(move || copy(input, to));
    copy(from, output)?;
    child.wait()?;
    Ok(())
}

fn copy(mut from: impl Read, mut to: impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(buffer.get(..length).unwrap_or_default())?,
        }
    }
}

fn start(command: &[String]) -> Outcome<(Child, ChildStdin, ChildStdout)> {
    let (program, arguments) = command.split_first().ok_or("nothing to start")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let ends = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
    Ok((child, ends.0, ends.1))
}

/// One target in one round, or the medians of all.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    /// From spawn to the answer of `initialize`, milliseconds.
    start: f64,
    /// Median round trip, microseconds.
    round_trip: f64,
    /// Calls a second with [`WINDOW`] in flight.
    rate: f64,
    /// Resident memory at the end, MiB.
    memory: f64,
}

fn measure(rounds: usize) -> Outcome<()> {
    pin()?;
    let folder = tempfile::tempdir()?;
    let itself = std::env::current_exe()?.display().to_string();
    let echo = vec![itself.clone(), "echo".to_owned()];
    let gate = |mode: &str| -> Outcome<Vec<String>> {
        let path = folder.path().join(format!("{mode}.toml"));
        let store = folder.path().join(format!("{mode}.db"));
        std::fs::write(
            &path,
            format!("version = 1\nmode = \"{mode}\"\n{POLICY}[audit]\npath = \"{}\"\n", store.display()),
        )?;
        let callgate = [env!("CARGO_BIN_EXE_callgate"), "run", "--config", &path.display().to_string(), "--"];
        Ok(callgate.iter().map(ToString::to_string).chain(echo.clone()).collect())
    };
    let relay = [&[itself, "relay".to_owned()], &*echo].concat();
    let targets = [
        ("direct", echo.clone()),
        ("relay", relay),
        ("shadow", gate("shadow")?),
        ("enforce", gate("enforce")?),
    ];
    let mut all = vec![Vec::new(); targets.len()];
    for _ in 0..rounds {
        for ((_, command), figures) in targets.iter().zip(&mut all) {
            figures.push(figure(command)?);
        }
    }
    let medians: Vec<Figures> = all.iter().map(|figures| medians(figures)).collect();
    print(&targets.map(|(name, _)| name), &medians);
    Ok(())
}

/// Children inherit it.
fn pin() -> Outcome<()> {
    let mut cpu = rustix::thread::CpuSet::new();
    cpu.set(std::thread::available_parallelism()?.get() - 1);
    Ok(rustix::thread::sched_setaffinity(None, &cpu)?)
}

fn figure(command: &[String]) -> Outcome<Figures> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Client::open(command)?.0);
    }
    let (_, mut client) = Client::open(command)?;
    client.closed(CLOSED / 10)?;
    let round_trip = client.closed(CLOSED)?;
    client.pipelined(WINDOW * 10)?;
    let rate = client.pipelined(PIPELINED)?;
    Ok(Figures { start: median(starts), round_trip, rate, memory: client.memory() })
}

/// A client of its own: nothing between it and the pipes.
struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    number: usize,
    line: Vec<u8>,
}

impl Client {
    /// Starts a server and shakes hands; how long that took, milliseconds.
    fn open(command: &[String]) -> Outcome<(f64, Self)> {
        let began = Instant::now();
        let (child, to, from) = start(command)?;
        let from = BufReader::with_capacity(256 * 1024, from);
        let mut client = Self { child, to: Some(to), from, number: 0, line: Vec::new() };
        client.send(
            b"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\
              \"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n",
        )?;
        client.receive()?;
        Ok((began.elapsed().as_secs_f64() * 1e3, client))
    }

    /// One call after the other: the median round trip, microseconds.
    fn closed(&mut self, calls: usize) -> Outcome<f64> {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let began = Instant::now();
            let call = self.call();
            self.send(&call)?;
            self.receive()?;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }

    /// [`WINDOW`] calls in flight: calls a second.
    fn pipelined(&mut self, calls: usize) -> Outcome<f64> {
        let began = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while received < calls {
            let more = (WINDOW - (sent - received)).min(calls - sent);
            let batch: Vec<u8> = (0..more).flat_map(|_| self.call()).collect();
            self.send(&batch)?;
            sent += more;
            self.receive()?;
            received += 1;
            while self.from.buffer().contains(&b'\n') {
                self.receive()?;
                received += 1;
            }
        }
        Ok(calls as f64 / began.elapsed().as_secs_f64())
    }

    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.to.as_mut().ok_or("closed")?.write_all(bytes)?)
    }

    fn call(&mut self) -> Vec<u8> {
        self.number += 1;
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/call\",\"params\":{{\"name\":\"echo\",\
             \"arguments\":{{\"text\":\"{:a<100}\"}}}}}}\n",
            self.number, ""
        )
        .into_bytes()
    }

    fn receive(&mut self) -> Outcome<()> {
        self.line.clear();
        if self.from.read_until(b'\n', &mut self.line)? == 0 {
            return Err("the server closed its end".into());
        }
        if memchr::memmem::find(&self.line, b"\"error\"").is_some() {
            return Err(String::from_utf8_lossy(&self.line).into());
        }
        Ok(())
    }

    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }
}

impl Drop for Client {
    /// An orderly end: what is still queued for the store is written outside of any measurement.
    fn drop(&mut self) {
        drop(self.to.take());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn medians(all: &[Figures]) -> Figures {
    let of = |field: fn(&Figures) -> f64| median(all.iter().map(field).collect());
    Figures {
        start: of(|f| f.start),
        round_trip: of(|f| f.round_trip),
        rate: of(|f| f.rate),
        memory: of(|f| f.memory),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn print(names: &[&str], medians: &[Figures]) {
    let [direct, relay, ..] = medians else { return };
    println!(
        "{:8} {:>12} {:>10} {:>12} {:>10} {:>14} {:>10}",
        "", "added p50", "x relay", "calls/s", "of relay", "start added", "memory"
    );
    for (name, figures) in names.iter().zip(medians) {
        let added = figures.round_trip - direct.round_trip;
        println!(
            "{name:8} {added:>9.1} us {:>10.2} {:>12.0} {:>8.0} % {:>11.1} ms {:>6.1} MiB",
            added / (relay.round_trip - direct.round_trip),
            figures.rate,
            figures.rate / relay.rate * 100.0,
            figures.start - direct.start,
            figures.memory,
        );
    }
}
