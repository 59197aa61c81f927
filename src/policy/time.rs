//! The fact `time`: hours of days and dates, by the clock on the wall of one place.
//!
//! It reads no clock, and no zone of the machine it runs on: zones come with the program, so that a policy means the same
//! everywhere. Invariant: every instant has one answer, also where clocks are set back or forward.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// When `time` holds: in any of the windows.
#[derive(Debug, Clone)]
pub struct Windows {
    /// Whose clocks and days are meant.
    pub zone: TimeZone,
    /// At least one.
    pub windows: Vec<Window>,
}

/// Hours on some days. One that ends before it begins runs into the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days that it begins on.
    pub days: Days,
    /// Minutes after midnight, the first that is in.
    pub begins: u16,
    /// Minutes after midnight, the first that is out; 1440 is the end of the day. Never the same as `begins`.
    pub ends: u16,
}

/// Days of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// Bit 0 is Monday.
    Week(u8),
    /// From the one to the other, both in.
    Dates(Date, Date),
}

/// An instant as a file or a command line writes it, RFC 3339 with its offset: milliseconds since the Unix epoch.
pub fn unix_ms(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

impl Windows {
    /// Whether an instant, milliseconds since the Unix epoch, is in a window.
    pub fn contains(&self, unix_ms: i64) -> bool {
        let edge = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let instant = Timestamp::from_millisecond(unix_ms).unwrap_or(edge);
        let wall = self.zone.to_datetime(instant);
        let minute = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
        self.windows.iter().any(|window| window.contains(wall.date(), minute))
    }
}

impl Window {
    fn contains(&self, date: Date, minute: i32) -> bool {
        let (begun, over) = (minute >= i32::from(self.begins), minute >= i32::from(self.ends));
        if self.begins < self.ends {
            return self.days.contain(date) && begun && !over;
        }
        let since_yesterday = || date.yesterday().is_ok_and(|before| self.days.contain(before));
        begun && self.days.contain(date) || !over && since_yesterday()
    }
}

impl Days {
    fn contain(self, date: Date) -> bool {
        match self {
            Self::Week(days) => days >> date.weekday().to_monday_zero_offset() & 1 == 1,
            Self::Dates(first, last) => (first..=last).contains(&date),
        }
    }
}
