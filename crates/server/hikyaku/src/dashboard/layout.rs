//! Which metric stands where; what is not named here is placed by its prefix.

/// A row: what stands in it by hand, then whatever else begins so.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: &'static [Panel],
    pub(super) prefixes: &'static [&'static str],
}

/// Some metrics in one picture.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) shows: &'static [Shows],
}

/// What a panel shows of a metric.
#[derive(Clone, Copy)]
pub(super) enum Shows {
    /// What its kind makes of it.
    Plain(&'static str),
    /// The 99th percentile of a histogram.
    P99(&'static str),
    /// The first by the second; a counter as its rate.
    Share(&'static str, &'static str),
    /// How long ago it was.
    Since(&'static str),
}
use Shows::{P99, Plain, Share, Since};

const fn panel(title: &'static str, shows: &'static [Shows]) -> Panel {
    Panel { title, shows }
}

/// The page, from the top.
pub(super) const ROWS: &[Row] = &[
    Row {
        title: "What comes in, what becomes of it",
        panels: &[
            panel("Admitted", &[Plain("hikyaku_admitted_messages_total")]),
            panel("Final states", &[Plain("hikyaku_final_messages_total")]),
            panel("Refused", &[Plain("hikyaku_refused_submissions_total")]),
            panel("Live", &[Plain("hikyaku_live_messages")]),
            panel(
                "Full by",
                &[
                    Share("hikyaku_credit_messages", "hikyaku_credit_messages_limit"),
                    Share("hikyaku_credit_bytes", "hikyaku_credit_bytes_limit"),
                    Share("hikyaku_awaited_receipts", "hikyaku_awaited_receipts_limit"),
                ],
            ),
            panel("In doubt", &[Plain("hikyaku_uncertain_attempts")]),
        ],
        prefixes: &[],
    },
    Row {
        title: "How long it takes",
        panels: &[
            panel(
                "Head of line, 99 of 100",
                &[P99("hikyaku_head_of_line_seconds")],
            ),
            panel(
                "Admitted to written, 99 of 100",
                &[P99("hikyaku_admit_to_write_seconds")],
            ),
            panel(
                "Submitted to admitted, 99 of 100",
                &[P99("hikyaku_submit_to_admit_seconds")],
            ),
            panel(
                "Written to answered",
                &[Plain("hikyaku_write_to_answer_seconds")],
            ),
            panel("Waiting", &[Plain("hikyaku_lane_messages")]),
            panel("Oldest waiting", &[Plain("hikyaku_lane_oldest_seconds")]),
        ],
        prefixes: &["hikyaku_lane_", "hikyaku_backlog_", "hikyaku_read_ahead_"],
    },
    Row {
        title: "Carriers",
        panels: &[
            panel(
                "Segments",
                &[
                    Plain("hikyaku_permits_total"),
                    Plain("hikyaku_carrier_contract_segments"),
                ],
            ),
            panel(
                "Of the contract",
                &[Share(
                    "hikyaku_permits_total",
                    "hikyaku_carrier_contract_segments",
                )],
            ),
            panel("Pace", &[Plain("hikyaku_carrier_speed_ratio")]),
            panel(
                "Sessions",
                &[
                    Plain("hikyaku_bound_sessions"),
                    Plain("hikyaku_receiving_sessions"),
                    Plain("hikyaku_configured_sessions"),
                ],
            ),
            panel(
                "Window used",
                &[Share(
                    "hikyaku_window_requests",
                    "hikyaku_window_size_requests",
                )],
            ),
            panel("Outcomes", &[Plain("hikyaku_attempt_outcomes_total")]),
            panel("Receipts", &[Plain("hikyaku_receipts_total")]),
            panel(
                "Refusals by status",
                &[Plain("hikyaku_carrier_statuses_total")],
            ),
            panel(
                "Irregular",
                &[Plain("hikyaku_session_irregularities_total")],
            ),
            panel("Reconnects", &[Plain("hikyaku_reconnects_total")]),
            panel("Late evidence", &[Plain("hikyaku_late_evidence_total")]),
            panel(
                "Trouble",
                &[
                    Plain("hikyaku_receiver_missing"),
                    Plain("hikyaku_bind_refused_for_good"),
                ],
            ),
            panel("From handsets", &[Plain("hikyaku_inbound_messages_total")]),
        ],
        prefixes: &["hikyaku_carrier_", "hikyaku_session_", "hikyaku_window_"],
    },
    Row {
        title: "Journal",
        panels: &[
            panel("Sync", &[Plain("hikyaku_journal_sync_seconds")]),
            panel(
                "Records in a batch",
                &[Plain("hikyaku_journal_batch_records")],
            ),
            panel("Written", &[Plain("hikyaku_journal_written_bytes_total")]),
        ],
        prefixes: &["hikyaku_journal_"],
    },
    Row {
        title: "Idempotency",
        panels: &[],
        prefixes: &["hikyaku_idempotency_", "hikyaku_repeated_"],
    },
    Row {
        title: "Watchers and events",
        panels: &[panel("Watchers", &[Plain("hikyaku_watchers")])],
        prefixes: &[
            "hikyaku_watch",
            "hikyaku_event",
            "hikyaku_lost_events",
            "hikyaku_waiting_events",
        ],
    },
    Row {
        title: "History",
        panels: &[],
        prefixes: &["hikyaku_history_"],
    },
    Row {
        title: "Process",
        panels: &[
            panel("Up", &[Since("hikyaku_started_timestamp_seconds")]),
            panel("Intake open", &[Plain("hikyaku_intake_open")]),
            panel(
                "Open files",
                &[Share(
                    "hikyaku_process_open_files",
                    "hikyaku_process_open_files_limit",
                )],
            ),
        ],
        prefixes: &["hikyaku_process_"],
    },
    Row {
        title: "Everything else",
        panels: &[],
        prefixes: &[""],
    },
];
