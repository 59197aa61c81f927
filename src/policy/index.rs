//! Which rules are worth asking about a call, found without asking all.
//!
//! It never says that a rule matches, only that one surely does not: by its tools, then, where many share those, by
//! one condition that must hold of it. Invariant: every rule that matches a call is among those found for it.

mod access;
mod buckets;
mod commands;
mod field;
mod hosts;
mod parts;
mod places;
mod required;
mod statements;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use self::buckets::Buckets;
use self::parts::Parts;
use super::matcher::Scene;
use super::{Names, Policy};

/// Up to so many rules it is faster to ask them all. Tests go through the index with fewer already.
pub(super) const FEW: usize = if cfg!(test) { 1 } else { 24 };

/// Rules by what calls must have for them to match. Made for the rules of one stance.
#[derive(Debug)]
pub(super) struct Index {
    /// Groups by a tool that they name.
    exact: Map<Box<str>, Vec<u32>>,
    /// Groups by a part of the name that their globs ask for.
    parts: Parts,
    /// Groups that any name may belong to.
    open: Vec<u32>,
    groups: Vec<Group>,
}

/// The rules that list the same tools.
#[derive(Debug)]
struct Group {
    rules: Vec<u32>,
    /// Where there are many.
    buckets: Option<Box<Buckets>>,
}

/// Keys come from a policy file, so nobody gains by making them collide; what calls bring is only looked up.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<std::hash::DefaultHasher>>;

impl Index {
    /// `live` are the indices of the rules that it is about.
    pub(super) fn new(policy: &Policy, live: &[usize]) -> Self {
        let mut groups: Map<Vec<&str>, Vec<u32>> = Map::default();
        for index in live {
            if let (Some(rule), Ok(number)) = (policy.rules.get(*index), u32::try_from(*index)) {
                groups.entry(identity(&rule.tools)).or_default().push(number);
            }
        }
        let mut gathered = Gathered::default();
        for rules in groups.into_values() {
            let first = rules.first().and_then(|rule| policy.rules.get(*rule as usize));
            if let Some(first) = first {
                gathered.add(&first.tools, Group::new(rules, policy));
            }
        }
        let Gathered { exact, by_part, open, groups } = gathered;
        Self { exact, parts: Parts::new(by_part), open, groups }
    }

    /// Indices of the rules that may match, in file order.
    pub(super) fn candidates(&self, scene: &Scene<'_>) -> Vec<usize> {
        let mut groups = self.open.clone();
        groups.extend(self.exact.get(scene.name).into_iter().flatten());
        self.parts.find(scene.name, &mut groups);
        groups.sort_unstable();
        groups.dedup();
        let mut found = Vec::new();
        for group in groups.into_iter().filter_map(|group| self.groups.get(group as usize)) {
            group.find(scene, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| index as usize).collect()
    }
}

impl Group {
    fn new(rules: Vec<u32>, policy: &Policy) -> Self {
        let buckets = (rules.len() > FEW).then(|| Box::new(Buckets::new(policy, &rules)));
        Self { rules, buckets }
    }

    fn find(&self, scene: &Scene<'_>, found: &mut Vec<u32>) {
        let Some(buckets) = &self.buckets else { return found.extend(&self.rules) };
        let first = self.rules.first().and_then(|rule| scene.policy.rules.get(*rule as usize));
        if first.is_some_and(|rule| rule.tools.contains(scene.name)) {
            buckets.find(scene, found);
        }
    }
}

/// An index while groups join it.
#[derive(Default)]
struct Gathered {
    exact: Map<Box<str>, Vec<u32>>,
    by_part: Map<Vec<u8>, Vec<u32>>,
    open: Vec<u32>,
    groups: Vec<Group>,
}

impl Gathered {
    fn add(&mut self, tools: &Names, group: Group) {
        let Ok(number) = u32::try_from(self.groups.len()) else { return };
        self.groups.push(group);
        let parts: Option<Vec<Vec<u8>>> = tools.globs.regexes().map(required::longest_of_glob).collect();
        match parts {
            Some(parts) if tools.any_given => {
                for name in &tools.exact {
                    self.exact.entry(name.as_str().into()).or_default().push(number);
                }
                for part in parts {
                    self.by_part.entry(part).or_default().push(number);
                }
            }
            Some(_) | None => self.open.push(number),
        }
    }
}

/// What tells one list of names from another.
fn identity(names: &Names) -> Vec<&str> {
    let exact = names.exact.iter().map(String::as_str);
    let globs = names.globs.regexes().chain(std::iter::once("!")).chain(names.except.regexes());
    let kind = if names.any_given { "+" } else { "-" };
    std::iter::once(kind).chain(exact).chain(std::iter::once("*")).chain(globs).collect()
}
