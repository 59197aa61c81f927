//! `callgate demo`: an agent, a real MCP server, and callgate between them, from shadow to enforce.
//!
//! Nothing is played: processes, pipes, files and the store are real, and every claim is checked before it is
//! printed, so the demo is also a self-test. Invariant: it ends, whatever hangs.

mod agent;
mod server;
mod stage;
mod teller;
mod wait;

use std::ffi::OsStr;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use agent::{Agent, Reply};
use stage::{Afterwards, NOTE, PLAN, Stage, policy_shown};
use teller::{Scene, Teller, wrapped};
use wait::until;

pub(super) use server::DemoServer;

use super::paint::{BOLD, DIM, GREEN, RED, painted};
use super::places::File;
use super::question::Question;
use super::{Exit, rows};
use crate::clock::now;
use crate::guard::REFUSED;
use crate::policy::explain::Before;
use crate::proxy::Known;
use crate::record::NoticeKind;
use crate::store::{AuditRow, Count, Filter, NoticeRow, Reader};

/// The server's name in the demo.
const SERVER: &str = "notes";
/// The call that the story is about.
const DELETE: &str = "delete_note";

const MORE: &str = "\
Starts a bundled MCP server behind `callgate run` in a temporary folder, plays an agent that deletes a \
note, edits one word of mcp.toml while the session runs, and shows what the audit store holds. Every \
step is checked; the exit code is 1 if one does not come out as told.";

/// The command line of `demo`.
#[derive(Debug, Args)]
#[command(about = "See it work: a deletion passes in shadow and is refused under enforce", after_help = MORE)]
pub(super) struct Demo {
    /// Leave the folder (policy, notes, audit store) in place
    #[arg(long)]
    keep: bool,
    /// One JSON object: `ok`, `error`, `folder`, `steps`
    #[arg(long)]
    json: bool,
}

impl Demo {
    /// Plays the whole story.
    pub fn run(self) -> anyhow::Result<Exit> {
        let afterwards = if self.keep { Afterwards::Keep } else { Afterwards::Remove };
        let mut teller =
            if self.json { Teller::Script { steps: Vec::new() } } else { Teller::People { told: 0 } };
        let mut kept = None;
        let played = Stage::set(afterwards).and_then(|stage| {
            kept = stage.is_kept().then(|| stage.folder().display().to_string());
            play(&stage, &mut teller)
        });
        let error = played.as_ref().err().map(|error| format!("{error:#}"));
        teller.finish(kept.as_deref(), error.as_deref())?;
        played.map(|()| Exit::Done)
    }
}

fn play(stage: &Stage, teller: &mut Teller) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("the path of callgate is not known")?;
    let (policy, notes) = (stage.policy(), stage.notes());
    let command: [&OsStr; 8] = [
        "run".as_ref(),
        "--config".as_ref(),
        policy.as_ref(),
        "--server".as_ref(),
        SERVER.as_ref(),
        "--".as_ref(),
        program.as_ref(),
        "demo-server".as_ref(),
    ];
    teller.aside(&opening())?;
    let mut agent = Agent::start(&program, &[&command[..], &[notes.as_ref()]].concat())?;
    let scenes: [fn(&Stage, &mut Agent) -> anyhow::Result<Scene>; 4] = [shadow, check, edit, enforce];
    for scene in scenes {
        match scene(stage, &mut agent) {
            Ok(scene) => teller.tell(&scene)?,
            Err(error) => return Err(with_complaints(error, &agent)),
        }
    }
    agent.leave()?;
    teller.tell(&store(stage)?)?;
    teller.aside(&closing(stage))
}

/// What the sidecar had to say may explain what went wrong.
fn with_complaints(error: anyhow::Error, agent: &Agent) -> anyhow::Error {
    let said = agent.complaints();
    if said.is_empty() { error } else { error.context(format!("the sidecar said:\n{said}\n")) }
}

fn opening() -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}: an agent, an MCP server on stdio, and callgate between them",
            painted(BOLD, "callgate demo")
        ),
        String::new(),
        "   mcp.toml".to_owned(),
    ];
    lines.extend(policy_shown().lines().map(|line| painted(DIM, format!("   │ {line}").trim_end())));
    lines
}

fn shadow(stage: &Stage, agent: &mut Agent) -> anyhow::Result<Scene> {
    let mut lines = Vec::new();
    for (tool, arguments) in
        [("list_notes", json!({})), ("read_note", json!({ "name": NOTE })), (DELETE, deletion())]
    {
        let reply = agent.call(tool, &arguments)?;
        let Some((text, false)) = reply.text() else {
            bail!("{tool} should have passed in shadow, but: {reply:?}");
        };
        lines.push(spoken(tool, &arguments, &text.replace('\n', ", ")));
    }
    ensure!(!stage.has_plan(), "the deletion passed in shadow, but `{NOTE}` is still there");
    let row = recorded(stage, "forwarded")?;
    ensure!(words(&row) == (Some("deny"), Some("shadow")), "the record of it is wrong: {}", rows::line(&row));
    lines.push(format!("{NOTE} is gone: shadow stops nothing. The record knows better:"));
    lines.push(rows::line(&row));
    let title = "shadow: every call passes; what the policy says of it is recorded".to_owned();
    Ok(Scene { name: "shadow", title, lines, facts: json!({ "note_exists": false, "row": row }) })
}

fn check(stage: &Stage, _: &mut Agent) -> anyhow::Result<Scene> {
    let file = File::read(stage.policy())?;
    let arguments = deletion().to_string();
    let question = Question {
        method: "tools/call",
        tool: DELETE,
        arguments: Some(&arguments),
        server: SERVER,
        agent: None,
        listed: Known::default(),
        at: None,
        before: Before::default(),
    };
    let (answer, words) = question.ask(&file.read.config)?;
    ensure!(answer.would_block && answer.decision == "allow", "check says otherwise: {words}");
    let mut lines = vec![painted(
        DIM,
        format!("$ callgate check --server {SERVER} --tool {DELETE} --arguments '{arguments}'"),
    )];
    lines.extend(words.lines().map(str::to_owned));
    let title = "check: ask without calling anything".to_owned();
    Ok(Scene { name: "check", title, lines, facts: serde_json::to_value(answer)? })
}

fn edit(stage: &Stage, _: &mut Agent) -> anyhow::Result<Scene> {
    let reader = Reader::open(&stage.store())?;
    let before = reader.last_seq()?;
    let start = now().steady_us;
    stage.enforce()?;
    let notice = until("the running session to reload its policy", || {
        let notices = reader.notices(before)?;
        Ok(notices.into_iter().find(|notice| notice.kind == NoticeKind::PolicyLoaded.as_str()))
    })?;
    let took_ms = now().steady_us.saturating_sub(start) / 1_000;
    let text = notice.text.clone().unwrap_or_default();
    ensure!(text.contains("mode enforce"), "the session loaded something else: {text}");
    let lines = vec![
        format!("{} {}", painted(RED, "-"), painted(RED, "mode = \"shadow\"")),
        format!("{} {}", painted(GREEN, "+"), painted(GREEN, "mode = \"enforce\"")),
        format!("{text} {}", painted(DIM, format!("({took_ms} ms after the edit)"))),
    ];
    let title = "one word changes in mcp.toml; the session goes on".to_owned();
    Ok(Scene { name: "edit", title, lines, facts: json!({ "took_ms": took_ms, "notice": notice }) })
}

fn enforce(stage: &Stage, agent: &mut Agent) -> anyhow::Result<Scene> {
    let again = json!({ "name": NOTE, "text": PLAN });
    let reply = agent.call("write_note", &again)?;
    let Some((text, false)) = reply.text() else {
        bail!("write_note should have passed under enforce, but: {reply:?}");
    };
    let mut lines = vec![spoken("write_note", &again, text)];
    let error = match agent.call(DELETE, &deletion())? {
        Reply::Error(error) => error,
        Reply::Result(result) => bail!("{DELETE} should have been refused under enforce, but: {result}"),
    };
    ensure!(
        error.get("code") == Some(&json!(REFUSED))
            && error.pointer("/data/type") == Some(&json!("policy_denied"))
            && error.pointer("/data/executed") == Some(&json!(false)),
        "the refusal is not as it should be: {error}"
    );
    ensure!(stage.has_plan(), "{DELETE} was refused, but `{NOTE}` is gone");
    let row = recorded(stage, "blocked")?;
    ensure!(
        words(&row) == (Some("deny"), Some("enforce")),
        "the record of it is wrong: {}",
        rows::line(&row)
    );
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    lines.push(spoken(DELETE, &deletion(), &painted(RED.bold(), format!("error {REFUSED}"))));
    lines.extend(wrapped(message).into_iter().map(|line| format!("   {line}")));
    lines.push(format!("{NOTE} is still there: the server never saw the call."));
    let title = "enforce: what is allowed passes as before, the same deletion is refused".to_owned();
    Ok(Scene {
        name: "enforce",
        title,
        lines,
        facts: json!({ "note_exists": true, "error": error, "row": row }),
    })
}

fn store(stage: &Stage) -> anyhow::Result<Scene> {
    let reader = Reader::open(&stage.store())?;
    let (all, counts, notices) =
        (reader.rows(&Filter::default())?, reader.counts(&Filter::default())?, reader.notices(0)?);
    let outcomes: Vec<_> = all.iter().filter_map(|row| row.outcome.as_deref()).collect();
    ensure!(
        outcomes == ["forwarded", "forwarded", "forwarded", "forwarded", "blocked"],
        "the store holds other calls than were made: {outcomes:?}"
    );
    let path = stage.store().display().to_string();
    let mut lines: Vec<String> = all.iter().map(rows::line).collect();
    lines.push(String::new());
    lines.extend(counts.iter().map(counted));
    lines.push(String::new());
    lines.extend(notices.iter().map(noticed));
    if stage.is_kept() {
        lines.push(String::new());
        lines.push(painted(
            DIM,
            format!("$ sqlite3 {path} \"SELECT ts, tool, verdict, mode, outcome, rule FROM audit\""),
        ));
    }
    let facts = json!({ "path": path, "rows": all, "counts": counts, "notices": notices });
    let title = "what the audit store holds: the verdict is the same, the outcome is not".to_owned();
    Ok(Scene { name: "store", title, lines, facts })
}

fn closing(stage: &Stage) -> Vec<String> {
    let here = if stage.is_kept() {
        format!("All of it is in {}", stage.folder().display())
    } else {
        "The folder is gone; `callgate demo --keep` leaves it, with an audit store to query".to_owned()
    };
    vec![
        format!("\n{}  every step came out as told. {here}", painted(GREEN.bold(), "ok")),
        format!("\n{}", painted(BOLD, "Next")),
        "   callgate run -- COMMAND   let your agent host start this instead of an MCP server's COMMAND"
            .to_owned(),
        "   callgate tail             watch what the agent does".to_owned(),
        "   callgate policy check     write a rule in mcp.toml, and see that it is right".to_owned(),
    ]
}

fn deletion() -> Value {
    json!({ "name": NOTE })
}

/// What the agent did and what it got.
fn spoken(tool: &str, arguments: &Value, answer: &str) -> String {
    format!("agent: {} {arguments}  {} {answer}", painted(BOLD, tool), painted(DIM, "→"))
}

/// The row of the deletion that came to this end, as soon as it is complete.
fn recorded(stage: &Stage, outcome: &str) -> anyhow::Result<AuditRow> {
    let path = stage.store();
    until("the record of the call", || {
        // The sidecar may still be making the store.
        let filter = Filter { tool: Some(DELETE.to_owned()), ..Filter::default() };
        let Ok(found) = Reader::open(&path).and_then(|reader| reader.rows(&filter)) else { return Ok(None) };
        let complete = |row: &AuditRow| outcome != "forwarded" || row.status.is_some();
        Ok(found.into_iter().find(|row| row.outcome.as_deref() == Some(outcome) && complete(row)))
    })
}

fn words(row: &AuditRow) -> (Option<&str>, Option<&str>) {
    (row.verdict.as_deref(), row.mode.as_deref())
}

fn counted(count: &Count) -> String {
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "none".to_owned());
    let (verdict, mode, outcome) = (word(&count.verdict), word(&count.mode), word(&count.outcome));
    format!("{:>3} × verdict {verdict:<6} mode {mode:<8} outcome {outcome}", count.calls)
}

fn noticed(notice: &NoticeRow) -> String {
    painted(DIM, format!("notice {}: {}", notice.kind, notice.text.clone().unwrap_or_default()))
}
