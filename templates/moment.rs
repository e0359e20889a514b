//! A point in time, and how people and programs read it.

use maud::{Markup, html};

/// Whole seconds since 1970-01-01T00:00:00Z. Shown in UTC; the script turns some of them into the reader's own zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The moment that many seconds after the epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// As in RFC 3339, to the second: `2026-11-24T10:12:31Z`.
    pub fn rfc3339(self) -> String {
        let (date, time) = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", date.0, date.1, date.2, time.0, time.1, time.2)
    }

    /// As people read it, to the minute: `24 Nov 2026, 10:12 UTC`.
    pub fn text(self) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let ((year, month, day), (hour, minute, _)) = self.civil();
        let name = MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12];
        format!("{day} {name} {year}, {hour:02}:{minute:02} UTC")
    }

    /// To the minute; the script turns it into the reader's own zone.
    pub(crate) fn shown(self) -> Markup {
        html! { time datetime=(self.rfc3339()) data-local { (self.text()) } }
    }

    /// The day; the script turns it into the reader's own zone.
    pub(crate) fn shown_as_date(self) -> Markup {
        let text = self.text();
        html! { time datetime=(self.rfc3339()) data-local="date" { (text.split(',').next().unwrap_or_default()) } }
    }

    /// To the minute and in UTC for everybody, for comparison with a log.
    pub(crate) fn shown_in_utc(self) -> Markup {
        html! { time datetime=(self.rfc3339()) { (self.text()) } }
    }

    /// To the second, for comparison with a phone's clock; the script adds the reader's own time.
    pub(crate) fn shown_to_the_second(self) -> Markup {
        let text = self.rfc3339().replace('T', " ").replace('Z', " UTC");
        html! { time datetime=(self.rfc3339()) data-clock { (text) } }
    }

    /// (year, month, day), (hour, minute, second); days are counted from 0000-03-01, so that the leap day is the
    /// last of its year.
    fn civil(self) -> ((i64, i64, i64), (i64, i64, i64)) {
        let days = self.0.div_euclid(86_400) + 719_468;
        let second = self.0.rem_euclid(86_400);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        ((year, month, day), (second / 3600, second / 60 % 60, second % 60))
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn a_moment_reads_as_rfc_3339_and_as_people_write_it() {
        let cases = [
            (0, "1970-01-01T00:00:00Z", "1 Jan 1970, 00:00 UTC"),
            (-1, "1969-12-31T23:59:59Z", "31 Dec 1969, 23:59 UTC"),
            (951_782_400, "2000-02-29T00:00:00Z", "29 Feb 2000, 00:00 UTC"),
            (1_795_515_151, "2026-11-24T10:12:31Z", "24 Nov 2026, 10:12 UTC"),
            (4_107_542_399, "2100-02-28T23:59:59Z", "28 Feb 2100, 23:59 UTC"),
            (4_107_542_400, "2100-03-01T00:00:00Z", "1 Mar 2100, 00:00 UTC"),
        ];
        for (seconds, program, people) in cases {
            let moment = Moment::from_unix(seconds);
            assert_eq!((moment.rfc3339().as_str(), moment.text().as_str()), (program, people));
        }
    }
}
