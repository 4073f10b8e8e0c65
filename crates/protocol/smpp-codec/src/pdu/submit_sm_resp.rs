//! `submit_sm_resp` (SMPP 3.4, 4.4.2): the message center took or refused a message.

use bytes::{BufMut, BytesMut};

use super::{MESSAGE_ID_ACCEPTED, MESSAGE_ID_MAX, decode_response};
use crate::wire::put_c_octets;
use crate::{COctetString, CommandStatus, DecodeError, EncodeError, Field, Tlvs};

/// Body of `submit_sm_resp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SubmitSmResp<'a> {
    /// Id of the message at the message center, decimal, hexadecimal or any text; empty when the body is absent. Up
    /// to 64 octets when written, 65 when read.
    pub message_id: COctetString<'a>,
    /// Optional parameters; 3.4 has none here, 5.0 and real peers do.
    pub tlvs: Tlvs<'a>,
}

impl<'a> SubmitSmResp<'a> {
    pub(super) fn decode(body: &'a [u8], status: CommandStatus) -> Result<Self, DecodeError> {
        let (message_id, tlvs) =
            decode_response(body, status, Field::MessageId, MESSAGE_ID_ACCEPTED)?;
        Ok(Self { message_id, tlvs })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_c_octets(out, Field::MessageId, self.message_id, MESSAGE_ID_MAX)?;
        out.put_slice(self.tlvs.as_bytes());
        Ok(())
    }
}
