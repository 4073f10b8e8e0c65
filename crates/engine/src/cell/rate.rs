//! What a carrier was sent, measured against its contract: the most write stamps in any second, and how much of the contract was used
//! while only a permit was missing.
//!
//! Limits: [`STAMPS_MAX`] stamps; beyond that turns are counted as one, at the later time, so that the figure can only be too high.

use std::collections::VecDeque;

const SECOND_NS: u64 = 1_000_000_000;
/// Write stamps kept apart. More turns than this in a second, each with a write, are no contract's doing: it is an unlimited carrier.
const STAMPS_MAX: usize = 65_536;

/// Work waited, a slot was free, the carrier was at full pace, and only a permit was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    /// When the next permit may be had.
    pub(super) until_ns: u64,
    /// The permit interval.
    pub(super) interval_ns: u64,
}

/// Write stamps and utilisation of one carrier.
///
/// Time counts as limited from the turn that ended without a permit to the next; so do the segments that next turn wrote. At the edges
/// of such a stretch two corrections keep the figure honest: the time that earned the part of a permit already in the bucket belongs to
/// it, and when the work ran out, the time after its last segment could have gone does not.
#[derive(Debug, Default)]
pub(crate) struct RateWatch {
    /// Write stamps of the last second, by turn.
    stamps: VecDeque<(u64, usize)>,
    in_window: usize,
    pub(crate) max_in_any_second: usize,
    pub(crate) written: u64,
    /// Time in which work waited, a slot was free and only a permit was missing.
    pub(crate) limited_ns: u64,
    /// Segments written in that time.
    pub(crate) written_while_limited: u64,
    stretch: Option<(u64, Limited)>,
    written_in_turn: u64,
}

impl RateWatch {
    pub(super) fn note_written(&mut self, now_ns: u64, segments: usize) {
        self.written += segments as u64;
        self.written_in_turn += segments as u64;
        self.in_window += segments;
        match self.stamps.back_mut() {
            Some((last_ns, count)) if *last_ns == now_ns => *count += segments,
            _ => self.push_stamp(now_ns, segments),
        }
        while let Some((stamp_ns, count)) = self.stamps.front()
            && now_ns.saturating_sub(*stamp_ns) >= SECOND_NS
        {
            self.in_window -= count;
            self.stamps.pop_front();
        }
        self.max_in_any_second = self.max_in_any_second.max(self.in_window);
    }

    /// A turn of the carrier ended; `limited` says whether only a permit was missing.
    pub(super) fn end_turn(&mut self, now_ns: u64, limited: Option<Limited>) {
        let wrote = std::mem::take(&mut self.written_in_turn);
        let stretch = self.stretch.take();
        if let Some((from_ns, before)) = stretch
            && (wrote > 0 || limited.is_some())
        {
            let passed_ns = now_ns.saturating_sub(from_ns);
            let counted_ns = if limited.is_some() {
                passed_ns
            } else {
                let last_ns = before.until_ns + (wrote - 1) * before.interval_ns;
                passed_ns.min(last_ns.saturating_sub(from_ns))
            };
            self.limited_ns += counted_ns;
            self.written_while_limited += wrote;
        }
        self.stretch = limited.map(|limited| {
            let missing_ns = limited.until_ns.saturating_sub(now_ns);
            let earned_ns = match stretch {
                Some(_) => 0,
                None => limited.interval_ns.saturating_sub(missing_ns),
            };
            (now_ns.saturating_sub(earned_ns), limited)
        });
    }

    fn push_stamp(&mut self, now_ns: u64, segments: usize) {
        let full = self.stamps.len() >= STAMPS_MAX;
        match self.stamps.back_mut() {
            Some((last_ns, count)) if full => {
                *last_ns = now_ns;
                *count += segments;
            }
            Some(_) | None => self.stamps.push_back((now_ns, segments)),
        }
    }
}
