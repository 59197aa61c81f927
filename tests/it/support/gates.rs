//! The commands that stand before a server's command: callgate with a policy.
//!
//! It refuses to touch the user's own configuration and store: each gate has a home of its own.
//!
//! Invariant: what a gate needs on disk lives exactly as long as its [`Gate`].

use std::ffi::OsString;
use std::fs;

use tempfile::TempDir;

use super::parts;

/// A command prefix with what it needs on disk.
pub struct Gate {
    /// For messages.
    pub name: String,
    /// The words before the server's command.
    pub prefix: Vec<OsString>,
    /// Holds `mcp.toml` and `audit.db`.
    _home: TempDir,
}

/// The gates that an ordinary conversation must pass unchanged: every call is judged and none is denied.
pub fn open_gates() -> Vec<Gate> {
    let rule = "[[rule]]\nid = \"never\"\ntools = [\"never_called\"]\naction = \"deny\"\n";
    ["shadow", "enforce"]
        .map(|mode| callgate(mode, &format!("version = 1\nmode = \"{mode}\"\n\n{rule}")))
        .into_iter()
        .collect()
}

/// The gate of one of the frame corpus's policies, in force as it is written. `None` where there is no such file.
pub fn of_policy(policy: &str) -> Option<Gate> {
    let text = fs::read_to_string(parts::fixture("frames/policies").join(format!("{policy}.toml"))).ok()?;
    Some(callgate(policy, &text))
}

/// The gate of one of the frame corpus's policies, in shadow.
pub fn of_policy_in_shadow(policy: &str) -> Option<Gate> {
    let text = fs::read_to_string(parts::fixture("frames/policies").join(format!("{policy}.toml"))).ok()?;
    Some(callgate(policy, &text.replace("mode = \"enforce\"", "mode = \"shadow\"")))
}

/// `callgate run` with this policy and a store of its own. The policy must have no `[audit]`.
pub fn callgate(name: &str, policy: &str) -> Gate {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("mcp.toml");
    let store = serde_json::json!(home.path().join("audit.db"));
    fs::write(&config, format!("{policy}\n[audit]\npath = {store}\n")).unwrap();
    let mut prefix: Vec<OsString> =
        [env!("CARGO_BIN_EXE_callgate"), "run", "--config"].map(OsString::from).to_vec();
    prefix.extend([config.into(), "--".into()]);
    Gate { name: name.to_owned(), prefix, _home: home }
}
