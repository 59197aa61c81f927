//! `POST /v1/check`: what the policy would say of one call.

use axum::http::StatusCode;

use crate::settings::Config;

/// The status and the JSON body of the answer.
pub(super) fn answer(
    _config: &Config,
    _agent: Option<&str>,
    _server: Option<&str>,
    _body: &[u8],
) -> (StatusCode, Vec<u8>) {
    (StatusCode::NOT_IMPLEMENTED, b"{}".to_vec())
}
