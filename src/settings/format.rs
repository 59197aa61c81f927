//! One spelling for `mcp.toml`: the same policy, the same comments, laid out as every other file.
//!
//! It refuses a file with faults, and gives back nothing that does not mean what came in. Invariant: what it gives back
//! it leaves alone.

mod layout;
mod order;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use toml_edit::DocumentMut;

use super::{Config, Environment, read};
use crate::policy::{Diagnostic, Example, Policy, Rule, parts};

/// Why a file is not formatted.
#[derive(Debug)]
pub enum Unformatted {
    /// It has faults.
    Faults(Vec<Diagnostic>),
    /// The result would not mean the same: a fault of ours.
    Changed,
}

/// The file as every file is laid out. Of a joined text that is `mcp.toml` itself: what it includes is only read.
///
/// # Errors
/// Where the file has faults, or where the result would mean something else.
pub fn format(source: &str, environment: &Environment) -> Result<String, Unformatted> {
    let before = read(source, environment).map_err(Unformatted::Faults)?;
    let end = parts(source).first().map_or(source.len(), |main| main.span.end);
    let (main, included) = source.split_at(end);
    let formatted = laid_out(main).ok_or(Unformatted::Changed)?;
    match read(&[formatted.as_str(), included].concat(), environment) {
        Ok(after) if meaning(&after.config) == meaning(&before.config) => Ok(formatted),
        Ok(_) | Err(_) => Err(Unformatted::Changed),
    }
}

fn laid_out(source: &str) -> Option<String> {
    let source = source.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut document: DocumentMut = source.parse().ok()?;
    layout::table(document.as_table_mut(), &[]);
    let end = layout::comments(document.trailing().as_str().unwrap_or_default(), 0);
    document.set_trailing(end);
    let text = document.to_string();
    Some(format!("{}\n", text.trim_matches('\n')))
}

/// All that a file says but for where it says it.
fn meaning(config: &Config) -> String {
    let rules = config.policy.rules.iter().map(|rule| {
        let examples = rule.examples.iter().map(|example| Example { line: 0, ..example.clone() });
        Rule { examples: examples.collect(), ..rule.clone() }
    });
    let policy = Policy { revision: "".into(), rules: rules.collect(), ..Policy::clone(&config.policy) };
    format!("{:?}", Config { policy: Arc::new(policy), ..config.clone() })
}
