//! Programs that run other programs, and how to find those among their arguments.
//!
//! It refuses to be complete: a program that is not here runs nothing else as far as we know. Invariant: an option
//! that is not listed is never taken for granted, see [`super::run`].

use std::collections::HashMap;
use std::sync::LazyLock;

use super::specs::{COMMAND, LOADER, PARALLEL, Spec, WRAPPERS, XARGS};

/// How a program runs others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It does not.
    Plain,
    /// Behind its options.
    Wrapper(&'static Spec),
    /// A shell.
    Shell,
    /// An interpreter of a language that we do not read.
    Language,
    /// A shell of Windows: what follows `/c` or `-Command`.
    Foreign,
    /// Its arguments, as a script that the shell puts together.
    Eval,
    /// A file, in the shell itself.
    Source,
    /// `command`: with `-v` it only looks up.
    Lookup(&'static Spec),
    /// The first argument.
    Trap,
    /// What stands behind `=` in its arguments.
    Alias,
    /// It sets variables.
    Declaration,
    /// A built-in command: with one of these flags it runs what an argument says, or runs it later.
    Callback(&'static str),
    /// A built-in command that takes names of variables, whose subscripts are evaluated.
    Subscript,
    /// `find`: behind `-exec` and its like.
    Find,
    /// What it reads becomes arguments.
    Xargs(&'static Spec),
    /// The same, through a shell.
    Parallel(&'static Spec),
    /// Behind a sub-command.
    Delegate,
    /// Its standard input is a script, whatever its arguments say.
    Input,
}

/// Sub-commands behind which a program stands at once: the program, the sub-command, the words in between.
const RUNNERS: &[(&str, &[&str], usize)] = &[
    ("uv", &["run"], 0),
    ("poetry", &["run"], 0),
    ("pipenv", &["run"], 0),
    ("pdm", &["run"], 0),
    ("hatch", &["run"], 0),
    ("rye", &["run"], 0),
    ("conda", &["run"], 0),
    ("bundle", &["exec"], 0),
    ("npm", &["exec", "x"], 0),
    ("pnpm", &["exec", "dlx"], 0),
    ("yarn", &["exec", "dlx"], 0),
    ("mise", &["exec", "x"], 0),
    ("direnv", &["exec"], 1),
    ("aws-vault", &["exec"], 1),
    ("doppler", &["run"], 0),
    ("op", &["run"], 0),
    ("kubectl", &["exec", "debug", "run"], 1),
    ("oc", &["exec", "debug", "run", "rsh"], 1),
];

/// Programs of containers.
pub(super) const CONTAINERS: [&str; 4] = ["docker", "podman", "nerdctl", "docker-compose"];

/// What a program does with its arguments; its name without folder, in lower case.
pub(super) fn kind(name: &str) -> Kind {
    match name {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ksh93" | "mksh" | "ash" | "fish" | "tcsh" | "csh"
        | "rbash" => Kind::Shell,
        "eval" => Kind::Eval,
        "." | "source" => Kind::Source,
        "command" => Kind::Lookup(&COMMAND),
        "trap" => Kind::Trap,
        "alias" => Kind::Alias,
        "export" | "declare" | "local" | "readonly" | "typeset" => Kind::Declaration,
        "mapfile" | "readarray" | "complete" => Kind::Callback("C"),
        "compgen" => Kind::Callback("CFW"),
        "bind" => Kind::Callback("x"),
        "enable" => Kind::Callback("f"),
        "hash" => Kind::Callback("p"),
        "test" | "[" | "[[" | "printf" | "read" | "unset" | "let" | "wait" | "getopts" => Kind::Subscript,
        "find" | "gfind" | "fd" | "fdfind" => Kind::Find,
        "xargs" | "gxargs" => Kind::Xargs(&XARGS),
        "parallel" => Kind::Parallel(&PARALLEL),
        "at" | "batch" => Kind::Input,
        "cmd" | "pwsh" | "powershell" => Kind::Foreign,
        "runuser" => Kind::Delegate,
        _ if name.starts_with("ld-linux") || name.starts_with("ld-musl") || name == "ld.so" => {
            Kind::Wrapper(&LOADER)
        }
        _ if is_language(name) => Kind::Language,
        _ if CONTAINERS.contains(&name) || runner(name).is_some() => Kind::Delegate,
        _ => named(name).map_or(Kind::Plain, Kind::Wrapper),
    }
}

/// The wrapper of this name.
pub(super) fn named(name: &str) -> Option<&'static Spec> {
    BY_NAME.get(name).copied()
}

/// Each program of a line is looked up.
static BY_NAME: LazyLock<HashMap<&str, &Spec>> = LazyLock::new(|| {
    let names = |spec: &'static Spec| spec.names.split_whitespace().map(move |name| (name, spec));
    // The first of a name holds.
    WRAPPERS.iter().rev().flat_map(names).collect()
});

/// The sub-commands of a program that run others, and how many words stand in front of those.
pub(super) fn runner(name: &str) -> Option<(&'static [&'static str], usize)> {
    RUNNERS
        .iter()
        .find(|(program, ..)| *program == name)
        .map(|(_, subcommands, words)| (*subcommands, *words))
}

/// Interpreters by name, with a version behind it.
fn is_language(name: &str) -> bool {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(
        plain,
        "python"
            | "pypy"
            | "perl"
            | "ruby"
            | "node"
            | "nodejs"
            | "php"
            | "lua"
            | "luajit"
            | "deno"
            | "bun"
            | "osascript"
            | "tclsh"
            | "rscript"
            | "groovy"
    )
}
