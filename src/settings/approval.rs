//! `[approval]`: how people are asked, and what holds when they do not answer.
//!
//! It refuses clocks that mean nothing. Invariant: what comes out has at least one channel, and times of at least a
//! second but for tests of a policy's author, who may write milliseconds.

use toml::Spanned;

use crate::guard::{Approval, OnTimeout};
use crate::policy::Channel;
use crate::policy::schema::{Reading, Section, Word, file_words};
use crate::record::{Confirm, Grant};

file_words!(OnTimeout {
    "deny" => OnTimeout::Deny,
    "allow" => OnTimeout::Allow,
});
file_words!(Confirm {
    "none" => Confirm::None,
    "tty" => Confirm::Tty,
});

/// The longest that a question may stay open, milliseconds.
const LONGEST: i64 = 31 * 86_400_000;

/// Reads the section.
pub(super) fn approval(mut section: Section<'_>, reading: &mut Reading) -> Approval {
    let default = Approval::default();
    let host_agents = section.strings("host_agents", reading);
    let mut approval = Approval {
        timeout_ms: clock(&mut section, "timeout", default.timeout_ms, reading),
        patience_ms: clock(&mut section, "patience", default.patience_ms, reading),
        on_timeout: section.word("on_timeout", reading).map(Spanned::into_inner).unwrap_or_default(),
        confirm: section.word("confirm", reading).map(Spanned::into_inner).unwrap_or_default(),
        grant: grant(&mut section, reading),
        channels: channels(&mut section, default.channels, reading),
        host_agents: host_agents
            .as_ref()
            .map(|agents| agents.get_ref().iter().map(|agent| agent.get_ref().clone()).collect())
            .unwrap_or_default(),
    };
    let asks_in_host = approval.channels.contains(&Channel::Host);
    match host_agents {
        Some(agents) if !asks_in_host => {
            let hint = "write `channels = [\"local\", \"host\"]` beside it";
            reading.fault_with(agents.span(), "`host_agents` needs the channel `host`", hint);
        }
        None if asks_in_host => {
            let hint = "name the agents whose hosts may ask: `host_agents = [\"claude-code\"]`";
            reading.note_with(section.key_span("channels"), "the channel `host` is for no agent yet", hint);
        }
        Some(_) | None => {}
    }
    if asks_in_host && approval.confirm == Confirm::Tty {
        approval.channels.retain(|channel| *channel != Channel::Host);
        let message = "hosts are not asked where approvals come from a terminal (`confirm = \"tty\"`)";
        let hint = "take `host` out of `channels`, or `confirm` away";
        let at = section.key_span("channels");
        if approval.channels.is_empty() {
            reading.fault_with(at, message, hint);
        } else {
            reading.note_with(at, message, hint);
        }
    }
    section.finish(reading);
    approval
}

fn clock(section: &mut Section<'_>, key: &'static str, default: i64, reading: &mut Reading) -> i64 {
    let Some(time) = section.duration(key, reading) else { return default };
    if !(1..=LONGEST).contains(time.get_ref()) {
        let hint = "between `1s` and `31d`";
        reading.fault_with(time.span(), format!("`{key}` is no time to wait for people"), hint);
    }
    time.into_inner()
}

fn grant(section: &mut Section<'_>, reading: &mut Reading) -> Grant {
    let Some(word) = section.string("grant", reading) else { return Grant::default() };
    Grant::from_word(word.get_ref()).unwrap_or_else(|| {
        let message = format!("`{}` is nothing that an approval could be good for", word.get_ref());
        reading.fault_with(word.span(), message, "`once`, `session`, or a duration such as `30m`");
        Grant::default()
    })
}

fn channels(section: &mut Section<'_>, default: Vec<Channel>, reading: &mut Reading) -> Vec<Channel> {
    let Some(words) = section.words::<Channel>("channels", reading) else { return default };
    let mut channels: Vec<Channel> = words.get_ref().iter().map(|word| *word.get_ref()).collect();
    if channels.is_empty() {
        let hint = format!("words: {}", Channel::WORDS.join(", "));
        reading.fault_with(words.span(), "`channels` names nobody to ask", hint);
    }
    channels.sort_unstable();
    channels.dedup();
    channels
}
