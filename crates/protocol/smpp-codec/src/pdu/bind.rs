//! `bind_transmitter`, `bind_receiver`, `bind_transceiver` (SMPP 3.4, 4.1): one body, three commands.

use bytes::{BufMut, BytesMut};

use super::{AddressFields, decode_address, encode_address};
use crate::value::masked_digits;
use crate::wire::{Nul, Reader, put_c_octets};
use crate::{Address, COctetString, DecodeError, EncodeError, Field, InterfaceVersion};

const SYSTEM_ID_MAX: usize = 15;
const SYSTEM_TYPE_MAX: usize = 12;
/// The specification allows 8 octets, but many carriers issue longer passwords, and refusing to send one would mean
/// never to bind there. See [`Bind::password_exceeds_specification`].
const PASSWORD_ACCEPTED: usize = 64;
const PASSWORD_SPECIFIED: usize = 8;
const ADDRESS_RANGE_MAX: usize = 40;

const ADDRESS_RANGE: AddressFields = AddressFields {
    ton: Field::AddressRange,
    npi: Field::AddressRange,
    addr: Field::AddressRange,
    max: ADDRESS_RANGE_MAX,
};

/// Body of the three bind requests.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Bind<'a> {
    /// Account name; up to 15 octets.
    pub system_id: COctetString<'a>,
    /// Password; up to 8 octets by the specification, up to 64 here.
    pub password: COctetString<'a>,
    /// Kind of the ESME, usually empty; up to 12 octets.
    pub system_type: COctetString<'a>,
    /// SMPP version of the ESME.
    pub interface_version: InterfaceVersion,
    /// Addresses the ESME serves, usually empty; up to 40 octets (addr_ton, addr_npi, address_range).
    pub address_range: Address<'a>,
}

impl<'a> Bind<'a> {
    /// True when the password is longer than the 8 octets of the specification: worth a warning, not a refusal.
    #[must_use]
    pub const fn password_exceeds_specification(&self) -> bool {
        self.password.len() > PASSWORD_SPECIFIED
    }

    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        Ok(Self {
            system_id: reader.c_octets(Field::SystemId, SYSTEM_ID_MAX, Nul::Required)?,
            password: reader.c_octets(Field::Password, PASSWORD_ACCEPTED, Nul::Required)?,
            system_type: reader.c_octets(Field::SystemType, SYSTEM_TYPE_MAX, Nul::Required)?,
            interface_version: InterfaceVersion(reader.octet(Field::InterfaceVersion)?),
            address_range: decode_address(&mut reader, &ADDRESS_RANGE)?,
        })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_c_octets(out, Field::SystemId, self.system_id, SYSTEM_ID_MAX)?;
        put_c_octets(out, Field::Password, self.password, PASSWORD_ACCEPTED)?;
        put_c_octets(out, Field::SystemType, self.system_type, SYSTEM_TYPE_MAX)?;
        out.put_u8(self.interface_version.0);
        encode_address(out, &self.address_range, &ADDRESS_RANGE)
    }

    pub(super) const fn body_len(&self) -> usize {
        const FIXED: usize = 4 + 3;
        FIXED
            + self.system_id.len()
            + self.password.len()
            + self.system_type.len()
            + self.address_range.addr.len()
    }
}

impl std::fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &self.system_id)
            .field("password", &"<redacted>")
            .field("system_type", &self.system_type)
            .field("interface_version", &self.interface_version)
            .field(
                "address_range",
                &masked_digits(self.address_range.addr.as_bytes()),
            )
            .finish()
    }
}
