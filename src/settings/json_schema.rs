//! `mcp.toml` for editors: a JSON Schema (draft 2020-12) with every key, its type and what it is for.
//!
//! It is rougher than the reader of the file, which alone says what is right: an editor that is content may still show a
//! file with faults. Invariant: every key and word that the reader takes is in it.

mod conditions;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{Durability, KeepArguments, Transport};
use crate::guard::{BlockResponse, OnTimeout};
use crate::policy::schema::Word;
use crate::policy::{Channel, Class, Effect, Fact, FailMode, Mode, Severity};
use crate::record::Confirm;

/// A key, what it is for, and what it takes.
type Key = (&'static str, &'static str, Value);

/// The schema of the whole file.
pub fn json_schema() -> Value {
    let mut schema = table(top(), &["version"]);
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".into(), "callgate: mcp.toml".into());
        members.insert(
            "description".into(),
            "What an agent may do with MCP tools, and how calls are recorded.".into(),
        );
        members.insert("$defs".into(), conditions::definitions());
    }
    schema
}

/// What `filter_tools` does, for the file and for a server.
const FILTER_TOOLS: &str = "Under enforce, lists of tools leave out those of which no call could pass.";

fn top() -> Vec<Key> {
    let mut keys = vec![
        ("version", "The version of the file's format.", json!({ "const": 1 })),
        ("mode", "How much of a verdict takes force: off, shadow (recorded only), warn, enforce.", mode()),
        ("max_mode", "The brake: a ceiling over every mode in this file.", mode()),
        (
            "fail_mode",
            "Under enforce, what becomes of a call that cannot be judged or recorded.",
            fail_mode(),
        ),
        ("default", "What holds when no rule speaks.", effect()),
        ("block_response", "How a blocked call is answered.", words::<BlockResponse>()),
        (
            "self_protection",
            "The built-in rule callgate-self: no argument may point into callgate's own files.",
            boolean(),
        ),
        ("max_frame", "Longer messages are refused where something can enforce.", size()),
        ("filter_tools", FILTER_TOOLS, boolean()),
        ("max_judged", "Longer strings are not looked into; rules that restrict match them.", size()),
        ("include", "Further policy files, by path or glob, relative to this one.", strings()),
        (
            "policy",
            "About the policy as a whole.",
            table(vec![("name", "Stands in every refusal.", text())], &[]),
        ),
        ("identity", "Who is at work.", table(identity(), &[])),
        ("agents", "Agents by their key.", each(table(agent(), &[]))),
        ("servers", "MCP servers by name: `callgate run --server NAME`.", each(server())),
        (
            "lists",
            "Lists with a name, for `{ list = \"name\" }` wherever a list may stand.",
            each(json!({ "type": "array", "items": scalar() })),
        ),
    ];
    keys.extend([
        ("tool", "What is known about tools: `[[tool]]`.", many(table(tool(), &["match"]))),
        (
            "rule",
            "Rules: `[[rule]]`. All are judged, the strictest that matches wins.",
            many(table(rule(), &["action"])),
        ),
        ("label", "What is remembered of a session: `[[label]]`.", many(table(label(), &["id"]))),
        ("audit", "What is kept of calls, where and for how long.", table(audit(), &[])),
        ("approval", "People in the loop.", table(approval(), &[])),
        ("alerts", "Who hears of what the policy did.", table(alerts(), &[])),
    ]);
    keys
}

fn identity() -> Vec<Key> {
    vec![
        ("agent", "The agent's key, unless --agent says otherwise; selects [agents.KEY].", text()),
        ("groups", "Groups the user is in.", strings()),
        ("environment", "dev, prod, …", text()),
        ("root", "What {root} means, from `/` or `~/`; without it, the server's working directory.", text()),
    ]
}

fn agent() -> Vec<Key> {
    vec![
        ("mode", "The mode for this agent.", mode()),
        ("max_mode", "A ceiling for this agent.", mode()),
        ("fail_mode", "The fail mode for this agent.", fail_mode()),
    ]
}

fn server() -> Value {
    let keys = vec![
        ("command", "The program that is the server.", text()),
        ("args", "Its arguments.", strings()),
        ("env", "Added to its environment; never shown, never stored.", each(string())),
        ("cwd", "Its working directory, from `/` or `~/`.", text()),
        ("filter_tools", FILTER_TOOLS, boolean()),
        ("url", "The address of a remote server.", json!({ "type": "string", "pattern": "^https?://" })),
        ("transport", "How a remote server is spoken to.", words::<Transport>()),
        (
            "headers_env",
            "Headers by the name of the environment variable that holds their value.",
            each(string()),
        ),
        ("mode", "The mode for calls to this server.", mode()),
        ("fail_mode", "The fail mode for calls to this server.", fail_mode()),
    ];
    let mut server = table(keys, &[]);
    if let Some(members) = server.as_object_mut() {
        members.insert("oneOf".into(), json!([{ "required": ["command"] }, { "required": ["url"] }]));
    }
    server
}

fn tool() -> Vec<Key> {
    vec![
        ("match", "Which tools: one glob or several, `!` excludes.", strings()),
        ("action", "What they do: a free word that rules may ask for.", text()),
        ("resource", "To what: a free word.", text()),
        ("risk", "How bad it can be: a free word.", text()),
    ]
}

/// What rules and labels share.
fn matching() -> Vec<Key> {
    vec![
        ("tools", "Which tools: names or globs, `!` excludes. Without it, all.", strings()),
        ("servers", "Which servers: names or globs, `!` excludes. Without it, all.", strings()),
        (
            "methods",
            "tools/call where it is left out; resources/read, prompts/get, tasks/update, sampling/createMessage, elicitation/create, or any other.",
            strings(),
        ),
        ("when", "All of this must hold.", reference("table")),
        (
            "any",
            "One of these tables must hold.",
            json!({ "type": "array", "minItems": 1, "items": reference("table") }),
        ),
        ("unless", "If all of this holds, there is no match.", reference("table")),
    ]
}

fn rule() -> Vec<Key> {
    let mut keys = vec![("id", "The rule's name in records; `rule-N` if left out.", name())];
    keys.extend(matching());
    keys.extend([
        ("closed", "For allow rules: every argument of the call must be named by the rule.", boolean()),
        ("rate", "Matches once this many matching calls were made in this time.", rate()),
        ("after", "Matches only after one of these labels was set.", strings()),
        ("unless_after", "Does not match once one of these labels was set.", strings()),
        ("action", "What the rule says of a call that it matches.", effect()),
        ("overrides", "For allow rules: the ids of the rules that it lifts.", strings()),
        ("mode", "The mode of this rule only.", mode()),
        ("modes", "The mode of this rule by agent.", each(mode())),
        ("severity", "How bad it is when the rule matches.", words::<Severity>()),
        ("class", "What kind of damage it prevents.", words::<Class>()),
        ("owner", "Who answers for it.", text()),
        ("channels", "Where its questions may be answered.", one_or_many(&words::<Channel>())),
        (
            "alert",
            "Who hears of it: nobody, everybody, or these under [alerts.to]; by severity if left out.",
            json!({ "anyOf": [boolean(), strings()] }),
        ),
        ("reason", "One line for whoever reads the refusal.", text()),
        (
            "test",
            "Calls and the verdict that the whole policy must give: `callgate policy test`.",
            many(table(test(), &["expect"])),
        ),
    ]);
    keys
}

fn label() -> Vec<Key> {
    let mut keys = vec![("id", "The label's name.", name())];
    keys.extend(matching());
    keys.extend([
        (
            "on",
            "When it is set: as the call is made, or as its result comes.",
            json!({ "enum": ["request", "result"] }),
        ),
        ("scope", "Where it holds.", json!({ "enum": ["session", "agent"] })),
        ("ttl", "How long it holds.", duration()),
    ]);
    keys
}

fn rate() -> Value {
    let by = json!({ "enum": ["session", "agent", "user", "tool", "server"] });
    let keys = vec![
        ("max", "How many calls are free.", json!({ "type": "integer", "minimum": 0 })),
        ("per", "In which time.", duration()),
        ("by", "Counted for each of these.", json!({ "anyOf": [by, { "type": "array", "items": by }] })),
    ];
    table(keys, &["max", "per"])
}

fn test() -> Vec<Key> {
    let takes = |fact: &Fact| if fact.is_truth() { boolean() } else { strings() };
    let facts = Fact::WORDS.iter().map(|(word, fact)| ((*word).to_owned(), takes(fact)));
    let facts: Map<String, Value> = facts.collect();
    vec![
        ("name", "What the test shows.", text()),
        ("method", "The method; tools/call if left out.", text()),
        ("tool", "The tool that is called.", text()),
        ("arguments", "Its arguments.", json!({ "type": "object" })),
        (
            "facts",
            "What is known; the rest is as the file says.",
            json!({ "type": "object", "properties": facts }),
        ),
        ("after", "Labels taken as set.", reference("strings")),
        ("calls_before", "Calls like it, just before.", json!({ "type": "integer", "minimum": 0 })),
        ("expect", "The verdict.", effect()),
    ]
}

fn audit() -> Vec<Key> {
    vec![
        ("path", "The store, from `/` or `~/`; the user's data folder if left out.", text()),
        ("arguments", "What is kept of arguments.", words::<KeepArguments>()),
        ("retention", "How long calls are kept.", duration()),
        ("max_bytes", "How large the store may grow.", size()),
        ("durability", "`strict` also survives a power cut.", words::<Durability>()),
    ]
}

fn approval() -> Vec<Key> {
    vec![
        ("timeout", "Then the question closes.", duration()),
        (
            "patience",
            "How long a call without a progressToken waits before it is answered as pending.",
            duration(),
        ),
        ("on_timeout", "What holds when nobody answers.", words::<OnTimeout>()),
        ("confirm", "`tty`: approvals only from an interactive terminal.", words::<Confirm>()),
        ("grant", "What an approval is good for: once, session, or a duration.", grant()),
        ("channels", "Where questions may be answered.", one_or_many(&words::<Channel>())),
        ("host_agents", "Agents whose hosts may ask the person at hand.", strings()),
    ]
}

fn alerts() -> Vec<Key> {
    vec![
        ("min_severity", "Milder rules alert nobody, unless they say so.", words::<Severity>()),
        ("repeat", "The same within this time is one alert with a count.", duration()),
        ("to", "Destinations by name.", each(table(destination(), &["kind"]))),
    ]
}

fn destination() -> Vec<Key> {
    vec![
        ("kind", "How it is reached.", words::<super::alerts::Kind>()),
        ("min_severity", "Milder rules are not told there, unless they name it.", words::<Severity>()),
        ("url", "webhook, slack: the address.", json!({ "type": "string", "pattern": "^https?://" })),
        ("url_env", "webhook, slack: the environment variable with the address.", variable()),
        ("secret_env", "webhook: the environment variable with the secret that signs.", variable()),
        (
            "smtp",
            "email: the mail server.",
            json!({ "type": "string", "pattern": r"^(smtps?|smtp\+starttls)://" }),
        ),
        ("user_env", "email: the environment variable with the user's name.", variable()),
        ("password_env", "email: the environment variable with the password.", variable()),
        ("from", "email: the sender.", text()),
        ("to", "email: the recipients.", strings()),
        ("address", "syslog: the receiver.", json!({ "type": "string", "pattern": "^(udp|tcp|tls)://" })),
        ("format", "syslog: what stands in a message.", words::<super::Payload>()),
    ]
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" })
}

fn grant() -> Value {
    json!({ "type": "string", "pattern": r"^(once|session|\s*\d+\s*(ms|s|m|min|h|d|w)?\s*)$" })
}

fn one_or_many(takes: &Value) -> Value {
    json!({ "anyOf": [takes, { "type": "array", "items": takes }] })
}

/// A table that takes these keys and no others.
fn table(keys: Vec<Key>, required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        keys.into_iter().map(|(key, what, takes)| (key.to_owned(), described(what, takes))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn described(what: &str, mut takes: Value) -> Value {
    if let Some(members) = takes.as_object_mut() {
        members.insert("description".into(), what.into());
    }
    takes
}

fn each(takes: Value) -> Value {
    of("object", "additionalProperties", takes)
}

fn many(takes: Value) -> Value {
    of("array", "items", takes)
}

fn of(container: &str, member: &str, takes: Value) -> Value {
    [("type".to_owned(), container.into()), (member.to_owned(), takes)]
        .into_iter()
        .collect::<Map<_, _>>()
        .into()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn words<W: Word>() -> Value {
    json!({ "enum": W::WORDS })
}

fn mode() -> Value {
    json!({ "enum": ([Mode::WORDS, Mode::OTHER_WORDS].concat()) })
}

fn fail_mode() -> Value {
    json!({ "enum": ([FailMode::WORDS, FailMode::OTHER_WORDS].concat()) })
}

fn effect() -> Value {
    json!({ "enum": ([Effect::WORDS, Effect::OTHER_WORDS].concat()) })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn text() -> Value {
    json!({ "type": "string", "pattern": r"\S" })
}

fn name() -> Value {
    json!({ "type": "string", "pattern": r"\S", "maxLength": 64 })
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn strings() -> Value {
    reference("strings")
}

fn duration() -> Value {
    json!({ "type": ["string", "integer"], "pattern": r"^\s*\d+\s*(ms|s|m|min|h|d|w)?\s*$", "minimum": 0 })
}

fn size() -> Value {
    json!({ "type": ["string", "integer"], "pattern": r"^\s*\d+\s*([KMGT]i?B?|kB|B)?\s*$", "minimum": 0 })
}
