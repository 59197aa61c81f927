//! How the demo tells its story: scene by scene to people, as one JSON object to scripts.
//!
//! It decides nothing. Invariant: a script gets exactly one object, also where a scene went wrong.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::cli::paint::{BOLD, DIM, painted};

/// People's lines are no longer than this, characters.
const WIDTH: usize = 92;

/// One step of the story, after it has happened.
pub(super) struct Scene {
    /// For scripts.
    pub name: &'static str,
    /// For people.
    pub title: String,
    /// For people.
    pub lines: Vec<String>,
    /// For scripts.
    pub facts: Value,
}

/// Who listens.
pub(super) enum Teller {
    /// People, who get each scene when it is over.
    People {
        /// Scenes so far.
        told: usize,
    },
    /// A script, which gets all scenes at the end.
    Script {
        /// Scenes so far.
        steps: Vec<Value>,
    },
}

impl Teller {
    /// Lines in front of or after the scenes; scripts do without.
    pub fn aside(&self, lines: &[String]) -> anyhow::Result<()> {
        if let Self::People { .. } = self {
            let mut out = anstream::stdout().lock();
            for line in lines {
                writeln!(out, "{line}")?;
            }
            out.flush()?;
        }
        Ok(())
    }

    /// One scene.
    pub fn tell(&mut self, scene: &Scene) -> anyhow::Result<()> {
        match self {
            Self::People { told } => {
                *told += 1;
                let title = format!("\n{}  {}", painted(DIM, told), painted(BOLD, &scene.title));
                let indented = scene.lines.iter().map(|line| format!("   {line}").trim_end().to_owned());
                let lines: Vec<String> = std::iter::once(title).chain(indented).collect();
                self.aside(&lines)
            }
            Self::Script { steps } => {
                steps.push(json!({ "step": scene.name, "facts": scene.facts }));
                Ok(())
            }
        }
    }

    /// The end. `error` tells why the story stopped, if it did.
    pub fn finish(self, folder: Option<&str>, error: Option<&str>) -> anyhow::Result<()> {
        let Self::Script { steps } = self else { return Ok(()) };
        let whole = json!({ "ok": error.is_none(), "error": error, "folder": folder, "steps": steps });
        Ok(writeln!(anstream::stdout(), "{whole}")?)
    }
}

/// Text in lines of bearable length.
pub(super) fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, wrapped};

    #[test]
    fn wrapping_loses_no_word() {
        let text = "one line that is longer than a line should be ".repeat(5);
        let lines = wrapped(&text);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(lines.join(" "), text.trim());
    }
}
