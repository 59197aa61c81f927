//! Items of `shell_any` and `shell_only`.
//!
//! It refuses shell lines, and words that mean nothing where they stand. Invariant: an item of `shell_only` says what
//! is admitted, never what is not.

use toml::Spanned;

use super::fault;
use crate::policy::schema::Reading;
use crate::policy::shell::{Fold, Item, Unfit};

/// Reads an item of `shell_any`.
pub(super) fn done(text: &Spanned<String>, reading: &mut Reading) -> Option<Item> {
    item(text, Fold::Case, reading)
}

/// Reads an item of `shell_only`.
pub(super) fn admitted(text: &Spanned<String>, reading: &mut Reading) -> Option<Item> {
    let item = item(text, Fold::Nothing, reading)?;
    if item.negates() {
        let message = format!("`{}` says what an argument must not be", text.get_ref());
        fault(
            reading,
            text.span(),
            message,
            "`shell_only` lists what is admitted; `!` words are for `shell_any`",
        );
        return None;
    }
    Some(item)
}

fn item(text: &Spanned<String>, fold: Fold, reading: &mut Reading) -> Option<Item> {
    const SHAPE: &str =
        "an item is one program and words among its arguments, `\"rm -r\"`; list several items";
    let written = text.get_ref();
    let (message, hint) = match Item::new(written, fold) {
        Ok(item) => return Some(item),
        Err(Unfit::Empty) => ("an empty item".to_owned(), SHAPE),
        Err(Unfit::TooLong) => ("this item is longer than 1024 bytes".to_owned(), SHAPE),
        Err(Unfit::Line('"' | '\'')) => {
            let hint =
                "words are separated by spaces and compared without quotes; `?` stands for a space in a word";
            (format!("`{written}` holds quotes"), hint)
        }
        Err(Unfit::Line(odd)) => {
            (format!("`{written}` is a shell line: it holds `{}`", odd.escape_default()), SHAPE)
        }
        Err(Unfit::Redirection) => {
            let hint = "what is written to a file is an item of its own, whatever writes it: `\"> /etc/*\"`";
            (format!("`{written}` holds a redirection"), hint)
        }
        Err(Unfit::Assignment(name)) => {
            let hint =
                "a program is found behind assignments too; for the variable alone write its name with `=`";
            (format!("`{written}` sets the variable `{name}`"), hint)
        }
        Err(Unfit::NegatedProgram) => {
            let hint = "`!` excludes an argument: `\"rm -r !/tmp/*\"`; to admit some programs only, use `shell_only`";
            (format!("`{written}` excludes a program"), hint)
        }
        Err(Unfit::NegatedNothing) => {
            (format!("`{written}` has a `!` with nothing behind it"), "write `!/tmp/*`, without a space")
        }
        Err(Unfit::Glob(word, error)) => {
            let hint = "`*` any text, `?` one character, `[ab]` a set, `{a,b}` alternatives";
            (format!("`{word}` is not a glob: {}", error.kind()), hint)
        }
    };
    fault(reading, text.span(), message, hint);
    None
}
