//! Many rules about the same tools, told apart by one condition of each.
//!
//! A rule with several conditions is looked up by the one that it shares with the fewest others. Invariant: each
//! rule is found by exactly one of its ways, or always.

use ipnet::IpNet;

use super::Map;
use super::access::{Access, Among, Keys, LookedAt, Way, ways};
use super::field::Field;
use crate::call::Call;
use crate::policy::matcher::{Polarity, Scene, any_is_set};
use crate::policy::shell::Mark;
use crate::policy::{HostName, Policy, Scalar, Segment, SqlKinds};
use crate::wire::{JsonKind, fold};

/// Keys of all rules together: a long list in each of many rules would take more memory than it saves time.
const MOST_KEYS: usize = 1 << 18;
/// Pieces shorter than this stand in too many texts. Bytes.
const SHORT: usize = 3;

/// Rules by what they look at.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// Rules without a condition to go by.
    always: Vec<u32>,
    /// The same, by the labels of which one must be set.
    waiting: Map<(Vec<usize>, Polarity), Vec<u32>>,
    fields: Vec<Field>,
    /// Fields by the folded name that their pointers begin with.
    by_name: Map<String, Vec<usize>>,
    /// The other fields.
    open: Vec<usize>,
}

impl Buckets {
    pub(super) fn new(policy: &Policy, rules: &[u32]) -> Self {
        let most = (MOST_KEYS / rules.len().max(1)).max(1);
        let options: Vec<(u32, Vec<Way<'_>>)> =
            rules.iter().filter_map(|number| Some((*number, ways_of(policy, *number, most)?))).collect();
        let mut shared: Shared<'_> = Map::default();
        for access in options.iter().flat_map(|(_, ways)| ways).flatten().flatten() {
            for key in hashed(&access.keys) {
                *shared.entry((access.looked_at, key)).or_default() += 1;
            }
        }
        let mut built = Self::default();
        let mut numbers: Map<LookedAt<'_>, usize> = Map::default();
        let mut drafts = Vec::new();
        for (rule, ways) in options {
            let Some((_, accesses)) =
                ways.into_iter().filter_map(|way| choice(way, &shared)).min_by_key(|(cost, _)| *cost)
            else {
                built.ask(policy, rule);
                continue;
            };
            for access in accesses {
                let number = *numbers.entry(access.looked_at).or_insert_with(|| {
                    drafts.push(Field::draft(access.looked_at));
                    drafts.len() - 1
                });
                if let Some(draft) = drafts.get_mut(number) {
                    draft.add(access.keys, rule);
                }
            }
        }
        for (looked_at, number) in numbers {
            built.name(looked_at, number);
        }
        built.fields = drafts.into_iter().map(super::field::Draft::finish).collect();
        built
    }

    /// A rule without a condition to go by. It may still wait for a label.
    fn ask(&mut self, policy: &Policy, number: u32) {
        match policy.rules.get(number as usize) {
            Some(rule) if !rule.after.is_empty() => {
                let waits = (rule.after.clone(), Polarity::of(rule.effect));
                self.waiting.entry(waits).or_default().push(number);
            }
            Some(_) | None => self.always.push(number),
        }
    }

    /// Lets the field be found by the members that its pointers begin with.
    fn name(&mut self, looked_at: LookedAt<'_>, field: usize) {
        let names = match looked_at {
            LookedAt::Fact(_) => None,
            LookedAt::Arguments(pointers) => {
                let first = |segments: &'_ [Segment]| match segments.first() {
                    Some(Segment::Key { folded, .. }) => Some(folded.clone()),
                    Some(Segment::One | Segment::Any) | None => None,
                };
                pointers.iter().map(|pointer| first(&pointer.segments)).collect::<Option<Vec<_>>>()
            }
        };
        let Some(names) = names else { return self.open.push(field) };
        for name in names {
            self.by_name.entry(name).or_default().push(field);
        }
    }

    /// Adds the rules that may match.
    pub(super) fn find(&self, scene: &Scene<'_>, found: &mut Vec<u32>) {
        found.extend(&self.always);
        for ((labels, polarity), rules) in &self.waiting {
            if any_is_set(labels, *polarity, scene) {
                found.extend(rules);
            }
        }
        let mut fields = self.open.clone();
        self.named(scene.call, &mut fields);
        fields.sort_unstable();
        fields.dedup();
        for field in fields.into_iter().filter_map(|field| self.fields.get(field)) {
            field.find(scene, found);
        }
    }

    /// Adds the fields that lead anywhere in these arguments.
    fn named(&self, call: &Call<'_>, fields: &mut Vec<usize>) {
        let Some(arguments) = call.arguments else { return };
        if arguments.kind() != JsonKind::Object {
            fields.extend(self.by_name.values().flatten());
            return;
        }
        for (name, _) in arguments.members() {
            fields.extend(self.by_name.get(&*fold(&name)).into_iter().flatten());
        }
    }
}

/// The ways of a rule that are short enough.
fn ways_of(policy: &Policy, number: u32, most: usize) -> Option<Vec<Way<'_>>> {
    let mut ways = ways(policy.rules.get(number as usize)?);
    for way in &mut ways {
        let most = most / way.len().max(1);
        for slot in way {
            slot.retain(|access| access.keys.count() <= most);
        }
    }
    Some(ways)
}

/// A key in a form that can be counted.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Number(u64),
    Bool(bool),
    Part(Vec<u8>),
    Host(HostName),
    Network(IpNet),
    Command(Mark),
    Statements(SqlKinds, Among),
    Bound(u64),
}

fn hashed(keys: &Keys) -> Vec<Key> {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::String(text) => Key::Text(text.clone()),
        Scalar::Number(number) => Key::Number(super::access::nearest(*number).to_bits()),
        Scalar::Bool(value) => Key::Bool(*value),
    };
    match keys {
        Keys::Scalars(scalars) => scalars.iter().map(scalar).collect(),
        Keys::Folders(folders) => folders.iter().map(|(_, folder)| Key::Text(folder.clone())).collect(),
        Keys::Parts(parts) => parts.iter().map(|part| Key::Part(part.clone())).collect(),
        Keys::PathParts(parts) => parts.iter().map(|(_, part)| Key::Part(part.clone())).collect(),
        Keys::Hosts(hosts) => hosts.iter().cloned().map(Key::Host).collect(),
        Keys::Networks(networks) => networks.iter().copied().map(Key::Network).collect(),
        Keys::Commands(marks) => marks.iter().cloned().map(Key::Command).collect(),
        Keys::Statements(sql, among) => vec![Key::Statements(*sql, *among)],
        Keys::Schemes(schemes) => schemes.iter().cloned().map(Key::Text).collect(),
        Keys::From(bound) | Keys::UpTo(bound) => vec![Key::Bound(bound.to_bits())],
        Keys::LongerThan(length) => vec![Key::Bound(*length)],
    }
}

/// How many rules share a key of a place.
type Shared<'r> = Map<(LookedAt<'r>, Key), usize>;

/// How little something tells: by how many rules share its most common key, whether that stands in many texts, and what
/// kind of key it is.
type Cost = (usize, u8, std::cmp::Reverse<usize>);

/// The most telling condition of each slot, and how little the least of those tells; `None` where a slot has none.
fn choice<'r>(way: Way<'r>, shared: &Shared<'r>) -> Option<(Cost, Vec<Access<'r>>)> {
    let best = |slot: Vec<Access<'r>>| {
        slot.into_iter().map(|access| (cost(&access, shared), access)).min_by_key(|(cost, _)| *cost)
    };
    let slots: Vec<(Cost, Access<'r>)> = way.into_iter().map(best).collect::<Option<_>>()?;
    let most = slots.iter().map(|(cost, _)| *cost).max()?;
    Some((most, slots.into_iter().map(|(_, access)| access).collect()))
}

fn cost<'r>(access: &Access<'r>, shared: &Shared<'r>) -> Cost {
    let mut cost = (0, access.keys.rank(), std::cmp::Reverse(usize::MAX));
    for key in hashed(&access.keys) {
        let length = if let Key::Part(part) = &key { part.len() } else { usize::MAX };
        // A value is beyond many bounds at once.
        let times = if length < SHORT || matches!(key, Key::Bound(_)) { 8 } else { 1 };
        let sharing = shared.get(&(access.looked_at, key)).copied().unwrap_or(1);
        cost.0 = cost.0.max(sharing * times);
        cost.2 = cost.2.max(std::cmp::Reverse(length));
    }
    cost
}
