//! What a fake message centre is told: whom to let in, how fast to answer, which receipts to send, how to misbehave.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use smpp_codec::CommandStatus;

/// A message centre and its script. [`SmscConfig::new`] behaves well: everybody may bind, everything is taken and delivered at once.
#[derive(Debug, Clone)]
pub struct SmscConfig {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// TLS on the listener; plain TCP without.
    pub tls: Option<TlsListener>,
    /// Who may bind.
    pub credentials: Credentials,
    /// `system_id` in our bind responses, up to 15 octets.
    pub system_id: String,
    /// Bound sessions per `system_id`; one more is refused with `ESME_RALYBND`.
    pub binds_max: u32,
    /// Open connections; one more is closed at once.
    pub connections_max: u32,
    /// Unique messages remembered; further ones are taken and counted as untracked.
    pub unique_messages_max: usize,
    /// From a submit to its answer, in milliseconds.
    pub latency_ms: u64,
    /// A random addition to the latency, 0 to this, in milliseconds. Answers stay in order.
    pub jitter_ms: u64,
    /// Receipts.
    pub receipts: ReceiptConfig,
    /// Messages from handsets in a second, above 0, while a session receives; they belong to no account. Without, none but those of
    /// [`SmscHandle::send_inbound`](super::SmscHandle::send_inbound).
    pub inbound_per_second: Option<u64>,
    /// Submits taken in any second; those beyond are answered `ESME_RTHROTTLED`. Answers of other kinds do not count.
    pub throttle_per_second: Option<u64>,
    /// Share of submits refused at random, 0 to 1.
    pub reject_ratio: f64,
    /// The status of a random refusal; never `Ok`.
    pub reject_status: CommandStatus,
    /// Share of submits that are taken and never answered, 0 to 1.
    pub lost_answer_ratio: f64,
    /// Answers are shuffled in groups of this many; 0 and 1 leave them in order. A group that does not fill is answered after 20 ms.
    pub shuffle_answers: usize,
    /// Reading slower than the peer writes.
    pub slow_reader: SlowReader,
    /// Acknowledge TCP segments at once. Without, they are acknowledged late, as by a peer with nothing to say: up to 40 ms.
    pub quick_ack: bool,
    /// Close a connection at every so manieth submit on it: that one is taken and not answered.
    pub drop_every_submits: Option<u64>,
    /// Close a connection after this time, in milliseconds.
    pub drop_after_ms: Option<u64>,
    /// Share of submits at which the connection is closed; the submit is taken and not answered.
    pub drop_ratio: f64,
    /// After so many submits on a connection: stop reading and answering, and keep the socket open.
    pub hang_after_submits: Option<u64>,
    /// How ids look in `submit_sm_resp`.
    pub response_id_format: IdFormat,
    /// How ids look in receipts.
    pub receipt_id_format: IdFormat,
    /// Decides all that is random.
    pub seed: u64,
}

/// Files of a TLS listener, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener {
    /// Certificate chain, ours first.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// Who may bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Anybody, as whoever they say they are; at most 1,000 names.
    Any,
    /// These.
    Accounts(Vec<Account>),
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name.
    pub system_id: String,
    /// Password.
    pub password: AccountPassword,
}

/// A password; Debug does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountPassword(pub String);

impl fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountPassword(..)")
    }
}

/// Receipts: when, which, how many at once.
#[derive(Debug, Clone)]
pub struct ReceiptConfig {
    /// From the answer (or, before responses, from the submit) to the receipt, in milliseconds.
    pub delay_ms: u64,
    /// A random addition to the delay, 0 to this, in milliseconds.
    pub jitter_ms: u64,
    /// How often each final state occurs.
    pub ratios: ReceiptRatios,
    /// `deliver_sm` in flight per session, 1 to 65,536.
    pub window: u32,
    /// An unanswered `deliver_sm` is sent again after this, in milliseconds, on whichever session of the account has room.
    pub timeout_ms: u64,
    /// One answered with an error is sent again after this, in milliseconds.
    pub resend_ms: u64,
    /// Sent this often without success, a receipt is given up.
    pub attempts_max: u32,
    /// Receipts not yet acknowledged, of all accounts; beyond, submits that want one are answered `ESME_RMSGQFUL`.
    pub outstanding_max: usize,
    /// What a receipt carries.
    pub content: ReceiptContent,
    /// Before or after the answer to the submit.
    pub order: ReceiptOrder,
}

/// Shares of the final states, each 0 to 1, their sum at most 1. The rest is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReceiptRatios {
    /// `UNDELIV`.
    pub undeliverable: f64,
    /// `EXPIRED`.
    pub expired: f64,
    /// `REJECTD`.
    pub rejected: f64,
    /// `UNKNOWN`.
    pub unknown: f64,
}

/// What a receipt carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptContent {
    /// Text in the form of Appendix B, and TLVs.
    TextAndTlvs,
    /// Text alone.
    Text,
    /// `receipted_message_id` and `message_state` alone.
    Tlvs,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOrder {
    /// The receipt's delay begins when the answer is given.
    AfterResponse,
    /// The answer's latency begins when the receipt is sent; a submit that wants no receipt, or whose account has no session to send
    /// it on, is answered as usual.
    BeforeResponse,
}

/// Reading slower than the peer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowReader {
    /// Reads as fast as it can.
    Off,
    /// At most so many octets a second and connection, above 0.
    BytesPerSecond(u64),
    /// Reads nothing for a while after every so many submits.
    Pause {
        /// Submits between two pauses, above 0.
        every_submits: u64,
        /// Length of a pause in milliseconds.
        pause_ms: u64,
    },
}

/// How a message id is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFormat {
    /// Decimal digits.
    Decimal,
    /// Lower-case hexadecimal digits.
    Hex,
}

impl SmscConfig {
    /// A well-behaved message centre on `listen`.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            credentials: Credentials::Any,
            system_id: "hikyaku-sim".to_owned(),
            binds_max: 64,
            connections_max: 1_024,
            unique_messages_max: 20_000_000,
            latency_ms: 0,
            jitter_ms: 0,
            receipts: ReceiptConfig::default(),
            inbound_per_second: None,
            throttle_per_second: None,
            reject_ratio: 0.0,
            reject_status: CommandStatus::SystemError,
            lost_answer_ratio: 0.0,
            shuffle_answers: 0,
            slow_reader: SlowReader::Off,
            quick_ack: true,
            drop_every_submits: None,
            drop_after_ms: None,
            drop_ratio: 0.0,
            hang_after_submits: None,
            response_id_format: IdFormat::Decimal,
            receipt_id_format: IdFormat::Decimal,
            seed: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SmscConfigError> {
        let ratios = [
            ("reject_ratio", self.reject_ratio),
            ("lost_answer_ratio", self.lost_answer_ratio),
            ("drop_ratio", self.drop_ratio),
        ];
        let of_receipts = self.receipts.ratios.named();
        let sum = of_receipts.iter().map(|(_, ratio)| ratio).sum();
        for (field, value) in ratios
            .into_iter()
            .chain(of_receipts)
            .chain([("the sum of the receipt ratios", sum)])
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(SmscConfigError::Ratio { field, value });
            }
        }
        for (field, value) in self.above_zero() {
            if value == 0 {
                return Err(SmscConfigError::Zero { field });
            }
        }
        if self.receipts.window > smpp_session::WINDOW_SIZE_MAX {
            return Err(SmscConfigError::Window {
                value: self.receipts.window,
            });
        }
        if self.reject_status.is_ok() {
            return Err(SmscConfigError::RejectStatus);
        }
        if self.system_id.len() > SYSTEM_ID_MAX || self.system_id.contains('\0') {
            return Err(SmscConfigError::SystemId {
                value: self.system_id.clone(),
            });
        }
        Ok(())
    }

    fn above_zero(&self) -> [(&'static str, u64); 11] {
        let (bytes_per_second, pause_every) = match self.slow_reader {
            SlowReader::Off => (1, 1),
            SlowReader::BytesPerSecond(rate) => (rate, 1),
            SlowReader::Pause { every_submits, .. } => (1, every_submits),
        };
        [
            ("binds_max", u64::from(self.binds_max)),
            ("connections_max", u64::from(self.connections_max)),
            ("receipts.window", u64::from(self.receipts.window)),
            ("receipts.timeout_ms", self.receipts.timeout_ms),
            (
                "receipts.attempts_max",
                u64::from(self.receipts.attempts_max),
            ),
            ("inbound_per_second", self.inbound_per_second.unwrap_or(1)),
            ("drop_every_submits", self.drop_every_submits.unwrap_or(1)),
            ("drop_after_ms", self.drop_after_ms.unwrap_or(1)),
            ("hang_after_submits", self.hang_after_submits.unwrap_or(1)),
            ("slow_reader bytes per second", bytes_per_second),
            ("slow_reader every_submits", pause_every),
        ]
    }
}

const SYSTEM_ID_MAX: usize = 15;

impl ReceiptRatios {
    fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("receipts.ratios.undeliverable", self.undeliverable),
            ("receipts.ratios.expired", self.expired),
            ("receipts.ratios.rejected", self.rejected),
            ("receipts.ratios.unknown", self.unknown),
        ]
    }
}

impl Default for ReceiptConfig {
    /// At once, all delivered, window 100, timeout 10 s, resend after 1 s at most 100 times, 10 million outstanding, text and TLVs.
    fn default() -> Self {
        Self {
            delay_ms: 0,
            jitter_ms: 0,
            ratios: ReceiptRatios::default(),
            window: 100,
            timeout_ms: 10_000,
            resend_ms: 1_000,
            attempts_max: 100,
            outstanding_max: 10_000_000,
            content: ReceiptContent::TextAndTlvs,
            order: ReceiptOrder::AfterResponse,
        }
    }
}

/// A script that cannot be played: ours to correct, a retry does not help.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SmscConfigError {
    /// A share outside its range.
    #[error("{field} is {value}, allowed are 0 to 1")]
    Ratio {
        /// Name of the field.
        field: &'static str,
        /// What was given.
        value: f64,
    },
    /// A number that cannot be 0 is 0.
    #[error("{field} is 0, allowed is anything above")]
    Zero {
        /// Name of the field.
        field: &'static str,
    },
    /// The receipt window is beyond what a session holds.
    #[error(
        "receipts.window is {value}, allowed are 1 to {}",
        smpp_session::WINDOW_SIZE_MAX
    )]
    Window {
        /// What was given.
        value: u32,
    },
    /// A refusal that says Ok.
    #[error("reject_status is ESME_ROK, allowed is any other status")]
    RejectStatus,
    /// Our name does not fit a bind response.
    #[error("system_id is {value:?}, allowed are at most {SYSTEM_ID_MAX} octets without NUL")]
    SystemId {
        /// What was given.
        value: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: fn(&mut SmscConfig)) -> Result<(), SmscConfigError> {
        let mut config = SmscConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut config);
        config.check()
    }

    #[test]
    fn the_defaults_are_allowed_and_each_bound_is_checked() {
        assert_eq!(check(|_| {}), Ok(()));
        for (change, said) in [
            (
                (|c| c.reject_ratio = 1.5) as fn(&mut SmscConfig),
                "reject_ratio is 1.5, allowed are 0 to 1",
            ),
            (
                |c| c.drop_ratio = f64::NAN,
                "drop_ratio is NaN, allowed are 0 to 1",
            ),
            (
                |c| {
                    c.receipts.ratios.expired = 0.75;
                    c.receipts.ratios.unknown = 0.5;
                },
                "the sum of the receipt ratios is 1.25, allowed are 0 to 1",
            ),
            (
                |c| c.receipts.window = 0,
                "receipts.window is 0, allowed is anything above",
            ),
            (
                |c| c.inbound_per_second = Some(0),
                "inbound_per_second is 0, allowed is anything above",
            ),
            (
                |c| c.receipts.window = 65_537,
                "receipts.window is 65537, allowed are 1 to 65536",
            ),
            (
                |c| c.slow_reader = SlowReader::BytesPerSecond(0),
                "slow_reader bytes per second is 0, allowed is anything above",
            ),
            (
                |c| c.reject_status = CommandStatus::Ok,
                "reject_status is ESME_ROK, allowed is any other status",
            ),
        ] {
            assert_eq!(check(change).unwrap_err().to_string(), said);
        }
        assert!(check(|c| c.system_id = "a-name-too-long-for-a-bind".into()).is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let password = AccountPassword("secret".to_owned());
        assert!(!format!("{password:?}").contains("secret"));
    }
}
