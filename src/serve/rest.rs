//! Whether a connection is of use: whether something that was asked on it is under way.
//!
//! It refuses to know what is asked. Invariant: a request is under way from its headers to the last byte of its
//! response's body, or until that is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The requests of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    under_way: AtomicUsize,
    changed: Notify,
}

/// One of them.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Shared>);

impl Requests {
    /// One more.
    pub fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        self.0.changed.notify_one();
        UnderWay(Arc::clone(&self.0))
    }

    /// Resolves when none was under way for so long.
    pub async fn rest(&self, patience: Duration) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.under_way.load(Ordering::Relaxed) > 0 {
                changed.await;
            } else if timeout(patience, changed).await.is_err() {
                return;
            }
        }
    }
}

impl UnderWay {
    /// The body whose end is the end of the request.
    pub fn until_the_end_of(self, body: Body) -> Body {
        // Most are whole: they wait for nobody.
        if body.is_end_stream() { body } else { Body::new(Answer { body, _request: self }) }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

struct Answer {
    body: Body,
    _request: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_connection_rests_once_its_last_answer_has_ended() {
        let requests = Requests::default();
        let (one, two) = (requests.begin(), requests.begin());
        let body = one.until_the_end_of(Body::from("answer"));
        drop(two);
        let early = timeout(Duration::from_millis(20), requests.rest(AT_ONCE)).await;
        assert!(early.is_err(), "an answer is on its way");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "answer");
        requests.rest(AT_ONCE).await;
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_is_asked_rests() {
        Requests::default().rest(AT_ONCE).await;
    }

    #[test]
    fn a_body_keeps_its_length() {
        let body = Requests::default().begin().until_the_end_of(Body::from("12345"));
        assert_eq!(body.size_hint().exact(), Some(5));
    }
}
