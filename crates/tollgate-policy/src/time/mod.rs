//! A moment's parts, in UTC. *Never* reads a clock: moments are handed in.

/// The days as rules write them.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A moment's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// `2026-12-31`.
    pub(crate) date: String,
    /// `mon` to `sun`.
    pub(crate) weekday: &'static str,
    /// 0 to 23.
    pub(crate) hour: i64,
    /// 0 to 59.
    pub(crate) minute: i64,
}

impl Moment {
    /// Of milliseconds since the Unix epoch.
    pub(crate) fn of(ms: u64) -> Self {
        let minutes = i64::try_from(ms / 60_000).unwrap_or(i64::MAX);
        let days = minutes / 1_440;
        // Civil from days: Hinnant, "chrono-compatible low-level date algorithms".
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let place = usize::try_from((days + 3).rem_euclid(7)).unwrap_or_default();
        Self {
            date: format!("{year:04}-{month:02}-{day:02}"),
            weekday: WEEKDAYS.get(place).copied().unwrap_or_default(),
            hour: minutes / 60 % 24,
            minute: minutes % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn moments_have_their_parts() {
        for (ms, date, weekday, hour, minute) in [
            (0, "1970-01-01", "thu", 0, 0),
            (951_782_399_999, "2000-02-28", "mon", 23, 59),
            (951_782_400_000, "2000-02-29", "tue", 0, 0),
            (1_795_354_127_000, "2026-11-22", "sun", 13, 28),
            (4_107_542_400_000, "2100-03-01", "mon", 0, 0),
        ] {
            let moment = Moment { date: date.into(), weekday, hour, minute };
            assert_eq!(Moment::of(ms), moment, "{ms}");
        }
        drop(Moment::of(u64::MAX));
    }
}
