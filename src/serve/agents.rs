//! `PATCH /api/v1/agents/{agent}`: the mode of one agent, as mcp.toml has it.
//!
//! It refuses to keep a mode anywhere else: the file is the one truth. Invariant: no key changes the mode of the agent that
//! comes in by it.

use axum::http::StatusCode;
use serde_json::json;

use super::problem::{Problem, Reply, unknown_member};
use crate::policy::Mode;
use crate::proxy::{Edited, Unedited, Watching};
use crate::settings::Config;
use crate::settings::edit::with_agent_mode;
use crate::store::{ApiKey, Scope};
use crate::wire::{Json, JsonKind, has_invisible};

/// Longer names are cut where people read them, so that two could look alike. Characters.
const LONGEST_NAME: usize = 64;
/// The only member of a body.
const KEY: &str = "enforcement_mode";
/// The way out of most problems.
const EXAMPLE: &str = r#"{"enforcement_mode": "shadow"}"#;

/// Sets `[agents.AGENT] mode` in the file that is watched. The reload that follows keeps the assignment, which names the
/// key as its origin: `api:NAME`. Writes and syncs a file, and waits up to two seconds for others that edit it.
pub fn assign(
    watching: Option<&Watching>,
    in_force: &Config,
    agent: &str,
    body: &[u8],
    by: &ApiKey,
) -> Reply {
    let edited = may(in_force, agent, by).and_then(|()| {
        let mode = wanted(body)?;
        let watching = watching.ok_or_else(|| conflict("there is no policy file to edit"))?;
        let change = |text: &str, before: &Config| match own_mode(before, agent) {
            Some(same) if same == mode => Ok(None),
            Some(_) | None => with_agent_mode(text, agent, mode).map(Some),
        };
        watching.edit(in_force, &format!("api:{}", by.name), &change).map_err(|why| unedited(&why))
    });
    match edited {
        Ok(edited) => (StatusCode::OK, told(agent, &edited)),
        Err(problem) => problem.into_reply(),
    }
}

/// Whether this key may change this agent.
fn may(in_force: &Config, agent: &str, by: &ApiKey) -> Result<(), Problem> {
    if agent.trim().is_empty() || has_invisible(agent) || agent.chars().count() > LONGEST_NAME {
        let message = "an agent's name has 1 to 64 characters, all of them visible";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_request", message));
    }
    let identity = in_force.settings.identity.agent.as_deref();
    let comes_in = if by.may(Scope::Call) { identity } else { None };
    if by.agent.as_deref().or(comes_in) == Some(agent) {
        let message = "a key cannot change the mode of its own agent";
        let hint = "use another: `callgate keys add NAME --scope admin` makes a key that comes in as nobody";
        return Err(Problem::new(StatusCode::FORBIDDEN, "own_agent", message).with_hint(hint));
    }
    Ok(())
}

/// The mode that a body asks for.
fn wanted(body: &[u8]) -> Result<Mode, Problem> {
    let json = str::from_utf8(body).ok().and_then(Json::from_text);
    let Some(json) = json.filter(|json| json.kind() == JsonKind::Object) else {
        return Err(Problem::body("the body is no JSON object with one meaning").with_hint(EXAMPLE));
    };
    let mut mode = None;
    for (name, value) in json.members() {
        if name != KEY {
            return Err(unknown_member(&name, [KEY].into_iter()));
        }
        mode = value.as_str().and_then(|word| Mode::from_word(&word));
        if mode.is_none() {
            let hint = format!("one of {}", Mode::WORDS.join(", "));
            return Err(Problem::member(KEY, format!("`{KEY}` is no mode")).with_hint(hint));
        }
    }
    mode.ok_or_else(|| Problem::body(format!("`{KEY}` is missing")).with_hint(EXAMPLE))
}

fn own_mode(config: &Config, agent: &str) -> Option<Mode> {
    config.policy.agents.get(agent)?.mode
}

/// What is in the file now. Where a ceiling keeps the agent below its mode, that is said.
fn told(agent: &str, edited: &Edited) -> Vec<u8> {
    let policy = &edited.after.policy;
    let (from, to) = (own_mode(&edited.before, agent), own_mode(&edited.after, agent));
    let mut told = json!({
        "agent": agent,
        "enforcement_mode": to.map(Mode::as_str),
        "from": from.map(Mode::as_str),
        "policyId": &*policy.revision,
    });
    // The agent's own mode wins over those of servers, so that any server will do.
    let base = policy.stance(Some(agent), "").base;
    if let (Some(members), true) = (told.as_object_mut(), to.is_some_and(|to| base < to)) {
        members.insert("capped_to".to_owned(), base.as_str().into());
    }
    told.to_string().into_bytes()
}

fn conflict(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "not_edited", message)
}

fn unedited(why: &Unedited) -> Problem {
    let hint = match why {
        Unedited::NoFile(_) => "write one: `version = 1` is enough",
        Unedited::Faulty(_) | Unedited::WouldBeFaulty(_) | Unedited::Unread(_) | Unedited::RuleLess => {
            "`callgate policy check` shows what is wrong; nothing was changed"
        }
        Unedited::ReadOnly(_) | Unedited::Unwritten { .. } => {
            "change the mode where the file comes from, or let callgate write it"
        }
        Unedited::Contended => "try again",
        Unedited::NoPlace(_) => "nothing was changed",
    };
    conflict(why.to_string()).with_hint(hint)
}

#[cfg(test)]
mod tests;
