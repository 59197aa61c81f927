//! Exact arguments: from the memory of the process that holds the call, to its own user, by a socket that goes with it.
//!
//! It refuses to take a stored value for an exact one.
//!
//! Invariant: whatever is done to a socket, calls go on.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::getuid;
use serde_json::{Value, json};

use super::{held, id, listed, listed_exactly};
use crate::holds::{asks, send_call};
use crate::support::home::{Home, Told, until};
use crate::support::process::{PATIENCE, Piped};

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_socket()).map(|entry| entry.path()).collect()
}

fn live(home: &Home) -> PathBuf {
    home.path("data/callgate/live")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn await_sockets(folder: &Path, count: usize) -> Vec<PathBuf> {
    let look = || Some(sockets(folder)).filter(|sockets| sockets.len() == count);
    until(PATIENCE, look).unwrap_or_else(|| panic!("{:?}", sockets(folder)))
}

fn is_exact(question: &Value) -> bool {
    question["arguments_exact"] == true && question["arguments"]["token"] == SECRET
}

#[test]
fn each_process_tells_of_its_own_calls_and_takes_its_socket_with_it() {
    let (home, mut one) = held("", &json!({"token": SECRET, "n": 1}));
    listed(&home, 1);
    let (mut two, _record) = home.converse(&["--agent", "other"]);
    send_call(&mut two, 100, &json!({"token": SECRET, "n": 2}));
    let questions = listed_exactly(&home, 2);
    assert!(questions.iter().all(is_exact), "{questions:#?}");
    assert_eq!((&questions[0]["arguments"]["n"], &questions[1]["arguments"]["n"]), (&json!(1), &json!(2)));
    let both = await_sockets(&live(&home), 2);
    assert_eq!(mode(&live(&home)), 0o700);
    assert!(both.iter().all(|socket| mode(socket) == 0o600), "{both:?}");
    assert_eq!(home.run(&["approvals", "approve", &id(&questions[1])]).code, Some(0));
    assert!(two.answer_to(&json!(100)).get("result").is_some());
    two.server.close_stdin();
    assert!(two.server.wait(PATIENCE).is_some());
    assert!(is_exact(&listed_exactly(&home, 1)[0]), "{:?}", sockets(&live(&home)));
    assert_eq!(sockets(&live(&home)).len(), 1);
    one.server.close_stdin();
    assert!(one.server.wait(PATIENCE).is_some());
    assert_eq!(sockets(&live(&home)), [] as [PathBuf; 0]);
}

#[test]
fn what_a_killed_process_left_is_taken_away_by_the_next_and_its_question_shown_as_stored() {
    let (home, mut killed) = held("", &json!({"token": SECRET}));
    assert!(is_exact(&listed_exactly(&home, 1)[0]));
    let left = await_sockets(&live(&home), 1);
    killed.server.kill();
    let question = listed(&home, 1).remove(0);
    assert!(question["arguments_exact"] == false && !question.to_string().contains(SECRET), "{question}");
    assert_eq!(question["lost"], json!(["/token"]), "{question}");
    let text = home.run(&["approvals"]).out;
    assert!(text.contains("as stored, without secrets") && !text.contains(SECRET), "{text}");
    let (mut next, _record) = home.converse(&["--agent", "next"]);
    send_call(&mut next, 100, &json!({"token": SECRET}));
    let exact = || listed(&home, 2).into_iter().find(is_exact);
    assert_eq!(until(PATIENCE, exact).unwrap()["agent"], "next");
    assert_ne!(await_sockets(&live(&home), 1), left);
}

#[test]
fn who_only_keeps_a_socket_busy_delays_no_call() {
    let (home, mut client) = held("", &json!({"token": SECRET}));
    assert!(is_exact(&listed_exactly(&home, 1)[0]));
    let socket = await_sockets(&live(&home), 1).remove(0);
    let busy: Vec<UnixStream> = (0..200).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
    assert!(client.request("ping", &json!({})).get("result").is_some());
    assert!(client.call("read_file", &json!({})).get("result").is_some());
    assert_eq!(listed(&home, 1).len(), 1, "the list comes, if with what is stored");
    drop(busy);
    assert!(is_exact(&listed_exactly(&home, 1)[0]));
}

/// Speaks to a socket as another user would.
fn as_nobody(socket: &Path, question: &str) -> Told {
    let script = "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die \"no way in: $!\\n\"; \
                  print $s \"$ARGV[1]\\n\"; $s->flush; print <$s>;";
    let mut command = Command::new("perl");
    command.args(["-MIO::Socket::UNIX", "-e", script]).arg(socket).arg(question).current_dir("/");
    Told::of(&command.uid(65_534).gid(65_534).output().unwrap())
}

#[test]
fn another_user_gets_nothing_even_where_every_door_was_left_open() {
    if !getuid().is_root() {
        eprintln!("only root can try what another user gets");
        return;
    }
    let (home, _client) = held("", &json!({"token": SECRET}));
    let question = listed_exactly(&home, 1).remove(0);
    let socket = await_sockets(&live(&home), 1).remove(0);
    let shut = as_nobody(&socket, &id(&question));
    assert!(shut.out.is_empty() && shut.err.contains("no way in"), "{shut:?}");
    for (path, mode) in
        [(home.path(""), 0o755), (home.path("data"), 0o755), (home.path("data/callgate"), 0o755)]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(live(&home), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let told = as_nobody(&socket, &id(&question));
    assert!(told.out.is_empty() && !told.err.contains("no way in"), "{told:?}");
    assert!(is_exact(&listed_exactly(&home, 1)[0]), "its own user still does");
}

#[test]
fn what_another_user_says_is_not_believed() {
    let (home, mut killed) = held("", &json!({"token": SECRET}));
    listed_exactly(&home, 1);
    let socket = await_sockets(&live(&home), 1).remove(0);
    killed.server.kill();
    fs::remove_file(&socket).unwrap();
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.path("data"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.path("data/callgate"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(live(&home), fs::Permissions::from_mode(0o777)).unwrap();
    let script = "my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9) or die $!; $| = 1; print \"on\\n\"; \
                  while (my $c = $s->accept) { <$c>; print $c \"{\\\"token\\\":\\\"harmless\\\"}\\n\"; close $c; }";
    let mut command = Command::new("perl");
    command.args(["-MIO::Socket::UNIX", "-e", script]).arg(&socket).current_dir("/");
    let lies = |command: &mut Command| {
        let liar = Piped::start(command);
        liar.line(PATIENCE);
        liar
    };
    let _own = lies(&mut command);
    let believed = listed_exactly(&home, 1).remove(0);
    assert_eq!(believed["arguments"], json!({"token": "harmless"}), "a process of this user is: {believed}");
    fs::remove_file(&socket).unwrap();
    if !getuid().is_root() {
        eprintln!("only root can try what another user says");
        return;
    }
    let _stranger = lies(command.uid(65_534).gid(65_534));
    let question = listed(&home, 1).remove(0);
    assert_eq!(question["arguments_exact"], false, "{question}");
}

#[test]
fn a_store_whose_way_is_long_has_its_sockets_elsewhere() {
    let home = Home::new();
    let store = home.path(&"deep/".repeat(30)).join("audit.db");
    home.write_policy(&format!("{}[audit]\npath = \"{}\"\n", asks(""), store.display()));
    let (mut client, _record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"token": SECRET}));
    assert!(is_exact(&listed_exactly(&home, 1)[0]));
    assert_eq!(await_sockets(&home.path("run/callgate"), 1).len(), 1);
    // Who looks elsewhere is told that this is what the store has.
    let told = Told::of(
        &home.callgate(["approvals", "--json"]).env("XDG_RUNTIME_DIR", "/nowhere").output().unwrap(),
    );
    assert_eq!(told.json()[0]["arguments_exact"], false, "{told:?}");
    client.server.close_stdin();
    assert!(client.server.wait(Duration::from_secs(20)).is_some());
    assert_eq!(sockets(&home.path("run/callgate")), [] as [PathBuf; 0]);
}
