//! Times as bodies, headers and answers show them.

use time::OffsetDateTime;

/// A time in bodies and headers: RFC 3339, UTC, with milliseconds. Written by hand, because every
/// message has two and the library takes ten times as long. Only for years of four digits; claims
/// let no others through.
pub fn timestamp(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, millisecond) = at.to_hms_milli();
    let mut text = String::with_capacity(24);
    push_digits(&mut text, year.unsigned_abs(), 1_000);
    let parts = [('-', u8::from(month)), ('-', day), ('T', hour), (':', minute), (':', second)];
    for (mark, value) in parts {
        text.push(mark);
        push_digits(&mut text, value.into(), 10);
    }
    text.push('.');
    push_digits(&mut text, millisecond.into(), 100);
    text.push('Z');
    text
}

/// Appends the decimal digits of `value`, starting with the one at `unit`.
fn push_digits(text: &mut String, value: u32, mut unit: u32) {
    while unit > 0 {
        text.push(char::from(b'0' + (value / unit % 10) as u8));
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_utc_with_milliseconds_as_the_library_writes_them() {
        let format =
            time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        for nanoseconds in [0, -62_135_596_800_000_000_000, 253_402_300_799_999_999_999, 1_795_264_496_007_000_000] {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).expect("in range");
            assert_eq!(timestamp(at), at.format(format).expect("numeric"));
        }
        let elsewhere = time::macros::datetime!(2026-03-01 00:30:05.04 +02:00);
        assert_eq!(timestamp(elsewhere), "2026-02-28T22:30:05.040Z");
    }
}
