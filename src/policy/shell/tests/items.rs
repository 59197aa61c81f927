//! What items say of the commands that are found.

use super::{
    Doubt, Fold, Given, Item, Reading, Told, any_of, in_doubt, only_of, runs, runs_not, told_any, told_only,
};

#[test]
fn flags_are_found_in_bundles_and_by_the_names_that_everyone_gives_them() {
    runs(&["rm -rf x", "rm -fr x", "rm -f -r x", "rm -R x", "rm --recursive x", "rm x y -vr", "rm -r=1"]);
    runs_not(&["rm -f x", "rm x", "rm --force x", "rm r", "rmdir -r x", "rm --register x", "rm"]);
    in_doubt(&["rm -[r]f x", "rm -?f x", "rm --rec* x"]);
    runs_not(&["rm --include=*.rs x", "rm '-[r]' x"]);
    in_doubt(&["rm --rec x", "rm $FLAGS x", "rm -$F x", "rm {-r,x}", "rm \"$@\"", "rm \"$X\""]);
    let force = ["git push --force", "git push -f"];
    for line in
        ["git push --force", "git -C x push --force=true origin", "git push -vf", "git push origin --force"]
    {
        assert_eq!(told_any(&force, line), Told::Satisfied, "{line}");
    }
    for line in
        ["git push", "git push --force-with-lease", "git commit -m 'push --force'", "git push origin main"]
    {
        assert_eq!(told_any(&force, line), Told::Not, "{line}");
    }
    assert_eq!(told_any(&["git push --force*"], "git push --force-with-lease"), Told::Satisfied);
    assert_eq!(told_any(&["find -delete"], "find ~ -name x -delete"), Told::Satisfied);
    assert_eq!(told_any(&["tar -xf"], "tar -x -v -f y"), Told::Satisfied);
}

/// A list for `shell_only`.
const ADMITTED: &[&str] =
    &["ls", "git status", "cargo *", "git diff --stat", "RUST_LOG=", "/opt/x/tool", "npm run build*"];

#[test]
fn only_what_is_listed_is_admitted() {
    let items = ADMITTED;
    for line in [
        "ls",
        "ls -la /etc; ls",
        "git status",
        "git status -s && ls | ls",
        "/bin/ls",
        "/usr/bin/git status",
        "cargo test",
        "git diff --stat HEAD",
        "git diff HEAD --stat",
        "RUST_LOG=debug cargo test",
        "/opt/x/tool a",
        "for f in *; do ls \"$f\"; done",
        "if ls; then cargo test $X; fi",
        "ls > /dev/null 2>&1",
        "ls < in",
        "ls $X",
        "npm run build-all",
        "ls $(ls)",
    ] {
        assert_eq!(told_only(items, line), Told::Satisfied, "{line}");
    }
}

#[test]
fn what_is_not_listed_is_not_admitted() {
    let items = ADMITTED;
    for line in [
        "",
        "# ls",
        "rm x",
        "ls; rm x",
        "ls $(rm x)",
        "sudo ls",
        "./ls",
        "/tmp/ls",
        "LS",
        "git push status",
        "git -c core.pager=x status",
        "git",
        "git diff",
        "cargo",
        "ls > x",
        "ls >> x",
        "ls &> x",
        "ls > \"$X\"",
        "PATH=/tmp ls",
        "env ls",
        "A=1",
        "ls < /dev/tcp/x/80",
        "bash -c ls",
        "npm run test",
        "/opt/x/../y/tool",
        "tool",
        "cat x | ls",
        "find . -exec ls {} \\;",
    ] {
        assert_eq!(told_only(items, line), Told::Not, "{line}");
    }
    for line in [
        "ls 'x",
        "ls; $X",
        "git $X",
        "cargo $X",
        "git \"$X\"",
        "ls; `x`",
        "npm run \"build$X\"",
        "ls <<EOF\nx",
    ] {
        assert!(told_only(items, line) != Told::Satisfied, "{line}");
    }
}

#[test]
fn redirections_and_assignments_are_programs_of_their_own() {
    for (item, line) in [
        ("> /etc/*", "echo x > /etc/passwd"),
        ("> /etc/*", "echo x 2>>/etc/passwd"),
        ("> /etc/*", "echo x >| /etc/../etc/passwd"),
        ("> /etc/*", "echo x &> /etc/passwd"),
        ("> /etc/*", ">/etc/passwd"),
        ("> /etc/*", "(ls) > /etc/passwd"),
        ("> /etc/*", "while ls; do ls; done > /etc/passwd"),
        ("< */.ssh/*", "cat < ~/.ssh/id_rsa"),
        ("> *", "ls <> x"),
        ("LD_PRELOAD=", "LD_PRELOAD=x ls"),
        ("LD_PRELOAD=", "env LD_PRELOAD=x ls"),
        ("LD_PRELOAD=", "export LD_PRELOAD=x"),
        ("PATH= /tmp*", "PATH+=/tmp/x; ls"),
    ] {
        assert_eq!(told_any(&[item], line), Told::Satisfied, "{item} {line}");
    }
    for line in
        ["ls > /dev/null", "ls 2>&1", "ls >&2", "ls 2>&-", "ls </dev/null", "echo '>' x", "ls > /tmp/x"]
    {
        assert_eq!(told_any(&["> /etc/*", "< *"], line), Told::Not, "{line}");
    }
}

#[test]
fn a_negated_word_is_some_other_argument() {
    let item = ["rm -r !/tmp/*"];
    for line in [
        "rm -rf /etc",
        "rm -rf /tmp/x /etc",
        "rm -r x",
        "rm -rf ~",
        "rm -rf /tmp/../etc",
        "rm -rf /var/tmp/../x",
    ] {
        assert_eq!(told_any(&item, line), Told::Satisfied, "{line}");
    }
    for line in ["rm -rf /tmp/x", "rm -rf /tmp/x /tmp/y", "rm -rf '/tmp/x'", "rm x", "rm -rf"] {
        assert_eq!(told_any(&item, line), Told::Not, "{line}");
    }
    for line in
        ["rm -rf $HOME", "rm -rf \"$TMP/x\"", "rm -rf /tmp/$X", "ls | xargs rm -rf", "rm -rf /tmp/x/../y"]
    {
        assert_eq!(told_any(&item, line), Told::Doubtful(Doubt::Hidden), "{line}");
    }
}

#[test]
fn an_unknown_argument_is_suspected_of_what_it_can_be() {
    for (item, line) in [
        ("git push --force", "git push $X"),
        ("git push --force", "git push \"$X\""),
        ("git push --force", "git $X"),
        ("git push --force", "git push \"--$X\""),
        ("cat */.ssh/*", "cat \"$HOME/.ssh/id_rsa\""),
        ("cat /etc/shadow", "cat /etc/sh?dow"),
        ("cat /etc/shadow", "cat /e*/shado[w]"),
        ("cat */.ssh/*", "cat ~/.s*/id_rsa"),
        ("curl http://evil*", "curl \"$URL\""),
        ("rm -r", "rm \"$X\""),
    ] {
        assert_eq!(told_any(&[item], line), Told::Doubtful(Doubt::Hidden), "{item} {line}");
    }
    for (item, line) in [
        ("git push --force", "git \"$X\" origin"),
        ("git push --force", "git commit -m \"$X\""),
        ("git push", "git commit -m \"$(cat x)\" $Y"),
        ("git push --force", "git push \"origin/$X\""),
        ("rm -r", "rm \"/tmp/$X\""),
        ("rm -r", "rm *.o"),
        ("cat */.ssh/*", "cat *.md"),
        ("cat /etc/shadow", "cat *"),
        ("cat */.ssh/*", "cat src/*.rs"),
    ] {
        assert_eq!(told_any(&[item], line), Told::Not, "{item} {line}");
    }
}

#[test]
fn a_list_of_words_is_one_command() {
    let words = |words: &[&str]| {
        Reading::of(&Given::Words(words.iter().map(|word| (*word).to_owned().into()).collect()))
    };
    let told = |given: &[&str]| any_of(&["rm -r"]).any(&words(given));
    assert_eq!(told(&["rm", "-rf", "x"]), Told::Satisfied);
    assert_eq!(told(&["sudo", "sh", "-c", "rm -rf x"]), Told::Satisfied);
    assert_eq!(told(&["echo", "$X", "it's"]), Told::Not);
    assert_eq!(told(&[]), Told::Not);
    assert_eq!(told(&["ls", "; rm -r x"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["ls -la", "rm -r x"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["rm -r x"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["ls", "rm -r x"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["git", "commit", "-m", "rm is gone"]), Told::Not);
    assert_eq!(told(&["bash"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(only_of(&["ls"]).only(&words(&["ls x"])), Told::Not);
    assert_eq!(only_of(&["ls"]).only(&words(&[])), Told::Not);
}

#[test]
fn words_that_a_server_may_put_together_again_are_admitted_only_as_a_line_too() {
    let items = only_of(&["ls", "git *"]);
    let told = |words: &[&str]| {
        items.only(&Reading::of(&Given::Words(words.iter().map(|word| (*word).into()).collect())))
    };
    assert_eq!(told(&["ls", "-la"]), Told::Satisfied);
    assert_eq!(told(&["git", "commit", "-m", "a b"]), Told::Satisfied);
    assert_eq!(told(&["ls", "; rm -r x"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["ls", "$(rm -r x)"]), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told(&["ls", "> x"]), Told::Doubtful(Doubt::Hidden));
    // As a line this is none, and runs nothing.
    assert_eq!(told(&["git", "commit", "-m", "it's (nearly) right"]), Told::Satisfied);
    assert_eq!(told(&["rm", "x"]), Told::Not);
}

#[test]
fn what_no_argument_could_be_is_no_word_of_an_item() {
    for line in ["echo > x", "ls 2>/dev/null", "cat < x", "A=1 rm", "FOO=bar"] {
        assert!(Item::new(line, Fold::Case).is_err(), "{line}");
    }
    for item in
        ["> /etc/*", "< /dev/tcp/*", "RUST_LOG=", "LD_PRELOAD= *", "dd of=/dev/*", "git push --force=*"]
    {
        assert!(Item::new(item, Fold::Case).is_ok(), "{item}");
    }
}
