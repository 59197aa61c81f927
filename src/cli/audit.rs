//! `callgate audit`: care for the store.

mod verify;

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
    Verify(verify::Verify),
    Prune(Prune),
}

const MORE: &str = "\
Nothing else ever deletes a record. What is left can still be verified: a keyed checkpoint keeps the \
place where the chain was cut.";

/// The command line of `audit prune`.
#[derive(Debug, Args)]
#[command(about = "Take old calls out of the store, by age and then by size", after_help = MORE)]
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
            Self::Verify(verify) => verify.run(),
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
    format!(
        "{} events {verb}; the store had {} and has {}",
        pruned.rows,
        size_in_words(pruned.bytes_before),
        size_in_words(pruned.bytes_after)
    )
}

/// Bytes in the unit that people would use.
fn size_in_words(bytes: u64) -> String {
    let tenths = |shift: u32| format!("{}.{}", bytes >> shift, ((bytes % (1 << shift)) * 10) >> shift);
    match bytes {
        ..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", tenths(20)),
        _ => format!("{} GiB", tenths(30)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Pruned, in_words, size_in_words};

    #[test]
    fn sizes_use_the_unit_that_people_would() {
        let sizes = [57_344, 1_572_864, 2_147_483_648].map(size_in_words);
        assert_eq!(sizes, ["56 KiB", "1.5 MiB", "2.0 GiB"]);
    }

    #[test]
    fn a_dry_run_says_would() {
        let pruned = Pruned { rows: 3, bytes_before: 8192, bytes_after: 4096, upto_seq: Some(6) };
        insta::assert_snapshot!(in_words(&pruned, Act::DryRun), @"3 events would go; the store had 8 KiB and has 4 KiB");
        insta::assert_snapshot!(in_words(&pruned, Act::Delete), @"3 events are gone; the store had 8 KiB and has 4 KiB");
    }
}
