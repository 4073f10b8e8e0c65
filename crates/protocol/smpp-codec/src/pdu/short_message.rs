//! The body that `submit_sm` and `deliver_sm` share (SMPP 3.4, 4.4.1 and 4.6.1).

use bytes::{BufMut, BytesMut};

use super::{DESTINATION, SERVICE_TYPE_MAX, SOURCE, decode_address, encode_address};
use crate::wire::{Nul, Reader, put_c_octets, put_time};
use crate::{
    Address, COctetString, DataCoding, DecodeError, EncodeError, EsmClass, Field,
    RegisteredDelivery, Tlvs,
};

const TIME_MAX: usize = 16;
/// Longest short_message that is written. 5.0 allows 255 and the length octet can say it, so 255 is read.
const SHORT_MESSAGE_MAX: usize = 254;

/// Body of `submit_sm` and `deliver_sm`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ShortMessage<'a> {
    /// SMS application service, usually empty; up to 5 octets.
    pub service_type: COctetString<'a>,
    /// Who sends; up to 20 octets.
    pub source: Address<'a>,
    /// Who receives; up to 20 octets.
    pub destination: Address<'a>,
    /// Mode, message type and GSM features.
    pub esm_class: EsmClass,
    /// GSM protocol identifier.
    pub protocol_id: u8,
    /// 0 to 3; what it does is network specific.
    pub priority_flag: u8,
    /// When to deliver, in SMPP time format (see [`crate::time`]); empty for at once.
    pub schedule_delivery_time: COctetString<'a>,
    /// Until when to try, in SMPP time format; empty for the message center's default.
    pub validity_period: COctetString<'a>,
    /// Which receipts are wanted.
    pub registered_delivery: RegisteredDelivery,
    /// 1 to replace an earlier message that still waits, 0 not to.
    pub replace_if_present: u8,
    /// Alphabet of the body.
    pub data_coding: DataCoding,
    /// Predefined message to send in place of the body; 0 for none.
    pub sm_default_msg_id: u8,
    /// The body, up to 254 octets when written, 255 when read; empty when message_payload carries it. Read it through
    /// [`ShortMessage::body`].
    pub short_message: &'a [u8],
    /// Optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> ShortMessage<'a> {
    /// The body: message_payload when present, else short_message. It starts with a user data header when
    /// `esm_class.udhi()`.
    ///
    /// Peers that send both get message_payload read, unless it is empty.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.tlvs
            .message_payload()
            .filter(|payload| !payload.is_empty())
            .unwrap_or(self.short_message)
    }

    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        Ok(Self {
            service_type: reader.c_octets(Field::ServiceType, SERVICE_TYPE_MAX, Nul::Required)?,
            source: decode_address(&mut reader, &SOURCE)?,
            destination: decode_address(&mut reader, &DESTINATION)?,
            esm_class: EsmClass(reader.octet(Field::EsmClass)?),
            protocol_id: reader.octet(Field::ProtocolId)?,
            priority_flag: reader.octet(Field::PriorityFlag)?,
            schedule_delivery_time: reader.c_octets(
                Field::ScheduleDeliveryTime,
                TIME_MAX,
                Nul::Required,
            )?,
            validity_period: reader.c_octets(Field::ValidityPeriod, TIME_MAX, Nul::Required)?,
            registered_delivery: RegisteredDelivery(reader.octet(Field::RegisteredDelivery)?),
            replace_if_present: reader.octet(Field::ReplaceIfPresent)?,
            data_coding: DataCoding(reader.octet(Field::DataCoding)?),
            sm_default_msg_id: reader.octet(Field::SmDefaultMsgId)?,
            short_message: {
                let sm_length = reader.octet(Field::SmLength)?;
                reader.octets(Field::ShortMessage, usize::from(sm_length))?
            },
            tlvs: Tlvs::parse(reader.rest())?,
        })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let len = self.short_message.len();
        let sm_length = match u8::try_from(len) {
            Ok(sm_length) if len <= SHORT_MESSAGE_MAX => sm_length,
            Ok(_) | Err(_) => {
                return Err(EncodeError::FieldTooLong {
                    field: Field::ShortMessage,
                    len,
                    max: SHORT_MESSAGE_MAX,
                });
            }
        };
        if len > 0 && self.tlvs.message_payload().is_some() {
            return Err(EncodeError::TwoBodies {
                short_message_len: len,
            });
        }
        put_c_octets(out, Field::ServiceType, self.service_type, SERVICE_TYPE_MAX)?;
        encode_address(out, &self.source, &SOURCE)?;
        encode_address(out, &self.destination, &DESTINATION)?;
        out.put_slice(&[self.esm_class.0, self.protocol_id, self.priority_flag]);
        put_time(
            out,
            Field::ScheduleDeliveryTime,
            self.schedule_delivery_time,
        )?;
        put_time(out, Field::ValidityPeriod, self.validity_period)?;
        out.put_slice(&[
            self.registered_delivery.0,
            self.replace_if_present,
            self.data_coding.0,
            self.sm_default_msg_id,
            sm_length,
        ]);
        out.put_slice(self.short_message);
        out.put_slice(self.tlvs.as_bytes());
        Ok(())
    }

    pub(super) const fn body_len(&self) -> usize {
        // Five NULs and twelve single octets: two addresses have two each, three and five stand in rows.
        const FIXED: usize = 5 + 12;
        FIXED
            + self.service_type.len()
            + self.source.addr.len()
            + self.destination.addr.len()
            + self.schedule_delivery_time.len()
            + self.validity_period.len()
            + self.short_message.len()
            + self.tlvs.as_bytes().len()
    }
}

impl std::fmt::Debug for ShortMessage<'_> {
    /// The body is a private text, so only its length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShortMessage")
            .field("service_type", &self.service_type)
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &self.esm_class)
            .field("protocol_id", &self.protocol_id)
            .field("priority_flag", &self.priority_flag)
            .field("schedule_delivery_time", &self.schedule_delivery_time)
            .field("validity_period", &self.validity_period)
            .field("registered_delivery", &self.registered_delivery)
            .field("replace_if_present", &self.replace_if_present)
            .field("data_coding", &self.data_coding)
            .field("sm_default_msg_id", &self.sm_default_msg_id)
            .field("short_message_len", &self.short_message.len())
            .field("tlvs", &self.tlvs)
            .finish()
    }
}
