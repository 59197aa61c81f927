//! Where the questions of a rule may be answered.
//!
//! It refuses a rule whose questions nobody could answer: it would look like a person in the loop and be a denial.
//! Invariant: of a policy without faults, each rule that asks for approval has a channel that is configured.

use super::fault;
use crate::policy::schema::{Reading, Rule, list_words};
use crate::policy::{Channel, Effect};

/// Checks the rules against the channels that `[approval]` has.
pub(super) fn check(rules: &[Rule], configured: &[Channel], reading: &mut Reading) {
    for rule in rules {
        let effect = rule.action.as_ref().map(|action| *action.get_ref());
        match (effect, &rule.channels) {
            (Some(Effect::RequireApproval), _) => check_one(rule, configured, reading),
            (_, Some(channels)) => {
                let hint = "only `action = \"require_approval\"` asks anybody";
                fault(reading, channels.span(), "`channels` goes with questions to people", hint);
            }
            (_, None) => {}
        }
    }
}

fn check_one(rule: &Rule, configured: &[Channel], reading: &mut Reading) {
    let mut left: Vec<Channel> = configured.to_vec();
    let mut at = rule.action.as_ref().map_or(0..0, toml::Spanned::span);
    if let Some(channels) = &rule.channels {
        at = channels.span();
        for channel in channels.get_ref() {
            if !configured.contains(channel.get_ref()) {
                let word = channel.get_ref().as_str();
                let known = list_words(configured.iter().map(|channel| channel.as_str()));
                let hint = format!("`[approval] channels` has: {known}");
                fault(reading, channel.span(), format!("there is no channel `{word}`"), &hint);
                return;
            }
        }
        left.retain(|channel| channels.get_ref().iter().any(|wanted| wanted.get_ref() == channel));
    }
    let class = rule.class.unwrap_or_default();
    if !class.may_be_asked_in_host() {
        left.retain(|channel| *channel != Channel::Host);
    }
    if left.is_empty() {
        let message = format!("nobody can be asked about what is {}", class.as_str().replace('_', " "));
        let hint = "hosts can be made to answer by themselves, so what cannot be undone is asked in `local`: \
            add it to `[approval] channels`";
        fault(reading, at, message, hint);
    }
}
