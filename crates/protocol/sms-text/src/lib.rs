//! SMS alphabets: GSM 7-bit default and extension tables, UCS-2, one-segment limits.
//!
//! [`encode`] chooses by content: the GSM alphabet when every character is in it, else UCS-2 for the whole text.
//! Septets are *unpacked*, one per octet, as SMPP carries them; the message centre packs. "UCS-2" is UTF-16BE, as every
//! handset reads it, so characters outside the basic plane are two units.
//!
//! Limits: 160 septets or 70 UTF-16 units, one segment. [`measure`] counts without limits and [`Alphabet::max_units`]
//! limits without counting; what cuts a text into segments will need the first with limits of its own.
//!
//! Decided here:
//!
//! - No character is replaced by a similar one (`ç` by `Ç`, Greek capital alpha by `A`): the text arrives as written, at
//!   the price of UCS-2. So do tab, backtick and the escape character, which the GSM alphabet lacks.
//! - Decoding never fails; an octet without a meaning of its own is replaced and counted in [`Decoded::replaced`].
//!
//! Sources: 3GPP TS 23.038 clause 6.2.1 (tables), TS 23.040 (140 octets of user data).

mod decode;
mod encode;
mod gsm;

pub use decode::{Decoded, decode_ascii, decode_gsm7, decode_latin1, decode_ucs2};
pub use encode::{Alphabet, Encoded, Measure, TooLong, encode, encode_into, measure};

/// Septets in one segment without a header: 140 octets × 8 / 7.
pub const GSM7_MAX_UNITS: u32 = 160;

/// UTF-16 units in one segment without a header: 140 octets / 2.
pub const UCS2_MAX_UNITS: u32 = 70;
