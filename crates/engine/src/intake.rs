//! The only door in: checks, routes, reserves, and hands over to the shard.
//!
//! Order matters: everything that can refuse comes before the ring, capacity is reserved before the hand-over, and a slot in the ring before
//! that, so that handing over cannot fail. Nothing is kept of what was refused.

use std::sync::atomic::Ordering;

use message::{Lane, Now, Reason, ReceiptWanted, RouteGroupId, Submission};
use partition::{Admit, Claim};
use queue::Amount;
use routing::RouteQuery;

use crate::caller::{Caller, Refusal};
use crate::config::EngineConfig;
use crate::reply::ReplyTo;
use crate::shared::{Life, Shared};

/// A lane is short while a message in it will be claimed before the next group commit anyway.
const SHORT_LANE: u64 = 256;

/// A submission on its way to its partition.
#[derive(Debug)]
pub(crate) struct IntakeItem {
    pub(crate) admit: Box<Admit>,
    pub(crate) reply: ReplyTo,
    pub(crate) held: Amount,
    /// When it came in, monotonic.
    pub(crate) received_ns: u64,
}

/// A submission that nothing but capacity can still refuse.
#[derive(Debug)]
pub(crate) struct Checked {
    admit: Box<Admit>,
    cost: Amount,
}

impl Shared {
    /// Refuses whatever no capacity can help.
    pub(crate) fn check(
        &self,
        caller: &Caller,
        submission: Submission,
        now: Now,
    ) -> Result<Checked, Refusal> {
        match self.life() {
            Life::Open => {}
            Life::Starting | Life::Draining | Life::Stopped => {
                return Err(Refusal::of(Reason::Draining));
            }
            Life::Failed => return Err(Refusal::of(Reason::JournalFailed)),
        }
        if !caller.grants(submission.category) {
            return Err(Refusal::field(
                Reason::CategoryNotGranted,
                "category",
                format!(
                    "caller `{}` is not granted `{}`",
                    caller.name, submission.category
                ),
            ));
        }
        let segments = self.measure(&submission)?;
        let group = self.route(&submission)?;
        let at = EngineConfig::category_index(submission.category);
        let lane = self.config.lanes[at];
        let expires_ms = self.expiry(&submission, at, now)?;
        let waits = submission.receipt_wanted != ReceiptWanted::Never;
        if waits
            && self.receipts_awaited.load(Ordering::Relaxed) >= self.config.limits.receipts_awaited
        {
            return Err(Refusal::of(Reason::ReceiptsFull));
        }
        if lane == Lane::Otp {
            self.check_otp(caller, group)?;
        }
        let cost = Amount::one(submission.cost_bytes());
        let short = self
            .groups
            .get(&group)
            .is_some_and(|gauge| gauge.depth(lane) < SHORT_LANE);
        let claim = match lane {
            Lane::Otp | Lane::Alert if short => Claim::Now,
            Lane::Otp | Lane::Alert | Lane::Normal | Lane::Bulk => Claim::Later,
        };
        Ok(Checked {
            admit: Box::new(Admit {
                submission,
                tenant: caller.tenant,
                caller: caller.id,
                group,
                lane,
                expires_ms,
                segments,
                claim,
                config_version: self.config.config_version,
                random: self.random(),
            }),
            cost,
        })
    }

    fn measure(&self, submission: &Submission) -> Result<u8, Refusal> {
        let invalid = |description: String| {
            Refusal::field(Reason::InvalidArgument, "content.sms.text", description)
        };
        let text = std::str::from_utf8(&submission.text)
            .map_err(|error| invalid(format!("is not UTF-8: {error}")))?;
        if text.is_empty() {
            return Err(invalid("is empty: at least one character is needed".into()));
        }
        let measure = sms_text::measure(text);
        let max_units = measure.alphabet.max_units();
        if measure.units > max_units {
            return Err(Refusal::field(
                Reason::TextTooLong,
                "content.sms.text",
                format!(
                    "takes {} units of {}, one segment has {max_units}; longer messages are not supported yet",
                    measure.units, measure.alphabet,
                ),
            ));
        }
        Ok(1)
    }

    fn route(&self, submission: &Submission) -> Result<RouteGroupId, Refusal> {
        let query = RouteQuery {
            destination: submission.recipient,
        };
        self.config
            .routes
            .lookup(&query)
            .map(|found| found.group.id())
            .ok_or_else(|| {
                Refusal::field(
                    Reason::NoRoute,
                    "recipient.msisdn",
                    "no configured route has a prefix of this number".into(),
                )
            })
    }

    fn expiry(&self, submission: &Submission, at: usize, now: Now) -> Result<u64, Refusal> {
        let begins_ms = submission.send_at_ms.unwrap_or(0).max(now.wall_ms);
        let horizon_ms = self.config.send_at_horizon_ms;
        if begins_ms - now.wall_ms > horizon_ms {
            return Err(Refusal::field(
                Reason::InvalidArgument,
                "send_at",
                format!(
                    "lies more than {} s ahead, which is the horizon",
                    horizon_ms / 1_000
                ),
            ));
        }
        let valid_for_ms = submission
            .valid_for_ms
            .unwrap_or(self.config.valid_for_ms[at]);
        Ok(begins_ms.saturating_add(valid_for_ms))
    }

    fn check_otp(&self, caller: &Caller, group: RouteGroupId) -> Result<(), Refusal> {
        let gauge = self.groups.get(&group);
        let full = gauge
            .is_some_and(|gauge| gauge.depth(Lane::Otp) > gauge.otp_limit.load(Ordering::Relaxed));
        let limiter = self.otp_limiters.get(&caller.tenant);
        if full || limiter.is_some_and(|limiter| limiter.check().is_err()) {
            return Err(Refusal::of(Reason::OtpLaneFull));
        }
        Ok(())
    }

    /// Reserves and hands over, or says which capacity is missing and gives the submission back.
    pub(crate) fn hand_over(
        &self,
        checked: Checked,
        reply: ReplyTo,
        now: Now,
    ) -> Result<(), (Reason, Checked, ReplyTo)> {
        let Ok(reservation) = self.scopes(checked.admit.lane).try_reserve(checked.cost) else {
            return Err((Reason::CreditsFull, checked, reply));
        };
        let Ok(slot) = self.intake.try_reserve() else {
            return Err((Reason::IntakeBusy, checked, reply));
        };
        if let Some(gauge) = self.groups.get(&checked.admit.group) {
            gauge.entering[checked.admit.lane.index()].fetch_add(1, Ordering::Relaxed);
        }
        slot.push(IntakeItem {
            admit: checked.admit,
            reply,
            held: reservation.into_held(),
            received_ns: now.mono_ns,
        });
        Ok(())
    }

    /// As [`Self::hand_over`], but waits for capacity. Still refused when no wait can help or too many wait.
    pub(crate) async fn hand_over_waiting(
        &self,
        mut checked: Checked,
        mut reply: ReplyTo,
    ) -> Result<(), Refusal> {
        loop {
            let space = self.intake_space.notified();
            let changed = self.life_changed.notified();
            tokio::pin!(space, changed);
            space.as_mut().enable();
            changed.as_mut().enable();
            if self.life() != Life::Open {
                return Err(Refusal::of(Reason::Draining));
            }
            let now = (self.config.clock)();
            match self.hand_over(checked, reply, now) {
                Ok(()) => return Ok(()),
                Err((Reason::CreditsFull, back, to)) => {
                    (checked, reply) = (back, to);
                    let credits = self.scopes(checked.admit.lane).reserve(checked.cost);
                    tokio::select! {
                        // Taken to know that they are free, given back for the common path to take them with the slot: the two cannot
                        // be waited for together without holding one while the other is missing.
                        taken = credits => drop(taken.map_err(|_| Refusal::of(Reason::CreditsFull))?),
                        () = changed => {}
                    }
                }
                Err((_, back, to)) => {
                    (checked, reply) = (back, to);
                    space.await;
                }
            }
        }
    }
}
