//! `callgate audit`: care for the store.

use std::io::Write as _;

use clap::{Args, Subcommand};

use super::Exit;
use super::log::StorePlace;
use crate::clock::now;
use crate::policy::{duration_ms, size_bytes};
use crate::settings::Audit;
use crate::store::{Act, Prune as What, Pruned, prune};

/// The sub-commands of `audit`.
#[derive(Debug, Subcommand)]
#[command(about = "Look after the audit store")]
pub(super) enum Command {
    Prune(Prune),
}

const ABOUT: &str = "\
Take old calls out of the store, by age and then by size

Nothing else ever deletes a record. What is left can still be verified: a keyed checkpoint keeps the
place where the chain was cut.";

/// The command line of `audit prune`.
#[derive(Debug, Args)]
#[command(about = ABOUT)]
pub(super) struct Prune {
    #[command(flatten)]
    store: StorePlace,
    /// Older calls go, such as `30d` [default: `retention` under [audit], else 90d]
    #[arg(long, value_name = "AGE", value_parser = age)]
    retention: Option<i64>,
    /// The oldest go until the file is no larger, such as `512MiB` [default: `max_bytes` under [audit], else 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_bytes: Option<u64>,
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the sub-command.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Prune(prune) => prune.run(),
        }
    }
}

impl Prune {
    fn run(self) -> anyhow::Result<Exit> {
        let (path, settings) = self.store.path_and_settings()?;
        let Audit { retention_ms, max_bytes, .. } = settings;
        let what = What {
            now_ms: now().unix_ms,
            retention_ms: self.retention.unwrap_or(retention_ms),
            max_bytes: self.max_bytes.unwrap_or(max_bytes),
            act: if self.dry_run { Act::DryRun } else { Act::Delete },
        };
        let pruned = prune(&path, &what)?;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&pruned)?)?;
        } else {
            writeln!(out, "{}", in_words(&pruned, what.act))?;
        }
        Ok(Exit::Done)
    }
}

fn age(text: &str) -> Result<i64, String> {
    duration_ms(text).ok_or_else(|| "an age is a number and s, m, h, d or w".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    size_bytes(text).ok_or_else(|| "a size is a number and B, KiB, MiB or GiB".to_owned())
}

fn in_words(pruned: &Pruned, act: Act) -> String {
    let verb = match act {
        Act::DryRun => "would go",
        Act::Delete => "are gone",
    };
    let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20);
    format!(
        "{} events {verb}; the store had {} and has {}",
        pruned.rows,
        mib(pruned.bytes_before),
        mib(pruned.bytes_after)
    )
}
