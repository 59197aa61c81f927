//! What a batch of the server asks (2025-03-26): requests beside answers that may ask as well.
//!
//! It refuses to take a batch apart, as the client's batches are not. Invariant: of a batch that does not pass, every
//! request of the server and every request that it answers gets an answer.

use std::collections::HashSet;

use super::asked::{Admission, Asking};
use super::effect::Outbox;
use super::exchange::Subject;
use super::refusal::About;
use super::session::Session;
use crate::record::Now;
use crate::wire::mcp::{self, FromServer};
use crate::wire::{
    Fault, Frame, GlanceKind, Id, IdKey, Line, MAX_BATCH, Malformed, Message, glance, glance_batch, read,
};

impl Session {
    /// Judges all that the members of a batch ask (2025-03-26). Their answers have been noted.
    pub(super) fn asks_together(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) -> Admission {
        let mut asking = Vec::new();
        let mut requests = false;
        for seen in glance_batch(line.content()) {
            let method = seen.method.as_deref();
            requests |= method.is_some_and(|method| self.is_judged(method, seen.kind, now, out));
            if seen.holds.requests || seen.error.is_some() {
                asking.extend(self.asking_within(line, &seen));
            }
        }
        if requests {
            self.add_requests(line, &mut asking);
        }
        if asking.is_empty() {
            return Admission::Pass;
        }
        if asking.len() > MAX_BATCH {
            let malformed = Malformed { fault: Fault::BatchTooLong, id: None };
            asking = vec![Asking { subject: Subject::Malformed(malformed), id: None, about: About::Within }];
        }
        let said = out.to_server.len();
        let admission = self.ask(line.bytes, asking, now, out);
        if admission == Admission::Pass || !self.is_gated() {
            return admission;
        }
        let mut instead = if let Admission::Instead(frames) = admission { frames } else { Vec::new() };
        self.refuse_members(line, said, &mut instead, out);
        Admission::Instead(instead)
    }

    fn add_requests<'a>(&self, line: Line<'a>, asking: &mut Vec<Asking<'a>>) {
        match read(line.content()) {
            Ok(Frame::Batch(members)) => {
                for member in members {
                    if let Some(method) =
                        member.method.clone().filter(|method| self.has_a_say(method, &member))
                    {
                        asking.push(self.asking(&method, Ok(member)));
                    }
                }
            }
            Ok(Frame::Blank | Frame::Message(_)) => {}
            Err(malformed) => {
                let mut methods = glance_batch(line.content()).filter_map(|seen| seen.method);
                if methods.any(|method| self.may_govern(&method)) {
                    let subject = Subject::Malformed(malformed);
                    asking.push(Asking { subject, id: None, about: About::Within });
                }
            }
        }
    }

    fn has_a_say(&self, method: &str, member: &Message<'_>) -> bool {
        match member.id {
            Some(_) => mcp::from_server(method) == FromServer::Judged,
            None => self.may_govern(method),
        }
    }

    /// Answers all of a batch that does not pass and that is not answered yet: to the server from `said` on.
    fn refuse_members(&self, line: Line<'_>, said: usize, instead: &mut Vec<u8>, out: &mut Outbox) {
        let mut of_server = answered(out.to_server.get(said..).unwrap_or_default());
        let mut of_client = answered(instead);
        for seen in glance_batch(line.content()) {
            let Some(id) = seen.id else { continue };
            match seen.kind {
                GlanceKind::Request if of_server.insert(id.key()) => {
                    out.to_server.extend(self.refused_with_its_batch(id, About::Asked));
                }
                GlanceKind::Result { .. } | GlanceKind::Error if of_client.insert(id.key()) => {
                    instead.extend(self.refused_with_its_batch(id, About::Within));
                }
                GlanceKind::Request
                | GlanceKind::Result { .. }
                | GlanceKind::Error
                | GlanceKind::Blank
                | GlanceKind::NotJson
                | GlanceKind::Ambiguous
                | GlanceKind::Notification
                | GlanceKind::Batch
                | GlanceKind::Other => {}
            }
        }
    }
}

/// The ids that these lines of our own answer.
fn answered(lines: &[u8]) -> HashSet<IdKey> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| glance(line).id.map(Id::key)).collect()
}
