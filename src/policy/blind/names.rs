//! Names in the file that no known tool or server has.
//!
//! It refuses to call a tool unknown while a server that the rule covers is: the tool may be there.

use std::collections::BTreeSet;
use std::ops::Range;

use globset::GlobBuilder;
use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::words::listed;
use crate::policy::schema::{File, List, did_you_mean};
use crate::policy::{Diagnostic, Known, Names, Policy};

/// Notes on `tools` and `servers` of rules, and on `match` of `[[tool]]`.
pub(super) fn notes(file: &File, policy: &Policy, known: &Known, configured: &[&str]) -> Vec<Diagnostic> {
    let world = World { known, servers: known.servers().chain(configured.iter().copied()).collect() };
    let mut notes = Vec::new();
    for (written, rule) in file.rules.iter().zip(&policy.rules) {
        notes.extend(written.servers.iter().flat_map(|servers| world.about_servers(servers)));
        notes.extend(written.tools.iter().flat_map(|tools| world.about_tools(tools, &rule.servers)));
    }
    for tool in &file.tools {
        notes.extend(tool.matches.iter().flat_map(|names| world.about_tools(names, &Names::default())));
    }
    notes
}

/// All servers that there are: those that were seen and those that the file has.
struct World<'a> {
    known: &'a Known,
    servers: BTreeSet<&'a str>,
}

impl World<'_> {
    fn about_servers(&self, patterns: &List<String>) -> Vec<Diagnostic> {
        let nobody =
            |pattern: &&Spanned<String>| !self.servers.iter().any(|name| fits(pattern.get_ref(), name));
        let strangers = plain(patterns).filter(nobody);
        let note = |pattern: &Spanned<String>| {
            let message = format!("no server that is known is called `{}`", pattern.get_ref());
            let names: Vec<&str> = self.servers.iter().copied().collect();
            note(pattern.span(), message, pattern.get_ref(), &names, "known are")
        };
        strangers.map(note).collect()
    }

    fn about_tools(&self, patterns: &List<String>, servers: &Names) -> Vec<Diagnostic> {
        let covered: Vec<&str> = self.servers.iter().copied().filter(|name| servers.contains(name)).collect();
        if covered.is_empty() || !covered.iter().all(|server| self.known.has_listed(server)) {
            return Vec::new();
        }
        let tools: BTreeSet<&str> =
            covered.iter().flat_map(|server| self.known.tools(server).map(|(name, _)| name)).collect();
        let names: Vec<&str> = tools.into_iter().collect();
        let nobody = |pattern: &&Spanned<String>| !names.iter().any(|name| fits(pattern.get_ref(), name));
        let note = |pattern: &Spanned<String>| {
            let message = format!("no tool of {} is called `{}`", listed(&covered), pattern.get_ref());
            note(pattern.span(), message, pattern.get_ref(), &names, "there are")
        };
        plain(patterns).filter(nobody).map(note).collect()
    }
}

fn note(span: Range<usize>, message: String, pattern: &str, names: &[&str], there_are: &str) -> Diagnostic {
    let hint = did_you_mean(pattern, names.iter().copied()).unwrap_or_else(|| match names {
        [] => "the server listed no tools".to_owned(),
        names => format!("{there_are} {}", listed(names)),
    });
    Diagnostic::note(span, message).with_hint(hint)
}

/// The patterns that take names in.
fn plain(patterns: &List<String>) -> impl Iterator<Item = &Spanned<String>> {
    patterns.get_ref().iter().filter(|pattern| !pattern.get_ref().starts_with('!'))
}

/// As names are compared in rules.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern: String = pattern.nfc().collect();
    let glob = || GlobBuilder::new(&pattern).literal_separator(false).backslash_escape(true).build();
    pattern == name || glob().is_ok_and(|glob| glob.compile_matcher().is_match(name))
}
