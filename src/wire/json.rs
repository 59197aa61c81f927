//! A JSON value that has passed the strict pass, kept as the bytes it came in.

/// Borrowed text of one valid JSON value, without surrounding white space. Walking it never fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The text as it was written.
    pub fn text(self) -> &'a str {
        self.0
    }
}
