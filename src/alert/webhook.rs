//! Webhooks: a POST of JSON, signed where there is a secret.
//!
//! It refuses redirects: they would carry names elsewhere. Invariant: only a 2xx counts as taken, and no message tells
//! the address.
//!
//! The signature is that of Stripe's webhooks: `X-Callgate-Signature: t=SECONDS,v1=HEX` with HMAC-SHA256 over
//! `SECONDS.BODY`, so that an old request cannot be sent again as a new one.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::Url;

use super::payload;
use super::sent::{PATIENCE, Sent};
use crate::clock::unix_ms;
use crate::store::AlertRow;
use crate::transport::remote::{chain, client};

/// A webhook.
pub(super) struct Webhook {
    url: Url,
    secret: Option<String>,
    client: reqwest::Client,
}

impl Webhook {
    pub fn new(url: &str, secret: Option<String>) -> Result<Self, String> {
        let url =
            Url::parse(url).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or("the address is not an http or https address")?;
        let client = client(&url).map_err(|error| error.to_string())?;
        Ok(Self { url, secret, client })
    }

    pub async fn send(&self, alert: &AlertRow) -> Sent {
        let body = payload::json(alert).to_string();
        let mut request = self.request(&body).header("x-callgate-alert-id", &alert.id);
        if let Some(secret) = &self.secret {
            request = request.header("x-callgate-signature", signature(secret, unix_ms() / 1000, &body));
        }
        taken(request).await
    }

    /// A POST of JSON.
    pub fn request(&self, body: &str) -> reqwest::RequestBuilder {
        self.client
            .post(self.url.clone())
            .timeout(PATIENCE)
            .header("content-type", "application/json")
            .body(body.to_owned())
    }
}

/// Whether the other end took it.
pub(super) async fn taken(request: reqwest::RequestBuilder) -> Sent {
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("it answered {}", response.status())),
        Err(error) => Err(chain(&error.without_url())),
    }
}

/// `t=SECONDS,v1=HEX`
fn signature(secret: &str, seconds: i64, body: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.{body}").as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::signature;

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let expected = "t=1700000000,v1=8ad37ba156048ae0e0a5533c75cdf26fee88b07f93cb57ee4c80adb053012032";
        assert_eq!(signature("whsec", 1_700_000_000, "{\"a\":1}"), expected);
    }
}
