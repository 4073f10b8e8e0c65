//! What clients ask for, and when.
//!
//! Recipients and senders come from small pools on purpose: messages that look alike are where evidence can be laid at the wrong door.

use message::{Category, ReceiptWanted, Submission};

use super::{Profile, TENANTS};
use crate::clock::{MS, SECOND};
use crate::dice::Dice;

const SENDERS: [&str; 3] = ["Hikyaku", "12345", "Bank"];

/// One thing a client wants sent.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// True time.
    pub(crate) at_ns: u64,
    /// A place in [`TENANTS`].
    pub(crate) tenant: usize,
    pub(crate) submission: Submission,
    /// `send_at`, in milliseconds from the hand-in.
    pub(crate) send_after_ms: Option<u64>,
    /// What the client does later, in nanoseconds from [`Self::at_ns`].
    pub(crate) follow: Vec<(u64, Follow)>,
}

/// What a client does after its submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Submits the same again, with the same key.
    SameAgain,
    /// Submits something else with the same key.
    OtherAgain,
    /// Cancels.
    Cancel,
    /// Replaces the text, and may be the validity and the time, in milliseconds.
    Replace {
        valid_for_ms: Option<u64>,
        send_after_ms: Option<u64>,
    },
}

pub(super) fn wishes(profile: Profile, dice: &mut Dice) -> Vec<Wish> {
    let count = dice.pick(&[15, 30, 60, 60, 120, 120, 400]);
    let context_bytes = dice.pick(&[0, 0, 0, 4_096]);
    let span_ns = dice.pick(&[SECOND, 4 * SECOND, 8 * SECOND]);
    let recipients = dice.pick(&[3, 20, 200]);
    let shares = Shares {
        otp_per_mille: dice.pick(&[50, 300, 800]),
        // In a simulation keys go into no files and pin the journal: without any, it is let go of file by file.
        keyed_per_mille: dice.pick(&[600, 600, 0]),
    };
    let burst = dice.chance(400);
    let mut wishes: Vec<_> = (0..count)
        .map(|number| {
            let mut wish = wish(profile, number, (recipients, shares), dice);
            wish.submission.context = vec![0; context_bytes].into();
            let is_otp = wish.submission.category == Category::Otp;
            wish.at_ns = if burst && !is_otp {
                500 * MS + dice.below(20 * MS)
            } else {
                50 * MS + dice.below(span_ns)
            };
            wish
        })
        .collect();
    wishes.sort_by_key(|wish| wish.at_ns);
    wishes
}

/// When handsets write to a carrier.
pub(super) fn handsets(dice: &mut Dice) -> Vec<u64> {
    let count = dice.pick(&[0, 0, 0, 2, 8]);
    (0..count).map(|_| dice.below(10 * SECOND)).collect()
}

fn follow(keyed: bool, dice: &mut Dice) -> Vec<(u64, Follow)> {
    let count = dice.pick(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 2]);
    (0..count)
        .map(|_| {
            let kind = match dice.below(5) {
                0 if keyed => Follow::SameAgain,
                1 if keyed => Follow::OtherAgain,
                2 | 3 => Follow::Replace {
                    valid_for_ms: dice.chance(200).then(|| dice.between(2_000, 20_000)),
                    send_after_ms: dice.chance(200).then(|| dice.between(100, 4_000)),
                },
                _ => Follow::Cancel,
            };
            // Some at once, while the message waits in its lane.
            let longest_ns = dice.pick(&[20 * MS, 300 * MS, 6 * SECOND]);
            (dice.below(longest_ns), kind)
        })
        .collect()
}

/// How many of a run's submissions, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Shares {
    otp_per_mille: u64,
    keyed_per_mille: u64,
}

fn wish(
    profile: Profile,
    number: u64,
    (recipients, shares): (u64, Shares),
    dice: &mut Dice,
) -> Wish {
    let category = if dice.chance(shares.otp_per_mille) {
        Category::Otp
    } else {
        dice.pick(&[
            Category::Alert,
            Category::Transactional,
            Category::Promotional,
            Category::Promotional,
        ])
    };
    let recipient = 819_012_345_000 + dice.below(recipients);
    let keyed = dice.chance(shares.keyed_per_mille);
    let follow = follow(keyed, dice);
    let valid_for_ms = match profile {
        Profile::Calm | Profile::Frozen => None,
        Profile::Rough => dice.chance(200).then(|| dice.between(1_000, 8_000)),
    };
    let submission = Submission {
        recipient: message::Msisdn::from_u64(recipient).expect("twelve digits are a number"),
        recipient_key: None,
        sender: dice
            .pick(&SENDERS)
            .parse()
            .expect("the names in this file are senders"),
        category,
        text: format!("message {number}").into(),
        receipt_wanted: dice.pick(&[
            ReceiptWanted::Always,
            ReceiptWanted::Always,
            ReceiptWanted::Always,
            ReceiptWanted::OnFailure,
            ReceiptWanted::Never,
        ]),
        valid_for_ms,
        send_at_ms: None,
        idempotency_key: keyed.then(|| format!("key-{number}").into()),
        batch_id: None,
        context: bytes::Bytes::new(),
        labels: Vec::new(),
    };
    Wish {
        at_ns: 0,
        tenant: usize::from(dice.chance(300)) % TENANTS.len(),
        submission,
        send_after_ms: dice.chance(80).then(|| dice.between(100, 6_000)),
        follow,
    }
}
