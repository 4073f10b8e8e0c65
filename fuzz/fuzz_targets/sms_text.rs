//! Texts: any octets read as text, and a text that fits one segment reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sms_text::{Alphabet, decode_ascii, decode_gsm7, decode_latin1, decode_ucs2, encode, measure};

fuzz_target!(|data: &[u8]| {
    for decoded in [
        decode_ascii(data),
        decode_gsm7(data),
        decode_latin1(data),
        decode_ucs2(data),
    ] {
        assert!(decoded.text.chars().count() <= data.len());
    }
    let text = String::from_utf8_lossy(data);
    match encode(&text) {
        Ok(encoded) => {
            let octets = encoded.units * encoded.alphabet.octets_per_unit();
            assert_eq!(u32::try_from(encoded.octets.len()), Ok(octets));
            let decoded = match encoded.alphabet {
                Alphabet::Gsm7 => decode_gsm7(&encoded.octets),
                Alphabet::Ucs2 => decode_ucs2(&encoded.octets),
            };
            assert_eq!((decoded.text.as_str(), decoded.replaced), (&*text, 0));
        }
        Err(error) => {
            assert!(error.units > error.max_units);
            assert_eq!(error.units, measure(&text).units);
        }
    }
});
