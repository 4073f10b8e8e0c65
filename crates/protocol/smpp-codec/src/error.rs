//! Errors of the codec's three faces: framing, decoding, encoding.
//!
//! A [`FrameError`] or [`DecodeError`] is always the peer's fault, an [`EncodeError`] always ours (or our caller's).
//! None of them can be helped by trying the same bytes or values again.

use crate::{CommandStatus, TlvTag};

/// The stream cannot be cut into PDUs any more. Fatal for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length is shorter than a header.
    #[error("command_length {command_length} is below 16, the length of a header")]
    TooShort {
        /// What the peer announced, in octets.
        command_length: u32,
        /// The sequence number, when the whole header had come.
        sequence_number: Option<u32>,
    },
    /// The announced length is above the configured limit.
    #[error("command_length {command_length} is above the limit of {max_bytes} octets")]
    TooLong {
        /// What the peer announced, in octets.
        command_length: u32,
        /// The limit in force, in octets.
        max_bytes: u32,
        /// The sequence number, when the whole header had come.
        sequence_number: Option<u32>,
    },
}

impl FrameError {
    /// Status for the `generic_nack`: always `ESME_RINVCMDLEN`.
    #[must_use]
    pub const fn command_status(&self) -> CommandStatus {
        CommandStatus::InvalidCommandLength
    }
}

/// A framed PDU whose body cannot be read. The frame's length was good, so the session may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The command is not one this codec reads. Answer a request with `generic_nack`.
    #[error("command_id 0x{0:08X} is not supported")]
    UnknownCommand(u32),
    /// The body ends before the field.
    #[error("{} is cut off: the body ends {missing} octets early", field.name())]
    Truncated {
        /// The field that is cut off.
        field: Field,
        /// How many octets of it are missing.
        missing: usize,
    },
    /// A mandatory C-octet string has no terminating NUL before the body ends.
    #[error("{} has no terminating NUL", field.name())]
    MissingNul {
        /// The field without its NUL.
        field: Field,
    },
    /// A C-octet string is longer than what is accepted.
    #[error("{} is longer than the {max} octets accepted", field.name())]
    FieldTooLong {
        /// The field.
        field: Field,
        /// Longest accepted length in octets, without the NUL.
        max: usize,
    },
    /// Fewer than four octets follow the last optional parameter: not even a tag and a length.
    #[error("{octets} octets after the last optional parameter are no tag and length")]
    TlvHeaderTruncated {
        /// How many octets are left over: 1 to 3.
        octets: usize,
    },
    /// An optional parameter announces more octets than the body has.
    #[error("optional parameter 0x{tag:04X} announces {announced} octets, {available} are left")]
    TlvTruncated {
        /// Tag of the parameter.
        tag: u16,
        /// Its announced length in octets.
        announced: u16,
        /// Octets left in the body.
        available: usize,
    },
}

impl DecodeError {
    /// The status to answer the peer's request with.
    ///
    /// For [`DecodeError::UnknownCommand`] the answer is a `generic_nack` with this status; for the others it is the
    /// response of the request. A response that cannot be read is not answered at all.
    #[must_use]
    pub const fn command_status(&self) -> CommandStatus {
        match self {
            Self::UnknownCommand(_) => CommandStatus::InvalidCommandId,
            Self::Truncated { .. } | Self::MissingNul { .. } => CommandStatus::InvalidMessageLength,
            Self::FieldTooLong { field, .. } => field.refusal(),
            Self::TlvHeaderTruncated { .. } | Self::TlvTruncated { .. } => {
                CommandStatus::InvalidOptionalParameterLength
            }
        }
    }
}

/// A value that the specification does not allow on the wire. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The value is too long for its field.
    #[error("{} has {len} octets, {max} are allowed", field.name())]
    FieldTooLong {
        /// The field.
        field: Field,
        /// Octets given, without a NUL.
        len: usize,
        /// Octets allowed, without a NUL.
        max: usize,
    },
    /// A C-octet string holds a NUL, which would end it early on the wire.
    #[error("{} holds a NUL at octet {position}", field.name())]
    ContainsNul {
        /// The field.
        field: Field,
        /// Where, counted from 0.
        position: usize,
    },
    /// A time is neither absent nor exactly 16 characters.
    #[error("{} has {len} characters, 0 or 16 are allowed", field.name())]
    TimeLength {
        /// The field.
        field: Field,
        /// Characters given.
        len: usize,
    },
    /// A field that the specification wants empty is not.
    #[error("{} has {len} octets, it must be empty", field.name())]
    MustBeEmpty {
        /// The field.
        field: Field,
        /// Octets given.
        len: usize,
    },
    /// short_message and message_payload are both given; only one may carry the body.
    #[error(
        "short_message has {short_message_len} octets beside a message_payload; only one may carry the body"
    )]
    TwoBodies {
        /// Octets in short_message.
        short_message_len: usize,
    },
    /// The value of an optional parameter does not fit its 16-bit length.
    #[error("optional parameter 0x{:04X} has {len} octets, 65535 are allowed", tag.to_u16())]
    TlvTooLong {
        /// Tag of the parameter.
        tag: TlvTag,
        /// Octets given.
        len: usize,
    },
    /// The whole PDU does not fit the 32-bit command_length.
    #[error("the PDU has {len} octets, more than command_length can say")]
    PduTooLong {
        /// Octets of the whole PDU.
        len: usize,
    },
}

/// A field of a PDU body, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `system_id` of a bind or a bind response.
    SystemId,
    /// `password` of a bind.
    Password,
    /// `system_type` of a bind.
    SystemType,
    /// `interface_version` of a bind.
    InterfaceVersion,
    /// `addr_ton`, `addr_npi` or `address_range` of a bind.
    AddressRange,
    /// `service_type`.
    ServiceType,
    /// `source_addr_ton`.
    SourceTon,
    /// `source_addr_npi`.
    SourceNpi,
    /// `source_addr`.
    SourceAddress,
    /// `dest_addr_ton`.
    DestinationTon,
    /// `dest_addr_npi`.
    DestinationNpi,
    /// `destination_addr`.
    DestinationAddress,
    /// `esm_class`.
    EsmClass,
    /// `protocol_id`.
    ProtocolId,
    /// `priority_flag`.
    PriorityFlag,
    /// `schedule_delivery_time`.
    ScheduleDeliveryTime,
    /// `validity_period`.
    ValidityPeriod,
    /// `registered_delivery`.
    RegisteredDelivery,
    /// `replace_if_present_flag`.
    ReplaceIfPresent,
    /// `data_coding`.
    DataCoding,
    /// `sm_default_msg_id`.
    SmDefaultMsgId,
    /// `sm_length`.
    SmLength,
    /// `short_message`.
    ShortMessage,
    /// `message_id` of a response.
    MessageId,
    /// `receipted_message_id`, an optional parameter.
    ReceiptedMessageId,
}

impl Field {
    /// The name the specification gives the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemId => "system_id",
            Self::Password => "password",
            Self::SystemType => "system_type",
            Self::InterfaceVersion => "interface_version",
            Self::AddressRange => "address_range",
            Self::ServiceType => "service_type",
            Self::SourceTon => "source_addr_ton",
            Self::SourceNpi => "source_addr_npi",
            Self::SourceAddress => "source_addr",
            Self::DestinationTon => "dest_addr_ton",
            Self::DestinationNpi => "dest_addr_npi",
            Self::DestinationAddress => "destination_addr",
            Self::EsmClass => "esm_class",
            Self::ProtocolId => "protocol_id",
            Self::PriorityFlag => "priority_flag",
            Self::ScheduleDeliveryTime => "schedule_delivery_time",
            Self::ValidityPeriod => "validity_period",
            Self::RegisteredDelivery => "registered_delivery",
            Self::ReplaceIfPresent => "replace_if_present_flag",
            Self::DataCoding => "data_coding",
            Self::SmDefaultMsgId => "sm_default_msg_id",
            Self::SmLength => "sm_length",
            Self::ShortMessage => "short_message",
            Self::MessageId => "message_id",
            Self::ReceiptedMessageId => "receipted_message_id",
        }
    }

    /// The status that tells a peer that this field's value is refused.
    #[must_use]
    pub const fn refusal(self) -> CommandStatus {
        match self {
            Self::SystemId => CommandStatus::InvalidSystemId,
            Self::Password => CommandStatus::InvalidPassword,
            Self::SystemType => CommandStatus::InvalidSystemType,
            Self::ServiceType => CommandStatus::InvalidServiceType,
            Self::SourceTon => CommandStatus::InvalidSourceTon,
            Self::SourceNpi => CommandStatus::InvalidSourceNpi,
            Self::SourceAddress => CommandStatus::InvalidSourceAddress,
            Self::DestinationTon => CommandStatus::InvalidDestinationTon,
            Self::DestinationNpi => CommandStatus::InvalidDestinationNpi,
            Self::DestinationAddress => CommandStatus::InvalidDestinationAddress,
            Self::EsmClass => CommandStatus::InvalidEsmClass,
            Self::PriorityFlag => CommandStatus::InvalidPriority,
            Self::ScheduleDeliveryTime => CommandStatus::InvalidSchedule,
            Self::ValidityPeriod => CommandStatus::InvalidValidityPeriod,
            Self::RegisteredDelivery => CommandStatus::InvalidRegisteredDelivery,
            Self::ReplaceIfPresent => CommandStatus::InvalidReplaceFlag,
            Self::SmDefaultMsgId => CommandStatus::InvalidPredefinedMessage,
            Self::MessageId => CommandStatus::InvalidMessageId,
            Self::ReceiptedMessageId => CommandStatus::InvalidOptionalParameterValue,
            Self::InterfaceVersion | Self::AddressRange => CommandStatus::BindFailed,
            Self::ProtocolId | Self::DataCoding | Self::SmLength | Self::ShortMessage => {
                CommandStatus::InvalidMessageLength
            }
        }
    }
}
