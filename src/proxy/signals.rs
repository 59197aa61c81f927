//! The signals by which a host or a person speaks to a run.
//!
//! Invariant: once [`Signals::listen`] has returned, none of them ends the process by itself, so that a server which
//! was started afterwards is ended in order.

use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is listened to from the start on. A system that grants none is served all the same.
pub struct Signals {
    /// SIGTERM and SIGINT.
    pub asked: Asked,
    /// SIGHUP.
    pub hangups: Hangups,
}

/// SIGTERM and SIGINT: the host asks for the end. Without them its closing does.
pub struct Asked(Vec<Signal>);

/// SIGHUP: a person asks for a look at the policy file.
pub struct Hangups(Option<Signal>);

impl Signals {
    /// Listens from here on; inside a runtime, and before the server is started.
    pub fn listen() -> Self {
        let ends = [SignalKind::terminate(), SignalKind::interrupt()];
        Self {
            asked: Asked(ends.into_iter().filter_map(|kind| signal(kind).ok()).collect()),
            hangups: Hangups(signal(SignalKind::hangup()).ok()),
        }
    }
}

impl Asked {
    /// Resolves when the end is asked for.
    pub async fn comes(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Hangups {
    /// Resolves at the next one.
    pub async fn comes(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
