//! Bytes through the real process: in off, shadow and warn what goes in comes out, whatever it is and however it comes.
//!
//! It refuses to look at single frames; the pure room's properties do that for more inputs than processes can be started.
//!
//! Invariant: every stream is compared whole, to its end.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::support::home::{Home, no_deleting};
use crate::support::process::{Line, PATIENCE, Piped};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_in_comes_out_in_both_directions(
        mode in select(vec!["off", "shadow", "warn"]),
        chunks in vec(vec(any::<u8>(), 0..3_000), 0..8),
    ) {
        let home = Home::with_policy(&no_deleting(mode));
        let mut sidecar = home.before_shell("exec cat");
        for chunk in &chunks {
            sidecar.send(chunk).unwrap();
        }
        sidecar.close_stdin();
        prop_assert_eq!(all_said(&sidecar), chunks.concat());
        prop_assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0));
    }
}

#[test]
fn a_line_of_32_mib_without_meaning_passes_from_file_to_file() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let sent: Vec<u8> =
        (0..32_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    fs::write(home.path("in"), &sent).unwrap();
    let mut sidecar = home.sidecar(&[], ["cat"]);
    sidecar.stdin(File::open(home.path("in")).unwrap()).stdout(File::create(home.path("out")).unwrap());
    assert!(sidecar.stderr(Stdio::null()).status().unwrap().success());
    assert!(fs::read(home.path("out")).unwrap() == sent, "the bytes differ");
}

#[test]
fn a_host_that_speaks_through_a_socket_is_served() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut sidecar = home.sidecar(&[], ["cat"]);
    let theirs = OwnedFd::from(theirs);
    sidecar.stdin(theirs.try_clone().unwrap()).stdout(theirs).stderr(Stdio::null());
    let mut child = sidecar.spawn().unwrap();
    drop(sidecar);
    let sent = b"\0one\r\n\xfftwo".repeat(100_000);
    let mut writer = ours.try_clone().unwrap();
    let whole = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&whole).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut came = Vec::new();
    ours.read_to_end(&mut came).unwrap();
    writing.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(came == sent, "{} of {} bytes came back", came.len(), sent.len());
}

#[test]
fn without_a_policy_file_everything_passes_and_is_recorded() {
    let home = Home::new();
    let mut sidecar = home.before_shell("exec cat");
    let call =
        br#"{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"delete_file"}}"#;
    sidecar.send(call).unwrap();
    sidecar.send(b"\n").unwrap();
    assert_eq!(sidecar.line(PATIENCE), Line::Said([call.as_slice(), b"\n"].concat()));
    sidecar.close_stdin();
    assert!(sidecar.wait(PATIENCE).unwrap().success());
    let rows = home.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].verdict.as_deref(), rows[0].mode.as_deref(), rows[0].outcome.as_deref()),
        (Some("allow"), Some("shadow"), Some("forwarded"))
    );
}

fn all_said(process: &Piped) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match process.line(PATIENCE) {
            Line::Said(line) => all.extend(line),
            Line::Closed => return all,
            Line::Silence => panic!("no end; stderr:\n{}", process.stderr()),
        }
    }
}
