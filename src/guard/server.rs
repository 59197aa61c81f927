//! What the server sends: tolerated, completed, and kept from answering what it was not asked.

use super::asked::Admission;
use super::catalog::Told;
use super::effect::{Outbox, SPOILED};
use super::ended::Done;
use super::flight::Asks;
use super::session::{Session, Side, notice};
use crate::record::{Listing, NoticeKind, Now, Record, Status};
use crate::wire::{Glance, GlanceKind, Json, Line, Lines, glance, glance_batch};

/// How much of a line that is not JSON people get to see, bytes.
const NOISE_SHOWN: usize = 400;

/// How the lines of a chunk leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    /// They have.
    Tee,
    /// One by one, by way of the outbox.
    ByLine,
}

impl Session {
    /// Bytes from the server.
    pub fn server_bytes(&mut self, chunk: &[u8], now: Now) -> Outbox {
        let mut out = Outbox::default();
        let ways = if self.takes_lines(Side::Server) { Ways::ByLine } else { Ways::Tee };
        let mut lines = std::mem::replace(&mut self.server, Lines::new(0));
        lines.feed(chunk, |line| self.server_line(line, ways, now, &mut out));
        self.server = lines;
        if ways == Ways::Tee {
            self.server.mark_forwarded();
        }
        if !self.server.is_ahead() {
            self.between_lines(&mut out);
        }
        if !out.to_server.is_empty() {
            self.between_client_lines(&mut out);
        }
        out
    }

    fn server_line(&mut self, line: Line<'_>, ways: Ways, now: Now, out: &mut Outbox) {
        let passing = out.passing.len();
        let admission = self.admits(line, now, out);
        if ways == Ways::Tee {
            return;
        }
        // Where nothing can be held back, a line may still be told apart to have something added.
        let stays = admission == Admission::Drop && !self.is_gated();
        if stays || admission == Admission::Pass {
            let start = out.to_client.len();
            out.begun_to_client |= line.ahead > 0;
            out.to_client.extend_from_slice(line.bytes.get(line.ahead..).unwrap_or_default());
            for frame in out.passing.iter_mut().skip(passing) {
                frame.bytes = start..out.to_client.len();
            }
            return;
        }
        if line.ahead > 0 {
            // The host has its beginning: without an end it would swallow the next line.
            out.to_client.extend_from_slice(SPOILED);
        }
        if let Admission::Instead(lines) = admission {
            out.to_client.extend(lines);
        }
    }

    /// Notes what the line tells, and judges what it asks; whether it may pass where frames can be held back.
    fn admits(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) -> Admission {
        if line.too_long {
            return self.drop_reply("a line over the size limit", now, out);
        }
        let seen = glance(line.content());
        if let Some(status) = status(seen.kind) {
            return self.answer(line, &seen, status, now, out);
        }
        match seen.kind {
            GlanceKind::NotJson if line.ahead > 0 => Admission::Pass,
            GlanceKind::NotJson => self.divert(line, now, out),
            GlanceKind::Ambiguous => self.drop_reply("an answer that can be read in two ways", now, out),
            GlanceKind::Batch => self.answers(line, now, out),
            GlanceKind::Request | GlanceKind::Notification => self.asks(line, &seen, now, out),
            GlanceKind::Blank | GlanceKind::Other | GlanceKind::Result { .. } | GlanceKind::Error => {
                Admission::Pass
            }
        }
    }

    fn answer(
        &mut self,
        line: Line<'_>,
        seen: &Glance<'_>,
        status: Status,
        now: Now,
        out: &mut Outbox,
    ) -> Admission {
        // JSON-RPC 2.0, section 5: an error that belongs to no readable request has no usable id.
        let Some(id) = seen.id else { return Admission::Pass };
        let Some(request) = self.flight.land(&id.key()) else {
            return self.drop_reply("an answer to an id that is not in flight", now, out);
        };
        self.told(&request.asks, seen.result, now, out);
        let lists = matches!(request.asks, Asks::Tools(_));
        let warning = request.call.zip(request.warning.clone());
        self.ended(request, seen, Done { status, length: line.bytes.len() }, now, out);
        let warned = warning.and_then(|(number, warning)| self.warn(number, &warning, line, seen, now, out));
        if seen.holds.requests || seen.error.is_some() {
            return self.within(line, seen, now, out);
        }
        if let Some(warned) = warned {
            return Admission::Instead(warned);
        }
        let left = if lists { self.filtered(line, seen, now, out) } else { None };
        left.map_or(Admission::Pass, Admission::Instead)
    }

    /// A batch (2025-03-26): all of its answers are expected, or none passes. Lists in it pass as they came.
    fn answers(&mut self, line: Line<'_>, now: Now, out: &mut Outbox) -> Admission {
        let foreign = glance_batch(line.content()).any(|seen| {
            let unasked =
                status(seen.kind).is_some() && seen.id.is_some_and(|id| !self.flight.contains(&id.key()));
            unasked || seen.kind == GlanceKind::Ambiguous
        });
        if foreign && self.is_gated() {
            return self.drop_reply("a batch with an answer to an id that is not in flight", now, out);
        }
        for seen in glance_batch(line.content()) {
            if let (Some(status), Some(id)) = (status(seen.kind), seen.id)
                && let Some(request) = self.flight.land(&id.key())
            {
                if matches!(request.asks, Asks::Tools(_)) {
                    self.told(&request.asks, seen.result, now, out);
                }
                let warning = request.call.zip(request.warning.clone());
                self.ended(request, &seen, Done { status, length: line.bytes.len() }, now, out);
                if let Some((number, warning)) = warning {
                    self.warn_beside(number, &warning, now, out);
                }
            }
        }
        self.asks_together(line, now, out)
    }

    /// Learns what an answer tells beyond itself.
    fn told(&mut self, asks: &Asks, result: Option<&[u8]>, now: Now, out: &mut Outbox) {
        match (asks, result) {
            (Asks::Revision, _) => self.negotiated(result, out),
            (Asks::Tools(page), Some(result)) => {
                let pins = || self.elsewhere.pins(&self.info.server);
                if let Some(Told { tools, is_last, changes }) = self.catalog.take(result, *page, &pins) {
                    let list = Listing { unix_ms: now.unix_ms, page: *page, is_last, tools };
                    out.records.push(Record::Tools(list));
                    self.tell_changes(&changes, now, out);
                    self.tell_unread_pins(now, out);
                }
            }
            (Asks::Tools(_), None)
            | (Asks::Success(_) | Asks::TaskState(_) | Asks::TaskResult(_) | Asks::Nothing, _) => {}
        }
    }

    fn negotiated(&mut self, result: Option<&[u8]>, out: &mut Outbox) {
        let result = result.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(Json::from_text);
        let capabilities = result.and_then(|result| result.member("capabilities"));
        self.warnings.logs = capabilities.is_some_and(|all| all.member("logging").is_some());
        let revision = result
            .and_then(|result| result.member("protocolVersion"))
            .and_then(|revision| revision.as_str().map(std::borrow::Cow::into_owned));
        if revision.is_some() && revision != self.info.protocol {
            self.info.protocol = revision;
            out.session = Some(self.info.clone());
        }
    }

    /// Records an answer that nobody asked for. Only where frames can be held back does it stay out.
    fn drop_reply(&self, what: &str, now: Now, out: &mut Outbox) -> Admission {
        if self.is_gated() {
            out.say.push(format!("dropped {what} from the server"));
            out.records.push(notice(now, NoticeKind::ReplyDropped, format!("dropped {what}")));
        }
        Admission::Drop
    }

    /// A line that is no JSON would break the host's parser: people get it, the host does not.
    fn divert(&self, line: Line<'_>, now: Now, out: &mut Outbox) -> Admission {
        if self.is_gated() {
            out.say.push(noise(line.content()));
            let text = format!("a line of {} bytes that is no JSON went to stderr", line.bytes.len());
            out.records.push(notice(now, NoticeKind::NoiseDiverted, text));
        }
        Admission::Drop
    }
}

/// What people are told of a line that is no JSON: the beginning of it, escaped.
pub fn noise(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.get(..NOISE_SHOWN).unwrap_or(line));
    format!("the server printed to stdout: {}", text.escape_debug())
}

/// How a call ended, for the kinds that are answers.
fn status(kind: GlanceKind) -> Option<Status> {
    match kind {
        GlanceKind::Result { is_error: true } => Some(Status::ToolError),
        GlanceKind::Result { is_error: false } => Some(Status::Ok),
        GlanceKind::Error => Some(Status::RpcError),
        GlanceKind::Blank
        | GlanceKind::NotJson
        | GlanceKind::Ambiguous
        | GlanceKind::Request
        | GlanceKind::Notification
        | GlanceKind::Batch
        | GlanceKind::Other => None,
    }
}
