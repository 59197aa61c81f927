//! The server's process: started in a group of its own, ended with all that it started.
//!
//! Invariant: nothing that the server started outlives [`Child::end`], and on Linux the server itself does not
//! outlive callgate, even if that is killed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::kernel::die_with_parent;
use super::stdio::{Inlet, Outlet};

/// From SIGTERM to SIGKILL.
const TERM_PATIENCE: Duration = Duration::from_millis(400);
/// How often a group that was told to end is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The program: a path, or a name looked up in `PATH`.
    pub command: String,
    /// Its arguments; there is no shell.
    pub args: Vec<String>,
    /// Added to its environment.
    pub env: BTreeMap<String, String>,
    /// Its working directory; ours where there is none.
    pub cwd: Option<PathBuf>,
}

/// A running server.
pub struct Child {
    process: tokio::process::Child,
    group: Option<Pid>,
}

/// A server with its two streams.
pub struct Started {
    /// The process.
    pub child: Child,
    /// Its stdout.
    pub from: Inlet,
    /// Its stdin.
    pub to: Outlet,
}

impl Program {
    /// Starts it, stderr inherited: a pipe that nobody empties wedges servers.
    ///
    /// The parent-death signal follows the *thread* that starts the process, so this must be called on one that
    /// lives as long as callgate: the main thread.
    ///
    /// # Errors
    /// What the system says when the program cannot be started.
    pub fn start(&self) -> io::Result<Started> {
        let mut command = tokio::process::Command::new(&self.command);
        command
            .args(&self.args)
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        die_with_parent(&mut command);
        let mut process = command.spawn()?;
        let group = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(io::Error::other("the server has no standard streams"));
        };
        let (stdin, stdout) = (stdin.into_owned_fd()?, stdout.into_owned_fd()?);
        Ok(Started {
            child: Child { process, group },
            from: Inlet::new(stdout.as_fd())?,
            to: Outlet::new(stdin.as_fd())?,
        })
    }
}

impl Child {
    /// Resolves when the server has exited. May be dropped and called again.
    pub async fn exited(&mut self) -> Option<ExitStatus> {
        self.process.wait().await.ok()
    }

    /// Ends the server and all that is left of its group: SIGTERM, and SIGKILL for what is still there.
    pub async fn end(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let status = tokio::time::timeout(TERM_PATIENCE, async {
            let status = self.process.wait().await.ok();
            while self.group_lives() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            status
        })
        .await;
        if let Ok(status) = status {
            return status;
        }
        self.signal(Signal::KILL);
        self.process.wait().await.ok()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Nobody left to signal is what we are after.
            let _ = kill_process_group(group, signal);
        }
    }

    fn group_lives(&self) -> bool {
        self.group.is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
    }
}
