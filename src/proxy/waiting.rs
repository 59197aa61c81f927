//! What a session does though no byte moves: people rule, clients are kept waiting, questions close.
//!
//! It decides nothing: it sleeps until the session has something to do, or looks whether somebody ruled. Invariant: while
//! no call waits for people it neither polls nor wakes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Notify;

use super::held::Held;
use crate::clock::now;
use crate::guard::{Outbox, Session};
use crate::store::Rulings;

/// How often rulings are looked for while a call waits for one: what a person's click may take, and a look is some
/// microseconds.
const LOOK: Duration = Duration::from_millis(20);
/// When there is nothing to wait for.
const NEVER: Duration = Duration::from_hours(24);

/// Waits in the place of a session's calls.
pub struct Waiting {
    rulings: RefCell<Rulings>,
    held: Held,
    stirred: Notify,
}

impl Waiting {
    /// For the session with this id, whose store is at `path`.
    pub fn new(path: PathBuf, session: &str) -> Self {
        let held = Held::new(&path, session);
        Self { rulings: RefCell::new(Rulings::new(path)), held, stirred: Notify::new() }
    }

    /// To be called after each input of the session: a call may wait by now.
    pub(super) fn stir(&self, session: &Session) {
        if session.deadline().is_some() {
            self.stirred.notify_one();
            self.held.open();
        }
    }

    /// Never resolves: people who look at questions see what waits.
    pub(super) async fn show(&self, session: &RefCell<Session>) -> Infallible {
        self.held.answer(session).await
    }

    /// Resolves with what there is to do next.
    pub(super) async fn next(&self, session: &RefCell<Session>) -> Outbox {
        loop {
            let (deadline, waits) = {
                let session = session.borrow();
                (session.deadline(), session.has_held())
            };
            let sleep = match deadline {
                Some(at) => Duration::from_micros(at.saturating_sub(now().steady_us)),
                None => NEVER,
            };
            if sleep.is_zero() {
                return session.borrow_mut().tick(now());
            }
            tokio::select! {
                () = tokio::time::sleep(if waits { sleep.min(LOOK) } else { sleep }) => {}
                () = self.stirred.notified() => {}
            }
            if waits {
                let news = self.rulings.borrow_mut().news();
                if !news.is_empty() {
                    return session.borrow_mut().ruled(news, now());
                }
            }
        }
    }
}
