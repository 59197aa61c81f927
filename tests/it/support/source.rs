//! Rust source as text: what is code in it, and what it names.
//!
//! It refuses to be a compiler: comments and literals are blanked, `use` trees are spelled out, the rest is words.
//!
//! Invariant: blanking keeps every line where it was.

/// A file's text with comments, string and character literals blanked, up to where its tests begin.
pub fn product_code(text: &str) -> String {
    let code = code(text);
    let tests = ["\n#[cfg(test)]\nmod ", "\n#[cfg(test)]\npub mod "];
    let end = tests.iter().filter_map(|start| code.find(start)).min().unwrap_or(code.len());
    code[..end].to_owned()
}

/// A file's text with comments, string and character literals blanked.
pub fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (blank, keep) = match literal_or_comment(rest, code.chars().next_back()) {
            0 => (0, next.len_utf8()),
            length => (length, 0),
        };
        code.extend(rest[..blank].chars().filter(|&letter| letter == '\n'));
        if blank > 0 && !rest[..blank].contains('\n') {
            code.push(' ');
        }
        code.push_str(&rest[..keep]);
        rest = &rest[blank + keep..];
    }
    code
}

/// Every path that the code imports, groups spelled out: `use a::{b, c::d};` gives `a::b` and `a::c::d`.
pub fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code.split(';') {
        let Some(at) = statement.rfind("use ") else { continue };
        let begins_a_statement =
            statement[..at].trim_end().is_empty() || statement[..at].ends_with(['\n', ' ', ')', '}']);
        if begins_a_statement {
            spell_out("", &statement[at + "use ".len()..], &mut paths);
        }
    }
    paths
}

/// The names of the rooms that the code reaches into by `crate::room`, in imports and in the midst of code.
pub fn rooms_named(code: &str) -> Vec<String> {
    let path = regex::Regex::new(r"\bcrate::([a-z_0-9]+)").unwrap();
    let text = code.to_owned() + "\n" + &imports(code).join("\n");
    path.captures_iter(&text).map(|found| found[1].to_owned()).collect()
}

fn spell_out(before: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = format!("{before}{tree}");
        paths.extend((!tree.is_empty()).then_some(path));
        return;
    };
    let before = format!("{before}{}", tree[..open].trim());
    let inside = tree[open + 1..].trim_end().trim_end_matches('}');
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spell_out(&before, &inside[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = &inside[start..];
    // The trailing brackets of a nested group went with those of this one.
    let missing = last.matches('{').count().saturating_sub(last.matches('}').count());
    spell_out(&before, &format!("{last}{}", "}".repeat(missing)), paths);
}

/// How many bytes of a comment or literal the text begins with; 0 when it begins with code.
fn literal_or_comment(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let in_a_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let prefixed = ["r", "br", "b", "c", "cr"].iter().find_map(|prefix| text.strip_prefix(prefix));
    match prefixed {
        Some(rest)
            if !in_a_word && (rest.starts_with('"') || rest.starts_with("#\"") || rest.starts_with("##")) =>
        {
            let prefix = text.len() - rest.len();
            let raw = text[..prefix].ends_with('r');
            prefix + if raw { raw_string(rest) } else { string(rest) }
        }
        _ if text.starts_with('"') => string(text),
        _ if text.starts_with('\'') => character(text),
        _ => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    text[hashes + 1..].find(&end).map_or(text.len(), |at| hashes + 1 + at + end.len())
}

/// A character literal, or nothing where the quote begins a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let Some((_, first)) = letters.next() else { return 0 };
    if first == '\\' {
        return text[3.min(text.len())..].find('\'').map_or(text.len(), |at| 3 + at + 1);
    }
    match letters.next() {
        Some((at, '\'')) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay_where_they_were() {
        let text = "a(\"x\\\" // no\", 'y', '\\'', 'z'); // tokio\nlet b: &'a str = r#\"std::fs\n\"#; /* /* */ c\n */ d\n";
        let code = code(text);
        assert_eq!(code.lines().count(), text.lines().count());
        assert!(
            ["tokio", "std::fs", " no", "y", "z", " c\n"].iter().all(|gone| !code.contains(gone)),
            "{code}"
        );
        assert!(["&'a str", "let b", "d\n", "a("].iter().all(|kept| code.contains(kept)), "{code}");
    }

    #[test]
    fn imports_are_spelled_out() {
        let code =
            "pub(crate) use crate::{call::Call, policy::{self, Mode}};\nuse std::fs;\nfn f() { use a::b; }\n";
        let expected = ["crate::call::Call", "crate::policy::self", "crate::policy::Mode", "std::fs", "a::b"];
        assert_eq!(imports(code), expected);
        assert_eq!(rooms_named(code), ["call", "policy", "policy"]);
    }

    #[test]
    fn tests_are_not_product_code() {
        assert_eq!(product_code("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }"), "fn a() {}");
    }
}
