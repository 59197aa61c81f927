//! Shells and the parts of a shell that take scripts: `bash -c`, `cmd /c`, `trap`, `alias`.
//!
//! It refuses scripts that are not in the line. Invariant: a shell without a script that we can read is in doubt, or
//! says that its input is one.

use super::run::{Input, More, is_plain_file};
use super::script::Shell;
use super::specs::Rest;
use super::word::Word;
use super::{Doubt, Lexed};

impl Shell<'_, '_> {
    /// A shell with its arguments.
    pub(super) fn shell(&mut self, arguments: &[Word], more: More) -> Lexed<Input> {
        let (mut rest, mut script, mut input) = (arguments, false, false);
        while let Some((word, after)) = rest.split_first() {
            let text = word.known().ok_or(Doubt::Hidden)?;
            let letters = text.strip_prefix(['-', '+']).unwrap_or_default();
            if letters.is_empty() && text != "-" {
                break;
            }
            rest = after;
            match text {
                "-" | "--" => break,
                "--version" | "--help" => return Ok(Input::Data),
                "--rcfile" | "--init-file" | "--init-command" => rest = rest.get(1..).unwrap_or_default(),
                _ if letters.starts_with("-command=") || letters.starts_with("-init-command=") => {
                    return Err(Doubt::Hidden);
                }
                "--command" => script = true,
                _ if letters.starts_with('-') => {}
                _ => {
                    script |= text.starts_with('-') && letters.contains('c');
                    input |= letters.contains('s');
                    let named = letters.matches(['o', 'O']).count();
                    rest = rest.get(named.min(rest.len())..).unwrap_or_default();
                }
            }
        }
        match rest.first() {
            Some(text) if script => {
                self.fed(text);
                Ok(Input::Data)
            }
            _ if input && !script => Ok(Input::Script),
            None if more == More::Yes => Err(Doubt::Hidden),
            None => Ok(if script { Input::Data } else { Input::Script }),
            Some(file) if file.known().is_none() => Err(Doubt::Hidden),
            Some(file) => Ok(if is_plain_file(file) { Input::Data } else { Input::Script }),
        }
    }

    /// Shells of Windows, as far as their lines look like ours.
    pub(super) fn foreign(&mut self, arguments: &[Word]) -> Lexed<Input> {
        let runs = |word: &Word| {
            let text = word.text().to_ascii_lowercase();
            matches!(text.as_str(), "/c" | "/k" | "/r") || text.len() > 1 && "-command".starts_with(&text)
        };
        if arguments.iter().any(|word| word.text().to_ascii_lowercase().starts_with("-e")) {
            // An encoded command.
            self.listener.doubt(Doubt::Hidden);
        }
        let Some(at) = arguments.iter().position(runs) else {
            return Ok(if arguments.is_empty() { Input::Script } else { Input::Data });
        };
        self.rest(Rest::Script, arguments.get(at + 1..).unwrap_or_default(), More::No)
    }

    pub(super) fn trap(&mut self, arguments: &[Word]) {
        let mut words = arguments.iter().skip_while(|word| word.text() == "--");
        match words.next() {
            Some(word) if !matches!(word.text(), "-" | "-l" | "-p") => self.fed(word),
            Some(_) | None => {}
        }
    }

    pub(super) fn aliases(&mut self, arguments: &[Word]) {
        for word in arguments {
            if word.known().is_none() {
                self.listener.doubt(Doubt::Hidden);
            }
            if let Some((_, script)) = word.text().split_once('=') {
                self.script(script);
            }
        }
    }
}
