//! What a simple command runs beside itself: the programs behind `sudo`, `xargs`, `find -exec`, `bash -c` and so on.
//!
//! It refuses to know what an option means that is not listed: then it reads on as if the option had no value, and
//! is in doubt. Invariant: each wrapper is one level deeper, so that a chain of them cannot multiply the work.

use super::script::Shell;
use super::specs::{Assigns, CONTAINER, Rest, Spec, has};
use super::word::{Unknown, Word};
use super::wrappers::{self, Kind};
use super::{Command, Doubt, Lexed};

/// What `find` begins its paths with is known up to this length. Bytes.
const LONGEST_START: usize = 256;

/// Whether arguments follow that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// What the standard input of a command is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing that it runs.
    Data,
    /// A shell script.
    Script,
    /// Code in another language, which is not read.
    Code,
}

/// Where reading the options of a wrapper ended.
struct Behind<'w> {
    rest: &'w [Word],
    /// Whether an option brought a script, which is read already.
    script: bool,
}

impl Shell<'_, '_> {
    /// Tells a command and all that it runs.
    pub(super) fn run(&mut self, words: &[Word]) -> Input {
        self.run_with(words, More::No).unwrap_or_else(|doubt| {
            self.listener.doubt(doubt);
            Input::Data
        })
    }

    fn run_with(&mut self, words: &[Word], more: More) -> Lexed<Input> {
        let Some((program, arguments)) = words.split_first() else {
            return if more == More::Yes { Err(Doubt::Hidden) } else { Ok(Input::Data) };
        };
        self.fuel.burn_words(words)?;
        let name = program.program().ok_or(Doubt::Hidden)?.to_ascii_lowercase();
        self.listener.command(&Command { program, arguments, more: more == More::Yes });
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        let kind = wrappers::kind(name);
        if matches!(kind, Kind::Plain) {
            return Ok(Input::Data);
        }
        self.deeper(|shell| shell.delegated(kind, name, arguments, more))
    }

    fn delegated(&mut self, kind: Kind, name: &str, arguments: &[Word], more: More) -> Lexed<Input> {
        let first = arguments.first();
        match kind {
            Kind::Plain => Ok(Input::Data),
            Kind::Wrapper(spec) => self.wrapped(spec, arguments, more),
            Kind::Shell => self.shell(arguments, more),
            Kind::Language => {
                let reads = more == More::No && first.is_none_or(|word| word.text() == "-");
                Ok(if reads { Input::Code } else { Input::Data })
            }
            Kind::Foreign => self.foreign(arguments),
            Kind::Eval => Err(Doubt::Hidden),
            Kind::Source => match first {
                Some(file) if !is_plain_file(file) => Err(Doubt::Hidden),
                Some(_) | None => Ok(Input::Data),
            },
            Kind::Lookup(spec) => {
                let looks = first.is_some_and(|word| matches!(word.text(), "-v" | "-V" | "-pv" | "-pV"));
                if looks { Ok(Input::Data) } else { self.wrapped(spec, arguments, more) }
            }
            Kind::Trap => {
                self.trap(arguments);
                Ok(Input::Data)
            }
            Kind::Alias => {
                self.aliases(arguments);
                Ok(Input::Data)
            }
            Kind::Callback(flags) => {
                let runs = |word: &Word| {
                    word.known()
                        .is_none_or(|text| text.starts_with('-') && text.contains(|c| flags.contains(c)))
                };
                if arguments.iter().any(runs) { Err(Doubt::Hidden) } else { Ok(Input::Data) }
            }
            Kind::Subscript => {
                let evaluates = |word: &Word| word.text().contains('[') && substitutes(word.text());
                if arguments.iter().any(evaluates) { Err(Doubt::Hidden) } else { Ok(Input::Data) }
            }
            Kind::Declaration => {
                arguments
                    .iter()
                    .filter_map(Word::assignment)
                    .for_each(|(name, value)| self.assigned(name, value));
                Ok(Input::Data)
            }
            Kind::Find => {
                self.find(name, arguments);
                Ok(Input::Data)
            }
            Kind::Xargs(spec) => {
                let behind = self.behind_options(spec, arguments)?;
                let mark = replaced(arguments);
                let marked: Vec<Word> = behind.rest.iter().map(|word| word.filled(&mark, "")).collect();
                self.run_with(&marked, More::Yes)
            }
            Kind::Parallel(spec) => self.parallel(spec, arguments),
            Kind::Delegate => self.subcommand(name, arguments, more),
            Kind::Input => Ok(Input::Script),
        }
    }

    /// The program behind the options of a wrapper.
    fn wrapped(&mut self, spec: &Spec, arguments: &[Word], more: More) -> Lexed<Input> {
        if spec.rest == Rest::ScriptOrShell && arguments.iter().any(|word| brings_a_command(word.text())) {
            self.listener.doubt(Doubt::Hidden);
        }
        let behind = self.behind_options(spec, arguments)?;
        if behind.script {
            return Ok(Input::Data);
        }
        self.rest(spec.rest, behind.rest, more)
    }

    pub(super) fn rest(&mut self, kind: Rest, words: &[Word], more: More) -> Lexed<Input> {
        let alone = words.is_empty() && more == More::No;
        match kind {
            Rest::ProgramOrShell | Rest::ScriptOrShell if alone => Ok(Input::Script),
            Rest::Program | Rest::ProgramOrShell => self.run_with(words, more),
            Rest::Shell => self.shell(words, more),
            Rest::Script | Rest::ScriptOrShell => {
                let mut script = Word::joined(words);
                if more == More::Yes {
                    script.push(" ");
                    script.gap(Unknown::Any);
                }
                self.fed(&script);
                Ok(Input::Data)
            }
        }
    }

    /// Passes over options, assignments and operands.
    fn behind_options<'w>(&mut self, spec: &Spec, arguments: &'w [Word]) -> Lexed<Behind<'w>> {
        let mut behind = Behind { rest: arguments, script: false };
        let (mut operands, mut options) = (spec.operands, true);
        while let Some((word, after)) = behind.rest.split_first() {
            if spec.assigns == Assigns::Yes
                && let Some((name, value)) = assignment(word)
            {
                self.assigned(&name, value);
                behind.rest = after;
                continue;
            }
            match word.known() {
                Some("--") if options => {
                    options = false;
                    behind.rest = after;
                }
                Some("-") if options && operands == 0 => behind.rest = after,
                Some(text) if options && text.starts_with("--") => {
                    self.long_option(spec, text, &mut behind)?;
                }
                Some(text) if options && text.len() > 1 && text.starts_with('-') => {
                    self.short_options(spec, text, &mut behind)?;
                }
                Some("-") if options => behind.rest = after,
                Some(_) if operands > 0 => {
                    operands -= 1;
                    behind.rest = after;
                }
                None if operands > 0 && word.unknown() == Unknown::Part => {
                    operands -= 1;
                    behind.rest = after;
                }
                Some(_) | None => break,
            }
        }
        Ok(behind)
    }

    fn long_option(&mut self, spec: &Spec, text: &str, behind: &mut Behind<'_>) -> Lexed<()> {
        let (name, value) = text.trim_start_matches('-').split_once('=').map_or_else(
            || (text.trim_start_matches('-'), None),
            |(name, value)| (name, Some(value.to_owned())),
        );
        behind.rest = behind.rest.get(1..).unwrap_or_default();
        if has(spec.long_valued, name) {
            return self.option_value(spec, name, value.filter(|value| !value.is_empty()), behind);
        }
        if !has(spec.long, name) {
            self.listener.doubt(Doubt::Hidden);
        }
        Ok(())
    }

    fn short_options(&mut self, spec: &Spec, text: &str, behind: &mut Behind<'_>) -> Lexed<()> {
        behind.rest = behind.rest.get(1..).unwrap_or_default();
        for (at, letter) in text.char_indices().skip(1) {
            if spec.valued.contains(letter) {
                let value = text.get(at + letter.len_utf8()..).filter(|value| !value.is_empty());
                return self.option_value(spec, &letter.to_string(), value.map(str::to_owned), behind);
            }
            if !spec.flags.contains(letter) {
                self.listener.doubt(Doubt::Hidden);
            }
        }
        Ok(())
    }

    /// The value of an option, of which only a script matters.
    fn option_value(
        &mut self,
        spec: &Spec,
        name: &str,
        attached: Option<String>,
        behind: &mut Behind<'_>,
    ) -> Lexed<()> {
        let value = if let Some(value) = attached {
            Word::plain(value)
        } else {
            let Some((value, after)) = behind.rest.split_first() else { return Ok(()) };
            behind.rest = after;
            value.clone()
        };
        if value.unknown() == Unknown::Any {
            // It may be more than the value.
            return Err(Doubt::Hidden);
        }
        if has(spec.scripts, name) {
            behind.script = true;
            self.fed(&value);
        }
        Ok(())
    }

    /// What stands between `-exec` and `;` or `+`.
    fn find(&mut self, name: &str, arguments: &[Word]) {
        const FIND: &[&str] = &["-exec", "-execdir", "-ok", "-okdir"];
        const FD: &[&str] = &["-x", "-X", "--exec", "--exec-batch"];
        let is_fd = matches!(name, "fd" | "fdfind");
        let options = if is_fd { FD } else { FIND };
        // A long one would be copied to each of many marks.
        let start = if is_fd { "" } else { start_of_search(arguments) };
        let start = if start.len() > LONGEST_START { "" } else { start };
        let mut rest = arguments;
        while let Some(at) = rest.iter().position(|word| options.contains(&word.text())) {
            let from = rest.get(at + 1..).unwrap_or_default();
            let ends = |word: &Word| matches!(word.text(), ";" | "+");
            let length = from.iter().position(ends).unwrap_or(from.len());
            let words: Vec<Word> = from.iter().take(length).map(|word| word.filled("{}", start)).collect();
            // What it runs has no input of its own.
            let _ = self.run_with(&words, More::No).map_err(|doubt| self.listener.doubt(doubt));
            rest = from.get(length..).unwrap_or_default();
        }
    }

    fn parallel(&mut self, spec: &Spec, arguments: &[Word]) -> Lexed<Input> {
        let separates = |word: &Word| word.text().starts_with(":::");
        let at = arguments.iter().position(separates).unwrap_or(arguments.len());
        let (before, after) = arguments.split_at(at);
        let behind = self.behind_options(spec, before)?;
        if !behind.rest.is_empty() {
            let marked: Vec<Word> = behind.rest.iter().map(|word| word.filled("{}", "")).collect();
            return self.rest(Rest::Script, &marked, More::Yes);
        }
        if after.is_empty() {
            return Err(Doubt::Hidden);
        }
        for script in after.iter().skip(1) {
            self.fed(script);
        }
        Ok(Input::Data)
    }

    /// What a sub-command such as `docker exec` or `uv run` runs.
    fn subcommand(&mut self, name: &str, arguments: &[Word], more: More) -> Lexed<Input> {
        if name == "runuser" {
            let as_user = arguments
                .iter()
                .any(|word| word.text().starts_with("-u") || word.text().starts_with("--user"));
            return match wrappers::named(if as_user { "sudo" } else { "su" }) {
                Some(spec) => self.wrapped(spec, arguments, more),
                None => Err(Doubt::Hidden),
            };
        }
        let is_container = wrappers::CONTAINERS.contains(&name);
        let (subcommands, words) =
            wrappers::runner(name).filter(|_| !is_container).unwrap_or((&["exec", "run"], 0));
        let Some(rest) = behind_subcommand(arguments, subcommands) else { return Ok(Input::Data) };
        if is_container { self.wrapped(&CONTAINER, rest, more) } else { self.runner(rest, words, more) }
    }

    /// The program behind `--`, or behind a number of words.
    fn runner(&mut self, arguments: &[Word], words: usize, more: More) -> Lexed<Input> {
        if let Some(at) = arguments.iter().position(|word| word.text() == "--") {
            return self.run_with(arguments.get(at + 1..).unwrap_or_default(), more);
        }
        let options = arguments.iter().take_while(|word| word.text().starts_with('-')).count();
        if options > 0 {
            self.listener.doubt(Doubt::Hidden);
        }
        self.run_with(arguments.get(options + words..).unwrap_or_default(), more)
    }
}

/// What stands behind one of these sub-commands: the first word, or further on where options or a group of commands
/// stand in front.
fn behind_subcommand<'w>(arguments: &'w [Word], subcommands: &[&str]) -> Option<&'w [Word]> {
    let first = arguments.first()?.text();
    let leads = first.starts_with('-') || matches!(first, "compose" | "container");
    let most = if leads { arguments.len() } else { 1 };
    let at = arguments.iter().take(most).position(|word| subcommands.contains(&word.text()))?;
    arguments.get(at + 1..)
}

/// Whether a text that is not expanded now would run something if it were later.
pub(super) fn substitutes(text: &str) -> bool {
    text.contains("$(") || text.contains('`')
}

/// A variable in front of a program, also where its name is quoted.
fn assignment(word: &Word) -> Option<(String, Word)> {
    if let Some((name, value)) = word.assignment() {
        return Some((name.to_owned(), value));
    }
    let (name, value) = word.known()?.split_once('=')?;
    (!name.is_empty() && !name.starts_with('-')).then(|| (name.to_owned(), Word::plain(value)))
}

/// A file by name, not a device or a descriptor.
pub(super) fn is_plain_file(word: &Word) -> bool {
    word.known().is_some_and(|text| text != "-" && !text.starts_with("/dev/") && !text.starts_with("/proc/"))
}

/// Options of ssh that run a program here.
fn brings_a_command(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("proxycommand") || text.contains("localcommand") || text.contains("knownhostscommand")
}

/// What every path that `find` finds begins with, where it starts in one place.
fn start_of_search(arguments: &[Word]) -> &str {
    let is_place = |word: &&Word| !word.text().starts_with(['-', '(', '!']);
    let options = arguments.iter().take_while(|word| matches!(word.text(), "-H" | "-L" | "-P")).count();
    let mut places = arguments.iter().skip(options).take_while(is_place);
    match (places.next(), places.next()) {
        (None, _) => ".",
        (Some(place), None) => place.known().unwrap_or_default().trim_end_matches('/'),
        (Some(_), Some(_)) => "",
    }
}

/// What xargs puts its input in place of.
fn replaced(arguments: &[Word]) -> String {
    let texts: Vec<&str> =
        arguments.iter().take_while(|word| word.text().starts_with('-')).map(Word::text).collect();
    // The option stands among the first; the next word is its value where none is attached.
    let at = arguments.iter().position(|word| word.text().starts_with("-I") || word.text().starts_with("-J"));
    let attached = |text: &str| text.get(2..).filter(|rest| !rest.is_empty()).map(str::to_owned);
    let named = at.and_then(|at| {
        attached(arguments.get(at)?.text()).or_else(|| Some(arguments.get(at + 1)?.text().to_owned()))
    });
    let long = texts.iter().find_map(|text| text.strip_prefix("--replace=").map(str::to_owned));
    named.or(long).unwrap_or_else(|| "{}".to_owned())
}
