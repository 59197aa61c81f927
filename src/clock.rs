//! The only reader of time. Everything else is given a [`Now`].

#![allow(clippy::disallowed_methods)] // the one place that may

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::record::Now;

/// Reads both clocks.
pub fn now() -> Now {
    Now { unix_ms: unix_ms(), steady_us: steady_us() }
}

/// Milliseconds since the Unix epoch. A clock is not free to read, so calls ask for the one that they need.
pub fn unix_ms() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
}

/// Microseconds since the first time that it was asked.
pub fn steady_us() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}
