//! `alert` of a rule as written: a truth value, or names of destinations.
//!
//! It refuses to know which destinations there are: the compiler does. Invariant: every name has its place.

use toml::Spanned;

use super::reading::{List, Reading, Section};

/// `alert` of a rule.
#[derive(Debug)]
pub(crate) enum Alert {
    /// `true` or `false`.
    Said(Spanned<bool>),
    /// Names under `[alerts.to]`.
    These(List<String>),
}

/// Takes the key.
pub(super) fn alert(section: &mut Section<'_>, reading: &mut Reading) -> Option<Alert> {
    let node = section.take("alert")?;
    if node.get_ref().as_bool().is_some() {
        return section.boolean("alert", reading).map(Alert::Said);
    }
    section.strings("alert", reading).map(Alert::These)
}
