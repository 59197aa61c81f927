//! The fact `time`: hours of days and dates, by the clock on the wall of one place.
//!
//! It reads no clock, and no zone of the machine it runs on: zones come with the program, so that a policy means the same
//! everywhere. Invariant: every instant has one answer, also where clocks are set back or forward.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Minutes.
const MINUTES_A_DAY: u16 = 24 * 60;
/// All bits of [`Days::Week`].
const EVERY_DAY: u8 = 0x7f;
const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

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
        let wall = self.local(unix_ms);
        let minute = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
        self.windows.iter().any(|window| window.contains(wall.date(), minute))
    }

    /// An instant, milliseconds since the Unix epoch, as the windows see it: `Fri 20:00 in Europe/Rome`, with the date
    /// where they name dates.
    pub fn wall(&self, unix_ms: i64) -> String {
        let dated = self.windows.iter().any(|window| matches!(window.days, Days::Dates(..)));
        let format = if dated { "%a %Y-%m-%d %H:%M" } else { "%a %H:%M" };
        format!("{} in {}", self.local(unix_ms).strftime(format), self.zone_name())
    }

    /// The zone as the file names it.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    fn local(&self, unix_ms: i64) -> DateTime {
        let edge = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        self.zone.to_datetime(Timestamp::from_millisecond(unix_ms).unwrap_or(edge))
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

/// As files write it: `Mon-Fri 09:00-18:00`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all_day = (self.begins, self.ends) == (0, MINUTES_A_DAY);
        match (self.days, all_day) {
            (Days::Week(EVERY_DAY), _) => {}
            (days, true) => return days.fmt(f),
            (days, false) => write!(f, "{days} ")?,
        }
        let hours = |minute: u16| (minute / 60, minute % 60);
        let ((begins, begun), (ends, ended)) = (hours(self.begins), hours(self.ends));
        write!(f, "{begins:02}:{begun:02}-{ends:02}:{ended:02}")
    }
}

/// As files write them: `Mon-Fri`, `Mon,Wed`, `2026-12-24..2026-12-27`.
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match *self {
            Self::Dates(first, last) if first == last => return write!(f, "{first}"),
            Self::Dates(first, last) => return write!(f, "{first}..{last}"),
            Self::Week(days) => days,
        };
        let (mut day, mut comma) = (0, "");
        while day < NAMES.len() {
            let run = NAMES.iter().skip(day).enumerate().take_while(|(at, _)| days >> (day + at) & 1 == 1);
            let run: Vec<&str> = run.map(|(_, name)| *name).collect();
            match run.as_slice() {
                [] => {}
                [one] => write!(f, "{comma}{one}")?,
                [one, two] => write!(f, "{comma}{one},{two}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
            }
            comma = if run.is_empty() { comma } else { "," };
            day += run.len() + 1;
        }
        Ok(())
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
