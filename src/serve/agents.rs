//! `PATCH /api/v1/agents/{agent}`: the mode of one agent.

use std::path::Path;

use axum::http::StatusCode;

use crate::record::Assignment;
use crate::settings::Environment;
use crate::store::ApiKey;

/// The status, the JSON body of the answer, and what the store is to keep.
pub(super) fn assign(
    _file: Option<&Path>,
    _environment: &Environment,
    _agent: &str,
    _body: &[u8],
    _by: &ApiKey,
) -> (StatusCode, Vec<u8>, Option<Assignment>) {
    (StatusCode::NOT_IMPLEMENTED, b"{}".to_vec(), None)
}
