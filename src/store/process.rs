//! Whether the process that wrote a session is still there.
//!
//! It refuses to take another process for it: ids are used again. Invariant: a process that has ended is never called
//! alive where the system tells when processes began.

use rustix::process::{Pid, getpid, test_kill_process};

use crate::wire::shown;

/// Longer chains are cut.
const MOST_ANCESTORS: usize = 32;

/// When this process began, in terms that no other process with its id will ever share. `None` where the system does
/// not tell.
pub fn this_process() -> Option<String> {
    began(getpid().as_raw_nonzero().get())
}

/// The processes that this one came through, itself first: `callgate 71 < bash 70 < sshd 12`. Names are those that the
/// processes give themselves.
pub fn ancestry() -> String {
    let mut pid = getpid().as_raw_nonzero().get();
    let mut chain = Vec::new();
    while pid > 1 && chain.len() < MOST_ANCESTORS {
        let Some((name, parent)) = name_and_parent(pid) else { break };
        chain.push(format!("{} {pid}", shown(&name)));
        pid = parent;
    }
    chain.join(" < ")
}

/// proc(5), `/proc/PID/stat`, fields 2 and 4.
#[cfg(target_os = "linux")]
fn name_and_parent(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    Some((name, tail.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(not(target_os = "linux"))]
fn name_and_parent(_pid: i32) -> Option<(String, i32)> {
    None
}

/// Whether the process is alive that had this id and, where it is known, this beginning.
pub(super) fn is_alive(pid: i32, process: Option<&str>) -> bool {
    // Another user's process may not be signalled, but is there.
    let there = Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH));
    there && process.is_none_or(|process| began(pid).as_deref() == Some(process))
}

/// The boot and the tick in it at which the process began (proc(5), `/proc/PID/stat`, field 22). A zombie has ended.
#[cfg(target_os = "linux")]
fn began(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it stands in brackets and may itself hold brackets and blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let tick = fields.nth(18)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot = boot.split('-').next().unwrap_or_default();
    (!matches!(state, "Z" | "X")).then(|| format!("{boot}:{tick}"))
}

#[cfg(not(target_os = "linux"))]
fn began(_pid: i32) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_nobody_else_with_its_id_is() {
        let pid = getpid().as_raw_nonzero().get();
        assert!(is_alive(pid, None) && is_alive(pid, this_process().as_deref()));
        #[cfg(target_os = "linux")]
        assert!(!is_alive(pid, Some("another-boot:1")));
        assert!(!is_alive(i32::MAX, None));
    }
}
