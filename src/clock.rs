//! The only reader of time. Everything else is given a [`Now`].

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::record::Now;

/// Reads the clock.
#[allow(clippy::disallowed_methods)] // the one place that may
pub fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX),
        steady_us: u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}
