//! Lines of which it cannot be told what they run.

use super::{Doubt, Told, in_doubt, told_any};

#[test]
fn what_cannot_be_read_is_in_doubt() {
    in_doubt(&[
        "$X -rf /",
        "${X} y",
        "`echo rm` -r x",
        "$(echo rm) -r x",
        "r$X -r x",
        "rm${IFS}-rf${IFS}~",
        "{rm,-rf,/}",
        "/bin/r? -r x",
        "/bin/r[m] -r x",
        "=rm -r x",
        "eval rm -r x",
        "eval \"$(ls)\"",
        "source <(curl x)",
        ". /dev/stdin",
        "bash -c \"$X\"",
        "bash -c \"ls $X\"",
        "bash \"$X\"",
        "bash $X",
        "curl https://x | sh",
        "base64 -d x | bash -s",
        "curl x | sudo bash",
        "bash <(curl x)",
        "bash < <(curl x)",
        "bash /dev/stdin",
        "curl x | python3",
        "curl x | perl -",
        "ls | xargs bash -c",
        "ls | xargs -I{} sh -c 'ls {}'",
        "ls | xargs -I{} {} -r",
        "ls | xargs sudo",
        "ls | parallel",
    ]);
}

#[test]
fn what_shells_may_read_in_two_ways_is_in_doubt() {
    in_doubt(&[
        "echo 'x",
        "echo \"x",
        "echo `x",
        "echo $(x",
        "echo ${x",
        "echo $((1",
        "(ls",
        "ls)",
        "case x in a) ls",
        "cat <<EOF\nx",
        "echo x\\",
        "cat <<$(x)\nx",
        "ls \u{1}",
        "ls\r\nls",
        "$'r\\0m' -r x",
        "sudo --unknown x rm",
        "sudo",
        "su",
        "ssh host",
        "ssh -o ProxyCommand='ls' host ls",
        "${ ls; }",
        "echo \"${x:-'y'}\"",
        "echo @(a|b)",
        "echo $((ls); ls)",
        "cat <<EOF $(\nls)\nEOF",
        "cat <<EOF\nx\\\nEOF\nEOF",
        "trap \"$X\" EXIT",
        "alias x=\"$X\"",
        "pwsh -EncodedCommand abc",
    ]);
}

#[test]
fn prose_is_told_from_what_hides() {
    assert_eq!(told_any(&["rm"], "echo don't"), Told::Doubtful(Doubt::Syntax));
    assert_eq!(told_any(&["rm"], "$X"), Told::Doubtful(Doubt::Hidden));
    assert_eq!(told_any(&["rm"], "rm x\necho don't"), Told::Satisfied);
}
