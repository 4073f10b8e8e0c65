//! The metrics of the engine. Handles are made once, so that counting is one atomic addition and no label is looked up per message.
//!
//! Grammar: `hikyaku_<thing>_<unit or plural>[_total]`, seconds and bytes as units, labels only from closed sets (lane, carrier, state,
//! reason): never a tenant, never a number. [`METRICS`] is the source of `docs/reference/metrics.md`.

use std::collections::HashMap;

use connector::Irregularities;
use message::{ALL_REASONS, CarrierId, LANES, Lane, MessageState, Outcome, OutcomeClass, Reason};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::config::EngineConfig;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A metric for the reference page.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! described {
    ($($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $(const $constant: &str = $name;)+

        /// Every metric of the engine.
        pub const METRICS: &[Description] = &[$(Description {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        },)+];
    };
}

described! {
    ADMITTED = "hikyaku_admitted_messages_total", Counter, ["lane"], "Messages admitted: durable, and answered with an id.";
    REPEATED = "hikyaku_repeated_submissions_total", Counter, [], "Submissions answered with the id of an earlier one, by idempotency key.";
    KEYS = "hikyaku_idempotency_keys", Gauge, ["place"], "Idempotency keys known: in memory, or in files.";
    KEYS_LIMIT = "hikyaku_idempotency_keys_limit", Gauge, [], "Idempotency keys that may be known; beyond, see idempotency_when_full.";
    KEY_FILES = "hikyaku_idempotency_files", Gauge, [], "Files of idempotency keys.";
    KEY_WINDOW = "hikyaku_idempotency_window_seconds", Gauge, [], "A key used within so many seconds is known for certain: the configured time, less while a damaged file or one given up early falls into it.";
    KEY_DAMAGED = "hikyaku_idempotency_damaged_files", Gauge, [], "Files of idempotency keys that are damaged or set aside, until their time is over.";
    KEY_FAILURES = "hikyaku_idempotency_filing_failures_total", Counter, [], "Tries to file or merge idempotency keys that failed; while they do, keys stay in memory and the journal.";
    KEY_READS = "hikyaku_idempotency_file_reads_total", Counter, [], "Blocks read to look a key up, because a filter said perhaps.";
    REFUSED = "hikyaku_refused_submissions_total", Counter, ["reason"], "Submissions refused at intake.";
    FINAL = "hikyaku_final_messages_total", Counter, ["state"], "Messages that reached a final state.";
    LATE = "hikyaku_late_evidence_total", Counter, [], "Answers and receipts that came after a final state.";
    OUTCOMES = "hikyaku_attempt_outcomes_total", Counter, ["carrier", "outcome"], "Outcomes of attempts, by class.";
    STATUS = "hikyaku_carrier_statuses_total", Counter, ["carrier", "status"], "Refusals by raw command_status in hexadecimal; the first 64 different ones of a carrier, the rest as other.";
    RECEIPTS = "hikyaku_receipts_total", Counter, ["carrier", "match"], "Receipts by what they led to: matched, early, by_address, orphan.";
    INBOUND = "hikyaku_inbound_messages_total", Counter, ["carrier"], "Messages from handsets taken over.";
    LANE_DEPTH = "hikyaku_lane_messages", Gauge, ["lane"], "Messages waiting in a lane, over all route groups.";
    LANE_AGE = "hikyaku_lane_oldest_seconds", Gauge, ["lane"], "Age of the oldest message of a lane.";
    LIVE = "hikyaku_live_messages", Gauge, [], "Messages that are not final.";
    INTAKE_OPEN = "hikyaku_intake_open", Gauge, [], "1 while the engine admits; 0 while it replays its journal, drains, has no space or has failed.";
    STARTED = "hikyaku_started_timestamp_seconds", Gauge, [], "When this process began, in seconds since 1970.";
    BACKLOG = "hikyaku_backlog_messages", Gauge, [], "Messages of long queues that wait in the journal alone.";
    BACKLOG_LIMIT = "hikyaku_backlog_messages_limit", Gauge, [], "Messages that may wait in the journal alone; beyond, submissions are refused.";
    READ_AHEAD = "hikyaku_read_ahead_messages_total", Counter, [], "Messages read back from the journal because their turn came near.";
    CREDIT_MESSAGES = "hikyaku_credit_messages", Gauge, [], "Credits in use, in messages.";
    CREDIT_MESSAGES_LIMIT = "hikyaku_credit_messages_limit", Gauge, [], "Credits there are, in messages.";
    CREDIT_BYTES = "hikyaku_credit_bytes", Gauge, [], "Credits in use, in bytes.";
    CREDIT_BYTES_LIMIT = "hikyaku_credit_bytes_limit", Gauge, [], "Credits there are, in bytes.";
    AWAITED = "hikyaku_awaited_receipts", Gauge, [], "Receipts awaited, in memory and on the disk.";
    RECEIPTS_HELD = "hikyaku_awaited_receipts_held", Gauge, ["place"], "Receipts awaited in memory, or messages that await one on the disk.";
    RECEIPT_FILES = "hikyaku_awaited_receipt_files", Gauge, [], "Files that lead receipts to messages on the disk.";
    RECEIPT_WINDOW = "hikyaku_awaited_receipt_window_seconds", Gauge, [], "A receipt for a message that was carried to the disk within so many seconds finds it for certain: the longest receipt deadline, less while a damaged file falls into it.";
    RECEIPT_FILE_FAILURES = "hikyaku_awaited_receipt_filing_failures_total", Counter, [], "Tries to file or merge rows of awaited receipts that failed; while they do, rows stay in memory.";
    RECEIPT_LOOKUPS = "hikyaku_receipt_lookups_total", Counter, [], "Receipts that were looked up on the disk.";
    RECEIPT_LOOKUPS_WAITING = "hikyaku_receipt_lookups_waiting", Gauge, [], "Receipts, and answers of attempts, that wait for a message from the disk.";
    RECEIPT_LOOKUPS_REFUSED = "hikyaku_receipt_lookups_refused_total", Counter, [], "Receipts answered with a temporary error because too many were looked up or it took too long; the carrier sends them again.";
    AWAITED_LIMIT = "hikyaku_awaited_receipts_limit", Gauge, [], "Receipts that may be awaited; beyond, submissions are refused.";
    UNCERTAIN = "hikyaku_uncertain_attempts", Gauge, [], "Attempts whose fate is unknown now.";
    WATCHERS = "hikyaku_watchers", Gauge, [], "Watch streams open.";
    EVENTS_SHOWN = "hikyaku_events_total", Counter, [], "Events shown to watchers, whether or not anybody watched.";
    EVENTS_LOST = "hikyaku_lost_events_total", Counter, [], "Events that the writer of the event log was too far behind to take: watchers lost their history.";
    EVENTS_WAITING = "hikyaku_waiting_events", Gauge, [], "Events that wait for the writer of the event log.";
    EVENT_LOG_FAILED = "hikyaku_event_log_failed", Gauge, [], "1 while the event log cannot be written: watchers that fall behind lose their history.";
    EVENT_LOG_DISK = "hikyaku_event_log_disk_bytes", Gauge, [], "Bytes of all files of the event log.";
    EVENT_LOG_AGE = "hikyaku_event_log_oldest_seconds", Gauge, [], "How far back a watcher can resume.";
    CONTRACT = "hikyaku_carrier_contract_segments", Gauge, ["carrier"], "Segments a second that the carrier's contract allows; absent without a contract.";
    PERMITS = "hikyaku_permits_total", Counter, ["carrier"], "Permits spent on segments.";
    SPEED = "hikyaku_carrier_speed_ratio", Gauge, ["carrier"], "Pace of a carrier: 1 is its contract, 0 is frozen.";
    WINDOW = "hikyaku_window_requests", Gauge, ["carrier"], "Requests in flight.";
    WINDOW_SIZE = "hikyaku_window_size_requests", Gauge, ["carrier"], "Window places of all bound sessions.";
    SESSIONS = "hikyaku_bound_sessions", Gauge, ["carrier"], "Sessions that may carry segments.";
    SESSIONS_CONFIGURED = "hikyaku_configured_sessions", Gauge, ["carrier"], "Sessions configured.";
    RECEIVERS = "hikyaku_receiving_sessions", Gauge, ["carrier"], "Sessions that may carry receipts.";
    RECEIVER_MISSING = "hikyaku_receiver_missing", Gauge, ["carrier"], "1 while segments can go out and no receipt can come in.";
    BIND_FATAL = "hikyaku_bind_refused_for_good", Gauge, ["carrier"], "1 while the carrier refuses our credentials and only a slow probe goes on.";
    RECONNECTS = "hikyaku_reconnects_total", Counter, ["carrier"], "Connection attempts after a lost or refused session.";
    IRREGULARITIES = "hikyaku_session_irregularities_total", Counter, ["carrier", "kind"], "What a well-behaved carrier does not do: late_answer, late_forgotten (no answer at all), unsolicited_answer, duplicate_answer, not_understood (answered with generic_nack), malformed, forbidden.";
    SUBMIT_TO_ADMIT = "hikyaku_submit_to_admit_seconds", Histogram, ["lane"], "From intake until the admission is durable.";
    HEAD_OF_LINE = "hikyaku_head_of_line_seconds", Histogram, ["lane", "carrier"], "From when no other message of the lane would go before it until written.";
    ADMIT_TO_WRITE = "hikyaku_admit_to_write_seconds", Histogram, ["lane", "carrier"], "From entering the lane until written.";
    WRITE_TO_ANSWER = "hikyaku_write_to_answer_seconds", Histogram, ["carrier"], "From the write until the carrier's answer.";
    JOURNAL_BATCHES = "hikyaku_journal_batches_total", Counter, [], "Group commits.";
    JOURNAL_RECORDS = "hikyaku_journal_records_total", Counter, [], "Records committed.";
    JOURNAL_BYTES = "hikyaku_journal_written_bytes_total", Counter, [], "Bytes committed.";
    JOURNAL_SYNC = "hikyaku_journal_sync_seconds", Histogram, [], "Time of a group commit's sync.";
    JOURNAL_BATCH = "hikyaku_journal_batch_records", Histogram, [], "Records in a group commit.";
    JOURNAL_DISK = "hikyaku_journal_disk_bytes", Gauge, [], "Bytes of all journal files.";
    JOURNAL_REPLAY = "hikyaku_journal_replay_bytes", Gauge, [], "Journal that a restart would read: from the replay mark to the end.";
    CARRIED = "hikyaku_carried_records_total", Counter, [], "Live messages written to the journal again, so that what lies before need not be replayed.";
    JOURNAL_HISTORY = "hikyaku_journal_history_bytes", Gauge, [], "Bytes of the journal files before the replay mark, kept for questions about the past.";
    JOURNAL_OLDEST = "hikyaku_journal_oldest_seconds", Gauge, [], "Age of the oldest journal file: history reaches back so far.";
    HISTORY_LAG_BYTES = "hikyaku_history_lag_bytes", Gauge, [], "Durable journal that the history index has not reached.";
    HISTORY_LAG = "hikyaku_history_lag_seconds", Gauge, [], "Age of the latest indexed record while the index is behind; 0 when it is not.";
    HISTORY_RECORDS = "hikyaku_history_records_total", Counter, [], "Records indexed.";
    HISTORY_SKIPPED = "hikyaku_history_skipped_bytes_total", Counter, [], "Journal that was let go or could not be read before it was indexed.";
    HISTORY_REBUILDS = "hikyaku_history_rebuilds_total", Counter, [], "Times that the history index was given up and built again.";
    HISTORY_OPEN = "hikyaku_history_open", Gauge, [], "1 while the history index is open.";
    HISTORY_QUESTIONS = "hikyaku_history_questions", Gauge, [], "Questions about the history being answered.";
    HISTORY_REFUSED = "hikyaku_history_refused_questions_total", Counter, [], "Questions refused because too many were being answered.";
    JOURNAL_FREE = "hikyaku_journal_free_bytes", Gauge, [], "Bytes that are free in the journal's file system.";
    JOURNAL_SPACE = "hikyaku_journal_no_space", Gauge, [], "0 with space; 1 when only the reserve is left, for what is in flight; 2 when that is full, too.";
    JOURNAL_FAILED = "hikyaku_journal_failed", Gauge, [], "1 when the journal has failed for good.";
}

/// The engine's handles.
#[derive(Debug)]
pub(crate) struct EngineMetrics {
    pub(crate) admitted: [Counter; 4],
    pub(crate) repeated: Counter,
    /// In memory, in files.
    pub(crate) keys: [Gauge; 2],
    pub(crate) key_files: Gauge,
    pub(crate) key_window: Gauge,
    pub(crate) key_damaged: Gauge,
    pub(crate) key_failures: Counter,
    pub(crate) key_reads: Counter,
    refused: Vec<(Reason, Counter)>,
    finals: Vec<(MessageState, Counter)>,
    pub(crate) late: Counter,
    pub(crate) lane_depth: [Gauge; 4],
    pub(crate) lane_age: [Gauge; 4],
    pub(crate) live: Gauge,
    pub(crate) intake_open: Gauge,
    pub(crate) backlog: Gauge,
    pub(crate) read_ahead: Counter,
    pub(crate) credit_messages: Gauge,
    pub(crate) credit_bytes: Gauge,
    pub(crate) awaited: Gauge,
    pub(crate) receipts_held: [Gauge; 2],
    pub(crate) receipt_files: Gauge,
    pub(crate) receipt_window: Gauge,
    pub(crate) receipt_file_failures: Counter,
    pub(crate) receipt_lookups: Counter,
    pub(crate) receipt_lookups_waiting: Gauge,
    pub(crate) receipt_lookups_refused: Counter,
    pub(crate) uncertain: Gauge,
    pub(crate) watchers: Gauge,
    pub(crate) events_shown: Counter,
    pub(crate) events_lost: Counter,
    pub(crate) events_waiting: Gauge,
    pub(crate) event_log_failed: Gauge,
    pub(crate) event_log_disk: Gauge,
    pub(crate) event_log_age: Gauge,
    pub(crate) submit_to_admit: [Histogram; 4],
    pub(crate) journal_batches: Counter,
    pub(crate) journal_records: Counter,
    pub(crate) journal_bytes: Counter,
    pub(crate) journal_sync: Histogram,
    pub(crate) journal_batch: Histogram,
    pub(crate) journal_disk: Gauge,
    pub(crate) journal_replay: Gauge,
    pub(crate) carried: Counter,
    pub(crate) journal_history: Gauge,
    pub(crate) journal_oldest: Gauge,
    pub(crate) journal_free: Gauge,
    pub(crate) journal_no_space: Gauge,
    pub(crate) journal_failed: Gauge,
    pub(crate) history: HistoryMetrics,
    carriers: HashMap<CarrierId, CarrierMetrics>,
}

/// The handles of the history.
#[derive(Debug)]
pub(crate) struct HistoryMetrics {
    pub(crate) lag_bytes: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) records: Counter,
    pub(crate) skipped: Counter,
    pub(crate) rebuilds: Counter,
    pub(crate) open: Gauge,
    pub(crate) questions: Gauge,
    pub(crate) refused: Counter,
}

impl HistoryMetrics {
    fn new() -> Self {
        Self {
            lag_bytes: gauge!(HISTORY_LAG_BYTES),
            lag: gauge!(HISTORY_LAG),
            records: counter!(HISTORY_RECORDS),
            skipped: counter!(HISTORY_SKIPPED),
            rebuilds: counter!(HISTORY_REBUILDS),
            open: gauge!(HISTORY_OPEN),
            questions: gauge!(HISTORY_QUESTIONS),
            refused: counter!(HISTORY_REFUSED),
        }
    }
}

/// The handles of one carrier.
#[derive(Debug)]
pub(crate) struct CarrierMetrics {
    outcomes: [Counter; 6],
    pub(crate) matched: Counter,
    pub(crate) early: Counter,
    pub(crate) by_address: Counter,
    pub(crate) orphan: Counter,
    pub(crate) inbound: Counter,
    pub(crate) permits: Counter,
    pub(crate) speed: Gauge,
    pub(crate) window: Gauge,
    pub(crate) window_size: Gauge,
    pub(crate) sessions: Gauge,
    pub(crate) sessions_configured: Gauge,
    pub(crate) receivers: Gauge,
    pub(crate) receiver_missing: Gauge,
    pub(crate) bind_fatal: Gauge,
    pub(crate) reconnects: Counter,
    irregularities: [Counter; 7],
    pub(crate) head_of_line: [Histogram; 4],
    pub(crate) admit_to_write: [Histogram; 4],
    pub(crate) write_to_answer: Histogram,
    name: String,
    statuses: std::sync::Mutex<HashMap<u32, Counter>>,
}

/// In the order of [`CarrierMetrics::irregularities`].
const IRREGULARITY_KINDS: [&str; 7] = [
    "late_answer",
    "late_forgotten",
    "unsolicited_answer",
    "duplicate_answer",
    "not_understood",
    "malformed",
    "forbidden",
];

/// Different statuses of a carrier that get a series of their own.
const STATUSES_MAX: usize = 64;

impl EngineMetrics {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        let lane = |lane: Lane| lane.name();
        let carriers = config.carriers.iter();
        set_what_never_changes(config);
        Self {
            admitted: LANES.map(|at| counter!(ADMITTED, "lane" => lane(at))),
            repeated: counter!(REPEATED),
            keys: ["memory", "files"].map(|place| gauge!(KEYS, "place" => place)),
            key_files: gauge!(KEY_FILES),
            key_window: gauge!(KEY_WINDOW),
            key_damaged: gauge!(KEY_DAMAGED),
            key_failures: counter!(KEY_FAILURES),
            key_reads: counter!(KEY_READS),
            refused: ALL_REASONS
                .iter()
                .filter(|reason| reason.is_refusal())
                .map(|reason| (*reason, counter!(REFUSED, "reason" => reason.name())))
                .collect(),
            finals: MessageState::ALL
                .iter()
                .filter(|state| state.is_final())
                .map(|state| (*state, counter!(FINAL, "state" => state.name())))
                .collect(),
            late: counter!(LATE),
            lane_depth: LANES.map(|at| gauge!(LANE_DEPTH, "lane" => lane(at))),
            lane_age: LANES.map(|at| gauge!(LANE_AGE, "lane" => lane(at))),
            live: gauge!(LIVE),
            intake_open: gauge!(INTAKE_OPEN),
            backlog: gauge!(BACKLOG),
            read_ahead: counter!(READ_AHEAD),
            credit_messages: gauge!(CREDIT_MESSAGES),
            credit_bytes: gauge!(CREDIT_BYTES),
            awaited: gauge!(AWAITED),
            receipts_held: ["memory", "disk"].map(|place| gauge!(RECEIPTS_HELD, "place" => place)),
            receipt_files: gauge!(RECEIPT_FILES),
            receipt_window: gauge!(RECEIPT_WINDOW),
            receipt_file_failures: counter!(RECEIPT_FILE_FAILURES),
            receipt_lookups: counter!(RECEIPT_LOOKUPS),
            receipt_lookups_waiting: gauge!(RECEIPT_LOOKUPS_WAITING),
            receipt_lookups_refused: counter!(RECEIPT_LOOKUPS_REFUSED),
            uncertain: gauge!(UNCERTAIN),
            watchers: gauge!(WATCHERS),
            events_shown: counter!(EVENTS_SHOWN),
            events_lost: counter!(EVENTS_LOST),
            events_waiting: gauge!(EVENTS_WAITING),
            event_log_failed: gauge!(EVENT_LOG_FAILED),
            event_log_disk: gauge!(EVENT_LOG_DISK),
            event_log_age: gauge!(EVENT_LOG_AGE),
            submit_to_admit: LANES.map(|at| histogram!(SUBMIT_TO_ADMIT, "lane" => lane(at))),
            journal_batches: counter!(JOURNAL_BATCHES),
            journal_records: counter!(JOURNAL_RECORDS),
            journal_bytes: counter!(JOURNAL_BYTES),
            journal_sync: histogram!(JOURNAL_SYNC),
            journal_batch: histogram!(JOURNAL_BATCH),
            journal_disk: gauge!(JOURNAL_DISK),
            journal_replay: gauge!(JOURNAL_REPLAY),
            carried: counter!(CARRIED),
            journal_history: gauge!(JOURNAL_HISTORY),
            journal_oldest: gauge!(JOURNAL_OLDEST),
            journal_free: gauge!(JOURNAL_FREE),
            journal_no_space: gauge!(JOURNAL_SPACE),
            journal_failed: gauge!(JOURNAL_FAILED),
            history: HistoryMetrics::new(),
            carriers: carriers
                .map(|carrier| (carrier.id(), CarrierMetrics::new(carrier.name.as_str())))
                .collect(),
        }
    }

    pub(crate) fn refused(&self, reason: Reason) {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    pub(crate) fn finished(&self, state: MessageState) {
        if let Some((_, counter)) = self.finals.iter().find(|(known, _)| *known == state) {
            counter.increment(1);
        }
    }

    pub(crate) fn carrier(&self, id: CarrierId) -> Option<&CarrierMetrics> {
        self.carriers.get(&id)
    }
}

impl CarrierMetrics {
    fn new(name: &str) -> Self {
        let carrier = name.to_owned();
        let outcome = |class: OutcomeClass| counter!(OUTCOMES, "carrier" => carrier.clone(), "outcome" => class.name());
        let receipts = |matched: &'static str| counter!(RECEIPTS, "carrier" => carrier.clone(), "match" => matched);
        let level = |metric: &'static str| gauge!(metric, "carrier" => carrier.clone());
        let by_lane = |metric: &'static str| {
            LANES.map(|at| histogram!(metric, "lane" => at.name(), "carrier" => carrier.clone()))
        };
        Self {
            outcomes: OutcomeClass::ALL.map(outcome),
            matched: receipts("matched"),
            early: receipts("early"),
            by_address: receipts("by_address"),
            orphan: receipts("orphan"),
            inbound: counter!(INBOUND, "carrier" => carrier.clone()),
            permits: counter!(PERMITS, "carrier" => carrier.clone()),
            speed: level(SPEED),
            window: level(WINDOW),
            window_size: level(WINDOW_SIZE),
            sessions: level(SESSIONS),
            sessions_configured: level(SESSIONS_CONFIGURED),
            receivers: level(RECEIVERS),
            receiver_missing: level(RECEIVER_MISSING),
            bind_fatal: level(BIND_FATAL),
            reconnects: counter!(RECONNECTS, "carrier" => carrier.clone()),
            irregularities: IRREGULARITY_KINDS
                .map(|kind| counter!(IRREGULARITIES, "carrier" => carrier.clone(), "kind" => kind)),
            head_of_line: by_lane(HEAD_OF_LINE),
            admit_to_write: by_lane(ADMIT_TO_WRITE),
            write_to_answer: histogram!(WRITE_TO_ANSWER, "carrier" => carrier.clone()),
            statuses: std::sync::Mutex::default(),
            name: carrier,
        }
    }

    pub(crate) fn irregularities(&self, seen: &Irregularities) {
        let counts = [
            seen.late_answers,
            seen.late_forgotten,
            seen.unsolicited_answers,
            seen.duplicate_answers,
            seen.not_understood,
            seen.malformed,
            seen.forbidden,
        ];
        for (counter, count) in self.irregularities.iter().zip(counts) {
            counter.absolute(count);
        }
    }

    /// Counts an outcome. The table of statuses is touched for refusals only: ordinary answers need no lock.
    pub(crate) fn outcome(&self, outcome: &Outcome, status: u32) {
        self.outcomes[outcome.class().index()].increment(1);
        if status == 0 {
            return;
        }
        let mut statuses = self
            .statuses
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = statuses.len();
        if known >= STATUSES_MAX && !statuses.contains_key(&status) {
            counter!(STATUS, "carrier" => self.name.clone(), "status" => "other").increment(1);
            return;
        }
        statuses
            .entry(status)
            .or_insert_with(|| {
                counter!(STATUS, "carrier" => self.name.clone(), "status" => format!("0x{status:08x}"))
            })
            .increment(1);
    }
}

/// Limits and contracts, beside the figures that they bound: an alert then needs no number of its own.
fn set_what_never_changes(config: &EngineConfig) {
    let limits = &config.limits;
    gauge!(STARTED).set((config.clock)().wall_ms as f64 / 1e3);
    gauge!(BACKLOG_LIMIT).set(limits.backlog_messages as f64);
    gauge!(CREDIT_MESSAGES_LIMIT).set(limits.messages as f64);
    gauge!(CREDIT_BYTES_LIMIT).set(limits.bytes as f64);
    gauge!(AWAITED_LIMIT).set(limits.receipts_awaited as f64);
    gauge!(KEYS_LIMIT).set(limits.idempotency_keys as f64);
    for carrier in &config.carriers {
        if let Some(contract) = carrier.contract {
            let name = carrier.name.as_str().to_owned();
            gauge!(CONTRACT, "carrier" => name).set(f64::from(contract.segments_per_second()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for metric in METRICS {
            let rest = metric.name.strip_prefix("hikyaku_");
            assert!(rest.is_some_and(|rest| !rest.is_empty()), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
