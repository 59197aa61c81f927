//! `callgate approvals`: the questions that calls wait for, and the answers to them.
//!
//! It refuses to answer by anything that an agent has seen: only the ids that stand in the store name a question. Invariant:
//! nothing that came from outside moves the cursor.

mod as_json;
mod ruling;
mod spelled;
mod watch;
mod words;

use std::io::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};

use super::Exit;
use super::log::StorePlace;
use super::paint::{DIM, painted};
use crate::proxy::Asking;
use crate::record::Grant;
use crate::store::{Approvals, Decision, QuestionRow, QuestionState, Which};

pub(super) use ruling::ruler;
use ruling::{Desk, Refused, typed_at_the_terminal};

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
#[command(about = "Refuse a call, or take back an approval by which calls can still go")]
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
        self.store.must_be_there_if_named()?;
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
    /// Rules on each that can be ruled on, and says why the others cannot.
    fn rule(&self, decision: &Decision) -> anyhow::Result<Exit> {
        let path = self.store.path_whatever_the_policy_says()?;
        let (mut ruled, mut refused, mut failed) = (Vec::new(), Vec::new(), None);
        if path.exists() {
            let desk = Desk { approvals: Approvals::open(&path)?, path: &path };
            for id in &self.questions {
                match desk.rule(id, decision, self.reason.as_deref(), &typed_at_the_terminal) {
                    Ok(Ok(question)) => ruled.push(question),
                    Ok(Err(why)) => refused.push(why.told(id)),
                    // The store or the terminal: the others would fare no better.
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        } else {
            refused.extend(self.questions.iter().map(|id| Refused::Unknown.told(id)));
        }
        self.tell(&path, &ruled)?;
        if let Some(error) = failed {
            return Err(error);
        }
        let Some((exit, _)) = refused.first() else { return Ok(Exit::Done) };
        let whys: Vec<&str> = refused.iter().map(|(_, why)| why.as_str()).collect();
        Err(exit.because(whys.join("\n")))
    }

    /// What holds is told even where another could not be ruled on.
    fn tell(&self, path: &Path, ruled: &[QuestionRow]) -> anyhow::Result<()> {
        let asking = Asking::new(path);
        let mut out = anstream::stdout().lock();
        if self.json {
            let ruled: Vec<String> =
                ruled.iter().map(|question| as_json(&asking, question)).collect::<Result<_, _>>()?;
            writeln!(out, "{}", as_json::array(&ruled))?;
        } else {
            for question in ruled {
                writeln!(out, "{}", words::ruled(question))?;
            }
        }
        Ok(out.flush()?)
    }
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
