//! The server that `run` stands in front of: a command to start, or an address to connect to.
//!
//! It refuses to guess: what is not on the command line must be the only server of the policy file, or named. Invariant:
//! no value of a header is on a command line or in a message.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Exit;
use crate::settings::{Config, Server, Transport};
use crate::transport::child::Program;
use crate::transport::peer::{Connected, Peer};
use crate::transport::remote::Endpoint;

/// The server, as the command line gives it.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// The server: its name under [servers] in the policy file, or the name to give COMMAND or URL
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// A remote server's address
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    url: Option<String>,
    /// How the server at URL is spoken to
    #[arg(long, value_name = "KIND", requires = "url", conflicts_with = "command", default_value = "http")]
    transport: Kind,
    /// Send the header NAME to URL with what the environment variable VAR holds; repeatable
    #[arg(long, value_name = "NAME=VAR", requires = "url", conflicts_with = "command", value_parser = header)]
    header_env: Vec<(String, String)>,
    /// The server's command and arguments [default: those of the policy file]
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// `--transport`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Streamable HTTP
    Http,
    /// HTTP with SSE, of servers of the 2024-11-05 revision
    Sse,
}

/// What to start or connect to.
pub(super) enum Upstream {
    /// A process of ours.
    Child(Program),
    /// A server elsewhere.
    Remote(Box<Endpoint>),
}

impl Given {
    /// The command to start, where one is given: it needs no policy to start.
    pub fn program(&self) -> Option<Program> {
        let (command, args) = self.command.split_first()?;
        Some(Program { command: command.clone(), args: args.to_vec(), ..Program::default() })
    }

    /// The server's name and what to do to reach it.
    pub fn upstream(&self, config: &Config) -> anyhow::Result<(String, Upstream)> {
        let named = || self.server.clone().unwrap_or_else(|| "default".into());
        if let Some(program) = self.program() {
            return Ok((named(), Upstream::Child(program)));
        }
        if let Some(url) = &self.url {
            let headers = self.header_env.iter().cloned().collect();
            return Ok((named(), remote("--url", url, self.transport.into(), &headers, config)?));
        }
        let (name, server) = self.configured(config)?;
        let upstream = match server {
            Server::Child { command, args, env, cwd } => Upstream::Child(Program {
                command: command.clone(),
                args: args.clone(),
                env: env.clone(),
                cwd: cwd.clone(),
            }),
            Server::Remote { url, transport, headers_env } => {
                remote(&format!("[servers.{name}]"), url, *transport, headers_env, config)?
            }
        };
        Ok((name.clone(), upstream))
    }

    fn configured<'c>(&self, config: &'c Config) -> anyhow::Result<(&'c String, &'c Server)> {
        let servers = &config.settings.servers;
        let known = || match servers.len() {
            0 => "none".to_owned(),
            _ => servers.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        if let Some(name) = &self.server {
            return servers.get_key_value(name).ok_or_else(|| {
                Exit::Usage.because(format!("no [servers.{name}] in the policy file; it has {}", known()))
            });
        }
        match (servers.first_key_value(), servers.len()) {
            (Some(only), 1) => Ok(only),
            (None, _) => Err(Exit::Usage.because(
                "no server to start: give its command after `--`, its address with --url, or a [servers.NAME] in the policy file",
            )),
            (Some(_), _) => {
                Err(Exit::Usage.because(format!("several servers: choose one of {} with --server", known())))
            }
        }
    }
}

impl Upstream {
    /// Starts the process or sets out for the address.
    pub fn start(self) -> anyhow::Result<Connected> {
        match self {
            Self::Child(program) => start(&program),
            Self::Remote(endpoint) => {
                endpoint.behind_streams().context("the system gives no pipes to reach the server by")
            }
        }
    }

    /// Whether the server's files are not ours.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// The folder that the server is told to work in.
    pub fn cwd(&self) -> Option<PathBuf> {
        match self {
            Self::Child(program) => program.cwd.clone(),
            Self::Remote(_) => None,
        }
    }
}

/// Starts a server.
pub(super) fn start(program: &Program) -> anyhow::Result<Connected> {
    let command = &program.command;
    let started = program
        .start()
        .with_context(|| format!("cannot start the server `{command}`: is it installed and in PATH?"))?;
    Ok(Connected { peer: Peer::Child(started.child), from: started.from, to: started.to })
}

/// `place` is where the user gave it.
fn remote(
    place: &str,
    url: &str,
    transport: Transport,
    headers_env: &BTreeMap<String, String>,
    config: &Config,
) -> anyhow::Result<Upstream> {
    let endpoint = Endpoint::from_environment(url, transport, headers_env)
        .map_err(|error| Exit::Usage.because(format!("{place}: {error}")))?;
    Ok(Upstream::Remote(Box::new(endpoint.reading(config.settings.max_frame))))
}

/// `NAME=VAR`
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, variable))
            if !name.is_empty() && !variable.is_empty() && !variable.contains(['=', ' ']) =>
        {
            Ok((name.to_owned(), variable.to_owned()))
        }
        // Whoever wrote the value itself here must not read it again in a message.
        _ => {
            Err("write the header's name, `=`, and the name of the environment variable that holds it".into())
        }
    }
}

impl From<Kind> for Transport {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Http => Self::Http,
            Kind::Sse => Self::Sse,
        }
    }
}
