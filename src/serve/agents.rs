//! `PATCH /api/v1/agents/{agent}`: the mode of one agent.

use axum::http::StatusCode;

use super::problem::{Problem, Reply};
use crate::proxy::Watching;
use crate::settings::Config;
use crate::store::ApiKey;

/// Sets `[agents.AGENT] mode` in the file that is watched.
pub fn assign(_: Option<&Watching>, _: &Config, _: &str, _: &[u8], _: &ApiKey) -> Reply {
    Problem::new(StatusCode::CONFLICT, "not_edited", "this version cannot edit the file").into_reply()
}
