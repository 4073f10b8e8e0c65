//! A carrier as its cell sees it: connector, throttle, shares of the lanes, and how much to claim ahead for it.

use connector::Dispatch;
use message::{CarrierId, Now};
use queue::{LaneShare, ShareError};
use throttle::{CarrierThrottle, Contract, Permit, Speed};

use super::BoxedConnector;
use super::rate::{Limited, RateWatch};

const SECOND_NS: u64 = 1_000_000_000;
/// A carrier counts as bound for so long after its last session was seen, for the ceiling of the otp lane.
const BOUND_GRACE_NS: u64 = 10 * SECOND_NS;
/// Most messages claimed ahead for one carrier: after a power cut each of them is in doubt.
const CLAIM_AHEAD_MAX: usize = 16_384;

/// What a cell needs of a carrier.
pub(crate) struct CarrierSetup {
    pub(crate) id: CarrierId,
    pub(crate) contract: Option<Contract>,
    pub(crate) connector: BoxedConnector,
    /// Shares of alert, normal and bulk.
    pub(crate) lane_weights: [u32; 3],
    /// How long an otp lane may take to send, in milliseconds.
    pub(crate) otp_lane_ms: u64,
}

/// A carrier in its cell.
pub(crate) struct Carrier {
    pub(crate) id: CarrierId,
    pub(crate) connector: BoxedConnector,
    pub(crate) throttle: CarrierThrottle,
    pub(crate) share: LaneShare,
    pub(crate) batch: Vec<Dispatch>,
    /// When a permit may next be had; set while work waits for one.
    pub(crate) blocked_until_ns: Option<u64>,
    pub(crate) rate: RateWatch,
    /// When a message of each lane last went out over this carrier.
    pub(super) last_pop_ns: [u64; 4],
    /// The group whose message of each lane last did: the next group's turn comes after it.
    pub(super) last_group: [usize; 4],
    /// Groups with work that share it; set when claims are shared out.
    pub(super) sharers: usize,
    /// Segments sent since the claims were last sized, and the smoothed number between two group commits.
    sent_since_commit: usize,
    sent_per_commit: usize,
    window: u32,
    bound: bool,
    bound_seen_ns: Option<u64>,
    otp_lane_ms: u64,
}

impl Carrier {
    pub(crate) fn new(setup: CarrierSetup, now: Now) -> Result<Self, ShareError> {
        let throttle = match setup.contract {
            Some(contract) => CarrierThrottle::contracted(contract, now.mono_ns),
            None => CarrierThrottle::unlimited(),
        };
        Ok(Self {
            id: setup.id,
            connector: setup.connector,
            throttle,
            share: LaneShare::new(setup.lane_weights)?,
            batch: Vec::new(),
            blocked_until_ns: None,
            rate: RateWatch::default(),
            last_pop_ns: [0; 4],
            last_group: [usize::MAX; 4],
            sharers: 0,
            sent_since_commit: 0,
            sent_per_commit: 0,
            window: 0,
            bound: false,
            // A carrier is given the time to bind: at the start, otp wait for it rather than be refused.
            bound_seen_ns: Some(now.mono_ns),
            otp_lane_ms: setup.otp_lane_ms,
        })
    }

    /// Closes the turn's account: a stretch of time counts as limited when it begins with only a permit missing. While the carrier is
    /// frozen or slowed down by its own complaints, its contract is not what limits.
    pub(super) fn end_turn(&mut self, now: Now) {
        let full_pace = self.throttle.speed(now.mono_ns) == Speed::NOMINAL;
        let limited = match (self.blocked_until_ns, self.throttle.bucket()) {
            (Some(until_ns), Some(bucket)) if full_pace => Some(Limited {
                until_ns,
                interval_ns: bucket.interval_ns(),
            }),
            _ => None,
        };
        self.rate.end_turn(now.mono_ns, limited);
    }

    /// Reads the connector's counts anew: when a session comes or goes, and now and then.
    pub(crate) fn refresh(&mut self, now: Now) {
        let status = self.connector.status();
        self.window = status.window;
        self.bound = status.sessions_bound > 0;
        if self.bound {
            self.bound_seen_ns = Some(now.mono_ns);
        }
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    pub(crate) fn take_permit(&mut self, now: Now) -> Option<Permit> {
        match self.throttle.take(now.mono_ns) {
            Ok(permit) => Some(permit),
            Err(not_until) => {
                self.blocked_until_ns = Some(not_until.at_ns);
                None
            }
        }
    }

    /// Spends a permit in the turn that took it: the stamp is the turn's, and so cannot be too late.
    pub(crate) fn spend(&mut self, permit: Permit, lane: usize, sendable: [bool; 4], now: Now) {
        let spent = self.throttle.redeem(permit, now.mono_ns);
        debug_assert!(
            spent.is_ok(),
            "a permit lives longer than the turn that took it"
        );
        self.share.charge(lane, sendable);
    }

    pub(crate) fn note_written(&mut self, now: Now) {
        self.sent_since_commit += self.batch.len();
        self.rate.note_written(now.mono_ns, self.batch.len());
    }

    /// A group commit ended: what was sent since the last one sizes the claims.
    pub(crate) fn note_commit(&mut self) {
        let sent = std::mem::take(&mut self.sent_since_commit);
        self.sent_per_commit = sent.max(self.sent_per_commit * 7 / 8);
    }

    /// How many messages should be claimed ahead: the larger of two windows and two group commits' worth. None while no session is bound:
    /// nothing can be sent, and after a power cut whatever is claimed is in doubt.
    pub(super) fn claim_ahead(&self) -> usize {
        if !self.bound {
            return 0;
        }
        let windows = 2 * usize::try_from(self.window).unwrap_or(CLAIM_AHEAD_MAX);
        windows
            .max(2 * self.sent_per_commit)
            .clamp(1, CLAIM_AHEAD_MAX)
    }

    /// What it sends in the time that an otp lane may hold; nothing when no session was bound lately.
    pub(crate) fn otp_capacity(&self, now: Now) -> u64 {
        let bound = self
            .bound_seen_ns
            .is_some_and(|seen_ns| now.mono_ns.saturating_sub(seen_ns) <= BOUND_GRACE_NS);
        match self.throttle.bucket() {
            _ if !bound => 0,
            Some(bucket) => {
                u64::from(bucket.contract().segments_per_second()) * self.otp_lane_ms / 1_000
            }
            None => u64::MAX,
        }
    }
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier")
            .field("id", &self.id)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
