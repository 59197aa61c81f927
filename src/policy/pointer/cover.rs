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

/// JSON Pointers (RFC 6901) to what no pointer names, in the order of the text; the first `most` of them. None exactly
/// where [`covers`] says so.
pub(in crate::policy) fn uncovered(
    pointers: &[&Pointer],
    arguments: Option<Json<'_>>,
    most: usize,
) -> Vec<String> {
    let mut open = Open { walks: Vec::new(), place: String::new(), found: Vec::new(), most };
    if covers(pointers.iter().copied(), arguments) {
        return open.found;
    }
    let short = pointers.iter().filter(|pointer| pointer.segments.len() <= MAX_STEPS);
    open.walks.extend(short.map(|pointer| Walk {
        segments: &pointer.segments,
        readers: Readers::Exact,
        max_judged: 0,
    }));
    let start = vec![Steps::at(0); open.walks.len()];
    if let Some(arguments) = arguments {
        open.collect(&start, arguments);
    }
    open.found
}

/// A search for what no pointer names.
struct Open<'p> {
    walks: Vec<Walk<'p>>,
    /// Where it is.
    place: String,
    found: Vec<String>,
    most: usize,
}

impl Open<'_> {
    fn collect(&mut self, steps: &[Steps], value: Json<'_>) {
        let open: Vec<Steps> = self.walks.iter().zip(steps).map(|(walk, steps)| walk.open(*steps)).collect();
        let named = self.walks.iter().zip(&open).any(|(walk, open)| open.has(walk.segments.len()));
        if named || self.found.len() >= self.most {
            return;
        }
        // Nothing below can be named: the place itself says it.
        let is_root = self.place.is_empty();
        let mut members = value.members().peekable();
        let mut elements = value.elements().enumerate().peekable();
        if (!is_root && open.iter().all(|steps| *steps == Steps::NONE))
            || (members.peek().is_none() && elements.peek().is_none())
        {
            self.found.push(self.place.clone());
            return;
        }
        for (name, member) in members {
            self.step(&open, &name, member, &|wanted| wanted == name);
        }
        for (at, element) in elements {
            self.step(&open, &at.to_string(), element, &|wanted| index(wanted) == Some(at));
        }
    }

    fn step(&mut self, open: &[Steps], name: &str, value: Json<'_>, is_it: &dyn Fn(&str) -> bool) {
        let next = self.walks.iter().zip(open).map(|(walk, open)| walk.next(*open, |name, _| is_it(name)));
        let next: Vec<Steps> = next.collect();
        let length = self.place.len();
        self.place.push('/');
        self.place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        self.collect(&next, value);
        self.place.truncate(length);
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
