//! Why a frame has no single meaning.
//!
//! Refuses to carry any text of the frame but its id. Invariant: the word of a fault never changes, because records
//! and scripts keep it.

use std::fmt;

/// A frame that is refused wherever something can enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it: the first fault that was met.
    pub fault: Fault,
    /// The request id as it was spelled, where it can be read without ambiguity.
    pub id: Option<String>,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $code:ident, $phrase:literal;)+) => {
        /// The kinds of ambiguity and damage that callgate knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable word for it, as records keep it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// A short phrase for people; it reads on after "the frame …".
            pub fn describe(self) -> &'static str {
                match self { $(Self::$variant => $phrase),+ }
            }

            /// The JSON-RPC 2.0 (section 5.1) code that answers it: -32700 where no parser can agree on a value,
            /// -32600 where there is a value that should not be acted on.
            pub fn code(self) -> i32 {
                match self { $(Self::$variant => $code),+ }
            }
        }
    };
}

/// JSON-RPC 2.0, section 5.1: parse error.
const UNPARSABLE: i32 = -32700;
/// JSON-RPC 2.0, section 5.1: invalid request.
const AMBIGUOUS: i32 = -32600;

faults! {
    /// Bytes that are not UTF-8.
    NotUtf8 = "not_utf8", UNPARSABLE, "is not UTF-8";
    /// A byte order mark before the first value.
    Bom = "bom", UNPARSABLE, "starts with a byte order mark";
    /// A NUL byte.
    Nul = "nul", UNPARSABLE, "has a NUL byte";
    /// A control character inside a string, not escaped.
    ControlCharacter = "control_character", UNPARSABLE, "has a raw control character in a string";
    /// Not RFC 8259.
    Syntax = "syntax", UNPARSABLE, "is not JSON";
    /// The line ends inside a value.
    Truncated = "truncated", UNPARSABLE, "ends inside a value";
    /// Something stands after the value.
    TrailingData = "trailing_data", UNPARSABLE, "has something after its value";
    /// A carriage return that is not part of the line's end; some readers end a line there.
    BareCr = "bare_cr", AMBIGUOUS, "has a carriage return inside the line";
    /// Nesting deeper than [`super::MAX_DEPTH`].
    TooDeep = "too_deep", AMBIGUOUS, "is nested too deeply";
    /// More bytes than a frame may have; found by whoever splits lines.
    TooLarge = "too_large", AMBIGUOUS, "is larger than a frame may be";
    /// A value that is neither an object nor an array.
    NotAMessage = "not_a_message", AMBIGUOUS, "is not a JSON-RPC message";
    /// An array without members.
    EmptyBatch = "empty_batch", AMBIGUOUS, "is an empty batch";
    /// A batch with a member that is not an object.
    BatchMember = "batch_member", AMBIGUOUS, "is a batch with a member that is not a message";
    /// A batch with more members than [`super::MAX_BATCH`].
    BatchTooLong = "batch_too_long", AMBIGUOUS, "is a batch with too many members";
    /// A batch where the negotiated revision has none; found by the session.
    BatchNotNegotiated = "batch_not_negotiated", AMBIGUOUS, "is a batch, which this session did not negotiate";
    /// A key that an object has twice, compared as decoded.
    DuplicateKey = "duplicate_key", AMBIGUOUS, "has an object with the same key twice";
    /// A key that some readers take for one that the protocol knows.
    LookalikeKey = "lookalike_key", AMBIGUOUS, "has a key that looks like one of the protocol's";
    /// A key that a JSON library keeps for itself.
    PrivateKey = "private_key", AMBIGUOUS, "has a key that a JSON library gives a meaning of its own";
    /// A key in the envelope that JSON-RPC does not have.
    UnknownKey = "unknown_key", AMBIGUOUS, "has a top-level key that JSON-RPC does not have";
    /// Half of a surrogate pair.
    LoneSurrogate = "lone_surrogate", AMBIGUOUS, "has half of a surrogate pair";
    /// `jsonrpc` is missing or not `"2.0"`.
    Version = "version", AMBIGUOUS, "does not say \"jsonrpc\": \"2.0\"";
    /// An id that is neither a string nor an integer of 64 signed bits.
    BadId = "bad_id", AMBIGUOUS, "has an id that is not a string or a 64-bit integer";
    /// An id that already waits for its answer; found by the session.
    IdInFlight = "id_in_flight", AMBIGUOUS, "has the id of a request that is still in flight";
    /// A result without an id.
    ResultWithoutId = "result_without_id", AMBIGUOUS, "is a result without an id";
    /// `method` is not a string.
    MethodType = "method_type", AMBIGUOUS, "has a method that is not a string";
    /// `method` has control, format or invisible characters.
    MethodCharacters = "method_characters", AMBIGUOUS, "has invisible characters in its method";
    /// `method` is taken for a governed one by some readers.
    LookalikeMethod = "lookalike_method", AMBIGUOUS, "has a method that looks like a governed one";
    /// `method` beside `result` or `error`.
    MethodWithAnswer = "method_with_answer", AMBIGUOUS, "is a request and an answer at once";
    /// `result` beside `error`.
    ResultWithError = "result_with_error", AMBIGUOUS, "is a result and an error at once";
    /// None of `method`, `result` and `error`.
    NoMethod = "no_method", AMBIGUOUS, "is neither a request nor an answer";
    /// A governed request whose `params` is absent or not an object.
    ParamsType = "params_type", AMBIGUOUS, "has no params object";
    /// A governed request that does not say what it names.
    NameMissing = "name_missing", AMBIGUOUS, "does not name what it asks for";
    /// A governed request whose name is not a string.
    NameType = "name_type", AMBIGUOUS, "has a name that is not a string";
    /// A governed request whose name is empty.
    NameEmpty = "name_empty", AMBIGUOUS, "has an empty name";
    /// A name with control, format or invisible characters.
    NameCharacters = "name_characters", AMBIGUOUS, "has invisible characters in its name";
    /// `arguments` that are neither an object nor null.
    ArgumentsType = "arguments_type", AMBIGUOUS, "has arguments that are not an object";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_in_snake_case() {
        let words: HashSet<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
        assert!(
            words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'8'))
        );
    }
}
