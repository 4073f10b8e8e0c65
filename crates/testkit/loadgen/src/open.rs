//! The open loop: a thread of its own that sends what is due, whatever the engine does.
//!
//! A thread, since a runtime's timer counts in milliseconds and its tasks wait for one another; the thread sleeps to
//! [`PAUSE_MIN`]. What is due goes out together. A message that finds its stream's requests full, or too many submissions
//! without an answer, is skipped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use crate::doors::{Doors, request};
use crate::mix::Mix;
use crate::run::{LoadError, Shared};
use crate::schedule::Schedule;

/// Between two rounds: what is due in between is that late. Shorter pauses cost a wake-up each of the cores that are being measured.
const PAUSE_MIN: Duration = Duration::from_micros(250);
/// The longest sleep, so that a run that has failed is noticed.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Messages sent in one round: one full request.
const ROUND_MAX: usize = grpc_api::limits::SUBMISSIONS_PER_REQUEST_MAX;

/// Sends the whole schedule; returns when its last moment has passed.
pub(crate) async fn drive(
    mix: Mix,
    schedule: Schedule,
    unanswered_max: u64,
    doors: Doors,
    shared: &Arc<Shared>,
) -> Result<(), LoadError> {
    let shared = Arc::clone(shared);
    let paced =
        tokio::task::spawn_blocking(move || pace(&mix, &schedule, unanswered_max, &doors, &shared));
    paced.await?
}

fn pace(
    mix: &Mix,
    schedule: &Schedule,
    unanswered_max: u64,
    doors: &Doors,
    shared: &Shared,
) -> Result<(), LoadError> {
    let mut next = 0;
    while let Some(at_ns) = schedule.times_ns().get(next) {
        if shared.is_given_up() {
            return Ok(());
        }
        let early = Duration::from_nanos(at_ns.saturating_sub(shared.now_ns()));
        if !early.is_zero() {
            std::thread::sleep(early.clamp(PAUSE_MIN, PAUSE_MAX));
        }
        let due = schedule.due(next, shared.now_ns(), ROUND_MAX);
        next = due.end;
        send(mix, schedule, (due, unanswered_max), doors, shared)?;
    }
    Ok(())
}

fn send(
    mix: &Mix,
    schedule: &Schedule,
    (due, unanswered_max): (std::ops::Range<usize>, u64),
    doors: &Doors,
    shared: &Shared,
) -> Result<(), LoadError> {
    let intended = |nth: u64| {
        usize::try_from(nth)
            .ok()
            .and_then(|nth| schedule.times_ns().get(nth))
            .copied()
            .unwrap_or(u64::MAX)
    };
    for (door, drafts) in doors.sort(mix, due.start as u64..due.end as u64) {
        // A place first: what is counted as sent can then be sent.
        let place = match door.try_reserve() {
            Ok(place) => Some(place),
            Err(TrySendError::Full(())) => None,
            Err(TrySendError::Closed(())) => {
                return Err(LoadError::Ended("a stream of submissions"));
            }
        };
        let request = place.is_some().then(|| request(shared, &drafts));
        let mut tally = shared.tally();
        let fits = tally.unanswered() + drafts.len() as u64 <= unanswered_max;
        let now_ns = shared.now_ns();
        match (place, request) {
            (Some(place), Some(request)) if fits => {
                for (nth, draft) in &drafts {
                    tally.sent(*nth, draft.category, intended(*nth), now_ns);
                }
                // An answer cannot be counted before its message is: the account is still ours.
                place.send(request);
            }
            _ => {
                for (nth, draft) in &drafts {
                    tally.skipped(*nth, draft.category, intended(*nth));
                }
            }
        }
    }
    Ok(())
}
