//! SMPP times: known texts, known instants, and what is refused.

use smpp_codec::time::{AbsoluteTime, RelativeTime, SmppTime, TimeError};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn an_absolute_time_counts_its_difference_from_utc() {
    let utc = SmppTime::parse(b"240405193400000+").unwrap();
    assert_eq!(utc.to_unix_ms(0), 1_712_345_640_000);
    let tokyo = SmppTime::parse(b"240406043400036+").unwrap();
    assert_eq!(tokyo.to_unix_ms(0), utc.to_unix_ms(0));
    let new_york = SmppTime::parse(b"240405153400516-").unwrap();
    assert_eq!(new_york.to_unix_ms(0), utc.to_unix_ms(0) + 500);
}

#[test]
fn two_digits_of_a_year_mean_1938_to_2037() {
    let year = |text: &[u8]| AbsoluteTime::parse(text).unwrap().year;
    assert_eq!(year(b"370101000000000+"), 2037);
    assert_eq!(year(b"380101000000000+"), 1938);
    assert_eq!(
        AbsoluteTime::from_unix_ms(2_145_916_800_000),
        None,
        "2038 cannot be said"
    );
    assert_eq!(AbsoluteTime::from_unix_ms(i64::MAX), None);
    assert_eq!(AbsoluteTime::from_unix_ms(i64::MIN), None);
}

#[test]
fn a_relative_time_counts_from_its_receipt() {
    let five_minutes = SmppTime::parse(b"000000000500000R").unwrap();
    assert_eq!(
        five_minutes,
        SmppTime::Relative(RelativeTime {
            minutes: 5,
            ..RelativeTime::default()
        })
    );
    assert_eq!(five_minutes.to_unix_ms(HOUR_MS), HOUR_MS + 300_000);
}

#[test]
fn spans_are_written_in_the_largest_units_that_cannot_overrun() {
    for (seconds, text) in [
        (0, "000000000001000R"),
        (1, "000000000001000R"),
        (299, "000000000459000R"),
        (300, "000000000500000R"),
        (172_800, "000002000000000R"),
        (30 * 86_400 + 86_399, "000030235959000R"),
        (31 * 86_400, "000100000000000R"),
        (366 * 86_400 - 1, "001124235959000R"),
        (366 * 86_400, "010000000000000R"),
        (u64::MAX, "990000000000000R"),
    ] {
        let written = RelativeTime::from_seconds(seconds).to_text();
        assert_eq!(
            std::str::from_utf8(written.as_bytes()).unwrap(),
            text,
            "{seconds}"
        );
        assert_eq!(written.as_c_octets().as_bytes(), text.as_bytes());
    }
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    for (text, error) in [
        (&b""[..], TimeError::Length { len: 0 }),
        (b"24040519340000+", TimeError::Length { len: 15 }),
        (b"24040x193400000+", TimeError::NotADigit { position: 5 }),
        (b"240405193400000Z", TimeError::Direction { octet: b'Z' }),
        (b"241305193400000+", TimeError::OutOfRange),
        (b"230229000000000+", TimeError::OutOfRange),
        (b"240405240000000+", TimeError::OutOfRange),
        (b"240405193400049+", TimeError::OutOfRange),
        (b"240400193400000+", TimeError::OutOfRange),
    ] {
        assert_eq!(SmppTime::parse(text), Err(error), "{text:?}");
    }
    assert!(SmppTime::parse(b"240229000000000+").is_ok());
    assert_eq!(
        AbsoluteTime::parse(b"000000000500000R"),
        Err(TimeError::Direction { octet: b'R' })
    );
    assert_eq!(
        RelativeTime::parse(b"240405193400000+"),
        Err(TimeError::Direction { octet: b'+' })
    );
}
