//! Waiting with an end.

use std::time::Duration;

use anyhow::bail;

use crate::clock::now;

/// How long the demo waits for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until there is something to see, for [`PATIENCE`] at most.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = now().steady_us;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if u128::from(now().steady_us.saturating_sub(start)) > PATIENCE.as_micros() {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
