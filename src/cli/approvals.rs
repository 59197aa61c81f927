//! `callgate approvals`: the questions that calls wait for, and the answers to them.
//!
//! It refuses to answer by anything that an agent has seen: only the ids that stand in the store name a question. Invariant:
//! nothing that came from outside moves the cursor.

mod as_json;
mod spelled;
mod watch;
mod words;

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};

use super::Exit;
use super::log::StorePlace;
use super::paint::{DIM, painted};
use crate::proxy::{Asking, user};
use crate::record::Grant;
use crate::store::{Approvals, Decision, QuestionRow, QuestionState, Ruled, Ruler, Which, ancestry};
use crate::wire::shown;

const ABOUT: &str = "\
Answer the questions that calls wait for

A call that meets a rule with `action = \"require_approval\"`, where that is enforced, waits until a person rules. The \
question is a row in the audit store, so any terminal of the same user can answer it.

What an approval is good for stands with the question (`grant` under [approval]); it is bound to the agent or session, the \
server, the tool as it is defined, all arguments and the revision of the policy, and it ends. Whoever denies wins, as long \
as the call has not gone.

A program of the same user can answer, too, so an agent with a shell of yours can: see `People in the loop` in the README \
for what to do about that. Who answered is recorded: user id, process id, and the processes that it came through.";

const MORE: &str = "\
Examples:
  callgate approvals                                   what waits now
  callgate approvals --watch                           an inbox to leave open in a terminal
  callgate approvals approve 3f8k2m1q7c9w0x5d          this once, or what `grant` says
  callgate approvals approve 3f8k --grant 30m          its beginning is enough; calls like it for half an hour
  callgate approvals deny 3f8k --reason 'ask accounting first'
  callgate approvals --all --json                      everything that was ever asked, and who answered";

/// The command line of `approvals`.
#[derive(Debug, Args)]
#[command(about = "See what calls wait for a person, and answer", long_about = ABOUT, after_help = MORE)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Command {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Approve(Approve),
    Deny(Deny),
}

/// The command line of `approvals list`.
#[derive(Debug, Args)]
#[command(about = "Show the questions that are open, oldest first")]
struct List {
    #[command(flatten)]
    store: StorePlace,
    /// Answered and closed ones too
    #[arg(long)]
    all: bool,
    /// Go on: tell of each question as it comes, and take answers where a terminal is there to type them
    #[arg(long, conflicts_with = "all")]
    watch: bool,
    /// One JSON array; with --watch one object a line, whenever a question comes or closes
    #[arg(long)]
    json: bool,
}

/// The command line of `approvals approve`.
#[derive(Debug, Args)]
#[command(about = "Let a call run")]
struct Approve {
    #[command(flatten)]
    which: Ids,
    /// What it is good for: `once`, `session`, or a duration such as `30m` [default: what the question says]
    #[arg(long, value_name = "GRANT", value_parser = grant)]
    grant: Option<Grant>,
}

/// The command line of `approvals deny`.
#[derive(Debug, Args)]
#[command(about = "Refuse a call; also one that was approved and has not gone yet")]
struct Deny {
    #[command(flatten)]
    which: Ids,
}

#[derive(Debug, Args)]
struct Ids {
    /// Ids of questions, or how they begin (four characters or more)
    #[arg(value_name = "ID", required = true)]
    questions: Vec<String>,
    /// Why, in a sentence: recorded, and for a denial told to the agent
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    store: StorePlace,
    /// One JSON array of the questions as they stand now
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the sub-command; without one, the list.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.what {
            None => self.list.run(),
            Some(What::List(list)) => list.run(),
            Some(What::Approve(approve)) => approve.which.rule(&Decision::Approve(approve.grant)),
            Some(What::Deny(deny)) => deny.which.rule(&Decision::Deny),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path_whatever_the_policy_says()?;
        if self.watch {
            return watch::run(&path, self.json);
        }
        let which = if self.all { Which::All } else { Which::Open };
        // To look is no reason to make a store.
        let found = if path.exists() { Approvals::open(&path)?.list(which)? } else { Vec::new() };
        let asking = Asking::new(&path);
        let mut out = anstream::stdout().lock();
        if self.json {
            let found: Vec<String> =
                found.iter().map(|question| as_json(&asking, question)).collect::<Result<_, _>>()?;
            writeln!(out, "{}", as_json::array(&found))?;
            return Ok(Exit::Done);
        }
        for question in &found {
            writeln!(out, "{}", as_text(&asking, question))?;
        }
        let mut err = anstream::stderr().lock();
        match found.len() {
            0 if self.all => writeln!(err, "no question was asked yet")?,
            0 => writeln!(err, "no question is open; `--all` shows those that were")?,
            _ if self.all => {}
            _ => writeln!(
                err,
                "{}",
                painted(DIM, "callgate approvals approve ID | deny ID --reason TEXT | --watch")
            )?,
        }
        Ok(Exit::Done)
    }
}

impl Ids {
    /// Rules on each; the first that cannot be ruled on ends it.
    fn rule(&self, decision: &Decision) -> anyhow::Result<Exit> {
        let path = self.store.path_whatever_the_policy_says()?;
        let unknown = |id: &str| {
            Exit::Usage.because(format!(
                "no question has the id `{}`: `callgate approvals` lists those that are open",
                shown(id)
            ))
        };
        let Some(first) = self.questions.first() else { return Ok(Exit::Done) };
        if !path.exists() {
            return Err(unknown(first));
        }
        let approvals = Approvals::open(&path)?;
        let mut ruled = Vec::new();
        for id in &self.questions {
            match rule(&approvals, id, decision, self.reason.as_deref())? {
                Ok(question) => ruled.push(question),
                Err(Refused::Unknown) => return Err(unknown(id)),
                Err(Refused::Because(why)) => return Err(Exit::Failed.because(why)),
            }
        }
        let asking = Asking::new(&path);
        let mut out = anstream::stdout().lock();
        if self.json {
            let ruled: Vec<String> =
                ruled.iter().map(|question| as_json(&asking, question)).collect::<Result<_, _>>()?;
            writeln!(out, "{}", as_json::array(&ruled))?;
        } else {
            for question in &ruled {
                writeln!(out, "{}", words::ruled(question))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Why a ruling does not hold.
enum Refused {
    Unknown,
    Because(String),
}

/// Rules in the name of this process.
fn rule(
    approvals: &Approvals,
    id: &str,
    decision: &Decision,
    reason: Option<&str>,
) -> anyhow::Result<Result<QuestionRow, Refused>> {
    let mut found = approvals.find(id)?;
    let by = match (found.pop(), decision) {
        (Some(question), Decision::Approve(_)) if question.confirm == "tty" && found.is_empty() => {
            let Some(tty) = confirmed(&question)? else {
                let why = "it wants a terminal (`confirm = \"tty\"`): run this command in one, and type yes";
                return Ok(Err(Refused::Because(format!("question {} is not approved: {why}", question.id))));
            };
            Ruler { tty: Some(tty), ..ruler() }
        }
        _ => ruler(),
    };
    Ok(match approvals.rule(id, decision, &by, reason)? {
        Ruled::Taken(question) => Ok(*question),
        Ruled::Unknown => Err(Refused::Unknown),
        Ruled::Ambiguous => {
            Err(Refused::Because(format!("several questions begin with `{}`: write more of it", shown(id))))
        }
        Ruled::Closed(question) => Err(Refused::Because(words::closed(&question))),
        Ruled::Unconfirmed(question) => Err(Refused::Because(format!(
            "question {} is approved from an interactive terminal only",
            question.id
        ))),
    })
}

/// This process, as it is recorded.
pub(super) fn ruler() -> Ruler {
    let user = user();
    Ruler {
        user: Some(user.name),
        uid: Some(user.uid),
        pid: Some(std::process::id()),
        ancestry: Some(ancestry()),
        tty: None,
    }
}

/// Shows what is asked on the terminal and takes a typed yes from it: the terminal's name. Not from a pipe.
fn confirmed(question: &QuestionRow) -> anyhow::Result<Option<String>> {
    if question.state != QuestionState::Open {
        // What is closed needs no yes: the store says how it stands.
        return Ok(Some(String::new()));
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    let Ok(terminal) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let name = std::fs::read_link("/proc/self/fd/0").map(|path| shown(&path.display().to_string()));
    writeln!(&terminal, "{}", anstream::adapter::strip_str(&words::text(question, None)))?;
    write!(&terminal, "Type yes to approve: ")?;
    let mut typed = String::new();
    BufReader::new(&terminal).read_line(&mut typed)?;
    Ok((typed.trim() == "yes").then(|| name.unwrap_or_else(|_| "/dev/tty".to_owned())))
}

/// The arguments as they came, where a call still waits with them.
fn exact(asking: &Asking<'_>, question: &QuestionRow) -> Option<String> {
    (question.state == QuestionState::Open)
        .then(|| asking.exact_arguments(&question.session, &question.id))
        .flatten()
}

fn as_json(asking: &Asking<'_>, question: &QuestionRow) -> serde_json::Result<String> {
    as_json::json(question, exact(asking, question).as_deref())
}

fn as_text(asking: &Asking<'_>, question: &QuestionRow) -> String {
    words::text(question, exact(asking, question).as_deref())
}

fn grant(word: &str) -> Result<Grant, &'static str> {
    Grant::from_word(word).ok_or("write `once`, `session`, or a duration such as `30m`")
}
