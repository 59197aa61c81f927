//! Tests of the room as a whole; single parts are tested where they stand.

mod cases;
mod index;
mod places;
mod properties;
mod sample;
mod values;
mod verdicts;
