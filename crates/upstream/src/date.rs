//! Dates as clouds write them, all in UTC.

use ringmain_core::WallTime;

const DAY: u64 = 86_400;

/// `20150830T123600Z`: the date of a signature. Its first eight characters are the day.
pub(crate) fn stamp(time: WallTime) -> String {
    let seconds = time.0 / 1000;
    let (year, month, day) = civil(seconds / DAY);
    let rest = seconds % DAY;
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads `2015-08-30T12:36:00Z`, with or without fractions of a second.
pub(crate) fn parse(text: &str) -> Option<WallTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let whole = time.split('.').next()?;
    let numbers = |text: &str, by: char| -> Option<[u64; 3]> {
        let parts: Vec<u64> = text.split(by).map(str::parse).collect::<Result<_, _>>().ok()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(whole, ':')?;
    let sound = (1970..3000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sound || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(WallTime((days(year, month, day) * DAY + hour * 3600 + minute * 60 + second) * 1000))
}

/// Year, month and day of a day since 1970, by the Gregorian calendar. Years are counted from March, so that the leap day
/// is the last of its year, and in eras of 400 years, which all have the same number of days.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + (month <= 2) as u64, month, day)
}

/// The other way round.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        let table = [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (951_782_399, "20000228T235959Z", "2000-02-28T23:59:59Z"),
            (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00.000Z"),
            (1_440_938_160, "20150830T123600Z", "2015-08-30T12:36:00Z"),
            (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00Z"),
        ];
        for (seconds, stamped, written) in table {
            assert_eq!(stamp(WallTime(seconds * 1000)), stamped);
            assert_eq!(parse(written), Some(WallTime(seconds * 1000)), "{written}");
        }
        for wrong in ["", "2015-08-30", "2015-13-01T00:00:00Z", "2015-08-30T12:36Z", "x-1-1T0:0:0Z"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
