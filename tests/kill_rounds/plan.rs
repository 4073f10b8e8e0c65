//! What a round does, drawn from its seed.

use std::fmt::Write as _;
use std::time::Duration;

use fakes::smsc::{ReceiptOrder, SmscConfig};
use grpc_api::v1::{Category, ReceiptWanted};

use crate::engine_process::dice::Dice;
use crate::engine_process::load::Order;

/// Partitions of every round.
pub(crate) const PARTITIONS: u16 = 16;

/// Files up to this size end while a round runs.
const SMALL_FILE_BYTES: u64 = 16_384;

/// A round.
pub(crate) struct Plan {
    pub(crate) orders: Vec<Order>,
    pub(crate) carriers: Vec<CarrierPlan>,
    /// Credits, in messages.
    pub(crate) credits: u64,
    /// What a queue keeps in memory; the rest of it waits in the journal alone.
    pub(crate) head: u64,
    /// Size of the journal's files.
    pub(crate) file_max_bytes: u64,
    pub(crate) kills: Vec<KillPlan>,
}

/// A carrier: what it does, and the lines of its file.
pub(crate) struct CarrierPlan {
    pub(crate) script: SmscConfig,
    pub(crate) lines: String,
}

/// One kill under load, and those of the engines that come up after it.
pub(crate) struct KillPlan {
    /// So many messages are answered before.
    pub(crate) answered: u64,
    /// So many submits reach the carriers then.
    pub(crate) submits: u64,
    pub(crate) moment: Moment,
    pub(crate) early: Vec<EarlyMoment>,
}

/// What a kill under load waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// So long.
    After(Duration),
    /// The journal's thread is inside a sync.
    InSync,
    /// A journal file was begun, or one was let go.
    FileChange,
    /// So long after SIGTERM.
    Draining(Duration),
}

/// What a kill while the engine comes up waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EarlyMoment {
    /// So long after the process began.
    After(Duration),
    /// It has replayed its journal, and decides what is in doubt.
    Replayed,
    /// It listens.
    Listening,
}

impl Moment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::After(_) => "under load",
            Self::InSync => "in a sync",
            Self::FileChange => "at a file's change",
            Self::Draining(_) => "draining",
        }
    }

    /// The same where no file ends.
    fn without_files(self) -> Self {
        match self {
            Self::FileChange => Self::InSync,
            Self::After(_) | Self::InSync | Self::Draining(_) => self,
        }
    }
}

impl EarlyMoment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::After(_) => "starting",
            Self::Replayed => "replayed",
            Self::Listening => "listening",
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let orders = orders(&mut dice);
        let count = 1 + dice.below(3);
        let carriers = (0..count).map(|_| carrier(&mut dice)).collect();
        // As a rule files hold a few batches, so that one ends and the next begins all the time.
        let file_max_bytes = dice.pick(&[4_096, 4_096, 16_384, 67_108_864]);
        let mut kills = kills(&mut dice, orders.len() as u64);
        if file_max_bytes > SMALL_FILE_BYTES {
            for kill in &mut kills {
                kill.moment = kill.moment.without_files();
            }
        }
        Self {
            carriers,
            credits: dice.pick(&[60, 400]),
            head: dice.pick(&[16, 32_768]),
            file_max_bytes,
            kills,
            orders,
        }
    }
}

/// A load: mostly otp, mostly bulk, or all alike; with receipts, without, or mixed.
fn orders(dice: &mut Dice) -> Vec<Order> {
    const ALIKE: [Category; 4] = [
        Category::Otp,
        Category::Alert,
        Category::Transactional,
        Category::Promotional,
    ];
    let otp_percent = dice.pick(&[5, 25, 60]);
    let bulk_percent = dice.pick(&[0, 40, 90]);
    let receipts = dice.pick(&[
        &[ReceiptWanted::Always][..],
        &[ReceiptWanted::Never],
        &[ReceiptWanted::Always, ReceiptWanted::Never],
    ]);
    let count = 80 + dice.below(320);
    let mut order = || {
        let category = if dice.below(100) < otp_percent {
            Category::Otp
        } else if dice.below(100) < bulk_percent {
            Category::Promotional
        } else {
            dice.pick(&ALIKE)
        };
        let receipt = dice.pick(receipts);
        Order { category, receipt }
    };
    (0..count).map(|_| order()).collect()
}

/// A carrier that keeps to the rules: whatever is in doubt after the round, a kill has brought about.
fn carrier(dice: &mut Dice) -> CarrierPlan {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.seed = dice.below(u64::MAX);
    script.latency_ms = dice.pick(&[0, 2, 10, 30]);
    script.jitter_ms = dice.pick(&[0, 5, 30]);
    script.shuffle_answers = dice.pick(&[0, 0, 3]);
    script.reject_ratio = dice.pick(&[0.0, 0.0, 0.03]);
    script.receipts.delay_ms = dice.pick(&[0, 20, 200, 500]);
    script.receipts.jitter_ms = dice.pick(&[0, 100, 400]);
    script.receipts.resend_ms = 50;
    script.receipts.timeout_ms = 500;
    script.receipts.window = dice.pick(&[2, 20, 100]);
    script.receipts.order = dice.pick(&[
        ReceiptOrder::AfterResponse,
        ReceiptOrder::AfterResponse,
        ReceiptOrder::BeforeResponse,
    ]);
    script.receipts.ratios.undeliverable = dice.pick(&[0.0, 0.1]);
    let mut lines = format!(
        "sessions = {}\nwindow = {}\nstamp_tlv = true\n",
        1 + dice.below(3),
        dice.pick(&[2, 10, 50]),
    );
    if let contract @ 1.. = dice.pick(&[0, 200, 400, 1_500]) {
        writeln!(lines, "contract_per_second = {contract}").unwrap();
    }
    // Doubt comes from kills alone: no answer is so late. What is in doubt ends soon.
    lines.push_str(
        "receipt_deadline_s = 20\nuncertain_deadline_s = 1\n\
         [uncertain_after_ms]\notp = 30_000\nalert = 30_000\nnormal = 30_000\nbulk = 30_000\n\
         [retry]\ndelay_ms = 50\nattempts_max = 20\n\
         [reconnect]\nmin_ms = 20\nmax_ms = 200\ngap_ms = 5\n",
    );
    CarrierPlan { script, lines }
}

fn kills(dice: &mut Dice, messages: u64) -> Vec<KillPlan> {
    let count = 1 + dice.below(3);
    let apart = messages / (count + 1);
    let mut kill = |nth| KillPlan {
        answered: nth * apart + dice.below(apart),
        submits: dice.below(40),
        moment: moment(dice),
        early: early(dice),
    };
    (0..count).map(&mut kill).collect()
}

fn moment(dice: &mut Dice) -> Moment {
    match dice.below(8) {
        0..3 => Moment::After(Duration::from_micros(dice.below(20_000))),
        3..5 => Moment::InSync,
        5..7 => Moment::FileChange,
        _ => Moment::Draining(Duration::from_micros(dice.below(60_000))),
    }
}

/// None after every other kill, up to three in a row.
fn early(dice: &mut Dice) -> Vec<EarlyMoment> {
    let count = dice.below(6).saturating_sub(2);
    let mut one = || match dice.below(4) {
        0 | 1 => EarlyMoment::After(Duration::from_micros(dice.below(80_000))),
        2 => EarlyMoment::Replayed,
        _ => EarlyMoment::Listening,
    };
    (0..count).map(|_| one()).collect()
}
