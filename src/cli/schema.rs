//! `callgate policy schema`: mcp.toml as a JSON Schema, for editors.
//!
//! It reads nothing. Invariant: stdout holds the schema and nothing else.

use std::io::Write as _;

use clap::Args;

use super::Exit;
use crate::settings::json_schema;

const MORE: &str = "\
For completion and hints in an editor with taplo (Even Better TOML, Helix, Neovim, Zed):
  callgate policy schema > mcp.schema.json       beside mcp.toml
and as the first line of mcp.toml
  #:schema ./mcp.schema.json

The schema is rougher than `callgate policy check`, which has the last word.";

/// The command line of `policy schema`.
#[derive(Debug, Args)]
#[command(about = "Print a JSON Schema of mcp.toml, for editors", after_help = MORE)]
pub(super) struct Schema {}

impl Schema {
    /// Prints the schema.
    #[allow(clippy::unused_self)] // every sub-command is run the same way
    pub fn run(self) -> anyhow::Result<Exit> {
        writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&json_schema())?)?;
        Ok(Exit::Done)
    }
}
