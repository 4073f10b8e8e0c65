//! The numbered names of everything that can happen to a message.

use std::fmt;

/// What a refusal at intake means for whoever submitted: the grpc code, and whether a repeat can help, follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// A field is wrong: the same submission is refused again however often it comes.
    Malformed,
    /// The caller's configuration does not allow it.
    Forbidden,
    /// No configured route takes it.
    Unroutable,
    /// Something already stands in its place.
    Conflict,
    /// This release cannot do it.
    Unsupported,
    /// A queue that moves within milliseconds is full.
    BusyNow,
    /// A queue that carriers empty is full.
    QueueFull,
    /// A table that only receipts or time empty is full.
    TableFull,
    /// The engine takes nothing: it is starting, ending or has failed.
    Away,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal $(, refuses: $class:ident)?;)+) => {
        /// Why something happened to a message, or why it was refused. Numbers and names are permanent and never reused; retired ones
        /// stay in the list. The list is the source of `docs/reference/reasons.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        /// Every reason, by number.
        pub const ALL_REASONS: &[Reason] = &[$(Reason::$variant,)+];

        impl Reason {
            /// The number that records and the API carry.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The name that the API, metrics and logs show.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means as a refusal at intake; `None` for what happens to a message.
            #[must_use]
            pub const fn refusal_class(self) -> Option<RefusalClass> {
                match self { $($(Self::$variant => Some(RefusalClass::$class),)?)+ _ => None }
            }

            /// Whether it is a refusal at intake, rather than something that happens to a message.
            #[must_use]
            pub const fn is_refusal(self) -> bool {
                self.refusal_class().is_some()
            }

            /// One sentence for people.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The reason of a number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// Nothing to say: the ordinary course.
    None = 0, "NONE";

    // 100: intake refusals.
    /// The credits for messages or bytes in memory are used up; try again when some have left.
    CreditsFull = 100, "CREDITS_FULL", refuses: QueueFull;
    /// The otp lane holds more than the group's bound carriers send in the configured time, or the tenant's otp rate is exceeded.
    OtpLaneFull = 101, "OTP_LANE_FULL", refuses: TableFull;
    /// As many receipts are awaited as the configuration allows.
    ReceiptsFull = 102, "RECEIPTS_FULL", refuses: TableFull;
    /// The engine is starting or shutting down; this says nothing of an earlier call without an answer: repeat with the same idempotency key.
    Draining = 103, "DRAINING", refuses: Away;
    /// The journal cannot take more at the moment.
    JournalBusy = 104, "JOURNAL_BUSY", refuses: BusyNow;
    /// The journal has failed; the engine must be restarted, and what it refuses so may be kept: repeat with the same idempotency key.
    JournalFailed = 105, "JOURNAL_FAILED", refuses: Away;
    /// No route leads to this recipient.
    NoRoute = 106, "NO_ROUTE", refuses: Unroutable;
    /// The caller may not use this category.
    CategoryNotGranted = 107, "CATEGORY_NOT_GRANTED", refuses: Forbidden;
    /// A field of the submission is missing or wrong.
    InvalidArgument = 108, "INVALID_ARGUMENT", refuses: Malformed;
    /// The text does not fit one segment.
    TextTooLong = 109, "TEXT_TOO_LONG", refuses: Malformed;
    /// The idempotency key was used before with another body.
    IdempotencyConflict = 110, "IDEMPOTENCY_CONFLICT", refuses: Conflict;
    /// The table of idempotency keys is full.
    IdempotencyFull = 111, "IDEMPOTENCY_FULL", refuses: TableFull;
    /// The message's validity had already ended.
    AlreadyExpired = 112, "ALREADY_EXPIRED", refuses: Malformed;
    /// The intake ring is full for the moment.
    IntakeBusy = 113, "INTAKE_BUSY", refuses: BusyNow;
    /// The feature is not built yet.
    Unsupported = 114, "UNSUPPORTED", refuses: Unsupported;
    /// The disk is full: what is in flight is brought to its end, and everything goes on when there is space.
    JournalNoSpace = 115, "JOURNAL_NO_SPACE", refuses: Away;
    /// The queue waits on disk and as many messages wait there as the configuration allows; try again when some have left.
    BacklogFull = 116, "BACKLOG_FULL", refuses: QueueFull;

    // 200: ordinary moves.
    /// Admitted and durable.
    Admitted = 200, "ADMITTED";
    /// The same submission was admitted before; its id is returned.
    IdempotentRepeat = 201, "IDEMPOTENT_REPEAT";
    /// Waiting until `send_at`.
    SendAtPending = 202, "SEND_AT_PENDING";
    /// Handed to a session.
    Written = 203, "WRITTEN";
    /// The carrier took it.
    TakenByCarrier = 204, "TAKEN_BY_CARRIER";
    /// The carrier took it and no receipt is due.
    NoReceiptDue = 205, "NO_RECEIPT_DUE";
    /// The caller cancelled it in time.
    CancelledByCaller = 206, "CANCELLED_BY_CALLER";
    /// Put back in its lane after a restart.
    Recovered = 207, "RECOVERED";
    /// The caller gave it new content in time.
    ReplacedByCaller = 208, "REPLACED_BY_CALLER";

    // 300: retries.
    /// The carrier asked to slow down; the message is first in its lane again.
    RetryThrottled = 300, "RETRY_THROTTLED";
    /// The carrier refused for a passing fault; another attempt follows.
    RetryRejected = 301, "RETRY_REJECTED";
    /// No byte had left when the session ended; another attempt follows.
    RetryUnwritten = 302, "RETRY_UNWRITTEN";
    /// The policy for uncertain attempts of this category sends once more.
    RetryUncertain = 303, "RETRY_UNCERTAIN";

    // 400: what made an attempt uncertain.
    /// The session ended after bytes of the request had left.
    LinkLost = 400, "LINK_LOST";
    /// No answer within the response timeout.
    ResponseTimeout = 401, "RESPONSE_TIMEOUT";
    /// No answer within the category's uncertain_after.
    AnswerOverdue = 402, "ANSWER_OVERDUE";
    /// The engine's process ended after the request may have been written.
    ProcessCrash = 403, "PROCESS_CRASH";
    /// The machine restarted after the request may have been written.
    PowerCut = 404, "POWER_CUT";
    /// The late answer settled an uncertain attempt.
    LateAnswer = 405, "LATE_ANSWER";
    /// A receipt settled an uncertain message because carrier, sender and recipient fit exactly one.
    MatchedByAddress = 406, "MATCHED_BY_ADDRESS";

    // 500: ends.
    /// The validity ended before it was sent.
    ExpiredHere = 500, "EXPIRED_HERE";
    /// The receipt says that the validity ended at the carrier.
    ExpiredAtCarrier = 501, "EXPIRED_AT_CARRIER";
    /// The last allowed attempt was refused.
    AttemptsExhausted = 502, "ATTEMPTS_EXHAUSTED";
    /// No receipt came by the receipt deadline.
    ReceiptDeadline = 503, "RECEIPT_DEADLINE";
    /// No evidence about an uncertain attempt came by the deadline.
    UncertainDeadline = 504, "UNCERTAIN_DEADLINE";
    /// The policy for uncertain attempts of this category gives up.
    UncertainFailed = 505, "UNCERTAIN_FAILED";
    /// Its route group is no longer configured, and no route leads elsewhere.
    RouteRemoved = 506, "ROUTE_REMOVED";

    // 600: receipts.
    /// The receipt says delivered.
    ReceiptDelivered = 600, "RECEIPT_DELIVERED";
    /// The receipt says undeliverable.
    ReceiptUndeliverable = 601, "RECEIPT_UNDELIVERABLE";
    /// The receipt says deleted at the carrier.
    ReceiptDeleted = 602, "RECEIPT_DELETED";
    /// The receipt says refused further on.
    ReceiptRejected = 603, "RECEIPT_REJECTED";
    /// The receipt says that the carrier does not know.
    ReceiptUnknown = 604, "RECEIPT_UNKNOWN";
    /// An intermediate receipt: on its way.
    ReceiptIntermediate = 605, "RECEIPT_INTERMEDIATE";

    // 700: the carrier's refusals, by class (the raw status stands beside it).
    /// Refused: a field of the message is wrong for this carrier.
    CarrierInvalidMessage = 700, "CARRIER_INVALID_MESSAGE";
    /// Refused: the recipient is not acceptable to this carrier.
    CarrierInvalidRecipient = 701, "CARRIER_INVALID_RECIPIENT";
    /// Refused: the sender is not acceptable to this carrier.
    CarrierInvalidSender = 702, "CARRIER_INVALID_SENDER";
    /// Refused: a system fault at the carrier.
    CarrierSystemError = 703, "CARRIER_SYSTEM_ERROR";
    /// Refused: the carrier's queue for this recipient is full.
    CarrierQueueFull = 704, "CARRIER_QUEUE_FULL";
    /// Refused: the session was not in the state the carrier expected.
    CarrierSessionState = 705, "CARRIER_SESSION_STATE";
    /// Refused: an optional parameter is not supported.
    CarrierCapability = 706, "CARRIER_CAPABILITY";
    /// Refused with a status of the carrier's own.
    CarrierVendorStatus = 707, "CARRIER_VENDOR_STATUS";
    /// Refused: the request could not be encoded for this carrier.
    NotEncodable = 708, "NOT_ENCODABLE";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_lead_back() {
        for pair in ALL_REASONS.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{:?}", pair);
        }
        for reason in ALL_REASONS {
            assert_eq!(Reason::from_number(reason.number()), Some(*reason));
            assert!(!reason.explanation().is_empty());
            assert_eq!(reason.is_refusal(), reason.number() / 100 == 1, "{reason}");
        }
        assert_eq!(Reason::from_number(9_999), None);
    }
}
