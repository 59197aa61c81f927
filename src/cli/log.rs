//! `callgate log`: what the store holds, filtered.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Exit;
use super::places::{self, Place};
use super::rows::Entry;
use crate::clock::now;
use crate::policy::Effect;
use crate::record::Outcome;
use crate::settings::{Audit, Config};
use crate::store::{Filter, Noticed, Order, Reader, StoreError};

const EXAMPLES: &str = "\
Examples:
  callgate log --since 2h --verdict deny        what was or would have been denied
  callgate log --tool 'write_*' --outcome blocked
  callgate log --server '(http)'                 what the HTTP face refused before it was a call
  callgate log --json --limit 1000 | jq -r .tool | sort | uniq -c";

/// The command line of `log`.
#[derive(Debug, Args)]
#[command(about = "Show recorded calls, and what else was noted, oldest first", after_help = EXAMPLES)]
pub(super) struct Log {
    #[command(flatten)]
    store: StorePlace,
    #[command(flatten)]
    which: Which,
    /// Not before: `2h`, `3d`, a date, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before: `2h`, `3d`, a date, or RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// The newest N of them
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: u32,
    /// One JSON object a line: the columns of the view `audit`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    notices: Notices,
}

/// Whether what is no call is printed.
#[derive(Debug, Args)]
pub(super) struct Notices {
    /// Every notice, with --json too; without this --json has calls alone, and the end of a session is not told of
    #[arg(long)]
    notices: bool,
}

impl Notices {
    /// Programs know the columns of calls, so they have to ask; who asks for what only calls have is given none.
    pub fn wanted(&self, json: bool, filter: &Filter) -> Option<Noticed> {
        let which = if self.notices { Some(Noticed::All) } else { (!json).then_some(Noticed::Telling) };
        which.filter(|_| !filter.is_about_calls())
    }
}

/// Where the store is.
#[derive(Debug, Args)]
pub(super) struct StorePlace {
    #[command(flatten)]
    place: Place,
    /// The audit store [default: the policy file's, else the usual one]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Which calls.
#[derive(Debug, Clone, Args)]
pub(super) struct Which {
    /// The tool: its name, or a glob
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub tool: Option<String>,
    /// The agent's key
    #[arg(long, value_name = "KEY")]
    pub agent: Option<String>,
    /// The session, or how its id begins
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// The server's name
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// A label that the call set
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// What the policy said: `allow`, `warn`, `require_approval`, `deny`
    #[arg(long, value_name = "VERDICT", value_parser = effect)]
    pub verdict: Option<Effect>,
    /// What happened: `forwarded`, `warned`, `blocked`, `approved`, `denied`, `expired`, `withdrawn`, `pending`,
    /// `fail_open`, `fail_closed`
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Option<Outcome>,
}

impl StorePlace {
    /// The store's path.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => places::store(&self.place.config()?.0),
        }
    }

    /// As [`Self::path`]; where the policy file is wrong, the store that it names all the same, else the usual one: what
    /// runs is not asked of the file.
    pub fn path_whatever_the_policy_says(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => match self.place.quiet_config()? {
                Some(config) => places::store(&config),
                None => self.place.store_all_the_same(),
            },
        }
    }

    /// A store that was named and is not there is a slip of the pen; the usual one may be yet to come.
    pub fn must_be_there_if_named(&self) -> anyhow::Result<()> {
        match &self.store {
            Some(path) if !path.exists() => Err(StoreError::Missing { path: path.clone() }.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// What the policy file says; `None` where it cannot be used.
    pub fn quiet_config(&self) -> anyhow::Result<Option<Config>> {
        self.place.quiet_config()
    }

    /// The store's path, and the policy file's settings.
    pub fn path_and_config(&self) -> anyhow::Result<(PathBuf, Config)> {
        let (config, _) = self.place.config()?;
        let path = self.store.clone().map_or_else(|| places::store(&config), Ok)?;
        Ok((path, config))
    }

    /// The store's path, and what the policy file says about it.
    pub fn path_and_settings(&self) -> anyhow::Result<(PathBuf, Audit)> {
        let (path, config) = self.path_and_config()?;
        Ok((path, config.settings.audit))
    }
}

impl Which {
    /// As the reader takes it.
    pub fn filter(self) -> Filter {
        Filter {
            tool: self.tool,
            agent: self.agent,
            session: self.session,
            server: self.server,
            label: self.label,
            verdict: self.verdict,
            outcome: self.outcome,
            ..Filter::default()
        }
    }
}

impl Log {
    /// Prints the rows.
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = self.store.path()?;
        let reader = Reader::open(&path)?;
        let filter = Filter {
            since_ms: self.since.map(Timestamp::as_millisecond),
            until_ms: self.until.map(Timestamp::as_millisecond),
            limit: Some(self.limit),
            order: Order::NewestFirst,
            ..self.which.filter()
        };
        let mut out = anstream::stdout().lock();
        let found = newest(&reader, &filter, self.notices.wanted(self.json, &filter))?;
        for entry in &found {
            writeln!(out, "{}", if self.json { entry.json()? } else { entry.line() })?;
        }
        if found.is_empty() && !self.json {
            writeln!(anstream::stderr(), "no calls match in `{}`", path.display())?;
        }
        Ok(Exit::Done)
    }
}

/// The newest entries that `filter` lets through, oldest first.
pub(super) fn newest(
    reader: &Reader,
    filter: &Filter,
    notices: Option<Noticed>,
) -> Result<Vec<Entry>, StoreError> {
    let notices = notices.map_or_else(|| Ok(Vec::new()), |which| reader.notices_among(filter, which))?;
    let mut found = Entry::merge(reader.rows(filter)?, notices);
    let limit = filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    found.drain(..found.len().saturating_sub(limit));
    Ok(found)
}

fn glob(text: &str) -> Result<String, String> {
    globset::Glob::new(text).map(|_| text.to_owned()).map_err(|error| error.kind().to_string())
}

fn effect(word: &str) -> Result<Effect, String> {
    Effect::from_word(word).ok_or_else(|| format!("one of {}", Effect::WORDS.join(", ")))
}

fn outcome(word: &str) -> Result<Outcome, String> {
    let words = || Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let known = Outcome::ALL.iter().find(|outcome| outcome.as_str() == word);
    known.copied().ok_or_else(|| format!("one of {}", words().collect::<Vec<_>>().join(", ")))
}

/// A moment as people type it: how long ago, a local date or time, or RFC 3339.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let zone = TimeZone::system();
    if let Ok(local) = text.parse::<DateTime>() {
        return local.to_zoned(zone).map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let ago: Span = text.parse().map_err(|_| "a time is `2h`, `3d`, `2026-01-31`, or RFC 3339".to_owned())?;
    let now = Timestamp::from_millisecond(now().unix_ms).map_err(|error| error.to_string())?;
    now.to_zoned(zone).checked_sub(ago).map(|at| at.timestamp()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_read_as_people_type_it() {
        let ms = |text| moment(text).unwrap().as_millisecond();
        assert!(ms("2h") < ms("1h") && ms("3d") < ms("2h"));
        assert_eq!(ms("2026-01-31T12:00:00Z"), 1_769_860_800_000);
        assert!(moment("2026-01-31").is_ok());
        assert!(moment("yesterday-ish").unwrap_err().contains("RFC 3339"));
    }
}
