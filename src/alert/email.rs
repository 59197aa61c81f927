//! Mail: one message for each alert.
//!
//! It refuses to send in the clear but on loopback. Invariant: the id of the message is made of the alert's, so that
//! one that is sent twice can be told.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::payload;
use super::sent::{PATIENCE, Sent, variable};
use crate::settings::{Email, Security};
use crate::store::AlertRow;
use crate::transport::remote::chain;

/// Longer subjects are cut, characters.
const LONGEST_SUBJECT: usize = 120;

/// A mail server, and between whom mail goes.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub fn new(email: &Email) -> Result<Self, String> {
        let tls = || {
            TlsParameters::new_rustls(email.host.clone()).map_err(|error| format!("TLS: {}", chain(&error)))
        };
        let security = match email.security {
            Security::Tls => Tls::Wrapper(tls()?),
            Security::StartTls => Tls::Required(tls()?),
            Security::Plain => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
            .port(email.port)
            .tls(security)
            .timeout(Some(PATIENCE));
        if let (Some(user), Some(password)) = (&email.user_env, &email.password_env) {
            builder = builder.credentials(Credentials::new(variable(user)?, variable(password)?));
        }
        let to = email.to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
        Ok(Self { transport: builder.build(), from: mailbox(&email.from)?, to })
    }

    pub async fn send(&self, alert: &AlertRow) -> Sent {
        let message = self.message(alert)?;
        self.transport.send(message).await.map(drop).map_err(|error| chain(&error))
    }

    fn message(&self, alert: &AlertRow) -> Result<Message, String> {
        let subject = format!("[callgate] {}", payload::sentence(alert));
        let subject: String = subject.chars().take(LONGEST_SUBJECT).collect();
        let id = HeaderName::new_from_ascii_str("X-Callgate-Alert-Id");
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .message_id(Some(format!("<{}@callgate>", alert.id)))
            .raw_header(HeaderValue::new(id, alert.id.clone()))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder.body(payload::page(alert)).map_err(|error| chain(&error))
    }
}

fn mailbox(address: &str) -> Result<Mailbox, String> {
    let read: Result<Address, _> = address.parse();
    read.map(|address| Mailbox::new(None, address)).map_err(|_| format!("`{address}` is no mail address"))
}
