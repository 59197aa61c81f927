//! The two promises of the kernel that the type system cannot see: the only `unsafe` of the crate.
//!
//! Invariant: each block stands alone and says why it is sound.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

/// Watches a descriptor that is ours alone for readiness.
///
/// # Errors
/// Where the kernel cannot watch this kind of file.
pub(super) fn polled(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and names the same open file until it is dropped, and `AsyncFd` owns it from
    // here on; nothing hands out or replaces the inner value.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}

/// Asks the kernel to kill the process when the thread that starts it ends, however that comes about.
#[cfg(target_os = "linux")]
pub(super) fn die_with_parent(command: &mut Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let arm = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have gone between fork and here; then no signal would ever come.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from(rustix::io::Errno::SRCH)) }
    };
    // SAFETY: `arm` runs in the child between fork and exec and makes two system calls; it neither allocates nor
    // takes locks nor touches memory that another thread of the parent could hold.
    unsafe {
        command.pre_exec(arm);
    }
}

/// Other systems have no such signal: there a server outlives a callgate that is killed, unless it reads the end of
/// its stdin.
#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent(_: &mut Command) {}
