//! Rules in words: what a predicate asks, what a condition looks at, which names a rule covers.
//!
//! It judges nothing. Invariant: every text is one line without control or invisible characters, whatever the file says.

use core::net::IpAddr;
use std::fmt;

use super::{
    Anchor, Base, Condition, HostItem, HostName, HostPort, Names, Number, PathGlob, Predicate, Scalar,
    ShellItems, SqlKinds, Subject, Windows,
};
use crate::wire::shown;

/// More operands than this are counted, not told.
const OPERANDS_TOLD: usize = 4;

/// A predicate in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// As files spell it: `path_outside`.
    pub word: &'static str,
    /// What it compares with, each as people read it.
    pub operands: Vec<String>,
    /// What holds of a value that satisfies: `is outside {root}`.
    pub is: String,
    /// What holds of one that does not: `is under {root}`.
    pub is_not: String,
}

impl Wording {
    fn of(word: &'static str, [is, is_not]: [&str; 2], operands: Vec<String>) -> Self {
        let told = told(&operands);
        Self { word, is: format!("{is} {told}"), is_not: format!("{is_not} {told}"), operands }
    }

    /// What its file says, in short: `path_outside {root}`.
    pub fn brief(&self) -> String {
        format!("{} {}", self.word, told(&self.operands))
    }
}

impl Predicate {
    /// The predicate in words.
    pub fn wording(&self) -> Wording {
        let one = |number: &Number| vec![number_text(*number)];
        match self {
            Self::Eq(value) => Wording::of("eq", ["is", "is not"], vec![scalar(value)]),
            Self::In(values) => {
                Wording::of("in", ["is one of", "is none of"], values.iter().map(scalar).collect())
            }
            Self::Glob(globs) => {
                Wording::of("glob", ["fits", "does not fit"], globs.patterns().map(shown).collect())
            }
            Self::Matches(regexes) => Wording::of(
                "matches",
                ["matches", "does not match"],
                regexes.patterns().iter().map(|pattern| shown(pattern)).collect(),
            ),
            Self::Gt(bound) => Wording::of("gt", ["is above", "is not above"], one(bound)),
            Self::Ge(bound) => Wording::of("ge", ["is at least", "is below"], one(bound)),
            Self::Lt(bound) => Wording::of("lt", ["is below", "is at least"], one(bound)),
            Self::Le(bound) => Wording::of("le", ["is at most", "is above"], one(bound)),
            Self::BytesGt(limit) => {
                let words = ["has more bytes than", "has no more bytes than"];
                Wording::of("bytes_gt", words, vec![limit.to_string()])
            }
            Self::Exists(wanted) => exists(*wanted),
            Self::PathUnder(bases) => {
                of_places("path_under", ["is a path under", "is a path outside"], bases)
            }
            Self::PathOutside(bases) => {
                of_places("path_outside", ["is a path outside", "is a path under"], bases)
            }
            Self::PathGlob(globs) => {
                let words = ["is a path that fits", "is a path that does not fit"];
                Wording::of("path_glob", words, globs.iter().map(path_glob).collect())
            }
            Self::Host(hosts) => of_hosts(hosts),
            Self::Scheme(schemes) => {
                let one = ["has the scheme", "does not have the scheme"];
                let several = ["has one of the schemes", "has none of the schemes"];
                of_some("scheme", one, several, schemes.iter().map(|scheme| shown(scheme)).collect())
            }
            Self::ShellAny(items) => {
                let one = ["runs", "does not run"];
                of_some("shell_any", one, ["runs one of", "runs none of"], shell(items))
            }
            Self::ShellOnly(items) => {
                Wording::of("shell_only", ["runs only", "does not run only"], shell(items))
            }
            Self::SqlAny(sql) => of_kinds("sql_any", ["has a statement of", "has no statement of"], sql),
            Self::SqlOnly(sql) => {
                let words = ["has only statements of", "does not have only statements of"];
                of_kinds("sql_only", words, sql)
            }
            Self::IpIn(nets) => {
                let words = ["leads to an address in", "leads to no address in"];
                Wording::of("ip_in", words, nets.iter().map(ToString::to_string).collect())
            }
        }
    }
}

impl Windows {
    /// The question whether a time is in one of the windows, in words.
    pub fn wording(&self) -> Wording {
        let operands: Vec<String> = self.windows.iter().map(ToString::to_string).collect();
        let told = format!("{} ({})", told(&operands), self.zone_name());
        Wording { word: "in", operands, is: format!("is in {told}"), is_not: format!("is not in {told}") }
    }
}

fn of_places(word: &'static str, is: [&str; 2], bases: &[Base]) -> Wording {
    Wording::of(word, is, bases.iter().map(base).collect())
}

/// With one operand, or with several.
fn of_some(word: &'static str, one: [&str; 2], several: [&str; 2], operands: Vec<String>) -> Wording {
    Wording::of(word, if operands.len() == 1 { one } else { several }, operands)
}

fn of_hosts(hosts: &[HostItem]) -> Wording {
    let [one, several] = [["leads to", "does not lead to"], ["leads to one of", "leads to none of"]];
    of_some("host", one, several, hosts.iter().map(|host| shown(&host.to_string())).collect())
}

fn shell(items: &ShellItems) -> Vec<String> {
    items.texts().map(shown).collect()
}

fn of_kinds(word: &'static str, [is, is_not]: [&str; 2], sql: &SqlKinds) -> Wording {
    let kinds: Vec<String> = sql.kinds.names().map(str::to_owned).collect();
    let [is, is_not] = if kinds.len() == 1 {
        [format!("{is} the kind"), format!("{is_not} the kind")]
    } else {
        [format!("{is} the kinds"), format!("{is_not} the kinds")]
    };
    Wording::of(word, [&is, &is_not], kinds)
}

impl Condition {
    /// What it looks at, as the file spells it: `/path | /source`, `agent`.
    pub fn looks_at(&self) -> String {
        match &self.subject {
            Subject::Arguments(pointers) => {
                let texts: Vec<String> = pointers.iter().map(|pointer| pointer_text(&pointer.text)).collect();
                texts.join(" | ")
            }
            Subject::Fact(fact) => fact.to_string(),
            Subject::Time(_) => "time".to_owned(),
        }
    }
}

impl Names {
    /// The patterns, `!` in front of those that exclude.
    pub fn patterns(&self) -> Vec<String> {
        let plain = self.exact.iter().map(String::as_str).chain(self.globs.patterns()).map(shown);
        plain.chain(self.except.patterns().map(|pattern| format!("!{}", shown(pattern)))).collect()
    }
}

/// The pointer to everything is an empty text, which nobody would see.
fn pointer_text(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { shown(text) }
}

fn told(operands: &[String]) -> String {
    let told: Vec<&str> = operands.iter().take(OPERANDS_TOLD).map(String::as_str).collect();
    let told = told.join(", ");
    match operands.len().saturating_sub(OPERANDS_TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

fn exists(wanted: bool) -> Wording {
    let (there, absent) = ("is given".to_owned(), "is not given".to_owned());
    let (is, is_not) = if wanted { (there, absent) } else { (absent, there) };
    Wording { word: "exists", operands: vec![wanted.to_string()], is, is_not }
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::String(text) => format!("\"{}\"", shown(text)),
        Scalar::Number(number) => number_text(*number),
        Scalar::Bool(value) => value.to_string(),
    }
}

fn number_text(number: Number) -> String {
    match number {
        Number::Integer(integer) => integer.to_string(),
        Number::Float(float) => float.to_string(),
    }
}

fn base(base: &Base) -> String {
    let start = anchor(base.anchor);
    if base.components.is_empty() && start.is_empty() {
        return "/".to_owned();
    }
    shown(&base.components.iter().fold(start.to_owned(), |path, component| path + "/" + component))
}

fn path_glob(glob: &PathGlob) -> String {
    let below = glob.below.patterns().next().unwrap_or_default();
    let anywhere = glob.anchor == Anchor::Absolute && below.starts_with("**");
    if glob.name_only || anywhere { shown(below) } else { shown(&format!("{}/{below}", anchor(glob.anchor))) }
}

impl fmt::Display for HostItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Exact(name) => f.write_str(name)?,
            HostName::Below(name) => write!(f, "*.{name}")?,
            HostName::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            HostName::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        match self.port {
            HostPort::Default => Ok(()),
            HostPort::Any => f.write_str(":*"),
            HostPort::Number(port) => write!(f, ":{port}"),
        }
    }
}

fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Absolute => "",
        Anchor::Root => "{root}",
        Anchor::Home => "~",
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::policy::Policy;

    fn policy(source: &str) -> std::sync::Arc<Policy> {
        let read = crate::settings::read(
            source,
            &crate::settings::Environment {
                home: Some("/home/me".into()),
                ..crate::settings::Environment::default()
            },
        );
        read.unwrap_or_else(|faults| panic!("{faults:?}")).config.policy
    }

    #[test]
    fn every_predicate_says_what_holds_of_a_value_and_what_does_not() {
        let policy = policy(include_str!("../../mcp.toml.example"));
        let mut lines = Vec::new();
        for rule in &policy.rules {
            for condition in rule.when.iter().chain(&rule.any).chain(&rule.unless).flatten() {
                for test in &condition.tests {
                    let words = test.wording();
                    let at = condition.looks_at();
                    lines.push(format!("{at} {} / {} / {}", words.is, words.is_not, words.brief()));
                }
            }
        }
        assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn names_say_what_they_leave_out() {
        let policy = policy(include_str!("../../mcp.toml.example"));
        assert_eq!(policy.rules[0].tools.patterns().join(" "), "write_file edit_file move_file !*_preview");
    }
}
