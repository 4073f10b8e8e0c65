//! `command_id`: which PDU this is (SMPP 3.4, 5.1.2).

/// Bit that turns the command id of a request into the one of its response.
const RESPONSE_BIT: u32 = 0x8000_0000;

/// Kind of a PDU. Kinds this codec does not read stay raw in [`CommandId::Other`], so that a session can answer them
/// with a `generic_nack` that carries their sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandId {
    /// `generic_nack` (0x80000000).
    GenericNack,
    /// `bind_receiver` (0x01).
    BindReceiver,
    /// `bind_receiver_resp` (0x80000001).
    BindReceiverResp,
    /// `bind_transmitter` (0x02).
    BindTransmitter,
    /// `bind_transmitter_resp` (0x80000002).
    BindTransmitterResp,
    /// `submit_sm` (0x04).
    SubmitSm,
    /// `submit_sm_resp` (0x80000004).
    SubmitSmResp,
    /// `deliver_sm` (0x05).
    DeliverSm,
    /// `deliver_sm_resp` (0x80000005).
    DeliverSmResp,
    /// `unbind` (0x06).
    Unbind,
    /// `unbind_resp` (0x80000006).
    UnbindResp,
    /// `bind_transceiver` (0x09).
    BindTransceiver,
    /// `bind_transceiver_resp` (0x80000009).
    BindTransceiverResp,
    /// `enquire_link` (0x15).
    EnquireLink,
    /// `enquire_link_resp` (0x80000015).
    EnquireLinkResp,
    /// `data_sm` (0x103).
    DataSm,
    /// `data_sm_resp` (0x80000103).
    DataSmResp,
    /// Any other command id.
    Other(u32),
}

impl CommandId {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        match self {
            Self::GenericNack => 0x8000_0000,
            Self::BindReceiver => 0x01,
            Self::BindReceiverResp => 0x8000_0001,
            Self::BindTransmitter => 0x02,
            Self::BindTransmitterResp => 0x8000_0002,
            Self::SubmitSm => 0x04,
            Self::SubmitSmResp => 0x8000_0004,
            Self::DeliverSm => 0x05,
            Self::DeliverSmResp => 0x8000_0005,
            Self::Unbind => 0x06,
            Self::UnbindResp => 0x8000_0006,
            Self::BindTransceiver => 0x09,
            Self::BindTransceiverResp => 0x8000_0009,
            Self::EnquireLink => 0x15,
            Self::EnquireLinkResp => 0x8000_0015,
            Self::DataSm => 0x103,
            Self::DataSmResp => 0x8000_0103,
            Self::Other(id) => id,
        }
    }

    /// Reads the value from the wire; never fails, unknown ids are kept.
    #[must_use]
    pub const fn from_u32(id: u32) -> Self {
        match id {
            0x8000_0000 => Self::GenericNack,
            0x01 => Self::BindReceiver,
            0x8000_0001 => Self::BindReceiverResp,
            0x02 => Self::BindTransmitter,
            0x8000_0002 => Self::BindTransmitterResp,
            0x04 => Self::SubmitSm,
            0x8000_0004 => Self::SubmitSmResp,
            0x05 => Self::DeliverSm,
            0x8000_0005 => Self::DeliverSmResp,
            0x06 => Self::Unbind,
            0x8000_0006 => Self::UnbindResp,
            0x09 => Self::BindTransceiver,
            0x8000_0009 => Self::BindTransceiverResp,
            0x15 => Self::EnquireLink,
            0x8000_0015 => Self::EnquireLinkResp,
            0x103 => Self::DataSm,
            0x8000_0103 => Self::DataSmResp,
            other => Self::Other(other),
        }
    }

    /// True when the response bit is set, so also for `generic_nack` and for unknown responses.
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.to_u32() & RESPONSE_BIT != 0
    }

    /// The command id that answers this request; `None` when this is a response itself, or when it is a command that
    /// is not known to this codec (some of those, outbind and alert_notification, have no response).
    #[must_use]
    pub const fn response(self) -> Option<Self> {
        if self.is_response() || matches!(self, Self::Other(_)) {
            return None;
        }
        Some(Self::from_u32(self.to_u32() | RESPONSE_BIT))
    }

    /// The name the specification gives the command; `unknown` for [`CommandId::Other`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenericNack => "generic_nack",
            Self::BindReceiver => "bind_receiver",
            Self::BindReceiverResp => "bind_receiver_resp",
            Self::BindTransmitter => "bind_transmitter",
            Self::BindTransmitterResp => "bind_transmitter_resp",
            Self::SubmitSm => "submit_sm",
            Self::SubmitSmResp => "submit_sm_resp",
            Self::DeliverSm => "deliver_sm",
            Self::DeliverSmResp => "deliver_sm_resp",
            Self::Unbind => "unbind",
            Self::UnbindResp => "unbind_resp",
            Self::BindTransceiver => "bind_transceiver",
            Self::BindTransceiverResp => "bind_transceiver_resp",
            Self::EnquireLink => "enquire_link",
            Self::EnquireLinkResp => "enquire_link_resp",
            Self::DataSm => "data_sm",
            Self::DataSmResp => "data_sm_resp",
            Self::Other(_) => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_round_trip() {
        for id in (0..=0x120).chain(0x8000_0000..=0x8000_0120) {
            assert_eq!(CommandId::from_u32(id).to_u32(), id);
        }
    }

    #[test]
    fn only_known_requests_have_a_response() {
        assert_eq!(
            CommandId::SubmitSm.response(),
            Some(CommandId::SubmitSmResp)
        );
        assert_eq!(CommandId::DataSm.response(), Some(CommandId::DataSmResp));
        assert_eq!(CommandId::SubmitSmResp.response(), None);
        assert_eq!(CommandId::GenericNack.response(), None);
        assert_eq!(CommandId::Other(0x0B).response(), None);
        assert!(CommandId::GenericNack.is_response());
        assert!(CommandId::Other(0x8000_0003).is_response());
        assert!(!CommandId::Unbind.is_response());
    }
}
