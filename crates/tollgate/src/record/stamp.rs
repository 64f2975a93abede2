//! RFC 3339 in UTC with milliseconds, written by hand: it is on the path of every call.

/// `2026-07-28T12:34:56.789Z`.
pub(super) fn stamp(ms: u64) -> [u8; 24] {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let mut out = *b"0000-00-00T00:00:00.000Z";
    put(&mut out, 0, 4, year);
    put(&mut out, 5, 2, month);
    put(&mut out, 8, 2, day);
    put(&mut out, 11, 2, rest / 3_600_000);
    put(&mut out, 14, 2, rest / 60_000 % 60);
    put(&mut out, 17, 2, rest / 1000 % 60);
    put(&mut out, 20, 3, rest % 1000);
    out
}

/// Days since 1970-01-01 to a date (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn put(out: &mut [u8], at: usize, digits: usize, mut value: u64) {
    for slot in out.iter_mut().skip(at).take(digits).rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Reads what [`stamp`] wrote, or any RFC 3339 time; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<u64> {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn stamps_read_back() {
        let odd =
            [0, 951_782_399_999, 951_782_400_000, 1_709_164_800_001, 1_785_240_896_789, 4_102_444_799_999];
        for ms in odd {
            let text = String::from_utf8(super::stamp(ms).to_vec()).unwrap();
            assert_eq!(super::parse(&text), Some(ms), "{text}");
        }
        assert_eq!(&super::stamp(951_782_400_000), b"2000-02-29T00:00:00.000Z");
    }
}
