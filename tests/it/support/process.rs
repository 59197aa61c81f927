//! Processes on pipes: start, speak line by line, wait with a deadline, end.
//!
//! It refuses to sleep: every wait is for an event (a line, an exit) and is bounded.
//!
//! Invariant: the process is ended and reaped when its [`Piped`] goes out of scope.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

/// Long enough for a loaded machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A command from a prefix and what it wraps: `command_line(["env"], ["server", "arg"])`.
pub fn command_line<P: AsRef<OsStr>, W: AsRef<OsStr>>(prefix: &[P], wrapped: &[W]) -> Command {
    let words: Vec<OsString> = prefix.iter().map(Into::into).chain(wrapped.iter().map(Into::into)).collect();
    let (program, arguments) = words.split_first().expect("a command has a program");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// What came of waiting for a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// One line with its newline; the last one before the end may lack it.
    Said(Vec<u8>),
    /// The process closed its stdout.
    Closed,
    /// The deadline passed.
    Silence,
}

/// A process whose stdin, stdout and stderr are ours.
pub struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Behind locks, so that threads may share the process.
    lines: Mutex<Receiver<Vec<u8>>>,
    exited: Mutex<Receiver<()>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Piped {
    /// Starts the command; panics with the program's name when it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()));
        let (line_sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        thread::spawn(move || send_lines(stdout, &line_sender));
        let stderr = Arc::default();
        keep_all(child.stderr.take().unwrap(), Arc::clone(&stderr));
        let (lines, exited) = (Mutex::new(lines), Mutex::new(exit_of(child.id())));
        Self { stdin: child.stdin.take(), child, lines, exited, stderr }
    }

    /// The process id, also after the process has ended.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes the bytes as they are. An error when the process has closed its stdin, or ours is closed.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(bytes)?;
        stdin.flush()
    }

    /// Takes stdin out, for a thread that writes while this one reads. Dropping it closes it.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Gives back what [`Self::take_stdin`] took.
    pub fn return_stdin(&mut self, stdin: ChildStdin) {
        self.stdin = Some(stdin);
    }

    /// Closes stdin: the other side reads the end of input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of stdout, or why there is none.
    pub fn line(&self, within: Duration) -> Line {
        match self.lines.lock().unwrap().recv_timeout(within) {
            Ok(line) => Line::Said(line),
            Err(RecvTimeoutError::Disconnected) => Line::Closed,
            Err(RecvTimeoutError::Timeout) => Line::Silence,
        }
    }

    /// The next line of stdout as JSON; panics, with stderr, when none comes within [`PATIENCE`].
    pub fn json_line(&self) -> Value {
        match self.line(PATIENCE) {
            Line::Said(line) => serde_json::from_slice(&line)
                .unwrap_or_else(|error| panic!("not JSON ({error}): {}", String::from_utf8_lossy(&line))),
            none @ (Line::Closed | Line::Silence) => panic!("no line ({none:?}); stderr:\n{}", self.stderr()),
        }
    }

    /// What has been written to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// Waits for the process to end. `None` when it is still there after `within`.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        match self.exited.get_mut().unwrap().recv_timeout(within) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Some(self.child.wait().unwrap()),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    /// Whether it has ended already.
    pub fn ended(&mut self) -> bool {
        self.wait(Duration::ZERO).is_some()
    }

    /// Ends the process at once, as `kill -9` does, and reaps it.
    pub fn kill(&mut self) {
        // The child is reaped only through this value, so its id cannot have become another's.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A minimal MCP client that shows frames as they are: no SDK stands between the test and the bytes.
pub struct McpClient {
    /// The process it speaks to.
    pub server: Piped,
    last_id: u64,
}

impl McpClient {
    /// Starts the command and shakes hands at revision 2025-11-25.
    pub fn open(command: &mut Command) -> Self {
        let mut client = Self { server: Piped::start(command), last_id: 0 };
        let who = json!({"name": "callgate-tests", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"roots": {"listChanged": true}}, "clientInfo": who});
        let answer = client.request("initialize", &hello);
        assert!(answer.get("result").is_some(), "initialize was refused: {answer}");
        client.send_raw(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        client
    }

    /// Sends bytes as they are; panics when the server is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let sent = self.server.send(bytes);
        assert!(sent.is_ok(), "{sent:?}; stderr:\n{}", self.server.stderr());
    }

    /// Sends a request and returns the whole frame that answers it, having passed over what else came.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = json!(self.last_id);
        let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_raw(format!("{frame}\n").as_bytes());
        self.answer_to(&id)
    }

    /// Calls a tool and returns the whole frame that answers.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// The frame that answers `id`. A server's `roots/list` is answered on the way, other traffic is dropped.
    pub fn answer_to(&mut self, id: &Value) -> Value {
        loop {
            let frame = self.server.json_line();
            if frame.get("method").is_none() && frame.get("id") == Some(id) {
                return frame;
            }
            if frame.get("method").is_some_and(|method| method == "roots/list") {
                let answer = json!({"jsonrpc": "2.0", "id": frame["id"], "result": {"roots": []}});
                self.send_raw(format!("{answer}\n").as_bytes());
            }
        }
    }
}

/// A moment to be done by, for loops that wait more than once.
#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `within` from now.
    pub fn within(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    /// What is left; zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// The processes below `pid`, nearest first, with zombies among them. Linux only: it reads `/proc`.
#[cfg(target_os = "linux")]
pub fn descendants(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|child| Some((child, parent_of(child)?)))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|&&(_, of)| of == parent).map(|&(child, _)| child));
        next += 1;
    }
    family.split_off(1)
}

#[cfg(target_os = "linux")]
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it stands in brackets and may itself hold brackets and blanks.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The most memory that the process has held, in KiB. `None` where `/proc` is not, or the process has ended.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}

fn send_lines(source: impl Read, lines: &Sender<Vec<u8>>) {
    let mut source = BufReader::with_capacity(1 << 16, source);
    loop {
        let mut line = Vec::new();
        match source.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if lines.send(line).is_err() => return,
            Ok(_) => {}
        }
    }
}

fn keep_all(mut source: impl Read + Send + 'static, kept: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = source.read(&mut piece) {
            kept.lock().unwrap().extend_from_slice(&piece[..read]);
        }
    });
}

/// Tells when the process has ended, and leaves it to be reaped by its owner.
fn exit_of(pid: u32) -> Receiver<()> {
    let (sender, exited) = channel();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    thread::spawn(move || {
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok();
        sender.send(()).ok();
    });
    exited
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::parts;

    #[test]
    fn lines_come_back_as_they_were_sent_and_the_last_one_needs_no_newline() {
        let mut cat = Piped::start(&mut Command::new("cat"));
        cat.send(b"one\r\n\xff two").unwrap();
        cat.close_stdin();
        assert_eq!(cat.line(PATIENCE), Line::Said(b"one\r\n".to_vec()));
        assert_eq!(cat.line(PATIENCE), Line::Said(b"\xff two".to_vec()));
        assert_eq!(cat.line(PATIENCE), Line::Closed);
        assert!(cat.wait(PATIENCE).unwrap().success());
    }

    #[test]
    fn waiting_for_one_who_stays_ends_at_the_deadline() {
        let mut cat = Piped::start(&mut Command::new("cat"));
        assert_eq!(cat.wait(Duration::from_millis(20)), None);
        assert_eq!(cat.line(Duration::from_millis(20)), Line::Silence);
        cat.kill();
        assert!(!cat.wait(PATIENCE).unwrap().success());
    }

    #[test]
    fn the_raw_client_converses_with_a_real_server() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "text").unwrap();
        let words = [parts::example("rmcp-server").into_os_string(), folder.path().into()];
        let mut client = McpClient::open(&mut command_line::<&str, _>(&[], &words));
        let read = client.call("read_file", &json!({"path": "a.txt"}));
        assert_eq!(read["result"]["content"][0]["text"], "text");
        client.send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":\"own\",\"method\":\"ping\"}\n");
        assert!(client.answer_to(&json!("own")).get("result").is_some());
        client.server.close_stdin();
        assert!(client.server.wait(PATIENCE).is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_children_of_a_shell_are_its_descendants() {
        // A shell gives what it starts in the background an empty stdin: `cat` would be gone at once.
        let mut shell = Piped::start(Command::new("sh").args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"]));
        let Line::Said(told) = shell.line(PATIENCE) else { panic!("the shell said nothing") };
        let child: u32 = String::from_utf8(told).unwrap().trim().parse().unwrap();
        assert_eq!(descendants(shell.pid()), [child]);
        assert!(peak_memory_kib(shell.pid()).unwrap() > 0);
        shell.close_stdin();
        assert!(shell.wait(PATIENCE).is_some());
    }
}
