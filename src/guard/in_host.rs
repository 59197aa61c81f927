//! The person in the host as one who can be asked: by a request of our own (2025-06-18, elicitation), or by an answer that
//! asks (2026-07-28, multi round-trip requests).
//!
//! It refuses to pass on what the client says to us. Invariant: our questions have random ids, a yes is a ruling
//! like any other, which a denial beats, and nothing that answers one reaches the server.

use super::effect::Outbox;
use super::exchange::Word;
use super::hold::{Earlier, Hold, InHost};
use super::holds::{AskedInHost, ByResult};
use super::question::{Case, told};
use super::session::Session;
use crate::record::{Grant, Now, Record, Turn, TurnKind};
use crate::wire::{
    Frame, Id, IdKey, Json, Message, ask_by_result, elicitation, mcp, read, shown, taken_back,
};

/// What the names of our own questions begin with.
const OWN: &str = "callgate-";
/// How much of the arguments the person is shown: of what is longer the beginning and the end, characters.
const SHOWN: usize = 2_000;
const END: usize = 500;

/// What a person in the host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
    /// The form went away without an answer.
    Nothing,
}

impl Said {
    /// MCP 2025-06-18, elicitation, `ElicitResult`.
    fn of(result: Option<Json<'_>>) -> Self {
        let member = |name| result.and_then(|result| result.member(name));
        let action = member("action").and_then(Json::as_str).unwrap_or_default();
        let approves = member("content").and_then(|content| content.member("approve")).map(Json::text);
        match (&*action, approves) {
            ("accept", Some("true")) => Self::Yes,
            ("accept", Some("false")) | ("decline", _) => Self::No,
            _ => Self::Nothing,
        }
    }
}

impl Session {
    /// Whether the client can ask its person: as it said at the handshake, or says with the request (2026-07-28).
    pub(super) fn can_ask_in_host(&self, message: &Message<'_>) -> bool {
        let capabilities = message.meta.and_then(|meta| meta.member(mcp::META_CLIENT_CAPABILITIES));
        match capabilities {
            Some(capabilities) => has_forms(capabilities),
            None => !is_modern(message) && self.elicits,
        }
    }

    /// Learns at the handshake whether the client can ask its person.
    pub(super) fn learn_elicitation(&mut self, params: Option<Json<'_>>) {
        let capabilities = params.and_then(|params| params.member("capabilities"));
        self.elicits = capabilities.is_some_and(has_forms);
    }

    /// Asks the person in the host. The call goes on waiting, unless its client is asked by the answer to it.
    pub(super) fn ask_host(&mut self, mut hold: Hold, now: Now, out: &mut Outbox) -> Option<Hold> {
        hold.in_host = InHost::No;
        let Some(word) = (self.random_word)() else { return Some(hold) };
        let name = [OWN, &word].concat();
        let line = hold.line.clone();
        let Ok(Frame::Message(message)) = read(line.strip_suffix(b"\n").unwrap_or(&line)) else {
            return Some(hold);
        };
        let text = self.asked_in_words(&message, &hold.why);
        if !is_modern(&message) {
            let id = IdKey::Text(name.into());
            out.to_client.extend(elicitation(&id.to_json(), &text));
            self.holds.ask_in_host(id.clone(), &hold);
            hold.in_host = InHost::Asked(id);
            return Some(hold);
        }
        let asked = ByResult { question: hold.question.clone(), binding: hold.binding };
        self.holds.ask_by_result(name.as_str().into(), asked);
        self.turn(&hold, TurnKind::Pending, now, out);
        self.holds.leave_open(hold.question.clone());
        let refusal = out.to_client.len();
        self.settle(hold, Word::Pending, now, out);
        // The row says that it is pending; the client is asked instead of told.
        out.to_client.truncate(refusal);
        let id = message.id.map(Id::raw).unwrap_or_default();
        out.to_client.extend(ask_by_result(id, &name, &text));
        None
    }

    fn asked_in_words(&self, message: &Message<'_>, why: &str) -> String {
        let method = message.method.as_deref().unwrap_or_default();
        let name = message.name.or(message.uri).and_then(Json::as_str).unwrap_or_default();
        // Who would say yes to one call may not say it to all like it.
        let lasts = match self.terms.approval.grant {
            Grant::Once => String::new(),
            Grant::Session => " A yes is for all calls like it until the session ends.".to_owned(),
            Grant::For(_) => format!(" A yes is for all calls like it for {}.", self.terms.approval.grant),
        };
        let arguments = shown(message.arguments.map_or("{}", Json::text));
        format!(
            "May this call run? {} `{}` of server `{}` with {}. It waits for a person: {why}.{lasts}",
            shown(method),
            shown(&name),
            shown(&self.info.server),
            both_ends(&arguments),
        )
    }

    /// Whether a message answers one of our own questions: then it was taken in, and goes no further.
    pub(super) fn is_own_answer(&mut self, message: &Message<'_>, now: Now, out: &mut Outbox) -> bool {
        let Some(id) = message.id.filter(|_| message.is_response && self.holds.asks_host()) else {
            return false;
        };
        let Some(asked) = self.holds.answered_in_host(&id.key()) else { return false };
        let Some(mut hold) = self.holds.take(asked.number) else {
            self.answered_late(&asked, Said::of(message.result), now, out);
            return true;
        };
        hold.in_host = InHost::No;
        match Said::of(message.result) {
            Said::Nothing => self.holds.put(hold),
            Said::No => {
                self.turn(&hold, TurnKind::DeniedInHost, now, out);
                out.records.extend(hold.joined.then(|| told(&hold.question, hold.number, now)));
                self.settle(hold, Word::Denied(None), now, out);
            }
            Said::Yes => {
                // A ruling like any other: it comes back from the store, unless somebody has denied it there.
                self.turn(&hold, TurnKind::ApprovedInHost, now, out);
                out.commit_first = true;
                self.holds.put(hold);
            }
        }
        true
    }

    /// The call was answered as pending before its person did: their word is for the same call, made again.
    fn answered_late(&self, asked: &AskedInHost, said: Said, now: Now, out: &mut Outbox) {
        let kind = match said {
            Said::Yes => TurnKind::ApprovedInHost,
            Said::No => TurnKind::DeniedInHost,
            Said::Nothing => return,
        };
        if self.holds.is_left_open(&asked.question) && now.steady_us < asked.closes_us {
            out.records.push(Record::Turn(Turn::new(&asked.question, Some(asked.number), kind, now)));
        }
    }

    /// The line without the answers to our own questions, which are kept for the call that it makes again.
    pub(super) fn without_own_answers(&mut self, line: &[u8], message: &Message<'_>) -> Option<Vec<u8>> {
        let [Some(responses), _] = message.carried else { return None };
        let is_own = |name: &str| name.starts_with(OWN);
        let mut own = responses.members().filter(|(name, _)| is_own(name));
        let (name, answer) = own.next()?;
        self.brought = Some((name.as_ref().into(), Said::of(Some(answer))));
        let others: Vec<String> = responses
            .members()
            .filter(|(name, _)| !is_own(name))
            .map(|(name, value)| format!("{}:{}", serde_json::Value::from(&*name), value.text()))
            .collect();
        let at = (responses.text().as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        let mut stripped = line.get(..at)?.to_vec();
        stripped.extend_from_slice(format!("{{{}}}", others.join(",")).as_bytes());
        stripped.extend_from_slice(line.get(at + responses.text().len()..)?);
        Some(stripped)
    }

    /// What a call that is made again brought of the person's word on it, which is recorded.
    pub(super) fn brought(&mut self, case: &Case, now: Now, out: &mut Outbox) -> Option<Said> {
        let (name, said) = self.brought.take()?;
        let asked = self.holds.answered_by_result(&name)?;
        let is_open = matches!(&case.earlier, Earlier::Open { question, .. } if *question == asked.question);
        if asked.binding != case.binding || !is_open {
            return None;
        }
        let kind = match said {
            Said::Yes => TurnKind::ApprovedInHost,
            Said::No => TurnKind::DeniedInHost,
            Said::Nothing => return Some(said),
        };
        out.records.push(Record::Turn(Turn::new(&asked.question, Some(case.number), kind, now)));
        out.records.extend((said == Said::No).then(|| told(&asked.question, case.number, now)));
        out.commit_first = true;
        Some(said)
    }
}

/// All of it where it is short; else what is not shown is said, for the danger may be there.
fn both_ends(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(SHOWN - END).collect();
    let end: String = text.chars().skip(length - END).collect();
    let left_out = length - SHOWN;
    format!("{beginning} [{left_out} characters are not shown: see `callgate approvals`] {end}")
}

impl Hold {
    /// The host need not ask any more.
    pub(super) fn close_host(&self, out: &mut Outbox) {
        if let InHost::Asked(id) = &self.in_host {
            out.to_client.extend(taken_back(&id.to_json(), "the call no longer waits for an answer"));
        }
    }
}

/// Whether its person can be shown a form: a client that names kinds of elicitation has to name this one (MCP 2025-11-25,
/// elicitation, capabilities).
fn has_forms(capabilities: Json<'_>) -> bool {
    let Some(kinds) = capabilities.member("elicitation") else { return false };
    kinds.member("form").is_some() || kinds.member("url").is_none()
}

fn is_modern(message: &Message<'_>) -> bool {
    message.meta.is_some_and(|meta| meta.member(mcp::META_PROTOCOL_VERSION).is_some())
}
