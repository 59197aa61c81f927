//! `callgate policy fmt`: the policy file in the one layout.
//!
//! It refuses files with faults. Invariant: a reader of the file, the reload of a running session among them, sees the
//! old text or the new one, never a part of either.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use similar::TextDiff;

use super::Exit;
use super::paint::{DIM, GREEN, RED, painted};
use super::places::{File, Place};
use crate::policy::parts;
use crate::settings::format::{Unformatted, format};

const MORE: &str = "\
Only the named file is laid out; what it includes is read with it. Comments and the spelling of numbers and regexes stay; keys of rules get one order, words their usual spelling, long
lists a line for each item. The result is compiled and compared with what was there before the file is replaced.";

/// The command line of `policy fmt`.
#[derive(Debug, Args)]
#[command(about = "Lay out the policy file; its meaning stays the same", after_help = MORE)]
pub(super) struct Fmt {
    /// The policy file [default: as --config]
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Show what would change and change nothing (exit code 4 where something would)
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
    /// Print the result and change nothing
    #[arg(long)]
    stdout: bool,
}

impl Fmt {
    /// Formats, shows or checks.
    pub fn run(self) -> anyhow::Result<Exit> {
        let place = Place { config: self.file.clone().or_else(|| self.place.config.clone()) };
        let file = place.required()?;
        let before = own_text(&file)?;
        let formatted = match format(&file.text, &file.environment) {
            Ok(text) => text,
            // The file was read without a fault a moment ago.
            Err(Unformatted::Faults(_) | Unformatted::Changed) => {
                let message = "cannot lay this file out without changing what it means; it is left as it is";
                return Err(Exit::Failed.because(message));
            }
        };
        let mut out = anstream::stdout().lock();
        if self.stdout {
            write!(out, "{formatted}")?;
            return Ok(Exit::Done);
        }
        if formatted == before {
            writeln!(out, "{} {}", painted(GREEN, "as it should be:"), file.path.display())?;
            return Ok(Exit::Done);
        }
        if self.check {
            write!(out, "{}", difference(&file.path, &before, &formatted))?;
            return Ok(Exit::Differs);
        }
        replace(&file.path, &formatted)?;
        writeln!(out, "{} {}", painted(GREEN, "formatted"), file.path.display())?;
        Ok(Exit::Done)
    }
}

/// The text of the file without what it includes, byte for byte: joined, it may have got a line end.
fn own_text(file: &File) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(&file.path).with_context(|| format!("cannot read `{}`", file.path.display()))?;
    let read = parts(&file.text).first().map_or("", |own| own.text(&file.text));
    if text.strip_suffix('\n').unwrap_or(&text) != read.strip_suffix('\n').unwrap_or(read) {
        return Err(Exit::Failed.because(format!("`{}` changed just now; try again", file.path.display())));
    }
    Ok(text)
}

/// A unified diff, which `patch` takes where no terminal reads.
fn difference(path: &Path, before: &str, formatted: &str) -> String {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(before, formatted);
    let text =
        diff.unified_diff().context_radius(2).header(&name, &format!("{name} (formatted)")).to_string();
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'-') => painted(RED, line),
        Some(b'+') => painted(GREEN, line),
        Some(b'@') => painted(DIM, line),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// Puts the text where the file is: written beside it, renamed over it. A link stays a link.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let told = || format!("cannot replace `{}`", path.display());
    let real = path.canonicalize().with_context(told)?;
    let before = real.metadata().with_context(told)?;
    let mut tag = [0; 8];
    getrandom::fill(&mut tag).context("the system gives no random numbers")?;
    let tag = u64::from_ne_bytes(tag);
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = real.with_file_name(format!(".{name}.{tag:016x}"));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        // Only root can give it to someone else, and then it should.
        let _ = fchown(&file, Some(before.uid()), Some(before.gid()));
        file.set_permissions(before.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &real)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside))).with_context(told)
}
