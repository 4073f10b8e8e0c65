//! What the front doors and the shard share: rings, credits, gauges. Every field is lock-free or touched only when somebody waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use governor::clock::MonotonicClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use message::{CarrierId, LANES, Lane, Reason, RouteGroupId, TenantId};
use queue::{Amount, CreditScopes, Credits, Ring, Scope, WakeFlag};
use tokio::sync::Notify;

use crate::config::EngineConfig;
use crate::control::Control;
use crate::events::EventLog;
use crate::history::History;
use crate::inbound::InboundStore;
use crate::intake::IntakeRings;
use crate::keys::KeyShelf;
use crate::metrics::EngineMetrics;

/// Requests about single messages that may wait for the shard.
const CONTROL_SLOTS: usize = 4_096;

/// Share of all credits that a lane may take, in percent: a full bulk lane must leave room for what is more urgent.
const LANE_CREDIT_PERCENT: [u64; 4] = [100, 100, 95, 90];

type OtpLimiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock>;

/// Where the engine is in its life.
///
/// ```text
/// Starting ──replayed──► Open ──drain──► Draining ──at rest──► Stopped
///     ├──────────stop───────┴───────stop──────┴──────────────────► Stopped
///     └── start-up fails, or a log on the disk does, or the thread panics ──► Failed, from any of them
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The journal is being replayed; nothing is admitted.
    Starting,
    /// Everything is open.
    Open,
    /// Nothing is admitted; what is in flight is finished.
    Draining,
    /// Over.
    Stopped,
    /// Start-up failed, or a log on the disk did; nothing is admitted or sent until a restart.
    Failed,
}

/// Every stage, in the order of the enum: the atomic holds a place in here.
const LIVES: [Life; 5] = [
    Life::Starting,
    Life::Open,
    Life::Draining,
    Life::Stopped,
    Life::Failed,
];

impl Life {
    /// Whether nobody looks into the rings any more, or will soon not.
    pub(crate) const fn is_over(self) -> bool {
        match self {
            Self::Starting | Self::Open | Self::Draining => false,
            Self::Stopped | Self::Failed => true,
        }
    }

    /// Why nothing is admitted now; `None` while everything is open.
    pub(crate) const fn refuses(self) -> Option<Reason> {
        match self {
            Self::Open => None,
            Self::Starting | Self::Draining | Self::Stopped => Some(Reason::Draining),
            Self::Failed => Some(Reason::JournalFailed),
        }
    }
}

/// What intake must know of a route group without asking the shard.
#[derive(Debug)]
pub(crate) struct GroupGauge {
    /// Messages in each lane, published by the cell every turn.
    pub(crate) waiting: [AtomicU64; 4],
    /// Messages on their way into each lane: admitted by intake, not yet in it.
    pub(crate) entering: [AtomicU64; 4],
    /// Messages of each lane that lie cold, published by the cell every turn.
    pub(crate) spilled: [AtomicU64; 4],
    /// What the bound carriers send in the time that an otp lane may hold ([`EngineConfig::otp_lane_ms`]).
    pub(crate) otp_limit: AtomicU64,
}

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) engine_credits: Credits,
    pub(crate) lane_credits: [Credits; 4],
    /// Places for cold messages; one of no bytes each.
    pub(crate) backlog_credits: Credits,
    pub(crate) otp_limiters: HashMap<TenantId, OtpLimiter>,
    pub(crate) intake: IntakeRings,
    /// Told when the shard has taken something from the intake or the control ring, or has ended.
    pub(crate) ring_space: Notify,
    pub(crate) life_changed: Notify,
    pub(crate) control: Ring<Control>,
    pub(crate) flag: Arc<WakeFlag>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) events: Arc<EventLog>,
    pub(crate) inbound: Arc<InboundStore>,
    pub(crate) history: Arc<History>,
    pub(crate) groups: HashMap<RouteGroupId, GroupGauge>,
    pub(crate) receipts_awaited: AtomicU64,
    pub(crate) keys: KeyShelf,
    pub(crate) metrics: EngineMetrics,
    randoms: AtomicU64,
    life: AtomicU8,
    /// The disk is full: nothing new is admitted until it is not.
    no_space: AtomicBool,
}

/// A limit in the configuration that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("limit `{field}` is {value}: allowed are {allowed}")]
pub struct LimitError {
    /// The limit.
    pub field: &'static str,
    /// Its value.
    pub value: u64,
    /// What is allowed.
    pub allowed: String,
}

impl Shared {
    pub(crate) fn new(config: EngineConfig, seed: u64) -> Result<Arc<Self>, LimitError> {
        let limits = &config.limits;
        let all = Amount {
            messages: u32::try_from(limits.messages).unwrap_or(u32::MAX),
            bytes: limits.bytes,
        };
        let credits = |scope, amount: Amount| {
            Credits::new(scope, amount).map_err(|error| LimitError {
                field: "messages and bytes",
                value: limits.messages,
                allowed: error.to_string(),
            })
        };
        let lane = |at: usize| {
            let part = |whole: u64| (whole * LANE_CREDIT_PERCENT[at] / 100).max(1);
            let amount = Amount {
                messages: u32::try_from(part(u64::from(all.messages))).unwrap_or(u32::MAX),
                bytes: part(all.bytes),
            };
            credits(Scope::Lane, amount)
        };
        let wake = Arc::new(Notify::new());
        let waking = Arc::clone(&wake);
        let flag = Arc::new(WakeFlag::new(move || waking.notify_one()));
        let groups = config
            .routes
            .groups()
            .iter()
            .map(|group| (group.id(), GroupGauge::new()));
        Ok(Arc::new(Self {
            engine_credits: credits(Scope::Engine, all)?,
            backlog_credits: backlog_credits(limits.backlog_messages)?,
            lane_credits: [lane(0)?, lane(1)?, lane(2)?, lane(3)?],
            otp_limiters: otp_limiters(&config),
            intake: IntakeRings::new(limits.intake_slots, &flag),
            ring_space: Notify::new(),
            life_changed: Notify::new(),
            control: Ring::new(CONTROL_SLOTS, Arc::clone(&flag)),
            events: EventLog::new(limits.events),
            inbound: Arc::default(),
            history: Arc::new(History::new(config.limits.history)),
            groups: groups.collect(),
            receipts_awaited: AtomicU64::new(0),
            keys: KeyShelf::new(limits.idempotency_keys, limits.keys_when_full),
            metrics: EngineMetrics::new(&config),
            randoms: AtomicU64::new(seed),
            life: AtomicU8::new(Life::Starting as u8),
            no_space: AtomicBool::new(false),
            flag,
            wake,
            config,
        }))
    }

    pub(crate) fn life(&self) -> Life {
        LIVES[usize::from(self.life.load(Ordering::Acquire))]
    }

    pub(crate) fn set_life(&self, life: Life) {
        self.life.store(life as u8, Ordering::Release);
        self.publish_intake();
        self.wake.notify_one();
        // Whoever waits for room must not wait for an engine that will make none.
        self.life_changed.notify_waiters();
        self.ring_space.notify_waiters();
    }

    /// Why nothing is admitted now; `None` while everything is open.
    pub(crate) fn refuses(&self) -> Option<Reason> {
        let full = self.no_space.load(Ordering::Acquire);
        self.life()
            .refuses()
            .or(full.then_some(Reason::JournalNoSpace))
    }

    /// Told by the shard when the disk is full, and when it is not any more.
    pub(crate) fn set_no_space(&self, full: bool) {
        self.no_space.store(full, Ordering::Release);
        self.publish_intake();
        // Whoever waits for room is refused now.
        self.life_changed.notify_waiters();
        self.ring_space.notify_waiters();
    }

    fn publish_intake(&self) {
        let open = self.refuses().is_none();
        self.metrics.intake_open.set(f64::from(u8::from(open)));
    }

    /// The credits a message of this lane needs: of its lane and of the engine, all or nothing.
    pub(crate) fn scopes(&self, lane: Lane) -> CreditScopes<'_> {
        CreditScopes::new(&[&self.lane_credits[lane.index()], &self.engine_credits])
    }

    /// The scope of cold messages.
    pub(crate) fn backlog_scope(&self) -> CreditScopes<'_> {
        CreditScopes::new(&[&self.backlog_credits])
    }

    /// Whether a message for this lane would have to lie cold and there is no room left for that.
    pub(crate) fn is_backlog_full(&self, group: RouteGroupId, lane: Lane) -> bool {
        let spilled = self.groups.get(&group).map_or(0, |gauge| {
            gauge.spilled[lane.index()].load(Ordering::Relaxed)
        });
        spilled > 0 && self.backlog_credits.available().messages == 0
    }

    /// A message holds another share of the byte credits. It is admitted, so that more of them are overdrawn if need be: a text at most.
    pub(crate) fn recost(&self, lane: Lane, from_bytes: u32, to_bytes: u32) {
        let bytes = |amount: u32| Amount {
            messages: 0,
            bytes: u64::from(amount),
        };
        if to_bytes > from_bytes {
            let more = self.scopes(lane).overdraw(bytes(to_bytes - from_bytes));
            let _held_by_the_message = more.into_held();
        } else {
            self.scopes(lane).release(bytes(from_bytes - to_bytes));
        }
    }

    /// 64 random bits: a counter stepped by the golden ratio and mixed (SplitMix64), seeded by the operating system at start.
    pub(crate) fn random(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self
            .randoms
            .fetch_add(step, Ordering::Relaxed)
            .wrapping_add(step);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn carrier_name(&self, id: CarrierId) -> Option<&str> {
        self.config
            .carriers
            .iter()
            .find(|carrier| carrier.id() == id)
            .map(|carrier| carrier.name.as_str())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("life", &self.life())
            .field("credits", &self.engine_credits.in_use())
            .finish_non_exhaustive()
    }
}

impl GroupGauge {
    fn new() -> Self {
        Self {
            waiting: LANES.map(|_| AtomicU64::new(0)),
            entering: LANES.map(|_| AtomicU64::new(0)),
            spilled: LANES.map(|_| AtomicU64::new(0)),
            otp_limit: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn depth(&self, lane: Lane) -> u64 {
        let at = lane.index();
        self.waiting[at].load(Ordering::Relaxed) + self.entering[at].load(Ordering::Relaxed)
    }

    pub(crate) fn entered(&self, lane: Lane) {
        self.entering[lane.index()].fetch_sub(1, Ordering::Relaxed);
    }
}

fn backlog_credits(messages: u64) -> Result<Credits, LimitError> {
    let limit = Amount {
        // None at all is said by the limit itself: then nothing is ever spilled.
        messages: u32::try_from(messages.max(1)).unwrap_or(u32::MAX),
        bytes: queue::credits::MAX_BYTES,
    };
    Credits::new(Scope::Backlog, limit).map_err(|error| LimitError {
        field: "backlog_messages",
        value: messages,
        allowed: error.to_string(),
    })
}

fn otp_limiters(config: &EngineConfig) -> HashMap<TenantId, OtpLimiter> {
    config
        .tenants
        .iter()
        .filter_map(|tenant| {
            let rate = std::num::NonZeroU32::new(tenant.otp_per_second?)?;
            let limiter = RateLimiter::direct_with_clock(Quota::per_second(rate), MonotonicClock);
            Some((tenant.id(), limiter))
        })
        .collect()
}
