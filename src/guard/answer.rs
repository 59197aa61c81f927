//! The answer to "what would you say of this call?", for scripts that ask without forwarding anything.
//!
//! Invariant: shadow never hides the truth. Whatever `decision` says, `verdict` and `wouldBlock` tell what the
//! policy says were everything enforced.

use serde::Serialize;

use super::exchange::malformed_reason;
use crate::policy::{Effect, Mode, Policy, Verdict};
use crate::wire::Fault;

/// What one call would meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// What would happen, in the words of effects.
    pub decision: &'static str,
    /// The reason string.
    pub reason: String,
    /// The revision; `null` under off.
    pub policy_id: Option<String>,
    /// Names this answer; `null` under off.
    pub tool_call_id: Option<String>,
    /// The mode, where it is not enforce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement_mode: Option<&'static str>,
    /// What the policy says; `null` under off.
    pub verdict: Option<&'static str>,
    /// Whether the call would be stopped were everything enforced.
    pub would_block: bool,
}

impl Answer {
    /// The answer that belongs to a verdict on a call of `name`.
    pub fn of(policy: &Policy, verdict: Option<&Verdict>, name: &str, tool_call_id: String) -> Self {
        let Some(verdict) = verdict else { return Self::off() };
        let acting = verdict.acting;
        let stops = acting.effect > Effect::Warn;
        // What takes force speaks for itself; else the verdict speaks, in the mode that holds for it.
        let (by, mode) = if stops { (acting.by, acting.mode) } else { (verdict.by, verdict.mode) };
        let decision = match mode {
            Mode::Enforce => acting.effect,
            Mode::Off | Mode::Shadow | Mode::Warn => Effect::Allow,
        };
        Self {
            decision: decision.as_str(),
            reason: policy.reason(by, mode, name),
            policy_id: Some(policy.revision.to_string()),
            tool_call_id: Some(tool_call_id),
            enforcement_mode: (mode != Mode::Enforce).then_some(mode.as_str()),
            verdict: Some(verdict.effect.as_str()),
            would_block: verdict.effect > Effect::Warn,
        }
    }

    /// The answer to a request that `run` would take for malformed.
    pub fn of_malformed(
        policy: &Policy,
        verdict: Option<&Verdict>,
        fault: Fault,
        tool_call_id: String,
    ) -> Self {
        let answer = Self::of(policy, verdict, "", tool_call_id);
        let Some(verdict) = verdict else { return answer };
        Self { reason: malformed_reason(fault, verdict.mode), ..answer }
    }

    fn off() -> Self {
        Self {
            decision: Effect::Allow.as_str(),
            reason: "enforcement off".into(),
            policy_id: None,
            tool_call_id: None,
            enforcement_mode: Some(Mode::Off.as_str()),
            verdict: None,
            would_block: false,
        }
    }
}
