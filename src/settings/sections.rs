//! The sections of `mcp.toml` that are not policy.
//!
//! It refuses relative paths, which would mean another place in each host, and never quotes what stands under
//! `env` or `headers_env`. Invariant: a server has exactly one of `command` and `url`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;

use super::alerts::alerts;
use super::approval::approval;
use super::{
    Audit, Durability, Environment, Identity, KeepArguments, MAX_FRAME, Server, Settings, Transport, sendable,
};
use crate::guard::{BlockResponse, FilterTools};
use crate::policy::ModeSettings;
use crate::policy::schema::{self, Reading, Section, file_words};

file_words!(BlockResponse {
    "error" => BlockResponse::Error,
    "tool_result" => BlockResponse::ToolResult,
});
file_words!(KeepArguments {
    "full" => KeepArguments::Full,
    "redacted" => KeepArguments::Redacted,
    "keys" => KeepArguments::Keys,
    "none" => KeepArguments::None,
});
file_words!(Durability {
    "normal" => Durability::Normal,
    "strict" => Durability::Strict,
});

file_words!(Transport {
    "http" => Transport::Http,
    "sse" => Transport::Sse,
});

/// Reads the settings, and the modes of the servers, which are policy.
pub(super) fn settings(
    top: &mut Section<'_>,
    environment: &Environment,
    reading: &mut Reading,
) -> (Settings, BTreeMap<String, ModeSettings>) {
    let block_response = value(top.word("block_response", reading)).unwrap_or_default();
    let max_frame = value(top.size("max_frame", reading));
    let everywhere = value(top.boolean("filter_tools", reading)).unwrap_or_default();
    let mut filter_tools = FilterTools { everywhere, ..FilterTools::default() };
    let identity = top.table("identity", reading).map(|section| identity(section, environment, reading));
    let audit = top.table("audit", reading).map(|section| audit(section, environment, reading));
    let approval = top.table("approval", reading).map(|section| approval(section, reading));
    let alerts = top.table("alerts", reading).map(|section| alerts(section, reading));
    let (mut servers, mut modes) = (BTreeMap::new(), BTreeMap::new());
    for (name, mut section) in top.named("servers", reading) {
        modes.insert(name.get_ref().clone(), schema::mode_settings(&mut section, reading));
        let own = value(section.boolean("filter_tools", reading));
        filter_tools.by_server.extend(own.map(|own| (name.get_ref().clone(), own)));
        servers.extend(server(section, environment, reading).map(|server| (name.into_inner(), server)));
    }
    modes.retain(|_, modes| *modes != ModeSettings::default());
    let settings = Settings {
        identity: identity.unwrap_or_default(),
        servers,
        audit: audit.unwrap_or_default(),
        block_response,
        max_frame: max_frame.map_or(MAX_FRAME, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        filter_tools,
        approval: approval.unwrap_or_default(),
        alerts: alerts.unwrap_or_default(),
    };
    (settings, modes)
}

pub(super) fn value<T>(spanned: Option<Spanned<T>>) -> Option<T> {
    spanned.map(Spanned::into_inner)
}

fn identity(mut section: Section<'_>, environment: &Environment, reading: &mut Reading) -> Identity {
    let groups = section.strings("groups", reading).map(Spanned::into_inner).unwrap_or_default();
    let root_span = section.key_span("root");
    let identity = Identity {
        agent: value(section.string("agent", reading)),
        groups: groups.into_iter().map(Spanned::into_inner).collect(),
        environment: value(section.string("environment", reading)),
        root: absolute(section.string("root", reading), "root", environment, reading),
    };
    let root = identity.root.as_deref().map(|root| root.trim_end_matches('/'));
    if root.is_some_and(|root| root.is_empty() || environment.home.as_deref() == Some(root)) {
        let hint = "name the project's folder; until then rules that restrict by `{root}` match every path";
        reading.note_with(root_span, "this `root` is too wide to tell inside from outside", hint);
    }
    section.finish(reading);
    identity
}

pub(super) fn audit(mut section: Section<'_>, environment: &Environment, reading: &mut Reading) -> Audit {
    let default = Audit::default();
    let audit = Audit {
        path: absolute(section.string("path", reading), "path", environment, reading).map(PathBuf::from),
        arguments: value(section.word("arguments", reading)).unwrap_or_default(),
        retention_ms: value(section.duration("retention", reading)).unwrap_or(default.retention_ms),
        max_bytes: value(section.size("max_bytes", reading)).unwrap_or(default.max_bytes),
        durability: value(section.word("durability", reading)).unwrap_or_default(),
    };
    section.finish(reading);
    audit
}

fn server(mut section: Section<'_>, environment: &Environment, reading: &mut Reading) -> Option<Server> {
    let title = section.title.clone();
    let command = section.string("command", reading);
    let url = section.string("url", reading);
    let local = local(&mut section, environment, reading);
    let transport = value(section.word("transport", reading)).unwrap_or_default();
    let headers_env = headers(&mut section, reading);
    let span = section.span.clone();
    let (has_command, has_url) = (section.has("command"), section.has("url"));
    let misplaced: &[&str] = match (has_command, has_url) {
        (true, true) => {
            let message = format!("{title} has both `command` and `url`");
            reading.fault_with(
                section.key_span("url"),
                message,
                "a server is started or connected to, not both",
            );
            &[]
        }
        (false, false) => {
            let hint = "`command` starts a server, `url` connects to one";
            reading.fault_with(span.clone(), format!("`command` is missing in {title}"), hint);
            &[]
        }
        (true, false) => &["transport", "headers_env"],
        (false, true) => &["args", "env", "cwd"],
    };
    for key in misplaced.iter().filter(|key| section.has(key)) {
        let other = if has_url { "command" } else { "url" };
        reading.fault(section.key_span(key), format!("`{key}` only goes with `{other}`"));
    }
    section.finish(reading);
    match (command, url) {
        (Some(command), None) => Some(local.into_child(command.into_inner())),
        (None, Some(url)) => address(&url, reading).map(|url| Server::Remote { url, transport, headers_env }),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Local {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
}

impl Local {
    fn into_child(self, command: String) -> Server {
        Server::Child { command, args: self.args, env: self.env, cwd: self.cwd }
    }
}

fn local(section: &mut Section<'_>, environment: &Environment, reading: &mut Reading) -> Local {
    let args = section.strings("args", reading).map(Spanned::into_inner).unwrap_or_default();
    Local {
        args: args.into_iter().map(Spanned::into_inner).collect(),
        env: variables(section, "env", reading),
        cwd: absolute(section.string("cwd", reading), "cwd", environment, reading).map(PathBuf::from),
    }
}

/// A table of strings. Its values are secrets more often than not.
fn variables(
    section: &mut Section<'_>,
    key: &'static str,
    reading: &mut Reading,
) -> BTreeMap<String, String> {
    let Some(table) = section.table(key, reading) else { return BTreeMap::new() };
    let mut variables = BTreeMap::new();
    for (name, node) in table.entries() {
        if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
            reading.fault(name.span(), format!("a name in `{key}` is empty or holds `=`"));
        }
        if let Some(text) = schema::string(node, name.get_ref(), reading) {
            variables.insert((*name.get_ref()).to_owned(), text.into_inner());
        }
    }
    variables
}

/// Each header is given by the name of an environment variable, so that no secret stands in the file.
fn headers(section: &mut Section<'_>, reading: &mut Reading) -> BTreeMap<String, String> {
    let span = section.key_span("headers_env");
    let headers = variables(section, "headers_env", reading);
    for (header, variable) in &headers {
        let is_name = !variable.is_empty() && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            let message = format!("`{header}` must name an environment variable");
            let hint = "`headers_env = { Authorization = \"MY_TOKEN\" }` sends what MY_TOKEN holds";
            reading.fault_with(span.clone(), message, hint);
        }
        if let Err(why) = sendable(header) {
            reading.fault(span.clone(), format!("`{header}` in `headers_env` {why}"));
        }
    }
    headers
}

fn address(url: &Spanned<String>, reading: &mut Reading) -> Option<String> {
    let text = url.get_ref();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.is_none_or(str::is_empty) || text.contains(char::is_whitespace) {
        reading.fault_with(
            url.span(),
            "`url` is not an http or https address",
            "`https://tickets.example/mcp`",
        );
        return None;
    }
    if host.is_some_and(|host| host.contains('@')) {
        let hint = "send a header from the environment: `headers_env`";
        reading.fault_with(url.span(), "`url` holds credentials", hint);
        return None;
    }
    Some(text.clone())
}

/// An absolute path, `~/` standing for the home folder.
fn absolute(
    path: Option<Spanned<String>>,
    key: &str,
    environment: &Environment,
    reading: &mut Reading,
) -> Option<String> {
    let path = path?;
    let text = path.get_ref().as_str();
    if text.starts_with('/') {
        return Some(path.into_inner());
    }
    match (text.strip_prefix("~/"), &environment.home) {
        (Some(below), Some(home)) => Some(format!("{}/{below}", home.trim_end_matches('/'))),
        (Some(_), None) => {
            reading.fault(path.span(), format!("`{key}` begins with `~`, but the home folder is not known"));
            None
        }
        (None, _) => {
            let hint = "each host starts callgate in another folder, so write the path from `/` or from `~/`";
            reading.fault_with(path.span(), format!("`{key}` must be an absolute path"), hint);
            None
        }
    }
}
