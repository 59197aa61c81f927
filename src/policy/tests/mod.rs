//! Tests of the room as a whole; single parts are tested where they stand.

mod asked;
mod cases;
mod closed;
mod history;
pub(super) mod index;
mod places;
pub(super) mod properties;
pub(super) mod sample;
mod values;
mod verdicts;
