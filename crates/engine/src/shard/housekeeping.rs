//! What is done now and then rather than per message: gauges, statistics.

use std::sync::atomic::Ordering;

use journal::{Append as _, JournalState};
use message::Now;

use super::{Shard, ShardFailure};
use crate::shared::Life;
use crate::stats::{CarrierStats, EngineStats, LaneStats, Percentiles};

/// How often deadlines are looked at: nothing durable depends on a finer grain.
const DUE_EVERY_NS: u64 = 5_000_000;
/// A time between turns that no sleep explains: the process was stopped, or the machine was.
const PAUSE_NS: u64 = 250_000_000;
/// After a pause deadlines wait so long. What carriers have answered meanwhile lies unread in the sockets; called overdue before it is
/// heard, an otp would be sent a second time for nothing.
const HEAR_FIRST_NS: u64 = 50_000_000;
/// How often gauges are set and retention is considered.
const TICK_NS: u64 = 250_000_000;

/// Times of what recurs.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    due_checked_ns: u64,
    /// When the last turn was.
    turned_ns: u64,
    /// Deadlines are not looked at before.
    deadlines_from_ns: u64,
    ticked_ns: u64,
}

impl Housekeeping {
    /// Whether deadlines are looked at in this turn: every few milliseconds, and after a pause only once sessions had time to read.
    pub(super) fn due_check(&mut self, now: Now) -> bool {
        let paused = self.turned_ns != 0 && now.mono_ns.saturating_sub(self.turned_ns) > PAUSE_NS;
        self.turned_ns = now.mono_ns;
        // Once per look: on a machine so slow that every turn comes after a pause, deadlines must be kept all the same.
        if paused && self.deadlines_from_ns <= self.due_checked_ns {
            self.deadlines_from_ns = now.mono_ns + HEAR_FIRST_NS;
        }
        if now.mono_ns < self.deadlines_from_ns {
            return false;
        }
        let due = now.mono_ns.saturating_sub(self.due_checked_ns) >= DUE_EVERY_NS;
        if due {
            self.due_checked_ns = now.mono_ns;
        }
        due
    }
}

impl Shard {
    pub(super) fn housekeeping(&mut self, now: Now) -> Result<(), ShardFailure> {
        self.publish_gauges();
        if now.mono_ns.saturating_sub(self.housekeeping.ticked_ns) < TICK_NS {
            return Ok(());
        }
        self.housekeeping.ticked_ns = now.mono_ns;
        if let JournalState::Failed { what } = self.journal.state() {
            self.shared.metrics.journal_failed.set(1.0);
            self.shared.set_life(Life::Failed);
            return Err(ShardFailure::Journal(what.to_string()));
        }
        self.look_after_helpers()?;
        for carrier in &mut self.cell.carriers {
            carrier.refresh(now);
        }
        self.set_otp_limits(now);
        self.tick_metrics(now);
        self.tick_keys(now)?;
        self.tick_awaited(now)?;
        self.retain()?;
        self.tick_unpinning(now);
        self.retain_written(now);
        Ok(())
    }

    /// A thread whose silence nobody would take for an end must be looked at. Those that file keys and rows are noticed where their reports are taken.
    fn look_after_helpers(&self) -> Result<(), ShardFailure> {
        if self.backlog.reader.is_gone() {
            return Err(ShardFailure::Reader);
        }
        if self.event_driver.is_gone() {
            return Err(ShardFailure::Events);
        }
        Ok(())
    }

    fn publish_gauges(&self) {
        for (group, depths) in self.cell.depths() {
            if let Some(gauge) = self.shared.groups.get(&group) {
                for (gauge, depth) in gauge.waiting.iter().zip(depths) {
                    gauge.store(depth as u64, Ordering::Relaxed);
                }
            }
        }
        for (group, names) in self.cell.spilled() {
            if let Some(gauge) = self.shared.groups.get(&group) {
                for (gauge, names) in gauge.spilled.iter().zip(names) {
                    gauge.store(names as u64, Ordering::Relaxed);
                }
            }
        }
        let awaited = self.receipts_awaited();
        self.shared
            .receipts_awaited
            .store(awaited, Ordering::Relaxed);
    }

    fn set_otp_limits(&self, now: Now) {
        for (group, gauge) in &self.shared.groups {
            let limit = self.cell.otp_limit(*group, now);
            gauge.otp_limit.store(limit, Ordering::Relaxed);
        }
    }

    fn tick_metrics(&mut self, now: Now) {
        let metrics = &self.shared.metrics;
        let mut depths = [0; 4];
        for (_, group) in self.cell.depths() {
            for (sum, depth) in depths.iter_mut().zip(group) {
                *sum += depth;
            }
        }
        let ages = self.cell.oldest_ns(now);
        for lane in 0..4 {
            metrics.lane_depth[lane].set(depths[lane] as f64);
            metrics.lane_age[lane].set(ages[lane] as f64 / 1e9);
            for waited in self.cell.latency[lane].recent.drain(..) {
                let carrier = self.cell.carriers.get(usize::from(waited.carrier));
                let metrics = carrier.and_then(|carrier| metrics.carrier(carrier.id));
                if let Some(metrics) = metrics {
                    metrics.head_of_line[lane].record(f64::from(waited.first_us) / 1e6);
                    metrics.admit_to_write[lane].record(f64::from(waited.total_us) / 1e6);
                }
            }
        }
        let live: usize = self
            .partitions
            .iter()
            .map(|partition| partition.counts().live)
            .sum();
        metrics.live.set(live as f64);
        let backlog = self.shared.backlog_credits.in_use();
        metrics.backlog.set(f64::from(backlog.messages));
        let credits = self.shared.engine_credits.in_use();
        metrics.credit_messages.set(f64::from(credits.messages));
        metrics.credit_bytes.set(credits.bytes as f64);
        metrics.awaited.set(self.receipts_awaited() as f64);
        metrics.uncertain.set(self.evidence.uncertain() as f64);
        metrics.watchers.set(self.shared.events.watchers() as f64);
        self.tick_event_metrics(now);
        self.tick_journal_metrics(now);
        self.shared.history.publish(&metrics.history, now.wall_ms);
        self.tick_carrier_metrics(now);
    }

    fn tick_journal_metrics(&self, now: Now) {
        let metrics = &self.shared.metrics;
        let stats = self.journal.stats();
        metrics.journal_batches.absolute(stats.batches);
        metrics.journal_records.absolute(stats.records);
        metrics.journal_bytes.absolute(stats.bytes);
        metrics.journal_disk.set(self.journal.disk_bytes() as f64);
        let replayed = self.journal.appended().0 - self.journal.replay_from().0;
        metrics.journal_replay.set(replayed as f64);
        let history = self.journal.history();
        metrics.journal_history.set(history.bytes as f64);
        let age_ms = match history.since_ms {
            0 => 0,
            since_ms => now.wall_ms.saturating_sub(since_ms),
        };
        metrics.journal_oldest.set(age_ms as f64 / 1e3);
        metrics.journal_no_space.set(match self.journal.state() {
            JournalState::Healthy | JournalState::Failed { .. } => 0.0,
            JournalState::Reserve => 1.0,
            JournalState::Full => 2.0,
        });
        let config = &self.shared.config;
        if let Ok(free_bytes) = config.storage.free_bytes(&config.dir) {
            metrics.journal_free.set(free_bytes as f64);
        }
        self.journal.drain_figures(|figures| {
            if let Some(sync_ns) = figures.sync_ns {
                metrics.journal_sync.record(sync_ns as f64 / 1e9);
            }
            if figures.records > 0 {
                metrics.journal_batch.record(figures.records as f64);
            }
        });
    }

    fn tick_event_metrics(&self, now: Now) {
        let metrics = &self.shared.metrics;
        let stats = self.shared.events.stats();
        metrics.events_shown.absolute(stats.shown);
        metrics.events_lost.absolute(stats.lost);
        metrics.events_waiting.set(stats.waiting as f64);
        metrics
            .event_log_failed
            .set(if stats.failed { 1.0 } else { 0.0 });
        metrics.event_log_disk.set(stats.disk_bytes as f64);
        let age_ms = match stats.oldest_ms {
            0 => 0,
            oldest_ms => now.wall_ms.saturating_sub(oldest_ms),
        };
        metrics.event_log_age.set(age_ms as f64 / 1e3);
    }

    fn tick_carrier_metrics(&self, now: Now) {
        for carrier in &self.cell.carriers {
            let Some(metrics) = self.shared.metrics.carrier(carrier.id) else {
                continue;
            };
            let status = carrier.connector.status();
            let flag = |on: bool| if on { 1.0 } else { 0.0 };
            metrics.permits.absolute(carrier.rate.written);
            let speed = carrier.throttle.speed(now.mono_ns);
            metrics.speed.set(f64::from(speed.ppm()) / 1e6);
            metrics.window.set(f64::from(status.in_flight));
            metrics.window_size.set(f64::from(status.window));
            metrics.sessions.set(f64::from(status.sessions_bound));
            metrics
                .sessions_configured
                .set(f64::from(status.sessions_configured));
            metrics.receivers.set(f64::from(status.sessions_receiving));
            metrics.receiver_missing.set(flag(status.receiver_missing));
            metrics.bind_fatal.set(flag(status.bind_fatal));
            metrics.reconnects.absolute(status.reconnects);
            metrics.irregularities(&status.irregularities);
        }
    }

    pub(super) fn stats(&self) -> EngineStats {
        let lanes = [0, 1, 2, 3].map(|lane| LaneStats {
            head_of_line: self.cell.latency[lane].head_of_line(),
            admit_to_write: self.cell.latency[lane].admit_to_write(),
            submit_to_admit: Percentiles::of_us(&self.submit_to_admit[lane]),
        });
        let carriers = self.cell.carriers.iter().map(|carrier| {
            let limited_seconds = carrier.rate.limited_ns as f64 / 1e9;
            let contract = carrier.throttle.bucket().map_or(0.0, |bucket| {
                f64::from(bucket.contract().segments_per_second())
            });
            let possible = contract * limited_seconds;
            CarrierStats {
                carrier: carrier.id,
                written: carrier.rate.written,
                max_in_any_second: carrier.rate.max_in_any_second as u64,
                limited_seconds,
                utilisation: if possible > 0.0 {
                    carrier.rate.written_while_limited as f64 / possible
                } else {
                    0.0
                },
            }
        });
        EngineStats {
            lanes,
            carriers: carriers.collect(),
            live: self
                .partitions
                .iter()
                .map(|partition| partition.counts().live as u64)
                .sum(),
            receipts_awaited: self.receipts_awaited(),
            receipts_on_disk: self.receipts_on_disk(),
            backlog: u64::from(self.shared.backlog_credits.in_use().messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_pause_deadlines_wait_for_what_lies_in_the_sockets() {
        const MS: u64 = 1_000_000;
        let mut housekeeping = Housekeeping::default();
        let mut check = |at_ms: u64| {
            housekeeping.due_check(Now {
                mono_ns: at_ms * MS,
                wall_ms: 0,
            })
        };
        assert!(check(1_000) && check(1_050), "in the ordinary course");
        assert!(!check(5_000) && !check(5_049), "after a pause");
        assert!(check(5_050));
        assert!(!check(9_000));
        assert!(check(9_400), "a second pause delays nothing further");
    }
}
