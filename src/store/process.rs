//! Whether the process that wrote a session is still there.
//!
//! It refuses to take another process for it: ids are used again. Invariant: a process that has ended is never called
//! alive where the system tells when processes began.

use rustix::process::{Pid, getpid, test_kill_process};

/// When this process began, in terms that no other process with its id will ever share. `None` where the system does
/// not tell.
pub fn this_process() -> Option<String> {
    began(getpid().as_raw_nonzero().get())
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
