//! Dates in UTC: reading them, and the beginnings of minutes, hours, days, weeks and months.

use std::fmt;

use crate::WallTime;

const DAY_MS: u64 = 86_400_000;

/// Days since 1970-01-01 of a date in the Gregorian calendar; Hinnant, "chrono-compatible low-level date algorithms".
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01; the same source.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// A part of the calendar that a limit may be for, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Calendar {
    /// From second 0 to 59.
    Minute,
    /// From minute 0 to 59.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last.
    Month,
}

impl Calendar {
    /// Every part, shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// When the one that holds `at` began, and when the next begins.
    #[must_use]
    pub fn around(self, at: WallTime) -> (WallTime, WallTime) {
        let every = |length: u64, shift: u64| {
            let begin = ((at.0 + shift) / length * length).saturating_sub(shift);
            (WallTime(begin), WallTime(begin + length))
        };
        match self {
            Self::Minute => every(60_000, 0),
            Self::Hour => every(3_600_000, 0),
            Self::Day => every(DAY_MS, 0),
            // 1970 began on a Thursday.
            Self::Week => every(7 * DAY_MS, 3 * DAY_MS),
            Self::Month => {
                let (year, month, _) = civil_from_days(i64::try_from(at.0 / DAY_MS).unwrap_or_default());
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (midnight(year, month, 1), midnight(next.0, next.1, 1))
            }
        }
    }
}

fn midnight(year: i64, month: i64, day: i64) -> WallTime {
    WallTime(u64::try_from(days_from_civil(year, month, day)).unwrap_or_default() * DAY_MS)
}

/// Reads `2027-01-31` (its midnight) or `2027-01-31T12:00:00Z`, in UTC, from 1970 on. `None` for anything else.
#[must_use]
pub fn parse_date(text: &str) -> Option<WallTime> {
    let (date, time) = match text.trim().split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text.trim(), "00:00:00"),
    };
    let number = |text: &str, digits: usize| {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let mut clock = time.split(':');
    let (hour, minute, second) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    if parts.next().is_some() || clock.next().is_some() || hour > 23 || minute > 59 || second > 59 || year < 1970 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A day that is in no month comes back as another one.
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    u64::try_from((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000).ok().map(WallTime)
}

impl fmt::Display for WallTime {
    /// `2027-01-31T12:00:00Z`, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(i64::try_from(self.0 / DAY_MS).unwrap_or_default());
        let seconds = self.0 % DAY_MS / 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-29T10:22:13Z", "2100-03-01T00:00:00Z"] {
            assert_eq!(parse_date(text).unwrap().to_string(), text);
        }
        assert_eq!(parse_date("2027-01-31"), parse_date("2027-01-31T00:00:00Z"));
        assert_eq!(parse_date("1970-01-02").unwrap().0, DAY_MS);
        for text in
            ["2027-02-29", "2027-13-01", "2027-1-1", "1969-01-01", "2027-01-31T12:00:00", "soon", "2027-01-31-1"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn every_part_of_the_calendar_begins_where_people_say() {
        let at = parse_date("2026-11-29T10:22:13Z").unwrap();
        let table = [
            (Calendar::Minute, "2026-11-29T10:22:00Z", "2026-11-29T10:23:00Z"),
            (Calendar::Hour, "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z"),
            (Calendar::Day, "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Calendar::Week, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Calendar::Month, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ];
        for (part, begin, end) in table {
            let (from, to) = part.around(at);
            assert_eq!((from.to_string().as_str(), to.to_string().as_str()), (begin, end));
            assert_eq!(part.around(from), (from, to), "it begins with its first moment");
            assert_eq!(part.around(to).0, to, "and the next with its own");
        }
        let (from, to) = Calendar::Month.around(parse_date("2026-12-31T23:59:59Z").unwrap());
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
        );
    }
}
