//! Everything in mcp.toml that is not policy: servers, identity, audit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::policy::Policy;

/// One `mcp.toml`, whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is judged.
    pub policy: Policy,
    /// The rest.
    pub settings: Settings,
}

/// Everything that is not policy.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `[identity]`.
    pub identity: Identity,
    /// `[servers.NAME]`.
    pub servers: BTreeMap<String, Server>,
    /// `[audit]`.
    pub audit: Audit,
    /// `block_response`.
    pub block_response: BlockResponse,
    /// `max_frame`: a longer line is refused where something can enforce. Bytes.
    pub max_frame: usize,
}

/// `[identity]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The agent's key, unless `--agent` says otherwise.
    pub agent: Option<String>,
    /// Groups the user is in.
    pub groups: Vec<String>,
    /// `dev`, `prod`, …
    pub environment: Option<String>,
    /// What `{root}` means, absolute; the server's working directory where it is not given.
    pub root: Option<String>,
}

/// `[servers.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A child process on stdio.
    Child {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Added to its environment.
        env: BTreeMap<String, String>,
        /// Its working directory.
        cwd: Option<PathBuf>,
    },
    /// A remote server. Read and checked; not yet served.
    Remote {
        /// Where it is.
        url: String,
    },
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The file; the user's data folder where it is not given.
    pub path: Option<PathBuf>,
    /// What is kept of arguments.
    pub arguments: KeepArguments,
    /// How long rows are kept, milliseconds.
    pub retention_ms: i64,
    /// How large the file may grow, bytes.
    pub max_bytes: u64,
    /// When a commit counts as done.
    pub durability: Durability,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            path: None,
            arguments: KeepArguments::Redacted,
            retention_ms: 90 * 24 * 3_600_000,
            max_bytes: 1 << 30,
            durability: Durability::Normal,
        }
    }
}

/// `[audit] arguments`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepArguments {
    /// As they came.
    Full,
    /// Without secrets and with long values cut.
    #[default]
    Redacted,
    /// Only which members there were.
    Keys,
    /// Nothing.
    None,
}

/// `[audit] durability`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives the end of the process (`synchronous = NORMAL`).
    #[default]
    Normal,
    /// Survives a power cut (`synchronous = FULL`).
    Strict,
}

/// `block_response`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockResponse {
    /// A JSON-RPC error, -32001.
    #[default]
    Error,
    /// A result with `isError: true`.
    ToolResult,
}
