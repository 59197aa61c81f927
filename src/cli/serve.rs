//! `callgate serve`: the HTTP face.
//!
//! Puts together what [`serve`] needs. It refuses to start where anybody could come in, or where what is said could be
//! read on the way. Invariant: without a key in use nothing listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::places::{self, Place};
use super::start::{Start, heard};
use super::{Exit, paint};
use crate::alert::Sender;
use crate::clock::now;
use crate::guard::Elsewhere;
use crate::proxy::{Reloads, Signals, Waiting, session_info};
use crate::record::SessionInfo;
use crate::serve::{Check, Current, Foundation, Ground, Listening, is_host, serve};
use crate::settings::{Durability, KeepArguments};
use crate::store::{Keys, Options, Others, Store};

const MORE: &str = "\
Every server of the policy file is reached at http://ADDR/mcp/NAME, with NAME from [servers.NAME]: Streamable HTTP, \
revisions 2025-03-26 to 2026-07-28. POST /v1/check judges a call that nobody makes, PATCH /api/v1/agents/AGENT changes an \
agent's mode. Each request needs a key in `Authorization: Bearer KEY`; the key says which agent it is, and so which mode \
holds. GET /healthz needs none.

Only requests that name this machine (localhost, 127.0.0.1, [::1]) and our port as their Host are answered, and no page of \
another origin. Behind a proxy with a name of its own, use --allow-host.

Examples:
  callgate keys add laptop --agent claude-code
  callgate serve
  callgate serve --listen 127.0.0.1:0 --config ./mcp.toml
  callgate serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --allow-host gate.example

SIGTERM and SIGINT end it once requests in flight are answered, SIGHUP has it look at the policy file.";

/// What the face is called, where servers have names: in the records of what it refuses, and among what runs.
pub(super) const FACE: &str = "(http)";

/// The command line of `serve`.
#[derive(Debug, Args)]
#[command(about = "Serve the policy file's servers over HTTP", after_help = MORE)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where to listen; port 0 for any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8377", value_parser = address)]
    listen: SocketAddr,
    /// The certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listen elsewhere than on loopback without TLS: keys can be read on the way
    #[arg(long)]
    allow_plaintext: bool,
    /// A name, or name and port, under which the face may be asked for; repeatable
    #[arg(long, value_name = "NAME", value_parser = host)]
    allow_host: Vec<String>,
    /// An origin whose pages may ask, as browsers write it; repeatable
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,
    /// Minutes after which a session ends that nobody uses
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    idle_timeout: u64,
}

impl Serve {
    /// Serves until it is told to end.
    pub fn run(self) -> anyhow::Result<Exit> {
        // One thread: servers die with the thread that starts them, and sessions need no locks.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())?;
        runtime.shutdown_background();
        Ok(Exit::Done)
    }

    async fn serve(self) -> anyhow::Result<()> {
        let signals = Signals::listen();
        let tls = self.tls()?;
        if tls.is_none() && !self.listen.ip().is_loopback() && !self.allow_plaintext {
            return Err(Exit::Usage.because(format!(
                "`{}` is not on loopback: give --tls-cert and --tls-key, or --allow-plaintext if keys may be read on the way",
                self.listen
            )));
        }
        let start = Start::load(&self.place)?;
        let path = places::store(&start.config)?;
        let keys = Keys::open(&path).context("cannot open the keys")?;
        if !keys.any().context("cannot read the keys")? {
            return Err(Exit::Usage.because(
                "no API key is in use, so nobody could come in: make one with `callgate keys add NAME`",
            ));
        }
        if start.config.settings.servers.is_empty() {
            paint::say("no [servers.NAME] in the policy file: there is nothing to reach at /mcp/NAME");
        }
        more_descriptors();
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on `{}` (--listen ADDR chooses another)", self.listen))?;
        let reloads = Arc::new(Reloads::default());
        let alerts = start.alerts()?;
        let foundation = self.foundation(&start, keys, (&path, &alerts), &reloads)?;
        let listening = Listening { listener, tls, hosts: self.allow_host, origins: self.allow_origin };
        let served = serve(listening, foundation, reloads, signals).await;
        alerts.finish(places::FAREWELL);
        Ok(served?)
    }

    fn foundation(
        &self,
        start: &Start,
        keys: Keys,
        (path, alerts): (&Path, &Arc<Sender>),
        reloads: &Arc<Reloads>,
    ) -> anyhow::Result<Foundation> {
        let info = session_info(&start.config, None, FACE, None)?;
        let Options { arguments, durability, .. } = start.options(alerts)?;
        let current = Current {
            config: Arc::clone(&start.config),
            source: start.source(now().unix_ms),
            unguarded: start.unguarded,
        };
        Ok(Foundation {
            current,
            watching: start.watch(reloads)?,
            keys,
            check: Check::new(Some(path.to_path_buf())),
            store: Mutex::new(Some(start.store(&info, alerts)?)),
            ground: Box::new(Here {
                store: path.to_path_buf(),
                arguments,
                durability,
                alerts: Arc::clone(alerts),
            }),
            idle: Duration::from_secs(self.idle_timeout.saturating_mul(60)),
            say: paint::say,
            alerts: Arc::clone(alerts),
        })
    }

    fn tls(&self) -> anyhow::Result<Option<TlsAcceptor>> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unusable(cert, &error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| unusable(cert, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8377 or [::1]:0".into())
}

/// A name that can stand in `Host`.
fn host(text: &str) -> Result<String, String> {
    let found = is_host(text).then(|| text.to_owned());
    found
        .ok_or_else(|| "write a name, or a name and a port, such as gate.example or gate.example:8443".into())
}

/// RFC 6454, section 7: `scheme://host[:port]`.
fn origin(text: &str) -> Result<String, String> {
    let found = text.split_once("://").filter(|(scheme, host)| !scheme.is_empty() && is_host(host));
    let found = found.map(|_| text.to_owned());
    found
        .ok_or_else(|| "write it as browsers do, such as https://app.example or http://localhost:3000".into())
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> anyhow::Error {
    Exit::Usage.because(format!("cannot use `{}` for TLS: {error}", path.display()))
}

/// Each session has a server and a way into the store: more files than a system allows by default.
fn more_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, fewer sessions find room.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// This machine, user and store.
struct Here {
    store: PathBuf,
    arguments: KeepArguments,
    durability: Durability,
    alerts: Arc<Sender>,
}

impl Ground for Here {
    fn store(&self, info: &SessionInfo) -> Store {
        let options = Options {
            arguments: self.arguments,
            durability: self.durability,
            ..Options::new(self.store.clone())
        };
        Store::start(heard(options, &self.alerts), info.clone())
    }

    fn elsewhere(&self, info: &SessionInfo) -> Box<dyn Elsewhere> {
        Box::new(Others::new(self.store.clone(), info.session.clone()))
    }

    fn waiting(&self, session: &str) -> Waiting {
        Waiting::new(self.store.clone(), session)
    }
}
