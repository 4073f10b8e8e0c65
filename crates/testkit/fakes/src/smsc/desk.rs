//! What a connection does with each event of its session: decides on submits, settles receipts, remembers binds.

use smpp_codec::{CommandStatus, Pdu, ShortMessage};
use smpp_session::{BindType, Event, Handler, RequestKind};

use super::answers::{AnswerQueue, Audible, PlannedAnswer};
use super::config::SlowReader;
use super::inbound::DeliveryKey;
use super::receipts::{HeldAnswer, ReceiptKey};
use super::stamp::{STAMP_TAG, Stamp};
use super::unique::MessageKey;
use super::world::{MS_NS, World};

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Running,
    /// The session is over; what waits is written out first.
    Closing,
    /// The script closes it. Further submits are not seen.
    Dropped,
    /// The script lets it hang. Further submits are not seen.
    Hung,
}

/// A bind that awaits its decision.
#[derive(Clone)]
pub(crate) struct BindRequest {
    pub(crate) bind_type: BindType,
    pub(crate) system_id: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// A connection, apart from its socket and session.
pub(crate) struct ConnectionState {
    pub(crate) id: u64,
    pub(crate) account: Option<usize>,
    pub(crate) answers: AnswerQueue,
    pub(crate) bind_request: Option<BindRequest>,
    /// Requests to refuse at once. Their number is bounded by one read.
    pub(crate) refusals: Vec<(u32, RequestKind, CommandStatus)>,
    pub(crate) fate: Fate,
    /// Nothing is read before.
    pub(crate) read_from_ns: u64,
    submits: u64,
}

impl ConnectionState {
    pub(crate) fn new(id: u64, shuffle_answers: usize) -> Self {
        Self {
            id,
            account: None,
            answers: AnswerQueue::new(shuffle_answers),
            bind_request: None,
            refusals: Vec::new(),
            fate: Fate::Running,
            read_from_ns: 0,
            submits: 0,
        }
    }
}

/// Takes the events of one turn.
pub(crate) struct Desk<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) state: &'a mut ConnectionState,
    pub(crate) now_ns: u64,
}

/// What a submit is answered.
enum Verdict {
    Throttled,
    Rejected(CommandStatus),
    Full,
    Take,
}

impl Handler for Desk<'_> {
    fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::BindRequested { bind_type, bind } => {
                self.state.bind_request = Some(BindRequest {
                    bind_type,
                    system_id: bind.system_id.as_bytes().to_vec(),
                    password: bind.password.as_bytes().to_vec(),
                });
            }
            Event::Request {
                sequence_number,
                pdu,
            } => match (RequestKind::of(&pdu), pdu) {
                (_, Pdu::SubmitSm(submit)) => self.submit(sequence_number, &submit),
                (Some(kind), _) => {
                    self.world.counts.refused_other += 1;
                    let refusal = (sequence_number, kind, CommandStatus::InvalidCommandId);
                    self.state.refusals.push(refusal);
                }
                (None, other) => {
                    debug_assert!(false, "{:?} is no data request", other.command_id());
                }
            },
            Event::Answered(answer) => self.answered(answer.correlation, answer.status),
            Event::AnsweredLate(answer) if answer.status.is_ok() => {
                self.answered(answer.correlation, answer.status);
            }
            // It waits for its next attempt already.
            Event::AnsweredLate(_) => {}
            Event::TimedOut { correlation, .. } => match DeliveryKey::of(correlation) {
                DeliveryKey::Receipt(key) => {
                    if !self.give_up(key) {
                        self.world.make_pending(key);
                    }
                }
                DeliveryKey::Inbound(number) => self.world.inbound_unanswered(number),
            },
            Event::UnbindRequested | Event::Unbound | Event::CloseDue { .. } => self.close(),
            // Told to an ESME only.
            Event::Bound { .. } | Event::BindRefused { .. } => {}
        }
    }
}

impl Desk<'_> {
    fn close(&mut self) {
        if self.state.fate == Fate::Running {
            self.state.fate = Fate::Closing;
        }
    }

    fn submit(&mut self, sequence_number: u32, submit: &ShortMessage<'_>) {
        let (Fate::Running, Some(account)) = (self.state.fate, self.state.account) else {
            return;
        };
        self.state.submits += 1;
        self.world.counts.submits += 1;
        let stamp = submit.tlvs.vendor(STAMP_TAG).and_then(Stamp::parse);
        self.world.meter.submit(stamp, self.now_ns);
        self.stop_reading_if_due();
        let answer = PlannedAnswer {
            sequence_number,
            status: CommandStatus::Ok,
            message: None,
            receipt: None,
            audible: Audible::Yes,
        };
        let refused = match self.judge(submit) {
            Verdict::Throttled => CommandStatus::Throttled,
            Verdict::Rejected(status) => status,
            Verdict::Full => CommandStatus::MessageQueueFull,
            Verdict::Take => {
                let key = MessageKey::of(submit, stamp);
                self.take(account, key, submit, answer);
                return self.stop_if_due();
            }
        };
        self.plan(PlannedAnswer {
            status: refused,
            ..answer
        });
        self.stop_if_due();
    }

    fn judge(&mut self, submit: &ShortMessage<'_>) -> Verdict {
        let world = &mut *self.world;
        if self.state.answers.is_full() {
            world.counts.refused_full += 1;
            return Verdict::Full;
        }
        if let Some(limit) = world.config.throttle_per_second
            && world.throttle.count(self.now_ns) >= limit
        {
            world.counts.throttled += 1;
            return Verdict::Throttled;
        }
        let ratio = world.config.reject_ratio;
        if world.dice.chance(ratio) {
            world.counts.rejected += 1;
            return Verdict::Rejected(world.config.reject_status);
        }
        if world.book.is_full() && world.wanted_receipt(submit).is_some() {
            world.counts.refused_full += 1;
            return Verdict::Full;
        }
        Verdict::Take
    }

    fn take(
        &mut self,
        account: usize,
        key: MessageKey,
        submit: &ShortMessage<'_>,
        answer: PlannedAnswer,
    ) {
        let world = &mut *self.world;
        if world.config.throttle_per_second.is_some() {
            world.throttle.add(self.now_ns);
        }
        let wanted = world.wanted_receipt(submit);
        let message = world.take(key);
        let receipt =
            wanted.and_then(|state| world.plan_receipt(submit, (account, message), state));
        let audible = if world.dice.chance(world.config.lost_answer_ratio) || self.drops_here() {
            self.world.counts.answers_lost += 1;
            Audible::Withheld
        } else {
            Audible::Yes
        };
        let answer = PlannedAnswer {
            message: Some(message),
            audible,
            ..answer
        };
        match receipt {
            Some(key) if self.world.receipt_goes_first(account) => {
                if let (Some(receipt), Audible::Yes) = (self.world.book.find(key), audible) {
                    receipt.held = Some(HeldAnswer {
                        connection: self.state.id,
                        sequence_number: answer.sequence_number,
                    });
                }
                self.world.start_receipt(key, self.now_ns);
            }
            Some(_) | None => self.plan(PlannedAnswer { receipt, ..answer }),
        }
    }

    /// Plans an answer after the latency.
    pub(crate) fn plan(&mut self, answer: PlannedAnswer) {
        let config = &self.world.config;
        let latency_ns = config.latency_ms.saturating_mul(MS_NS);
        let jitter_ns = config.jitter_ms.saturating_mul(MS_NS);
        let due_ns = self
            .now_ns
            .saturating_add(latency_ns)
            .saturating_add(self.world.dice.below(jitter_ns));
        self.state.answers.plan(due_ns, answer);
    }

    /// Whether the script closes the connection at this submit.
    fn drops_here(&mut self) -> bool {
        let every = self.world.config.drop_every_submits;
        let ratio = self.world.config.drop_ratio;
        let here = every.is_some_and(|every| self.state.submits.is_multiple_of(every))
            || self.world.dice.chance(ratio);
        if here {
            self.state.fate = Fate::Dropped;
        }
        here
    }

    fn stop_if_due(&mut self) {
        let hang_after = self.world.config.hang_after_submits;
        if hang_after.is_some_and(|after| self.state.submits >= after)
            && self.state.fate == Fate::Running
        {
            self.state.fate = Fate::Hung;
        }
    }

    fn stop_reading_if_due(&mut self) {
        match self.world.config.slow_reader {
            SlowReader::Off | SlowReader::BytesPerSecond(_) => {}
            SlowReader::Pause {
                every_submits,
                pause_ms,
            } => {
                if self.state.submits.is_multiple_of(every_submits) {
                    let pause_ns = pause_ms.saturating_mul(MS_NS);
                    self.state.read_from_ns = self.now_ns.saturating_add(pause_ns);
                }
            }
        }
    }

    fn answered(&mut self, correlation: u64, status: CommandStatus) {
        match DeliveryKey::of(correlation) {
            DeliveryKey::Receipt(key) => self.receipt_answered(key, status),
            DeliveryKey::Inbound(number) => {
                self.world.inbound_answered(number, status, self.now_ns);
            }
        }
    }

    fn receipt_answered(&mut self, key: ReceiptKey, status: CommandStatus) {
        if status.is_ok() {
            self.receipt_taken(key);
        } else if !self.give_up(key) {
            let resend_ns = self.world.config.receipts.resend_ms.saturating_mul(MS_NS);
            self.world
                .schedule(key, self.now_ns.saturating_add(resend_ns));
        }
    }

    fn receipt_taken(&mut self, key: ReceiptKey) {
        if self.world.book.settle(key) {
            self.world.counts.receipts_acked += 1;
        }
    }

    /// Forgets a receipt that was sent often enough.
    fn give_up(&mut self, key: ReceiptKey) -> bool {
        let attempts_max = self.world.config.receipts.attempts_max;
        let book = &mut self.world.book;
        let exhausted = book.find(key).is_some_and(|r| r.attempts >= attempts_max);
        if exhausted {
            book.settle(key);
            self.world.counts.receipts_given_up += 1;
        }
        exhausted
    }
}
