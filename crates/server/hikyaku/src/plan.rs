//! From a configuration to the parts that are started: what each layer is told.
//!
//! Everything that can be found wrong without opening a socket or a data directory is found here, so that `check` and `serve` agree.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use ::connector::Connector;
use engine::{
    ConnectorFactory, EngineConfig, EventHistory, Limits, PartitionLimits, Policy, TenantConfig,
};
use grpc_api::{
    CallerDirectory, CallerDirectoryError, CallerEntry, InboundAccess, ServerOptions, StreamLimits,
};
use message::{CATEGORIES, CallerId, CarrierId, Now, TenantId};
use routing::{Prefix, PrefixError, Route, RouteError, RouteGroup, RouteTable};
use smpp_client::PreparedCarrier;
use throttle::{Contract, ContractOutOfRange};

use crate::config::effective::{self, Config, Credential, Sync, Transport};
use crate::server_tls::{self, ServerTlsError};

/// Submissions that may wait for the shard: a few milliseconds of its work, so that a full ring refuses instead of hiding a delay.
const INTAKE_SLOTS: usize = 16_384;

/// Everything that is started.
pub(crate) struct Plan {
    /// What the engine is told.
    pub(crate) engine: EngineConfig,
    /// Makes the carriers' connectors, on the engine's thread.
    pub(crate) connectors: ConnectorFactory,
    /// Who may call.
    pub(crate) callers: CallerDirectory,
    /// How many long calls.
    pub(crate) streams: StreamLimits,
    /// How gRPC is served.
    pub(crate) server: ServerOptions,
}

/// Why a configuration cannot be started: the operator's to mend, a retry does not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// The routes make no table.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// A prefix is not one.
    #[error("route: {0}")]
    Prefix(#[from] PrefixError),
    /// The callers cannot be told apart.
    #[error(transparent)]
    Callers(#[from] CallerDirectoryError),
    /// A contract that cannot be kept.
    #[error("carrier {carrier}: {source}")]
    Contract {
        /// Whose.
        carrier: String,
        /// What is wrong.
        source: ContractOutOfRange,
    },
    /// A carrier's sessions or certificates.
    #[error("carrier {carrier}: {source}")]
    Carrier {
        /// Whose.
        carrier: String,
        /// What is wrong.
        source: smpp_client::StartError,
    },
    /// The listener's certificate.
    #[error("server.tls: {0}")]
    ServerTls(#[from] ServerTlsError),
    /// Partitions beyond what an id can name.
    #[error("journal.partitions is {0}: allowed are 1 to {max}", max = message::PARTITIONS_MAX)]
    Partitions(u32),
}

impl Plan {
    /// The plan of a configuration; reads certificates, opens nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, PlanError> {
        let prepared = config
            .carriers
            .iter()
            .map(prepare)
            .collect::<Result<Vec<_>, _>>()?;
        let carriers = config
            .carriers
            .iter()
            .map(paced)
            .collect::<Result<Vec<_>, _>>()?;
        let tls = match &config.server.transport {
            Transport::PlainLoopback => None,
            Transport::Tls(files) => Some(server_tls::load(files)?),
        };
        Ok(Self {
            engine: EngineConfig {
                dir: config.journal.dir.clone(),
                storage: engine::FileStorage::shared(),
                limits: limits(config)?,
                carriers,
                tenants: config.tenants.iter().map(tenant).collect(),
                routes: routes(config)?,
                valid_for_ms: CATEGORIES.map(|category| config.category(category).valid_for_ms),
                lanes: CATEGORIES.map(|category| config.category(category).lane),
                lane_weights: config.lane_weights,
                otp_lane_ms: config.otp_lane_ms,
                journal_file_max_bytes: config.journal.file_max_bytes,
                journal_sync: sync_policy(config.journal.sync),
                journal_reserve_bytes: config.journal.reserve_bytes,
                journal_history: config.retention.history,
                journal_buffer_max_bytes: as_count(config.journal.buffer_max_bytes),
                events: EventHistory {
                    max_bytes: config.retention.events_bytes,
                    max_age_ms: config.retention.events_ms,
                },
                send_at_horizon_ms: config.limits.send_at_horizon_ms,
                config_version: short_version(config.version),
                clock: now,
            },
            connectors: connectors(prepared),
            callers: CallerDirectory::new(config.callers.iter().map(caller).collect())?,
            streams: StreamLimits {
                submitters: as_count(config.limits.streams),
                watchers: as_count(config.limits.watchers),
            },
            server: ServerOptions {
                tls,
                ..ServerOptions::default()
            },
        })
    }
}

fn sync_policy(sync: Sync) -> engine::SyncPolicy {
    match sync {
        Sync::Always => engine::SyncPolicy::Always,
        Sync::Interval(interval_ms) => engine::SyncPolicy::Interval { interval_ms },
        Sync::None => engine::SyncPolicy::None,
    }
}

/// Both clocks. The session tasks read the same ones, so that their stamps can be compared with ours.
fn now() -> Now {
    smpp_client::Clock.now()
}

fn connectors(prepared: Vec<PreparedCarrier>) -> ConnectorFactory {
    Box::new(move |wake| {
        prepared
            .into_iter()
            .map(|carrier| Box::new(carrier.start(wake.clone())) as Box<dyn Connector>)
            .collect()
    })
}

/// Events carry 32 bits of the version: enough to tell one file from the next.
fn short_version(version: u64) -> u32 {
    u32::try_from(version >> 32).unwrap_or(u32::MAX)
}

/// A configured count, which a 64-bit machine can always address.
fn as_count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn limits(config: &Config) -> Result<Limits, PlanError> {
    let given = config.limits;
    let partitions = u16::try_from(config.journal.partitions)
        .map_err(|_| PlanError::Partitions(config.journal.partitions))?;
    let share = |whole: u64| fullest_share(whole, u64::from(partitions.max(1)));
    let carrier_policies = config.carriers.iter();
    Ok(Limits {
        messages: given.messages,
        bytes: given.bytes,
        head_messages: as_count(given.head_messages),
        backlog_messages: given.backlog_messages,
        receipts_awaited: given.receipts_awaited,
        receipts_in_memory: given.receipts_in_memory,
        intake_slots: INTAKE_SLOTS,
        events: as_count(given.events_kept),
        partitions,
        idempotency_keys: given.idempotency_keys,
        keys_when_full: given.keys_when_full,
        history: config.history,
        partition: PartitionLimits {
            finished: share(given.finished_kept),
            idempotency_keys: share(given.idempotency_keys.min(engine::UNFILED_KEYS_MAX)),
            idempotency_ms: config.retention.idempotency_keys_ms,
            early_receipts: share(given.early_receipts),
            early_receipt_ms: config.retention.early_receipts_ms,
            inbound: share(given.inbound_kept),
            inbound_ms: config.retention.inbound_ms,
            pinned_by_bytes: (config.journal.file_max_bytes / 64).max(1 << 10),
            policy: Policy::default(),
            carrier_policies: carrier_policies
                .map(|carrier| (CarrierId::of(&carrier.name), policy(carrier)))
                .collect(),
        },
    })
}

/// What the fullest partition holds of `whole` things that a hash spreads: four standard deviations above the mean, so that no
/// partition forgets before the configured number is reached.
fn fullest_share(whole: u64, partitions: u64) -> usize {
    let mean = whole.div_ceil(partitions);
    as_count(whole.min(mean + 4 * mean.isqrt() + 4))
}

fn policy(carrier: &effective::Carrier) -> Policy {
    Policy {
        retry: carrier.retry,
        on_uncertain: carrier.uncertain.map(|rule| rule.action),
        uncertain_after_ms: carrier.uncertain.map(|rule| rule.after_ms),
        uncertain_deadline_ms: carrier.uncertain_deadline_ms,
        receipt_deadline_ms: carrier.receipt_deadline_ms,
    }
}

fn paced(carrier: &effective::Carrier) -> Result<engine::CarrierConfig, PlanError> {
    let contract = carrier.contract_per_second.map(Contract::new).transpose();
    Ok(engine::CarrierConfig {
        name: carrier.name.clone(),
        contract: contract.map_err(|source| PlanError::Contract {
            carrier: carrier.name.to_string(),
            source,
        })?,
    })
}

fn tenant(tenant: &effective::Tenant) -> TenantConfig {
    TenantConfig {
        name: tenant.name.clone(),
        weight: tenant.weight,
        otp_per_second: tenant.otp_per_second,
    }
}

fn caller(caller: &effective::Caller) -> CallerEntry {
    let (key_sha256, certificate_san) = match &caller.credential {
        Credential::KeySha256(hash) => (Some(*hash), None),
        Credential::CertificateSan(san) => (None, Some(san.clone())),
    };
    CallerEntry {
        caller: engine::Caller {
            id: CallerId::of(&caller.name),
            tenant: TenantId::of(&caller.tenant),
            name: caller.name.clone(),
            categories: CATEGORIES.map(|category| caller.categories.contains(&category)),
        },
        key_sha256,
        certificate_san,
        inbound: if caller.inbound {
            InboundAccess::Granted
        } else {
            InboundAccess::Denied
        },
    }
}

fn routes(config: &Config) -> Result<RouteTable, PlanError> {
    let groups = config.groups.iter().map(|group| {
        let tier = |tier: &Vec<_>| tier.iter().map(CarrierId::of).collect();
        RouteGroup::new(group.name.clone(), group.tiers.iter().map(tier).collect())
    });
    let routes = config.routes.iter().map(|route| {
        Ok(Route {
            prefix: route.prefix.parse::<Prefix>()?,
            group: route.group.clone(),
        })
    });
    let groups = groups.collect::<Result<Vec<_>, RouteError>>()?;
    let routes = routes.collect::<Result<Vec<_>, PrefixError>>()?;
    Ok(RouteTable::build(groups, routes)?)
}

fn prepare(carrier: &effective::Carrier) -> Result<PreparedCarrier, PlanError> {
    PreparedCarrier::new(sessions(carrier)).map_err(|source| PlanError::Carrier {
        carrier: carrier.name.to_string(),
        source,
    })
}

fn sessions(carrier: &effective::Carrier) -> smpp_client::CarrierConfig {
    let reconnect = carrier.reconnect;
    smpp_client::CarrierConfig {
        carrier: CarrierId::of(&carrier.name),
        name: carrier.name.as_str().into(),
        hosts: carrier.hosts.clone(),
        bind: carrier.bind,
        sessions: carrier.sessions,
        receiver_sessions: carrier.receiver_sessions,
        credentials: smpp_client::Credentials {
            system_id: carrier.system_id.as_str().into(),
            password: carrier.password.expose().into(),
            system_type: carrier.system_type.as_str().into(),
        },
        window_size: carrier.window,
        receipt_window: carrier.receipt_window,
        response_timeout_ms: carrier.timers.response_timeout_ms,
        enquire_link_ms: carrier.timers.enquire_link_ms,
        session_init_ms: carrier.timers.session_init_ms,
        tls: carrier.tls.clone(),
        message_id_response: carrier.message_id_response,
        message_id_receipt: carrier.message_id_receipt,
        stamp_tlv: carrier.stamp_tlv,
        reconnect: smpp_client::ReconnectConfig {
            min_ms: reconnect.min_ms,
            max_ms: reconnect.max_ms,
            fatal_probe_ms: reconnect.fatal_probe_ms,
            stagger_ms: reconnect.stagger_ms,
            gap_ms: reconnect.gap_ms,
            // Two engines must not come back in step after an outage of the carrier they share.
            seed: RandomState::new().hash_one(&carrier.name),
        },
        addressing: carrier.addressing,
        service_type: carrier.service_type.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_partition_has_room_for_its_share_and_never_for_more_than_all() {
        assert_eq!(fullest_share(16, 1), 16);
        assert_eq!(fullest_share(16, 16), 9);
        assert_eq!(fullest_share(262_144, 16), 16_384 + 512 + 4);
    }

    #[test]
    fn what_the_configuration_says_reaches_the_engine() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hikyaku.toml");
        let mut config = crate::config::load(&path).unwrap();
        config.lane_weights = [5, 4, 3];
        config.otp_lane_ms = 5_000;
        config.journal.file_max_bytes = 1 << 20;
        config.journal.buffer_max_bytes = 32 << 20;
        let engine = Plan::new(&config).unwrap().engine;
        assert_eq!(engine.lane_weights, [5, 4, 3]);
        assert_eq!(engine.otp_lane_ms, 5_000);
        assert_eq!(engine.journal_file_max_bytes, 1 << 20);
        assert_eq!(engine.journal_buffer_max_bytes, 32 << 20);
    }
}
