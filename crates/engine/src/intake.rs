//! The only door in: checks, routes, reserves, and hands over to the shard.
//!
//! Order matters: everything that can refuse comes before the ring, capacity is reserved before the hand-over, and a slot in the ring before
//! that, so that handing over cannot fail. Nothing is kept of what was refused.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use message::{Lane, Now, Reason, ReceiptWanted, RouteGroupId, Submission};
use partition::{Admit, Claim, IdempotencyKey, Replacement};
use queue::{Amount, Ring, WakeFlag};
use routing::RouteQuery;

use crate::caller::{Caller, Refusal};
use crate::keys::LookedUp;
use crate::reply::ReplyTo;
use crate::shared::Shared;

/// The shortest `valid_for` in milliseconds: `validity_period` has a resolution of a second (SMPP 3.4, 7.1.1), and less is never sent.
pub const VALID_FOR_MIN_MS: u64 = 1_000;

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
    /// The snapshot of key files that its key was looked up in.
    pub(crate) key_generation: u64,
}

/// Ways into the shard: otp and alerts have one of their own, so that they do not wait behind what bulk filled.
#[derive(Debug)]
pub(crate) struct IntakeRings {
    urgent: Ring<IntakeItem>,
    ordinary: Ring<IntakeItem>,
}

impl IntakeRings {
    /// Two rings of `slots` slots each.
    pub(crate) fn new(slots: usize, flag: &Arc<WakeFlag>) -> Self {
        Self {
            urgent: Ring::new(slots, Arc::clone(flag)),
            ordinary: Ring::new(slots, Arc::clone(flag)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty()
    }

    /// Moves up to `max` submissions to the end of `into`, urgent ones first.
    pub(crate) fn drain(&self, max: usize, into: &mut Vec<IntakeItem>) -> usize {
        let urgent = self.urgent.drain(max, into);
        urgent + self.ordinary.drain(max - urgent, into)
    }

    fn of(&self, lane: Lane) -> &Ring<IntakeItem> {
        match lane {
            Lane::Otp | Lane::Alert => &self.urgent,
            Lane::Normal | Lane::Bulk => &self.ordinary,
        }
    }
}

/// A submission that nothing but capacity can still refuse.
#[derive(Debug)]
pub(crate) struct Checked {
    admit: Box<Admit>,
    cost: Amount,
    key_generation: u64,
}

impl Shared {
    /// Refuses whatever no capacity can help.
    pub(crate) fn check(
        &self,
        caller: &Caller,
        submission: Submission,
        now: Now,
    ) -> Result<Checked, Refusal> {
        self.check_open()?;
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
        let segments = measure(&submission.text)?;
        let group = self.route(&submission)?;
        let lane = self.config.lanes[submission.category.index()];
        let expires_ms = self.expiry(&submission, now)?;
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
        let key = IdempotencyKey::of(caller.tenant, &submission);
        let key = key.map(|key| self.look_up_key(key, now));
        Ok(Checked {
            key_generation: key.map_or(0, |key| key.generation),
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
                key: key.map(|key| key.key),
                random: self.random(),
            }),
            cost,
        })
    }

    /// What is known of a key outside the partitions; see [`crate::keys`].
    pub(crate) fn look_up_key(&self, key: IdempotencyKey, now: Now) -> LookedUp {
        let found = self.keys.look_up(key, now.wall_ms);
        if found.reads > 0 {
            self.metrics.key_reads.increment(u64::from(found.reads));
        }
        found
    }

    fn check_open(&self) -> Result<(), Refusal> {
        match self.refuses() {
            None => Ok(()),
            Some(reason) => Err(Refusal::of(reason)),
        }
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

    fn expiry(&self, submission: &Submission, now: Now) -> Result<u64, Refusal> {
        let begins_ms = self.begin(submission.send_at_ms, now)?;
        let valid_for_ms = submission
            .valid_for_ms
            .unwrap_or(self.config.valid_for_ms[submission.category.index()]);
        check_valid_for(valid_for_ms)?;
        Ok(begins_ms.saturating_add(valid_for_ms))
    }

    /// Refuses what no capacity can help, as [`Self::check`] does.
    pub(crate) fn check_replacement(
        &self,
        replacement: Replacement,
        now: Now,
    ) -> Result<Replacement, Refusal> {
        self.check_open()?;
        let segments = measure(&replacement.text)?;
        self.begin(replacement.send_at_ms, now)?;
        replacement.valid_for_ms.map_or(Ok(()), check_valid_for)?;
        Ok(Replacement {
            segments,
            ..replacement
        })
    }

    /// When a message may be sent first.
    fn begin(&self, send_at_ms: Option<u64>, now: Now) -> Result<u64, Refusal> {
        let begins_ms = send_at_ms.unwrap_or(0).max(now.wall_ms);
        let horizon_ms = self.config.send_at_horizon_ms;
        let ahead_ms = begins_ms - now.wall_ms;
        if ahead_ms > horizon_ms {
            return Err(Refusal::field(
                Reason::InvalidArgument,
                "send_at",
                format!(
                    "is {begins_ms} ms after 1970 began, {ahead_ms} ms ahead of the engine's clock: at most {horizon_ms} ms ahead are \
                     allowed; submit it nearer to its time",
                ),
            ));
        }
        Ok(begins_ms)
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
        if self.is_backlog_full(checked.admit.group, checked.admit.lane) {
            return Err((Reason::BacklogFull, checked, reply));
        }
        let Ok(reservation) = self.scopes(checked.admit.lane).try_reserve(checked.cost) else {
            return Err((Reason::CreditsFull, checked, reply));
        };
        let Ok(slot) = self.intake.of(checked.admit.lane).try_reserve() else {
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
            key_generation: checked.key_generation,
        });
        self.note_pushed();
        Ok(())
    }

    /// Answers whatever no shard will take any more. The shard calls it when its life is over, and so does whoever has put something into a
    /// ring and sees only then that it is: either of them finds it.
    pub(crate) fn refuse_left_over(&self) {
        // Orders the end of the life, or the push, before the look into the rings; its counterpart is on the other side.
        fence(Ordering::SeqCst);
        let mut items = Vec::new();
        self.intake.drain(usize::MAX, &mut items);
        self.refuse_items(items);
        // Dropping a request drops its answer's sender, which its receiver notices.
        self.control.drain(usize::MAX, &mut Vec::new());
    }

    /// Answers submissions that will not be admitted, since the shard's life is over.
    pub(crate) fn refuse_items(&self, items: Vec<IntakeItem>) {
        let reason = self.life().refuses().unwrap_or(Reason::Draining);
        self.refuse_each(items.into_iter(), reason);
    }

    /// Answers submissions that will not be admitted.
    pub(crate) fn refuse_each(&self, items: impl Iterator<Item = IntakeItem>, reason: Reason) {
        for item in items {
            self.scopes(item.admit.lane).release(item.held);
            item.reply.refuse(Refusal::of(reason));
        }
    }

    /// Sees to it that what was just put into a ring is answered although the shard may have ended meanwhile.
    pub(crate) fn note_pushed(&self) {
        fence(Ordering::SeqCst);
        if self.life().is_over() {
            self.refuse_left_over();
        }
    }

    /// As [`Self::hand_over`], but waits for capacity. Still refused when no wait can help or too many wait.
    pub(crate) async fn hand_over_waiting(
        &self,
        mut checked: Checked,
        mut reply: ReplyTo,
    ) -> Result<(), Refusal> {
        loop {
            let space = self.ring_space.notified();
            let changed = self.life_changed.notified();
            tokio::pin!(space, changed);
            space.as_mut().enable();
            changed.as_mut().enable();
            self.check_open()?;
            let now = (self.config.clock)();
            match self.hand_over(checked, reply, now) {
                Ok(()) => return Ok(()),
                Err((reason @ (Reason::CreditsFull | Reason::BacklogFull), back, to)) => {
                    (checked, reply) = (back, to);
                    let scopes = if reason == Reason::BacklogFull {
                        self.backlog_scope()
                    } else {
                        self.scopes(checked.admit.lane)
                    };
                    let credits = scopes.reserve(checked.cost);
                    tokio::select! {
                        // Taken to know that they are free, given back for the common path to take them with the slot: the two cannot
                        // be waited for together without holding one while the other is missing.
                        taken = credits => drop(taken.map_err(|_| Refusal::of(reason))?),
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

/// How many segments a text takes.
fn measure(text: &[u8]) -> Result<u8, Refusal> {
    let invalid = |description: String| {
        Refusal::field(Reason::InvalidArgument, "content.sms.text", description)
    };
    let text =
        std::str::from_utf8(text).map_err(|error| invalid(format!("is not UTF-8: {error}")))?;
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

fn check_valid_for(valid_for_ms: u64) -> Result<(), Refusal> {
    if valid_for_ms >= VALID_FOR_MIN_MS {
        return Ok(());
    }
    Err(Refusal::field(
        Reason::InvalidArgument,
        "valid_for",
        format!("is {valid_for_ms} ms: allowed is 1 s and more, since carriers count seconds"),
    ))
}
