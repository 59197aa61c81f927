//! Ends that nobody asked for politely: hosts that vanish, servers that do not listen, signals.
//!
//! It refuses to believe exit codes alone: the processes themselves are looked for.
//!
//! Invariant: whatever the server started in its group is gone when the sidecar is.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::home::{Home, lives, no_deleting, pid_in, until};
use crate::support::process::{PATIENCE, Piped};

/// Clients escalate after 2 s; a machine that is busy with other tests gets more.
const SOON: Duration = Duration::from_secs(4);

/// A server that ignores the end of its input and every polite signal, and has a child of the same kind.
const STUBBORN: &str = "trap '' TERM INT HUP
    sh -c 'trap \"\" TERM INT HUP; while :; do read -r _ < /dev/null; tail -f /dev/null; done' &
    echo $! > grandchild; echo $$ > child
    while :; do tail -f /dev/null; done";

/// A stubborn server behind a sidecar, and the pids of it and its child.
fn stubborn(home: &Home) -> (Piped, [u32; 2]) {
    let sidecar = home.before_shell(STUBBORN);
    let pids = ["child", "grandchild"].map(|name| pid_in(&home.path(name)));
    assert!(pids.iter().all(|pid| lives(*pid)));
    (sidecar, pids)
}

fn gone(pids: &[u32]) -> bool {
    until(PATIENCE, || pids.iter().all(|pid| !lives(*pid)).then_some(())).is_some()
}

fn signal(process: &Piped, signal: Signal) {
    kill_process(Pid::from_raw(process.pid().try_into().unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_host_that_closes_gets_rid_of_a_server_that_ignores_it() {
    for mode in ["shadow", "enforce"] {
        let home = Home::with_policy(&no_deleting(mode));
        let (mut sidecar, pids) = stubborn(&home);
        let closed = Instant::now();
        sidecar.close_stdin();
        assert!(sidecar.wait(PATIENCE).is_some());
        assert!(closed.elapsed() < SOON, "{:?}", closed.elapsed());
        assert!(pids.iter().all(|pid| !lives(*pid)), "the group has outlived the sidecar");
    }
}

#[test]
fn a_sidecar_that_is_told_to_end_ends_its_server_first() {
    for polite in [Signal::TERM, Signal::INT] {
        let home = Home::with_policy(&no_deleting("enforce"));
        let (mut sidecar, pids) = stubborn(&home);
        let told = Instant::now();
        signal(&sidecar, polite);
        assert!(sidecar.wait(PATIENCE).is_some());
        assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
        assert!(pids.iter().all(|pid| !lives(*pid)), "the group has outlived the sidecar");
    }
}

#[test]
fn a_polite_server_is_given_the_time_to_finish() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut sidecar = home.before_shell("cat > /dev/null; echo done > finished");
    sidecar.close_stdin();
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0));
    assert!(home.path("finished").exists());
}

#[test]
fn a_server_does_not_outlive_a_sidecar_that_is_killed() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut sidecar = home.before_shell("trap '' TERM INT HUP; echo $$ > child; exec tail -f /dev/null");
    let child = pid_in(&home.path("child"));
    sidecar.kill();
    assert!(gone(&[child]), "the server is an orphan");
}

#[test]
fn a_host_that_no_longer_reads_is_a_host_that_has_gone() {
    for mode in ["shadow", "enforce"] {
        let home = Home::with_policy(&no_deleting(mode));
        let script = r#"echo $$ > child; while :; do echo '{"jsonrpc":"2.0","method":"n"}'; done"#;
        let mut sidecar = home.sidecar(&[], ["sh", "-c", script]);
        sidecar.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut sidecar = sidecar.spawn().unwrap();
        let child = pid_in(&home.path("child"));
        drop(sidecar.stdout.take());
        let ended = until(PATIENCE, || sidecar.try_wait().unwrap());
        sidecar.kill().ok();
        assert!(ended.is_some(), "{mode}: it talks to nobody");
        assert!(gone(&[child]));
    }
}

#[test]
fn a_host_that_closes_behind_bytes_that_the_server_does_not_read_has_gone() {
    for mode in ["shadow", "enforce"] {
        let home = Home::with_policy(&no_deleting(mode));
        let mut sidecar = home.sidecar(&[], ["sh", "-c", "echo $$ > child; exec tail -f /dev/null"]);
        let (read, write) = std::io::pipe().unwrap();
        let mut sidecar = sidecar.stdin(read).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let child = pid_in(&home.path("child"));
        // As much as goes in until the sidecar stops reading, with the pipe still full when the host closes it.
        rustix::io::ioctl_fionbio(&write, true).unwrap();
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":\"{}\"}}\n", "x".repeat(4_000));
        let mut sent = 0;
        let filled = until(PATIENCE, || {
            let rest = &line.as_bytes()[sent % line.len()..];
            match rustix::io::write(&write, rest) {
                Ok(length) => sent += length,
                Err(_) if sent > 4 << 20 => return Some(()),
                Err(_) => {}
            }
            None
        });
        assert!(filled.is_some(), "{sent} bytes");
        drop(write);
        let ended = until(PATIENCE, || sidecar.try_wait().unwrap());
        sidecar.kill().ok();
        assert!(ended.is_some(), "{mode}: it waits for a server that does not read");
        assert!(gone(&[child]));
    }
}

#[test]
fn what_a_dead_server_leaves_running_is_ended() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut sidecar = home.before_shell("tail -f /dev/null & echo $! > child; exit 5");
    let child = pid_in(&home.path("child"));
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(5));
    assert!(gone(&[child]));
}

#[test]
fn a_signal_that_comes_as_soon_as_the_server_is_there_finds_the_sidecar_ready() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let script =
        "kill -HUP $PPID; kill -TERM $PPID; trap '' TERM INT HUP; echo $$ > child; cat; tail -f /dev/null";
    let mut sidecar = home.before_shell(script);
    // Told to end, it ends: the code is that of an end in order, not that of a signal.
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0), "{}", sidecar.stderr());
    let pid = std::fs::read_to_string(home.path("child")).ok().and_then(|text| text.trim().parse().ok());
    assert!(pid.is_none_or(|pid| gone(&[pid])), "{pid:?} has outlived the sidecar");
}

#[test]
fn a_running_sidecar_has_one_child_and_no_zombie() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let sidecar = home.before_shell("echo $$ > child; exec cat");
    let child = pid_in(&home.path("child"));
    assert!(lives(child));
    assert_eq!(crate::support::process::descendants(sidecar.pid()), [child]);
}
