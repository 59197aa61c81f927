//! Whether the arguments hold nothing that a rule does not name.
//!
//! It refuses to guess what a server makes of a name: only its exact spelling counts, and a string is one value, whatever
//! it holds. Invariant: what is covered is named by a pointer itself, or lies below something that is.

use super::{MAX_STEPS, Readers, Steps, Walk, index};
use crate::policy::Pointer;
use crate::wire::{Json, JsonKind};

/// Whether every value of the arguments is one that a pointer names, or lies below one. No arguments are covered by none.
pub(in crate::policy) fn covers<'p>(
    pointers: impl Iterator<Item = &'p Pointer>,
    arguments: Option<Json<'_>>,
) -> bool {
    let Some(arguments) = arguments else { return true };
    let walks: Vec<Walk<'_>> = pointers
        .filter(|pointer| pointer.segments.len() <= MAX_STEPS)
        .map(|pointer| Walk { segments: &pointer.segments, readers: Readers::Exact, max_judged: 0 })
        .collect();
    let start = vec![Steps::at(0); walks.len()];
    match arguments.kind() {
        JsonKind::Null => true,
        JsonKind::Object if arguments.members().next().is_none() => true,
        JsonKind::Object | JsonKind::Array | JsonKind::String | JsonKind::Number | JsonKind::Bool => {
            is_covered(&walks, &start, arguments)
        }
    }
}

/// An empty object or list is a value like any other: it has to be named.
fn is_covered(walks: &[Walk<'_>], steps: &[Steps], value: Json<'_>) -> bool {
    let open: Vec<Steps> = walks.iter().zip(steps).map(|(walk, steps)| walk.open(*steps)).collect();
    if walks.iter().zip(&open).any(|(walk, open)| open.has(walk.segments.len())) {
        return true;
    }
    let below = |is_it: &dyn Fn(&str) -> bool, value| {
        let next = walks.iter().zip(&open).map(|(walk, open)| walk.next(*open, |name, _| is_it(name)));
        let next: Vec<Steps> = next.collect();
        next.iter().any(|steps| *steps != Steps::NONE) && is_covered(walks, &next, value)
    };
    match value.kind() {
        JsonKind::Object => {
            let mut members = value.members().peekable();
            members.peek().is_some() && members.all(|(name, member)| below(&|wanted| wanted == name, member))
        }
        JsonKind::Array => {
            let mut elements = value.elements().enumerate().peekable();
            elements.peek().is_some()
                && elements.all(|(at, element)| below(&|wanted| index(wanted) == Some(at), element))
        }
        JsonKind::String | JsonKind::Number | JsonKind::Bool | JsonKind::Null => false,
    }
}
