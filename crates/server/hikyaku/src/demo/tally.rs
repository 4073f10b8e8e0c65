//! Who was admitted, and what became of each: the client's side of the account.
//!
//! An admission and a final state of the same message come over two streams, in either order. Ids are kept for every
//! message of the run, so the size of the account is the number of `--messages`.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use grpc_api::v1::MessageState;
use message::MessageId;

use super::plan::{Class, Job, Target};

/// What is known of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// What it was, once it is known to be admitted.
    admitted: Option<Job>,
    /// Its final state.
    ended: Option<Final>,
    uncertain: bool,
}

/// The final states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Final {
    Delivered,
    Sent,
    Undeliverable,
    Rejected,
    Expired,
    Cancelled,
    Failed,
    Unknown,
}

impl Final {
    /// `None` while the message is live.
    pub(super) const fn of(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Unspecified
            | MessageState::Admitted
            | MessageState::Scheduled
            | MessageState::Queued
            | MessageState::Attempting
            | MessageState::Submitted => None,
            MessageState::Delivered => Some(Self::Delivered),
            MessageState::Sent => Some(Self::Sent),
            MessageState::Undeliverable => Some(Self::Undeliverable),
            MessageState::Rejected => Some(Self::Rejected),
            MessageState::Expired => Some(Self::Expired),
            MessageState::Cancelled => Some(Self::Cancelled),
            MessageState::Failed => Some(Self::Failed),
            MessageState::Unknown => Some(Self::Unknown),
        }
    }
}

/// How many messages ended in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Endings {
    pub(super) delivered: u64,
    pub(super) sent: u64,
    pub(super) undeliverable: u64,
    pub(super) rejected: u64,
    pub(super) expired: u64,
    pub(super) cancelled: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
}

impl Endings {
    /// All of them.
    pub(super) const fn sum(&self) -> u64 {
        self.delivered
            + self.sent
            + self.undeliverable
            + self.rejected
            + self.expired
            + self.cancelled
            + self.failed
            + self.unknown
    }

    const fn count(&mut self, ended: Final) {
        let place = match ended {
            Final::Delivered => &mut self.delivered,
            Final::Sent => &mut self.sent,
            Final::Undeliverable => &mut self.undeliverable,
            Final::Rejected => &mut self.rejected,
            Final::Expired => &mut self.expired,
            Final::Cancelled => &mut self.cancelled,
            Final::Failed => &mut self.failed,
            Final::Unknown => &mut self.unknown,
        };
        *place += 1;
    }
}

/// A carrier's part of the account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// Messages admitted for it.
    pub(super) admitted: u64,
    /// Those that have ended.
    pub(super) ended: u64,
    /// When the last of them did.
    pub(super) last_end: Option<Instant>,
    /// When the last of its bulk did.
    pub(super) last_bulk_end: Option<Instant>,
}

impl Part {
    fn end(&mut self, class: Class) {
        let now = Some(Instant::now());
        self.ended += 1;
        self.last_end = now;
        match class {
            Class::Bulk => self.last_bulk_end = now,
            Class::Otp => {}
        }
    }
}

/// The account.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    fates: HashMap<MessageId, Fate>,
    refused: BTreeMap<String, u64>,
    answered: u64,
    contracted: Part,
    unlimited: Part,
    contradicted: u64,
}

/// What the account adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Ids handed out.
    pub(super) admitted: u64,
    /// Refusals by reason.
    pub(super) refused: BTreeMap<String, u64>,
    /// Final states of admitted messages.
    pub(super) endings: Endings,
    /// Admitted messages that were reported uncertain at some time.
    pub(super) uncertain: u64,
    /// Admitted messages without a final state.
    pub(super) lost: u64,
    /// Messages that were reported in a second, different final state without the mark of late evidence.
    pub(super) contradicted: u64,
}

/// A report about one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// Which.
    pub(super) id: MessageId,
    /// The state, when it is final.
    pub(super) ended: Option<Final>,
    /// A copy is possible.
    pub(super) uncertain: bool,
    /// Evidence after the end: it may differ from the end.
    pub(super) late: bool,
}

impl Tally {
    /// A submission was admitted.
    pub(super) fn admit(&mut self, id: MessageId, job: Job) {
        self.answered += 1;
        let fate = self.fates.entry(id).or_default();
        if fate.admitted.replace(job).is_some() {
            // The same id for two submissions: one of the two has vanished.
            self.contradicted += 1;
            return;
        }
        let ended = fate.ended.is_some();
        let part = self.part_mut(job.target);
        part.admitted += 1;
        if ended {
            part.end(job.class);
        }
    }

    /// A submission was refused.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.answered += 1;
        match self.refused.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                self.refused.insert(reason.to_owned(), 1);
            }
        }
    }

    /// A message was seen somewhere.
    pub(super) fn see(&mut self, sighting: Sighting) {
        let fate = self.fates.entry(sighting.id).or_default();
        fate.uncertain |= sighting.uncertain;
        let Some(ended) = sighting.ended else {
            return;
        };
        match fate.ended {
            None => {
                fate.ended = Some(ended);
                if let Some(job) = fate.admitted {
                    self.part_mut(job.target).end(job.class);
                }
            }
            Some(before) if before != ended && !sighting.late => self.contradicted += 1,
            Some(_) => {}
        }
    }

    /// Submissions answered, either way.
    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    /// Admitted messages that have ended.
    pub(super) const fn ended(&self) -> u64 {
        self.contracted.ended + self.unlimited.ended
    }

    /// Admitted messages.
    pub(super) const fn admitted(&self) -> u64 {
        self.contracted.admitted + self.unlimited.admitted
    }

    /// A carrier's part.
    pub(super) const fn part(&self, target: Target) -> &Part {
        match target {
            Target::Contracted => &self.contracted,
            Target::Unlimited => &self.unlimited,
        }
    }

    const fn part_mut(&mut self, target: Target) -> &mut Part {
        match target {
            Target::Contracted => &mut self.contracted,
            Target::Unlimited => &mut self.unlimited,
        }
    }

    /// Admitted messages without a final state.
    pub(super) fn missing(&self) -> Vec<MessageId> {
        self.fates
            .iter()
            .filter(|(_, fate)| fate.admitted.is_some() && fate.ended.is_none())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether the engine said that a copy of the message is possible.
    pub(super) fn is_uncertain(&self, id: MessageId) -> bool {
        self.fates.get(&id).is_some_and(|fate| fate.uncertain)
    }

    /// Admitted messages whose receipt said delivered, and where they went.
    pub(super) fn delivered(&self) -> impl Iterator<Item = (MessageId, Target)> {
        self.fates.iter().filter_map(|(id, fate)| {
            let job = fate.admitted?;
            (fate.ended == Some(Final::Delivered)).then_some((*id, job.target))
        })
    }

    /// What it all adds up to.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals {
            refused: self.refused.clone(),
            contradicted: self.contradicted,
            ..Totals::default()
        };
        for fate in self.fates.values().filter(|fate| fate.admitted.is_some()) {
            totals.admitted += 1;
            totals.uncertain += u64::from(fate.uncertain);
            match fate.ended {
                Some(ended) => totals.endings.count(ended),
                None => totals.lost += 1,
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        let mut octets = [0; 16];
        octets[8..].copy_from_slice(&number.to_be_bytes());
        octets[6] = 0x70;
        octets[8] = 0x80;
        MessageId::from_bytes(&octets).unwrap()
    }

    const fn bulk(target: Target) -> Job {
        Job {
            target,
            class: Class::Bulk,
        }
    }

    fn seen(number: u64, state: MessageState) -> Sighting {
        Sighting {
            id: id(number),
            ended: Final::of(state),
            uncertain: false,
            late: false,
        }
    }

    #[test]
    fn admission_and_end_meet_in_either_order() {
        let mut tally = Tally::default();
        tally.admit(id(1), bulk(Target::Contracted));
        tally.see(seen(1, MessageState::Delivered));
        tally.see(seen(2, MessageState::Undeliverable));
        assert_eq!(tally.ended(), 1);
        tally.admit(id(2), bulk(Target::Unlimited));
        assert_eq!(
            (tally.admitted(), tally.ended(), tally.answered()),
            (2, 2, 2)
        );
        let totals = tally.totals();
        assert_eq!(totals.endings.delivered, 1);
        assert_eq!(totals.endings.undeliverable, 1);
        assert_eq!((totals.admitted, totals.lost), (2, 0));
        assert_eq!(tally.part(Target::Contracted).ended, 1);
    }

    #[test]
    fn an_otps_end_is_not_the_end_of_the_bulk() {
        let mut tally = Tally::default();
        let otp = Job {
            target: Target::Unlimited,
            class: Class::Otp,
        };
        tally.admit(id(1), otp);
        tally.see(seen(1, MessageState::Delivered));
        let part = *tally.part(Target::Unlimited);
        assert!(part.last_end.is_some() && part.last_bulk_end.is_none());
        tally.admit(id(2), bulk(Target::Unlimited));
        tally.see(seen(2, MessageState::Delivered));
        assert!(tally.part(Target::Unlimited).last_bulk_end.is_some());
    }

    #[test]
    fn a_live_state_is_no_end() {
        let mut tally = Tally::default();
        tally.admit(id(1), bulk(Target::Unlimited));
        tally.see(seen(1, MessageState::Submitted));
        assert_eq!(tally.totals().lost, 1);
        assert_eq!(tally.missing(), vec![id(1)]);
        tally.see(seen(1, MessageState::Expired));
        assert!(tally.missing().is_empty());
    }

    #[test]
    fn somebody_elses_message_is_not_counted() {
        let mut tally = Tally::default();
        tally.see(seen(9, MessageState::Delivered));
        assert_eq!(tally.totals(), Totals::default());
    }

    #[test]
    fn a_second_end_counts_as_a_contradiction_unless_it_is_late_evidence() {
        let mut tally = Tally::default();
        tally.admit(id(1), bulk(Target::Unlimited));
        tally.see(seen(1, MessageState::Expired));
        tally.see(seen(1, MessageState::Expired));
        assert_eq!(tally.totals().contradicted, 0);
        let late = Sighting {
            late: true,
            ..seen(1, MessageState::Delivered)
        };
        tally.see(late);
        assert_eq!(tally.totals().contradicted, 0);
        tally.see(seen(1, MessageState::Failed));
        let totals = tally.totals();
        assert_eq!((totals.contradicted, totals.endings.sum()), (1, 1));
    }

    #[test]
    fn one_id_for_two_submissions_is_a_contradiction() {
        let mut tally = Tally::default();
        tally.admit(id(1), bulk(Target::Unlimited));
        tally.admit(id(1), bulk(Target::Unlimited));
        let totals = tally.totals();
        assert_eq!(
            (totals.admitted, totals.contradicted, tally.answered()),
            (1, 1, 2)
        );
    }

    #[test]
    fn uncertainty_is_remembered_from_any_report() {
        let mut tally = Tally::default();
        tally.admit(id(1), bulk(Target::Unlimited));
        let flagged = Sighting {
            uncertain: true,
            ..seen(1, MessageState::Attempting)
        };
        tally.see(flagged);
        tally.see(seen(1, MessageState::Delivered));
        assert!(tally.is_uncertain(id(1)) && !tally.is_uncertain(id(2)));
        assert_eq!(tally.totals().uncertain, 1);
    }

    #[test]
    fn refusals_are_counted_by_reason() {
        let mut tally = Tally::default();
        tally.refuse("OTP_LANE_FULL");
        tally.refuse("OTP_LANE_FULL");
        tally.refuse("CREDITS_FULL");
        assert_eq!(tally.totals().refused["OTP_LANE_FULL"], 2);
        assert_eq!((tally.answered(), tally.admitted()), (3, 0));
    }
}
