//! The 16 octets in front of every PDU (SMPP 3.4, 3.2).

use crate::{CommandId, CommandStatus};

/// Length of a PDU header in octets.
pub const HEADER_LEN: usize = 16;

/// Header of a PDU. All fields are big-endian on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole PDU in octets, this field included; at least 16.
    pub command_length: u32,
    /// Kind of the PDU.
    pub command_id: CommandId,
    /// Result in a response, 0 in a request.
    pub command_status: CommandStatus,
    /// Pairs a response with its request. 1 to 0x7FFFFFFF by the specification, but some peers use all 32 bits in
    /// their own requests, so that any value is read and must be echoed.
    pub sequence_number: u32,
}

impl Header {
    /// Reads a header from its 16 octets. The length is not judged here: [`crate::split_frame`] does that.
    #[must_use]
    pub fn decode(octets: &[u8; HEADER_LEN]) -> Self {
        let [
            l0,
            l1,
            l2,
            l3,
            i0,
            i1,
            i2,
            i3,
            s0,
            s1,
            s2,
            s3,
            n0,
            n1,
            n2,
            n3,
        ] = *octets;
        Self {
            command_length: u32::from_be_bytes([l0, l1, l2, l3]),
            command_id: CommandId::from_u32(u32::from_be_bytes([i0, i1, i2, i3])),
            command_status: CommandStatus::from_u32(u32::from_be_bytes([s0, s1, s2, s3])),
            sequence_number: u32::from_be_bytes([n0, n1, n2, n3]),
        }
    }

    /// The 16 octets of this header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let [l0, l1, l2, l3] = self.command_length.to_be_bytes();
        let [i0, i1, i2, i3] = self.command_id.to_u32().to_be_bytes();
        let [s0, s1, s2, s3] = self.command_status.to_u32().to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence_number.to_be_bytes();
        [
            l0, l1, l2, l3, i0, i1, i2, i3, s0, s1, s2, s3, n0, n1, n2, n3,
        ]
    }
}
