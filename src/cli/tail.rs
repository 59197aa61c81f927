//! `callgate tail`: calls as they happen.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use globset::{Glob, GlobMatcher};

use super::log::{StorePlace, Which};
use super::{Exit, paint, rows};
use crate::policy::Effect;
use crate::record::Outcome;
use crate::store::{AuditRow, Filter, Order, Reader, StoreError};

/// How often the store is asked whether anything was committed: one cheap question.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// How often a store that does not exist is looked for.
const WAIT: Duration = Duration::from_millis(500);
/// How long a store may be without its tables: whoever makes it is not done yet.
const MAKING: Duration = Duration::from_secs(3);

/// The command line of `tail`.
#[derive(Debug, Args)]
#[command(about = "Watch calls as they happen, until interrupted")]
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
    /// Print the last calls and stop
    #[arg(long)]
    no_follow: bool,
}

impl Tail {
    /// Prints rows until interrupted, or until nobody reads.
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let Some(reader) = open(&path, self.no_follow)? else { return Ok(Exit::Done) };
        let wanted = Wanted::new(self.which)?;
        // Taken first: a call that comes in between is then printed by following, not lost.
        let mut last = reader.last_seq()?;
        let newest = Filter { limit: Some(self.lines), order: Order::NewestFirst, ..wanted.filter.clone() };
        let begun: Vec<AuditRow> = reader.rows(&newest)?.into_iter().filter(|row| row.seq <= last).collect();
        for row in begun.iter().rev() {
            print(row, self.json)?;
        }
        let mut version = None;
        if self.no_follow {
            return Ok(Exit::Done);
        }
        loop {
            let now = reader.data_version()?;
            if version.replace(now) != Some(now) {
                let (new, upto) = reader.follow(last)?;
                last = upto;
                for row in new.iter().filter(|row| wanted.admits(row)) {
                    print(row, self.json)?;
                }
            }
            std::thread::sleep(LOOK_AGAIN);
        }
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
}

fn print(row: &AuditRow, json: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(row)?)?;
    } else {
        writeln!(out, "{}", rows::line(row))?;
    }
    Ok(out.flush()?)
}
