//! By which of its conditions a rule can be looked up.
//!
//! It names what a value must be for a condition to be in doubt at all; whatever it does not know has no keys.
//! Invariant: where a rule matches, each of its ways has a condition that some value has a key of, or is opaque to.

use ipnet::IpNet;

use super::required::{Pieces, sets};
use crate::policy::shell::Mark;
use crate::policy::{
    Anchor, Condition, Fact, HostName, Number, Pointer, Predicate, Rule, Scalar, SqlKinds, Subject, Table,
};

/// A way to look a rule up: one condition of each of its slots, whichever is the most telling. The slots are `when`, or
/// the tables of `any`.
pub(super) type Way<'r> = Vec<Vec<Access<'r>>>;

/// One condition, as something to look up.
#[derive(Debug)]
pub(super) struct Access<'r> {
    pub(super) looked_at: LookedAt<'r>,
    pub(super) keys: Keys,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LookedAt<'r> {
    Arguments(&'r [Pointer]),
    Fact(Fact),
}

/// What a value must have for one test to hold of it: any of these.
#[derive(Debug)]
pub(super) enum Keys {
    /// The value itself.
    Scalars(Vec<Scalar>),
    /// A piece of its text.
    Parts(Pieces),
    /// A folder above it, as it stands below an anchor.
    Folders(Vec<(Anchor, String)>),
    /// A piece of its path below an anchor.
    PathParts(Vec<(Anchor, Vec<u8>)>),
    /// A host below this name, or this one.
    Hosts(Vec<HostName>),
    /// A URL's scheme, in lower case.
    Schemes(Vec<String>),
    /// A length above this. Bytes.
    LongerThan(u64),
    /// An address in this network.
    Networks(Vec<IpNet>),
    /// A command with this.
    Commands(Vec<Mark>),
    /// Statements of these kinds, among others or alone.
    Statements(SqlKinds, Among),
    /// A number at or above this.
    From(f64),
    /// A number at or below this.
    UpTo(f64),
}

/// Whether other statements may stand beside those that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Among {
    Others,
    None,
}

/// The ways to look a rule up, each enough by itself.
pub(super) fn ways(rule: &Rule) -> Vec<Way<'_>> {
    let when = rule.when.iter().map(|table| vec![slot(table)]);
    let any = (!rule.any.is_empty()).then(|| rule.any.iter().map(slot).collect());
    when.chain(any).collect()
}

fn slot(table: &Table) -> Vec<Access<'_>> {
    table.iter().flat_map(accesses).collect()
}

fn accesses(condition: &Condition) -> Vec<Access<'_>> {
    let looked_at = if let Subject::Arguments(pointers) = &condition.subject {
        LookedAt::Arguments(pointers)
    } else if let Subject::Fact(fact) = &condition.subject
        && !fact.is_truth()
    {
        LookedAt::Fact(*fact)
    } else {
        // What a server claims of a tool is in doubt where it did not list it: there is no value to look up.
        return Vec::new();
    };
    let keys = condition.tests.iter().flat_map(keys);
    keys.map(|keys| Access { looked_at, keys }).collect()
}

/// Keys of one test; several sets where each is enough. What is not known here is asked always.
fn keys(test: &Predicate) -> Vec<Keys> {
    if let Predicate::Eq(scalar) = test {
        return vec![Keys::Scalars(vec![scalar.clone()])];
    }
    if let Predicate::In(scalars) = test {
        return vec![Keys::Scalars(scalars.clone())];
    }
    if let Predicate::Glob(globs) = test {
        return parts(globs.regexes().map(sets).collect());
    }
    if let Predicate::Matches(regexes) = test {
        return parts(regexes.patterns().iter().map(|pattern| sets(pattern)).collect());
    }
    if let Predicate::PathUnder(bases) = test {
        let folder = |parts: &[String]| parts.iter().fold(String::new(), |path, part| path + "/" + part);
        return vec![Keys::Folders(
            bases.iter().map(|base| (base.anchor, folder(&base.components))).collect(),
        )];
    }
    if let Predicate::PathGlob(globs) = test {
        let longest = |below: &str| sets(below).into_iter().next();
        let pieces = globs.iter().map(|glob| {
            let pieces = glob.below.regexes().next().and_then(longest)?;
            Some(pieces.into_iter().map(|piece| (glob.anchor, piece)))
        });
        let pieces: Option<Vec<_>> = pieces.collect();
        return pieces.map(|all| Keys::PathParts(all.into_iter().flatten().collect())).into_iter().collect();
    }
    if let Predicate::Host(items) = test {
        return vec![Keys::Hosts(items.iter().map(|item| item.name.clone()).collect())];
    }
    if let Predicate::Scheme(schemes) = test {
        return vec![Keys::Schemes(schemes.clone())];
    }
    if let Predicate::BytesGt(length) = test {
        return vec![Keys::LongerThan(*length)];
    }
    if let Predicate::IpIn(networks) = test {
        return vec![Keys::Networks(networks.iter().map(IpNet::trunc).collect())];
    }
    if let Predicate::ShellAny(items) | Predicate::ShellOnly(items) = test {
        return items.marks().into_iter().map(Keys::Commands).collect();
    }
    if let Predicate::SqlAny(sql) = test {
        return vec![Keys::Statements(*sql, Among::Others)];
    }
    if let Predicate::SqlOnly(sql) = test {
        return vec![Keys::Statements(*sql, Among::None)];
    }
    if let Predicate::Gt(bound) | Predicate::Ge(bound) = test {
        return vec![Keys::From(nearest(*bound))];
    }
    if let Predicate::Lt(bound) | Predicate::Le(bound) = test {
        return vec![Keys::UpTo(nearest(*bound))];
    }
    Vec::new()
}

/// Of one pattern every set is a way; several patterns make one way together.
fn parts(mut patterns: Vec<Vec<Pieces>>) -> Vec<Keys> {
    if patterns.len() == 1 {
        return patterns.pop().unwrap_or_default().into_iter().map(Keys::Parts).collect();
    }
    let longest: Option<Vec<Pieces>> = patterns.into_iter().map(|sets| sets.into_iter().next()).collect();
    longest.map(|all| Keys::Parts(all.into_iter().flatten().collect())).into_iter().collect()
}

impl Keys {
    /// Kinds of keys, the most telling first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Scalars(_) => 0,
            Self::Folders(_) | Self::Hosts(_) | Self::Networks(_) => 1,
            Self::PathParts(_) | Self::Commands(_) => 2,
            Self::Parts(_) => 3,
            Self::From(_) | Self::UpTo(_) | Self::LongerThan(_) | Self::Schemes(_) | Self::Statements(..) => {
                4
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Scalars(scalars) => scalars.len(),
            Self::Folders(folders) => folders.len(),
            Self::PathParts(parts) => parts.len(),
            Self::Parts(parts) => parts.len(),
            Self::Hosts(hosts) => hosts.len(),
            Self::Networks(networks) => networks.len(),
            Self::Commands(marks) => marks.len(),
            Self::Schemes(schemes) => schemes.len(),
            Self::From(_) | Self::UpTo(_) | Self::LongerThan(_) | Self::Statements(..) => 1,
        }
    }
}

/// The double next to a number. Rounding keeps order, so that comparing doubles finds too many at worst.
#[allow(clippy::cast_precision_loss)] // see above
pub(super) fn nearest(number: Number) -> f64 {
    match number {
        Number::Integer(integer) => integer as f64,
        Number::Float(float) => float,
    }
}
