//! SMPP 3.4 codec: bytes to values and back, nothing else.
//!
//! No socket, clock or thread; `now` is an argument where time matters. Decoding borrows: a [`Pdu`] points into the
//! receive buffer and allocates nothing. Encoding appends to a caller's [`bytes::BytesMut`], so that many PDUs share
//! one write.
//!
//! The way in is [`split_frame`] (is there a whole PDU, and may it be that long?), then [`Pdu::decode`]. The way out
//! is [`Pdu::encode`]. One file per PDU lies in `pdu/`, one per value in `value/`.
//!
//! Decided once for the whole crate:
//! * **Reading is lenient where strictness costs a message, writing is strict.** Real peers send long passwords, ids
//!   of 65 octets and response bodies of three shapes; what we send keeps to the specification.
//! * **Nothing panics and nothing is quadratic**, whatever the bytes. Every length is checked before it is used, and
//!   no length field leads to an allocation.
//! * **Unknown numbers are values, not errors**: unknown statuses, tags, types of number keep their raw code.
//! * **Debug output hides** passwords, all but two digits of an address, and message bodies.

mod address;
mod command_id;
mod command_status;
mod error;
mod frame;
mod header;
mod pdu;
mod tlv;
mod value;
mod wire;

pub mod receipt_text;
pub mod time;

pub use address::{Address, Npi, Ton};
pub use command_id::CommandId;
pub use command_status::{CommandStatus, StatusClass};
pub use error::{DecodeError, EncodeError, Field, FrameError};
pub use frame::{Frame, FrameLimit, split_frame};
pub use header::{HEADER_LEN, Header};
pub use pdu::{
    Bind, BindResp, DataSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu, ShortMessage, SubmitSm,
    SubmitSmResp,
};
pub use tlv::{SegmentInfo, Tlv, TlvIter, TlvTag, TlvWriter, Tlvs};
pub use value::{
    COctetString, DataCoding, EsmClass, InterfaceVersion, MessageStateValue, MessageType,
    MessagingMode, NetworkErrorCode, ReceiptRequest, RegisteredDelivery,
};
