//! What all connections of one message centre share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smpp_codec::{MessageStateValue, ReceiptRequest, ShortMessage};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use super::answers::PlannedAnswer;
use super::clock;
use super::config::{Credentials, ReceiptOrder, ReceiptRatios, SmscConfig};
use super::dice::{Dice, unit_of};
use super::inbound::{DeliveryKey, InboundQueue};
use super::meter::Meter;
use super::receipts::{OwnedAddress, PendingReceipts, Receipt, ReceiptBook, ReceiptKey};
use super::report::{CopiesOf, Report, Snapshot};
use super::sliding_second::SlidingSecond;
use super::unique::{MessageKey, Novelty, UniqueMessages};

pub(crate) const MS_NS: u64 = 1_000_000;
/// Accounts that [`Credentials::Any`] makes up.
const ACCOUNTS_MAX: usize = 1_000;
/// The first id; far enough from 0 that its decimal and hexadecimal forms differ.
const FIRST_MESSAGE: u64 = 1_000_000_001;

/// The world behind its lock.
pub(crate) type SharedWorld = Arc<Mutex<World>>;

/// Takes the lock. A panic elsewhere does not make counts worthless, so that poison is ignored.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// State and counts that outlive every connection.
pub(crate) struct World {
    pub(crate) config: Arc<SmscConfig>,
    pub(crate) counts: Snapshot,
    pub(crate) dice: Dice,
    pub(crate) meter: Meter,
    pub(crate) throttle: SlidingSecond,
    pub(crate) unique: UniqueMessages,
    pub(crate) book: ReceiptBook,
    pub(crate) inbound: InboundQueue,
    accounts: Vec<AccountState>,
    /// Answers released by a receipt that another connection sent, by connection.
    mailboxes: HashMap<u64, Mailbox>,
    /// Wakes the task that makes receipts and messages from handsets due.
    receipt_clock: Arc<Notify>,
    next_message: u64,
    next_connection: u64,
    started_ns: u64,
}

struct AccountState {
    system_id: Vec<u8>,
    bound: u32,
    receivers: Vec<(u64, Arc<Notify>)>,
    pending: PendingReceipts,
    /// Something became pending since the receivers were woken. Without it two receivers with full windows would wake each other for
    /// ever.
    is_fresh: bool,
}

struct Mailbox {
    wake: Arc<Notify>,
    answers: Vec<PlannedAnswer>,
}

/// Why a bind is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindRefusal {
    UnknownSystemId,
    WrongPassword,
    TooMany,
}

impl World {
    pub(crate) fn new(config: Arc<SmscConfig>, receipt_clock: Arc<Notify>) -> Self {
        Self {
            counts: Snapshot::default(),
            dice: Dice::new(config.seed),
            meter: Meter::new(),
            throttle: SlidingSecond::default(),
            unique: UniqueMessages::with_max(config.unique_messages_max),
            book: ReceiptBook::with_max(config.receipts.outstanding_max),
            inbound: InboundQueue::default(),
            accounts: Vec::new(),
            mailboxes: HashMap::new(),
            receipt_clock,
            next_message: FIRST_MESSAGE,
            next_connection: 1,
            started_ns: clock::mono_ns(),
            config,
        }
    }

    /// A connection begins; `wake` is notified when there is something for it.
    pub(crate) fn connect(&mut self, wake: Arc<Notify>) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        let answers = Vec::new();
        self.mailboxes.insert(id, Mailbox { wake, answers });
        self.counts.connections += 1;
        self.counts.connections_open += 1;
        id
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&mut self, connection: u64) -> Vec<PlannedAnswer> {
        self.counts.connections_open -= 1;
        self.mailboxes
            .remove(&connection)
            .map_or_else(Vec::new, |mailbox| mailbox.answers)
    }

    /// Decides on a bind and returns the account.
    pub(crate) fn bind(&mut self, system_id: &[u8], password: &[u8]) -> Result<usize, BindRefusal> {
        let decision = self.find_account(system_id, password).and_then(|account| {
            if self.accounts[account].bound < self.config.binds_max {
                Ok(account)
            } else {
                Err(BindRefusal::TooMany)
            }
        });
        match decision {
            Ok(account) => {
                self.accounts[account].bound += 1;
                self.counts.binds += 1;
                self.counts.sessions_bound += 1;
            }
            Err(_) => self.counts.binds_refused += 1,
        }
        decision
    }

    pub(crate) fn unbind(&mut self, account: usize, connection: u64) {
        let account = &mut self.accounts[account];
        account.bound -= 1;
        account.receivers.retain(|(id, _)| *id != connection);
        self.counts.sessions_bound -= 1;
    }

    /// A session that may deliver is bound.
    pub(crate) fn add_receiver(&mut self, account: usize, connection: u64, wake: Arc<Notify>) {
        self.accounts[account].receivers.push((connection, wake));
        self.hurry();
    }

    pub(crate) fn anybody_receives(&self) -> bool {
        (0..self.accounts.len()).any(|account| self.has_receiver(account))
    }

    fn find_account(&mut self, system_id: &[u8], password: &[u8]) -> Result<usize, BindRefusal> {
        if let Credentials::Accounts(accounts) = &self.config.credentials {
            let known = accounts
                .iter()
                .find(|account| account.system_id.as_bytes() == system_id)
                .ok_or(BindRefusal::UnknownSystemId)?;
            let same = known.password.0.as_bytes().ct_eq(password);
            if !bool::from(same) {
                return Err(BindRefusal::WrongPassword);
            }
        }
        let known = self
            .accounts
            .iter()
            .position(|account| account.system_id == system_id);
        if let Some(account) = known {
            return Ok(account);
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Err(BindRefusal::TooMany);
        }
        self.accounts.push(AccountState {
            system_id: system_id.to_vec(),
            bound: 0,
            receivers: Vec::new(),
            pending: PendingReceipts::new(),
            is_fresh: false,
        });
        Ok(self.accounts.len() - 1)
    }

    /// Takes a message: gives it an id and notes whether it is a copy.
    pub(crate) fn take(&mut self, key: MessageKey) -> u64 {
        self.counts.taken += 1;
        match self.unique.note(key) {
            Novelty::First => self.counts.unique_messages += 1,
            Novelty::Copy => self.counts.copies += 1,
            Novelty::Untracked => self.counts.untracked += 1,
        }
        let message = self.next_message;
        self.next_message += 1;
        message
    }

    /// Which receipt a submit asks for, given what will become of the message that gets the next id.
    pub(crate) fn wanted_receipt(&self, submit: &ShortMessage<'_>) -> Option<MessageStateValue> {
        let lot = unit_of(self.config.seed, self.next_message);
        let state = final_state(&self.config.receipts.ratios, lot);
        let delivered = state == MessageStateValue::Delivered;
        let wanted = match submit.registered_delivery.receipt() {
            ReceiptRequest::None => false,
            ReceiptRequest::Always => true,
            ReceiptRequest::OnFailure => !delivered,
            ReceiptRequest::OnSuccess => delivered,
        };
        wanted.then_some(state)
    }

    /// Keeps a receipt that is not due yet.
    pub(crate) fn plan_receipt(
        &mut self,
        submit: &ShortMessage<'_>,
        (account, message): (usize, u64),
        state: MessageStateValue,
    ) -> Option<ReceiptKey> {
        let key = self.book.insert(Receipt {
            account,
            message,
            state,
            source: OwnedAddress::new(submit.source),
            destination: OwnedAddress::new(submit.destination),
            reference: submit.tlvs.user_message_reference(),
            submitted_ms: clock::wall_ms(),
            attempts: 0,
            held: None,
        })?;
        self.counts.receipts_planned += 1;
        *self.counts.planned(state) += 1;
        Some(key)
    }

    /// Starts a receipt's delay.
    pub(crate) fn start_receipt(&mut self, key: ReceiptKey, now_ns: u64) {
        let receipts = &self.config.receipts;
        let delay_ns = receipts.delay_ms.saturating_mul(MS_NS);
        let jitter_ns = receipts.jitter_ms.saturating_mul(MS_NS);
        let due_ns = now_ns
            .saturating_add(delay_ns)
            .saturating_add(self.dice.below(jitter_ns));
        if due_ns <= now_ns {
            self.make_pending(key);
        } else {
            self.schedule(key, due_ns);
        }
    }

    /// Makes a receipt due later.
    pub(crate) fn schedule(&mut self, key: ReceiptKey, due_ns: u64) {
        if self.book.schedule(key, due_ns) {
            self.hurry();
        }
    }

    /// The clock is to look anew at what is due.
    pub(crate) fn hurry(&self) {
        self.receipt_clock.notify_one();
    }

    /// A session ended before the answer to this: the next one's turn.
    pub(crate) fn give_back(&mut self, correlation: u64) {
        match DeliveryKey::of(correlation) {
            DeliveryKey::Receipt(key) => self.make_pending(key),
            DeliveryKey::Inbound(number) => self.inbound_lost(number),
        }
    }

    /// A receipt waits for a session from now on. Sessions are woken by [`World::wake_receivers`].
    pub(crate) fn make_pending(&mut self, key: ReceiptKey) {
        if let Some(receipt) = self.book.find(key) {
            let account = &mut self.accounts[receipt.account];
            account.pending.push_back(key);
            account.is_fresh = true;
        }
    }

    pub(crate) fn pop_pending(&mut self, account: usize) -> Option<ReceiptKey> {
        self.accounts[account].pending.pop_front()
    }

    /// Back to the head, as the session took it after all not.
    pub(crate) fn put_back(&mut self, account: usize, key: ReceiptKey) {
        self.accounts[account].pending.push_front(key);
    }

    pub(crate) fn has_receiver(&self, account: usize) -> bool {
        !self.accounts[account].receivers.is_empty()
    }

    /// Wakes the sessions of an account, but not `but`, when new receipts wait.
    pub(crate) fn wake_receivers(&mut self, account: usize, but: Option<u64>) {
        let account = &mut self.accounts[account];
        if std::mem::take(&mut account.is_fresh) && !account.pending.is_empty() {
            let others = account.receivers.iter().filter(|(id, _)| Some(*id) != but);
            others.for_each(|(_, wake)| wake.notify_one());
        }
        self.wake_for_inbound(but);
    }

    /// Wakes the sessions of all accounts, but not `but`, when new messages from handsets wait.
    pub(crate) fn wake_for_inbound(&mut self, but: Option<u64>) {
        if std::mem::take(&mut self.inbound.is_fresh) && self.inbound.has_pending() {
            let receivers = self.accounts.iter().flat_map(|account| &account.receivers);
            let others = receivers.filter(|(id, _)| Some(*id) != but);
            others.for_each(|(_, wake)| wake.notify_one());
        }
    }

    /// Moves what is due to the accounts and wakes their sessions; returns when to come again.
    pub(crate) fn ripen_receipts(&mut self, now_ns: u64) -> Option<u64> {
        while let Some(key) = self.book.pop_due(now_ns) {
            self.make_pending(key);
        }
        (0..self.accounts.len()).for_each(|account| self.wake_receivers(account, None));
        let inbound_ns = self.ripen_inbound(now_ns);
        [self.book.next_due_ns(), inbound_ns]
            .into_iter()
            .flatten()
            .min()
    }

    /// Leaves an answer for another connection; dropped when that one is gone.
    pub(crate) fn post(&mut self, connection: u64, answer: PlannedAnswer) {
        if let Some(mailbox) = self.mailboxes.get_mut(&connection) {
            mailbox.answers.push(answer);
            mailbox.wake.notify_one();
        }
    }

    pub(crate) fn collect_mail(&mut self, connection: u64, into: &mut Vec<PlannedAnswer>) {
        if let Some(mailbox) = self.mailboxes.get_mut(&connection) {
            into.append(&mut mailbox.answers);
        }
    }

    /// Whether the answer waits for the receipt.
    pub(crate) fn receipt_goes_first(&self, account: usize) -> bool {
        match self.config.receipts.order {
            ReceiptOrder::AfterResponse => false,
            ReceiptOrder::BeforeResponse => self.has_receiver(account),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            receipts_outstanding: self.book.outstanding() as u64,
            inbound_outstanding: self.inbound.outstanding() as u64,
            max_in_any_second: self.meter.seen.max(),
            ..self.counts
        }
    }

    pub(crate) fn report(&self) -> Report {
        let lived_ns = clock::mono_ns().saturating_sub(self.started_ns);
        let copies = self.unique.copies();
        Report {
            seconds: std::time::Duration::from_nanos(lived_ns).as_secs_f64(),
            counts: self.snapshot(),
            write_to_receive: self.meter.delays(),
            stamps_ahead: self.meter.stamps_ahead(),
            copies_of: copies
                .into_iter()
                .map(|(key, copies)| CopiesOf {
                    message: key.to_string(),
                    copies,
                })
                .collect(),
            copies_unlisted: self.unique.copies_unlisted(),
        }
    }
}

/// Cuts [0, 1) by the ratios; what is left is delivered.
fn final_state(ratios: &ReceiptRatios, lot: f64) -> MessageStateValue {
    let mut upper = 0.0;
    for (ratio, state) in [
        (ratios.undeliverable, MessageStateValue::Undeliverable),
        (ratios.expired, MessageStateValue::Expired),
        (ratios.rejected, MessageStateValue::Rejected),
        (ratios.unknown, MessageStateValue::Unknown),
    ] {
        upper += ratio;
        if lot < upper {
            return state;
        }
    }
    MessageStateValue::Delivered
}
