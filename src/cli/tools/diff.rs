//! `callgate tools diff`: what a server changed in a tool, line by line.
//!
//! It compares what the store has kept, which is without secrets. Invariant: every line of a definition is printed with
//! its control and invisible characters escaped.

use std::io::Write as _;

use clap::Args;
use serde_json::{Map, Value};

use super::super::log::StorePlace;
use super::super::paint::{BOLD, DIM, GREEN, RED, painted};
use super::super::{Exit, rows};
use super::{named, of_server, short};
use crate::store::{KeptTool, Standing, ToolRow};
use crate::wire::shown;

/// Texts with more lines than this, both together, are not compared line by line.
const MOST_LINES: usize = 4_000;
/// How many lines are left around a change.
const AROUND: usize = 2;

const MORE: &str = "\
Compares the definition on the server's last list with the newest that is pinned. The exit code is 4 where they \
differ.";

/// The command line of `tools diff`.
#[derive(Debug, Args)]
#[command(about = "Show what a server changed in a tool", after_help = MORE)]
pub(super) struct Diff {
    #[command(flatten)]
    store: StorePlace,
    /// The server
    #[arg(value_name = "SERVER")]
    server: String,
    /// The tool
    #[arg(value_name = "TOOL")]
    tool: String,
}

impl Diff {
    /// Prints the difference.
    pub fn run(self) -> anyhow::Result<Exit> {
        let tools = of_server(&self.store.path()?, &self.server)?;
        let (tool, _) = named(&tools, &self.tool)?;
        anstream::stdout().lock().write_all(told(tool).as_bytes())?;
        Ok(match tool.standing {
            Standing::Pinned => Exit::Done,
            Standing::Changed | Standing::New | Standing::Gone | Standing::Unpinned => Exit::Differs,
        })
    }
}

/// The difference as people read it.
fn told(tool: &KeptTool) -> String {
    let (name, server) = (shown(&tool.tool), shown(&tool.server));
    let pinned = tool.pins.last().map(|pin| (pin.definition.as_deref(), pin.definition_hash.as_str()));
    let mut text = match tool.standing {
        Standing::Pinned => return format!("{name} of {server} is as pinned\n"),
        Standing::Gone => return format!("{name} of {server} is pinned, and no longer listed\n"),
        Standing::Changed => format!("{name} of {server} is not as pinned\n"),
        Standing::New => format!("{name} of {server} is new\n"),
        Standing::Unpinned => format!("of {server} nothing is pinned yet\n"),
    };
    for row in tool.unpinned() {
        let (before, hash) = pinned.unwrap_or((Some("{}"), "nothing"));
        let after = short(&row.definition_hash);
        for line in [painted(RED, format!("--- {}", short(hash))), painted(GREEN, format!("+++ {after}"))] {
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str(&compared(before, row));
        text.push_str(&painted(DIM, way_to_accept(tool, after)));
        text.push('\n');
    }
    text
}

/// A line to paste into a shell, where a name from outside is one plain word there.
fn way_to_accept(tool: &KeptTool, hash: &str) -> String {
    let is_plain = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
        !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
    };
    if is_plain(&tool.server) && is_plain(&tool.tool) {
        format!("accept it: callgate tools accept {} {}@{hash}", tool.server, tool.tool)
    } else {
        format!("accept it: callgate tools accept SERVER TOOL@{hash}")
    }
}

fn compared(before: Option<&str>, row: &ToolRow) -> String {
    let members =
        |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let (Some(before), Some(after)) = (members(before), members(row.definition.as_deref())) else {
        return "(the list was too long for its definitions to be kept)\n".to_owned();
    };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).filter(|name| *name != "_meta").collect();
    names.sort();
    names.dedup();
    let mut text = String::new();
    for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
        text.push_str(&painted(BOLD, format!("{}:", escaped(name))));
        text.push('\n');
        let (before, after) = (lines(before.get(name)), lines(after.get(name)));
        for (sign, line) in around_changes(&changes(&before, &after)) {
            let style = match sign {
                '-' => RED,
                '+' => GREEN,
                _ => DIM,
            };
            text.push_str(&painted(style, format!("{sign} {}", escaped(line))));
            text.push('\n');
        }
    }
    if text.is_empty() {
        return "(what differs was redacted or cut: the kept texts are alike)\n".to_owned();
    }
    text
}

/// A member in lines: a text as it would be read, anything else as JSON.
fn lines(value: Option<&Value>) -> Vec<String> {
    let text = match value {
        None => return Vec::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    text.split('\n').map(str::to_owned).collect()
}

fn escaped(line: &str) -> String {
    line.chars().flat_map(rows::visible).collect()
}

/// Lines with what became of them: `-` gone, `+` come, ` ` still there.
fn changes<'t>(before: &'t [String], after: &'t [String]) -> Vec<(char, &'t str)> {
    let gone = |line: &'t String| ('-', line.as_str());
    let come = |line: &'t String| ('+', line.as_str());
    if before.len() + after.len() > MOST_LINES {
        return before.iter().map(gone).chain(after.iter().map(come)).collect();
    }
    let common = common(before, after);
    let at = |one: usize, other: usize| common.get(one).and_then(|row| row.get(other)).copied().unwrap_or(0);
    let (mut one, mut other, mut told) = (0, 0, Vec::new());
    while let (Some(left), Some(right)) = (before.get(one), after.get(other)) {
        if left == right {
            told.push((' ', left.as_str()));
            (one, other) = (one + 1, other + 1);
        } else if at(one + 1, other) >= at(one, other + 1) {
            told.push(gone(left));
            one += 1;
        } else {
            told.push(come(right));
            other += 1;
        }
    }
    told.extend(before.iter().skip(one).map(gone));
    told.extend(after.iter().skip(other).map(come));
    told
}

/// How many lines two texts have in common from each pair of places on.
fn common(before: &[String], after: &[String]) -> Vec<Vec<u16>> {
    let mut rows = vec![vec![0_u16; after.len() + 1]];
    for left in before.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0_u16; after.len() + 1];
        for (index, right) in after.iter().enumerate().rev() {
            let read = |from: &[u16], at: usize| from.get(at).copied().unwrap_or(0);
            let longest = if left == right {
                read(&below, index + 1) + 1
            } else {
                read(&below, index).max(read(&row, index + 1))
            };
            if let Some(place) = row.get_mut(index) {
                *place = longest;
            }
        }
        rows.push(row);
    }
    rows.reverse();
    rows
}

/// The changed lines with a few that stayed, and a mark for those that are left out.
fn around_changes<'t>(changes: &[(char, &'t str)]) -> Vec<(char, &'t str)> {
    let mut told: Vec<(char, &str)> = Vec::new();
    for (index, line) in changes.iter().enumerate() {
        let near = index.saturating_sub(AROUND)..(index + AROUND + 1).min(changes.len());
        let is_near = changes.get(near).is_some_and(|near| near.iter().any(|(sign, _)| *sign != ' '));
        if is_near {
            told.push(*line);
        } else if told.last().is_none_or(|last| *last != (' ', "…")) {
            told.push((' ', "…"));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Imprint;
    use crate::store::PinRow;

    fn kept(pinned: &[&str], listed: &[&str], standing: Standing) -> KeptTool {
        let (server, tool) = ("files".to_owned(), "write".to_owned());
        let pins = pinned.iter().map(|definition| {
            let Imprint { hash, parts } = Imprint::of(definition);
            PinRow {
                server: server.clone(),
                tool: tool.clone(),
                definition_hash: hash.into(),
                parts,
                definition: Some((*definition).to_owned()),
                unix_ms: 0,
                origin: "first_use".into(),
                session: None,
                user: None,
            }
        });
        let listed = listed.iter().map(|definition| {
            let Imprint { hash, parts } = Imprint::of(definition);
            ToolRow {
                server: server.clone(),
                tool: tool.clone(),
                definition_hash: hash.into(),
                definition: Some((*definition).to_owned()),
                parts,
                first_seen_ms: 0,
                last_seen_ms: 0,
            }
        });
        let (pins, listed) = (pins.collect(), listed.collect());
        KeptTool { server: server.clone(), tool: tool.clone(), standing, listed, pins }
    }

    #[test]
    fn what_changed_is_told_by_member_and_line_and_nothing_moves_the_cursor() {
        let before = r#"{"name":"write","description":"Writes.\nAsks first.\nOften.","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}"#;
        let after = r#"{"name":"write","description":"Writes.\nNever asks\u001b[2J\u202e.\nOften.","inputSchema":{"type":"object","properties":{"path":{"type":"string"},"to":{}}}}"#;
        let told = told(&kept(&[before], &[after], Standing::Changed));
        assert_snapshot!(strip_str(&told));
    }

    #[test]
    fn a_name_that_a_shell_would_read_is_not_put_into_a_command() {
        let mut tool = kept(&[], &[r#"{"name":"x"}"#], Standing::New);
        tool.tool = "x; rm -rf '$HOME'".to_owned();
        let told = told(&tool);
        assert!(
            told.contains("callgate tools accept SERVER TOOL@") && !told.contains("accept files"),
            "{told}"
        );
    }

    #[test]
    fn what_is_as_pinned_gone_or_new_is_said() {
        let one = r#"{"name":"write"}"#;
        assert_eq!(told(&kept(&[one], &[one], Standing::Pinned)), "write of files is as pinned\n");
        assert_eq!(
            told(&kept(&[one], &[], Standing::Gone)),
            "write of files is pinned, and no longer listed\n"
        );
        let new = told(&kept(&[], &[one], Standing::New));
        assert!(strip_str(&new).to_string().contains("name:\n+ write\n"), "{new}");
    }

    proptest! {
        #[test]
        fn the_lines_that_stay_and_go_are_those_before_and_those_that_stay_and_come_those_after(
            before in proptest::collection::vec("[ab]{0,1}", 0..9), after in proptest::collection::vec("[ab]{0,1}", 0..9),
        ) {
            let changes = changes(&before, &after);
            let but = |sign| changes.iter().filter(move |(kind, _)| *kind != sign).map(|(_, line)| (*line).to_owned());
            prop_assert_eq!(&but('+').collect::<Vec<_>>(), &before);
            prop_assert_eq!(&but('-').collect::<Vec<_>>(), &after);
        }
    }
}
