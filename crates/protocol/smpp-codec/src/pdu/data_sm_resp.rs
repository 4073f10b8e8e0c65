//! `data_sm_resp` (SMPP 3.4, 4.7.2). Unlike submit_sm_resp it keeps its body with an error status: the optional
//! parameters then say why (delivery_failure_reason, network_error_code, additional_status_info_text).

use bytes::{BufMut, BytesMut};

use super::{MESSAGE_ID_ACCEPTED, MESSAGE_ID_MAX, decode_response};
use crate::wire::put_c_octets;
use crate::{COctetString, CommandStatus, DecodeError, EncodeError, Field, Tlvs};

/// Body of `data_sm_resp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DataSmResp<'a> {
    /// Id of the message at the message center; empty when the body is absent.
    pub message_id: COctetString<'a>,
    /// Optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DataSmResp<'a> {
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
