//! What lines are to items, told as tables.

mod doubt;
mod items;
mod lines;
mod properties;

use super::{Doubt, Fold, Given, Item, Reading, ShellItems, Told};

fn any_of(items: &[&str]) -> ShellItems {
    ShellItems::new(items.iter().map(|item| Item::new(item, Fold::Case).unwrap()).collect())
}

fn only_of(items: &[&str]) -> ShellItems {
    ShellItems::new(items.iter().map(|item| Item::new(item, Fold::Nothing).unwrap()).collect())
}

fn told_any(items: &[&str], line: &str) -> Told {
    any_of(items).any(&Reading::of(&Given::Line(line)))
}

fn told_only(items: &[&str], line: &str) -> Told {
    only_of(items).only(&Reading::of(&Given::Line(line)))
}

/// Each line is Satisfied by `shell_any = ["rm -r"]`.
fn runs(lines: &[&str]) {
    all_are(lines, |told| told == Told::Satisfied);
}

/// Each line has nothing to do with `shell_any = ["rm -r"]`.
fn runs_not(lines: &[&str]) {
    all_are(lines, |told| told == Told::Not);
}

fn in_doubt(lines: &[&str]) {
    all_are(lines, |told| matches!(told, Told::Doubtful(_)));
}

fn all_are(lines: &[&str], right: fn(Told) -> bool) {
    let wrong = |line: &&&str| !right(told_any(&["rm -r"], line));
    let wrong: Vec<_> = lines.iter().filter(wrong).map(|line| (line, told_any(&["rm -r"], line))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
