//! The command line: the only home of clap, anyhow, printing and exit codes.
//!
//! One file per sub-command. stdout of `run` belongs to the protocol; nothing here prints there.

mod ack;
mod alerts;
mod approvals;
mod audit;
mod check;
mod demo;
mod explain;
mod fmt;
mod help;
mod keys;
mod known;
mod log;
mod paint;
mod places;
mod policy;
mod question;
mod rows;
mod run;
mod schema;
mod serve;
mod start;
mod status;
mod tail;
mod timeline;
mod tools;
mod upstream;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit codes, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// The policy is invalid.
    Policy = 3,
    /// A policy test failed.
    Differs = 4,
    /// The audit store was tampered with.
    Tampered = 5,
    /// The end of a session's records is gone.
    Truncated = 6,
}

/// A failure that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Coded {
    exit: Exit,
    message: String,
}

impl Exit {
    /// An error that ends the process with this code.
    fn because(self, message: impl Into<String>) -> anyhow::Error {
        Coded { exit: self, message: message.into() }.into()
    }
}

const ABOUT: &str = "\
callgate stands between an agent host and an MCP server and judges every tool call against mcp.toml.

Modes, weakest first:
  off      nothing is judged
  shadow   every call passes; what the policy would have said is recorded
  warn     every call passes; what would have been stopped raises a warning
  enforce  the policy's verdict takes force: a denied call is answered with JSON-RPC -32001";

const FIRST_STEPS: &str = "\
First steps:
  callgate demo                                  see it work on a bundled server
  callgate run -- npx -y @modelcontextprotocol/server-filesystem ~/app
                                                 what your agent host starts instead of the server
  callgate serve                                 the same over HTTP, for agents with a key
  callgate tail                                  watch what the agent does
  callgate status                                what each running callgate enforces
  callgate approvals --watch                     answer calls that wait for a person
  callgate approvals                             what calls wait for you to answer
  callgate alerts test                           does everybody under [alerts.to] hear of it?
  callgate policy check                          is mcp.toml right?
  callgate help policy                           the policy language, with examples
  callgate check --tool write_file --arguments '{\"path\": \"/etc/passwd\"}'
                                                 what would the policy say?

The policy is read from --config, else $CALLGATE_CONFIG, else callgate/mcp.toml in your config folder.";

#[derive(Debug, Parser)]
#[command(name = "callgate", version, about = ABOUT, after_help = FIRST_STEPS, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Serve(serve::Serve),
    Check(check::Check),
    Tail(tail::Tail),
    Log(log::Log),
    Status(status::Status),
    Approvals(approvals::Command),
    Ack(ack::Ack),
    Timeline(timeline::Timeline),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Alerts(alerts::Command),
    #[command(subcommand)]
    Audit(audit::Command),
    #[command(subcommand)]
    Keys(keys::Command),
    Tools(tools::Tools),
    Demo(demo::Demo),
    #[command(hide = true)]
    DemoServer(demo::DemoServer),
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(paint::panicked));
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    if help::asks_for_policy(&typed) {
        return match help::print_policy() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => ExitCode::from(report(&error.into())),
        };
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match arguments.command.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(report(&error)),
    }
}

impl Command {
    fn run(self) -> anyhow::Result<u8> {
        match self {
            Self::Run(run) => run.run(),
            Self::Serve(serve) => serve.run().map(code),
            Self::Check(check) => check.run().map(code),
            Self::Tail(tail) => tail.run().map(code),
            Self::Log(log) => log.run().map(code),
            Self::Status(status) => status.run().map(code),
            Self::Approvals(approvals) => approvals.run().map(code),
            Self::Ack(ack) => ack.run().map(code),
            Self::Timeline(timeline) => timeline.run().map(code),
            Self::Policy(policy) => policy.run().map(code),
            Self::Alerts(alerts) => alerts.run().map(code),
            Self::Audit(audit) => audit.run().map(code),
            Self::Keys(keys) => keys.run().map(code),
            Self::Tools(tools) => tools.run().map(code),
            Self::Demo(demo) => demo.run().map(code),
            Self::DemoServer(server) => server.run().map(code),
        }
    }
}

fn code(exit: Exit) -> u8 {
    exit as u8
}

/// Tells people what went wrong; the exit code for it. A reader that has gone away is no failure.
fn report(error: &anyhow::Error) -> u8 {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken) {
        return code(Exit::Done);
    }
    paint::error(&format!("{error:#}"));
    code(error.downcast_ref::<Coded>().map_or(Exit::Failed, |coded| coded.exit))
}
