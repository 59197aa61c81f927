//! Redirections.
//!
//! It refuses to know what a file holds. Invariant: a file that is written or read is told like a command; copies of
//! descriptors and `/dev/null` are not.

use super::cursor::Cursor;
use super::heredoc::{HereDoc, Reader};
use super::script::{Shell, Simple};
use super::word::Word;
use super::{Doubt, Lexed};

impl Shell<'_, '_> {
    /// Reads an operator with what stands behind it.
    pub(super) fn redirection(
        &mut self,
        cursor: &mut Cursor<'_>,
        descriptor: Option<&Word>,
        simple: &mut Simple,
    ) -> Lexed<()> {
        let to_input = descriptor.is_none_or(|word| word.text() == "0");
        let reads = cursor.peek() == Some(b'<');
        cursor.eat(b'&');
        cursor.bump();
        if reads && cursor.eat(b'<') {
            if !cursor.eat(b'<') {
                let reader = if to_input { Reader::Input } else { Reader::Elsewhere };
                self.heredocs.push(HereDoc::named(cursor, reader)?);
                return Ok(());
            }
            let text = self.target(cursor)?;
            if to_input {
                simple.strings.push(text);
            }
            return Ok(());
        }
        let copies = cursor.eat(b'&');
        let writes = !reads || cursor.peek() == Some(b'>');
        if !copies && writes {
            let _ = cursor.eat(b'>') || cursor.eat(b'|');
        }
        let target = self.target(cursor)?;
        if copies && target.known().is_some_and(is_copy) {
            return Ok(());
        }
        if !matches!(target.known(), Some("/dev/null" | "/dev/stdout" | "/dev/stderr")) {
            self.tell(&Word::plain(if writes { ">" } else { "<" }), std::slice::from_ref(&target));
        }
        if reads && to_input {
            simple.input = Some(target);
        }
        Ok(())
    }

    fn target(&mut self, cursor: &mut Cursor<'_>) -> Lexed<Word> {
        cursor.skip_blanks();
        self.word(cursor)?.ok_or(Doubt::Syntax)
    }
}

/// What may stand in front of a redirection: a number, or `{name}`.
pub(super) fn is_descriptor(word: &Word) -> bool {
    let text = word.keyword().unwrap_or_default();
    let named = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    !text.is_empty()
        && (text.bytes().all(|byte| byte.is_ascii_digit())
            || named
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')))
}

/// A descriptor behind `>&` or `<&`.
fn is_copy(target: &str) -> bool {
    let digits = target.strip_suffix('-').unwrap_or(target);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}
