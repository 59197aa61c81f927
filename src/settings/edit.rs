//! Changes to `mcp.toml` that programs make: one value, and not a byte besides.
//!
//! It refuses to lay anything out anew: comments, order, spacing and line ends are the author's. It knows nothing of what
//! the file includes, and does not judge whether the result is a good policy; [`super::read`] does. Invariant: the text
//! that it gives back says all that was said before, but for the one value.

use std::ops::Range;

use toml_edit::{Document, Item, Key, TableLike};

use crate::policy::Mode;

/// Why there is no text with the change in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Nothing can be found in it.
    #[error("the file is not valid TOML")]
    NotToml,
    /// The way that it is written leaves no room.
    #[error("the way `agents` is written leaves no place for it: write [agents.{}] as a table of its own", spelled(.agent))]
    Agents {
        /// The agent.
        agent: String,
    },
}

/// What is put where.
struct Splice {
    at: Range<usize>,
    text: String,
}

/// `source` with `mode` under `[agents.AGENT]`, which is appended where there is no such table.
///
/// # Errors
/// Where the text has no place for it.
pub fn with_agent_mode(source: &str, agent: &str, mode: Mode) -> Result<String, NoPlace> {
    let document = Document::parse(source).map_err(|_| NoPlace::NotToml)?;
    let no_place = || NoPlace::Agents { agent: agent.to_owned() };
    let splice = place(source, document.get("agents"), agent, mode).ok_or_else(no_place)?;
    let (before, after) = (source.get(..splice.at.start), source.get(splice.at.end..));
    let (before, after) = before.zip(after).ok_or_else(no_place)?;
    let edited = [before, &splice.text, after].concat();
    let wanted = said(source).and_then(|mut all| set(&mut all, agent, mode).map(|()| all));
    // Whatever the syntax was: what came out is looked at, not trusted.
    if wanted.is_some() && said(&edited) == wanted { Ok(edited) } else { Err(no_place()) }
}

fn place(source: &str, agents: Option<&Item>, agent: &str, mode: Mode) -> Option<Splice> {
    let Some(agents) = agents else { return Some(appended(source, agent, mode)) };
    let Some(own) = agents.as_table_like()?.get(agent) else {
        return match agents.as_inline_table() {
            Some(_) => into_inline(source, agents, &format!("{} = {{ mode = \"{mode}\" }}", spelled(agent))),
            None => Some(appended(source, agent, mode)),
        };
    };
    let table = own.as_table_like()?;
    if let Some(old) = table.get("mode") {
        return Some(Splice { at: old.as_value()?.span()?, text: format!("\"{mode}\"") });
    }
    if table.is_dotted() {
        beside(source, table, mode)
    } else if own.is_inline_table() {
        into_inline(source, own, &format!("mode = \"{mode}\""))
    } else {
        below_header(source, own, mode)
    }
}

/// A table of its own at the end of the file.
fn appended(source: &str, agent: &str, mode: Mode) -> Splice {
    let end = line_end(source);
    let begin = match source {
        "" => "",
        _ if source.ends_with('\n') => end,
        _ => &end.repeat(2),
    };
    let text = format!("{begin}[agents.{}]{end}mode = \"{mode}\"{end}", spelled(agent));
    Splice { at: source.len()..source.len(), text }
}

/// The first member of a table in braces.
fn into_inline(source: &str, table: &Item, member: &str) -> Option<Splice> {
    let at = table.span()?.start + 1;
    let is_empty = table.as_table_like()?.is_empty();
    let gap = if source.get(at..)?.starts_with(char::is_whitespace) { "" } else { " " };
    let comma = if is_empty { "" } else { "," };
    Some(Splice { at: at..at, text: format!(" {member}{comma}{gap}") })
}

/// The first line below `[agents.AGENT]`, moved in as the one that was first.
fn below_header(source: &str, table: &Item, mode: Mode) -> Option<Splice> {
    let rest = source.get(table.span()?.start..)?;
    let end = line_end(source);
    let moved_in =
        first_key(table.as_table_like()?).and_then(|key| moved_in(source, key)).unwrap_or_default();
    let line = format!("{moved_in}mode = \"{mode}\"");
    Some(match rest.find('\n') {
        Some(newline) => {
            let at = source.len() - rest.len() + newline + 1;
            Splice { at: at..at, text: line + end }
        }
        None => Splice { at: source.len()..source.len(), text: format!("{end}{line}{end}") },
    })
}

/// A line before `agents.AGENT.fail_mode = …`, which begins as that does.
fn beside(source: &str, table: &dyn TableLike, mode: Mode) -> Option<Splice> {
    let key = first_key(table)?.span()?.start;
    let at = source.get(..key)?.rfind('\n').map_or(0, |newline| newline + 1);
    let way = source.get(at..key)?;
    Some(Splice { at: at..at, text: format!("{way}mode = \"{mode}\"{}", line_end(source)) })
}

fn first_key(table: &dyn TableLike) -> Option<&Key> {
    let (name, _) = table.iter().next()?;
    table.get_key_value(name).map(|(key, _)| key)
}

/// The white space before a key that stands first in its line.
fn moved_in<'s>(source: &'s str, key: &Key) -> Option<&'s str> {
    let before = source.get(..key.span()?.start)?;
    let (_, blank) = before.rsplit_once('\n')?;
    blank.trim().is_empty().then_some(blank)
}

fn line_end(source: &str) -> &'static str {
    if source.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A key as TOML spells it: bare where it can be.
fn spelled(agent: &str) -> String {
    Key::new(agent).display_repr().into_owned()
}

fn said(source: &str) -> Option<toml::Table> {
    source.trim_start_matches('\u{feff}').parse().ok()
}

/// The change, made to what the text says instead of to the text.
fn set(all: &mut toml::Table, agent: &str, mode: Mode) -> Option<()> {
    let empty = || toml::Value::Table(toml::Table::new());
    let agents = all.entry("agents").or_insert_with(empty).as_table_mut()?;
    let own = agents.entry(agent).or_insert_with(empty).as_table_mut()?;
    own.insert("mode".to_owned(), mode.as_str().into());
    Some(())
}

#[cfg(test)]
mod tests;
