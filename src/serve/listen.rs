//! The listener: connections in, an orderly end.
//!
//! It refuses more connections than it can serve, and headers that do not come or do not end. Invariant: once
//! [`serve`] returns no session is left, and what was recorded is written.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper::rt::Executor;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::door::Door;
use super::face::{Face, Foundation};
use super::paths::{Peer, router};
use super::rest::Requests;
use crate::proxy::{Hangups, Reloads, Signals};

/// Connections at once; more wait.
const MOST_CONNECTIONS: usize = 1_024;
/// How long headers may take, and a TLS handshake; and how long a connection may stay on which nothing is asked.
const HEADER_PATIENCE: Duration = Duration::from_secs(30);
/// Header fields of a request.
const MOST_HEADERS: usize = 100;
/// All of them together, bytes.
const MOST_HEADER_BYTES: u32 = 64 << 10;
/// Requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 256;
/// From the wish to end to the end: what requests in flight get, and what ending servers take.
const WHOLE_END: Duration = Duration::from_secs(14);
/// How often keys that were revoked are looked for, and what was only counted is written down.
const ROUND: Duration = Duration::from_secs(5);
/// What the store gets at the end.
const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a connection that is of no use has to end by itself.
const GOODBYE: Duration = Duration::from_secs(2);
/// After a connection could not be taken: the system may be out of descriptors.
const BREATHER: Duration = Duration::from_millis(50);

/// Where and as whom the face listens.
pub struct Listening {
    /// The listener.
    pub listener: TcpListener,
    /// TLS, where it is spoken.
    pub tls: Option<TlsAcceptor>,
    /// Names beside those of loopback.
    pub hosts: Vec<String>,
    /// Origins beside our own.
    pub origins: Vec<String>,
}

/// Serves until it is asked to end and all is in order. For a current-thread runtime, on the main thread: servers are
/// told to die with the thread that starts them.
///
/// # Errors
/// Where the listener has no address.
pub async fn serve(
    listening: Listening,
    foundation: Foundation,
    reloads: Arc<Reloads>,
    signals: Signals,
) -> io::Result<()> {
    let address = listening.listener.local_addr()?;
    let scheme = if listening.tls.is_some() { "https" } else { "http" };
    let door = Door::new(address, scheme, &listening.hosts, &listening.origins);
    let face = Arc::new(Face::new(foundation, door));
    (face.foundation.say)(&format!("listening on {scheme}://{address}"));
    let Signals { mut asked, mut hangups } = signals;
    let local = LocalSet::new();
    let life = async {
        let (ending, end) = watch::channel(());
        let open = Open { router: router(Arc::clone(&face)), tls: listening.tls, end };
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        tokio::select! {
            never = open.accept(&listening.listener, &permits) => match never {},
            never = follow(&face, &reloads, &mut hangups) => match never {},
            () = asked.comes() => {}
        }
        drop((listening.listener, open));
        face.finish();
        // Connections that rest are closed, and those at work when they have answered.
        drop(ending);
        let over = async {
            while !face.is_empty() {
                face.left.notified().await;
            }
            let _ = permits.acquire_many(u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX)).await;
        };
        tokio::select! {
            _ = timeout(WHOLE_END, over) => {}
            () = asked.comes() => {}
        }
    };
    local.run_until(life).await;
    face.close(STORE_PATIENCE);
    Ok(())
}

/// What connections need.
struct Open {
    router: Router,
    tls: Option<TlsAcceptor>,
    /// Closes when the face ends.
    end: watch::Receiver<()>,
}

impl Open {
    async fn accept(&self, listener: &TcpListener, permits: &Arc<Semaphore>) -> Infallible {
        loop {
            let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return pending().await };
            match listener.accept().await {
                Ok((stream, peer)) => self.welcome(stream, peer, permit),
                Err(_) => sleep(BREATHER).await,
            }
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Small answers are not to wait for more.
        let _ = stream.set_nodelay(true);
        let router = self.router.clone().layer(Extension(Peer(peer)));
        let (end, tls) = (self.end.clone(), self.tls.clone());
        spawn_local(async move {
            match tls {
                None => connection(stream, router, end).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEADER_PATIENCE, tls.accept(stream)).await {
                        connection(stream, router, end).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    mut end: watch::Receiver<()>,
) {
    let mut builder = Builder::new(Here);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(usize::try_from(MOST_HEADER_BYTES).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_PATIENCE)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADER_BYTES);
    let (requests, router) = (Requests::default(), TowerToHyperService::new(router));
    let counted = service_fn(|request| {
        let (request_under_way, answer) = (requests.begin(), router.call(request));
        async move { Ok::<_, Infallible>(answer.await?.map(|body| request_under_way.until_the_end_of(body))) }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), counted));
    // How a connection ends concerns nobody: what was asked on it has its own end.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = end.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
        () = requests.rest(HEADER_PATIENCE) => {
            serving.as_mut().graceful_shutdown();
            let _ = timeout(GOODBYE, serving).await;
        }
    }
}

/// Takes over each new policy, passes SIGHUP on, and makes its rounds.
async fn follow(face: &Face, reloads: &Reloads, hangups: &mut Hangups) -> Infallible {
    let mut bell = reloads.bell();
    // What was published before the bell was listened to.
    face.adopt(reloads.take());
    let mut rounds = interval(ROUND);
    loop {
        tokio::select! {
            _ = bell.changed() => face.adopt(reloads.take()),
            () = hangups.comes() => face.look(),
            _ = rounds.tick() => {
                face.settle();
                face.expel();
            }
        }
    }
}

/// Runs what connections spawn where sessions live: on this thread.
#[derive(Clone)]
struct Here;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
