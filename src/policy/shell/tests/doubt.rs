//! Lines of which it cannot be told what they run.

use super::{Doubt, Told, in_doubt, runs_not, told_any};

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

#[test]
fn what_is_expanded_later_is_in_doubt() {
    in_doubt(&[
        "x='$(rm -r y)'; echo $((x))",
        "x='a[`rm -r y`]' && [[ x -eq 1 ]]",
        "PS4='$(rm -r y)' bash -x z",
        "export PS1='\\$(rm -r y)'",
        "env ENV='$(rm -r y)' sh",
        "echo ${x:='$(rm -r y)'} ${x@P}",
        "echo ${x='a[$('\"$y\"'rm -r y)]'}",
        "test -v 'a[$(rm -r y)]'",
        "[ -v 'a[$(rm -r y)]' ]",
        "printf -v 'a[$(rm -r y)]' x",
        "unset 'a[`rm -r y`]'",
        "let 'x=a[$(rm -r y)]'",
        "mapfile -C 'rm -r y' -c 1 x",
        "readarray -tC 'rm -r y' x",
        "compgen -W '$(rm -r y)' x",
        "complete -C 'rm -r y' x",
        "bind -x '\"a\": rm -r y'",
        "hash -p /bin/rm ls; ls -r y",
        "enable -f ./x rm",
    ]);
    runs_not(&[
        "x=1; test -v x",
        "[ \"$x\" = '[' ]",
        "printf '%s\\n' '$(x)'",
        "mapfile -t x < y",
        "hash -r",
        "x='a b'; echo ${x:-'c'}",
    ]);
}
