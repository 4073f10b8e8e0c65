//! The tables against their published form, the limits, and the way there and back.

#![expect(
    clippy::unwrap_used,
    reason = "a test: an unwrap that fails is the test failing"
)]

use proptest::prelude::*;
use sms_text::{
    Alphabet, Decoded, Measure, TooLong, decode_ascii, decode_gsm7, decode_latin1, decode_ucs2,
    encode, encode_into, measure,
};

/// TS 23.038 clause 6.2.1 as code points, in the order of the septets; 0x1B, the escape, is 0.
#[rustfmt::skip]
const PUBLISHED: [u32; 128] = [
    0x0040, 0x00A3, 0x0024, 0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC, 0x00F2, 0x00C7, 0x000A, 0x00D8, 0x00F8, 0x000D, 0x00C5, 0x00E5,
    0x0394, 0x005F, 0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8, 0x03A3, 0x0398, 0x039E, 0x0000, 0x00C6, 0x00E6, 0x00DF, 0x00C9,
    0x0020, 0x0021, 0x0022, 0x0023, 0x00A4, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029, 0x002A, 0x002B, 0x002C, 0x002D, 0x002E, 0x002F,
    0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x0035, 0x0036, 0x0037, 0x0038, 0x0039, 0x003A, 0x003B, 0x003C, 0x003D, 0x003E, 0x003F,
    0x00A1, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0046, 0x0047, 0x0048, 0x0049, 0x004A, 0x004B, 0x004C, 0x004D, 0x004E, 0x004F,
    0x0050, 0x0051, 0x0052, 0x0053, 0x0054, 0x0055, 0x0056, 0x0057, 0x0058, 0x0059, 0x005A, 0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7,
    0x00BF, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067, 0x0068, 0x0069, 0x006A, 0x006B, 0x006C, 0x006D, 0x006E, 0x006F,
    0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0077, 0x0078, 0x0079, 0x007A, 0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0,
];

/// The extension table, septet after the escape and code point.
const PUBLISHED_EXTENSION: [(u8, u32); 10] = [
    (0x0A, 0x000C),
    (0x14, 0x005E),
    (0x28, 0x007B),
    (0x29, 0x007D),
    (0x2F, 0x005C),
    (0x3C, 0x005B),
    (0x3D, 0x007E),
    (0x3E, 0x005D),
    (0x40, 0x007C),
    (0x65, 0x20AC),
];

fn text_of(code: u32) -> String {
    char::from_u32(code).unwrap().to_string()
}

fn exact(text: &str) -> Decoded {
    Decoded {
        text: text.to_owned(),
        replaced: 0,
    }
}

/// Every code point there is, against the published tables: in exactly these places and nowhere else.
#[test]
fn the_whole_of_unicode_has_its_published_place() {
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let code = u32::from(c);
        let default = PUBLISHED
            .iter()
            .enumerate()
            .position(|(septet, &p)| septet != 0x1B && p == code);
        let extension = PUBLISHED_EXTENSION.iter().find(|(_, p)| *p == code);
        let encoded = encode(&text).unwrap();
        match (default, extension) {
            (Some(septet), None) => {
                assert_eq!(
                    (encoded.alphabet, encoded.octets),
                    (Alphabet::Gsm7, vec![u8::try_from(septet).unwrap()])
                );
            }
            (None, Some((septet, _))) => {
                assert_eq!(
                    (encoded.alphabet, encoded.octets),
                    (Alphabet::Gsm7, vec![0x1B, *septet])
                );
                assert_eq!(encoded.units, 2);
            }
            (None, None) => {
                assert_eq!(encoded.alphabet, Alphabet::Ucs2);
                assert_eq!(encoded.units as usize, c.len_utf16());
            }
            (Some(_), Some(_)) => panic!("{code:04X} is in both tables"),
        }
    }
}

#[test]
fn every_septet_is_read_as_published() {
    for (septet, &code) in (0u8..128).zip(&PUBLISHED) {
        if septet != 0x1B {
            assert_eq!(
                decode_gsm7(&[septet]),
                exact(&text_of(code)),
                "{septet:02X}"
            );
        }
    }
}

#[test]
fn every_pair_after_an_escape_is_decided() {
    for septet in 0..=255u8 {
        let decoded = decode_gsm7(&[0x1B, septet]);
        let extension = PUBLISHED_EXTENSION
            .iter()
            .find(|(place, _)| *place == septet);
        let expected = match (septet, extension) {
            (_, Some((_, code))) => exact(&text_of(*code)),
            (0x1B, None) => Decoded {
                text: " ".into(),
                replaced: 1,
            },
            (0..128, None) => Decoded {
                text: text_of(PUBLISHED[usize::from(septet)]),
                replaced: 1,
            },
            (128..=255, None) => Decoded {
                text: "\u{FFFD}".into(),
                replaced: 1,
            },
        };
        assert_eq!(decoded, expected, "{septet:02X}");
    }
}

#[test]
fn octets_without_a_meaning_are_replaced_and_counted() {
    assert_eq!(
        decode_gsm7(b"a\x1B"),
        Decoded {
            text: "a ".into(),
            replaced: 1
        }
    );
    assert_eq!(
        decode_gsm7(b"a\x80\xFFb"),
        Decoded {
            text: "a\u{FFFD}\u{FFFD}b".into(),
            replaced: 2
        }
    );
    assert_eq!(
        decode_ascii(b"a\xE9b"),
        Decoded {
            text: "a\u{FFFD}b".into(),
            replaced: 1
        }
    );
    assert_eq!(decode_latin1(b"a\xE9\x80"), exact("aé\u{80}"));
    // A low surrogate alone, a high one alone, half a unit.
    assert_eq!(
        decode_ucs2(b"\xDC\x00\0a"),
        Decoded {
            text: "\u{FFFD}a".into(),
            replaced: 1
        }
    );
    assert_eq!(
        decode_ucs2(b"\xD8\x3D\0a"),
        Decoded {
            text: "\u{FFFD}a".into(),
            replaced: 1
        }
    );
    assert_eq!(
        decode_ucs2(b"\0a\0"),
        Decoded {
            text: "a\u{FFFD}".into(),
            replaced: 1
        }
    );
}

#[test]
fn the_limits_are_one_segment() {
    assert_eq!(encode(&"a".repeat(160)).unwrap().octets.len(), 160);
    let too_long = TooLong {
        alphabet: Alphabet::Gsm7,
        units: 161,
        max_units: 160,
    };
    assert_eq!(encode(&"a".repeat(161)), Err(too_long));
    assert_eq!(encode(&"€".repeat(80)).unwrap().units, 160);
    assert_eq!(encode(&format!("{}€", "a".repeat(159))), Err(too_long));
    assert_eq!(encode(&"я".repeat(70)).unwrap().octets.len(), 140);
    let too_long = TooLong {
        alphabet: Alphabet::Ucs2,
        units: 71,
        max_units: 70,
    };
    assert_eq!(encode(&"я".repeat(71)), Err(too_long));
    assert_eq!(
        too_long.to_string(),
        "text of 71 UCS-2 units: allowed are 70 in one segment"
    );
    // One character outside the alphabet takes the whole text out of it.
    assert_eq!(encode(&format!("{}ç", "a".repeat(70))), Err(too_long));
}

#[test]
fn a_pair_of_surrogates_is_two_units() {
    let encoded = encode("😀").unwrap();
    assert_eq!((encoded.alphabet, encoded.units), (Alphabet::Ucs2, 2));
    assert_eq!(encoded.octets, [0xD8, 0x3D, 0xDE, 0x00]);
    assert_eq!(encode(&"😀".repeat(35)).unwrap().units, 70);
    assert_eq!(encode(&"😀".repeat(36)).unwrap_err().units, 72);
    assert_eq!(decode_ucs2(&encoded.octets), exact("😀"));
}

#[test]
fn nothing_is_an_empty_gsm_text() {
    let encoded = encode("").unwrap();
    assert_eq!(
        (encoded.alphabet, encoded.units, encoded.octets.len()),
        (Alphabet::Gsm7, 0, 0)
    );
    assert_eq!(decode_gsm7(&[]), exact(""));
    assert_eq!(decode_ucs2(&[]), exact(""));
}

#[test]
fn debug_hides_the_text() {
    let encoded = encode("secret 123456").unwrap();
    assert_eq!(
        format!("{encoded:?}"),
        "Encoded { alphabet: Gsm7, octets: <13 octets>, units: 13 }"
    );
    let decoded = decode_gsm7(&encoded.octets);
    assert_eq!(
        format!("{decoded:?}"),
        "Decoded { text: <13 octets>, replaced: 0 }"
    );
}

/// Texts of GSM characters, of anything, and of a mixture.
fn text() -> impl Strategy<Value = String> {
    let gsm = prop::sample::select(
        PUBLISHED
            .iter()
            .chain(PUBLISHED_EXTENSION.iter().map(|(_, code)| code))
            .filter_map(|&code| char::from_u32(code).filter(|&c| c != '\0'))
            .collect::<Vec<_>>(),
    );
    let gsm_text = prop::collection::vec(gsm, 0..200).prop_map(String::from_iter);
    prop_oneof![gsm_text, ".{0,100}", any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(text in text(), before in prop::collection::vec(any::<u8>(), 0..8)) {
        let Measure { alphabet, units } = measure(&text);
        let mut octets = before.clone();
        match encode_into(&text, &mut octets) {
            Ok(measured) => {
                prop_assert_eq!(measured, Measure { alphabet, units });
                prop_assert!(units <= alphabet.max_units());
                let (kept, written) = octets.split_at(before.len());
                prop_assert_eq!(kept, before);
                prop_assert_eq!(written.len(), (units * alphabet.octets_per_unit()) as usize);
                let decoded = match alphabet {
                    Alphabet::Gsm7 => decode_gsm7(written),
                    Alphabet::Ucs2 => decode_ucs2(written),
                };
                prop_assert_eq!(decoded, exact(&text));
                let encoded = encode(&text).unwrap();
                prop_assert_eq!(encoded.octets, written);
            }
            Err(too_long) => {
                prop_assert_eq!(too_long, TooLong { alphabet, units, max_units: alphabet.max_units() });
                prop_assert!(units > alphabet.max_units());
                prop_assert_eq!(octets, before);
            }
        }
    }

    #[test]
    fn any_octets_can_be_read(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode_gsm7(&octets).text.chars().count() <= octets.len());
        prop_assert!(decode_ucs2(&octets).text.encode_utf16().count() <= octets.len().div_ceil(2));
        prop_assert_eq!(decode_latin1(&octets).text.chars().count(), octets.len());
        let not_ascii = octets.iter().filter(|o| !o.is_ascii()).count();
        prop_assert_eq!(decode_ascii(&octets).replaced as usize, not_ascii);
    }
}
