//! `callgate audit verify`: whether the store is as it was written.
//!
//! It refuses to mend anything. Invariant: a chain that is broken is never told by the exit code alone; everybody under
//! [alerts.to] hears of it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::alert::Sender;
use crate::cli::Exit;
use crate::cli::log::StorePlace;
use crate::cli::paint::{GREEN, RED, YELLOW, painted};
use crate::clock::now;
use crate::record::{Alarm, Topic};
use crate::settings::Alerts as Settings;
use crate::store::{Alerts, ChainFault, Reader, Verification};
use crate::wire::shown;

/// More faults than this are counted, not told.
const MOST_TOLD: usize = 20;
/// How long people are told of a fault; what is left over is sent by whatever runs.
const PATIENCE: Duration = Duration::from_secs(10);

const VERIFY: &str = "\
Exit code 5 where rows were changed, forged or taken from the middle; 6 where all that is wrong is that a \
session's last rows are gone; 1 where it could not be told. A chain that is broken alerts everybody under [alerts.to].

Who can write the file and its key can make it whole again: keep copies elsewhere. Of a session that did not end by \
itself (kill -9) nobody can tell whether there were later rows.";

/// The command line of `audit verify`.
#[derive(Debug, Args)]
#[command(about = "Whether the store is as it was written: compute its hash chain again", after_help = VERIFY)]
pub(in crate::cli) struct Verify {
    #[command(flatten)]
    store: StorePlace,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (path, config) = self.store.path_and_config()?;
        let found = Reader::open(&path)?.verify()?;
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&found)?)?;
        } else {
            writeln!(out, "{}", report(&found))?;
        }
        out.flush()?;
        // Whether the alert can be kept or not, the exit code tells what was found.
        if !found.faults.is_empty()
            && let Err(error) = tell(&path, &config.settings.alerts, &found)
        {
            writeln!(anstream::stderr(), "{} nobody was alerted: {error:#}", painted(YELLOW, "note:"))?;
        }
        Ok(match &*found.faults {
            [] => Exit::Done,
            faults if faults.iter().all(|fault| matches!(fault, ChainFault::CutShort { .. })) => {
                Exit::Truncated
            }
            _ => Exit::Tampered,
        })
    }
}

/// Alerts everybody that there is to alert.
fn tell(path: &Path, settings: &Settings, found: &Verification) -> anyhow::Result<()> {
    if settings.to.is_empty() {
        return Ok(());
    }
    let text = match &*found.faults {
        [fault] => format!("the audit store's hash chain is broken: {}", in_words(fault)),
        faults => format!("the audit store's hash chain is broken in {} places", faults.len()),
    };
    let sender = Sender::new(path);
    sender.adopt(settings);
    let alarm = Alarm { unix_ms: now().unix_ms, topic: Topic::ChainBroken, text, to: sender.everyone() };
    Alerts::open(path)?.raise(&alarm)?;
    sender.finish(PATIENCE);
    Ok(())
}

fn report(found: &Verification) -> String {
    let Verification { rows, sessions, faults, is_sealed } = found;
    let (style, verdict) = if faults.is_empty() { (GREEN, "whole") } else { (RED, "broken") };
    let mut lines = vec![format!("{}: {rows} rows of {sessions} sessions", painted(style, verdict))];
    lines.extend(faults.iter().take(MOST_TOLD).map(|fault| format!("  {}", in_words(fault))));
    if faults.len() > MOST_TOLD {
        lines.push(format!("  and {} more (--json has them all)", faults.len() - MOST_TOLD));
    }
    if !is_sealed {
        let note = "the store's key is not beside it, so its checkpoints were believed";
        lines.push(format!("{} {note}", painted(YELLOW, "note:")));
    }
    lines.join("\n")
}

fn in_words(fault: &ChainFault) -> String {
    match fault {
        ChainFault::Changed { session, n } => {
            format!("session {}: row {n} was changed, or stood behind another row", shown(session))
        }
        ChainFault::Gone { session, n } => format!("session {}: row {n} is gone", shown(session)),
        ChainFault::CutShort { session, n } => {
            format!("session {}: its last rows are gone, it had {n}", shown(session))
        }
        ChainFault::Checkpoint { id } => format!("checkpoint {id} does not carry the store's seal"),
    }
}
