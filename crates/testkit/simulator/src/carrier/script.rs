//! How a carrier behaves: drawn from the seed once, then per submit.

use message::ReceiptState;
use smpp_client::IdRule;

use crate::clock::{MS, SECOND};
use crate::dice::Dice;

/// How often a carrier does what, in a thousand submits, and how long it takes.
#[derive(Clone, Debug)]
pub(crate) struct CarrierScript {
    pub(crate) throttles: u64,
    pub(crate) refuses_for_now: u64,
    pub(crate) refuses_for_good: u64,
    /// Neither takes nor answers.
    pub(crate) ignores: u64,
    /// Takes and never answers.
    pub(crate) loses_answers: u64,
    /// Takes and answers after the other side gave up.
    pub(crate) answers_late: u64,
    pub(crate) answer_ns: (u64, u64),
    pub(crate) no_receipts: u64,
    pub(crate) early_receipts: u64,
    pub(crate) late_receipts: u64,
    pub(crate) double_receipts: u64,
    pub(crate) failures: u64,
    pub(crate) intermediate: u64,
    /// Receipts that name no id.
    pub(crate) anonymous: u64,
    pub(crate) by_tlvs: bool,
    pub(crate) ids: IdSpelling,
}

/// How a carrier spells its ids in answers and in receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdSpelling {
    Same,
    HexThenDecimal,
    DecimalThenPaddedHex,
}

/// What a receipt looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiptForm {
    Text,
    Tlvs,
    /// Names no id.
    Anonymous,
}

/// What becomes of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Take { answer_after_ns: Option<u64> },
    Refuse { status: u32, answer_after_ns: u64 },
    Ignore,
}

const THROTTLED: u32 = 0x58;
const SYSTEM_ERROR: u32 = 0x08;
const QUEUE_FULL: u32 = 0x14;
const INVALID_DESTINATION: u32 = 0x0B;
const SUBMIT_FAILED: u32 = 0x45;
/// Beyond the response timeout that the simulated configuration has.
const LATE_NS: (u64, u64) = (3_500 * MS, 9 * SECOND);

impl CarrierScript {
    /// One that does everything as it should.
    pub(crate) fn calm(dice: &mut Dice) -> Self {
        let slowest_ns = dice.pick(&[2 * MS, 20 * MS, 60 * MS]);
        Self {
            throttles: 0,
            refuses_for_now: 0,
            refuses_for_good: 0,
            ignores: 0,
            loses_answers: 0,
            answers_late: 0,
            answer_ns: (MS / 2, slowest_ns),
            no_receipts: 0,
            early_receipts: 0,
            late_receipts: 0,
            double_receipts: 0,
            failures: 0,
            intermediate: 0,
            anonymous: 0,
            by_tlvs: dice.chance(500),
            ids: dice.pick(&[
                IdSpelling::Same,
                IdSpelling::HexThenDecimal,
                IdSpelling::DecimalThenPaddedHex,
            ]),
        }
    }

    /// One with some of the faults there are.
    pub(crate) fn rough(dice: &mut Dice) -> Self {
        let mut some = |most: u64| {
            if dice.chance(400) {
                dice.below(most)
            } else {
                0
            }
        };
        let faults = Self {
            throttles: some(60),
            refuses_for_now: some(80),
            refuses_for_good: some(50),
            ignores: some(40),
            loses_answers: some(60),
            answers_late: some(60),
            answer_ns: (0, 0),
            no_receipts: some(80),
            early_receipts: some(600),
            late_receipts: some(100),
            double_receipts: some(200),
            failures: some(200),
            intermediate: some(300),
            anonymous: some(100),
            by_tlvs: false,
            ids: IdSpelling::Same,
        };
        let calm = Self::calm(dice);
        Self {
            answer_ns: (MS / 2, dice.pick(&[5 * MS, 80 * MS, 400 * MS])),
            by_tlvs: calm.by_tlvs,
            ids: calm.ids,
            ..faults
        }
    }

    /// No faults from now on.
    pub(crate) fn calm_down(&mut self) {
        *self = Self {
            by_tlvs: self.by_tlvs,
            ids: self.ids,
            answer_ns: (MS / 2, 5 * MS),
            ..Self::calm(&mut Dice::new(0))
        };
    }

    pub(crate) fn fate(&self, dice: &mut Dice) -> Fate {
        let answer_after_ns = dice.between(self.answer_ns.0, self.answer_ns.1);
        let refuse = |status| Fate::Refuse {
            status,
            answer_after_ns,
        };
        if dice.chance(self.throttles) {
            refuse(THROTTLED)
        } else if dice.chance(self.refuses_for_now) {
            refuse(dice.pick(&[SYSTEM_ERROR, QUEUE_FULL]))
        } else if dice.chance(self.refuses_for_good) {
            refuse(dice.pick(&[INVALID_DESTINATION, SUBMIT_FAILED]))
        } else if dice.chance(self.ignores) {
            Fate::Ignore
        } else if dice.chance(self.loses_answers) {
            Fate::Take {
                answer_after_ns: None,
            }
        } else if dice.chance(self.answers_late) {
            Fate::Take {
                answer_after_ns: Some(dice.between(LATE_NS.0, LATE_NS.1)),
            }
        } else {
            Fate::Take {
                answer_after_ns: Some(answer_after_ns),
            }
        }
    }

    /// The receipts of a message that was taken: when, counted from the taking, what, and in which form.
    pub(crate) fn receipts(
        &self,
        dice: &mut Dice,
        answer_after_ns: u64,
    ) -> Vec<(u64, ReceiptState, ReceiptForm)> {
        if dice.chance(self.no_receipts) {
            return Vec::new();
        }
        let form = match self.by_tlvs {
            _ if dice.chance(self.anonymous) => ReceiptForm::Anonymous,
            true => ReceiptForm::Tlvs,
            false => ReceiptForm::Text,
        };
        let after_ns = if dice.chance(self.early_receipts) {
            dice.below(answer_after_ns + 1)
        } else if dice.chance(self.late_receipts) {
            answer_after_ns + dice.between(5 * SECOND, 40 * SECOND)
        } else {
            answer_after_ns + dice.between(MS, 2 * SECOND)
        };
        let state = if dice.chance(self.failures) {
            dice.pick(&[
                ReceiptState::Undeliverable,
                ReceiptState::Rejected,
                ReceiptState::Expired,
                ReceiptState::Deleted,
            ])
        } else {
            ReceiptState::Delivered
        };
        let mut plan = Vec::new();
        if dice.chance(self.intermediate) {
            let before_ns = after_ns - dice.below(after_ns / 2 + 1);
            plan.push((before_ns, ReceiptState::Enroute, form));
        }
        plan.push((after_ns, state, form));
        if dice.chance(self.double_receipts) {
            plan.push((after_ns + dice.below(3 * SECOND), state, form));
        }
        plan
    }
}

impl IdSpelling {
    pub(crate) fn response(self, id: u64) -> String {
        match self {
            Self::Same | Self::DecimalThenPaddedHex => id.to_string(),
            Self::HexThenDecimal => format!("{id:X}"),
        }
    }

    pub(crate) fn receipt(self, id: u64) -> String {
        match self {
            Self::Same => id.to_string(),
            Self::HexThenDecimal => format!("{id:012}"),
            Self::DecimalThenPaddedHex => format!("{id:016x}"),
        }
    }

    /// The rules that make both one.
    pub(crate) const fn rules(self) -> (IdRule, IdRule) {
        match self {
            Self::Same => (IdRule::AsIs, IdRule::AsIs),
            Self::HexThenDecimal => (IdRule::Hex, IdRule::Dec),
            Self::DecimalThenPaddedHex => (IdRule::Dec, IdRule::Hex),
        }
    }
}
