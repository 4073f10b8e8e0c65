//! What a `command_status` means for the attempt that it answers (the classes are the codec's).

use message::{Outcome, Reason, Rejection};
use smpp_codec::{CommandStatus, StatusClass};

use crate::IdRule;

/// What to do with the session after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionCare {
    /// Go on.
    Keep,
    /// The carrier sees the session in another state than we do: finish what is in flight, unbind, bind anew.
    Rebind,
}

/// The outcome of an answer to submit_sm.
pub(crate) fn outcome_of_status(status: CommandStatus, message_id: &[u8], rule: IdRule) -> Outcome {
    let (rejection, reason) = match status.class() {
        StatusClass::Ok => {
            return Outcome::Submitted {
                carrier_message_id: rule.canonical(message_id),
            };
        }
        // The queue that is full is often one recipient's: slowing the whole carrier down for it would be wrong.
        StatusClass::Throttle if status == CommandStatus::MessageQueueFull => {
            (Rejection::Retry, Reason::CarrierQueueFull)
        }
        StatusClass::Throttle => return Outcome::Throttled,
        StatusClass::Retry | StatusClass::BindBackOff => {
            (Rejection::Retry, Reason::CarrierSystemError)
        }
        StatusClass::Session | StatusClass::BindFatal => {
            (Rejection::Retry, Reason::CarrierSessionState)
        }
        StatusClass::Permanent => (Rejection::Final, permanent_reason(status)),
        StatusClass::Capability => (Rejection::Final, Reason::CarrierCapability),
        StatusClass::Operation => (Rejection::Final, Reason::CarrierInvalidMessage),
        StatusClass::Vendor => (Rejection::Retry, Reason::CarrierVendorStatus),
    };
    Outcome::Rejected { rejection, reason }
}

/// Whether an answer to submit_sm puts the session itself in doubt.
pub(crate) const fn session_care(status: CommandStatus) -> SessionCare {
    match status.class() {
        StatusClass::Session => SessionCare::Rebind,
        StatusClass::Ok
        | StatusClass::Throttle
        | StatusClass::Retry
        | StatusClass::BindBackOff
        | StatusClass::BindFatal
        | StatusClass::Permanent
        | StatusClass::Capability
        | StatusClass::Operation
        | StatusClass::Vendor => SessionCare::Keep,
    }
}

/// Statuses are an open set: those that name an address have a reason of their own, every other one names the message.
fn permanent_reason(status: CommandStatus) -> Reason {
    const RECIPIENT: [CommandStatus; 3] = [
        CommandStatus::InvalidDestinationAddress,
        CommandStatus::InvalidDestinationTon,
        CommandStatus::InvalidDestinationNpi,
    ];
    const SENDER: [CommandStatus; 3] = [
        CommandStatus::InvalidSourceAddress,
        CommandStatus::InvalidSourceTon,
        CommandStatus::InvalidSourceNpi,
    ];
    if RECIPIENT.contains(&status) {
        Reason::CarrierInvalidRecipient
    } else if SENDER.contains(&status) {
        Reason::CarrierInvalidSender
    } else {
        Reason::CarrierInvalidMessage
    }
}

#[cfg(test)]
mod tests {
    use message::CarrierMessageId;

    use super::*;

    fn outcome(code: u32) -> Outcome {
        outcome_of_status(CommandStatus::from_u32(code), b"0A", IdRule::Hex)
    }

    fn rejected(rejection: Rejection, reason: Reason) -> Outcome {
        Outcome::Rejected { rejection, reason }
    }

    #[test]
    fn each_class_has_its_outcome() {
        let carrier_message_id = CarrierMessageId::new(b"10");
        assert_eq!(outcome(0x00), Outcome::Submitted { carrier_message_id });
        assert_eq!(outcome(0x58), Outcome::Throttled);
        for (code, rejection, reason) in [
            (0x14, Rejection::Retry, Reason::CarrierQueueFull),
            (0x08, Rejection::Retry, Reason::CarrierSystemError),
            (0x45, Rejection::Retry, Reason::CarrierSystemError),
            (0x04, Rejection::Retry, Reason::CarrierSessionState),
            (0x03, Rejection::Retry, Reason::CarrierSessionState),
            (0x0B, Rejection::Final, Reason::CarrierInvalidRecipient),
            (0x0A, Rejection::Final, Reason::CarrierInvalidSender),
            (0x01, Rejection::Final, Reason::CarrierInvalidMessage),
            (0xC1, Rejection::Final, Reason::CarrierCapability),
            (0x401, Rejection::Retry, Reason::CarrierVendorStatus),
        ] {
            assert_eq!(outcome(code), rejected(rejection, reason), "{code:#x}");
        }
    }

    #[test]
    fn only_answers_about_the_session_end_it() {
        let care = |code| session_care(CommandStatus::from_u32(code));
        assert_eq!([0x02, 0x03, 0x04].map(care), [SessionCare::Rebind; 3]);
        assert_eq!(
            [0x00, 0x08, 0x58, 0x0B, 0x401].map(care),
            [SessionCare::Keep; 5]
        );
    }
}
