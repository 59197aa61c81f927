//! What people see: colour where a terminal reads it, plain text elsewhere.

use std::io::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use crate::policy::diagnostic::{Diagnostic, Paint};

/// Bad news.
pub(super) const RED: Style = AnsiColor::Red.on_default();
/// What would have been bad news.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Good news.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// What may be read later.
pub(super) const DIM: Style = Style::new().dimmed();
/// What must be read first.
pub(super) const BOLD: Style = Style::new().bold();

/// `text` in `style`; whoever prints it through anstream drops the colour where it is not wanted.
pub(super) fn painted(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A line of the sidecar's own on stderr, beside whatever the server writes there.
pub(super) fn say(line: &str) {
    // Nobody may be reading stderr; that must not end a session.
    let _ = writeln!(anstream::stderr(), "callgate: {line}");
}

/// A fault of our own. What a panic says may hold what a call said: only its place is told.
pub(super) fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    say(&format!("internal error at {place}: please report it"));
}

/// Why the command failed.
pub(super) fn error(text: &str) {
    let _ = writeln!(anstream::stderr(), "{} {text}", painted(RED.bold(), "error:"));
}

/// A fault or a note about a policy file.
pub(super) fn diagnostic(diagnostic: &Diagnostic, path: &Path, source: &str) {
    let around = |style: Style| [style.to_string(), format!("{style:#}")];
    let paint = Paint {
        fault: around(RED.bold()),
        note: around(AnsiColor::Cyan.on_default().bold()),
        message: around(BOLD),
        frame: around(AnsiColor::Blue.on_default()),
    };
    let _ = writeln!(
        anstream::stderr(),
        "{}",
        diagnostic.render_with(&path.display().to_string(), source, &paint)
    );
}
