//! Which alphabet stands behind a data_coding, in both directions.

use smpp_codec::DataCoding;
use sms_text::Alphabet;

use crate::request::NotEncodable;

/// Appends the text to `body` and says how it is to be announced.
///
/// GSM text goes as the message centre's default alphabet, one septet an octet.
pub(crate) fn encode(text: &[u8], body: &mut Vec<u8>) -> Result<DataCoding, NotEncodable> {
    let text = std::str::from_utf8(text).map_err(|_| NotEncodable)?;
    let measure = sms_text::encode_into(text, body).map_err(|_| NotEncodable)?;
    Ok(match measure.alphabet {
        Alphabet::Gsm7 => DataCoding::DEFAULT,
        Alphabet::Ucs2 => DataCoding::UCS2,
    })
}

/// Reads octets by their data_coding. Alphabets that we have no table for are read as ASCII, so that digits and Latin letters stay
/// legible; the octets are handed on beside the text.
pub(crate) fn decode(data_coding: DataCoding, octets: &[u8]) -> String {
    let decoded = match data_coding.0 {
        // Default alphabet; message waiting and class groups in it (3GPP TS 23.038, 4).
        0x00 | 0x10 | 0xC0..=0xDF | 0xF0..=0xF3 => sms_text::decode_gsm7(octets),
        0x03 => sms_text::decode_latin1(octets),
        0x08 | 0x18 | 0xE0..=0xEF => sms_text::decode_ucs2(octets),
        _ => sms_text::decode_ascii(octets),
    };
    decoded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_finds_its_alphabet_and_comes_back() {
        for (text, data_coding) in [
            ("Code: 1234 €", DataCoding::DEFAULT),
            ("飛脚", DataCoding::UCS2),
        ] {
            let mut body = Vec::new();
            assert_eq!(encode(text.as_bytes(), &mut body), Ok(data_coding));
            assert_eq!(decode(data_coding, &body), text);
        }
        assert_eq!(encode(b"\xff", &mut Vec::new()), Err(NotEncodable));
    }

    #[test]
    fn inbound_alphabets_are_told_apart() {
        assert_eq!(decode(DataCoding(0xF0), b"\x00"), "@");
        assert_eq!(decode(DataCoding(0x18), b"\x00A"), "A");
        assert_eq!(decode(DataCoding::LATIN1, b"\xe9"), "é");
        assert_eq!(decode(DataCoding::ASCII, b"OK\xe9"), "OK\u{fffd}");
    }
}
