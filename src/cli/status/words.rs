//! Running sessions as people and as scripts read them.
//!
//! Invariant: nothing says "blocked" of a call that passed, and names from outside are cut and escaped.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{InForce, OnDisk, RuleInForce, Session};
use crate::cli::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use crate::cli::rows::{local_time, rfc3339};
use crate::cli::serve::FACE;
use crate::policy::Mode;
use crate::wire::shown;

/// How much of a revision is shown, characters.
const SHORT: usize = 12;

/// How much of a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// How many rules hold in each mode.
    Counts,
    /// Each rule.
    EachRule,
}

/// What is said where nobody runs.
pub(super) fn nobody(store: &Path) -> String {
    let way =
        painted(DIM, format!("`callgate run -- COMMAND` starts one; the store is `{}`", store.display()));
    format!("no callgate is running\n{way}")
}

/// A session as people read it.
pub(super) fn block(session: &Session, detail: Detail, now_ms: i64) -> String {
    let mut lines = vec![head(session, now_ms), policy(session, now_ms)];
    lines.extend(stale(session, now_ms));
    if !is_face(session) {
        lines.push(calls(session, now_ms));
    }
    if let Some(force) = &session.force {
        match detail {
            Detail::Counts => lines.extend(blind(force)),
            Detail::EachRule => lines.extend(force.rules.iter().map(|one| rule(one, now_ms))),
        }
    }
    lines.join("\n")
}

fn head(session: &Session, now_ms: i64) -> String {
    let row = &session.row;
    let state = if row.is_running { painted(GREEN, "running") } else { painted(RED, "ended without a word") };
    let agent = match row.agent.as_deref() {
        _ if is_face(session) => "the HTTP face, which has a session for each client".to_owned(),
        Some(agent) => format!("agent {}", shown(agent)),
        None => "no agent".to_owned(),
    };
    let client = row.client.as_deref().map(|client| format!(" in {}", shown(client))).unwrap_or_default();
    let began = format!(
        "pid {}, session {}, since {} ({})",
        row.pid,
        row.session,
        at(row.since_ms),
        lasted(now_ms - row.since_ms)
    );
    format!("{}  {state}  {agent}{client}  {}", painted(BOLD, shown(&row.server)), painted(DIM, began))
}

/// `callgate serve` itself. Calls are those of its sessions.
fn is_face(session: &Session) -> bool {
    session.row.server == FACE
}

fn policy(session: &Session, now_ms: i64) -> String {
    let Some(loaded) = &session.row.loaded else {
        return line("policy", "unknown: an older version of callgate runs this session");
    };
    let revision = loaded.revision.get(..SHORT).unwrap_or(&loaded.revision);
    let which = match &loaded.path {
        Some(path) => format!("{} {revision} of {}", shown(&loaded.name), path),
        None => format!("{} {revision}, not from a file", shown(&loaded.name)),
    };
    let when = painted(DIM, format!("loaded {} ago", lasted(now_ms - loaded.unix_ms)));
    let force = session
        .force
        .as_ref()
        .map_or_else(|| painted(YELLOW, "unknown: its text cannot be read again"), modes);
    line("policy", &format!("{which}, {when}\n{}", line("modes", &force)))
}

fn modes(force: &InForce) -> String {
    let counted: Vec<String> = force
        .by_mode()
        .into_iter()
        .map(|(mode, count)| {
            if mode == Mode::Enforce {
                painted(BOLD, format!("{count} {mode}"))
            } else {
                format!("{count} {mode}")
            }
        })
        .collect();
    let rules =
        if counted.is_empty() { "no rules".to_owned() } else { format!("rules: {}", counted.join(", ")) };
    let elsewhere =
        if force.elsewhere > 0 { format!(" ({} for other servers)", force.elsewhere) } else { String::new() };
    let brake =
        force.max_mode.map(|mode| format!("; {}", painted(YELLOW, format!("the brake is on: {mode}"))));
    format!("{}; {rules}{elsewhere}{}", force.base, brake.unwrap_or_default())
}

fn stale(session: &Session, now_ms: i64) -> Option<String> {
    let told = match &session.file {
        OnDisk::None | OnDisk::Same => return None,
        OnDisk::Unreadable(error) => format!("the file cannot be read now ({error})"),
        OnDisk::Other { revision, written_ms } => {
            let since =
                written_ms.map(|ms| format!(", changed {} ago", lasted(now_ms - ms))).unwrap_or_default();
            format!("the file is {} by now{since}", revision.get(..SHORT).unwrap_or(revision))
        }
    };
    let refused = session.row.loaded.as_ref().and_then(|loaded| loaded.refused.as_deref());
    let why = refused.map(|why| format!("\n{}", line("", why))).unwrap_or_default();
    Some(format!("{}{why}", line(&painted(YELLOW.bold(), "stale"), &told)))
}

fn calls(session: &Session, now_ms: i64) -> String {
    let total = session.row.total();
    if total.calls == 0 && session.row.missing == 0 {
        return line("calls", "none yet");
    }
    let mut parts = Vec::new();
    if total.would_stop > 0 {
        let oldest =
            total.oldest_would_stop_ms.map(|ms| format!(" (the oldest {} ago)", lasted(now_ms - ms)));
        let text = format!("{} would have been stopped{}", total.would_stop, oldest.unwrap_or_default());
        parts.push(painted(YELLOW, text));
    }
    if total.blocked > 0 {
        parts.push(painted(RED, format!("{} blocked", total.blocked)));
    }
    if total.fail_open > 0 {
        parts.push(painted(YELLOW, format!("{} passed unjudged or unrecorded", total.fail_open)));
    }
    if session.row.missing > 0 {
        parts.push(painted(YELLOW, format!("{} records missing", session.row.missing)));
    }
    let rest = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    line("calls", &format!("{}{rest}", total.calls))
}

fn blind(force: &InForce) -> Vec<String> {
    let seeing_nothing = force.rules.iter().filter(|rule| !rule.blind.is_empty());
    seeing_nothing.map(|rule| line("blind", &blindness(rule))).collect()
}

fn blindness(rule: &RuleInForce) -> String {
    let tools: Vec<String> = rule.blind.iter().map(|tool| shown(tool)).collect();
    format!("{} on {}", shown(&rule.id), tools.join(", "))
}

fn rule(rule: &RuleInForce, now_ms: i64) -> String {
    let mut text = format!("{:<8} {:<16} {}", rule.mode.as_str(), rule.effect, shown(&rule.id));
    if rule.counts.would_stop > 0 {
        let oldest =
            rule.counts.oldest_would_stop_ms.map(|ms| format!(", the oldest {} ago", lasted(now_ms - ms)));
        let counted =
            format!("  {} would have been stopped{}", rule.counts.would_stop, oldest.unwrap_or_default());
        text.push_str(&painted(YELLOW, counted));
    }
    if rule.counts.blocked > 0 {
        text.push_str(&painted(RED, format!("  {} blocked", rule.counts.blocked)));
    }
    if !rule.blind.is_empty() {
        let tools: Vec<String> = rule.blind.iter().map(|tool| shown(tool)).collect();
        text.push_str(&painted(YELLOW, format!("  blind on {}", tools.join(", "))));
    }
    line("rule", &text)
}

fn line(title: &str, text: &str) -> String {
    let width = anstream::adapter::strip_str(title).to_string().chars().count();
    format!("  {title}{}  {text}", " ".repeat(6_usize.saturating_sub(width)))
}

fn at(unix_ms: i64) -> String {
    local_time(&rfc3339(unix_ms))
}

/// A time span in its largest unit.
fn lasted(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A session as scripts read it.
pub(super) fn json(session: &Session) -> Value {
    let row = &session.row;
    let total = row.total();
    let stamp =
        |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).map(|at| at.to_string());
    let loaded = row.loaded.as_ref();
    let (file_revision, changed) = match &session.file {
        OnDisk::Other { revision, written_ms } => (Some(revision.as_str()), stamp(*written_ms)),
        OnDisk::Same => (loaded.map(|loaded| loaded.revision.as_str()), None),
        OnDisk::None | OnDisk::Unreadable(_) => (None, None),
    };
    json!({
        "session": row.session, "running": row.is_running, "pid": row.pid, "since": stamp(Some(row.since_ms)),
        "agent": row.agent, "user": row.user, "client": row.client, "server": row.server,
        "policy": loaded.map(|loaded| loaded.name.as_str()),
        "revision": loaded.map(|loaded| loaded.revision.as_str()),
        "path": loaded.and_then(|loaded| loaded.path.as_deref()),
        "loaded": stamp(loaded.map(|loaded| loaded.unix_ms)),
        "stale": session.is_stale(), "file_revision": file_revision, "file_changed": changed,
        "refused": loaded.filter(|_| session.is_stale()).and_then(|loaded| loaded.refused.as_deref()),
        "mode": session.force.as_ref().map(|force| force.base.as_str()),
        "max_mode": session.force.as_ref().and_then(|force| force.max_mode).map(Mode::as_str),
        "fail_mode": session.force.as_ref().map(|force| force.fail_mode),
        "rules": session.force.as_ref().map(|force| force.rules.iter().map(|rule| rule_json(rule, &stamp)).collect::<Vec<_>>()),
        "calls": total.calls, "would_stop": total.would_stop, "blocked": total.blocked, "fail_open": total.fail_open,
        "missing_records": row.missing, "oldest_would_stop": stamp(total.oldest_would_stop_ms),
    })
}

fn rule_json(rule: &RuleInForce, stamp: &dyn Fn(Option<i64>) -> Option<String>) -> Value {
    json!({
        "rule": rule.id, "action": rule.effect, "mode": rule.mode.as_str(), "calls": rule.counts.calls,
        "would_stop": rule.counts.would_stop, "blocked": rule.counts.blocked,
        "oldest_would_stop": stamp(rule.counts.oldest_would_stop_ms), "blind_on": rule.blind,
    })
}

#[cfg(test)]
mod tests;
