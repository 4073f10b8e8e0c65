//! Responses to the three binds (SMPP 3.4, 4.1.2, 4.1.4, 4.1.6).

use bytes::{BufMut, BytesMut};

use super::decode_response;
use crate::wire::put_c_octets;
use crate::{COctetString, CommandStatus, DecodeError, EncodeError, Field, Tlvs};

const SYSTEM_ID_MAX: usize = 15;
/// A response is read leniently: message centers put whole host names here.
const SYSTEM_ID_ACCEPTED: usize = 64;

/// Body of the three bind responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BindResp<'a> {
    /// Name of the message center; up to 15 octets when written, 64 when read; empty when the body is absent.
    pub system_id: COctetString<'a>,
    /// Optional parameters; sc_interface_version lies here.
    pub tlvs: Tlvs<'a>,
}

impl<'a> BindResp<'a> {
    pub(super) fn decode(body: &'a [u8], status: CommandStatus) -> Result<Self, DecodeError> {
        let (system_id, tlvs) = decode_response(body, status, Field::SystemId, SYSTEM_ID_ACCEPTED)?;
        Ok(Self { system_id, tlvs })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_c_octets(out, Field::SystemId, self.system_id, SYSTEM_ID_MAX)?;
        out.put_slice(self.tlvs.as_bytes());
        Ok(())
    }
}
