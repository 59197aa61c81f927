//! Where the demo plays: a folder with a policy, a few notes, and later a store.
//!
//! Invariant: nothing outside the folder is touched, and it is removed in the end unless it is to be kept.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::proxy::session_id;

/// The note that the agent is after.
pub(super) const NOTE: &str = "plan.md";
/// What it says.
pub(super) const PLAN: &str = "Ship on Friday.";

const NOTES: &[(&str, &str)] =
    &[("groceries.md", "Bread, coffee."), ("ideas.md", "A quieter fan."), (NOTE, PLAN)];

/// What the edit replaces, and what it leaves there.
const SHADOW: &str = "mode = \"shadow\"";
const ENFORCE: &str = "mode = \"enforce\"";

/// The policy without the store's place, which is different each time.
const POLICY: &str = r#"version = 1
mode = "shadow"

[policy]
name = "demo"

[[rule]]
id = "no-deleting"
tools = ["delete_*"]
action = "deny"
reason = "a deleted note cannot be brought back"
"#;

/// What becomes of the folder in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    Keep,
    Remove,
}

/// The folder.
pub(super) struct Stage {
    folder: PathBuf,
    afterwards: Afterwards,
}

impl Stage {
    /// Makes it, for this user only.
    pub fn set(afterwards: Afterwards) -> anyhow::Result<Self> {
        let above = std::env::temp_dir();
        let above = above.canonicalize().with_context(|| format!("no folder at `{}`", above.display()))?;
        let folder = above.join(format!("callgate-demo-{}", session_id()?));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.with_context(|| format!("cannot make `{}`", folder.display()))?;
        let stage = Self { folder, afterwards };
        fs::create_dir(stage.notes())?;
        for (name, text) in NOTES {
            fs::write(stage.notes().join(name), text)?;
        }
        let store = toml::Value::from(stage.store().display().to_string());
        fs::write(stage.policy(), format!("{POLICY}\n[audit]\npath = {store}\n"))?;
        Ok(stage)
    }

    /// All of it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// mcp.toml.
    pub fn policy(&self) -> PathBuf {
        self.folder.join("mcp.toml")
    }

    /// Where the server's notes are.
    pub fn notes(&self) -> PathBuf {
        self.folder.join("notes")
    }

    /// The audit store.
    pub fn store(&self) -> PathBuf {
        self.folder.join("audit.db")
    }

    /// Whether the note is there, with its text.
    pub fn has_plan(&self) -> bool {
        fs::read_to_string(self.notes().join(NOTE)).is_ok_and(|text| text == PLAN)
    }

    /// Whether the folder stays.
    pub fn is_kept(&self) -> bool {
        self.afterwards == Afterwards::Keep
    }

    /// Edits one word.
    pub fn enforce(&self) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.policy())?;
        let edited = text.replacen(SHADOW, ENFORCE, 1);
        ensure!(edited != text, "the policy has no `{SHADOW}` to edit");
        Ok(fs::write(self.policy(), edited)?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.afterwards == Afterwards::Remove {
            // A folder that stays in the temporary one is no reason to fail.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The policy as people are shown it.
pub(super) fn policy_shown() -> &'static str {
    POLICY
}
