//! Step one: the main file as written. Every field is documented in `config/hikyaku.toml`, the commented example; ranges
//! and defaults are applied by the second step.

use std::path::PathBuf;

use message::{Category, Lane};
use serde::Deserialize;
use toml::Spanned;

/// `hikyaku.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineFile {
    pub(super) carriers: Option<Spanned<PathBuf>>,
    pub(super) server: ServerTable,
    #[serde(default)]
    pub(super) admin: AdminTable,
    pub(super) journal: JournalTable,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) retention: RetentionTable,
    #[serde(default)]
    pub(super) history: HistoryTable,
    #[serde(default)]
    pub(super) lanes: LanesTable,
    #[serde(default)]
    pub(super) categories: CategoriesTable,
    #[serde(default)]
    pub(super) tenant: Vec<Spanned<TenantTable>>,
    #[serde(default)]
    pub(super) caller: Vec<Spanned<CallerTable>>,
    #[serde(default)]
    pub(super) group: Vec<Spanned<GroupTable>>,
    #[serde(default)]
    pub(super) route: Vec<Spanned<RouteTable>>,
}

/// `[server]`: where callers connect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    pub(super) listen: Spanned<String>,
    pub(super) insecure_loopback: Option<Spanned<bool>>,
    pub(super) tls: Option<ServerTlsTable>,
    pub(super) drain_s: Option<Spanned<u64>>,
}

/// `[server.tls]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTlsTable {
    pub(super) certificate: Spanned<PathBuf>,
    pub(super) key: Spanned<PathBuf>,
    pub(super) client_ca: Option<Spanned<PathBuf>>,
}

/// `[admin]`: metrics and health.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminTable {
    pub(super) listen: Option<Spanned<String>>,
}

/// `[journal]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalTable {
    pub(super) dir: PathBuf,
    #[serde(default)]
    pub(super) sync: SyncWord,
    pub(super) sync_interval_ms: Option<Spanned<u32>>,
    pub(super) reserve_bytes: Option<Spanned<u64>>,
    pub(super) partitions: Option<Spanned<u32>>,
    pub(super) file_max_bytes: Option<Spanned<u64>>,
    pub(super) buffer_max_bytes: Option<Spanned<u64>>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) messages: Option<Spanned<u64>>,
    pub(super) bytes: Option<Spanned<u64>>,
    pub(super) head_messages: Option<Spanned<u64>>,
    pub(super) backlog_messages: Option<Spanned<u64>>,
    pub(super) receipts_awaited: Option<Spanned<u64>>,
    pub(super) receipts_in_memory: Option<Spanned<u64>>,
    pub(super) early_receipts: Option<Spanned<u64>>,
    pub(super) send_at_horizon_s: Option<Spanned<u64>>,
    pub(super) idempotency_keys: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) idempotency_when_full: WhenFullWord,
    pub(super) finished_kept: Option<Spanned<u64>>,
    pub(super) inbound_kept: Option<Spanned<u64>>,
    pub(super) watchers: Option<Spanned<u64>>,
    pub(super) events_kept: Option<Spanned<u64>>,
    pub(super) streams: Option<Spanned<u64>>,
}

/// `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionTable {
    pub(super) idempotency_keys_s: Option<Spanned<u64>>,
    pub(super) early_receipts_s: Option<Spanned<u64>>,
    pub(super) inbound_s: Option<Spanned<u64>>,
    pub(super) events_s: Option<Spanned<u64>>,
    pub(super) events_bytes: Option<Spanned<u64>>,
    pub(super) history_s: Option<Spanned<u64>>,
    pub(super) history_bytes: Option<Spanned<u64>>,
}

/// `[history]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryTable {
    pub(super) cpu_percent: Option<Spanned<u32>>,
    pub(super) questions: Option<Spanned<u64>>,
    pub(super) cache_bytes: Option<Spanned<u64>>,
}

/// `[lanes]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LanesTable {
    pub(super) alert_weight: Option<Spanned<u32>>,
    pub(super) normal_weight: Option<Spanned<u32>>,
    pub(super) bulk_weight: Option<Spanned<u32>>,
    pub(super) otp_lane_s: Option<Spanned<u64>>,
}

/// `[categories.*]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CategoriesTable {
    #[serde(default)]
    pub(super) otp: CategoryTable,
    #[serde(default)]
    pub(super) alert: CategoryTable,
    #[serde(default)]
    pub(super) transactional: CategoryTable,
    #[serde(default)]
    pub(super) promotional: CategoryTable,
}

/// One category.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CategoryTable {
    pub(super) lane: Option<LaneWord>,
    pub(super) valid_for_s: Option<Spanned<u64>>,
}

/// `[[tenant]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantTable {
    pub(super) name: Spanned<String>,
    pub(super) weight: Option<Spanned<u32>>,
    pub(super) otp_per_second: Option<Spanned<u32>>,
}

/// `[[caller]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerTable {
    pub(super) name: Spanned<String>,
    pub(super) tenant: Spanned<String>,
    pub(super) key_sha256: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) key_env: Option<Spanned<String>>,
    pub(super) certificate_san: Option<Spanned<String>>,
    pub(super) categories: Spanned<Vec<Spanned<CategoryWord>>>,
    #[serde(default)]
    pub(super) inbound: bool,
}

/// `[[group]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTable {
    pub(super) name: Spanned<String>,
    pub(super) tiers: Spanned<Vec<Spanned<Vec<Spanned<String>>>>>,
}

/// `[[route]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTable {
    pub(super) prefix: Spanned<String>,
    pub(super) group: Spanned<String>,
}

/// When a record counts as durable.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SyncWord {
    #[default]
    Always,
    Interval,
    None,
}

/// What becomes of a new idempotency key when as many are known as may be.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenFullWord {
    #[default]
    Refuse,
    ForgetOldest,
}

/// A lane's word.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LaneWord {
    Otp,
    Alert,
    Normal,
    Bulk,
}

impl From<LaneWord> for Lane {
    fn from(word: LaneWord) -> Lane {
        match word {
            LaneWord::Otp => Lane::Otp,
            LaneWord::Alert => Lane::Alert,
            LaneWord::Normal => Lane::Normal,
            LaneWord::Bulk => Lane::Bulk,
        }
    }
}

/// A category's word.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CategoryWord {
    Otp,
    Alert,
    Transactional,
    Promotional,
}

impl From<CategoryWord> for Category {
    fn from(word: CategoryWord) -> Category {
        match word {
            CategoryWord::Otp => Category::Otp,
            CategoryWord::Alert => Category::Alert,
            CategoryWord::Transactional => Category::Transactional,
            CategoryWord::Promotional => Category::Promotional,
        }
    }
}
