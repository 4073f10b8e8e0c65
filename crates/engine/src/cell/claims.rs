//! What should be claimed next: enough that the carriers never wait for a group commit, and no more, since after a power cut whatever is
//! claimed is in doubt.

use message::{LANES, Now};

use super::group::{ClaimNext, Voids};
use super::{Cell, Wishes};

/// Most claims in a turn: each is a decision of its partition, and an otp waits for the turn to end.
const CLAIMS_PER_TURN: usize = 256;

impl Cell {
    /// Wishes for claims, otp of all groups first. `true` when another turn has something to do at once: more to claim than fits into one,
    /// or a message that turned out to be claimed already.
    pub(super) fn wish_claims(&mut self, now: Now, wishes: &mut Wishes) -> bool {
        self.count_sharers();
        let (mut busy, mut left) = (false, CLAIMS_PER_TURN);
        for lane in LANES.map(message::Lane::index) {
            for at in 0..self.groups.len() {
                let ahead = self.ahead_in_lane(at);
                if ahead == 0 {
                    continue;
                }
                let group = &mut self.groups[at];
                let sendable = group.sendable()[lane];
                let mut voids = Voids {
                    withdrawn: &mut self.withdrawn,
                    superseded: &mut self.superseded,
                    expired: &mut wishes.expired,
                };
                while left > 0 {
                    match group.claim_next(lane, ahead, now, &mut voids) {
                        ClaimNext::Claim(id) => {
                            self.claiming.push_back((at, lane));
                            wishes.claims.push(id);
                        }
                        ClaimNext::NoneNeeded => {}
                        ClaimNext::Enough => break,
                    }
                    left -= 1;
                }
                busy |= !sendable && group.sendable()[lane];
            }
        }
        busy || left == 0
    }

    /// Counts for each carrier the groups with work that it may pull from: they share what is claimed ahead for it.
    fn count_sharers(&mut self) {
        for carrier in &mut self.carriers {
            carrier.sharers = 0;
        }
        for group in self.groups.iter().filter(|group| group.is_busy()) {
            for at in group.carriers() {
                let pulls = group.may_pull(at, |carrier| self.carriers[*carrier].is_bound());
                self.carriers[at].sharers += usize::from(pulls);
            }
        }
    }

    /// How many messages should be claimed ahead in each lane of a group: its share of what its carriers want, at least one while any of
    /// them can send.
    fn ahead_in_lane(&self, at: usize) -> usize {
        let group = &self.groups[at];
        let busy = group.busy_lanes();
        if busy == 0 {
            return 0;
        }
        let bound = |carrier: &usize| self.carriers[*carrier].is_bound();
        let ahead: usize = group
            .carriers()
            .filter(|carrier| group.may_pull(*carrier, bound))
            .map(|carrier| {
                let carrier = &self.carriers[carrier];
                carrier.claim_ahead().div_ceil(carrier.sharers.max(1))
            })
            .sum();
        ahead.div_ceil(busy)
    }
}
