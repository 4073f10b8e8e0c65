//! The second step for the main file: server, journal, limits, lanes, categories. Who may connect and who serves what is
//! next door in `parties_check`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use engine::HistoryLimits;
use message::{Category, Slug};
use toml::Spanned;

use super::checker::Checker;
use super::effective::{
    Caller, Carrier, CategoryRule, Config, Group, Journal, Limits, Retention, Route, Server, Sync,
    Tenant, Tls, Transport,
};
use super::file::{
    CategoryTable, EngineFile, HistoryTable, JournalTable, LanesTable, LimitsTable, RetentionTable,
    ServerTable, SyncWord, WhenFullWord,
};
use super::parties_check;

/// As many messages as a credit counter can count (27 bits), and as many bytes (36 bits).
const COUNT_MAX: u64 = (1 << 27) - 1;
const BYTES_MAX: u64 = (1 << 36) - 1;

const WEEK_S: u64 = 7 * 86_400;
const MONTH_S: u64 = 31 * 86_400;
const YEAR_S: u64 = 366 * 86_400;
const PARTITIONS_MAX: u32 = message::PARTITIONS_MAX as u32;

/// The main file's part of the configuration.
pub(super) struct EngineParts {
    server: Server,
    admin_listen: SocketAddr,
    journal: Journal,
    limits: Limits,
    retention: Retention,
    history: HistoryLimits,
    categories: [CategoryRule; 4],
    lane_weights: [u32; 3],
    otp_lane_ms: u64,
    tenants: Vec<Tenant>,
    callers: Vec<Caller>,
    groups: Vec<Group>,
    routes: Vec<Route>,
}

impl EngineParts {
    pub(super) fn into_config(self, version: u64, carriers: Vec<Carrier>) -> Config {
        Config {
            version,
            server: self.server,
            admin_listen: self.admin_listen,
            journal: self.journal,
            limits: self.limits,
            retention: self.retention,
            history: self.history,
            categories: self.categories,
            lane_weights: self.lane_weights,
            otp_lane_ms: self.otp_lane_ms,
            tenants: self.tenants,
            callers: self.callers,
            routes: self.routes,
            groups: self.groups,
            carriers,
        }
    }
}

/// Checks the main file; `carriers` are the names its groups may use, none where those are not known.
pub(super) fn check(
    checker: &mut Checker<'_>,
    file: &EngineFile,
    carriers: Option<&[&Slug]>,
) -> Option<EngineParts> {
    let server = check_server(checker, &file.server);
    let admin_listen = check_admin(checker, file, server.as_ref());
    let tenants = parties_check::tenants(checker, file);
    let certificates_asked = file
        .server
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca.is_some());
    let callers = parties_check::callers(checker, file, &tenants, certificates_asked);
    let groups = parties_check::groups(checker, file, carriers);
    let routes = parties_check::routes(checker, file, &groups);
    let categories = &file.categories;
    let categories = [
        check_category(checker, Category::Otp, &categories.otp),
        check_category(checker, Category::Alert, &categories.alert),
        check_category(checker, Category::Transactional, &categories.transactional),
        check_category(checker, Category::Promotional, &categories.promotional),
    ];
    let (lane_weights, otp_lane_ms) = check_lanes(checker, &file.lanes);
    let journal = check_journal(checker, &file.journal);
    let limits = check_limits(checker, &file.limits);
    let retention = check_retention(checker, &file.retention);
    let history = check_history(checker, &file.history);
    Some(EngineParts {
        server: server?,
        admin_listen: admin_listen?,
        journal,
        limits,
        retention,
        history,
        categories,
        lane_weights,
        otp_lane_ms,
        tenants,
        callers,
        groups,
        routes,
    })
}

fn check_server(checker: &mut Checker<'_>, table: &ServerTable) -> Option<Server> {
    let listen = checker.socket_address(&table.listen);
    let insecure = table
        .insecure_loopback
        .as_ref()
        .filter(|flag| *flag.get_ref());
    let transport = match (&table.tls, insecure) {
        (Some(_), Some(flag)) => {
            checker.refuse(flag.span(), "contradicts [server.tls]; give one of the two");
            None
        }
        (Some(tls), None) => Some(Transport::Tls(Tls {
            certificate: checker.readable(&tls.certificate),
            key: checker.readable(&tls.key),
            client_ca: tls.client_ca.as_ref().map(|path| checker.readable(path)),
        })),
        (None, Some(_)) => {
            if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
                let span = table.listen.span();
                checker.refuse(
                    span,
                    "plain text is allowed on a loopback address only; elsewhere give [server.tls]",
                );
            }
            Some(Transport::PlainLoopback)
        }
        (None, None) => {
            checker.refuse(
                table.listen.span(),
                "give [server.tls], or insecure_loopback = true for plain text on a loopback address",
            );
            None
        }
    };
    let drain_ms = checker.seconds(table.drain_s.as_ref(), 20, 1..=25);
    Some(Server {
        listen: listen?,
        transport: transport?,
        drain_ms,
    })
}

fn check_admin(
    checker: &mut Checker<'_>,
    file: &EngineFile,
    server: Option<&Server>,
) -> Option<SocketAddr> {
    let Some(given) = &file.admin.listen else {
        return Some(SocketAddr::from(([127, 0, 0, 1], 7071)));
    };
    let listen = checker.socket_address(given)?;
    if server.is_some_and(|server| server.listen == listen && listen.port() != 0) {
        checker.refuse(
            given.span(),
            "is server.listen already; allowed is any other address",
        );
    }
    Some(listen)
}

fn check_journal(checker: &mut Checker<'_>, table: &JournalTable) -> Journal {
    Journal {
        dir: checker.resolve(&table.dir),
        sync: check_sync(checker, table),
        reserve_bytes: checker.number(
            table.reserve_bytes.as_ref(),
            engine::JOURNAL_RESERVE_BYTES,
            0..=4 << 30,
        ),
        partitions: checker.number(table.partitions.as_ref(), 16, 1..=PARTITIONS_MAX),
        file_max_bytes: checker.number(
            table.file_max_bytes.as_ref(),
            engine::JOURNAL_FILE_MAX_BYTES,
            4096..=4 << 30,
        ),
        buffer_max_bytes: checker.number(
            table.buffer_max_bytes.as_ref(),
            engine::JOURNAL_BUFFER_MAX_BYTES as u64,
            2 << 20..=1 << 30,
        ),
    }
}

fn check_sync(checker: &mut Checker<'_>, table: &JournalTable) -> Sync {
    let interval_ms = checker.number(table.sync_interval_ms.as_ref(), 100, 1..=60_000);
    match (table.sync, &table.sync_interval_ms) {
        (SyncWord::Interval, _) => Sync::Interval(interval_ms),
        (SyncWord::Always | SyncWord::None, Some(given)) => {
            checker.refuse(
                given.span(),
                "is for journal.sync = \"interval\"; remove it or set that",
            );
            Sync::Always
        }
        (SyncWord::Always, None) => Sync::Always,
        (SyncWord::None, None) => Sync::None,
    }
}

fn check_limits(checker: &mut Checker<'_>, table: &LimitsTable) -> Limits {
    const COUNTS: RangeInclusive<u64> = 1..=COUNT_MAX;
    const STREAMS: RangeInclusive<u64> = 1..=100_000;
    let default = engine::Limits::default();
    let horizon = table.send_at_horizon_s.as_ref();
    let send_at_horizon_ms = checker.seconds(
        horizon,
        engine::SEND_AT_HORIZON_MS / 1_000,
        60..=30 * 86_400,
    );
    let mut number = |given: &Option<Spanned<u64>>, default, allowed| {
        checker.number(given.as_ref(), default, allowed)
    };
    Limits {
        messages: number(&table.messages, default.messages, COUNTS),
        bytes: number(&table.bytes, default.bytes, 64 << 10..=BYTES_MAX),
        head_messages: number(
            &table.head_messages,
            default.head_messages as u64,
            16..=1 << 20,
        ),
        backlog_messages: number(
            &table.backlog_messages,
            default.backlog_messages,
            0..=COUNT_MAX,
        ),
        receipts_awaited: number(&table.receipts_awaited, default.receipts_awaited, COUNTS),
        receipts_in_memory: number(
            &table.receipts_in_memory,
            default.receipts_in_memory,
            COUNTS,
        ),
        early_receipts: number(&table.early_receipts, 262_144, COUNTS),
        send_at_horizon_ms,
        idempotency_keys: number(&table.idempotency_keys, engine::IDEMPOTENCY_KEYS, COUNTS),
        keys_when_full: match table.idempotency_when_full {
            WhenFullWord::Refuse => engine::KeysWhenFull::Refuse,
            WhenFullWord::ForgetOldest => engine::KeysWhenFull::ForgetOldest,
        },
        finished_kept: number(&table.finished_kept, 262_144, COUNTS),
        inbound_kept: number(&table.inbound_kept, 262_144, COUNTS),
        watchers: number(&table.watchers, 1_000, STREAMS),
        events_kept: number(&table.events_kept, default.events as u64, COUNTS),
        streams: number(&table.streams, 1_000, STREAMS),
    }
}

fn check_retention(checker: &mut Checker<'_>, table: &RetentionTable) -> Retention {
    let events = engine::EventHistory::default();
    Retention {
        idempotency_keys_ms: checker.seconds(table.idempotency_keys_s.as_ref(), 86_400, 1..=WEEK_S),
        early_receipts_ms: checker.seconds(table.early_receipts_s.as_ref(), 60, 1..=3600),
        inbound_ms: checker.seconds(table.inbound_s.as_ref(), 86_400, 1..=WEEK_S),
        events_ms: checker.seconds(
            table.events_s.as_ref(),
            events.max_age_ms / 1_000,
            60..=MONTH_S,
        ),
        events_bytes: checker.number(
            table.events_bytes.as_ref(),
            events.max_bytes,
            64 << 20..=16 << 40,
        ),
        history: check_kept(checker, table),
    }
}

fn check_kept(checker: &mut Checker<'_>, table: &RetentionTable) -> engine::HistoryRetention {
    let default = engine::HistoryRetention::default();
    engine::HistoryRetention {
        max_age_ms: checker.seconds(
            table.history_s.as_ref(),
            default.max_age_ms / 1_000,
            0..=YEAR_S,
        ),
        max_bytes: checker.number(
            table.history_bytes.as_ref(),
            default.max_bytes,
            0..=16 << 40,
        ),
    }
}

fn check_history(checker: &mut Checker<'_>, table: &HistoryTable) -> HistoryLimits {
    let default = HistoryLimits::default();
    let questions = checker.number(table.questions.as_ref(), default.queries as u64, 1..=64);
    HistoryLimits {
        cpu_percent: checker.number(table.cpu_percent.as_ref(), default.cpu_percent, 1..=100),
        queries: usize::try_from(questions).unwrap_or(default.queries),
        cache_bytes: checker.number(
            table.cache_bytes.as_ref(),
            default.cache_bytes,
            1 << 20..=4 << 30,
        ),
        ..default
    }
}

fn check_lanes(checker: &mut Checker<'_>, table: &LanesTable) -> ([u32; 3], u64) {
    const WEIGHTS: RangeInclusive<u32> = 1..=10_000;
    let [alert, normal, bulk] = engine::LANE_WEIGHTS;
    let weights = [
        checker.number(table.alert_weight.as_ref(), alert, WEIGHTS),
        checker.number(table.normal_weight.as_ref(), normal, WEIGHTS),
        checker.number(table.bulk_weight.as_ref(), bulk, WEIGHTS),
    ];
    (
        weights,
        checker.seconds(
            table.otp_lane_s.as_ref(),
            engine::OTP_LANE_MS / 1_000,
            1..=600,
        ),
    )
}

fn check_category(
    checker: &mut Checker<'_>,
    category: Category,
    table: &CategoryTable,
) -> CategoryRule {
    let default_s = engine::VALID_FOR_MS[category.index()] / 1_000;
    CategoryRule {
        lane: table.lane.map_or(category.lane(), Into::into),
        valid_for_ms: checker.seconds(table.valid_for_s.as_ref(), default_s, 1..=WEEK_S),
    }
}
