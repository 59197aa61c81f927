//! A policy in the form that is evaluated: compiled, checked, immutable.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Alerted, Channel, Class, Effect, Fact, FailMode, Globs, Label, Mode, Protected, Rate, Regexes, Severity,
    ShellItems, SqlKinds, Windows,
};
use ipnet::IpNet;

/// One revision of a policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `[policy] name`; `default` where the file is silent.
    pub name: Arc<str>,
    /// Content hash of the source: SHA-256, lower-case hex. What answers call `policyId`.
    pub revision: Arc<str>,
    /// `mode` of the file.
    pub mode: Mode,
    /// `max_mode` of the file: the brake.
    pub max_mode: Option<Mode>,
    /// `fail_mode` of the file; `None` where it is silent.
    pub fail_mode: Option<FailMode>,
    /// What holds when no rule speaks.
    pub default: Effect,
    /// Whether the built-in rule `callgate-self` is in force.
    pub self_protection: bool,
    /// Absolute paths of callgate's own config and data and of the host's config: what `callgate-self` guards.
    /// Where one leads through a symbolic link, its resolved form is in the list too: they are not resolved again.
    pub protected: Protected,
    /// Strings longer than this many bytes are opaque to every predicate but `bytes_gt` and `exists`.
    pub max_judged: usize,
    /// `[agents.KEY]`.
    pub agents: BTreeMap<String, ModeSettings>,
    /// Modes of `[servers.NAME]`.
    pub servers: BTreeMap<String, ModeSettings>,
    /// `[[tool]]`.
    pub tools: Vec<ToolMetadata>,
    /// `[[label]]` in file order.
    pub labels: Vec<Label>,
    /// `[[rule]]` in file order, rules with `mode = "off"` included.
    pub rules: Vec<Rule>,
}

/// What an agent or a server may say about modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModeSettings {
    /// Overrides the file's mode (and, for an agent, the server's).
    pub mode: Option<Mode>,
    /// A ceiling; only agents have one.
    pub max_mode: Option<Mode>,
    /// Overrides the file's fail mode.
    pub fail_mode: Option<FailMode>,
}

/// `[[tool]]`: what we say about tools that match.
#[derive(Debug, Clone)]
pub struct ToolMetadata {
    /// Which tools.
    pub tools: Names,
    /// `action`.
    pub action: Option<String>,
    /// `resource`.
    pub resource: Option<String>,
    /// `risk`.
    pub risk: Option<String>,
}

/// One `[[rule]]`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `id`; `rule-N` where the file gives none.
    pub id: Arc<str>,
    /// 1-based place among the rules of the file.
    pub position: usize,
    /// `action`.
    pub effect: Effect,
    /// `tools`.
    pub tools: Names,
    /// `servers`.
    pub servers: Names,
    /// `methods`; `["tools/call"]` where the file gives none.
    pub methods: Names,
    /// `when`.
    pub when: Option<Table>,
    /// `any`: one of these must hold where there is one.
    pub any: Vec<Table>,
    /// `unless`.
    pub unless: Option<Table>,
    /// `rate`: the rule also needs its budget to be spent.
    pub rate: Option<Rate>,
    /// `after`: indices of labels of which one must be set.
    pub after: Vec<usize>,
    /// `unless_after`: indices of labels of which none may be set.
    pub unless_after: Vec<usize>,
    /// `closed`, on allow rules: no argument may be there that the pointers which hold do not name.
    pub closed: bool,
    /// `mode`.
    pub mode: Option<Mode>,
    /// `modes`: by agent.
    pub modes: BTreeMap<String, Mode>,
    /// Indices of the rules that this allow rule lifts.
    pub overrides: Vec<usize>,
    /// `reason`, for the person who reads the refusal.
    pub reason: Option<Arc<str>>,
    /// `severity`.
    pub severity: Severity,
    /// `class`: what evidence promotion asks.
    pub class: Class,
    /// `owner`.
    pub owner: Option<String>,
    /// `channels`: where its questions may be answered; those of `[approval]` where the file gives none.
    pub channels: Vec<Channel>,
    /// `alert`: who hears of it.
    pub alert: Alerted,
    /// `[[rule.test]]`.
    pub examples: Vec<Example>,
    /// SHA-256 of what the rule matches and does, without its modes and prose: its identity across revisions.
    pub fingerprint: [u8; 32],
    /// Of a closed rule the fingerprint that it would have were it open; of others their own.
    pub open_fingerprint: [u8; 32],
}

/// `[[rule.test]]`: a call and the verdict that the whole policy must give.
#[derive(Debug, Clone)]
pub struct Example {
    /// The included file that it is in; `None` for `mcp.toml` itself.
    pub file: Option<Arc<str>>,
    /// Line of its header in the file, 1-based.
    pub line: usize,
    /// `name`, for people.
    pub name: Option<String>,
    /// `method`; `tools/call` where the file gives none.
    pub method: String,
    /// `tool`.
    pub tool: String,
    /// `arguments` as JSON text.
    pub arguments: Option<String>,
    /// `facts`: those given replace what would be known.
    pub facts: BTreeMap<Fact, Vec<String>>,
    /// `after`: ids of labels that are taken as surely set.
    pub after: Vec<String>,
    /// `calls_before`: how many calls like it each budget is taken to have seen.
    pub calls_before: u32,
    /// The verdict expected.
    pub expect: Effect,
}

/// A list of names or globs, NFC, `!` negates: a name is in it when some plain pattern (or none is given)
/// matches and no negated one does. Empty means every name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Patterns without a glob character: compared as they are.
    pub exact: Vec<String>,
    /// The other patterns.
    pub globs: Globs,
    /// Patterns after `!`.
    pub except: Globs,
    /// Whether any plain pattern was given.
    pub any_given: bool,
}

/// `when`, one table of `any`, or `unless`: all members hold.
pub type Table = Vec<Condition>;

/// One member of a table.
#[derive(Debug, Clone)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// What must hold of it.
    pub tests: Vec<Predicate>,
}

/// The left side of a condition.
#[derive(Debug, Clone)]
pub enum Subject {
    /// Values in the arguments; several pointers are alternatives.
    Arguments(Vec<Pointer>),
    /// A fact.
    Fact(Fact),
    /// The fact `time`, which is always known; such a condition has no tests.
    Time(Windows),
}

/// A JSON Pointer (RFC 6901) with `*` for one member or element and `**` for any depth.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// As the file spells it.
    pub text: String,
    /// Its steps.
    pub segments: Vec<Segment>,
}

impl Pointer {
    /// Whether it begins with `**`: it then also searches what a call carries beside its arguments.
    pub fn searches_all(&self) -> bool {
        self.segments.first() == Some(&Segment::Any)
    }
}

impl ToolMetadata {
    /// Whether it says this of its tools.
    pub fn says(&self, fact: Fact) -> bool {
        let said = [(Fact::Risk, &self.risk), (Fact::Action, &self.action), (Fact::Resource, &self.resource)];
        said.iter().any(|(said, value)| *said == fact && value.is_some())
    }
}

/// One step of a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A member by name (or an element by index), `~0` and `~1` decoded.
    Key {
        /// The name.
        name: String,
        /// The name folded by `fold`: siblings that fold alike are selected too.
        folded: String,
    },
    /// `*`
    One,
    /// `**`
    Any,
}

/// What must hold of a value.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// `eq`
    Eq(Scalar),
    /// `in`
    In(Vec<Scalar>),
    /// `glob`: of the whole string; `*` also crosses `/`.
    Glob(Globs),
    /// `matches`: any of these regexes is found.
    Matches(Regexes),
    /// `gt`
    Gt(Number),
    /// `ge`
    Ge(Number),
    /// `lt`
    Lt(Number),
    /// `le`
    Le(Number),
    /// `bytes_gt`: the string's UTF-8 length, or the JSON text's length for other types, is above this.
    BytesGt(u64),
    /// `exists`
    Exists(bool),
    /// `path_under`: at or below one of these.
    PathUnder(Vec<Base>),
    /// `path_outside`: at or below none of these.
    PathOutside(Vec<Base>),
    /// `path_glob`: the normalised path matches one of these; `*` stays within a component, `**` crosses.
    PathGlob(Vec<PathGlob>),
    /// `host`: the URL, or the bare `host:port`, leads to one of these.
    Host(Vec<HostItem>),
    /// `scheme`: the URL has one of these, in lower case.
    Scheme(Vec<String>),
    /// `ip_in`: the URL leads to a literal address in one of these networks.
    IpIn(Vec<IpNet>),
    /// `sql_any`: a statement of one of these kinds is in the text.
    SqlAny(SqlKinds),
    /// `sql_only`: the text is statements of these kinds.
    SqlOnly(SqlKinds),
    /// `shell_any`: something that the shell line runs does what one of these says.
    ShellAny(ShellItems),
    /// `shell_only`: the shell line runs something, and these admit all of it.
    ShellOnly(ShellItems),
}

/// A value in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A string.
    String(String),
    /// A number.
    Number(Number),
    /// A truth value.
    Bool(bool),
}

/// A number in the file; integers compare exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A float, finite.
    Float(f64),
}

/// A place that paths are compared with: an anchor and normalised components below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Where it starts.
    pub anchor: Anchor,
    /// Components below the anchor, normalised.
    pub components: Vec<String>,
}

/// Where a place in a rule starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// `/`
    Absolute,
    /// `{root}`
    Root,
    /// `~`
    Home,
}

/// A glob over normalised paths. The anchor's own path is literal, never part of the glob.
#[derive(Debug, Clone)]
pub struct PathGlob {
    /// Where it starts.
    pub anchor: Anchor,
    /// One glob: it matches what is below the anchor, without a leading `/`.
    pub below: Globs,
    /// `true` for a pattern without `/`: it is matched against the last component alone.
    pub name_only: bool,
}

/// An element of `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostItem {
    /// Which hosts.
    pub name: HostName,
    /// On which ports.
    pub port: HostPort,
}

/// The hosts that an element of `host` stands for. Names are in lower case and Punycode, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// This one.
    Exact(String),
    /// `*.name`: those below this one, at any depth.
    Below(String),
    /// This address, however it is spelled.
    Address(IpAddr),
}

/// The ports that an element of `host` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPort {
    /// None written: the scheme's own. Another one leaves doubt.
    Default,
    /// `:*`
    Any,
    /// `:8443`
    Number(u16),
}
