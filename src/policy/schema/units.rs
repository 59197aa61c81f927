//! Durations and sizes as people write them: `90d`, `45s`, `1GiB`.
//!
//! Invariant: nothing here overflows; what does not fit is not a number.

/// Milliseconds of `90d`, `45s`, `10m`, `2h`, `1w`; a bare number counts seconds.
pub fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit) = split(text)?;
    let unit_ms: i64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    i64::try_from(number).ok()?.checked_mul(unit_ms)
}

/// A duration in the largest unit that leaves nothing over: `90d`, `1500ms`.
pub fn duration_text(ms: u64) -> String {
    let units = [(7 * 86_400_000, "w"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms}ms"), |(unit, word)| format!("{}{word}", ms / unit))
}

/// Bytes of `1GiB`, `512MiB`, `10MB`; a bare number counts bytes.
pub fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_a_unit_or_count_seconds() {
        let read = ["90d", "45s", "10m", "2h", "1w", "7", "250ms"].map(duration_ms);
        let expected = [7_776_000_000, 45_000, 600_000, 7_200_000, 604_800_000, 7_000, 250];
        assert_eq!(read, expected.map(Some));
        let told = [7_776_000_000, 45_000, 90_000, 604_800_000, 1_500, 0].map(duration_text);
        assert_eq!(told, ["90d", "45s", "90s", "1w", "1500ms", "0ms"]);
        assert_eq!(
            ["", "d", "-1d", "1.5h", "3 fortnights", "99999999999999999w"].map(duration_ms),
            [None; 6]
        );
    }

    #[test]
    fn sizes_carry_a_unit_or_count_bytes() {
        assert_eq!(
            ["1GiB", "512 MiB", "10MB", "42"].map(size_bytes),
            [1 << 30, 512 << 20, 10_000_000, 42].map(Some)
        );
        assert_eq!(["", "GiB", "1 gallon", "99999999TiB"].map(size_bytes), [None; 4]);
    }
}
