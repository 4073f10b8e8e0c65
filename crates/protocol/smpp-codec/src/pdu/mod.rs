//! The PDUs, one file each, and the enum over them.
//!
//! A new PDU is a new file, a variant of [`Pdu`], and an arm in each of the four matches below.
//!
//! Responses are read more leniently than requests: a request can be refused and sent again, while an unreadable
//! response turns a settled message into an uncertain one.
//! * The body may be absent, a lone NUL, or full, whatever the status; an absent string reads as empty.
//! * A string that runs to the end of the body without its NUL ends there.
//! * A broken tail of optional parameters is cut off.
//! * With an error status no body is an error: the status says it all.
//!
//! PDUs that have no body ignore one.

mod bind;
mod bind_resp;
mod data_sm;
mod data_sm_resp;
mod deliver_sm;
mod deliver_sm_resp;
mod short_message;
mod submit_sm;
mod submit_sm_resp;

pub use bind::Bind;
pub use bind_resp::BindResp;
pub use data_sm::DataSm;
pub use data_sm_resp::DataSmResp;
pub use deliver_sm::DeliverSm;
pub use deliver_sm_resp::DeliverSmResp;
pub use short_message::ShortMessage;
pub use submit_sm::SubmitSm;
pub use submit_sm_resp::SubmitSmResp;

use bytes::{BufMut, BytesMut};

use crate::wire::{Nul, Reader, put_c_octets};
use crate::{
    Address, COctetString, CommandId, CommandStatus, DecodeError, EncodeError, Field, Frame,
    HEADER_LEN, Header, Npi, Tlvs, Ton,
};

/// Longest address in octets, without its NUL.
const ADDRESS_MAX: usize = 20;
/// Longest service_type in octets, without its NUL.
const SERVICE_TYPE_MAX: usize = 5;
/// Longest message_id we write, in octets without its NUL.
const MESSAGE_ID_MAX: usize = 64;
/// Longest message_id we read: some peers count 65 octets without the NUL.
const MESSAGE_ID_ACCEPTED: usize = 65;

/// One PDU, borrowed from the buffer it was read from (or from the caller that sends it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// `generic_nack`: the peer could not make sense of a PDU.
    GenericNack,
    /// `bind_transmitter`.
    BindTransmitter(Bind<'a>),
    /// `bind_receiver`.
    BindReceiver(Bind<'a>),
    /// `bind_transceiver`.
    BindTransceiver(Bind<'a>),
    /// `bind_transmitter_resp`.
    BindTransmitterResp(BindResp<'a>),
    /// `bind_receiver_resp`.
    BindReceiverResp(BindResp<'a>),
    /// `bind_transceiver_resp`.
    BindTransceiverResp(BindResp<'a>),
    /// `unbind`.
    Unbind,
    /// `unbind_resp`.
    UnbindResp,
    /// `enquire_link`.
    EnquireLink,
    /// `enquire_link_resp`.
    EnquireLinkResp,
    /// `submit_sm`.
    SubmitSm(SubmitSm<'a>),
    /// `submit_sm_resp`.
    SubmitSmResp(SubmitSmResp<'a>),
    /// `deliver_sm`.
    DeliverSm(DeliverSm<'a>),
    /// `deliver_sm_resp`.
    DeliverSmResp(DeliverSmResp<'a>),
    /// `data_sm`.
    DataSm(DataSm<'a>),
    /// `data_sm_resp`.
    DataSmResp(DataSmResp<'a>),
}

impl<'a> Pdu<'a> {
    /// Reads the body of a frame. Status and sequence number stay in `frame.header`.
    ///
    /// # Errors
    /// [`DecodeError::UnknownCommand`] for a command this codec does not read (answer a request with `generic_nack`),
    /// any other variant for a body that cannot be read (answer with the request's response). The status for the
    /// answer is [`DecodeError::command_status`]. The peer is at fault; framing is intact, the session may go on.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        let body = frame.body;
        let status = frame.header.command_status;
        Ok(match frame.header.command_id {
            CommandId::GenericNack => Self::GenericNack,
            CommandId::BindTransmitter => Self::BindTransmitter(Bind::decode(body)?),
            CommandId::BindReceiver => Self::BindReceiver(Bind::decode(body)?),
            CommandId::BindTransceiver => Self::BindTransceiver(Bind::decode(body)?),
            CommandId::BindTransmitterResp => {
                Self::BindTransmitterResp(BindResp::decode(body, status)?)
            }
            CommandId::BindReceiverResp => Self::BindReceiverResp(BindResp::decode(body, status)?),
            CommandId::BindTransceiverResp => {
                Self::BindTransceiverResp(BindResp::decode(body, status)?)
            }
            CommandId::Unbind => Self::Unbind,
            CommandId::UnbindResp => Self::UnbindResp,
            CommandId::EnquireLink => Self::EnquireLink,
            CommandId::EnquireLinkResp => Self::EnquireLinkResp,
            CommandId::SubmitSm => Self::SubmitSm(SubmitSm::decode(body)?),
            CommandId::SubmitSmResp => Self::SubmitSmResp(SubmitSmResp::decode(body, status)?),
            CommandId::DeliverSm => Self::DeliverSm(DeliverSm::decode(body)?),
            CommandId::DeliverSmResp => Self::DeliverSmResp(DeliverSmResp::decode(body, status)?),
            CommandId::DataSm => Self::DataSm(DataSm::decode(body)?),
            CommandId::DataSmResp => Self::DataSmResp(DataSmResp::decode(body, status)?),
            CommandId::Other(id) => return Err(DecodeError::UnknownCommand(id)),
        })
    }

    /// The command id of this PDU.
    #[must_use]
    pub const fn command_id(&self) -> CommandId {
        match self {
            Self::GenericNack => CommandId::GenericNack,
            Self::BindTransmitter(_) => CommandId::BindTransmitter,
            Self::BindReceiver(_) => CommandId::BindReceiver,
            Self::BindTransceiver(_) => CommandId::BindTransceiver,
            Self::BindTransmitterResp(_) => CommandId::BindTransmitterResp,
            Self::BindReceiverResp(_) => CommandId::BindReceiverResp,
            Self::BindTransceiverResp(_) => CommandId::BindTransceiverResp,
            Self::Unbind => CommandId::Unbind,
            Self::UnbindResp => CommandId::UnbindResp,
            Self::EnquireLink => CommandId::EnquireLink,
            Self::EnquireLinkResp => CommandId::EnquireLinkResp,
            Self::SubmitSm(_) => CommandId::SubmitSm,
            Self::SubmitSmResp(_) => CommandId::SubmitSmResp,
            Self::DeliverSm(_) => CommandId::DeliverSm,
            Self::DeliverSmResp(_) => CommandId::DeliverSmResp,
            Self::DataSm(_) => CommandId::DataSm,
            Self::DataSmResp(_) => CommandId::DataSmResp,
        }
    }

    /// Appends the PDU to `out`: room is reserved once, the length is patched in at the end.
    ///
    /// `submit_sm_resp` and the bind responses are written without a body when `command_status` is not `Ok`, as the
    /// specification wants it.
    ///
    /// # Errors
    /// A value breaks the specification; `out` is then as it was before. The caller is at fault.
    pub fn encode(
        &self,
        command_status: CommandStatus,
        sequence_number: u32,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        let written = self.encode_unpatched(command_status, sequence_number, out);
        let len = out.len() - start;
        match written.and_then(|()| u32::try_from(len).map_err(|_| EncodeError::PduTooLong { len }))
        {
            Ok(command_length) => {
                out[start..start + 4].copy_from_slice(&command_length.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// Header with a length of 0, then the body.
    fn encode_unpatched(
        &self,
        command_status: CommandStatus,
        sequence_number: u32,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let command_id = self.command_id();
        out.reserve(HEADER_LEN + self.body_len());
        out.put_slice(
            &Header {
                command_length: 0,
                command_id,
                command_status,
                sequence_number,
            }
            .encode(),
        );
        match self {
            Self::GenericNack
            | Self::Unbind
            | Self::UnbindResp
            | Self::EnquireLink
            | Self::EnquireLinkResp => Ok(()),
            Self::BindTransmitter(bind)
            | Self::BindReceiver(bind)
            | Self::BindTransceiver(bind) => bind.encode(out),
            Self::BindTransmitterResp(resp)
            | Self::BindReceiverResp(resp)
            | Self::BindTransceiverResp(resp) => {
                if command_status.is_ok() {
                    resp.encode(out)
                } else {
                    Ok(())
                }
            }
            Self::SubmitSm(message) | Self::DeliverSm(message) => message.encode(out),
            Self::SubmitSmResp(resp) => {
                if command_status.is_ok() {
                    resp.encode(out)
                } else {
                    Ok(())
                }
            }
            Self::DeliverSmResp(resp) => resp.encode(out),
            Self::DataSm(message) => message.encode(out),
            Self::DataSmResp(resp) => resp.encode(out),
        }
    }

    /// Octets of the body when it is written in full; what `encode` reserves.
    const fn body_len(&self) -> usize {
        match self {
            Self::GenericNack
            | Self::Unbind
            | Self::UnbindResp
            | Self::EnquireLink
            | Self::EnquireLinkResp => 0,
            Self::BindTransmitter(bind)
            | Self::BindReceiver(bind)
            | Self::BindTransceiver(bind) => bind.body_len(),
            Self::BindTransmitterResp(resp)
            | Self::BindReceiverResp(resp)
            | Self::BindTransceiverResp(resp) => string_and_tlvs_len(resp.system_id, resp.tlvs),
            Self::SubmitSm(message) | Self::DeliverSm(message) => message.body_len(),
            Self::SubmitSmResp(resp) => string_and_tlvs_len(resp.message_id, resp.tlvs),
            Self::DeliverSmResp(resp) => string_and_tlvs_len(resp.message_id, resp.tlvs),
            Self::DataSm(message) => message.body_len(),
            Self::DataSmResp(resp) => string_and_tlvs_len(resp.message_id, resp.tlvs),
        }
    }
}

const fn string_and_tlvs_len(string: COctetString<'_>, tlvs: Tlvs<'_>) -> usize {
    string.len() + 1 + tlvs.as_bytes().len()
}

/// Reads the body that all responses share: one string, then optional parameters.
fn decode_response(
    body: &[u8],
    status: CommandStatus,
    field: Field,
    max: usize,
) -> Result<(COctetString<'_>, Tlvs<'_>), DecodeError> {
    let mut reader = Reader::new(body);
    match reader.c_octets(field, max, Nul::Optional) {
        Ok(string) => Ok((string, Tlvs::parse_prefix(reader.rest()))),
        Err(_) if !status.is_ok() => Ok((COctetString::EMPTY, Tlvs::EMPTY)),
        Err(error) => Err(error),
    }
}

/// The fields of an address, as errors name them.
struct AddressFields {
    ton: Field,
    npi: Field,
    addr: Field,
    max: usize,
}

const SOURCE: AddressFields = AddressFields {
    ton: Field::SourceTon,
    npi: Field::SourceNpi,
    addr: Field::SourceAddress,
    max: ADDRESS_MAX,
};
const DESTINATION: AddressFields = AddressFields {
    ton: Field::DestinationTon,
    npi: Field::DestinationNpi,
    addr: Field::DestinationAddress,
    max: ADDRESS_MAX,
};

fn decode_address<'a>(
    reader: &mut Reader<'a>,
    fields: &AddressFields,
) -> Result<Address<'a>, DecodeError> {
    Ok(Address {
        ton: Ton::from_u8(reader.octet(fields.ton)?),
        npi: Npi::from_u8(reader.octet(fields.npi)?),
        addr: reader.c_octets(fields.addr, fields.max, Nul::Required)?,
    })
}

fn encode_address(
    out: &mut BytesMut,
    address: &Address<'_>,
    fields: &AddressFields,
) -> Result<(), EncodeError> {
    out.put_u8(address.ton.to_u8());
    out.put_u8(address.npi.to_u8());
    put_c_octets(out, fields.addr, address.addr, fields.max)
}
