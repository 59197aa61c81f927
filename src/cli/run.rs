//! `callgate run`: the sidecar.
//!
//! Puts together what [`drive`] needs: the policy, the store, who is at work, the server. stdout is the protocol's.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::places::{self, Place};
use super::start::Start;
use super::{Exit, paint};
use crate::clock;
use crate::guard::{Opening, Session};
use crate::proxy::{Ends, LocalLinks, Reloads, Run as Driven, Signals, drive, facts, session_info};
use crate::record::SessionInfo;
use crate::settings::{Config, Server};
use crate::store::Others;
use crate::transport::child::{Program, Started};
use crate::transport::stdio::{Inlet, Outlet};

const MORE: &str = "\
This is what the host runs instead of the server. stdin and stdout speak MCP; callgate's own messages \
go to stderr. Without a policy file every call passes and is recorded. mcp.toml is watched: an edit \
takes force in the running session.

Examples:
  callgate run -- npx -y @modelcontextprotocol/server-filesystem ~/app
  callgate run --server files --agent claude-code
  callgate run --config ./mcp.toml --server git -- uvx mcp-server-git

The exit code is the server's.";

/// The command line of `run`.
#[derive(Debug, Args)]
#[command(about = "Start an MCP server and stand between it and the host", after_help = MORE)]
pub(super) struct Run {
    #[command(flatten)]
    place: Place,
    /// The server: its name under [servers] in the policy file, or the name to give COMMAND
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// The agent's key: selects [agents.KEY] [default: `agent` under [identity]]
    #[arg(long, value_name = "KEY")]
    agent: Option<String>,
    /// The server's command and arguments [default: those of the policy file]
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Run {
    /// Runs until the server or the host ends; the exit code.
    pub fn run(self) -> anyhow::Result<u8> {
        // One thread: both directions share one session, and a hop between threads costs more than all the rest.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let code = runtime.block_on(self.serve())?;
        // A blocked read of a terminal must not keep the process.
        runtime.shutdown_background();
        Ok(u8::try_from(code).unwrap_or(1))
    }

    /// A server whose command is given starts at once: it takes longer to be ready than a policy to be read.
    async fn serve(self) -> anyhow::Result<i32> {
        let signals = Signals::listen();
        let mut early = self.given().map(|program| start(&program)).transpose()?;
        match self.prepare() {
            Ok((loaded, program, info)) => {
                let started = early.map_or_else(|| start(&program), Ok)?;
                drive_session(loaded, started, info, signals).await
            }
            Err(error) => {
                if let Some(started) = &mut early {
                    started.child.end().await;
                }
                Err(error)
            }
        }
    }

    fn prepare(&self) -> anyhow::Result<(Start, Program, SessionInfo)> {
        let loaded = Start::load(&self.place)?;
        let (name, program) = self.server(&loaded.config)?;
        let info = self.info(&loaded.config, &name, &program)?;
        Ok((loaded, program, info))
    }

    /// The server that the command line gives.
    fn given(&self) -> Option<Program> {
        let (command, args) = self.command.split_first()?;
        Some(Program { command: command.clone(), args: args.to_vec(), ..Program::default() })
    }

    /// The server's name and what to start.
    fn server(&self, config: &Config) -> anyhow::Result<(String, Program)> {
        let servers = &config.settings.servers;
        if let Some(program) = self.given() {
            return Ok((self.server.clone().unwrap_or_else(|| "default".into()), program));
        }
        let known = || match servers.len() {
            0 => "none".to_owned(),
            _ => servers.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let (name, server) = match &self.server {
            Some(name) => servers.get_key_value(name).ok_or_else(|| {
                Exit::Usage.because(format!("no [servers.{name}] in the policy file; it has {}", known()))
            })?,
            None => match (servers.first_key_value(), servers.len()) {
                (Some(only), 1) => only,
                (None, _) => {
                    return Err(Exit::Usage.because("no server to start: give its command after `--`, or a [servers.NAME] in the policy file"));
                }
                (Some(_), _) => {
                    return Err(Exit::Usage
                        .because(format!("several servers: choose one of {} with --server", known())));
                }
            },
        };
        match server {
            Server::Child { command, args, env, cwd } => Ok((
                name.clone(),
                Program { command: command.clone(), args: args.clone(), env: env.clone(), cwd: cwd.clone() },
            )),
            Server::Remote { url, .. } => Err(Exit::Usage.because(format!(
                "[servers.{name}] is remote (`{url}`), which this version cannot reach: put a stdio bridge after `--`"
            ))),
        }
    }

    fn info(&self, config: &Config, server: &str, program: &Program) -> anyhow::Result<SessionInfo> {
        let folder = match (&program.cwd, std::env::current_dir().ok()) {
            (Some(cwd), Some(folder)) => Some(folder.join(cwd)),
            (cwd, folder) => cwd.clone().or(folder),
        };
        Ok(session_info(config, self.agent.as_deref(), server, folder)?)
    }
}

fn start(program: &Program) -> anyhow::Result<Started> {
    let command = &program.command;
    program
        .start()
        .with_context(|| format!("cannot start the server `{command}`: is it installed and in PATH?"))
}

async fn drive_session(
    loaded: Start,
    started: Started,
    info: SessionInfo,
    signals: Signals,
) -> anyhow::Result<i32> {
    let reloads = Arc::new(Reloads::default());
    let watching = loaded.watch(&reloads)?;
    let store = loaded.store(&info)?;
    let others = Others::new(places::store(&loaded.config)?, info.session.clone());
    let session = Session::new(Opening {
        terms: loaded.config.terms(),
        unguarded: loaded.unguarded,
        facts: facts(&info),
        info,
        links: Box::new(LocalLinks),
        elsewhere: Box::new(others),
        steady_us: clock::steady_us,
    });
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let ends = Ends {
        from_client: Inlet::new(stdin.as_fd()).context("stdin cannot be read")?,
        to_client: Outlet::new(stdout.as_fd()).context("stdout cannot be written")?,
        from_server: started.from,
        to_server: started.to,
        child: started.child,
    };
    Ok(drive(Driven { session, store, reloads, watching, signals, say: paint::say }, ends).await)
}
