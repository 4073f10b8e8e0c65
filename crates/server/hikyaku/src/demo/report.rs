//! What the demo found, as one JSON object: the names are part of the program's interface.

use std::collections::BTreeMap;

use engine::{CarrierStats, LaneStats, Percentiles};
use serde::Serialize;

use super::promises::Verdict;
use super::tally::Totals;

/// The JSON object.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// Messages that were durable before the client had its answer.
    pub(super) admitted: u64,
    /// Submissions not taken, by reason.
    pub(super) refused: BTreeMap<String, u64>,
    /// Final states of the admitted messages, as the client saw them.
    pub(super) delivered: u64,
    pub(super) sent: u64,
    pub(super) undeliverable: u64,
    pub(super) rejected: u64,
    pub(super) expired: u64,
    pub(super) cancelled: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
    /// The sum of these.
    #[serde(skip)]
    pub(super) ended: u64,
    /// Messages that are not final, as the engine counts them at the end.
    pub(super) pending: u64,
    /// Messages reported uncertain at some time: a copy is possible.
    pub(super) uncertain: u64,
    /// Admitted messages for which neither the watch nor a look-up has shown a final state.
    pub(super) lost: u64,
    /// Copies that reached a carrier beyond the first.
    pub(super) duplicated: u64,
    /// Those of messages that were never reported uncertain.
    pub(super) duplicated_unflagged: u64,
    /// From the first submission until the last final state was seen.
    pub(super) seconds: f64,
    /// Admitted messages in that time. The contracted carrier alone takes ten seconds: see the carriers' own figures.
    pub(super) messages_per_second: f64,
    pub(super) otp: ClassReport,
    pub(super) bulk: ClassReport,
    pub(super) carriers: Vec<CarrierReport>,
    /// Of the whole process: client, engine and both carriers.
    pub(super) cpu_seconds_per_million: f64,
    /// Resident memory of the whole process at the end.
    pub(super) rss_mb: f64,
    /// The most it ever was.
    pub(super) rss_peak_mb: f64,
    /// What was promised and what came of it.
    pub(super) promises: Vec<Verdict>,
}

/// How long the messages of a class waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct ClassReport {
    /// From when no other message of its class went before it until it was written.
    pub(super) head_of_line_ms: Spread,
    /// From its durable admission until it was written.
    pub(super) admit_to_write_ms: Spread,
    /// From its arrival at the engine until it was durable and answered.
    pub(super) submit_to_admit_ms: Spread,
}

/// Half were at most `p50`, all but one in a hundred at most `p99`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// A carrier, from both ends of the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CarrierReport {
    pub(super) name: String,
    /// `null`: no contract.
    pub(super) contracted_per_second: Option<u32>,
    /// The most write stamps of ours in any second.
    pub(super) max_in_any_second_at_write: u64,
    /// The most segments that the carrier received in any second.
    pub(super) max_in_any_second_at_carrier: u64,
    /// Largest less smallest time from our write to the carrier's receipt of a segment.
    pub(super) delay_spread_ms: f64,
    /// Segments written over what the contract allowed while it was the limit; `null` without a contract.
    pub(super) utilisation: Option<f64>,
    /// For how long the contract was the limit.
    pub(super) limited_seconds: f64,
    /// Segments that the carrier received.
    pub(super) segments: u64,
    /// Admitted messages meant for it.
    pub(super) messages: u64,
    /// From the first submission of the run until the last of its bulk was seen final; OTPs are paced, bulk is not.
    pub(super) bulk_seconds: f64,
    /// Its bulk in that time, from gRPC to the receipt.
    pub(super) bulk_per_second: f64,
}

/// What the simulated carrier counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AtCarrier {
    /// The most segments received in any second.
    pub(super) max_in_any_second: u64,
    /// Largest less smallest time from our write to their receipt.
    pub(super) delay_spread_ms: f64,
    /// Segments received.
    pub(super) segments: u64,
}

/// What the client counted of a carrier's messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AtClient {
    /// The carrier's name.
    pub(super) name: String,
    /// Its contract.
    pub(super) contracted_per_second: Option<u32>,
    /// Messages admitted for it.
    pub(super) messages: u64,
    /// The bulk among them, as planned.
    pub(super) bulk: u64,
    /// Until the last of that was final.
    pub(super) bulk_seconds: f64,
}

impl From<Percentiles> for Spread {
    fn from(ms: Percentiles) -> Self {
        Self {
            p50: rounded(ms.p50),
            p99: rounded(ms.p99),
            max: rounded(ms.max),
        }
    }
}

impl From<&LaneStats> for ClassReport {
    fn from(lane: &LaneStats) -> Self {
        Self {
            head_of_line_ms: lane.head_of_line.into(),
            admit_to_write_ms: lane.admit_to_write.into(),
            submit_to_admit_ms: lane.submit_to_admit.into(),
        }
    }
}

impl CarrierReport {
    /// From the three that counted.
    pub(super) fn new(client: AtClient, engine: &CarrierStats, carrier: AtCarrier) -> Self {
        Self {
            name: client.name,
            contracted_per_second: client.contracted_per_second,
            max_in_any_second_at_write: engine.max_in_any_second,
            max_in_any_second_at_carrier: carrier.max_in_any_second,
            delay_spread_ms: rounded(carrier.delay_spread_ms),
            utilisation: client
                .contracted_per_second
                .map(|_| (engine.utilisation * 10_000.0).round() / 10_000.0),
            limited_seconds: rounded(engine.limited_seconds),
            segments: carrier.segments,
            messages: client.messages,
            bulk_seconds: rounded(client.bulk_seconds),
            bulk_per_second: per_second(client.bulk, client.bulk_seconds),
        }
    }
}

/// What the process as a whole used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Processor seconds.
    pub(super) cpu_seconds: f64,
    /// Resident memory at the end.
    pub(super) rss_mb: f64,
    /// The most it ever was.
    pub(super) rss_peak_mb: f64,
}

/// What the engine and the wire add to the client's account.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// Not final, as the engine counts.
    pub(super) pending: u64,
    /// See [`Report::duplicated`].
    pub(super) duplicated: u64,
    /// See [`Report::duplicated_unflagged`].
    pub(super) duplicated_unflagged: u64,
    /// See [`Report::seconds`].
    pub(super) seconds: f64,
    pub(super) otp: ClassReport,
    pub(super) bulk: ClassReport,
    pub(super) carriers: Vec<CarrierReport>,
    pub(super) cost: Cost,
}

impl Report {
    /// Brings everything together, without verdicts.
    pub(super) fn new(totals: &Totals, evidence: Evidence) -> Self {
        let Evidence { cost, seconds, .. } = evidence;
        let ended = totals.endings;
        Self {
            admitted: totals.admitted,
            refused: totals.refused.clone(),
            delivered: ended.delivered,
            sent: ended.sent,
            undeliverable: ended.undeliverable,
            rejected: ended.rejected,
            expired: ended.expired,
            cancelled: ended.cancelled,
            failed: ended.failed,
            unknown: ended.unknown,
            ended: ended.sum(),
            pending: evidence.pending,
            uncertain: totals.uncertain,
            lost: totals.lost,
            duplicated: evidence.duplicated,
            duplicated_unflagged: evidence.duplicated_unflagged,
            seconds: rounded(seconds),
            messages_per_second: per_second(totals.admitted, seconds),
            otp: evidence.otp,
            bulk: evidence.bulk,
            carriers: evidence.carriers,
            cpu_seconds_per_million: per_million(cost.cpu_seconds, totals.admitted),
            rss_mb: rounded(cost.rss_mb),
            rss_peak_mb: rounded(cost.rss_peak_mb),
            promises: Vec::new(),
        }
    }
}

/// To a thousandth: what is beyond it is noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        (count as f64 / seconds).round()
    } else {
        0.0
    }
}

fn per_million(cpu_seconds: f64, count: u64) -> f64 {
    if count > 0 {
        rounded(cpu_seconds * 1_000_000.0 / count as f64)
    } else {
        0.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use message::CarrierId;

    use super::*;

    /// A run in which everything is as it should be.
    pub(in crate::demo) fn sound() -> Report {
        let totals = Totals {
            admitted: 3_000,
            endings: super::super::tally::Endings {
                delivered: 2_910,
                undeliverable: 60,
                expired: 30,
                ..Default::default()
            },
            ..Totals::default()
        };
        let stats = CarrierStats {
            carrier: CarrierId::of(&"contract-200".parse().unwrap()),
            written: 2_000,
            max_in_any_second: 200,
            limited_seconds: 10.0,
            utilisation: 0.992_96,
        };
        let client = AtClient {
            name: "contract-200".into(),
            contracted_per_second: Some(200),
            messages: 2_000,
            bulk: 1_800,
            bulk_seconds: 10.0,
        };
        let at_carrier = AtCarrier {
            max_in_any_second: 200,
            delay_spread_ms: 3.0,
            segments: 2_000,
        };
        let evidence = Evidence {
            pending: 0,
            duplicated: 0,
            duplicated_unflagged: 0,
            seconds: 10.5,
            otp: ClassReport {
                head_of_line_ms: Spread {
                    p50: 2.0,
                    p99: 5.1,
                    max: 5.2,
                },
                ..ClassReport::default()
            },
            bulk: ClassReport::default(),
            carriers: vec![CarrierReport::new(client, &stats, at_carrier)],
            cost: Cost {
                cpu_seconds: 0.3,
                rss_mb: 40.0,
                rss_peak_mb: 41.0,
            },
        };
        Report::new(&totals, evidence)
    }

    #[test]
    fn the_object_has_the_promised_names() {
        let json = serde_json::to_value(sound()).unwrap();
        for name in [
            "admitted",
            "refused",
            "delivered",
            "sent",
            "undeliverable",
            "rejected",
            "expired",
            "cancelled",
            "failed",
            "unknown",
            "pending",
            "uncertain",
            "lost",
            "duplicated",
            "duplicated_unflagged",
            "seconds",
            "messages_per_second",
            "cpu_seconds_per_million",
            "rss_mb",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        for class in ["otp", "bulk"] {
            for measure in ["head_of_line_ms", "admit_to_write_ms", "submit_to_admit_ms"] {
                for part in ["p50", "p99", "max"] {
                    assert!(
                        json[class][measure][part].is_number(),
                        "{class} {measure} {part}"
                    );
                }
            }
        }
        let carrier = &json["carriers"][0];
        assert_eq!(carrier["contracted_per_second"], 200);
        assert_eq!(carrier["max_in_any_second_at_write"], 200);
        assert_eq!(carrier["max_in_any_second_at_carrier"], 200);
        assert_eq!(carrier["delay_spread_ms"], 3.0);
        assert_eq!(carrier["utilisation"], 0.993);
    }

    #[test]
    fn rates_are_of_what_was_admitted() {
        let report = sound();
        assert_eq!(report.messages_per_second, 286.0);
        assert_eq!(report.cpu_seconds_per_million, 100.0);
        assert_eq!(report.ended, report.admitted);
        assert_eq!((per_second(5, 0.0), per_million(1.0, 0)), (0.0, 0.0));
    }
}
