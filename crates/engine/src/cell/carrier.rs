use std::collections::VecDeque;

use connector::Dispatch;
use message::{CarrierId, Now};
use queue::{DEFAULT_WEIGHTS, LaneShare, ShareError};
use throttle::{CarrierThrottle, Contract, Permit};

use super::BoxedConnector;

const SECOND_NS: u64 = 1_000_000_000;
/// A carrier counts as bound for so long after its last session was seen, for the ceiling of the otp lane.
const BOUND_GRACE_NS: u64 = 10 * SECOND_NS;

/// What a cell needs of a carrier.
pub(crate) struct CarrierSetup {
    pub(crate) id: CarrierId,
    pub(crate) contract: Option<Contract>,
    pub(crate) connector: BoxedConnector,
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
    /// Segments sent since the claims were last sized, and the smoothed number between two group commits.
    sent_since_commit: usize,
    sent_per_commit: usize,
    window: u32,
    bound: bool,
    bound_seen_ns: Option<u64>,
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
            share: LaneShare::new(DEFAULT_WEIGHTS)?,
            batch: Vec::new(),
            blocked_until_ns: None,
            rate: RateWatch::default(),
            sent_since_commit: 0,
            sent_per_commit: 0,
            window: 0,
            bound: false,
            bound_seen_ns: None,
        })
    }

    pub(crate) fn begin_turn(&mut self, now: Now) {
        self.rate
            .note_turn(now.mono_ns, self.blocked_until_ns.is_some());
        self.blocked_until_ns = None;
    }

    /// Refreshes what is read of the connector's counts; once a turn.
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

    /// How many messages should be claimed ahead: the larger of two windows and two group commits' worth.
    pub(crate) fn claim_ahead(&self) -> usize {
        (2 * self.window as usize).max(2 * self.sent_per_commit)
    }

    pub(crate) fn sends_in_ten_seconds(&self, now: Now) -> u64 {
        let bound = self
            .bound_seen_ns
            .is_some_and(|seen_ns| now.mono_ns.saturating_sub(seen_ns) <= BOUND_GRACE_NS);
        match self.throttle.bucket() {
            _ if !bound => 0,
            Some(bucket) => u64::from(bucket.contract().segments_per_second()) * 10,
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

/// What the carrier was sent, against its contract.
#[derive(Debug, Default)]
pub(crate) struct RateWatch {
    /// Write stamps of the last second.
    stamps: VecDeque<(u64, usize)>,
    in_window: usize,
    pub(crate) max_in_any_second: usize,
    pub(crate) written: u64,
    /// Time in which work waited, a slot was free and only a permit was missing.
    pub(crate) limited_ns: u64,
    /// Segments written in that time.
    pub(crate) written_while_limited: u64,
    last_turn_ns: u64,
    limited: bool,
}

impl RateWatch {
    fn note_turn(&mut self, now_ns: u64, limited: bool) {
        if self.limited {
            self.limited_ns += now_ns.saturating_sub(self.last_turn_ns);
        }
        self.limited = limited;
        self.last_turn_ns = now_ns;
    }

    fn note_written(&mut self, now_ns: u64, segments: usize) {
        self.written += segments as u64;
        if self.limited {
            self.written_while_limited += segments as u64;
        }
        self.stamps.push_back((now_ns, segments));
        self.in_window += segments;
        while let Some((stamp_ns, count)) = self.stamps.front()
            && now_ns - stamp_ns >= SECOND_NS
        {
            self.in_window -= count;
            self.stamps.pop_front();
        }
        self.max_in_any_second = self.max_in_any_second.max(self.in_window);
    }
}
