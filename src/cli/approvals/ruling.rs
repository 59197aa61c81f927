//! Ruling on a question in the name of this process, and the yes that some questions want typed.
//!
//! It refuses to take a yes from a pipe. Invariant: whoever types yes has been shown what it is said to.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;

use anstream::adapter::strip_str;

use super::{as_text, words};
use crate::cli::Exit;
use crate::proxy::{Asking, user};
use crate::store::{Approvals, Decision, QuestionRow, QuestionState, Ruled, Ruler, SHORTEST_ID, ancestry};
use crate::wire::shown;

/// The questions, and where they are kept.
pub(super) struct Desk<'a> {
    pub approvals: Approvals,
    pub path: &'a Path,
}

/// Why a ruling does not hold.
pub(super) enum Refused {
    /// No question is called that.
    Unknown,
    /// Several are.
    Ambiguous,
    /// It cannot be, or not so.
    Because(String),
}

/// Shows something to whoever sits at the terminal, and gives the line that they type; `None` where nobody does.
pub(super) type Typed<'a> = &'a dyn Fn(&str, &QuestionRow) -> anyhow::Result<Option<String>>;

impl Refused {
    /// For people, with the exit code that it has.
    pub fn told(&self, id: &str) -> (Exit, String) {
        let name = shown(id);
        match self {
            Self::Unknown if id.chars().count() < SHORTEST_ID => {
                let hint = format!("write {SHORTEST_ID} characters or more of one in `callgate approvals`");
                (Exit::Usage, format!("`{name}` is too short for an id: {hint}"))
            }
            Self::Unknown => {
                let hint = "`callgate approvals` lists those that are open";
                (Exit::Usage, format!("no question has the id `{name}`: {hint}"))
            }
            Self::Ambiguous => {
                (Exit::Usage, format!("several questions begin with `{name}`: write more of it"))
            }
            Self::Because(why) => (Exit::Failed, why.clone()),
        }
    }
}

impl Desk<'_> {
    /// Rules in the name of this process; a yes that must be typed comes from `typed`.
    pub fn rule(
        &self,
        id: &str,
        decision: &Decision,
        reason: Option<&str>,
        typed: Typed<'_>,
    ) -> anyhow::Result<Result<QuestionRow, Refused>> {
        let mut found = self.approvals.find(id)?;
        let question = found.pop().filter(|_| found.is_empty());
        let by =
            match question.as_ref().map(|question| self.ruler_of(question, decision, typed)).transpose()? {
                Some(Ok(by)) => by,
                Some(Err(refused)) => return Ok(Err(refused)),
                // It is not known which one this will be, so nobody was asked for a yes.
                None => ruler(),
            };
        Ok(match self.approvals.rule(id, decision, &by, reason)? {
            Ruled::Taken(question) => Ok(*question),
            Ruled::Unknown => Err(Refused::Unknown),
            Ruled::Ambiguous => Err(Refused::Ambiguous),
            Ruled::Closed(question) => Err(Refused::Because(words::closed(&question))),
            Ruled::Unconfirmed(question) => Err(unconfirmed(&question, NO_TERMINAL)),
        })
    }

    fn ruler_of(
        &self,
        question: &QuestionRow,
        decision: &Decision,
        typed: Typed<'_>,
    ) -> anyhow::Result<Result<Ruler, Refused>> {
        let approves = matches!(decision, Decision::Approve(_));
        let tty = terminal();
        // What is closed needs no yes: the store says how it stands.
        if !approves || question.confirm != "tty" || question.state != QuestionState::Open {
            return Ok(Ok(Ruler { tty, ..ruler() }));
        }
        let asked = as_text(&Asking::new(self.path), question);
        let said = if tty.is_some() { typed(&asked, question)? } else { None };
        Ok(match said.as_deref().map(str::trim) {
            Some("yes") => Ok(Ruler { tty, ..ruler() }),
            Some(_) => Err(unconfirmed(question, "yes was not typed")),
            None => Err(unconfirmed(question, NO_TERMINAL)),
        })
    }
}

const NO_TERMINAL: &str = "it wants a terminal (`confirm = \"tty\"`): run this command in one, and type yes";

fn unconfirmed(question: &QuestionRow, why: &str) -> Refused {
    Refused::Because(format!("question {} is not approved: {why}", question.id))
}

/// This process, as it is recorded.
pub(in crate::cli) fn ruler() -> Ruler {
    let user = user();
    Ruler {
        user: Some(user.name),
        uid: Some(user.uid),
        pid: Some(std::process::id()),
        ancestry: Some(ancestry()),
        tty: None,
    }
}

/// The terminal that people read and type at; `None` where what is typed or told goes elsewhere.
fn terminal() -> Option<String> {
    let is_interactive = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let name = || std::fs::read_link("/proc/self/fd/0").map(|path| shown(&path.display().to_string()));
    is_interactive.then(|| name().unwrap_or_else(|_| "/dev/tty".to_owned()))
}

/// From the terminal itself, whatever stdin is.
pub(super) fn typed_at_the_terminal(asked: &str, _: &QuestionRow) -> anyhow::Result<Option<String>> {
    let Ok(terminal) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    writeln!(&terminal, "{}", strip_str(asked))?;
    write!(&terminal, "Type yes to approve: ")?;
    let mut typed = String::new();
    BufReader::new(&terminal).read_line(&mut typed)?;
    Ok(Some(typed))
}
