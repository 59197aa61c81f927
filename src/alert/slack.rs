//! Slack: blocks for an incoming webhook.
//!
//! It refuses to let a name be anything but text: fields are `plain_text`, in which nothing is a link or a mention.
//! Invariant: what stands in the summary, which Slack does read as markup, is escaped as Slack asks.

use serde_json::{Value, json};

use super::payload;
use super::sent::Sent;
use super::webhook::{Webhook, taken};
use crate::store::AlertRow;

/// More of a field is not shown; Slack refuses more than 2,000 characters.
const LONGEST_FIELD: usize = 500;
/// Slack refuses longer headers.
const LONGEST_HEADER: usize = 150;
/// Slack refuses more fields in one section.
const MOST_FIELDS: usize = 10;

/// An incoming webhook.
pub(super) struct Slack(Webhook);

impl Slack {
    pub fn new(url: &str) -> Result<Self, String> {
        Webhook::new(url, None).map(Self)
    }

    pub async fn send(&self, alert: &AlertRow) -> Sent {
        taken(self.0.request(&blocks(alert).to_string())).await
    }
}

fn blocks(alert: &AlertRow) -> Value {
    let sentence = payload::sentence(alert);
    let fields: Vec<Value> = payload::told(alert)
        .into_iter()
        .take(MOST_FIELDS)
        .map(|(name, value)| plain(&format!("{name}: {value}"), LONGEST_FIELD))
        .collect();
    let mut blocks = vec![json!({ "type": "header", "text": plain(&sentence, LONGEST_HEADER) })];
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let foot = format!("callgate alert {} at {}", alert.id, payload::when(alert));
    blocks.push(json!({ "type": "context", "elements": [plain(&foot, LONGEST_FIELD)] }));
    json!({ "text": escaped(&sentence), "blocks": blocks })
}

fn plain(text: &str, longest: usize) -> Value {
    let cut: String = text.chars().take(longest).collect();
    json!({ "type": "plain_text", "text": cut, "emoji": false })
}

/// `&`, `<` and `>` are all that Slack's markup takes for its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_call_everybody_into_a_channel() {
        let alert = AlertRow {
            id: "a1".into(),
            topic: "call".into(),
            severity: "high".into(),
            outcome: Some("blocked".into()),
            tool: Some("<!channel> & co".into()),
            server: "files".into(),
            count: 1,
            ..AlertRow::default()
        };
        let blocks = blocks(&alert);
        assert!(blocks["text"].as_str().unwrap().contains("&lt;!channel&gt; &amp; co"), "{blocks}");
        assert!(!blocks.to_string().contains("mrkdwn"), "{blocks}");
    }
}
