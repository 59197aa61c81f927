//! Rules by the commands that shell lines run.
//!
//! It compares programs and whole words; flags are left to the full evaluation. Invariant: a rule that is not found has
//! for every command of the line a program or a word that the command lacks for certain.

use super::Map;
use crate::policy::matcher::Scene;
use crate::policy::predicate::words;
use crate::policy::readings::Form;
use crate::policy::shell::{Clue, Doubt, Given, Mark, Reading};
use crate::wire::Json;

/// Rules with `shell_any` or `shell_only` on one field.
#[derive(Debug, Default)]
pub(super) struct Commands {
    all: Vec<u32>,
    programs: Map<Box<str>, Program>,
}

/// Those with one program.
#[derive(Debug, Default)]
struct Program {
    all: Vec<u32>,
    without_word: Vec<u32>,
    words: Map<Box<str>, Vec<u32>>,
}

impl Commands {
    pub(super) fn add(&mut self, marks: Vec<Mark>, rule: u32) {
        self.all.push(rule);
        for Mark { program, word } in marks {
            let program = self.programs.entry(program.into()).or_default();
            program.all.push(rule);
            match word {
                Some(word) => program.words.entry(word.into()).or_default().push(rule),
                None => program.without_word.push(rule),
            }
        }
    }

    pub(super) fn all(&self, found: &mut Vec<u32>) {
        found.extend(&self.all);
    }

    /// A text that is meant as a line.
    pub(super) fn find(&self, text: &str, scene: &Scene<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        let reading = scene.readings.shell(text, Form::Line, &Given::Line(text));
        if reading.doubt().is_some() {
            return self.all(found);
        }
        self.run(&reading, found);
    }

    /// A text that may be one.
    pub(super) fn guess(&self, text: &str, scene: &Scene<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        let reading = scene.readings.shell(text, Form::Line, &Given::Line(text));
        if reading.doubt() == Some(Doubt::Hidden) {
            return self.all(found);
        }
        self.run(&reading, found);
    }

    /// A list of words.
    pub(super) fn find_words(&self, json: Json<'_>, scene: &Scene<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        let judged = json.text().len() <= scene.policy.max_judged;
        let Some(words) = words(json).filter(|_| judged) else { return self.all(found) };
        let reading = scene.readings.shell(json.text(), Form::Words, &Given::Words(words));
        if reading.doubt().is_some() {
            return self.all(found);
        }
        self.run(&reading, found);
    }

    fn run(&self, reading: &Reading, found: &mut Vec<u32>) {
        for clue in reading.clues() {
            let Clue::Shown(name, arguments) = clue else { return self.all(found) };
            let short = name.strip_suffix(".exe");
            for program in
                [Some(&*name), short].into_iter().flatten().filter_map(|name| self.programs.get(name))
            {
                let Some(arguments) = arguments else {
                    found.extend(&program.all);
                    continue;
                };
                found.extend(&program.without_word);
                let spellings = arguments.iter().flat_map(Clue::spellings);
                found.extend(spellings.filter_map(|word| program.words.get(&*word)).flatten());
            }
        }
    }
}
