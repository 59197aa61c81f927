//! Why a frame has no single meaning.

/// A frame that is refused wherever something can enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it.
    pub fault: Fault,
    /// The request id as it was spelled, where it can be read without ambiguity.
    pub id: Option<String>,
}

/// The kinds of ambiguity and damage that the strict pass knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that are not UTF-8.
    NotUtf8,
}
