//! What a seed stands for: the carriers, the configuration, the workload, the faults and their times.

mod faults;
mod workload;

use connector::Connector;
use engine::{
    CarrierConfig, EngineConfig, Limits, PartitionLimits, Policy, RetryPolicy, SyncPolicy,
    TenantConfig,
};
use message::{CarrierId, Lane, Msisdn, Slug};
pub(crate) use partition::OnUncertain;
use routing::{Prefix, Route, RouteGroup, RouteTable};
use smpp_client::{BindMode, Credentials, ReconnectConfig};
use throttle::Contract;

use crate::book::Book;
use crate::carrier::script::CarrierScript;
use crate::clock;
use crate::dice::Dice;
pub(crate) use faults::{Fault, TimedFault};
pub(crate) use workload::{Follow, Wish};

/// The tenants of every run.
pub(crate) const TENANTS: [&str; 2] = ["acme", "bolt"];
/// Recipients of the second route group, where there is one.
const SOME_PREFIX: &str = "81901234500";
const CARRIERS: [&str; 3] = ["carrier-a", "carrier-b", "carrier-c"];

/// What kind of run a seed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing goes wrong: pace and head-of-line time are held to the promised figures.
    Calm,
    /// Nothing goes wrong but that the process is stopped for a while: nothing is in doubt for it.
    Frozen,
    /// Anything may go wrong: nothing is lost, nothing is sent twice in silence.
    Rough,
}

/// One carrier of a run.
#[derive(Clone, Debug)]
pub(crate) struct CarrierPlan {
    pub(crate) name: &'static str,
    pub(crate) contract: Option<Contract>,
    pub(crate) client: smpp_client::CarrierConfig,
    pub(crate) script: CarrierScript,
    /// When handsets write.
    pub(crate) handsets_ns: Vec<u64>,
}

/// How fast the disk is, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskPlan {
    pub(crate) write_ns: (u64, u64),
    pub(crate) sync_ns: (u64, u64),
}

/// A whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) carriers: Vec<CarrierPlan>,
    pub(crate) disk: DiskPlan,
    pub(crate) sync: SyncPolicy,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) faults: Vec<TimedFault>,
    partitions: u16,
    tiers: Vec<Vec<usize>>,
    /// The carrier of a second route group, which shares it with the first.
    some: Option<usize>,
    policy: Policy,
    journal_file_max_bytes: u64,
    /// What is kept of what a restart does not need, in bytes: mostly everything, so that the whole journal can be judged.
    history_max_bytes: u64,
    /// So few that ordinary loads go on in the journal, or so many that none does.
    head_messages: usize,
    credits: u64,
    receipts_awaited: u64,
    /// So few that most awaited receipts lie on the disk, or so many that none does.
    receipts_in_memory: u64,
    early_receipts: usize,
    inbound: usize,
}

impl Plan {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let profile = match dice.below(100) {
            0..20 => Profile::Calm,
            20..26 => Profile::Frozen,
            _ => Profile::Rough,
        };
        let count = dice.pick(&[1, 1, 2, 2, 3]);
        let carriers: Vec<_> = (0..count)
            .map(|at| carrier(CARRIERS[at], profile, dice))
            .collect();
        let tiers = match dice.below(3) {
            0 => vec![(0..count).collect()],
            _ => (0..count).map(|at| vec![at]).collect(),
        };
        let wishes = workload::wishes(profile, dice);
        let faults = match profile {
            Profile::Calm => Vec::new(),
            Profile::Frozen => vec![faults::freeze(dice)],
            Profile::Rough => faults::faults(count, dice),
        };
        Self {
            profile,
            carriers,
            disk: disk(dice),
            sync: sync(dice),
            wishes,
            faults,
            partitions: dice.pick(&[1, 2, 4, 16]),
            tiers,
            some: dice.chance(400).then(|| dice.pick(&[0, 1, 2]) % count),
            policy: policy(dice),
            journal_file_max_bytes: dice.pick(&[4 << 10, 16 << 10, 256 << 10]),
            history_max_bytes: dice.pick(&[10 << 30, 10 << 30, 10 << 30, 20 << 10, 0]),
            head_messages: dice.pick(&[16, 16, 64, 32_768]),
            credits: limit(profile, 8, dice),
            receipts_awaited: limit(profile, 10, dice),
            early_receipts: usize::try_from(limit(profile, 2, dice)).unwrap_or(usize::MAX),
            receipts_in_memory: dice.pick(&[0, 1, 10, 500_000]),
            inbound: usize::try_from(limit(profile, 1, dice)).unwrap_or(usize::MAX),
        }
    }

    /// The engine's configuration: the same for every process of the run.
    pub(crate) fn engine(&self, storage: std::sync::Arc<dyn journal::Storage>) -> EngineConfig {
        EngineConfig {
            storage,
            limits: Limits {
                messages: self.credits,
                bytes: 64 << 20,
                backlog_messages: 100_000,
                head_messages: self.head_messages,
                receipts_awaited: self.receipts_awaited,
                receipts_in_memory: self.receipts_in_memory,
                intake_slots: 1_024,
                events: 100_000,
                partitions: self.partitions,
                partition: self.partition_limits(),
                ..Limits::default()
            },
            carriers: self.carriers.iter().map(engine_carrier).collect(),
            tenants: TENANTS.into_iter().map(tenant).collect(),
            routes: self.routes(),
            valid_for_ms: [20_000, 40_000, 60_000, 60_000],
            journal_file_max_bytes: self.journal_file_max_bytes,
            journal_buffer_max_bytes: (2 << 20) + 2,
            journal_sync: self.sync,
            journal_reserve_bytes: 64 << 10,
            journal_history: engine::HistoryRetention {
                max_bytes: self.history_max_bytes,
                ..engine::HistoryRetention::default()
            },
            ..EngineConfig::new("/data".into(), clock::now)
        }
    }

    /// How attempts are settled.
    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the policy says about an attempt in doubt.
    pub(crate) const fn on_uncertain(&self, lane: Lane) -> OnUncertain {
        self.policy.on_uncertain(lane)
    }

    /// The journal's fold, with nothing in it yet.
    pub(crate) fn book(&self) -> Book {
        Book::new(self.partitions, self.partition_limits())
    }

    fn partition_limits(&self) -> PartitionLimits {
        PartitionLimits {
            early_receipt_ms: 10_000,
            early_receipts: self.early_receipts,
            inbound: self.inbound,
            // Files are small, too.
            pinned_by_bytes: 1 << 10,
            policy: self.policy,
            ..PartitionLimits::default()
        }
    }

    fn routes(&self) -> RouteTable {
        let id = |at: &usize| CarrierId::of(&slug(self.carriers[*at].name));
        let group = |name: &str, tiers: &[Vec<usize>]| {
            let tiers = tiers.iter().map(|tier| tier.iter().map(id).collect());
            RouteGroup::new(slug(name), tiers.collect()).expect("each carrier is in one tier")
        };
        let route = |prefix, name| Route {
            prefix,
            group: slug(name),
        };
        let mut known = vec![group("all", &self.tiers)];
        let mut routes = vec![route(Prefix::DEFAULT, "all")];
        if let Some(some) = self.some {
            let prefix = SOME_PREFIX.parse().expect("digits are a prefix");
            known.push(group("some", &[vec![some]]));
            routes.push(route(prefix, "some"));
        }
        RouteTable::build(known, routes).expect("each route leads to a group")
    }

    /// The only carrier that messages to this recipient may take; `None` where all may.
    pub(crate) fn only_carrier(&self, recipient: Msisdn) -> Option<usize> {
        self.some
            .filter(|_| recipient.digits().starts_with(SOME_PREFIX))
    }

    /// Whether the head-of-line time can be told from outside: one carrier, and one group,
    /// so that nothing else decides who goes first.
    pub(crate) fn one_carrier(&self) -> bool {
        self.carriers.len() == 1 && self.some.is_none()
    }
}

/// The connectors of a process, one per carrier.
pub(crate) type Connectors = Vec<Box<dyn Connector>>;

/// A name that is known to be one.
pub(crate) fn slug(name: &str) -> Slug {
    name.parse().expect("the names in this file are slugs")
}

fn engine_carrier(plan: &CarrierPlan) -> CarrierConfig {
    CarrierConfig {
        name: slug(plan.name),
        contract: plan.contract,
    }
}

fn tenant(name: &str) -> TenantConfig {
    TenantConfig {
        name: slug(name),
        weight: 1,
        otp_per_second: None,
    }
}

fn carrier(name: &'static str, profile: Profile, dice: &mut Dice) -> CarrierPlan {
    let script = match profile {
        Profile::Calm | Profile::Frozen => CarrierScript::calm(dice),
        Profile::Rough => CarrierScript::rough(dice),
    };
    let rate = dice.pick(&[None, Some(10), Some(50), Some(100), Some(200)]);
    let contract = rate.map(|rate| Contract::new(rate).expect("these rates are in range"));
    let credentials = Credentials {
        system_id: "hikyaku".into(),
        password: "secret".into(),
        system_type: "".into(),
    };
    let (response, receipt) = script.ids.rules();
    let client = smpp_client::CarrierConfig {
        bind: match dice.below(4) {
            0 => BindMode::TransmitterReceiver,
            _ => BindMode::Transceiver,
        },
        sessions: dice.pick(&[1, 1, 2, 3]),
        window_size: dice.pick(&[1, 4, 10, 50]),
        response_timeout_ms: 3_000,
        enquire_link_ms: 4_000,
        session_init_ms: 3_000,
        message_id_response: response,
        message_id_receipt: receipt,
        stamp_tlv: true,
        reconnect: ReconnectConfig {
            min_ms: 200,
            max_ms: 3_000,
            fatal_probe_ms: 5_000,
            seed: dice.bits(),
            ..ReconnectConfig::default()
        },
        ..smpp_client::CarrierConfig::new(
            CarrierId::of(&slug(name)),
            name,
            "carrier.example:2775",
            credentials,
        )
    };
    CarrierPlan {
        name,
        contract,
        client,
        script,
        handsets_ns: workload::handsets(dice),
    }
}

/// Now and then a limit that is reached.
fn limit(profile: Profile, tight: u64, dice: &mut Dice) -> u64 {
    match profile {
        Profile::Rough if dice.chance(150) => tight,
        Profile::Rough | Profile::Calm | Profile::Frozen => 100_000,
    }
}

fn disk(dice: &mut Dice) -> DiskPlan {
    use crate::clock::{MS, US};
    DiskPlan {
        write_ns: (5 * US, 60 * US),
        sync_ns: dice.pick(&[(100 * US, 400 * US), (500 * US, 2 * MS), (4 * MS, 15 * MS)]),
    }
}

fn sync(dice: &mut Dice) -> SyncPolicy {
    match dice.below(10) {
        0..6 => SyncPolicy::Always,
        6..9 => SyncPolicy::Interval {
            interval_ms: dice.pick(&[10, 100, 1_000]),
        },
        _ => SyncPolicy::None,
    }
}

fn policy(dice: &mut Dice) -> Policy {
    let any = [
        OnUncertain::ResendOnce,
        OnUncertain::AwaitReceipt,
        OnUncertain::Fail,
    ];
    let usual = Policy::default().on_uncertain;
    let on_uncertain = if dice.chance(700) {
        usual
    } else {
        usual.map(|_| dice.pick(&any))
    };
    Policy {
        retry: RetryPolicy {
            attempts_max: dice.pick(&[2, 5]),
            delay_ms: dice.pick(&[100, 1_000]),
            delay_max_ms: 4_000,
        },
        on_uncertain,
        uncertain_after_ms: dice
            .pick(&[[1_000, 1_500, 3_500, 3_500], [2_000, 5_000, 5_000, 5_000]]),
        uncertain_deadline_ms: dice.pick(&[8_000, 20_000]),
        receipt_deadline_ms: dice.pick(&[15_000, 50_000]),
    }
}
