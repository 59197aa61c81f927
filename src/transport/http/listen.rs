//! The stream that belongs to no request (2025-03-26 to 2025-11-25): what the server says of its own accord.
//!
//! It refuses to insist: a server that has no such stream is asked once. Invariant: no event is passed on twice as far
//! as the server resumes where we left off.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::sleep;

use super::exchange::{LONGEST_RETRY, RETRY, wait};
use super::link::{EVENT_STREAM, Gone, Link, Session, media_type};
use crate::wire::events::{Event, Events, one_line};
use crate::wire::glance;

/// Listens for as long as the server has such a stream.
pub(super) async fn listen(link: Arc<Link>, session: Session) {
    let mut events = Events::new(link.longest);
    let mut patience = RETRY;
    loop {
        let last_id = events.last_id().map(str::to_owned);
        match link.listen(&session, last_id.as_deref()).await {
            Ok(response) if response.status() == StatusCode::OK => {
                if media_type(&response).as_deref() != Some(EVENT_STREAM) {
                    return;
                }
                patience = RETRY;
                events.resume();
                if let Err(Gone) = follow(&link, response, &mut events).await {
                    return;
                }
                sleep(wait(&events)).await;
            }
            // Not found, not allowed, not for us: asking again would change nothing.
            Ok(response) if !response.status().is_server_error() => return,
            Ok(_) | Err(_) => {
                sleep(patience).await;
                patience = longer(patience);
            }
        }
    }
}

async fn follow(link: &Link, mut response: reqwest::Response, events: &mut Events) -> Result<(), Gone> {
    let mut found: Vec<Event> = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        // Of an event that is too long nothing can be said to anybody.
        events.feed(&chunk, |event| found.push(event)).map_err(|_| Gone)?;
        for event in found.drain(..) {
            if event.name == "message" {
                let message = one_line(event.data);
                if link.wants(&glance(message.trim_ascii_end()), &message) {
                    link.say(message, None).await?;
                }
            }
        }
    }
    Ok(())
}

fn longer(patience: Duration) -> Duration {
    (patience * 2).min(LONGEST_RETRY)
}
