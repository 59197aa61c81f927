//! `callgate tools`: which tools servers list, and whether they are those that are pinned.
//!
//! It refuses to accept what it did not find on a server's last list. Invariant: nothing that a server wrote reaches the
//! terminal but escaped.

mod diff;

use std::io::Write as _;
use std::path::Path;

use anstyle::Style;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::log::StorePlace;
use super::paint::{BOLD, DIM, GREEN, RED, YELLOW, painted};
use super::{Exit, rows};
use crate::clock::now;
use crate::proxy::user;
use crate::store::{Acceptance, KeptTool, PinRow, Reader, Standing, ToolRow, accept};
use crate::wire::shown;

/// How much of a hash people see and type, characters.
const SHORT: usize = 12;

const MORE: &str = "\
The first whole list of a server is pinned. A tool whose definition differs from that, or that was not on it, \
has changed until it is accepted; rules ask for it as `tool_changed`.

Examples:
  callgate tools                              every tool and its state
  callgate tools diff files write_file        what a server changed
  callgate tools accept files write_file      from now on this is how it should be
  callgate tools accept files --all";

/// The command line of `tools`.
#[derive(Debug, Args)]
#[command(about = "Show which tools servers list, and accept changed ones", after_help = MORE)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Tools {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    store: StorePlace,
    /// Only this server's
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// One JSON object a line: server, tool, state, differs, listed, pinned
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(diff::Diff),
    Accept(Accept),
}

/// The command line of `tools accept`.
#[derive(Debug, Args)]
#[command(about = "Pin tools as their server lists them now")]
struct Accept {
    #[command(flatten)]
    store: StorePlace,
    /// The server
    #[arg(value_name = "SERVER")]
    server: String,
    /// The tools; `TOOL@HASH` accepts only the definition with this hash, as `tools diff` gives it
    #[arg(value_name = "TOOL", required_unless_present = "all")]
    tools: Vec<String>,
    /// Every tool of the server
    #[arg(long, conflicts_with = "tools")]
    all: bool,
    /// One JSON object a line: server, tool, definitionHash
    #[arg(long)]
    json: bool,
}

impl Tools {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Some(Command::Diff(diff)) => return diff.run(),
            Some(Command::Accept(accept)) => return accept.run(),
            None => {}
        }
        let tools = Reader::open(&self.store.path()?)?.kept_tools()?;
        let wanted = |tool: &&KeptTool| self.server.as_ref().is_none_or(|server| *server == tool.server);
        let mut out = anstream::stdout().lock();
        let mut server = None;
        for tool in tools.iter().filter(wanted) {
            if self.json {
                writeln!(out, "{}", as_json(tool))?;
                continue;
            }
            if server.replace(&tool.server) != Some(&tool.server) {
                writeln!(out, "{}", painted(BOLD, shown(&tool.server)))?;
            }
            writeln!(out, "{}", line(tool))?;
        }
        if server.is_none() && !self.json {
            writeln!(out, "no server has listed a tool yet")?;
        }
        Ok(Exit::Done)
    }
}

impl Accept {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let tools = of_server(&path, &self.server)?;
        let wanted = self.wanted(&tools)?;
        let definitions: Vec<(&str, &str)> =
            wanted.iter().map(|row| (row.tool.as_str(), row.definition_hash.as_str())).collect();
        let user = user();
        let by = Acceptance { unix_ms: now().unix_ms, user: &user.name, uid: user.uid };
        accept(&path, &self.server, &definitions, by)?;
        let mut out = anstream::stdout().lock();
        for row in &wanted {
            if self.json {
                let (tool, hash) = (&row.tool, &row.definition_hash);
                writeln!(out, "{}", json!({"server": row.server, "tool": tool, "definitionHash": hash}))?;
            } else {
                let hash = painted(DIM, short(&row.definition_hash));
                writeln!(out, "accepted {} of {} {hash}", shown(&row.tool), shown(&row.server))?;
            }
        }
        if wanted.is_empty() && !self.json {
            writeln!(out, "every tool that `{}` lists is pinned as it is", shown(&self.server))?;
        }
        Ok(Exit::Done)
    }

    /// What of the last list is to be pinned and is not yet.
    fn wanted<'t>(&self, tools: &'t [KeptTool]) -> anyhow::Result<Vec<&'t ToolRow>> {
        if self.all {
            return Ok(tools.iter().flat_map(KeptTool::unpinned).collect());
        }
        let mut wanted = Vec::new();
        for typed in &self.tools {
            let (tool, hash) = named(tools, typed)?;
            let before = wanted.len();
            wanted.extend(tool.unpinned().filter(|row| row.definition_hash.starts_with(hash)));
            let is_pinned = |pin: &PinRow| !hash.is_empty() && pin.definition_hash.starts_with(hash);
            if wanted.len() == before && !hash.is_empty() && !tool.pins.iter().any(is_pinned) {
                let message = format!(
                    "`{}` is no longer listed as `{hash}`: look again with `callgate tools diff`",
                    shown(&tool.tool)
                );
                return Err(Exit::Failed.because(message));
            }
        }
        Ok(wanted)
    }
}

/// The tools of a server.
fn of_server(path: &Path, server: &str) -> anyhow::Result<Vec<KeptTool>> {
    let mut tools = Reader::open(path)?.kept_tools()?;
    if !tools.iter().any(|tool| tool.server == server) {
        let mut known: Vec<String> = tools.iter().map(|tool| format!("`{}`", shown(&tool.server))).collect();
        known.dedup();
        let known =
            if known.is_empty() { "none has".to_owned() } else { format!("{} have", known.join(", ")) };
        return Err(Exit::Usage.because(format!("no server `{}` has listed tools; {known}", shown(server))));
    }
    tools.retain(|tool| tool.server == server);
    Ok(tools)
}

/// A tool as it was typed, and the beginning of the hash behind its `@`, if any.
fn named<'t, 'h>(tools: &'t [KeptTool], typed: &'h str) -> anyhow::Result<(&'t KeptTool, &'h str)> {
    let find = |name: &str| tools.iter().find(|tool| tool.tool == shown(name));
    if let Some(tool) = find(typed) {
        return Ok((tool, ""));
    }
    if let Some((name, hash)) = typed.rsplit_once('@')
        && let Some(tool) = find(name)
    {
        return Ok((tool, hash));
    }
    let near = tools.iter().map(|tool| (strsim::damerau_levenshtein(typed, &tool.tool), &tool.tool)).min();
    let hint =
        near.filter(|(distance, _)| *distance <= 2).map(|(_, name)| format!(": did you mean `{name}`?"));
    Err(Exit::Usage.because(format!("no tool `{}` is known{}", shown(typed), hint.unwrap_or_default())))
}

fn line(tool: &KeptTool) -> String {
    let (style, standing) = (style(tool.standing), tool.standing.as_str());
    let differing = tool.differing();
    let more = match (tool.standing, tool.pins.last()) {
        (Standing::Changed, _) if !differing.is_empty() => format!("differs: {}", differing.join(", ")),
        (Standing::Changed, _) => "its definition differs".to_owned(),
        (Standing::Pinned | Standing::Gone, Some(pin)) => pinned(pin),
        (Standing::Pinned | Standing::Gone | Standing::New | Standing::Unpinned, _) => String::new(),
    };
    let name = painted(BOLD, format!("{:<28}", shown(&tool.tool)));
    let line = format!("  {}  {name}  {}", painted(style, format!("{standing:<8}")), painted(DIM, more));
    line.trim_end().to_owned()
}

/// How a definition came to be pinned.
fn pinned(pin: &PinRow) -> String {
    let at = rows::local_time(&rows::rfc3339(pin.unix_ms));
    match &pin.user {
        Some(user) => format!("accepted by {} {at}", shown(user)),
        None => format!("first use {at}"),
    }
}

fn style(standing: Standing) -> Style {
    match standing {
        Standing::Pinned => GREEN,
        Standing::Changed => RED.bold(),
        Standing::New => YELLOW.bold(),
        Standing::Gone | Standing::Unpinned => DIM,
    }
}

fn as_json(tool: &KeptTool) -> Value {
    let pins = tool.pins.iter().map(|pin| {
        json!({
            "definitionHash": pin.definition_hash, "ts": rows::rfc3339(pin.unix_ms), "origin": pin.origin,
            "session": pin.session, "user": pin.user,
        })
    });
    let listed = tool.listed.iter().map(|row| {
        json!({
            "definitionHash": row.definition_hash, "firstSeen": rows::rfc3339(row.first_seen_ms),
            "lastSeen": rows::rfc3339(row.last_seen_ms),
        })
    });
    json!({
        "server": tool.server, "tool": tool.tool, "state": tool.standing.as_str(), "differs": tool.differing(),
        "listed": listed.collect::<Vec<_>>(), "pinned": pins.collect::<Vec<_>>(),
    })
}

fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}
