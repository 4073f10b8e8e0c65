//! What goes out over one carrier in one turn.
//!
//! ```text
//! something sendable ──► slot ──► lane (otp, else by share) ──► group (in turn) ──► head is fit ──► permit ──► pop ──► batch
//! ```

use connector::Slot;
use message::Now;

use super::group::{Voids, Work};
use super::{Cell, Wishes, WrittenFailed, WrittenSink};

/// Most segments in one write of one session.
const BATCH_MAX: usize = 64;
/// Most batches of one carrier in one turn: an otp that became first waits for the turn to end, and reading must get its turn too.
const BATCHES_PER_TURN: usize = 8;
/// The lane that may use the reserved places.
const OTP: usize = 0;

/// Groups a carrier may pull from in this turn that have something to send.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    groups: Vec<Candidate>,
    /// How many of them have something in each lane.
    open: [usize; 4],
}

#[derive(Debug)]
struct Candidate {
    group: usize,
    lanes: [bool; 4],
}

impl Candidates {
    fn clear(&mut self) {
        self.groups.clear();
        self.open = [0; 4];
    }

    fn add(&mut self, group: usize, lanes: [bool; 4]) {
        if lanes == [false; 4] {
            return;
        }
        self.groups.push(Candidate { group, lanes });
        for (open, able) in self.open.iter_mut().zip(lanes) {
            *open += usize::from(able);
        }
    }

    fn sendable(&self) -> [bool; 4] {
        self.open.map(|groups| groups > 0)
    }

    /// The candidate whose turn it is in a lane: the first with a group after `last`, else the first.
    fn next(&self, lane: usize, last: usize) -> Option<usize> {
        let able = |candidate: &Candidate| candidate.lanes[lane];
        let after = |candidate: &Candidate| candidate.group > last && able(candidate);
        self.groups
            .iter()
            .position(after)
            .or_else(|| self.groups.iter().position(able))
    }

    /// Nothing more goes from this lane of a candidate in this turn.
    fn close(&mut self, at: usize, lane: usize) {
        if std::mem::take(&mut self.groups[at].lanes[lane]) {
            self.open[lane] -= 1;
        }
    }
}

/// Free places of a session. Ordinary places are used up first, by otp too: the reserve is what bulk must leave over, not a queue of its
/// own, and so it is there when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    any: u32,
    otp: u32,
}

impl Places {
    pub(super) const fn of(slot: Slot) -> Self {
        Self {
            any: slot.free,
            otp: slot.free_otp,
        }
    }

    /// Of the lanes with work, those that may still take a place.
    pub(super) const fn open_to(self, sendable: [bool; 4]) -> [bool; 4] {
        match (self.any, self.otp) {
            (0, 0) => [false; 4],
            (0, _) => [sendable[OTP], false, false, false],
            (_, _) => sendable,
        }
    }

    /// Takes a place for a lane that [`Self::open_to`] let through.
    pub(super) fn take(&mut self, lane: usize) {
        if self.any > 0 {
            self.any -= 1;
        } else {
            debug_assert!(lane == OTP && self.otp > 0, "reserved places are for otp");
            self.otp = self.otp.saturating_sub(1);
        }
    }
}

impl Cell {
    /// Sends what may go out over this carrier now. `true` when it sent something.
    pub(super) fn dispatch(
        &mut self,
        at: usize,
        now: Now,
        sink: &mut dyn WrittenSink,
        wishes: &mut Wishes,
    ) -> Result<bool, WrittenFailed> {
        let mut sent = false;
        self.carriers[at].blocked_until_ns = None;
        self.find_candidates(at);
        for _ in 0..BATCHES_PER_TURN {
            // Asked first because it costs nothing; a slot may cost a system call.
            if self.candidates.sendable() == [false; 4] {
                break;
            }
            let Some(slot) = self.carriers[at].connector.poll_slot(now) else {
                break;
            };
            self.fill_batch(at, slot, now, wishes);
            let carrier = &mut self.carriers[at];
            if carrier.batch.is_empty() {
                break;
            }
            sink.written(carrier.id, &carrier.batch, now)?;
            carrier.note_written(now);
            carrier.connector.submit(&mut carrier.batch, now);
            sent = true;
            if carrier.blocked_until_ns.is_some() {
                break;
            }
        }
        self.carriers[at].end_turn(now);
        Ok(sent)
    }

    /// The groups this carrier may pull from now: those in which no carrier of an earlier tier is bound.
    fn find_candidates(&mut self, at: usize) {
        self.candidates.clear();
        let bound = |carrier: &usize| self.carriers[*carrier].is_bound();
        for (index, group) in self.groups.iter().enumerate() {
            if group.may_pull(at, bound) {
                self.candidates.add(index, group.sendable());
            }
        }
    }

    fn fill_batch(&mut self, at: usize, slot: Slot, now: Now, wishes: &mut Wishes) {
        let mut places = Places::of(slot);
        while self.carriers[at].batch.len() < BATCH_MAX {
            let Some((work, lane)) = self.next_work(at, places, now, wishes) else {
                break;
            };
            places.take(lane);
            let dispatch = work.dispatch(slot.session, now);
            self.carriers[at].batch.push(dispatch);
        }
    }

    /// Takes a permit and pops what goes next over this carrier, with its lane; `None` when nothing may, or no permit is to be had.
    fn next_work(
        &mut self,
        at: usize,
        places: Places,
        now: Now,
        wishes: &mut Wishes,
    ) -> Option<(Work, usize)> {
        let carrier = &mut self.carriers[at];
        loop {
            let sendable = places.open_to(self.candidates.sendable());
            let lane = carrier.share.choose(sendable)?;
            let candidate = self.candidates.next(lane, carrier.last_group[lane])?;
            let from = self.candidates.groups[candidate].group;
            let group = &mut self.groups[from];
            let mut voids = Voids {
                withdrawn: &mut self.withdrawn,
                superseded: &mut self.superseded,
                expired: &mut wishes.expired,
            };
            if !group.settle_head(lane, now, &mut voids) {
                self.candidates.close(candidate, lane);
                continue;
            }
            let permit = carrier.take_permit(now)?;
            let popped = group
                .pop(lane, now)
                .expect("settle_head found a message that may be sent");
            carrier.spend(permit, lane, sendable, now);
            carrier.last_group[lane] = from;
            let before_ns = std::mem::replace(&mut carrier.last_pop_ns[lane], now.mono_ns);
            self.latency[lane].popped(at, &popped.work, before_ns.max(popped.before_ns), now);
            if !popped.more {
                self.candidates.close(candidate, lane);
            }
            return Some((popped.work, lane));
        }
    }
}
