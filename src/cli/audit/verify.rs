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
session's last rows are gone, or that the file is empty; 1 where it cannot be told, as without the store's key. A chain \
that is broken alerts everybody under [alerts.to].

The chain holds sessions, modes, calls, gaps and notices; not what people were asked and said, warnings and alerts. Who can \
write the file and its key can make it whole again: keep copies elsewhere. Of the last session nobody can tell whether \
there were later rows if it did not end by itself (kill -9), or if its checkpoint was taken away with them.";

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
        let path = self.store.path_whatever_the_policy_says()?;
        let settings = self.store.quiet_config()?.map(|config| config.settings.alerts).unwrap_or_default();
        // To open it would fill it.
        if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
            let text = format!("`{}` is empty: what was in the audit store is gone", path.display());
            let sender = Sender::new(&path);
            sender.adopt(&settings);
            sender.alarm(Topic::ChainBroken, &text);
            sender.finish(PATIENCE);
            return Err(Exit::Truncated.because(text));
        }
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
            && let Err(error) = tell(&path, &settings, &found)
        {
            writeln!(anstream::stderr(), "{} nobody was alerted: {error:#}", painted(YELLOW, "note:"))?;
        }
        Ok(match &*found.faults {
            [] if found.is_sealed => Exit::Done,
            [] => Exit::Failed,
            faults if are_cut_short(faults) => Exit::Truncated,
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

fn are_cut_short(faults: &[ChainFault]) -> bool {
    faults.iter().all(|fault| matches!(fault, ChainFault::CutShort { .. }))
}

fn report(found: &Verification) -> String {
    let Verification { rows, sessions, faults, is_sealed } = found;
    let (style, verdict) = match &**faults {
        [] if *is_sealed => (GREEN, "whole"),
        [] => (YELLOW, "cannot be told"),
        faults if are_cut_short(faults) => (RED, "cut short"),
        _ => (RED, "tampered"),
    };
    let s = |count: u64| if count == 1 { "" } else { "s" };
    let counts = format!("{rows} row{} of {sessions} session{}", s(*rows), s(*sessions));
    let mut lines = vec![format!("{}: {counts}", painted(style, verdict))];
    lines.extend(faults.iter().take(MOST_TOLD).map(|fault| format!("  {}", in_words(fault))));
    if faults.len() > MOST_TOLD {
        lines.push(format!("  and {} more (--json has them all)", faults.len() - MOST_TOLD));
    }
    if !is_sealed {
        let note = "the store's key is not beside it, so what its checkpoints say was believed";
        lines.push(format!("{} {note}", painted(YELLOW, "note:")));
    }
    lines.join("\n")
}

fn in_words(fault: &ChainFault) -> String {
    match fault {
        ChainFault::Changed { session, n } => {
            format!("session {}: row {n} was changed, or stood behind another row", shown(session))
        }
        ChainFault::Gone { session, n: 0 } => format!("session {}: its first rows are gone", shown(session)),
        ChainFault::Gone { session, n } => format!("session {}: row {n} is gone", shown(session)),
        ChainFault::CutShort { session, n } => {
            format!("session {}: its last rows are gone, it had {n}", shown(session))
        }
        ChainFault::Checkpoint { id } => {
            format!(
                "checkpoint {id} does not carry the seal of the store's key: one of the two is not the one that was"
            )
        }
    }
}
