//! Syslog: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587, octet counting) and TLS (RFC 5425).
//!
//! It refuses to take bytes that were written for bytes that were read: a connection carries one batch, is closed on our
//! side, and counts only once the receiver has closed its own. Over UDP nobody ever says. Invariant: what comes from
//! outside cannot end a message, nor a field of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::payload;
use super::sent::{PATIENCE, Sent};
use crate::settings::{Payload, Protocol, Syslog};
use crate::store::AlertRow;

/// Facility 13, log audit (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;
/// How long a receiver may take to close.
const FAREWELL: Duration = Duration::from_secs(3);

/// A receiver of syslog messages.
pub(super) struct Receiver {
    syslog: Syslog,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
}

impl Receiver {
    pub fn new(syslog: &Syslog) -> Result<Self, String> {
        let tls = match syslog.protocol {
            Protocol::Udp | Protocol::Tcp => None,
            Protocol::Tls => Some(connector(&syslog.host)?),
        };
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self { syslog: syslog.clone(), tls, host })
    }

    /// All of them share their fate, for they share a connection.
    pub async fn send(&self, alerts: &[AlertRow]) -> Vec<Sent> {
        let messages: Vec<String> = alerts.iter().map(|alert| self.message(alert)).collect();
        let sent = timeout(PATIENCE, self.deliver(&messages)).await;
        let sent = sent.unwrap_or_else(|_| Err("it did not take the messages in time".to_owned()));
        alerts.iter().map(|_| sent.clone()).collect()
    }

    async fn deliver(&self, messages: &[String]) -> Sent {
        let told = |error: std::io::Error| error.to_string();
        let place = (self.syslog.host.as_str(), self.syslog.port);
        match (self.syslog.protocol, &self.tls) {
            (Protocol::Udp, _) => {
                let mut found = lookup_host(place).await.map_err(told)?;
                datagrams(found.next().ok_or("the name has no address")?, messages).await.map_err(told)
            }
            (Protocol::Tls, Some((connector, name))) => {
                let stream = TcpStream::connect(place).await.map_err(told)?;
                let stream = connector.connect(name.clone(), stream).await.map_err(told)?;
                counted(stream, messages).await.map_err(told)
            }
            (Protocol::Tcp | Protocol::Tls, _) => {
                counted(TcpStream::connect(place).await.map_err(told)?, messages).await.map_err(told)
            }
        }
    }

    /// RFC 5424, section 6. There is no structured data: an SD-ID of one's own needs an enterprise number, and what it
    /// would say is in the payload.
    fn message(&self, alert: &AlertRow) -> String {
        let priority = FACILITY * 8 + severity(&alert.severity);
        let host: String = self.host.chars().filter(char::is_ascii_graphic).take(255).collect();
        let host = if host.is_empty() { "-" } else { &host };
        let what = match self.syslog.payload {
            Payload::Cef => payload::cef(alert),
            Payload::Json => payload::json(alert).to_string(),
        };
        let pid = std::process::id();
        format!("<{priority}>1 {} {host} callgate {pid} {} - {what}", payload::when(alert), alert.topic)
    }
}

/// critical, error, warning, notice.
fn severity(word: &str) -> u8 {
    match word {
        "critical" => 2,
        "high" => 3,
        "medium" => 4,
        _ => 5,
    }
}

async fn datagrams(to: SocketAddr, messages: &[String]) -> std::io::Result<()> {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    for message in messages {
        socket.send(message.as_bytes()).await?;
    }
    Ok(())
}

/// `LENGTH SP MESSAGE`, then the end. A receiver that reads to the end closes as well; one that breaks the connection off
/// has lost something. One that does neither is believed to have read.
async fn counted(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    messages: &[String],
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
        bytes.extend_from_slice(message.as_bytes());
    }
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    let mut rest = [0; 64];
    loop {
        match timeout(FAREWELL, stream.read(&mut rest)).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(Ok(_)) => {}
            // TLS peers may close without saying so: that they closed is what counts.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

fn connector(host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "the name cannot be in a certificate")?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_the_header_of_rfc_5424() {
        let syslog = Syslog { protocol: Protocol::Udp, host: "h".into(), port: 514, payload: Payload::Json };
        let receiver = Receiver { syslog, tls: None, host: "box one\n".into() };
        let alert = AlertRow {
            topic: "call".into(),
            severity: "critical".into(),
            tool: Some("a\nb".into()),
            ..AlertRow::default()
        };
        let message = receiver.message(&alert);
        let head =
            format!("<106>1 1970-01-01T00:00:00.000Z boxone callgate {} call - {{", std::process::id());
        assert!(message.starts_with(&head), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}
