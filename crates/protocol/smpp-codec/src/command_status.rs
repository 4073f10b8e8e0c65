//! `command_status`: what the answering side says became of a request (SMPP 3.4, 5.1.3).
//!
//! Every 3.4 code has a readable variant; codes of 5.0 and of vendors stay raw in [`CommandStatus::Other`], because an
//! unknown status must reach the log and the carrier's own mapping unchanged. What to do about a status is decided in
//! two steps: [`CommandStatus::class`] gives the default class, and a carrier's configuration may override it.

/// Status of a response, or 0 in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CommandStatus {
    /// `ESME_ROK` (0x00): No error.
    #[default]
    Ok,
    /// `ESME_RINVMSGLEN` (0x01): The message (short_message or payload) has a length the receiver refuses.
    InvalidMessageLength,
    /// `ESME_RINVCMDLEN` (0x02): command_length is wrong: framing is lost.
    InvalidCommandLength,
    /// `ESME_RINVCMDID` (0x03): The command is not known to the receiver.
    InvalidCommandId,
    /// `ESME_RINVBNDSTS` (0x04): The command is not allowed in this bind state.
    InvalidBindStatus,
    /// `ESME_RALYBND` (0x05): Already bound; often a stale session that the peer still holds, or too many binds.
    AlreadyBound,
    /// `ESME_RINVPRTFLG` (0x06): Bad priority_flag.
    InvalidPriority,
    /// `ESME_RINVREGDLVFLG` (0x07): Bad registered_delivery.
    InvalidRegisteredDelivery,
    /// `ESME_RSYSERR` (0x08): System error at the message center.
    SystemError,
    /// `ESME_RINVSRCADR` (0x0A): Bad source address.
    InvalidSourceAddress,
    /// `ESME_RINVDSTADR` (0x0B): Bad destination address.
    InvalidDestinationAddress,
    /// `ESME_RINVMSGID` (0x0C): Bad message_id.
    InvalidMessageId,
    /// `ESME_RBINDFAIL` (0x0D): The bind failed for a reason not named.
    BindFailed,
    /// `ESME_RINVPASWD` (0x0E): Wrong password.
    InvalidPassword,
    /// `ESME_RINVSYSID` (0x0F): Unknown system_id.
    InvalidSystemId,
    /// `ESME_RCANCELFAIL` (0x11): cancel_sm failed.
    CancelFailed,
    /// `ESME_RREPLACEFAIL` (0x13): replace_sm failed.
    ReplaceFailed,
    /// `ESME_RMSGQFUL` (0x14): A queue is full: of one destination, or of the whole message center.
    MessageQueueFull,
    /// `ESME_RINVSERTYP` (0x15): Bad service_type.
    InvalidServiceType,
    /// `ESME_RINVNUMDESTS` (0x33): Bad number of destinations (submit_multi).
    InvalidDestinationCount,
    /// `ESME_RINVDLNAME` (0x34): Bad distribution list name.
    InvalidDistributionList,
    /// `ESME_RINVDESTFLAG` (0x40): Bad dest_flag (submit_multi).
    InvalidDestinationFlag,
    /// `ESME_RINVSUBREP` (0x42): Submit with replace_if_present is not possible.
    InvalidSubmitWithReplace,
    /// `ESME_RINVESMCLASS` (0x43): Bad esm_class.
    InvalidEsmClass,
    /// `ESME_RCNTSUBDL` (0x44): Cannot submit to the distribution list.
    CannotSubmitToDistributionList,
    /// `ESME_RSUBMITFAIL` (0x45): submit_sm or submit_multi failed; often a catch-all, or the window was exceeded.
    SubmitFailed,
    /// `ESME_RINVSRCTON` (0x48): Bad source type of number.
    InvalidSourceTon,
    /// `ESME_RINVSRCNPI` (0x49): Bad source numbering plan.
    InvalidSourceNpi,
    /// `ESME_RINVDSTTON` (0x50): Bad destination type of number.
    InvalidDestinationTon,
    /// `ESME_RINVDSTNPI` (0x51): Bad destination numbering plan.
    InvalidDestinationNpi,
    /// `ESME_RINVSYSTYP` (0x53): Bad system_type.
    InvalidSystemType,
    /// `ESME_RINVREPFLAG` (0x54): Bad replace_if_present_flag.
    InvalidReplaceFlag,
    /// `ESME_RINVNUMMSGS` (0x55): Bad number of messages.
    InvalidMessageCount,
    /// `ESME_RTHROTTLED` (0x58): The sender exceeded its allowed rate.
    Throttled,
    /// `ESME_RINVSCHED` (0x61): Bad schedule_delivery_time.
    InvalidSchedule,
    /// `ESME_RINVEXPIRY` (0x62): Bad validity_period.
    InvalidValidityPeriod,
    /// `ESME_RINVDFTMSGID` (0x63): Unknown predefined message (sm_default_msg_id).
    InvalidPredefinedMessage,
    /// `ESME_RX_T_APPN` (0x64): The receiving ESME has a temporary error.
    ReceiverTemporaryError,
    /// `ESME_RX_P_APPN` (0x65): The receiving ESME has a permanent error.
    ReceiverPermanentError,
    /// `ESME_RX_R_APPN` (0x66): The receiving ESME rejected the message.
    ReceiverRejected,
    /// `ESME_RQUERYFAIL` (0x67): query_sm failed.
    QueryFailed,
    /// `ESME_RINVOPTPARSTREAM` (0xC0): The optional part of the PDU cannot be read.
    InvalidOptionalParameterStream,
    /// `ESME_ROPTPARNOTALLWD` (0xC1): An optional parameter is not allowed here.
    OptionalParameterNotAllowed,
    /// `ESME_RINVPARLEN` (0xC2): An optional parameter has a wrong length.
    InvalidOptionalParameterLength,
    /// `ESME_RMISSINGOPTPARAM` (0xC3): An expected optional parameter is missing.
    MissingOptionalParameter,
    /// `ESME_RINVOPTPARAMVAL` (0xC4): An optional parameter has a wrong value.
    InvalidOptionalParameterValue,
    /// `ESME_RDELIVERYFAILURE` (0xFE): Delivery failed (answer to data_sm).
    DeliveryFailed,
    /// `ESME_RUNKNOWNERR` (0xFF): Unknown error.
    UnknownError,
    /// Any other code: SMPP 5.0 (0x100 to 0x112), vendor (0x400 to 0x4FF) or reserved.
    Other(u32),
}

/// What a status means for the sender, before a carrier's own overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// Settled: the request was taken.
    Ok,
    /// Too fast: slow the carrier (or the destination) down and send the same message again.
    Throttle,
    /// Temporary: a bounded number of retries, then another route.
    Retry,
    /// The session is in a state in which the command cannot work: give the message back and bind again.
    Session,
    /// The bind is refused for now: back off exponentially.
    BindBackOff,
    /// The bind is refused for good: stop, raise an alarm, probe slowly.
    BindFatal,
    /// The message is refused for good.
    Permanent,
    /// The peer dislikes an optional parameter: one try without optional parameters, then permanent.
    Capability,
    /// An operation on a message (cancel, replace, query, broadcast) failed: report it to the caller.
    Operation,
    /// A code outside the standard: mapped per carrier, otherwise one retry and then failure.
    Vendor,
}

impl CommandStatus {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        match self {
            Self::Ok => 0x00,
            Self::InvalidMessageLength => 0x01,
            Self::InvalidCommandLength => 0x02,
            Self::InvalidCommandId => 0x03,
            Self::InvalidBindStatus => 0x04,
            Self::AlreadyBound => 0x05,
            Self::InvalidPriority => 0x06,
            Self::InvalidRegisteredDelivery => 0x07,
            Self::SystemError => 0x08,
            Self::InvalidSourceAddress => 0x0A,
            Self::InvalidDestinationAddress => 0x0B,
            Self::InvalidMessageId => 0x0C,
            Self::BindFailed => 0x0D,
            Self::InvalidPassword => 0x0E,
            Self::InvalidSystemId => 0x0F,
            Self::CancelFailed => 0x11,
            Self::ReplaceFailed => 0x13,
            Self::MessageQueueFull => 0x14,
            Self::InvalidServiceType => 0x15,
            Self::InvalidDestinationCount => 0x33,
            Self::InvalidDistributionList => 0x34,
            Self::InvalidDestinationFlag => 0x40,
            Self::InvalidSubmitWithReplace => 0x42,
            Self::InvalidEsmClass => 0x43,
            Self::CannotSubmitToDistributionList => 0x44,
            Self::SubmitFailed => 0x45,
            Self::InvalidSourceTon => 0x48,
            Self::InvalidSourceNpi => 0x49,
            Self::InvalidDestinationTon => 0x50,
            Self::InvalidDestinationNpi => 0x51,
            Self::InvalidSystemType => 0x53,
            Self::InvalidReplaceFlag => 0x54,
            Self::InvalidMessageCount => 0x55,
            Self::Throttled => 0x58,
            Self::InvalidSchedule => 0x61,
            Self::InvalidValidityPeriod => 0x62,
            Self::InvalidPredefinedMessage => 0x63,
            Self::ReceiverTemporaryError => 0x64,
            Self::ReceiverPermanentError => 0x65,
            Self::ReceiverRejected => 0x66,
            Self::QueryFailed => 0x67,
            Self::InvalidOptionalParameterStream => 0xC0,
            Self::OptionalParameterNotAllowed => 0xC1,
            Self::InvalidOptionalParameterLength => 0xC2,
            Self::MissingOptionalParameter => 0xC3,
            Self::InvalidOptionalParameterValue => 0xC4,
            Self::DeliveryFailed => 0xFE,
            Self::UnknownError => 0xFF,
            Self::Other(code) => code,
        }
    }

    /// Reads the value from the wire; never fails, unknown codes are kept.
    #[must_use]
    pub const fn from_u32(code: u32) -> Self {
        match code {
            0x00 => Self::Ok,
            0x01 => Self::InvalidMessageLength,
            0x02 => Self::InvalidCommandLength,
            0x03 => Self::InvalidCommandId,
            0x04 => Self::InvalidBindStatus,
            0x05 => Self::AlreadyBound,
            0x06 => Self::InvalidPriority,
            0x07 => Self::InvalidRegisteredDelivery,
            0x08 => Self::SystemError,
            0x0A => Self::InvalidSourceAddress,
            0x0B => Self::InvalidDestinationAddress,
            0x0C => Self::InvalidMessageId,
            0x0D => Self::BindFailed,
            0x0E => Self::InvalidPassword,
            0x0F => Self::InvalidSystemId,
            0x11 => Self::CancelFailed,
            0x13 => Self::ReplaceFailed,
            0x14 => Self::MessageQueueFull,
            0x15 => Self::InvalidServiceType,
            0x33 => Self::InvalidDestinationCount,
            0x34 => Self::InvalidDistributionList,
            0x40 => Self::InvalidDestinationFlag,
            0x42 => Self::InvalidSubmitWithReplace,
            0x43 => Self::InvalidEsmClass,
            0x44 => Self::CannotSubmitToDistributionList,
            0x45 => Self::SubmitFailed,
            0x48 => Self::InvalidSourceTon,
            0x49 => Self::InvalidSourceNpi,
            0x50 => Self::InvalidDestinationTon,
            0x51 => Self::InvalidDestinationNpi,
            0x53 => Self::InvalidSystemType,
            0x54 => Self::InvalidReplaceFlag,
            0x55 => Self::InvalidMessageCount,
            0x58 => Self::Throttled,
            0x61 => Self::InvalidSchedule,
            0x62 => Self::InvalidValidityPeriod,
            0x63 => Self::InvalidPredefinedMessage,
            0x64 => Self::ReceiverTemporaryError,
            0x65 => Self::ReceiverPermanentError,
            0x66 => Self::ReceiverRejected,
            0x67 => Self::QueryFailed,
            0xC0 => Self::InvalidOptionalParameterStream,
            0xC1 => Self::OptionalParameterNotAllowed,
            0xC2 => Self::InvalidOptionalParameterLength,
            0xC3 => Self::MissingOptionalParameter,
            0xC4 => Self::InvalidOptionalParameterValue,
            0xFE => Self::DeliveryFailed,
            0xFF => Self::UnknownError,
            other => Self::Other(other),
        }
    }

    /// True for `ESME_ROK`.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// The name the specification gives the code, for logs and reports. `Other` codes have no name of their own: log
    /// them with [`CommandStatus::to_u32`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ESME_ROK",
            Self::InvalidMessageLength => "ESME_RINVMSGLEN",
            Self::InvalidCommandLength => "ESME_RINVCMDLEN",
            Self::InvalidCommandId => "ESME_RINVCMDID",
            Self::InvalidBindStatus => "ESME_RINVBNDSTS",
            Self::AlreadyBound => "ESME_RALYBND",
            Self::InvalidPriority => "ESME_RINVPRTFLG",
            Self::InvalidRegisteredDelivery => "ESME_RINVREGDLVFLG",
            Self::SystemError => "ESME_RSYSERR",
            Self::InvalidSourceAddress => "ESME_RINVSRCADR",
            Self::InvalidDestinationAddress => "ESME_RINVDSTADR",
            Self::InvalidMessageId => "ESME_RINVMSGID",
            Self::BindFailed => "ESME_RBINDFAIL",
            Self::InvalidPassword => "ESME_RINVPASWD",
            Self::InvalidSystemId => "ESME_RINVSYSID",
            Self::CancelFailed => "ESME_RCANCELFAIL",
            Self::ReplaceFailed => "ESME_RREPLACEFAIL",
            Self::MessageQueueFull => "ESME_RMSGQFUL",
            Self::InvalidServiceType => "ESME_RINVSERTYP",
            Self::InvalidDestinationCount => "ESME_RINVNUMDESTS",
            Self::InvalidDistributionList => "ESME_RINVDLNAME",
            Self::InvalidDestinationFlag => "ESME_RINVDESTFLAG",
            Self::InvalidSubmitWithReplace => "ESME_RINVSUBREP",
            Self::InvalidEsmClass => "ESME_RINVESMCLASS",
            Self::CannotSubmitToDistributionList => "ESME_RCNTSUBDL",
            Self::SubmitFailed => "ESME_RSUBMITFAIL",
            Self::InvalidSourceTon => "ESME_RINVSRCTON",
            Self::InvalidSourceNpi => "ESME_RINVSRCNPI",
            Self::InvalidDestinationTon => "ESME_RINVDSTTON",
            Self::InvalidDestinationNpi => "ESME_RINVDSTNPI",
            Self::InvalidSystemType => "ESME_RINVSYSTYP",
            Self::InvalidReplaceFlag => "ESME_RINVREPFLAG",
            Self::InvalidMessageCount => "ESME_RINVNUMMSGS",
            Self::Throttled => "ESME_RTHROTTLED",
            Self::InvalidSchedule => "ESME_RINVSCHED",
            Self::InvalidValidityPeriod => "ESME_RINVEXPIRY",
            Self::InvalidPredefinedMessage => "ESME_RINVDFTMSGID",
            Self::ReceiverTemporaryError => "ESME_RX_T_APPN",
            Self::ReceiverPermanentError => "ESME_RX_P_APPN",
            Self::ReceiverRejected => "ESME_RX_R_APPN",
            Self::QueryFailed => "ESME_RQUERYFAIL",
            Self::InvalidOptionalParameterStream => "ESME_RINVOPTPARSTREAM",
            Self::OptionalParameterNotAllowed => "ESME_ROPTPARNOTALLWD",
            Self::InvalidOptionalParameterLength => "ESME_RINVPARLEN",
            Self::MissingOptionalParameter => "ESME_RMISSINGOPTPARAM",
            Self::InvalidOptionalParameterValue => "ESME_RINVOPTPARAMVAL",
            Self::DeliveryFailed => "ESME_RDELIVERYFAILURE",
            Self::UnknownError => "ESME_RUNKNOWNERR",
            Self::Other(0x100..=0x112) => "ESME_SMPP5",
            Self::Other(0x400..=0x4FF) => "ESME_VENDOR",
            Self::Other(_) => "ESME_RESERVED",
        }
    }

    /// Default class of this status as the answer to a message or an operation.
    ///
    /// `MessageQueueFull` may concern one destination only; it is `Throttle` here, and whoever paces decides whether
    /// the number or the carrier is paused.
    #[must_use]
    pub const fn class(self) -> StatusClass {
        match self {
            Self::Ok => StatusClass::Ok,
            Self::Throttled | Self::MessageQueueFull => StatusClass::Throttle,
            Self::SystemError
            | Self::ReceiverTemporaryError
            | Self::SubmitFailed
            | Self::DeliveryFailed
            | Self::UnknownError => StatusClass::Retry,
            Self::InvalidBindStatus | Self::InvalidCommandLength | Self::InvalidCommandId => {
                StatusClass::Session
            }
            Self::AlreadyBound | Self::BindFailed => StatusClass::BindBackOff,
            Self::InvalidPassword | Self::InvalidSystemId | Self::InvalidSystemType => {
                StatusClass::BindFatal
            }
            Self::InvalidOptionalParameterStream
            | Self::OptionalParameterNotAllowed
            | Self::InvalidOptionalParameterLength
            | Self::MissingOptionalParameter
            | Self::InvalidOptionalParameterValue => StatusClass::Capability,
            Self::CancelFailed | Self::ReplaceFailed | Self::QueryFailed => StatusClass::Operation,
            Self::InvalidMessageLength
            | Self::InvalidPriority
            | Self::InvalidRegisteredDelivery
            | Self::InvalidSourceAddress
            | Self::InvalidDestinationAddress
            | Self::InvalidMessageId
            | Self::InvalidServiceType
            | Self::InvalidDestinationCount
            | Self::InvalidDistributionList
            | Self::InvalidDestinationFlag
            | Self::InvalidSubmitWithReplace
            | Self::InvalidEsmClass
            | Self::CannotSubmitToDistributionList
            | Self::InvalidSourceTon
            | Self::InvalidSourceNpi
            | Self::InvalidDestinationTon
            | Self::InvalidDestinationNpi
            | Self::InvalidReplaceFlag
            | Self::InvalidMessageCount
            | Self::InvalidSchedule
            | Self::InvalidValidityPeriod
            | Self::InvalidPredefinedMessage
            | Self::ReceiverPermanentError
            | Self::ReceiverRejected
            | Self::Other(0x100..=0x106) => StatusClass::Permanent,
            Self::Other(0x107..=0x112) => StatusClass::Operation,
            Self::Other(_) => StatusClass::Vendor,
        }
    }

    /// Class of this status as the answer to a bind, where "try later" means backing off the whole session.
    ///
    /// `SystemError` and every other retryable or throttling code become `BindBackOff`; a parameter the peer refuses
    /// for good keeps its class, since repeating the same bind cannot help.
    #[must_use]
    pub const fn bind_class(self) -> StatusClass {
        match self.class() {
            StatusClass::Throttle | StatusClass::Retry | StatusClass::BindBackOff => {
                StatusClass::BindBackOff
            }
            StatusClass::Ok => StatusClass::Ok,
            StatusClass::Session => StatusClass::Session,
            StatusClass::BindFatal => StatusClass::BindFatal,
            StatusClass::Permanent => StatusClass::Permanent,
            StatusClass::Capability => StatusClass::Capability,
            StatusClass::Operation => StatusClass::Operation,
            StatusClass::Vendor => StatusClass::Vendor,
        }
    }
}

impl std::fmt::Display for CommandStatus {
    /// `ESME_RTHROTTLED (0x00000058)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (0x{:08X})", self.name(), self.to_u32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_round_trip_and_named_codes_are_never_other() {
        let named = (0..=0x1FF)
            .filter(|code| !matches!(CommandStatus::from_u32(*code), CommandStatus::Other(_)));
        assert_eq!(named.count(), 48, "the 3.4 table has this many codes");
        for code in (0..=0x500).chain([u32::MAX]) {
            assert_eq!(CommandStatus::from_u32(code).to_u32(), code);
        }
    }

    #[test]
    fn classes_follow_the_table() {
        let class = |code| CommandStatus::from_u32(code).class();
        assert_eq!(class(0), StatusClass::Ok);
        for code in [0x58, 0x14] {
            assert_eq!(class(code), StatusClass::Throttle);
        }
        for code in [0x08, 0x64, 0x45, 0xFE, 0xFF] {
            assert_eq!(class(code), StatusClass::Retry);
        }
        for code in [
            0x01, 0x06, 0x0A, 0x0B, 0x15, 0x33, 0x51, 0x55, 0x61, 0x65, 0x66, 0x100, 0x106,
        ] {
            assert_eq!(class(code), StatusClass::Permanent, "0x{code:X}");
        }
        for code in 0xC0..=0xC4 {
            assert_eq!(class(code), StatusClass::Capability);
        }
        for code in [0x11, 0x13, 0x67, 0x107, 0x112] {
            assert_eq!(class(code), StatusClass::Operation);
        }
        for code in [0x09, 0x400, 0x4FF, 0x113, u32::MAX] {
            assert_eq!(class(code), StatusClass::Vendor);
        }
    }

    #[test]
    fn a_bind_backs_off_where_a_message_would_retry() {
        let bind = |code| CommandStatus::from_u32(code).bind_class();
        for code in [0x05, 0x08, 0x0D, 0x14, 0x58] {
            assert_eq!(bind(code), StatusClass::BindBackOff);
        }
        for code in [0x0E, 0x0F, 0x53] {
            assert_eq!(bind(code), StatusClass::BindFatal);
        }
    }

    #[test]
    fn logs_show_name_and_number() {
        assert_eq!(
            CommandStatus::Throttled.to_string(),
            "ESME_RTHROTTLED (0x00000058)"
        );
        assert_eq!(
            CommandStatus::Other(0x401).to_string(),
            "ESME_VENDOR (0x00000401)"
        );
    }
}
