//! `callgate tail`: calls as they happen.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use globset::{Glob, GlobMatcher};

use super::log::{Notices, StorePlace, Which, newest};
use super::rows::Entry;
use super::{Exit, paint};
use crate::policy::Effect;
use crate::record::Outcome;
use crate::store::{AuditRow, Filter, NoticeRow, Order, Reader, StoreError};

/// How often the store is asked whether anything was committed: one cheap question.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// How often a store that does not exist is looked for.
const WAIT: Duration = Duration::from_millis(500);
/// How long a store may be without its tables: whoever makes it is not done yet.
const MAKING: Duration = Duration::from_secs(3);

/// The command line of `tail`.
#[derive(Debug, Args)]
#[command(about = "Watch calls, and what else is noted, as they happen, until interrupted")]
pub(super) struct Tail {
    #[command(flatten)]
    store: StorePlace,
    #[command(flatten)]
    which: Which,
    /// Begin with the last N calls
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: u32,
    /// One JSON object a line: the columns of the view `audit`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    notices: Notices,
    /// Print the last calls and stop
    #[arg(long)]
    no_follow: bool,
}

impl Tail {
    /// Prints rows until interrupted, or until nobody reads.
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let Some(reader) = open(&path, self.no_follow)? else { return Ok(Exit::Done) };
        let wanted = Wanted::new(self.which.clone())?;
        // Taken first: a call that comes in between is then printed by following, not lost.
        let mut last = reader.last_seq()?;
        let begin = Filter { limit: Some(self.lines), order: Order::NewestFirst, ..wanted.filter.clone() };
        let which = self.notices.wanted(self.json, &begin);
        let shown = newest(&reader, &begin, which)?;
        self.print(shown.into_iter().filter(|entry| entry.seq() <= last))?;
        let mut version = None;
        if self.no_follow {
            return Ok(Exit::Done);
        }
        loop {
            let now = reader.data_version()?;
            if version.replace(now) != Some(now) {
                let upto = reader.last_seq()?;
                let calls = reader.follow(last)?.0.into_iter().filter(|row| wanted.admits(row)).collect();
                let mut notices = if which.is_some() { reader.notices(last)? } else { Vec::new() };
                notices
                    .retain(|row| which.is_some_and(|which| which.admits(row)) && wanted.admits_notice(row));
                // What was committed since `upto` was asked for comes with the next look.
                let new = Entry::merge(calls, notices).into_iter().filter(|entry| entry.seq() <= upto);
                self.print(new)?;
                last = upto;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn print(&self, entries: impl Iterator<Item = Entry>) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        for entry in entries {
            writeln!(out, "{}", if self.json { entry.json()? } else { entry.line() })?;
        }
        Ok(out.flush()?)
    }
}

/// The store, as soon as there is one.
fn open(path: &Path, once: bool) -> anyhow::Result<Option<Reader>> {
    if !path.exists() {
        paint::say(&format!("no call has been recorded in `{}` yet", path.display()));
    }
    while !path.exists() && !once {
        std::thread::sleep(WAIT);
    }
    let mut patience = MAKING;
    loop {
        let opened = Reader::open(path).and_then(|reader| reader.last_seq().map(|_| reader));
        match opened {
            Ok(reader) => return Ok(Some(reader)),
            Err(_) if once && !path.exists() => return Ok(None),
            // Its first writer is still making it.
            Err(StoreError::Sqlite(_)) if !once && !patience.is_zero() => {
                patience = patience.saturating_sub(LOOK_AGAIN);
                std::thread::sleep(LOOK_AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The filter, for rows that have been read already.
struct Wanted {
    filter: Filter,
    tool: Option<GlobMatcher>,
}

impl Wanted {
    fn new(which: Which) -> anyhow::Result<Self> {
        let filter = which.filter();
        let tool = filter.tool.as_deref().map(Glob::new).transpose()?.map(|glob| glob.compile_matcher());
        Ok(Self { filter, tool })
    }

    fn admits(&self, row: &AuditRow) -> bool {
        let same = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        let word =
            |wanted: Option<&str>, value: &Option<String>| wanted.is_none() || wanted == value.as_deref();
        let filter = &self.filter;
        let session = filter.session.as_deref().unwrap_or_default();
        same(&filter.agent, &row.agent)
            && same(&filter.server, &row.server)
            && filter.label.as_ref().is_none_or(|label| row.labels.contains(label))
            && word(filter.verdict.map(Effect::as_str), &row.verdict)
            && word(filter.outcome.map(Outcome::as_str), &row.outcome)
            && row.session.as_deref().unwrap_or_default().starts_with(session)
            && self.tool.as_ref().is_none_or(|tool| tool.is_match(row.tool.as_deref().unwrap_or_default()))
    }

    fn admits_notice(&self, row: &NoticeRow) -> bool {
        let session = self.filter.session.as_deref().unwrap_or_default();
        (self.filter.server.is_none() || self.filter.server == row.server)
            && row.session.as_deref().unwrap_or_default().starts_with(session)
    }
}
