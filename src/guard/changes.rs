//! Telling people that a server's tools are not as pinned.
//!
//! It refuses to repeat what a server writes: a change is told by the names of tool and part. Invariant: a definition is
//! told once in a session, however often the server lists it.

use super::catalog::Change;
use super::effect::Outbox;
use super::pins::Difference;
use super::session::{Session, notice};
use crate::record::{NoticeKind, Now};
use crate::wire::shown;

/// How many tools are named on stderr for one list; the notices name each.
const MOST_SAID: usize = 5;
/// The name that servers share which nobody named.
const NAMELESS: &str = "default";
/// What people are told when the store does not say what is pinned.
const BLIND: &str = "the audit store cannot be read: whether tools have changed cannot be told";

impl Session {
    /// Tells what a list has that is not pinned.
    pub(super) fn tell_changes(&mut self, changes: &[Change], now: Now, out: &mut Outbox) {
        if self.stance.is_off() || changes.is_empty() {
            return;
        }
        let server = shown(&self.info.server);
        for change in changes {
            let (tool, how) = (shown(&change.tool), change.difference.in_words());
            let text = format!("tool `{tool}` of server `{server}` is not as pinned: {how}");
            out.records.push(notice(now, NoticeKind::ToolChanged, text));
        }
        out.say.push(said(changes, &server));
    }

    /// Says once that it cannot be told what is pinned, where a rule wants to know.
    pub(super) fn tell_unread_pins(&mut self, now: Now, out: &mut Outbox) {
        if self.stance.asks_for_pins() && self.catalog.goes_blind() {
            out.say.push(BLIND.to_owned());
            out.records.push(notice(now, NoticeKind::PastUnreadable, BLIND.to_owned()));
        }
    }
}

fn said(changes: &[Change], server: &str) -> String {
    let named = changes.iter().take(MOST_SAID);
    let mut named: Vec<String> =
        named.map(|change| format!("`{}` ({})", shown(&change.tool), change.difference.in_words())).collect();
    if let Some(more) = changes.len().checked_sub(MOST_SAID).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    let named = named.join(", ");
    let is_another = server == NAMELESS && changes.iter().all(|change| change.difference == Difference::New);
    let way_out = if is_another {
        "if this is another server, name it: `callgate run --server NAME`".to_owned()
    } else {
        format!("see `callgate tools --server {server}`")
    };
    format!("tools of server `{server}` are not as pinned: {named}; {way_out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(tool: &str, difference: Difference) -> Change {
        Change { tool: tool.to_owned(), difference }
    }

    #[test]
    fn a_few_tools_are_named_and_what_a_server_calls_them_moves_no_cursor() {
        let mut changes = vec![change("a\u{1b}[2J", Difference::In(vec!["description"]))];
        assert_eq!(
            said(&changes, "files"),
            "tools of server `files` are not as pinned: `a\\u{1b}[2J` (description differs); see `callgate tools --server files`"
        );
        changes.extend((0..7).map(|n| change(&format!("t{n}"), Difference::New)));
        assert!(said(&changes, "files").contains("`t3` (it is new), 3 more; see"));
    }

    #[test]
    fn a_server_without_a_name_that_lists_none_of_the_pinned_tools_may_be_another() {
        let new = [change("a", Difference::New)];
        assert!(said(&new, "default").contains("callgate run --server NAME"));
        assert!(said(&new, "files").contains("callgate tools"));
        assert!(
            said(&[change("a", Difference::In(Vec::new()))], "default").contains("its definition differs")
        );
    }
}
