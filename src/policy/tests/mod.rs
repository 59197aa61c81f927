//! Tests of the room as a whole; single parts are tested where they stand.

mod cases;
mod history;
mod places;
mod properties;
mod sample;
mod values;
mod verdicts;
