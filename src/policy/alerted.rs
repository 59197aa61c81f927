//! Whom a rule alerts.
//!
//! It refuses to know how: destinations are names here. Invariant: of a policy without faults every name is one under
//! `[alerts.to]`.

use std::sync::Arc;

/// `alert` of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Alerted {
    /// Not said: the rule's severity decides.
    #[default]
    BySeverity,
    /// `false`: nobody.
    Nobody,
    /// `true`: every destination, however mild the rule is.
    All,
    /// These destinations, however mild the rule is.
    These(Arc<[Arc<str>]>),
}
