//! The decision request: what a frame asks a server to do, read once and strictly.
//!
//! A frame that cannot be read is [`Reading::Malformed`], never "not a call": the difference between the
//! two is how gateways were bypassed.

use std::borrow::Cow;

use crate::wire::{Json, Malformed};

/// A governed request, as the policy sees it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The JSON-RPC method, decoded: `tools/call`, `resources/read`, …
    pub method: Cow<'a, str>,
    /// The tool, the prompt, or the URI of the resource; empty for methods that name nothing.
    pub name: Cow<'a, str>,
    /// `params.arguments` of `tools/call` and `prompts/get`, all of `params` elsewhere. Valid JSON of any type;
    /// `None` where the member is absent.
    pub arguments: Option<Json<'a>>,
}

/// What one message on the wire is to the gate.
#[derive(Debug, Clone)]
pub enum Reading<'a> {
    /// A request that the policy judges.
    Call(Call<'a>),
    /// A message that two parsers could read differently, or none can.
    Malformed(Malformed),
    /// Traffic that passes: answers, notifications, lists, the handshake.
    Other,
}
