//! Names of agents and servers that nearly are one that the file knows.
//!
//! A name that the file does not know at all may come from the command line and is left alone. Invariant: nothing is
//! said about a name that the file knows.

use super::Subject;
use crate::policy::Diagnostic;
use crate::policy::schema::did_you_mean;

/// Names that were probably misspelt.
pub(super) fn near(subject: Subject<'_>) -> Vec<Diagnostic> {
    let agents = || subject.policy.agents.keys().map(String::as_str);
    let servers = || subject.servers.iter().map(String::as_str);
    let mut notes = Vec::new();
    for written in subject.written {
        for (agent, place) in &written.modes {
            let near =
                if subject.policy.agents.contains_key(agent) { None } else { did_you_mean(agent, agents()) };
            let message = || format!("there is no [agents.{agent}] in this file");
            notes.extend(near.map(|hint| Diagnostic::note(place.clone(), message()).with_hint(hint)));
        }
        for server in &written.servers {
            let name = server.get_ref().trim_start_matches('!');
            let known = name.contains(['*', '?', '[', '{']) || subject.servers.contains(name);
            let near = if known { None } else { did_you_mean(name, servers()) };
            let message = || format!("there is no [servers.{name}] in this file");
            notes.extend(near.map(|hint| Diagnostic::note(server.span(), message()).with_hint(hint)));
        }
    }
    notes
}
