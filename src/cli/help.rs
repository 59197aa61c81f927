//! `callgate help policy`: the policy language on one page.
//!
//! Invariant: every example in it is compiled by a test.

use std::ffi::OsString;
use std::io::Write as _;

use super::paint::{BOLD, painted};

/// The page, with the fences that tell its examples.
const POLICY: &str = include_str!("help/policy.md");
/// How far examples are moved in.
const EXAMPLE: &str = "    ";

/// Whether the command line, without the program's name, asks for the page. `policy --help` is about the command.
pub(super) fn asks_for_policy(arguments: &[OsString]) -> bool {
    matches!(arguments, [one, two] if (one == "help" && two == "policy") || (one == "policy" && two == "help"))
}

/// Prints the page.
pub(super) fn print_policy() -> std::io::Result<()> {
    anstream::stdout().lock().write_all(page().as_bytes())
}

/// The page as people read it: headings stand out, fences are gone.
fn page() -> String {
    let (mut page, mut example) = (String::new(), false);
    for line in POLICY.lines() {
        if line.starts_with("```") {
            example = !example;
            continue;
        }
        match line.strip_prefix("# ") {
            Some(heading) if !example => page.push_str(&painted(BOLD, heading)),
            _ if example && !line.is_empty() => page.extend([EXAMPLE, line]),
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::{POLICY, page};
    use crate::policy::schema::PredicateWord;
    use crate::policy::{Effect, Fact, FailMode, Mode};
    use crate::settings::{Environment, read};

    /// The examples with what stands behind their fence.
    fn examples() -> Vec<(String, String)> {
        let (mut examples, mut open): (Vec<(String, String)>, bool) = (Vec::new(), false);
        for line in POLICY.lines() {
            match line.strip_prefix("```") {
                Some(info) => {
                    if !open {
                        examples.push((info.to_owned(), String::new()));
                    }
                    open = !open;
                }
                None if open => examples.last_mut().unwrap().1.extend([line, "\n"]),
                None => {}
            }
        }
        assert!(!open && examples.len() > 25);
        examples
    }

    fn faults(info: &str, example: &str) -> Vec<String> {
        let rule = if info == "toml rule" { "[[rule]]\naction = \"deny\"\n" } else { "" };
        let version = if example.contains("version = 1") { "" } else { "version = 1\n" };
        let source = format!("{version}{rule}{example}");
        let environment = Environment { home: Some("/home/me".to_owned()), ..Environment::default() };
        let faults = read(&source, &environment).err().unwrap_or_default();
        faults.iter().map(|fault| fault.render("policy.md", &source)).collect()
    }

    #[test]
    fn every_example_is_a_policy() {
        for (info, example) in examples() {
            let faults = faults(&info, &example);
            match info.as_str() {
                "toml" | "toml rule" => assert!(faults.is_empty(), "{example}\n{}", faults.join("\n")),
                other => panic!("what is ```{other}?"),
            }
        }
    }

    #[test]
    fn every_word_of_the_language_is_on_the_page() {
        let predicates = PredicateWord::ALL.iter().map(|(word, _)| *word);
        let facts = Fact::WORDS.iter().map(|(word, _)| *word);
        let words =
            [Effect::WORDS, Effect::OTHER_WORDS, Mode::WORDS, Mode::OTHER_WORDS, FailMode::WORDS].concat();
        for word in predicates.chain(facts).chain(words) {
            assert!(
                POLICY.split(|c: char| !c.is_alphanumeric() && c != '_').any(|on_page| on_page == word),
                "{word}"
            );
        }
        let schema = crate::settings::json_schema();
        for (key, _) in schema["properties"]["rule"]["items"]["properties"].as_object().unwrap() {
            assert!(POLICY.contains(key.as_str()), "{key}");
        }
    }

    #[test]
    fn the_page_fits_and_shows_no_fences() {
        let page = strip_str(&page()).to_string();
        assert!(page.starts_with("The policy language\n") && !page.contains("```"));
        for line in page.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
