//! What is known of the tools that a policy is about: what servers listed, and what was called.
//!
//! It asks nothing and believes little: it only ever says that something is missing. Invariant: where a server has listed
//! its tools, a name that is not among them is no tool, whoever called it.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::shape::Budget;
use super::{Leads, Pointer, Shape};
use crate::wire::Json;

/// Fewer calls than this tell nothing about what a tool is called with.
const FEW: u64 = 3;

/// The servers that are known, and their tools.
#[derive(Debug, Clone, Default)]
pub struct Known {
    servers: BTreeMap<String, Server>,
}

#[derive(Debug, Clone, Default)]
struct Server {
    /// By name, in NFC.
    tools: BTreeMap<String, KnownTool>,
    listed: bool,
}

/// One tool.
#[derive(Debug, Clone, Default)]
pub struct KnownTool {
    /// What its `inputSchema` describes; `None` where it has none, or was never listed.
    pub schema: Option<Shape>,
    /// What it was called with.
    pub called: Shape,
    /// How many calls that were.
    pub calls: u64,
    listed: bool,
    budget: Budget,
}

/// What is known of a place in a tool's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The schema has it, or a call had it.
    There,
    /// It cannot be told.
    Unclear,
    /// The schema lists what there is, and it is not among that.
    Undeclared,
    /// The schema does not tell, and none of so many calls had it.
    Unused(u64),
}

impl Known {
    /// A server listed a tool; `definition` is the member of its list, as it was kept.
    pub fn list(&mut self, server: &str, tool: &str, definition: Option<&str>) {
        let server = self.servers.entry(server.to_owned()).or_default();
        server.listed = true;
        let tool = server.tools.entry(tool.nfc().collect()).or_default();
        tool.listed = true;
        let definition = definition.and_then(Json::from_text);
        // Two definitions of one name: only what neither has is missing.
        let schema = definition.and_then(|tool| tool.member("inputSchema")).map(Shape::of_schema);
        tool.schema = match (tool.schema.take(), schema) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
    }

    /// A tool was called; `arguments` as they were kept.
    pub fn call(&mut self, server: &str, tool: &str, arguments: Option<&str>) {
        let server = self.servers.entry(server.to_owned()).or_default();
        let tool = server.tools.entry(tool.nfc().collect()).or_default();
        tool.calls += 1;
        if let Some(arguments) = arguments.and_then(Json::from_text) {
            tool.called.add(arguments, &mut tool.budget);
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The names of the servers.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// Whether the server has listed its tools, so that those are all there are.
    pub fn has_listed(&self, server: &str) -> bool {
        self.servers.get(server).is_some_and(|server| server.listed)
    }

    /// The tools of a server: those that it listed; those that were called, where it never listed any.
    pub fn tools(&self, server: &str) -> impl Iterator<Item = (&str, &KnownTool)> {
        let server = self.servers.get(server);
        let tools = server
            .into_iter()
            .flat_map(|server| server.tools.iter().filter(|(_, tool)| tool.listed || !server.listed));
        tools.map(|(name, tool)| (name.as_str(), tool))
    }
}

impl KnownTool {
    /// Whether a pointer leads to anything in the tool's arguments.
    pub fn sight(&self, pointer: &Pointer) -> Sight {
        let declared = self.schema.as_ref().map_or(Leads::Perhaps, |schema| schema.leads(pointer));
        let seen = self.called.leads(pointer);
        match (declared, seen) {
            (Leads::Somewhere, _) | (_, Leads::Somewhere) => Sight::There,
            (Leads::Nowhere, Leads::Nowhere) => Sight::Undeclared,
            (Leads::Perhaps, Leads::Nowhere) if self.calls >= FEW => Sight::Unused(self.calls),
            (Leads::Nowhere | Leads::Perhaps, Leads::Nowhere | Leads::Perhaps) => Sight::Unclear,
        }
    }

    /// The names of its arguments, as far as they are known.
    pub fn arguments(&self) -> Vec<&str> {
        let declared = self.schema.iter().flat_map(Shape::names);
        let mut names: Vec<&str> = declared.chain(self.called.names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Pointers into its arguments, as far as they are known.
    pub fn pointers(&self) -> Vec<String> {
        let declared = self.schema.as_ref().map(Shape::pointers).unwrap_or_default();
        [declared, self.called.pointers()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Segment;

    fn pointer(name: &str) -> Pointer {
        let key = Segment::Key { name: name.into(), folded: name.into() };
        Pointer { text: format!("/{name}"), segments: vec![key] }
    }

    fn tool(known: &Known) -> &KnownTool {
        known.tools("s").next().unwrap().1
    }

    #[test]
    fn a_schema_and_calls_together_tell_what_is_missing() {
        let mut known = Known::default();
        known.list("s", "t", Some(r#"{"inputSchema":{"properties":{"path":{}}}}"#));
        assert_eq!(tool(&known).sight(&pointer("path")), Sight::There);
        assert_eq!(tool(&known).sight(&pointer("url")), Sight::Undeclared);
        known.call("s", "t", Some(r#"{"url":"x"}"#));
        assert_eq!(tool(&known).sight(&pointer("url")), Sight::There);
        assert_eq!(tool(&known).arguments(), ["path", "url"]);
    }

    #[test]
    fn without_a_schema_a_few_calls_tell_nothing_and_more_do() {
        let mut known = Known::default();
        known.list("s", "t", Some(r#"{"inputSchema":{"type":"object"}}"#));
        known.call("s", "t", Some(r#"{"url":"x"}"#));
        assert_eq!(tool(&known).sight(&pointer("path")), Sight::Unclear);
        (0..FEW).for_each(|_| known.call("s", "t", None));
        assert_eq!(tool(&known).sight(&pointer("path")), Sight::Unused(FEW + 1));
    }

    #[test]
    fn of_a_server_that_listed_its_tools_a_name_that_was_called_is_no_tool() {
        let mut known = Known::default();
        known.call("s", "made-up", None);
        assert_eq!(known.tools("s").count(), 1);
        known.list("s", "t", None);
        assert_eq!(known.tools("s").map(|(name, _)| name).collect::<Vec<_>>(), ["t"]);
        assert!(known.has_listed("s") && !known.has_listed("other"));
    }
}
