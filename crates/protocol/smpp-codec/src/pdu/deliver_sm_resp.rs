//! `deliver_sm_resp` (SMPP 3.4, 4.6.2): the ESME answers a receipt or an inbound message.

use bytes::{BufMut, BytesMut};

use super::{MESSAGE_ID_ACCEPTED, decode_response};
use crate::{COctetString, CommandStatus, DecodeError, EncodeError, Field, Tlvs};

/// Body of `deliver_sm_resp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DeliverSmResp<'a> {
    /// Unused by the specification: a lone NUL. Some peers fill it, so it is read; some reject a filled one, so
    /// writing requires it to be empty.
    pub message_id: COctetString<'a>,
    /// Optional parameters; 3.4 has none here.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DeliverSmResp<'a> {
    pub(super) fn decode(body: &'a [u8], status: CommandStatus) -> Result<Self, DecodeError> {
        let (message_id, tlvs) =
            decode_response(body, status, Field::MessageId, MESSAGE_ID_ACCEPTED)?;
        Ok(Self { message_id, tlvs })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if !self.message_id.is_empty() {
            return Err(EncodeError::MustBeEmpty {
                field: Field::MessageId,
                len: self.message_id.len(),
            });
        }
        out.put_u8(0);
        out.put_slice(self.tlvs.as_bytes());
        Ok(())
    }
}
