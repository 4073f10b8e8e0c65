//! Tags of the optional parameters (SMPP 3.4, 5.3.2; 0x0600 to 0x0613 from SMPP 5.0).

/// Lowest and highest tag that carriers define for themselves.
const VENDOR_FIRST: u16 = 0x1400;
const VENDOR_LAST: u16 = 0x3FFF;

/// Tag of an optional parameter. Compare tags by [`TlvTag::to_u16`] where they may have been built by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlvTag {
    /// `dest_addr_subunit` (0x0005).
    DestAddrSubunit,
    /// `dest_network_type` (0x0006).
    DestNetworkType,
    /// `dest_bearer_type` (0x0007).
    DestBearerType,
    /// `dest_telematics_id` (0x0008).
    DestTelematicsId,
    /// `source_addr_subunit` (0x000D).
    SourceAddrSubunit,
    /// `source_network_type` (0x000E).
    SourceNetworkType,
    /// `source_bearer_type` (0x000F).
    SourceBearerType,
    /// `source_telematics_id` (0x0010).
    SourceTelematicsId,
    /// `qos_time_to_live` (0x0017).
    QosTimeToLive,
    /// `payload_type` (0x0019).
    PayloadType,
    /// `additional_status_info_text` (0x001D).
    AdditionalStatusInfoText,
    /// `receipted_message_id` (0x001E).
    ReceiptedMessageId,
    /// `ms_msg_wait_facilities` (0x0030).
    MsMsgWaitFacilities,
    /// `privacy_indicator` (0x0201).
    PrivacyIndicator,
    /// `source_subaddress` (0x0202).
    SourceSubaddress,
    /// `dest_subaddress` (0x0203).
    DestSubaddress,
    /// `user_message_reference` (0x0204).
    UserMessageReference,
    /// `user_response_code` (0x0205).
    UserResponseCode,
    /// `source_port` (0x020A).
    SourcePort,
    /// `destination_port` (0x020B).
    DestinationPort,
    /// `sar_msg_ref_num` (0x020C).
    SarMsgRefNum,
    /// `language_indicator` (0x020D).
    LanguageIndicator,
    /// `sar_total_segments` (0x020E).
    SarTotalSegments,
    /// `sar_segment_seqnum` (0x020F).
    SarSegmentSeqnum,
    /// `sc_interface_version` (0x0210).
    ScInterfaceVersion,
    /// `callback_num_pres_ind` (0x0302).
    CallbackNumPresInd,
    /// `callback_num_atag` (0x0303).
    CallbackNumAtag,
    /// `number_of_messages` (0x0304).
    NumberOfMessages,
    /// `callback_num` (0x0381).
    CallbackNum,
    /// `dpf_result` (0x0420).
    DpfResult,
    /// `set_dpf` (0x0421).
    SetDpf,
    /// `ms_availability_status` (0x0422).
    MsAvailabilityStatus,
    /// `network_error_code` (0x0423).
    NetworkErrorCode,
    /// `message_payload` (0x0424).
    MessagePayload,
    /// `delivery_failure_reason` (0x0425).
    DeliveryFailureReason,
    /// `more_messages_to_send` (0x0426).
    MoreMessagesToSend,
    /// `message_state` (0x0427).
    MessageState,
    /// `congestion_state` (0x0428).
    CongestionState,
    /// `ussd_service_op` (0x0501).
    UssdServiceOp,
    /// `broadcast_channel_indicator` (0x0600).
    BroadcastChannelIndicator,
    /// `broadcast_content_type` (0x0601).
    BroadcastContentType,
    /// `broadcast_content_type_info` (0x0602).
    BroadcastContentTypeInfo,
    /// `broadcast_message_class` (0x0603).
    BroadcastMessageClass,
    /// `broadcast_rep_num` (0x0604).
    BroadcastRepNum,
    /// `broadcast_frequency_interval` (0x0605).
    BroadcastFrequencyInterval,
    /// `broadcast_area_identifier` (0x0606).
    BroadcastAreaIdentifier,
    /// `broadcast_error_status` (0x0607).
    BroadcastErrorStatus,
    /// `broadcast_area_success` (0x0608).
    BroadcastAreaSuccess,
    /// `broadcast_end_time` (0x0609).
    BroadcastEndTime,
    /// `broadcast_service_group` (0x060A).
    BroadcastServiceGroup,
    /// `billing_identification` (0x060B).
    BillingIdentification,
    /// `source_network_id` (0x060D).
    SourceNetworkId,
    /// `dest_network_id` (0x060E).
    DestNetworkId,
    /// `source_node_id` (0x060F).
    SourceNodeId,
    /// `dest_node_id` (0x0610).
    DestNodeId,
    /// `dest_addr_np_resolution` (0x0611).
    DestAddrNpResolution,
    /// `dest_addr_np_information` (0x0612).
    DestAddrNpInformation,
    /// `dest_addr_np_country` (0x0613).
    DestAddrNpCountry,
    /// `display_time` (0x1201).
    DisplayTime,
    /// `sms_signal` (0x1203).
    SmsSignal,
    /// `ms_validity` (0x1204).
    MsValidity,
    /// `alert_on_message_delivery` (0x130C).
    AlertOnMessageDelivery,
    /// `its_reply_type` (0x1380).
    ItsReplyType,
    /// `its_session_info` (0x1383).
    ItsSessionInfo,
    /// A carrier's own tag, 0x1400 to 0x3FFF.
    Vendor(u16),
    /// Any other tag: reserved or unknown. Kept and skipped.
    Other(u16),
}

impl TlvTag {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        match self {
            Self::DestAddrSubunit => 0x0005,
            Self::DestNetworkType => 0x0006,
            Self::DestBearerType => 0x0007,
            Self::DestTelematicsId => 0x0008,
            Self::SourceAddrSubunit => 0x000D,
            Self::SourceNetworkType => 0x000E,
            Self::SourceBearerType => 0x000F,
            Self::SourceTelematicsId => 0x0010,
            Self::QosTimeToLive => 0x0017,
            Self::PayloadType => 0x0019,
            Self::AdditionalStatusInfoText => 0x001D,
            Self::ReceiptedMessageId => 0x001E,
            Self::MsMsgWaitFacilities => 0x0030,
            Self::PrivacyIndicator => 0x0201,
            Self::SourceSubaddress => 0x0202,
            Self::DestSubaddress => 0x0203,
            Self::UserMessageReference => 0x0204,
            Self::UserResponseCode => 0x0205,
            Self::SourcePort => 0x020A,
            Self::DestinationPort => 0x020B,
            Self::SarMsgRefNum => 0x020C,
            Self::LanguageIndicator => 0x020D,
            Self::SarTotalSegments => 0x020E,
            Self::SarSegmentSeqnum => 0x020F,
            Self::ScInterfaceVersion => 0x0210,
            Self::CallbackNumPresInd => 0x0302,
            Self::CallbackNumAtag => 0x0303,
            Self::NumberOfMessages => 0x0304,
            Self::CallbackNum => 0x0381,
            Self::DpfResult => 0x0420,
            Self::SetDpf => 0x0421,
            Self::MsAvailabilityStatus => 0x0422,
            Self::NetworkErrorCode => 0x0423,
            Self::MessagePayload => 0x0424,
            Self::DeliveryFailureReason => 0x0425,
            Self::MoreMessagesToSend => 0x0426,
            Self::MessageState => 0x0427,
            Self::CongestionState => 0x0428,
            Self::UssdServiceOp => 0x0501,
            Self::BroadcastChannelIndicator => 0x0600,
            Self::BroadcastContentType => 0x0601,
            Self::BroadcastContentTypeInfo => 0x0602,
            Self::BroadcastMessageClass => 0x0603,
            Self::BroadcastRepNum => 0x0604,
            Self::BroadcastFrequencyInterval => 0x0605,
            Self::BroadcastAreaIdentifier => 0x0606,
            Self::BroadcastErrorStatus => 0x0607,
            Self::BroadcastAreaSuccess => 0x0608,
            Self::BroadcastEndTime => 0x0609,
            Self::BroadcastServiceGroup => 0x060A,
            Self::BillingIdentification => 0x060B,
            Self::SourceNetworkId => 0x060D,
            Self::DestNetworkId => 0x060E,
            Self::SourceNodeId => 0x060F,
            Self::DestNodeId => 0x0610,
            Self::DestAddrNpResolution => 0x0611,
            Self::DestAddrNpInformation => 0x0612,
            Self::DestAddrNpCountry => 0x0613,
            Self::DisplayTime => 0x1201,
            Self::SmsSignal => 0x1203,
            Self::MsValidity => 0x1204,
            Self::AlertOnMessageDelivery => 0x130C,
            Self::ItsReplyType => 0x1380,
            Self::ItsSessionInfo => 0x1383,
            Self::Vendor(tag) | Self::Other(tag) => tag,
        }
    }

    /// Reads the value from the wire; never fails, unknown tags are kept.
    #[must_use]
    pub const fn from_u16(tag: u16) -> Self {
        match tag {
            0x0005 => Self::DestAddrSubunit,
            0x0006 => Self::DestNetworkType,
            0x0007 => Self::DestBearerType,
            0x0008 => Self::DestTelematicsId,
            0x000D => Self::SourceAddrSubunit,
            0x000E => Self::SourceNetworkType,
            0x000F => Self::SourceBearerType,
            0x0010 => Self::SourceTelematicsId,
            0x0017 => Self::QosTimeToLive,
            0x0019 => Self::PayloadType,
            0x001D => Self::AdditionalStatusInfoText,
            0x001E => Self::ReceiptedMessageId,
            0x0030 => Self::MsMsgWaitFacilities,
            0x0201 => Self::PrivacyIndicator,
            0x0202 => Self::SourceSubaddress,
            0x0203 => Self::DestSubaddress,
            0x0204 => Self::UserMessageReference,
            0x0205 => Self::UserResponseCode,
            0x020A => Self::SourcePort,
            0x020B => Self::DestinationPort,
            0x020C => Self::SarMsgRefNum,
            0x020D => Self::LanguageIndicator,
            0x020E => Self::SarTotalSegments,
            0x020F => Self::SarSegmentSeqnum,
            0x0210 => Self::ScInterfaceVersion,
            0x0302 => Self::CallbackNumPresInd,
            0x0303 => Self::CallbackNumAtag,
            0x0304 => Self::NumberOfMessages,
            0x0381 => Self::CallbackNum,
            0x0420 => Self::DpfResult,
            0x0421 => Self::SetDpf,
            0x0422 => Self::MsAvailabilityStatus,
            0x0423 => Self::NetworkErrorCode,
            0x0424 => Self::MessagePayload,
            0x0425 => Self::DeliveryFailureReason,
            0x0426 => Self::MoreMessagesToSend,
            0x0427 => Self::MessageState,
            0x0428 => Self::CongestionState,
            0x0501 => Self::UssdServiceOp,
            0x0600 => Self::BroadcastChannelIndicator,
            0x0601 => Self::BroadcastContentType,
            0x0602 => Self::BroadcastContentTypeInfo,
            0x0603 => Self::BroadcastMessageClass,
            0x0604 => Self::BroadcastRepNum,
            0x0605 => Self::BroadcastFrequencyInterval,
            0x0606 => Self::BroadcastAreaIdentifier,
            0x0607 => Self::BroadcastErrorStatus,
            0x0608 => Self::BroadcastAreaSuccess,
            0x0609 => Self::BroadcastEndTime,
            0x060A => Self::BroadcastServiceGroup,
            0x060B => Self::BillingIdentification,
            0x060D => Self::SourceNetworkId,
            0x060E => Self::DestNetworkId,
            0x060F => Self::SourceNodeId,
            0x0610 => Self::DestNodeId,
            0x0611 => Self::DestAddrNpResolution,
            0x0612 => Self::DestAddrNpInformation,
            0x0613 => Self::DestAddrNpCountry,
            0x1201 => Self::DisplayTime,
            0x1203 => Self::SmsSignal,
            0x1204 => Self::MsValidity,
            0x130C => Self::AlertOnMessageDelivery,
            0x1380 => Self::ItsReplyType,
            0x1383 => Self::ItsSessionInfo,
            VENDOR_FIRST..=VENDOR_LAST => Self::Vendor(tag),
            _ => Self::Other(tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_survives_the_round_trip() {
        let mut named = 0;
        for tag in 0..=u16::MAX {
            let read = TlvTag::from_u16(tag);
            assert_eq!(read.to_u16(), tag);
            named += usize::from(!matches!(read, TlvTag::Vendor(_) | TlvTag::Other(_)));
        }
        assert_eq!(named, 64);
        assert_eq!(TlvTag::from_u16(0x1400), TlvTag::Vendor(0x1400));
        assert_eq!(TlvTag::from_u16(0x3FF0), TlvTag::Vendor(0x3FF0));
        assert_eq!(TlvTag::from_u16(0x13FF), TlvTag::Other(0x13FF));
    }
}
