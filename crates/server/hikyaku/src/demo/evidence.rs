//! What the three who counted say: the client, the engine and the carriers.

use std::time::Duration;

use engine::{CarrierStats, EngineStats};
use fakes::smsc::{MessageKey, SmscHandle};
use message::{CarrierId, Lane, MessageId, Slug, SlugError};
use thiserror::Error;
use tokio::time::Instant;

use super::plan::{Plan, Target, UNLIMITED_NAME};
use super::promises::verdicts;
use super::report::{AtCarrier, AtClient, CarrierReport, Cost, Evidence, Report};
use super::stage::Stage;
use super::tally::Tally;
use super::usage::Memory;

const NS_PER_MS: f64 = 1_000_000.0;

/// What the run used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    /// When the first submission went out.
    pub(super) started: Instant,
    /// Processor time of the process since.
    pub(super) cpu: Duration,
    /// Its memory.
    pub(super) memory: Memory,
}

/// Why the figures are not complete.
#[derive(Debug, Error)]
pub(super) enum EvidenceError {
    /// It has stopped.
    #[error("the engine does not say what it counted: it has stopped")]
    Engine,
    /// A defect of ours.
    #[error("the engine has counted nothing for carrier {0}")]
    Carrier(String),
    /// A defect of ours.
    #[error(transparent)]
    Name(#[from] SlugError),
}

/// The report with its verdicts.
///
/// # Errors
/// See [`EvidenceError`].
pub(super) async fn report(
    plan: &Plan,
    stage: &Stage,
    tally: &Tally,
    spent: Spent,
) -> Result<Report, EvidenceError> {
    let stats = stage.running.handle.stats().await;
    let stats = stats.ok_or(EvidenceError::Engine)?;
    let sides = [
        (Target::Contracted, &stage.contracted),
        (Target::Unlimited, &stage.unlimited),
    ];
    let mut carriers = Vec::with_capacity(sides.len());
    let mut copies = Copies::default();
    for (target, smsc) in sides {
        carriers.push(carrier(plan, target, (tally, &spent), &stats, smsc)?);
        copies.count(smsc, tally);
    }
    let ends = sides.map(|(target, _)| tally.part(target).last_end);
    let seconds = seconds_until(spent.started, ends.into_iter().flatten().max());
    let totals = tally.totals();
    let evidence = Evidence {
        pending: stats.live,
        duplicated: copies.all,
        duplicated_unflagged: copies.unflagged,
        seconds,
        otp: (&stats.lanes[Lane::Otp.index()]).into(),
        bulk: (&stats.lanes[Lane::Bulk.index()]).into(),
        carriers,
        cost: Cost {
            cpu_seconds: spent.cpu.as_secs_f64(),
            rss_mb: spent.memory.resident_mb,
            rss_peak_mb: spent.memory.peak_mb,
        },
    };
    let unseen = tally
        .delivered()
        .filter(|(id, target)| smsc_of(stage, *target).seen(id.to_bytes()) == 0)
        .count();
    let mut report = Report::new(&totals, evidence);
    report.promises = verdicts(&report, totals.contradicted + unseen as u64);
    Ok(report)
}

const fn smsc_of(stage: &Stage, target: Target) -> &SmscHandle {
    match target {
        Target::Contracted => &stage.contracted,
        Target::Unlimited => &stage.unlimited,
    }
}

fn carrier(
    plan: &Plan,
    target: Target,
    (tally, spent): (&Tally, &Spent),
    stats: &EngineStats,
    smsc: &SmscHandle,
) -> Result<CarrierReport, EvidenceError> {
    let (name, contracted_per_second) = match target {
        Target::Contracted => (plan.contracted_name(), Some(plan.rate)),
        Target::Unlimited => (UNLIMITED_NAME.to_owned(), None),
    };
    let part = tally.part(target);
    let client = AtClient {
        messages: part.admitted,
        bulk: plan.share(target).bulk,
        bulk_seconds: seconds_until(spent.started, part.last_bulk_end),
        contracted_per_second,
        name,
    };
    let engine = of_carrier(stats, &client.name)?;
    let seen = smsc.report();
    let at_carrier = AtCarrier {
        max_in_any_second: seen.counts.max_in_any_second,
        delay_spread_ms: seen
            .write_to_receive
            .map_or(0.0, |delays| delays.spread_ns as f64 / NS_PER_MS),
        segments: seen.counts.submits,
    };
    Ok(CarrierReport::new(client, engine, at_carrier))
}

fn of_carrier<'a>(stats: &'a EngineStats, name: &str) -> Result<&'a CarrierStats, EvidenceError> {
    let id = CarrierId::of(&name.parse::<Slug>()?);
    let mut carriers = stats.carriers.iter();
    carriers
        .find(|carrier| carrier.carrier == id)
        .ok_or_else(|| EvidenceError::Carrier(name.to_owned()))
}

fn seconds_until(started: Instant, ended: Option<std::time::Instant>) -> f64 {
    ended.map_or(0.0, |ended| {
        ended
            .saturating_duration_since(started.into_std())
            .as_secs_f64()
    })
}

/// Segments that a carrier took beyond the first of their message; each message of the demo has one.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    all: u64,
    unflagged: u64,
}

impl Copies {
    fn count(&mut self, smsc: &SmscHandle, tally: &Tally) {
        let mut flagged = 0;
        for (key, copies) in smsc.copies() {
            let said = match key {
                MessageKey::Stamped(octets) => {
                    MessageId::from_bytes(&octets).is_ok_and(|id| tally.is_uncertain(id))
                }
                // Not stamped, so nobody can have said anything about it.
                MessageKey::Content(_) => false,
            };
            flagged += if said { u64::from(copies) } else { 0 };
        }
        let all = smsc.snapshot().copies;
        self.all += all;
        // Those that the simulator counted without listing them count as unflagged.
        self.unflagged += all.saturating_sub(flagged);
    }
}
