//! Tests of the room as a whole; single parts are tested where they stand.

mod cases;
mod closed;
mod places;
mod properties;
mod sample;
mod values;
mod verdicts;
