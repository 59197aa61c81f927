//! Every way in which the gate itself can fail, in every mode and under every `fail_mode`, through the binary.
//!
//! It refuses to say what should happen but by the table in `fixtures/fail_modes.md`, which it writes anew with
//! `CALLGATE_BLESS=1`: the README points there.
//!
//! Invariant: each cell is a process of its own with a fault that is real.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use callgate::store::{Filter, Reader};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::{Deadline, McpClient, PATIENCE};

const MODES: [&str; 4] = ["off", "shadow", "warn", "enforce"];
const FAIL_MODES: [&str; 3] = ["open", "closed", "error"];
/// How long the database stays locked.
const LOCKED: Duration = Duration::from_secs(10);
/// An answer that came by then waited for no lock: less than callgate itself waits for one under enforce.
const ON_TIME: Duration = Duration::from_secs(4);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Panic,
    Unwritable,
    Full,
    Locked,
    Deleted,
    Damaged,
}

impl Cause {
    const ALL: [Self; 6] =
        [Self::Panic, Self::Unwritable, Self::Full, Self::Locked, Self::Deleted, Self::Damaged];

    fn in_words(self) -> &'static str {
        match self {
            Self::Panic => "judging panics",
            Self::Unwritable => "the store cannot be made",
            Self::Full => "the disk is full",
            Self::Locked => "the database is locked for 10 s",
            Self::Deleted => "the database is deleted",
            Self::Damaged => "the database is damaged",
        }
    }
}

/// A small file system of its own, gone with its value.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&folder).unwrap();
        let told =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "callgate"]).arg(&folder).output();
        match told {
            Ok(told) if told.status.success() => Ok(Self(folder)),
            Ok(told) => Err(String::from_utf8_lossy(&told.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Until nothing more fits.
    fn fill(&self) {
        let block = vec![0; 1 << 16];
        for size in [block.len(), 512, 1] {
            let path = self.0.join(format!("filler-{size}"));
            let mut file = fs::File::create(path).unwrap();
            while std::io::Write::write_all(&mut file, &block[..size]).is_ok() {}
        }
    }

    fn empty(&self) {
        for size in [1 << 16, 512, 1] {
            fs::remove_file(self.0.join(format!("filler-{size}"))).unwrap();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// What a client got, in a word.
fn told(answer: &Value) -> String {
    match (answer.get("result"), &answer["error"]) {
        (Some(_), _) => "the result".to_owned(),
        (None, error) => format!("{} `{}`", error["code"], error["data"]["type"].as_str().unwrap_or("?")),
    }
}

/// One cell: what the client got, whether the server saw the call, what the store holds of it in the end.
fn cell(cause: Cause, mode: &str, fail_mode: &str) -> [String; 3] {
    let home = Home::new();
    let (disk, store) = place(cause, &home);
    home.write_policy(&format!(
        "version = 1\nmode = \"{mode}\"\nfail_mode = \"{fail_mode}\"\n[audit]\npath = \"{}\"\narguments = \"full\"\n",
        store.display()
    ));
    let record = home.path("record");
    let mut command = home.sidecar(&[], [parts::example("recorder")]);
    command.env("CALLGATE_RECORD", &record);
    if cause == Cause::Panic {
        command.env("CALLGATE_FAULT_AT", "probe");
    }
    let mut client = McpClient::open(&mut command);
    let warm = cause != Cause::Unwritable;
    if warm {
        assert!(client.call("read_file", &json!({})).get("result").is_some());
        until(PATIENCE, || (rows(&store, "read_file") == 1).then_some(())).expect("the store works at first");
    }
    let (release, released) = channel();
    let lock = (cause == Cause::Locked).then(|| lock(store.clone(), release));
    break_it(cause, &store, disk.as_ref());
    let arguments = json!({"text": "x".repeat(if cause == Cause::Full { 190_000 } else { 10 })});
    if cause == Cause::Full {
        // What the database has room for already is used up first.
        for _ in 0..3 {
            client.call("eat", &arguments);
        }
    }
    let deadline = Deadline::within(ON_TIME);
    let answer = client.call("probe", &arguments);
    let late = deadline.left().is_zero();
    if mode != "enforce" {
        assert!(!late, "{cause:?} {mode} {fail_mode}: nothing waits for the store");
    }
    if lock.is_some() {
        assert!(released.try_recv().is_err(), "answered while the lock was held");
    }
    let seen = fs::read_to_string(&record).unwrap().contains("probe");
    if let Some(lock) = lock {
        lock.join().unwrap();
    }
    if let Some(disk) = &disk {
        disk.empty();
    }
    // Once it works again, what waited is written.
    if warm && cause != Cause::Damaged {
        until(PATIENCE, || (rows(&store, "probe") == 1).then_some(()));
    }
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    let kept = match kept(&store) {
        // The damage is noticed within a second, and at the latest at the end.
        kept if cause == Cause::Damaged && kept.ends_with("a gap") => {
            "a gap; and the call, if it was noticed before".to_owned()
        }
        kept => kept,
    };
    [told(&answer), if seen { "yes" } else { "no" }.to_owned(), kept]
}

/// Where the store is to be, and the disk that it is on if that has one of its own.
fn place(cause: Cause, home: &Home) -> (Option<Disk>, PathBuf) {
    let disk = (cause == Cause::Full).then(|| Disk::mount(home.path("disk")).unwrap());
    let store = match cause {
        Cause::Full => home.path("disk/audit.db"),
        // No folder can be made where a file is.
        Cause::Unwritable => {
            fs::write(home.path("file"), "").unwrap();
            home.path("file/audit.db")
        }
        Cause::Panic | Cause::Locked | Cause::Deleted | Cause::Damaged => home.path("store/audit.db"),
    };
    (disk, store)
}

/// Does what goes wrong, while all is at work.
fn break_it(cause: Cause, store: &std::path::Path, disk: Option<&Disk>) {
    match cause {
        Cause::Panic | Cause::Unwritable | Cause::Locked => {}
        Cause::Full => disk.unwrap().fill(),
        Cause::Deleted => {
            for end in ["", "-wal", "-shm"] {
                fs::remove_file(format!("{}{end}", store.display())).ok();
            }
        }
        Cause::Damaged => {
            for end in ["", "-wal"] {
                let file =
                    fs::OpenOptions::new().write(true).open(format!("{}{end}", store.display())).unwrap();
                let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
                file.write_all_at(&vec![b'x'; length], 0).unwrap();
            }
        }
    }
}

fn rows(store: &std::path::Path, tool: &str) -> usize {
    let filter = Filter { tool: Some(tool.to_owned()), ..Filter::default() };
    Reader::open(store).and_then(|reader| reader.rows(&filter)).map_or(0, |rows| rows.len())
}

/// Holds the write lock for a while, from before this returns; tells when it lets go.
fn lock(store: PathBuf, release: std::sync::mpsc::Sender<()>) -> thread::JoinHandle<()> {
    let (held, holds) = channel();
    let holder = thread::spawn(move || {
        let connection = Connection::open(store).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        held.send(()).unwrap();
        thread::park_timeout(LOCKED);
        release.send(()).ok();
        connection.execute_batch("ROLLBACK").unwrap();
    });
    holds.recv().unwrap();
    holder
}

/// What the store says of the probe, and whether it has a gap.
fn kept(store: &std::path::Path) -> String {
    let Ok(reader) = Reader::open(store) else { return "nothing: there is none".to_owned() };
    let filter = Filter { tool: Some("probe".to_owned()), ..Filter::default() };
    let rows = reader.rows(&filter).unwrap();
    let mut words: Vec<String> =
        rows.into_iter().filter_map(|row| row.outcome).map(|word| format!("`{word}`")).collect();
    if reader.notices(0).unwrap().iter().any(|notice| notice.missing.is_some()) {
        words.push("a gap".to_owned());
    }
    words.join(" and ")
}

fn table(causes: &[Cause]) -> String {
    let mut table = String::new();
    for cause in causes {
        let cells: Vec<(&str, &str)> =
            MODES.iter().flat_map(|mode| FAIL_MODES.iter().map(move |fail| (*mode, *fail))).collect();
        let found: Vec<[String; 3]> = thread::scope(|scope| {
            let running: Vec<_> =
                cells.iter().map(|(mode, fail)| scope.spawn(move || cell(*cause, mode, fail))).collect();
            running.into_iter().map(|cell| cell.join().unwrap()).collect()
        });
        writeln!(
            table,
            "\n## {}\n\n| mode | fail_mode | the client gets | the server sees it | the store holds |",
            cause.in_words()
        )
        .unwrap();
        writeln!(table, "|---|---|---|---|---|").unwrap();
        // Rows that say the same of every `fail_mode` are one.
        for (mode, found) in MODES.iter().zip(found.chunks(FAIL_MODES.len())) {
            if found.iter().all(|cell| *cell == found[0]) {
                writeln!(table, "| {mode} | any | {} |", found[0].join(" | ")).unwrap();
                continue;
            }
            for (fail, cell) in FAIL_MODES.iter().zip(found) {
                writeln!(table, "| {mode} | {fail} | {} |", cell.join(" | ")).unwrap();
            }
        }
    }
    table
}

/// No policy can be read at start, and none is known from before: `FAIL_MODE` alone decides.
fn without_policy() -> String {
    let mut table = "\n## no policy can be read at start\n\n| FAIL_MODE | the client gets | the server sees it | the store holds |\n|---|---|---|---|\n".to_owned();
    for fail in FAIL_MODES {
        let home = Home::new();
        let record = home.path("record");
        let missing = home.path("missing.toml");
        let mut command =
            home.sidecar(&["--config", missing.to_str().unwrap()], [parts::example("recorder")]);
        command.env("CALLGATE_RECORD", &record).env("FAIL_MODE", fail);
        let mut client = McpClient::open(&mut command);
        let answer = client.call("probe", &json!({}));
        client.server.close_stdin();
        assert!(client.server.wait(PATIENCE).is_some());
        let seen = fs::read_to_string(&record).unwrap().contains("probe");
        let seen = if seen { "yes" } else { "no" };
        writeln!(table, "| {fail} | {} | {seen} | {} |", told(&answer), kept(&home.store())).unwrap();
    }
    table
}

/// A question that cannot be written down: `on_timeout` decides, and where that lets the call pass, `fail_mode`.
fn without_channel() -> String {
    let mut table = "\n## nobody can be asked, for the store cannot be made\n\n| on_timeout | fail_mode | the client gets | the server sees it |\n|---|---|---|---|\n".to_owned();
    for (on_timeout, fail) in [("deny", "open"), ("allow", "open"), ("allow", "closed"), ("allow", "error")] {
        let home = Home::new();
        fs::write(home.path("file"), "").unwrap();
        home.write_policy(&format!(
            "version = 1\nmode = \"enforce\"\nfail_mode = \"{fail}\"\n[audit]\npath = \"{}\"\n[[rule]]\ntools = \"probe\"\n\
             action = \"require_approval\"\n[approval]\non_timeout = \"{on_timeout}\"\n",
            home.path("file/audit.db").display()
        ));
        let record = home.path("record");
        let mut command = home.sidecar(&[], [parts::example("recorder")]);
        let mut client = McpClient::open(command.env("CALLGATE_RECORD", &record));
        let answer = client.call("probe", &json!({}));
        let seen = if fs::read_to_string(&record).unwrap().contains("probe") { "yes" } else { "no" };
        writeln!(table, "| {on_timeout} | {fail} | {} | {seen} |", told(&answer)).unwrap();
    }
    table
}

#[test]
fn every_way_to_fail_ends_as_the_table_says() {
    let test = "every_way_to_fail_ends_as_the_table_says";
    let folder = tempfile::tempdir().unwrap();
    if let Err(why) = Disk::mount(folder.path().join("disk")) {
        parts::not_run(test, "a disk of its own (mount)", &why);
        return;
    }
    let opening = "# What happens when the gate itself fails\n\nWritten by a test, which runs each cell \
        (`CALLGATE_BLESS=1 cargo test --test it -- fail_modes`).\n";
    let found = opening.to_owned() + &without_policy() + &table(&Cause::ALL) + &without_channel();
    let fixture = parts::fixture("fail_modes.md");
    if std::env::var_os("CALLGATE_BLESS").is_some() {
        fs::write(&fixture, &found).unwrap();
    }
    assert_eq!(fs::read_to_string(&fixture).unwrap(), found);
}

/// What looks into the store while calls pass: each of these has connections of its own to the file that is damaged.
#[test]
fn whatever_looks_into_a_store_that_is_damaged_the_session_goes_on() {
    let all = [
        ("", "tools = \"probe\"\nrate = { max = 1000, per = \"1h\", by = \"agent\" }\naction = \"deny\"\n"),
        (
            "told",
            "tools = \"told\"\naction = \"deny\"\n[alerts.to.hook]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n",
        ),
        ("asked", "tools = \"asked\"\naction = \"require_approval\"\n[approval]\ntimeout = \"200ms\"\n"),
    ];
    for (first, rule) in all {
        let home = Home::new();
        let (_, store) = place(Cause::Damaged, &home);
        home.write_policy(&format!(
            "version = 1\nmode = \"enforce\"\nfail_mode = \"closed\"\n[audit]\npath = \"{}\"\n[[rule]]\n{rule}",
            store.display()
        ));
        let mut command = home.sidecar(&["--agent", "bot"], [parts::example("recorder")]);
        let mut client = McpClient::open(command.env("CALLGATE_RECORD", home.path("record")));
        for tool in ["probe", first] {
            client.call(tool, &json!({}));
        }
        until(PATIENCE, || (rows(&store, "probe") == 1).then_some(())).expect("the store works at first");
        break_it(Cause::Damaged, &store, None);
        for _ in 0..3 {
            let deadline = Deadline::within(ON_TIME);
            let answer = client.call("later", &json!({}));
            assert!(!deadline.left().is_zero(), "{rule}: nobody has a lock");
            assert!(answer.get("result").is_some(), "{rule}: {answer}");
            // The damage is noticed within a second.
            until(Duration::from_millis(600), || None::<()>);
        }
        client.server.close_stdin();
        assert!(client.server.wait(PATIENCE).is_some(), "{rule}");
        assert!(rows(&store, "later") >= 1, "{rule}");
        assert!(
            !store.with_file_name("spool").read_dir().is_ok_and(|mut all| all.next().is_some()),
            "{rule}"
        );
    }
}
