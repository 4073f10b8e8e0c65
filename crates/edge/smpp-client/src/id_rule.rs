//! One carrier message id has many spellings; a rule per direction makes them one.
//!
//! Known carriers answer a submit with hexadecimal and put decimal in the receipt, or the reverse; they pad with zeros, change case and
//! count 64 characters. The canonical form is therefore text: trimmed, in lower case, and for numbers plain decimal without leading
//! zeros, however long. A 64-bit number was refused as the form, since ids of 64 digits exist.

use message::CarrierMessageId;

/// Most digits that are read as a number; a longer id is kept as text.
const DIGITS_MAX: usize = 64;
/// Most decimal digits of a number of [`DIGITS_MAX`] hexadecimal digits: 64 × log10(16), rounded up.
const DECIMAL_MAX: usize = 78;
/// What one limb counts to: the largest power of ten in a u64 that still leaves room for a hexadecimal carry.
const LIMB: u64 = 1_000_000_000_000_000_000;
const LIMB_DIGITS: usize = 18;
/// 5 × 18 digits hold [`DECIMAL_MAX`].
const LIMBS: usize = 5;

/// How a carrier writes its message ids in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdRule {
    /// Text: only surrounding blanks and NULs go, and case does not count.
    #[default]
    AsIs,
    /// A hexadecimal number.
    Hex,
    /// A decimal number.
    Dec,
}

impl IdRule {
    /// The canonical id. What does not look as the rule says (or has more than 64 digits) is treated as text, so that it still matches
    /// itself; an empty id stays empty.
    #[must_use]
    pub fn canonical(self, id: &[u8]) -> CarrierMessageId {
        let id = trimmed(id);
        let number = !id.is_empty() && id.len() <= DIGITS_MAX;
        match self {
            Self::Dec if number && id.iter().all(u8::is_ascii_digit) => {
                CarrierMessageId::new(without_zeros(id))
            }
            Self::Hex if number && id.iter().all(u8::is_ascii_hexdigit) => decimal_of_hex(id),
            Self::AsIs | Self::Dec | Self::Hex => as_text(id),
        }
    }
}

fn trimmed(id: &[u8]) -> &[u8] {
    let blank = |octet: &u8| *octet == 0 || octet.is_ascii_whitespace();
    let start = id
        .iter()
        .position(|octet| !blank(octet))
        .unwrap_or(id.len());
    let end = id
        .iter()
        .rposition(|octet| !blank(octet))
        .map_or(start, |last| last + 1);
    &id[start..end]
}

fn as_text(id: &[u8]) -> CarrierMessageId {
    if id.iter().any(u8::is_ascii_uppercase) {
        CarrierMessageId::new(&id.to_ascii_lowercase())
    } else {
        CarrierMessageId::new(id)
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let first = digits.iter().position(|digit| *digit != b'0');
    &digits[first.unwrap_or(digits.len() - 1)..]
}

/// `hex` is 1 to 64 hexadecimal digits.
fn decimal_of_hex(hex: &[u8]) -> CarrierMessageId {
    let mut limbs = [0_u64; LIMBS];
    for digit in without_zeros(hex) {
        let mut carry = u64::from(hex_value(*digit));
        for limb in &mut limbs {
            // 16 × 10^18 + 15 is below 2^64.
            let sum = *limb * 16 + carry;
            *limb = sum % LIMB;
            carry = sum / LIMB;
        }
    }
    let mut text = [b'0'; LIMBS * LIMB_DIGITS];
    for (limb, places) in limbs.iter().zip(text.rchunks_exact_mut(LIMB_DIGITS)) {
        let mut rest = *limb;
        for place in places.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    CarrierMessageId::new(without_zeros(&text))
}

const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

const _: () = assert!(LIMBS * LIMB_DIGITS >= DECIMAL_MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(rule: IdRule, id: &str) -> String {
        rule.canonical(id.as_bytes()).to_string()
    }

    #[test]
    fn hexadecimal_and_decimal_meet() {
        assert_eq!(canonical(IdRule::Hex, "00AbCdEf"), "11259375");
        assert_eq!(canonical(IdRule::Dec, "0011259375"), "11259375");
        assert_eq!(canonical(IdRule::Hex, "0"), canonical(IdRule::Dec, "000"));
        let longest = canonical(IdRule::Hex, &"f".repeat(64));
        assert_eq!(
            longest,
            "115792089237316195423570985008687907853269984665640564039457584007913129639935"
        );
        assert_eq!(longest.len(), DECIMAL_MAX);
    }

    #[test]
    fn text_is_trimmed_and_folded() {
        assert_eq!(
            canonical(IdRule::AsIs, " 3F2504E0-4F89\r\n\0"),
            "3f2504e0-4f89"
        );
        assert_eq!(canonical(IdRule::AsIs, "0012"), "0012");
        assert_eq!(canonical(IdRule::AsIs, " \0"), "");
        assert_eq!(canonical(IdRule::Hex, ""), "");
    }

    #[test]
    fn what_is_no_number_still_matches_itself() {
        assert_eq!(canonical(IdRule::Dec, "12AB"), "12ab");
        assert_eq!(canonical(IdRule::Hex, "G1"), "g1");
        assert_eq!(canonical(IdRule::Hex, &"A".repeat(65)), "a".repeat(65));
    }

    proptest! {
        #[test]
        fn any_number_is_the_same_in_both_spellings(number in any::<u128>(), zeros in 0_usize..8) {
            let zeros = "0".repeat(zeros);
            prop_assert_eq!(canonical(IdRule::Hex, &format!("{zeros}{number:X}")), number.to_string());
            prop_assert_eq!(canonical(IdRule::Dec, &format!("{zeros}{number}")), number.to_string());
        }

        #[test]
        fn canonical_ids_are_canonical(id in proptest::collection::vec(any::<u8>(), 0..70)) {
            for rule in [IdRule::AsIs, IdRule::Dec] {
                let once = rule.canonical(&id);
                prop_assert_eq!(rule.canonical(once.as_bytes()), once);
            }
        }
    }
}
