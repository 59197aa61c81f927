//! Which requests of the client still want an answer, whichever stream it comes by.
//!
//! It refuses to judge answers to what was never asked: they are passed on, for the session to say. Invariant: of a
//! request's answers and the error in their place, one reaches the client.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::wire::{Glance, GlanceKind, Id, IdKey, glance_batch};

/// Requests of which it is remembered that they have had their answer. Arbitrary: another that comes later than so many
/// are answered is rare.
const MOST_SETTLED: usize = 1024;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How many with this id are under way: a tee lets an id pass twice.
    open: HashMap<IdKey, u32>,
    settled: HashSet<IdKey>,
    /// The same, oldest first; some may have been asked again.
    in_order: VecDeque<IdKey>,
}

impl Answers {
    /// A request leaves.
    pub fn ask(&mut self, key: &IdKey) {
        *self.open.entry(key.clone()).or_default() += 1;
        self.settled.remove(key);
    }

    /// Whether a line may be passed on: it is no answer, or not only to what has had one.
    pub fn take(&mut self, look: &Glance<'_>, line: &[u8]) -> bool {
        match look.kind {
            GlanceKind::Result { .. } | GlanceKind::Error => self.answer(look),
            GlanceKind::Batch => {
                let mut wanted = None;
                for one in glance_batch(line) {
                    let one = self.answer(&one);
                    wanted = Some(wanted.unwrap_or(false) || one);
                }
                wanted.unwrap_or(true)
            }
            GlanceKind::Blank
            | GlanceKind::NotJson
            | GlanceKind::Ambiguous
            | GlanceKind::Request
            | GlanceKind::Notification
            | GlanceKind::Other => true,
        }
    }

    /// Whether a request still wants an answer: it is to get an error.
    pub fn give_up(&mut self, key: &IdKey) -> bool {
        self.close(key)
    }

    /// An answer to this is nothing to the client.
    pub fn expect_none(&mut self, key: IdKey) {
        if self.in_order.len() == MOST_SETTLED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.settled.remove(&oldest);
        }
        self.in_order.push_back(key.clone());
        self.settled.insert(key);
    }

    /// The client has taken a request back.
    pub fn forget(&mut self, key: &IdKey) {
        self.close(key);
    }

    fn answer(&mut self, look: &Glance<'_>) -> bool {
        let is_answer = matches!(look.kind, GlanceKind::Result { .. } | GlanceKind::Error);
        match look.id.filter(|_| is_answer).map(Id::key) {
            Some(key) => self.close(&key) || !self.settled.contains(&key),
            None => true,
        }
    }

    fn close(&mut self, key: &IdKey) -> bool {
        let Some(open) = self.open.get_mut(key) else { return false };
        *open -= 1;
        if *open == 0 {
            self.open.remove(key);
            self.expect_none(key.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::glance;

    fn key(number: i64) -> IdKey {
        IdKey::Number(number)
    }

    fn passes(answers: &mut Answers, line: &str) -> bool {
        answers.take(&glance(line.as_bytes()), line.as_bytes())
    }

    const ONE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

    #[test]
    fn a_request_that_was_answered_gets_neither_an_error_nor_another_answer() {
        let mut answers = Answers::default();
        answers.ask(&key(1));
        assert!(passes(&mut answers, ONE));
        assert!(!answers.give_up(&key(1)) && !passes(&mut answers, ONE));
    }

    #[test]
    fn a_request_that_got_an_error_gets_no_answer_until_its_id_is_used_again() {
        let mut answers = Answers::default();
        answers.ask(&key(1));
        assert!(answers.give_up(&key(1)) && !passes(&mut answers, ONE));
        answers.ask(&key(1));
        assert!(passes(&mut answers, ONE));
    }

    #[test]
    fn what_nobody_asked_is_for_the_session_to_judge() {
        let mut answers = Answers::default();
        assert!(passes(&mut answers, ONE));
        for line in [r#"{"jsonrpc":"2.0","method":"m"}"#, r#"{"jsonrpc":"2.0","error":{}}"#, "x", "[]"] {
            assert!(passes(&mut answers, line), "{line}");
        }
    }

    #[test]
    fn a_batch_passes_with_one_answer_that_is_wanted() {
        let mut answers = Answers::default();
        answers.ask(&key(1));
        answers.ask(&key(2));
        answers.give_up(&key(1));
        let two = format!("[{ONE},{}]", ONE.replace(":1,", ":2,"));
        assert!(passes(&mut answers, &two));
        assert!(!passes(&mut answers, &format!("[{ONE}]")));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut answers = Answers::default();
        for id in 0..5000 {
            answers.ask(&key(id));
            answers.give_up(&key(id));
        }
        assert_eq!(
            (answers.open.len(), answers.settled.len(), answers.in_order.len()),
            (0, MOST_SETTLED, MOST_SETTLED)
        );
    }
}
