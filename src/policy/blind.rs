//! Rules that see nothing: their tools do not exist, or do not have what the rules look at.
//!
//! It refuses to guess about servers of which nothing is known. Invariant: everything here is a note; what it says is
//! missing may still come, with the server's next version.

mod names;
mod words;

use std::collections::BTreeSet;

use super::schema;
use super::{
    Condition, Diagnostic, Known, KnownTool, Pointer, Policy, Predicate, Rule, Sight, Subject, Table,
};
use crate::wire::mcp;
use words::{about_alternative, about_blindness};

/// A tool on which a rule can never match.
#[derive(Debug, Clone)]
pub struct Blind<'a> {
    /// Index of the rule.
    pub rule: usize,
    /// The server.
    pub server: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// Which condition can never hold there.
    at: At,
    /// What it looks at.
    pointers: &'a [Pointer],
    sight: Sight,
    known: &'a KnownTool,
}

/// Where a condition stands in its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// In `when`.
    When(usize),
    /// In one table of `any`.
    Any(usize, usize),
}

/// Which rules can never match which tools of this server. A rule without `tools` chooses its tools by what it looks at:
/// it is blind only where no tool of the server has that.
pub fn blind_spots<'a>(policy: &'a Policy, known: &'a Known, server: &str) -> Vec<Blind<'a>> {
    let servers: Vec<&str> = known.servers().filter(|name| *name == server).collect();
    let rules = policy.rules.iter().enumerate();
    rules.flat_map(|(index, rule)| spots_of(index, rule, known, &servers)).collect()
}

/// What is worth saying about a policy beside what is known of its tools. `configured` are the servers of the file;
/// `source` is the text that the policy was compiled from.
pub fn notes_on_known(source: &str, policy: &Policy, known: &Known, configured: &[&str]) -> Vec<Diagnostic> {
    if known.is_empty() {
        return Vec::new();
    }
    let file = schema::written(source);
    let mut notes = names::notes(&file, policy, known, configured);
    let servers: Vec<&str> = known.servers().collect();
    for (index, (written, rule)) in file.rules.iter().zip(&policy.rules).enumerate() {
        let spots = spots_of(index, rule, known, &servers);
        notes.extend(about_blindness(written, &spots, covered(rule, known, &servers).count()));
        notes.extend(about_alternatives(written, rule, known, &servers));
    }
    notes
}

/// The tools that a rule covers.
fn covered<'a>(
    rule: &'a Rule,
    known: &'a Known,
    servers: &'a [&'a str],
) -> impl Iterator<Item = (&'a str, &'a str, &'a KnownTool)> {
    let calls = rule.methods.contains(mcp::TOOLS_CALL);
    let servers = servers.iter().filter(move |server| calls && rule.servers.contains(server));
    let tools = servers.flat_map(|server| known.tools(server).map(move |(name, tool)| (*server, name, tool)));
    tools.filter(|(_, name, _)| rule.tools.contains(name))
}

fn spots_of<'a>(index: usize, rule: &'a Rule, known: &'a Known, servers: &[&'a str]) -> Vec<Blind<'a>> {
    let mut spots = Vec::new();
    let mut all = 0;
    for &server in servers.iter().filter(|server| rule.servers.contains(server)) {
        for (tool, is) in known.tools(server).filter(|(name, _)| rule.tools.contains(name)) {
            all += 1;
            let spot = blind_condition(rule, is);
            spots.extend(spot.map(|(at, pointers, sight)| Blind {
                rule: index,
                server,
                tool,
                at,
                pointers,
                sight,
                known: is,
            }));
        }
    }
    let judged = rule.methods.contains(mcp::TOOLS_CALL);
    let choosy = chooses_by_name(rule) || spots.len() == all;
    if judged && choosy { spots } else { Vec::new() }
}

/// Whether the rule says which tools it is about.
fn chooses_by_name(rule: &Rule) -> bool {
    // No tool is called so: whatever lets this name pass lets all pass.
    rule.tools.any_given && !rule.tools.contains("\u{0}any tool at all\u{0}")
}

/// The first condition that keeps the rule from ever matching this tool.
fn blind_condition<'a>(rule: &'a Rule, tool: &KnownTool) -> Option<(At, &'a [Pointer], Sight)> {
    let in_table = |table: &'a Table| {
        let mut numbered = table.iter().enumerate();
        numbered.find_map(|(at, condition)| unseen(condition, tool).map(|(to, why)| (at, to, why)))
    };
    if let Some((at, pointers, sight)) = rule.when.as_ref().and_then(in_table) {
        return Some((At::When(at), pointers, sight));
    }
    let mut alternatives = rule.any.iter().map(in_table).enumerate();
    let (number, first) = alternatives.next()?;
    let (at, pointers, sight) = first?;
    alternatives.all(|(_, blind)| blind.is_some()).then_some((At::Any(number, at), pointers, sight))
}

/// What a condition looks at, where the tool has none of it.
fn unseen<'a>(condition: &'a Condition, tool: &KnownTool) -> Option<(&'a [Pointer], Sight)> {
    let pointers = wanted(condition)?;
    let mut sight = None;
    for pointer in pointers {
        match tool.sight(pointer) {
            Sight::There | Sight::Unclear => return None,
            missing @ (Sight::Undeclared | Sight::Unused(_)) => sight = sight.or(Some(missing)),
        }
    }
    sight.map(|sight| (pointers, sight))
}

/// The pointers of a condition that holds only where they lead somewhere.
fn wanted(condition: &Condition) -> Option<&[Pointer]> {
    let asks_for_absence = condition.tests.iter().any(|test| matches!(test, Predicate::Exists(false)));
    match &condition.subject {
        Subject::Arguments(pointers) if !asks_for_absence => Some(pointers),
        Subject::Arguments(_) | Subject::Fact(_) | Subject::Time(_) => None,
    }
}

/// Of several pointers in one condition, those that no tool of the rule has, where another does see.
fn about_alternatives(
    written: &schema::Rule,
    rule: &Rule,
    known: &Known,
    servers: &[&str],
) -> Vec<Diagnostic> {
    let tools: Vec<&KnownTool> = covered(rule, known, servers).map(|(_, _, tool)| tool).collect();
    let tables = rule.when.iter().chain(&rule.any).flatten();
    let spans = written.when.iter().chain(written.any.iter().flat_map(toml::Spanned::get_ref));
    let spans = spans.flat_map(toml::Spanned::get_ref).map(|condition| condition.key.span());
    let mut notes = Vec::new();
    for (condition, span) in tables.zip(spans) {
        let pointers = wanted(condition).unwrap_or_default();
        let missing = |pointer: &&Pointer| {
            let sees = |tool: &&KnownTool| matches!(tool.sight(pointer), Sight::There | Sight::Unclear);
            !tools.iter().any(sees)
        };
        let dead: Vec<&Pointer> = pointers.iter().filter(missing).collect();
        if !tools.is_empty() && dead.len() < pointers.len() {
            let near: BTreeSet<String> = tools.iter().flat_map(|tool| tool.pointers()).collect();
            notes.extend(dead.into_iter().map(|pointer| about_alternative(pointer, &span, &near)));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
