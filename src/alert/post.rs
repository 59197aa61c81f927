//! One destination at work: claim what is due, send it, settle what came of it, wait.
//!
//! It refuses to try a destination again at once that took nothing: it pauses, longer each time, and then tries one
//! alert alone. Invariant: nothing is claimed for longer than sending it may take.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::way::{self, Sending};
use super::{Plan, Shared};
use crate::clock::unix_ms;
use crate::settings::Destination;
use crate::store::{AlertRow, Alerts, Came, Claimed};

/// Between the first two tries.
const FIRST: Duration = Duration::from_secs(1);
/// Between two tries of one alert at most.
const LONGEST: Duration = Duration::from_mins(10);
/// Between two tries of a destination at most: it should not be long back before it is used.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// An alert that nobody took for so long is given up. Milliseconds.
const GIVEN_UP: i64 = 24 * 3_600_000;
/// For how long claimed alerts are nobody else's: longer than sending them can take.
const LEASE: Duration = Duration::from_secs(30);
/// Between two rounds while there is more: each takes the file's lock and the processor from calls.
const BREATH: Duration = Duration::from_millis(20);
/// How often the outbox is looked at without being told: other processes share it, and may have died.
const LOOK: Duration = Duration::from_secs(15);

pub(super) struct Post {
    name: String,
    destination: Destination,
    shared: Arc<Shared>,
    plan: watch::Receiver<Plan>,
    bell: watch::Receiver<()>,
    outbox: Option<Alerts>,
    sending: Option<Sending>,
    /// Rounds in a row that came to nothing.
    failures: u32,
}

/// What one round came to.
enum Round {
    /// All that was claimed was taken; there may be more.
    Went,
    /// Nothing is due for this long.
    Idle(Duration),
    /// Nothing was taken: not again for this long.
    Failed(Duration),
}

impl Post {
    pub fn new(name: &str, destination: &Destination, shared: Arc<Shared>) -> Self {
        Self {
            name: name.to_owned(),
            destination: destination.clone(),
            plan: shared.plan.subscribe(),
            bell: shared.bell.subscribe(),
            shared,
            outbox: None,
            sending: None,
            failures: 0,
        }
    }

    /// Works until the plan is another one; until nothing more can be sent now, where it is to end.
    pub async fn work(mut self) {
        let begun = Arc::clone(&self.plan.borrow_and_update().to);
        loop {
            self.bell.mark_unchanged();
            let round = self.round().await;
            let (ends, is_mine) = {
                let plan = self.plan.borrow_and_update();
                (plan.end, Arc::ptr_eq(&plan.to, &begun))
            };
            if !is_mine || ends && !matches!(round, Round::Went) {
                return;
            }
            let (pause, wakes) = match round {
                Round::Went if ends => continue,
                Round::Went => (BREATH, false),
                Round::Idle(pause) => (pause, true),
                Round::Failed(pause) => (pause, false),
            };
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.bell.changed(), if wakes => {}
                _ = self.plan.changed() => {}
            }
        }
    }

    async fn round(&mut self) -> Round {
        let memory = self.empty_memory().await;
        if matches!(memory, Round::Failed(_)) {
            return memory;
        }
        if self.outbox.is_none() {
            self.outbox = Alerts::open(&self.shared.store).ok();
        }
        let Some(outbox) = self.outbox.take() else { return Round::Idle(FIRST) };
        let round = self.empty_outbox(&outbox).await;
        // What went wrong with the store may have gone wrong for good: it is opened anew.
        self.outbox = round.is_ok().then_some(outbox);
        round.unwrap_or(Round::Idle(FIRST))
    }

    /// Alarms that the store cannot keep.
    async fn empty_memory(&mut self) -> Round {
        let mine: Vec<AlertRow> = (self.shared.alarms().iter())
            .filter(|(_, names)| names.contains(&self.name))
            .map(|(alert, _)| alert.clone())
            .collect();
        for alert in mine {
            if self.send(std::slice::from_ref(&alert)).await.iter().any(Result::is_err) {
                return self.failed();
            }
            self.failures = 0;
            for (_, names) in self.shared.alarms().iter_mut().filter(|(other, _)| other.id == alert.id) {
                names.remove(&self.name);
            }
            self.shared.alarms().retain(|(_, names)| !names.is_empty());
        }
        Round::Went
    }

    async fn empty_outbox(&mut self, outbox: &Alerts) -> Result<Round, crate::store::StoreError> {
        let most = if self.failures > 0 { 1 } else { way::at_once(&self.destination.way) };
        let claimed = outbox.claim(&self.name, most, LEASE)?;
        if claimed.is_empty() {
            let next = outbox.next_due(&self.name)?.map_or(LOOK, |next| time_until(next).min(LOOK));
            return Ok(Round::Idle(next.max(Duration::from_millis(1))));
        }
        let alerts: Vec<AlertRow> = claimed.iter().map(|claimed| claimed.alert.clone()).collect();
        let came = self.send(&alerts).await;
        let all_failed = came.iter().all(Result::is_err);
        let done: Vec<(Claimed, Came)> = (claimed.into_iter().zip(came))
            .map(|(claimed, came)| {
                let came = came.map_or_else(|error| again(&claimed, error), |()| Came::Delivered);
                (claimed, came)
            })
            .collect();
        outbox.settle(&self.name, &done)?;
        if all_failed {
            return Ok(self.failed());
        }
        self.failures = 0;
        Ok(Round::Went)
    }

    async fn send(&mut self, alerts: &[AlertRow]) -> Vec<Result<(), String>> {
        if self.sending.is_none() {
            match Sending::open(&self.destination.way) {
                Ok(sending) => self.sending = Some(sending),
                Err(why) => return alerts.iter().map(|_| Err(why.clone())).collect(),
            }
        }
        match &self.sending {
            Some(sending) => sending.send(alerts).await,
            None => Vec::new(),
        }
    }

    fn failed(&mut self) -> Round {
        self.failures = self.failures.saturating_add(1);
        Round::Failed(jittered(doubled(self.failures, LONGEST_PAUSE)))
    }
}

/// What becomes of an alert that was not taken.
fn again(claimed: &Claimed, error: String) -> Came {
    let now = unix_ms();
    if now.saturating_sub(claimed.since_ms) > GIVEN_UP {
        return Came::Failed(error);
    }
    let wait = jittered(doubled(u32::try_from(claimed.attempts).unwrap_or(u32::MAX), LONGEST));
    Came::Again(now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)), error)
}

/// The time before the next try, after so many.
fn doubled(tries: u32, longest: Duration) -> Duration {
    FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(longest)
}

/// Between half of it and all of it, so that those who failed together do not come back together.
fn jittered(time: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without random numbers all of it.
    if getrandom::fill(&mut bytes).is_err() {
        return time;
    }
    time / 2 + (time / 2).mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

fn time_until(moment_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(moment_ms.saturating_sub(unix_ms())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_ever_more_rarely_and_not_together() {
        let waits: Vec<u64> = (1..=12).map(|tries| doubled(tries, LONGEST).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(doubled(u32::MAX, LONGEST), LONGEST);
        let jitters: std::collections::BTreeSet<_> = (0..32).map(|_| jittered(LONGEST)).collect();
        assert!(jitters.len() > 1 && jitters.iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)));
    }
}
