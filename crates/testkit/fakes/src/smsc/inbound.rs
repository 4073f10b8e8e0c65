//! Messages from handsets: they wait for a session that may deliver, and come again until one is answered Ok.
//!
//! They belong to no account, since a handset knows none: the first session with room takes them, in order. What a session leaves
//! unanswered, refuses or loses goes to the next, as receipts do and by the same times ([`ReceiptConfig`]), until it is given up.
//!
//! Limit: [`INBOUND_OUTSTANDING_MAX`] messages that are neither acknowledged nor given up; one more is refused.
//!
//! [`ReceiptConfig`]: super::config::ReceiptConfig

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;

use smpp_codec::{Address, CommandStatus, DataCoding, Npi, Pdu, ShortMessage, Ton};
use smpp_session::{Retry, Session};
use sms_text::{Alphabet, TooLong};

use super::receipts::{ADDRESS_MAX, OwnedAddress, ReceiptKey};
use super::world::{MS_NS, World};

/// Messages from handsets that are neither acknowledged nor given up.
pub const INBOUND_OUTSTANDING_MAX: usize = 100_000;
/// Marks the correlation of a message from a handset; no [`ReceiptKey`] has this bit.
const INBOUND_BIT: u64 = 1 << 63;
/// A script that could not keep up by more than this does not make it up: no burst follows a stall.
const CATCH_UP_NS: u64 = 1_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// The number that scripted handsets write to.
const SCRIPTED_TO: &str = "12345";

/// What a handset writes. `Debug` shows its size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundText {
    /// The handset: digits, with or without +.
    pub from: String,
    /// Our number or name.
    pub to: String,
    /// The text: GSM-7 when it can be, else UCS-2; one segment.
    pub text: String,
}

impl fmt::Debug for InboundText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.text.len();
        f.debug_struct("InboundText")
            .field("octets", &octets)
            .finish_non_exhaustive()
    }
}

/// A message from a handset was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// An address that no `deliver_sm` can carry. The caller's to correct.
    #[error("{field} has {octets} octets, allowed are 1 to {ADDRESS_MAX} without NUL")]
    Address {
        /// `from` or `to`.
        field: &'static str,
        /// Its length.
        octets: usize,
    },
    /// The text is longer than a segment. The caller's to shorten.
    #[error("text: {0}")]
    Text(#[from] TooLong),
    /// Too many wait. A retry helps once a session has acknowledged some.
    #[error("{INBOUND_OUTSTANDING_MAX} messages from handsets wait, which is the most that may")]
    Full,
}

/// Names a message from a handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InboundNo(u64);

/// What a `deliver_sm` of ours is about.
pub(crate) enum DeliveryKey {
    Receipt(ReceiptKey),
    Inbound(InboundNo),
}

impl DeliveryKey {
    /// Reads the correlation that the session hands back.
    pub(crate) fn of(correlation: u64) -> Self {
        if correlation & INBOUND_BIT == 0 {
            Self::Receipt(ReceiptKey(correlation))
        } else {
            Self::Inbound(InboundNo(correlation & !INBOUND_BIT))
        }
    }
}

/// Whether the session has to write before it can take more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFirst {
    Yes,
    No,
}

/// One message, as it goes on the wire.
struct Open {
    from: OwnedAddress,
    to: OwnedAddress,
    data_coding: DataCoding,
    octets: Box<[u8]>,
    /// Times sent.
    attempts: u32,
}

impl Open {
    fn new(written: &InboundText) -> Result<Self, InboundError> {
        let encoded = sms_text::encode(&written.text)?;
        Ok(Self {
            from: address("from", &written.from)?,
            to: address("to", &written.to)?,
            data_coding: match encoded.alphabet {
                Alphabet::Gsm7 => DataCoding::DEFAULT,
                Alphabet::Ucs2 => DataCoding::UCS2,
            },
            octets: encoded.octets.into(),
            attempts: 0,
        })
    }

    fn pdu(&self) -> Pdu<'_> {
        Pdu::DeliverSm(ShortMessage {
            source: self.from.borrow(),
            destination: self.to.borrow(),
            data_coding: self.data_coding,
            short_message: &self.octets,
            ..ShortMessage::default()
        })
    }
}

/// As carriers write it: a number without +, its type said beside it.
fn address(field: &'static str, given: &str) -> Result<OwnedAddress, InboundError> {
    let plain = given.strip_prefix('+').unwrap_or(given);
    let octets = plain.len();
    if !(1..=ADDRESS_MAX).contains(&octets) || plain.contains('\0') {
        return Err(InboundError::Address { field, octets });
    }
    let (ton, npi) = if plain.bytes().all(|octet| octet.is_ascii_digit()) {
        (Ton::International, Npi::Isdn)
    } else {
        (Ton::Alphanumeric, Npi::Unknown)
    };
    let address = Address::new(ton, npi, plain.as_bytes());
    Ok(OwnedAddress::new(address))
}

/// All messages from handsets that are not settled.
#[derive(Default)]
pub(crate) struct InboundQueue {
    open: HashMap<InboundNo, Open>,
    /// For the next session with room. A number whose message was settled by a late answer finds nothing.
    pending: VecDeque<InboundNo>,
    /// Refused ones, by the time of their next try.
    due: BinaryHeap<Reverse<(u64, InboundNo)>>,
    /// Something became pending since the sessions were woken.
    pub(crate) is_fresh: bool,
    next: u64,
    /// When the script's next handset writes; `None` while nobody receives.
    script_due_ns: Option<u64>,
    scripted: u64,
}

impl InboundQueue {
    pub(crate) fn outstanding(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn insert(&mut self, message: Open) -> Result<(), InboundError> {
        if self.open.len() >= INBOUND_OUTSTANDING_MAX {
            return Err(InboundError::Full);
        }
        let number = InboundNo(self.next);
        self.next += 1;
        self.open.insert(number, message);
        self.make_pending(number);
        Ok(())
    }

    fn make_pending(&mut self, number: InboundNo) {
        self.pending.push_back(number);
        self.is_fresh = true;
    }

    /// Makes refused messages pending whose time has come; returns when to come again.
    fn ripen(&mut self, now_ns: u64) -> Option<u64> {
        while let Some(Reverse((due_ns, number))) = self.due.peek().copied() {
            if due_ns > now_ns {
                return Some(due_ns);
            }
            self.due.pop();
            self.make_pending(number);
        }
        None
    }

    /// How many scripted messages are due, each `interval_ns` after the one before.
    fn take_scripted(&mut self, interval_ns: u64, now_ns: u64) -> u64 {
        let first_ns = now_ns.saturating_add(interval_ns);
        let due_ns = *self.script_due_ns.get_or_insert(first_ns);
        let due_ns = due_ns.max(now_ns.saturating_sub(CATCH_UP_NS));
        if due_ns > now_ns {
            return 0;
        }
        let count = (now_ns - due_ns) / interval_ns + 1;
        self.script_due_ns = Some(due_ns + count * interval_ns);
        count
    }
}

/// The `n`th text of the script: every other one needs UCS-2, with a character of two units.
fn scripted(n: u64) -> InboundText {
    let text = if n.is_multiple_of(2) {
        format!("Message {n} from a handset")
    } else {
        format!("端末からの伝言 {n} 🏃")
    };
    InboundText {
        from: format!("8190{:08}", n % 100_000_000),
        to: SCRIPTED_TO.to_owned(),
        text,
    }
}

impl World {
    /// Queues what a handset wrote, and wakes whoever may deliver it.
    pub(crate) fn queue_inbound(&mut self, written: &InboundText) -> Result<(), InboundError> {
        let queued = Open::new(written).and_then(|message| self.inbound.insert(message));
        match queued {
            Ok(()) => self.counts.inbound_queued += 1,
            Err(_) => self.counts.inbound_refused += 1,
        }
        self.wake_for_inbound(None);
        queued
    }

    /// Sends messages from handsets while the session's window has room. They go before receipts: they are few, and a flood of
    /// receipts would keep them for ever.
    pub(crate) fn send_inbound(&mut self, session: &mut Session, now_ns: u64) -> WriteFirst {
        while session.window_free() > 0 {
            let Some(number) = self.inbound.pending.pop_front() else {
                break;
            };
            let Some(message) = self.inbound.open.get_mut(&number) else {
                continue;
            };
            let correlation = number.0 | INBOUND_BIT;
            if let Err(error) = session.submit(correlation, &message.pdu(), now_ns) {
                let write_first = match error.retry() {
                    Retry::AfterWrite => WriteFirst::Yes,
                    Retry::AfterAnswer | Retry::WhenBound | Retry::Reconnect => WriteFirst::No,
                    // It has no form on the wire: nobody will ever get it.
                    Retry::Never => {
                        self.inbound.open.remove(&number);
                        self.counts.inbound_given_up += 1;
                        continue;
                    }
                };
                self.inbound.pending.push_front(number);
                return write_first;
            }
            message.attempts += 1;
            if message.attempts == 1 {
                self.counts.inbound_sent += 1;
            } else {
                self.counts.inbound_resent += 1;
            }
        }
        WriteFirst::No
    }

    pub(crate) fn inbound_answered(
        &mut self,
        number: InboundNo,
        status: CommandStatus,
        now_ns: u64,
    ) {
        if status.is_ok() {
            if self.inbound.open.remove(&number).is_some() {
                self.counts.inbound_acked += 1;
            }
        } else if !self.give_up_inbound(number) {
            let resend_ns = self.config.receipts.resend_ms.saturating_mul(MS_NS);
            let due_ns = now_ns.saturating_add(resend_ns);
            self.inbound.due.push(Reverse((due_ns, number)));
            self.hurry();
        }
    }

    /// Its session has no answer in time.
    pub(crate) fn inbound_unanswered(&mut self, number: InboundNo) {
        if !self.give_up_inbound(number) {
            self.inbound.make_pending(number);
        }
    }

    /// Its session is gone: another one's turn, whatever was tried before.
    pub(crate) fn inbound_lost(&mut self, number: InboundNo) {
        self.inbound.make_pending(number);
    }

    /// Forgets a message that was sent often enough.
    fn give_up_inbound(&mut self, number: InboundNo) -> bool {
        let attempts_max = self.config.receipts.attempts_max;
        let open = self.inbound.open.get(&number);
        let exhausted = open.is_some_and(|message| message.attempts >= attempts_max);
        if exhausted {
            self.inbound.open.remove(&number);
            self.counts.inbound_given_up += 1;
        }
        exhausted
    }

    /// Makes due what is, lets the script's handsets write, and returns when to come again.
    pub(crate) fn ripen_inbound(&mut self, now_ns: u64) -> Option<u64> {
        let resend_ns = self.inbound.ripen(now_ns);
        let script_ns = self.write_scripted(now_ns);
        self.wake_for_inbound(None);
        [resend_ns, script_ns].into_iter().flatten().min()
    }

    /// Nobody writes while nobody receives: what would wait until then says nothing about a rate.
    fn write_scripted(&mut self, now_ns: u64) -> Option<u64> {
        let rate = self.config.inbound_per_second?;
        if !self.anybody_receives() {
            self.inbound.script_due_ns = None;
            return None;
        }
        let interval_ns = (SECOND_NS / rate).max(1);
        for _ in 0..self.inbound.take_scripted(interval_ns, now_ns) {
            let written = scripted(self.inbound.scripted);
            self.inbound.scripted += 1;
            // Refused when nobody acknowledges; that is counted.
            let _ = self.queue_inbound(&written);
        }
        self.inbound.script_due_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(from: &str, text: &str) -> InboundText {
        InboundText {
            from: from.to_owned(),
            to: "12345".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn an_alphabet_is_chosen_and_a_number_loses_its_plus() {
        for (text, data_coding) in [("STOP €", DataCoding::DEFAULT), ("🏃", DataCoding::UCS2)] {
            let open = Open::new(&written("+819012345678", text)).ok().unwrap();
            let Pdu::DeliverSm(message) = open.pdu() else {
                panic!("a message from a handset is a deliver_sm");
            };
            assert_eq!(message.data_coding, data_coding);
            let expected = Address::new(Ton::International, Npi::Isdn, b"819012345678");
            assert_eq!(message.source, expected);
        }
    }

    #[test]
    fn what_no_deliver_sm_carries_is_refused_by_name() {
        let refused = |from: &str, text: &str| Open::new(&written(from, text)).err().unwrap();
        assert_eq!(
            refused("123456789012345678901", "a").to_string(),
            "from has 21 octets, allowed are 1 to 20 without NUL"
        );
        assert!(matches!(
            refused("1\0", "a"),
            InboundError::Address {
                field: "from",
                octets: 2
            }
        ));
        assert!(matches!(
            refused("1", &"a".repeat(161)),
            InboundError::Text(_)
        ));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = InboundQueue::default();
        for _ in 0..INBOUND_OUTSTANDING_MAX {
            let message = Open::new(&written("1", "a")).ok().unwrap();
            assert_eq!(queue.insert(message), Ok(()));
        }
        let message = Open::new(&written("1", "a")).ok().unwrap();
        assert_eq!(queue.insert(message), Err(InboundError::Full));
        assert_eq!(queue.outstanding(), INBOUND_OUTSTANDING_MAX);
    }

    #[test]
    fn the_script_keeps_its_rate_and_makes_up_a_second_at_most() {
        let mut queue = InboundQueue::default();
        let interval_ns = SECOND_NS / 10;
        assert_eq!(queue.take_scripted(interval_ns, 0), 0);
        assert_eq!(queue.take_scripted(interval_ns, interval_ns - 1), 0);
        assert_eq!(queue.take_scripted(interval_ns, interval_ns), 1);
        assert_eq!(queue.take_scripted(interval_ns, 4 * interval_ns), 3);
        assert_eq!(queue.take_scripted(interval_ns, 100 * SECOND_NS), 11);
    }

    #[test]
    fn correlations_say_what_they_are() {
        assert!(matches!(
            DeliveryKey::of(!INBOUND_BIT),
            DeliveryKey::Receipt(_)
        ));
        assert!(matches!(
            DeliveryKey::of(7 | INBOUND_BIT),
            DeliveryKey::Inbound(InboundNo(7))
        ));
    }

    #[test]
    fn debug_shows_neither_number_nor_text() {
        let shown = format!("{:?}", written("819012345678", "secret"));
        assert!(!shown.contains("8190") && !shown.contains("secret"));
    }
}
