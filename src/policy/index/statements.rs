//! Rules by the kinds of statement that a text holds.
//!
//! A text is read once in each dialect that rules name; what they ask is then as good as free. Invariant: a rule that is
//! not found has an answer, and it is no.

use super::Map;
use super::access::Among;
use crate::policy::SqlKinds;
use crate::policy::matcher::Scene;
use crate::policy::sql::Sql;

/// Rules with `sql_any` or `sql_only` on one field, by what they ask.
#[derive(Debug, Default)]
pub(super) struct Statements(Map<(SqlKinds, Among), Vec<u32>>);

impl Statements {
    pub(super) fn add(&mut self, sql: SqlKinds, among: Among, rule: u32) {
        self.0.entry((sql, among)).or_default().push(rule);
    }

    pub(super) fn all(&self, found: &mut Vec<u32>) {
        found.extend(self.0.values().flatten());
    }

    /// A text that is meant as SQL.
    pub(super) fn find(&self, text: &str, scene: &Scene<'_>, found: &mut Vec<u32>) {
        self.find_in(text, scene, |_| true, found);
    }

    /// A text that may be SQL.
    pub(super) fn guess(&self, text: &str, scene: &Scene<'_>, found: &mut Vec<u32>) {
        self.find_in(text, scene, Sql::is_evident, found);
    }

    fn find_in(&self, text: &str, scene: &Scene<'_>, counts: fn(&Sql) -> bool, found: &mut Vec<u32>) {
        for ((asked, among), rules) in &self.0 {
            let sql = scene.readings.sql(text, asked.dialect);
            let answer = match among {
                Among::Others => asked.any_in(&sql),
                Among::None => asked.only_in(&sql),
            };
            if counts(&sql) && answer != Some(false) {
                found.extend(rules);
            }
        }
    }
}
