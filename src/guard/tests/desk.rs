//! What a store would say of questions, for sessions without one: it holds what was recorded and ruled.

use std::cell::RefCell;
use std::rc::Rc;

use crate::guard::{Alone, Earlier, Elsewhere, Heard, Like, Pinned, Pins, Ruling, Taken, Written};
use crate::record::{Question, Record, TurnKind};

/// The questions of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk(Rc<RefCell<Vec<(Question, Standing)>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Approved,
    Denied,
    /// After its call was answered: nobody was told yet.
    DeniedLater,
    /// Its call was answered.
    Pending,
    Closed,
}

impl Desk {
    /// Takes in what is recorded.
    pub(super) fn keep(&self, records: &[Record]) {
        for record in records {
            match record {
                Record::Question(question) => {
                    self.0.borrow_mut().push(((**question).clone(), Standing::Open));
                }
                Record::Turn(turn) => match turn.kind {
                    TurnKind::ApprovedInHost => self.stand(&turn.question, Standing::Approved),
                    TurnKind::DeniedInHost | TurnKind::Expired | TurnKind::Withdrawn | TurnKind::Told => {
                        self.stand(&turn.question, Standing::Closed);
                    }
                    TurnKind::Pending => self.stand(&turn.question, Standing::Pending),
                },
                Record::Call(_)
                | Record::Completion(_)
                | Record::Gap(_)
                | Record::Notice(_)
                | Record::Tools(_)
                | Record::Trace(_)
                | Record::Warning(_)
                | Record::Course(_) => {}
            }
        }
    }

    /// Takes in what a person rules.
    pub(super) fn rule(&self, ruling: &Ruling) {
        let standing = match ruling.heard {
            Heard::Yes => Standing::Approved,
            Heard::No => Standing::Denied,
            Heard::TakenBack => Standing::Closed,
        };
        self.stand(&ruling.question, standing);
    }

    fn stand(&self, question: &str, standing: Standing) {
        // Whoever rules on what is closed is told so, and no session hears of it.
        let mut known = self.0.borrow_mut();
        let found = known.iter_mut().find(|(known, _)| *known.id == *question);
        match found {
            Some((_, of @ Standing::Pending)) if standing == Standing::Denied => *of = Standing::DeniedLater,
            Some((_, Standing::Denied | Standing::Closed)) | None => {}
            Some((_, of)) => *of = standing,
        }
    }
}

impl Elsewhere for Desk {
    fn spent(&self, key: &[u8; 32], since_slot: i64) -> Option<u64> {
        Alone.spent(key, since_slot)
    }

    fn marked(&self, owner: &str, label: &str) -> Option<Written> {
        Alone.marked(owner, label)
    }

    fn pins(&self, server: &str) -> Option<Pins> {
        Alone.pins(server)
    }

    fn pinned(&self, server: &str, hash: &str) -> Option<Pinned> {
        Alone.pinned(server, hash)
    }

    fn earlier(&self, like: &Like<'_>) -> Option<Earlier> {
        let known = self.0.borrow();
        let mut alike = known.iter().rev().filter(|(question, _)| {
            question.binding == *like.binding
                && *question.owner == *like.owner
                && *question.policy == *like.policy
        });
        Some(
            alike
                .find_map(|(question, standing)| match standing {
                    Standing::Open | Standing::Pending if question.until_ms > like.now_ms => {
                        Some(Earlier::Open { question: question.id.clone(), until_ms: question.until_ms })
                    }
                    Standing::Approved => Some(Earlier::Granted { question: question.id.clone() }),
                    Standing::DeniedLater => {
                        Some(Earlier::Denied { question: question.id.clone(), said: None })
                    }
                    Standing::Open | Standing::Pending | Standing::Denied | Standing::Closed => None,
                })
                .unwrap_or_default(),
        )
    }

    fn take(&self, question: &str, _number: u64, _now_ms: i64) -> Option<Taken> {
        let mut known = self.0.borrow_mut();
        let found = known.iter_mut().find(|(known, _)| *known.id == *question);
        Some(match found {
            Some((_, standing @ Standing::Approved)) => {
                *standing = Standing::Closed;
                Taken::Yes
            }
            Some((_, Standing::Denied | Standing::DeniedLater)) => Taken::Denied,
            Some((_, Standing::Open | Standing::Pending | Standing::Closed)) | None => Taken::No,
        })
    }
}
