//! `data_sm` (SMPP 3.4, 4.7.1): a message in either direction, its body in message_payload.

use bytes::{BufMut, BytesMut};

use super::{AddressFields, DESTINATION, SERVICE_TYPE_MAX, SOURCE, decode_address, encode_address};
use crate::wire::{Nul, Reader, put_c_octets};
use crate::{
    Address, COctetString, DataCoding, DecodeError, EncodeError, EsmClass, Field,
    RegisteredDelivery, Tlvs,
};

/// data_sm allows addresses of 64 octets and a NUL, three times those of submit_sm.
const ADDRESS_MAX: usize = 64;

const LONG_SOURCE: AddressFields = AddressFields {
    max: ADDRESS_MAX,
    ..SOURCE
};
const LONG_DESTINATION: AddressFields = AddressFields {
    max: ADDRESS_MAX,
    ..DESTINATION
};

/// Body of `data_sm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DataSm<'a> {
    /// SMS application service, usually empty; up to 5 octets.
    pub service_type: COctetString<'a>,
    /// Who sends; up to 64 octets.
    pub source: Address<'a>,
    /// Who receives; up to 64 octets.
    pub destination: Address<'a>,
    /// Mode, message type and GSM features.
    pub esm_class: EsmClass,
    /// Which receipts are wanted.
    pub registered_delivery: RegisteredDelivery,
    /// Alphabet of the body.
    pub data_coding: DataCoding,
    /// Optional parameters; the body lies in message_payload.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DataSm<'a> {
    /// The body: message_payload, or nothing.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.tlvs.message_payload().unwrap_or(&[])
    }

    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        Ok(Self {
            service_type: reader.c_octets(Field::ServiceType, SERVICE_TYPE_MAX, Nul::Required)?,
            source: decode_address(&mut reader, &LONG_SOURCE)?,
            destination: decode_address(&mut reader, &LONG_DESTINATION)?,
            esm_class: EsmClass(reader.octet(Field::EsmClass)?),
            registered_delivery: RegisteredDelivery(reader.octet(Field::RegisteredDelivery)?),
            data_coding: DataCoding(reader.octet(Field::DataCoding)?),
            tlvs: Tlvs::parse(reader.rest())?,
        })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_c_octets(out, Field::ServiceType, self.service_type, SERVICE_TYPE_MAX)?;
        encode_address(out, &self.source, &LONG_SOURCE)?;
        encode_address(out, &self.destination, &LONG_DESTINATION)?;
        out.put_slice(&[
            self.esm_class.0,
            self.registered_delivery.0,
            self.data_coding.0,
        ]);
        out.put_slice(self.tlvs.as_bytes());
        Ok(())
    }

    pub(super) const fn body_len(&self) -> usize {
        // Three NULs and seven single octets.
        const FIXED: usize = 3 + 7;
        FIXED
            + self.service_type.len()
            + self.source.addr.len()
            + self.destination.addr.len()
            + self.tlvs.as_bytes().len()
    }
}
