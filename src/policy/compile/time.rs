//! Operands of the fact `time`: windows such as `Mon-Fri 09:00-18:00`, and the zone they are meant in.
//!
//! It refuses windows that hold no minute and zones that no database knows. Invariant: the zones are those that come with
//! the program, whatever the machine has.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::Spanned;

use super::fault;
use crate::policy::schema::{Condition, Reading, did_you_mean, only_strings};
use crate::policy::{Days, Window, Windows};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const EVERY_DAY: Days = Days::Week(0x7f);
const MINUTES_A_DAY: u16 = 24 * 60;

const FORM: &str =
    "write days, hours or both: `Mon-Fri 09:00-18:00`, `Sat,Sun`, `22:00-06:00`, `2026-12-24..2026-12-27`";
const DAY_FORM: &str =
    "days are Mon Tue Wed Thu Fri Sat Sun: `Mon-Fri`, `Mon,Wed`; hours have a colon: `09:00-18:00`";
const DATE_FORM: &str =
    "dates are written `2026-12-24` or, from the first to the last, `2026-12-24..2026-12-27`";
const HOUR_FORM: &str = "hours are written `09:00-18:00`, from 00:00 to 24:00";
const EMPTY: &str = "it ends when it begins; the whole day is `00:00-24:00`";

/// Compiles the condition on `time`.
pub(super) fn windows(written: &Condition, reading: &mut Reading) -> Option<Windows> {
    let zone = if let Some(name) = &written.zone {
        zone(name, reading)
    } else {
        let hint = "say where: `zone = \"Europe/Rome\"`, or `zone = \"UTC\"` if that is meant";
        reading.note_with(written.key.span(), "without a `zone` these are hours in UTC", hint);
        Some(TimeZone::UTC)
    };
    let mut windows = Some(Vec::new());
    for test in &written.tests {
        if test.values.get_ref().is_empty() {
            fault(reading, test.values.span(), "no window, so it can never hold", FORM);
        }
        let values = Spanned::new(test.values.span(), test.values.get_ref().clone());
        let texts = only_strings(values, "time", reading)?;
        for text in texts.get_ref() {
            let read = window(text.get_ref());
            if let Err(hint) = read {
                fault(reading, text.span(), format!("`{}` is no window of time", text.get_ref()), hint);
            }
            windows = windows.zip(read.ok()).map(|(mut all, window)| {
                all.push(window);
                all
            });
        }
    }
    Some(Windows { zone: zone?, windows: windows? })
}

fn zone(name: &Spanned<String>, reading: &mut Reading) -> Option<TimeZone> {
    let (text, known) = (name.get_ref().as_str(), TimeZoneDatabase::bundled());
    if let Ok(zone) = known.get(text) {
        return Some(zone);
    }
    let names: Vec<String> = known.available().map(|name| name.to_string()).collect();
    let names = || names.iter().map(String::as_str);
    let place = |name: &&str| name.rsplit('/').next().is_some_and(|place| place.eq_ignore_ascii_case(text));
    let hint = names()
        .find(place)
        .map(|name| format!("did you mean `{name}`?"))
        .or_else(|| did_you_mean(text, names()))
        .unwrap_or_else(|| {
            "zones are named as in the IANA database: `Europe/Rome`, `America/New_York`, `UTC`".to_owned()
        });
    fault(reading, name.span(), format!("no time zone is named `{text}`"), &hint);
    None
}

/// Days, hours, or both; the error is what to do.
fn window(text: &str) -> Result<Window, &'static str> {
    let (mut days, mut hours) = (None, None);
    for part in text.split_whitespace() {
        let before = if part.contains(':') {
            hours.replace(read_hours(part)?).is_some()
        } else {
            days.replace(read_days(part)?).is_some()
        };
        if before {
            return Err(FORM);
        }
    }
    if days.is_none() && hours.is_none() {
        return Err(FORM);
    }
    let (begins, ends) = hours.unwrap_or((0, MINUTES_A_DAY));
    Ok(Window { days: days.unwrap_or(EVERY_DAY), begins, ends })
}

fn read_hours(text: &str) -> Result<(u16, u16), &'static str> {
    let (begins, ends) = text.split_once('-').ok_or(HOUR_FORM)?;
    let (begins, ends) = (minute(begins).ok_or(HOUR_FORM)?, minute(ends).ok_or(HOUR_FORM)?);
    // `18:00-00:00` is meant as `18:00-24:00`.
    let ends = if ends == 0 { MINUTES_A_DAY } else { ends };
    match (begins, ends) {
        (MINUTES_A_DAY, _) => Err(HOUR_FORM),
        _ if begins == ends => Err(EMPTY),
        _ => Ok((begins, ends)),
    }
}

/// `09:30` as minutes after midnight.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let well_formed = (1..=2).contains(&hour.len()) && minute.len() == 2;
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (well_formed && total <= MINUTES_A_DAY).then_some(total)
}

fn read_days(text: &str) -> Result<Days, &'static str> {
    if text.len() > 5 && text.bytes().take(4).all(|byte| byte.is_ascii_digit()) {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last): (Date, Date) = (date(first)?, date(last)?);
        return if first <= last { Ok(Days::Dates(first, last)) } else { Err(DATE_FORM) };
    }
    let mut days = 0;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (day(first)?, day(last)?);
        // Over the end of the week, where it must be.
        days |= (0..7)
            .filter(|step| *step <= (last + 7 - first) % 7)
            .fold(0, |set, step| set | 1 << ((first + step) % 7));
    }
    Ok(Days::Week(days))
}

fn date(text: &str) -> Result<Date, &'static str> {
    // Nothing shorter or longer: the library also reads forms that people would not expect here.
    if text.len() == 10 { text.parse().map_err(|_| DATE_FORM) } else { Err(DATE_FORM) }
}

/// `mon`, `Monday`: days after Monday.
fn day(text: &str) -> Result<u8, &'static str> {
    let is = |name: &&str| {
        name.eq_ignore_ascii_case(text) || name.get(..3).is_some_and(|s| s.eq_ignore_ascii_case(text))
    };
    let found = (0..7).zip(DAYS).find(|(_, name)| is(name));
    found.map(|(number, _)| number).ok_or(DAY_FORM)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::unix_ms;

    fn holds(window_text: &str, zone: &str, instant: &str) -> bool {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        Windows { zone, windows: vec![window(window_text).unwrap()] }.contains(unix_ms(instant).unwrap())
    }

    #[test]
    fn a_window_holds_from_its_first_minute_to_before_its_last() {
        // The 20th of November 2026 is a Friday.
        for (text, instant, expected) in [
            ("Mon-Fri 09:00-18:00", "2026-11-20T09:00:00Z", true),
            ("Mon-Fri 09:00-18:00", "2026-11-20T08:59:59.999Z", false),
            ("Mon-Fri 09:00-18:00", "2026-11-20T17:59:59.999Z", true),
            ("Mon-Fri 09:00-18:00", "2026-11-20T18:00:00Z", false),
            ("Mon-Fri 09:00-18:00", "2026-11-21T10:00:00Z", false),
            ("mon,wed,FRIDAY", "2026-11-20T23:59:59Z", true),
            ("Mon,Wed", "2026-11-20T12:00:00Z", false),
            ("Fri-Mon", "2026-11-22T12:00:00Z", true),
            ("Fri-Mon", "2026-11-24T12:00:00Z", false),
            ("Fri", "2026-11-20T00:00:00Z", true),
            ("9:00-10:00", "2026-11-20T09:30:00Z", true),
            ("09:00-10:00 Fri", "2026-11-20T09:30:00Z", true),
            ("18:00-24:00", "2026-11-20T23:59:59Z", true),
            ("18:00-00:00", "2026-11-20T00:00:00Z", false),
            ("2026-11-20", "2026-11-20T23:59:59Z", true),
            ("2026-11-20", "2026-11-21T00:00:00Z", false),
            ("2026-12-24..2026-12-27 08:00-12:00", "2026-12-27T11:59:00Z", true),
            ("2026-12-24..2026-12-27 08:00-12:00", "2026-12-27T12:00:00Z", false),
        ] {
            assert_eq!(holds(text, "UTC", instant), expected, "{text} at {instant}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        for (instant, expected) in [
            ("2026-11-20T21:59:00Z", false),
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T05:59:00Z", true),
            ("2026-11-21T06:00:00Z", false),
            ("2026-11-21T22:00:00Z", false),
            ("2026-11-20T05:00:00Z", false),
        ] {
            assert_eq!(holds("Fri 22:00-06:00", "UTC", instant), expected, "{instant}");
        }
    }

    #[test]
    fn hours_are_those_on_the_wall_also_when_clocks_change() {
        for (text, instant, expected) in [
            ("09:00-18:00", "2026-01-15T08:00:00Z", true),
            ("09:00-18:00", "2026-07-15T07:00:00Z", true),
            ("09:00-18:00", "2026-07-15T16:30:00Z", false),
            // Clocks go from two to three: half past two never comes, and nothing else is lost.
            ("02:00-03:00", "2026-03-29T00:59:59Z", false),
            ("02:00-03:00", "2026-03-29T01:00:00Z", false),
            ("01:00-02:00", "2026-03-29T00:59:59Z", true),
            ("03:00-04:00", "2026-03-29T01:00:00Z", true),
            // Clocks go from three back to two: half past two comes twice.
            ("02:00-03:00", "2026-10-25T00:30:00Z", true),
            ("02:00-03:00", "2026-10-25T01:30:00Z", true),
            ("02:00-03:00", "2026-10-25T02:00:00Z", false),
            ("Sun", "2026-10-24T22:00:00Z", true),
        ] {
            assert_eq!(holds(text, "Europe/Rome", instant), expected, "{text} at {instant}");
        }
        assert!(holds("Sat 12:00-12:01", "Asia/Kathmandu", "2026-11-21T06:15:00Z"));
    }

    fn any_window() -> impl Strategy<Value = Window> {
        let date = (2000_i16..2100, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap());
        let dates = (date.clone(), date).prop_map(|(a, b)| Days::Dates(a.min(b), a.max(b)));
        let days = prop_oneof![(1_u8..=0x7f).prop_map(Days::Week), dates];
        let hours = (0_u16..1440, 1_u16..=1440).prop_filter("it ends when it begins", |(a, b)| a != b);
        (days, prop_oneof![Just((0, MINUTES_A_DAY)), hours]).prop_map(|(days, (begins, ends))| Window {
            days,
            begins,
            ends,
        })
    }

    proptest! {
        #[test]
        fn a_window_is_told_as_it_may_be_written(told in any_window()) {
            prop_assert_eq!(window(&told.to_string()), Ok(told));
        }
    }

    #[test]
    fn a_window_is_told_in_the_shortest_form() {
        for text in [
            "Mon-Fri 09:00-18:00",
            "Sat,Sun",
            "22:00-06:00",
            "00:00-24:00",
            "Mon,Wed-Sun 18:00-24:00",
            "2026-12-24",
            "2026-12-24..2026-12-27 08:00-12:00",
        ] {
            assert_eq!(window(text).unwrap().to_string(), text);
        }
        let zone = TimeZoneDatabase::bundled().get("Europe/Rome").unwrap();
        let mut windows = Windows { zone, windows: vec![window("Mon-Fri").unwrap()] };
        let at = unix_ms("2026-11-20T19:00:00Z").unwrap();
        assert_eq!(windows.wall(at), "Fri 20:00 in Europe/Rome");
        windows.windows.push(window("2026-12-24").unwrap());
        assert_eq!(windows.wall(at), "Fri 2026-11-20 20:00 in Europe/Rome");
    }

    #[test]
    fn every_instant_has_an_answer() {
        let zone = TimeZoneDatabase::bundled().get("Pacific/Kiritimati").unwrap();
        let windows =
            Windows { zone, windows: vec![window("22:00-06:00").unwrap(), window("Mon-Sun").unwrap()] };
        for instant in [i64::MIN, -1, 0, i64::MAX] {
            assert!(windows.contains(instant), "{instant}");
        }
    }

    #[test]
    fn what_is_no_window_says_how_one_is_written() {
        for (text, hint) in [
            ("", FORM),
            ("Mon Tue", FORM),
            ("09:00-10:00 11:00-12:00", FORM),
            ("Mo-Fr", DAY_FORM),
            ("9-17", DAY_FORM),
            ("Mon - Fri", DAY_FORM),
            ("Mon,,Tue", DAY_FORM),
            ("09:00", HOUR_FORM),
            ("09:00\u{2013}18:00", HOUR_FORM),
            ("09:60-18:00", HOUR_FORM),
            ("09:00-24:01", HOUR_FORM),
            ("+9:00-18:00", HOUR_FORM),
            ("09:00-09:00", EMPTY),
            ("24:00-09:00", HOUR_FORM),
            ("00:00-00:00 Mon", ""),
            ("2026-13-01", DATE_FORM),
            ("2026-12-27..2026-12-24", DATE_FORM),
            ("2026-12-24T10", DATE_FORM),
        ] {
            assert_eq!(window(text).err().unwrap_or_default(), hint, "{text}");
        }
    }
}
