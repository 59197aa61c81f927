//! What holds for every line.

use proptest::prelude::*;

use super::{Doubt, Given, Reading, Told, any_of, only_of, told_any, told_only};

/// Pieces that mean something to a shell, so that random lines are not all prose.
const PIECES: &[&str] = &[
    "rm",
    " ",
    " -r",
    " x",
    ";",
    "&&",
    "||",
    "|",
    "&",
    "\n",
    "(",
    ")",
    "{",
    "}",
    "$(",
    "`",
    "'",
    "\"",
    "\\",
    "$X",
    "${",
    "$((",
    "))",
    "<<E",
    "E\n",
    "\nE\n",
    "<",
    ">",
    "<(",
    "case x in ",
    "a)",
    ";;",
    " esac",
    "if ",
    " then ",
    " fi",
    "for i in ",
    " do ",
    " done",
    "bash -c ",
    "sudo ",
    "xargs ",
    "find -exec ",
    "#",
    "!",
    "=",
    "A=1 ",
    "[",
    "]",
    "*",
    "eval ",
    "$'",
    "~",
    "\t",
    "é",
    "ls",
    "/",
    ".",
    "-",
    "function f ",
    "time ",
    "coproc ",
    "<<<",
    "2>&1",
];

fn any_line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A character as a shell may spell it.
fn spelled(text: &str, how: &[u8]) -> String {
    let spell = |(at, c): (usize, char)| match how.get(at % how.len().max(1)).copied().unwrap_or(0) % 7 {
        0 => format!("'{c}'"),
        1 => format!("\"{c}\""),
        2 => format!("\\{c}"),
        3 => format!("''{c}"),
        4 => format!("$'\\x{:02x}'", u32::from(c)),
        5 => format!("\\\n{c}"),
        _ => c.to_string(),
    };
    text.chars().enumerate().map(spell).collect()
}

proptest! {
    #[test]
    fn every_line_has_an_answer(line in prop_oneof![any_line(), any::<String>()]) {
        told_any(&["rm -r", "> /etc/*", "git push --force", "rm -r !/tmp/*"], &line);
        told_only(&["ls", "git status"], &line);
    }

    #[test]
    fn quotes_change_nothing(how in proptest::collection::vec(any::<u8>(), 1..12)) {
        let line = format!("{} {} {}", spelled("rm", &how), spelled("-rf", &how), spelled("/etc", &how));
        prop_assert_eq!(told_any(&["rm -r /etc"], &line), Told::Satisfied, "{}", line);
        let line = format!("{} {}", spelled("echo", &how), spelled("rm", &how));
        prop_assert_eq!(told_any(&["rm"], &line), Told::Not, "{}", line);
    }

    #[test]
    fn what_stands_beside_a_command_does_not_hide_it(line in any_line()) {
        let before = told_any(&["rm -r"], &line);
        let first = told_any(&["rm -r"], &format!("true; {line}"));
        let last = told_any(&["rm -r"], &format!("{line}; true"));
        let next = told_any(&["rm -r"], &format!("{line}\ntrue"));
        if before == Told::Satisfied {
            prop_assert!([first, last, next].iter().all(|told| *told != Told::Not), "{}", line);
        }
        prop_assert_eq!(before == Told::Satisfied, first == Told::Satisfied, "{}", line);
    }

    #[test]
    fn an_unreadable_line_behind_a_command_does_not_hide_it(line in any_line()) {
        prop_assert_eq!(told_any(&["rm -r"], &format!("rm -r x\n{line}")), Told::Satisfied);
    }

    #[test]
    fn what_is_only_admitted_has_no_doubt_and_nothing_else(line in any_line()) {
        let items = ["ls", "rm", "A="];
        if told_only(&items, &line) == Told::Satisfied {
            // An item that no line has: whatever is in doubt would show.
            prop_assert_eq!(told_any(&["no-such-program"], &line), Told::Not, "{}", line);
            for other in ["sudo", "bash", "xargs", "find", "eval", "> *"] {
                prop_assert!(told_any(&[other], &line) != Told::Satisfied, "{}", line);
            }
            prop_assert!(told_only(&items, &format!("{line}\nother")) != Told::Satisfied, "{}", line);
        }
    }

    #[test]
    fn a_script_in_quotes_is_read_like_the_script(line in any_line().prop_filter("no quote", |l| !l.contains(['\'', '\0']))) {
        let (plain, quoted) = (told_any(&["rm -r"], &line), told_any(&["rm -r"], &format!("bash -c '{line}'")));
        prop_assert_eq!(plain == Told::Satisfied, quoted == Told::Satisfied, "{}", line);
    }

    #[test]
    fn words_are_taken_as_they_are(words in proptest::collection::vec(any::<String>(), 1..4)) {
        prop_assert_ne!(echoed(words), Told::Not);
    }

    #[test]
    fn words_that_mean_nothing_to_a_shell_are_admitted(
        words in proptest::collection::vec("[A-Za-z0-9 ./_:+%@^-]{0,20}", 1..4)
    ) {
        prop_assert_eq!(echoed(words), Told::Satisfied);
    }
}

fn echoed(words: Vec<String>) -> Told {
    let mut given = vec!["echo".to_owned()];
    given.extend(words);
    only_of(&["echo"]).only(&Reading::of(&Given::Words(given.iter().map(Into::into).collect())))
}

#[test]
fn depth_has_a_bound_and_what_is_below_it_is_in_doubt() {
    for (open, close) in [("$(", ")"), ("echo \"$(", ")\""), ("${x:-", "}"), ("sudo ", ""), ("<(", ")")] {
        let line = |depth: usize| format!("echo {}rm -r x{}", open.repeat(depth), close.repeat(depth));
        let deep = any_of(&["no-such-program"]).any(&Reading::of(&Given::Line(&line(1000))));
        assert!(deep == Told::Doubtful(Doubt::Hidden) || open == "sudo ", "{open} {deep:?}");
    }
    let arrays = format!("{}x{}", "A=(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(told_any(&["no-such-program"], &arrays), Told::Doubtful(Doubt::Hidden));
    let wrapped = format!("{}rm -r x", "sudo ".repeat(1000));
    assert_eq!(told_any(&["rm -r"], &wrapped), Told::Doubtful(Doubt::Hidden));
    let blocks = format!("{}rm -r x{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(told_any(&["rm -r"], &blocks), Told::Satisfied);
}

#[test]
fn what_is_read_again_and_again_has_a_bound_and_what_is_beyond_it_is_in_doubt() {
    let filler = "x".repeat(100_000);
    for nested in ["env a=b ", "find . -exec ", "xargs ", "docker run y ", "ssh z "] {
        let line = format!("{}rm -r {filler}", nested.repeat(12));
        assert_eq!(told_any(&["no-such-program"], &line), Told::Doubtful(Doubt::Hidden), "{nested}");
        let short = format!("{}rm -r x", nested.repeat(3));
        assert_eq!(told_any(&["rm -r"], &short), Told::Satisfied, "{nested}");
    }
    let many = "a\n".repeat(100_000);
    assert_eq!(told_any(&["no-such-program"], &many), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told_any(&["rm -r"], &format!("rm -r x\n{many}")), Told::Satisfied);
    let places = format!("find {filler} -exec rm -r {} ;", "{}".repeat(100_000));
    assert_ne!(told_any(&["rm -r"], &places), Told::Not);
}

#[test]
fn only_a_name_in_front_of_the_first_sign_is_assigned_to() {
    for line in ["a=1=2", "a[x=1]=2", "a[=1]=2", "a+=b=c", "_1=x", "a[1]+=2"] {
        assert_eq!(told_any(&["rm -r"], &format!("{line} rm -r x")), Told::Satisfied, "{line}");
    }
    for line in ["1=2", "-=a=b", "=a=b", "a-b=c=d", "a[1]x=y", "+=a"] {
        assert_ne!(told_any(&["rm -r"], &format!("{line} rm -r x")), Told::Satisfied, "{line}");
    }
}
