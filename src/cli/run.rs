//! `callgate run`: the sidecar.
//!
//! Puts together what [`drive`] needs: the policy, the store, who is at work, the server. stdout is the protocol's.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::paint;
use super::places::{self, Place};
use super::start::Start;
use super::upstream::{Given, Upstream, start};
use crate::clock;
use crate::guard::{Opening, Session};
use crate::policy::{NoLinks, ResolvePath};
use crate::proxy::{
    Ends, LocalLinks, Reloads, Run as Driven, Signals, Waiting, drive, facts, session_info, unguessable,
};
use crate::record::SessionInfo;
use crate::settings::Config;
use crate::store::Others;
use crate::transport::peer::Connected;
use crate::transport::stdio::{Inlet, Outlet};

const MORE: &str = "\
This is what the host runs instead of the server. stdin and stdout speak MCP; callgate's own messages \
go to stderr. Without a policy file every call passes and is recorded. mcp.toml is watched: an edit \
takes force in the running session.

Examples:
  callgate run -- npx -y @modelcontextprotocol/server-filesystem ~/app
  callgate run --server files --agent claude-code
  callgate run --config ./mcp.toml --server git -- uvx mcp-server-git
  callgate run --url https://tickets.example/mcp --header-env Authorization=TICKETS_AUTH

A header of a remote server comes whole from the environment: TICKETS_AUTH=\"Bearer ...\". Proxies are \
those of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. The exit code is the server's; 0 where it is remote.";

/// The command line of `run`.
#[derive(Debug, Args)]
#[command(about = "Start an MCP server, or connect to one, and stand between it and the host", after_help = MORE)]
pub(super) struct Run {
    #[command(flatten)]
    place: Place,
    /// The agent's key: selects [agents.KEY] [default: `agent` under [identity]]
    #[arg(long, value_name = "KEY")]
    agent: Option<String>,
    #[command(flatten)]
    given: Given,
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
        let mut early = self.given.program().map(|program| start(&program)).transpose()?;
        match self.prepare() {
            Ok((loaded, upstream, info)) => {
                let links: Box<dyn ResolvePath> =
                    if upstream.is_remote() { Box::new(NoLinks) } else { Box::new(LocalLinks) };
                let started = early.map_or_else(|| upstream.start(), Ok)?;
                Box::pin(drive_session(loaded, started, (info, links), signals)).await
            }
            Err(error) => {
                if let Some(started) = &mut early {
                    started.peer.end().await;
                }
                Err(error)
            }
        }
    }

    fn prepare(&self) -> anyhow::Result<(Start, Upstream, SessionInfo)> {
        let loaded = Start::load(&self.place)?;
        let (name, upstream) = self.given.upstream(&loaded.config)?;
        let info = self.info(&loaded.config, &name, &upstream)?;
        Ok((loaded, upstream, info))
    }

    fn info(&self, config: &Config, server: &str, upstream: &Upstream) -> anyhow::Result<SessionInfo> {
        let folder = match (upstream.cwd(), std::env::current_dir().ok()) {
            (Some(cwd), Some(folder)) => Some(folder.join(cwd)),
            (cwd, folder) => cwd.or(folder),
        };
        let mut info = session_info(config, self.agent.as_deref(), server, folder)?;
        if upstream.is_remote() {
            info.root.clone_from(&config.settings.identity.root);
        }
        Ok(info)
    }
}

async fn drive_session(
    loaded: Start,
    started: Connected,
    (info, links): (SessionInfo, Box<dyn ResolvePath>),
    signals: Signals,
) -> anyhow::Result<i32> {
    let reloads = Arc::new(Reloads::default());
    let watching = loaded.watch(&reloads)?;
    let alerts = loaded.alerts()?;
    let store = loaded.store(&info, &alerts)?;
    let path = places::store(&loaded.config)?;
    let others = Others::new(path.clone(), info.session.clone());
    let waiting = Waiting::new(path, &info.session);
    let session = Session::new(Opening {
        terms: loaded.config.terms(),
        unguarded: loaded.unguarded,
        facts: facts(&info),
        info,
        links,
        elsewhere: Box::new(others),
        steady_us: clock::steady_us,
        random_word: unguessable,
        #[cfg(debug_assertions)]
        fault_at: std::env::var("CALLGATE_FAULT_AT").ok().map(Into::into),
    });
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let ends = Ends {
        from_client: Inlet::new(stdin.as_fd()).context("stdin cannot be read")?,
        to_client: Outlet::new(stdout.as_fd()).context("stdout cannot be written")?,
        from_server: started.from,
        to_server: started.to,
        peer: started.peer,
    };
    let told = Arc::clone(&alerts);
    let run = Driven { session, store, waiting, reloads, watching, signals, say: paint::say, alerts: told };
    let code = Box::pin(drive(run, ends)).await;
    alerts.finish(places::FAREWELL);
    Ok(code)
}
