//! Requests that the server has and has not answered, and the same of the client.
//!
//! It matches answers to requests and refuses to guess: an id is in flight once or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use super::exchange::Warning;
use crate::record::{Completion, Now, Page, Record, Status};
use crate::wire::IdKey;

/// More requests in flight than any client has; beyond this the session refuses new ones.
pub const MOST_IN_FLIGHT: usize = 65_536;

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Its number, where it is a recorded call.
    pub call: Option<u64>,
    /// The tool, where it calls one.
    pub tool: Option<Box<str>>,
    /// When its bytes were read, steady microseconds.
    pub since_us: u64,
    /// What its answer can tell about the session.
    pub asks: Asks,
    /// Whether the client has cancelled it. The server may answer all the same.
    pub cancelled: bool,
    /// What the agent is told with the answer.
    pub warning: Option<Box<Warning>>,
}

impl InFlight {
    /// A request that leaves now.
    pub fn new(call: Option<u64>, asks: Asks, now: Now) -> Self {
        Self { call, tool: None, since_us: now.steady_us, asks, cancelled: false, warning: None }
    }

    /// How it ended, for the store; nothing where it is no recorded call or its end was recorded before.
    pub fn completion(&self, status: Status, now: Now, length: usize) -> Option<Record> {
        let number = self.call.filter(|_| !self.cancelled)?;
        Some(Record::Completion(Completion {
            number,
            status,
            latency_us: now.steady_us.saturating_sub(self.since_us),
            result_bytes: u64::try_from(length).unwrap_or(u64::MAX),
        }))
    }
}

/// What the answer to a request tells beyond itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// `initialize`: the revision that the two ends will speak.
    Revision,
    /// `tools/list`: what the server claims of its tools.
    Tools(Page),
    /// A call that sets these labels surely, once it has succeeded.
    Success(Vec<Arc<str>>),
    /// `tasks/get` or `tasks/cancel`: the state of this task.
    TaskState(Box<str>),
    /// `tasks/result`: what the call that made this task would have been answered.
    TaskResult(Box<str>),
    /// Nothing.
    Nothing,
}

/// All requests in flight at one end.
#[derive(Debug, Default)]
pub struct Flight {
    /// With each request its place in the order of departure: those of one chunk share their time.
    by_id: HashMap<IdKey, (u64, InFlight)>,
    departed: u64,
    /// How many of them were cancelled: most servers never answer those.
    cancelled: usize,
    /// With how many answers the agent is told something.
    warned: usize,
}

impl Flight {
    /// Whether a request with this id is unanswered.
    pub fn contains(&self, id: &IdKey) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether no more fit. Those that were cancelled make room.
    pub fn is_full(&self) -> bool {
        self.by_id.len() - self.cancelled >= MOST_IN_FLIGHT
    }

    /// Whether the agent is told something with any answer.
    pub fn is_warned(&self) -> bool {
        self.warned > 0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// A request leaves. When full, it is not tracked.
    pub fn depart(&mut self, id: IdKey, request: InFlight) {
        if self.is_full() {
            return;
        }
        if self.by_id.len() >= MOST_IN_FLIGHT {
            self.by_id.retain(|_, (_, request)| !request.cancelled);
            self.cancelled = 0;
        }
        self.departed += 1;
        self.cancelled += usize::from(request.cancelled);
        self.warned += usize::from(request.warning.is_some());
        if let Some((_, before)) = self.by_id.insert(id, (self.departed, request)) {
            self.cancelled -= usize::from(before.cancelled);
            self.warned -= usize::from(before.warning.is_some());
        }
    }

    /// An answer arrives.
    pub fn land(&mut self, id: &IdKey) -> Option<InFlight> {
        let (_, request) = self.by_id.remove(id)?;
        self.cancelled -= usize::from(request.cancelled);
        self.warned -= usize::from(request.warning.is_some());
        Some(request)
    }

    /// The client no longer waits for it: the request as it was, if it was not cancelled before.
    pub fn cancel(&mut self, id: &IdKey) -> Option<InFlight> {
        let request =
            self.by_id.get_mut(id).map(|(_, request)| request).filter(|request| !request.cancelled)?;
        let before = request.clone();
        request.cancelled = true;
        self.cancelled += 1;
        self.warned -= usize::from(request.warning.take().is_some());
        Some(before)
    }

    /// The session ends: everything unanswered, in the order it was sent.
    pub fn drain(&mut self) -> Vec<(IdKey, InFlight)> {
        (self.cancelled, self.warned) = (0, 0);
        let mut all: Vec<_> = self.by_id.drain().collect();
        all.sort_by_key(|(_, (place, _))| *place);
        all.into_iter().map(|(id, (_, request))| (id, request)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Asks, Flight, InFlight};
    use crate::wire::IdKey;

    fn request(call: u64) -> InFlight {
        InFlight {
            call: Some(call),
            tool: None,
            since_us: call,
            asks: Asks::Nothing,
            cancelled: false,
            warning: None,
        }
    }

    #[test]
    fn an_answer_lands_once() {
        let mut flight = Flight::default();
        flight.depart(IdKey::Number(1), request(1));
        assert!(flight.contains(&IdKey::Number(1)));
        assert!(!flight.contains(&IdKey::Text("1".into())));
        assert!(flight.land(&IdKey::Number(1)).is_some());
        assert_eq!(flight.land(&IdKey::Number(1)), None);
    }

    #[test]
    fn a_cancelled_request_stays_in_flight_at_the_server() {
        let mut flight = Flight::default();
        flight.depart(IdKey::Number(1), request(1));
        assert!(flight.cancel(&IdKey::Number(1)).is_some());
        assert_eq!(flight.cancel(&IdKey::Number(1)), None);
        assert!(flight.contains(&IdKey::Number(1)));
    }

    #[test]
    fn requests_that_were_cancelled_and_never_answered_make_room() {
        let mut flight = Flight::default();
        let all = i64::try_from(super::MOST_IN_FLIGHT).unwrap();
        for id in 0..all {
            flight.depart(IdKey::Number(id), request(1));
        }
        assert!(flight.is_full());
        flight.cancel(&IdKey::Number(7));
        assert!(!flight.is_full());
        flight.depart(IdKey::Number(all), request(1));
        assert!(
            flight.is_full() && flight.contains(&IdKey::Number(all)) && flight.contains(&IdKey::Number(8))
        );
        assert_eq!(flight.land(&IdKey::Number(7)), None, "a late answer finds nobody");
    }

    #[test]
    fn what_is_left_comes_out_in_order() {
        let mut flight = Flight::default();
        let no_call = InFlight { call: None, ..request(1) };
        flight.depart(IdKey::Number(3), request(1));
        flight.depart(IdKey::Number(1), no_call);
        flight.depart(IdKey::Number(2), request(2));
        let order: Vec<_> = flight.drain().into_iter().map(|(id, _)| id).collect();
        assert_eq!(order, [3, 1, 2].map(IdKey::Number));
    }
}
