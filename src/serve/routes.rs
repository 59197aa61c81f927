//! Where a message from the server goes: to which of the client's streams.
//!
//! It refuses to read more than the envelope. Invariant: an answer goes to the stream that asked, and to no other.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::posted::{Asked, place};
use crate::wire::{Glance, GlanceKind, Id, IdKey, Json, glance, glance_batch};

/// Tells how far a request is.
const PROGRESS: &str = "notifications/progress";
/// `_meta` key of the request that a notification was subscribed to by (2026-07-28).
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The number of the stream that belongs to no request.
pub(super) const UNRELATED: u64 = 0;

/// The requests in flight and the streams that wait for them.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// By id; of several with one id, which a tee lets pass, the first gets the first answer.
    waiting: HashMap<IdKey, VecDeque<Waiting>>,
    /// Order of arrival.
    arrived: u64,
}

#[derive(Debug)]
struct Waiting {
    stream: u64,
    token: Option<IdKey>,
    /// The id as the client spelled it, where another was sent.
    spelled: Option<String>,
    place: u64,
}

/// Where a message goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The stream.
    pub stream: u64,
    /// What to write in the place of the request's id, where the client knows it by another.
    pub spelled: Option<String>,
    /// Where in the message that id stands.
    pub at: Option<Range<usize>>,
    /// Whether that was the last that the stream waits for.
    pub last: bool,
}

impl Routes {
    /// Whether a request with this id is in flight.
    pub fn contains(&self, id: &IdKey) -> bool {
        self.waiting.contains_key(id)
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A request of a stream is on its way.
    pub fn depart(&mut self, asked: &Asked, stream: u64, spelled: Option<String>) {
        self.arrived += 1;
        let waiting = Waiting { stream, token: asked.token.clone(), spelled, place: self.arrived };
        self.waiting.entry(asked.id.clone()).or_default().push_back(waiting);
    }

    /// The client takes a request back: its stream, if nothing else is waited for there.
    pub fn cancel(&mut self, id: &IdKey) -> Option<u64> {
        let stream = self.take(id)?.stream;
        self.is_idle(stream).then_some(stream)
    }

    /// Everything that a stream waits for is given up: the ids.
    pub fn abandon(&mut self, stream: u64) -> Vec<IdKey> {
        let mut ids = Vec::new();
        self.waiting.retain(|id, all| {
            let before = all.len();
            all.retain(|waiting| waiting.stream != stream);
            ids.extend((all.len() < before).then(|| id.clone()));
            !all.is_empty()
        });
        ids
    }

    /// The way of one line. `about` is the request that the server itself names; `listens` tells whether somebody reads
    /// the stream that belongs to none. `None` for an answer that nobody waits for.
    pub fn way(&mut self, line: &[u8], about: Option<&IdKey>, listens: Listens) -> Option<Way> {
        let seen = glance(line);
        match seen.kind {
            GlanceKind::Result { .. } | GlanceKind::Error => match seen.id {
                Some(id) => self.answer(&[id.key()], place(line, id.raw())),
                None => Some(self.beside(None, about, Listens::No)),
            },
            GlanceKind::Batch => {
                let is_answer =
                    |seen: &Glance<'_>| matches!(seen.kind, GlanceKind::Result { .. } | GlanceKind::Error);
                let ids = glance_batch(line).filter(is_answer).filter_map(|seen| seen.id);
                let ids: Vec<IdKey> = ids.map(Id::key).collect();
                if ids.is_empty() { Some(self.beside(None, about, listens)) } else { self.answer(&ids, None) }
            }
            GlanceKind::Ambiguous => {
                let answered = seen.id.and_then(|id| self.answer(&[id.key()], place(line, id.raw())));
                answered.or_else(|| Some(self.beside(None, about, listens)))
            }
            GlanceKind::Request | GlanceKind::Notification | GlanceKind::Other => {
                Some(self.named(&seen, line, about, listens))
            }
            GlanceKind::Blank | GlanceKind::NotJson => None,
        }
    }

    fn answer(&mut self, ids: &[IdKey], at: Option<Range<usize>>) -> Option<Way> {
        let mut found: Option<Waiting> = None;
        for id in ids {
            let waiting = self.take(id);
            found = found.or(waiting);
        }
        let Waiting { stream, spelled, .. } = found?;
        Some(Way { stream, spelled, at, last: self.is_idle(stream) })
    }

    /// What names its request itself: progress by a token, news of a subscription (2026-07-28) by the request's id.
    fn named(&self, seen: &Glance<'_>, line: &[u8], about: Option<&IdKey>, listens: Listens) -> Way {
        let is_notice = seen.method.as_deref().is_some_and(|method| method.starts_with("notifications/"));
        let params = is_notice.then(|| params(line)).flatten();
        let subscription = params.and_then(|params| params.member("_meta")?.member(SUBSCRIPTION));
        if let Some(id) = subscription.and_then(Id::from_json)
            && let Some(waiting) = self.waiting.get(&id.key()).and_then(VecDeque::front)
        {
            let (stream, spelled) = (waiting.stream, waiting.spelled.clone());
            return Way { stream, spelled, at: place(line, id.raw()), last: false };
        }
        let is_progress = seen.method.as_deref() == Some(PROGRESS);
        let token = params.filter(|_| is_progress).and_then(|params| params.member("progressToken"));
        let token = token.and_then(Id::from_json).map(Id::key);
        self.beside(token.as_ref(), about, listens)
    }

    /// By its token, by the server's word, to the only request in flight, to whoever listens, to the oldest request.
    fn beside(&self, token: Option<&IdKey>, about: Option<&IdKey>, listens: Listens) -> Way {
        let oldest = |found: &dyn Fn(&Waiting) -> bool| {
            self.all().filter(|waiting| found(waiting)).min_by_key(|waiting| waiting.place)
        };
        let by_token = token.and_then(|token| oldest(&|waiting| waiting.token.as_ref() == Some(token)));
        let by_word = about.and_then(|id| self.waiting.get(id)?.front());
        let by_rest = || {
            let any = oldest(&|_| true);
            any.filter(|_| listens == Listens::No || self.all().count() == 1)
        };
        let waiting = by_token.or(by_word).or_else(by_rest);
        Way {
            stream: waiting.map_or(UNRELATED, |waiting| waiting.stream),
            spelled: None,
            at: None,
            last: false,
        }
    }

    /// Whether a stream waits for nothing.
    pub fn is_idle(&self, stream: u64) -> bool {
        self.all().all(|waiting| waiting.stream != stream)
    }

    fn all(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values().flatten()
    }

    fn take(&mut self, id: &IdKey) -> Option<Waiting> {
        let all = self.waiting.get_mut(id)?;
        let first = all.pop_front();
        if all.is_empty() {
            self.waiting.remove(id);
        }
        first
    }
}

/// Whether somebody reads the stream that belongs to no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listens {
    Yes,
    No,
}

fn params(line: &[u8]) -> Option<Json<'_>> {
    Json::from_text(str::from_utf8(line).ok()?)?.member("params")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: i64, token: Option<i64>) -> Asked {
        Asked { id: IdKey::Number(id), at: 0..0, token: token.map(IdKey::Number) }
    }

    fn two() -> Routes {
        let mut routes = Routes::default();
        routes.depart(&asked(1, Some(71)), 11, None);
        routes.depart(&asked(2, Some(72)), 12, Some("\"\\u0061\"".into()));
        routes
    }

    fn to(routes: &mut Routes, line: &str, listens: Listens) -> Option<u64> {
        routes.way(line.as_bytes(), None, listens).map(|way| way.stream)
    }

    const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;

    #[test]
    fn answers_go_to_the_stream_that_asked_and_only_once() {
        let mut routes = two();
        let answer = br#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
        let way = routes.way(answer, Some(&IdKey::Number(1)), Listens::Yes);
        let spelled = Some("\"\\u0061\"".into());
        assert_eq!(way, Some(Way { stream: 12, spelled, at: Some(22..23), last: true }));
        assert_eq!(routes.way(answer, None, Listens::Yes), None);
        assert_eq!(to(&mut routes, r#"{"jsonrpc":"2.0","id":"1","error":{}}"#, Listens::Yes), None);
    }

    #[test]
    fn progress_goes_by_its_token() {
        let progress = |token: i64| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token}}}}}"#
            )
        };
        assert_eq!(to(&mut two(), &progress(72), Listens::Yes), Some(12));
        assert_eq!(to(&mut two(), &progress(71), Listens::No), Some(11));
        assert_eq!(to(&mut two(), &progress(99), Listens::Yes), Some(UNRELATED));
    }

    #[test]
    fn news_of_a_subscription_goes_to_who_subscribed_under_the_id_that_it_knows() {
        let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":2}}}"#;
        let way = two().way(news.as_bytes(), None, Listens::No).unwrap();
        assert_eq!((way.stream, way.at.map(|at| &news[at]), way.spelled.is_some()), (12, Some("2"), true));
    }

    #[test]
    fn other_messages_go_to_the_only_request_or_to_whoever_listens_or_to_the_oldest() {
        assert_eq!(to(&mut Routes::default(), LOG, Listens::No), Some(UNRELATED));
        assert_eq!(to(&mut two(), LOG, Listens::Yes), Some(UNRELATED));
        assert_eq!(to(&mut two(), LOG, Listens::No), Some(11));
        let mut one = two();
        one.cancel(&IdKey::Number(1));
        assert_eq!(to(&mut one, LOG, Listens::Yes), Some(12));
        let named = two().way(LOG.as_bytes(), Some(&IdKey::Number(2)), Listens::Yes);
        assert_eq!(named.map(|way| way.stream), Some(12));
    }

    #[test]
    fn a_stream_ends_with_the_last_answer_of_its_batch() {
        let mut routes = Routes::default();
        for id in [1, 2, 3] {
            routes.depart(&asked(id, None), 11, None);
        }
        let batch = br#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
        assert_eq!(
            routes.way(batch, None, Listens::No),
            Some(Way { stream: 11, spelled: None, at: None, last: false })
        );
        let last = br#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
        assert!(routes.way(last, None, Listens::No).is_some_and(|way| way.stream == 11 && way.last));
        assert!(routes.is_empty());
    }

    #[test]
    fn what_is_taken_back_is_waited_for_no_more() {
        let mut routes = two();
        assert_eq!(routes.cancel(&IdKey::Number(1)), Some(11));
        assert_eq!(routes.abandon(12), [IdKey::Number(2)]);
        assert!(routes.is_empty() && routes.cancel(&IdKey::Number(1)).is_none());
    }

    #[test]
    fn lines_that_are_no_messages_go_nowhere() {
        assert_eq!(to(&mut two(), "Listening on stdio", Listens::Yes), None);
        assert_eq!(to(&mut two(), " ", Listens::Yes), None);
    }
}
