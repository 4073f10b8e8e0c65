//! The closed loop: the next message goes when there is room.

use std::time::Duration;

use grpc_api::limits::SUBMISSIONS_PER_REQUEST_MAX;
use tokio::time::{sleep_until, timeout_at};

use crate::doors::{Doors, request};
use crate::mix::Mix;
use crate::run::{Follow, Load, LoadError, Pace, Shared};

/// Submissions drafted at a time. Full requests: what a few answers have made room for would go out in frames of a few submissions.
const DRAFTED: u64 = 100;

/// Submits until the measured span or the messages are over.
pub(crate) async fn drive(
    mix: &Mix,
    load: &Load,
    doors: Doors,
    shared: &Shared,
) -> Result<(), LoadError> {
    let in_flight_max = match load.pace {
        Pace::Closed { in_flight } => in_flight.max(1),
        Pace::Open { .. } => u64::MAX,
    };
    let limits = Limits {
        follow: load.follow,
        in_flight_max,
        unanswered_max: load.unanswered_max.max(1),
    };
    let batch = DRAFTED
        .min(in_flight_max)
        .min(limits.unanswered_max)
        .min(SUBMISSIONS_PER_REQUEST_MAX as u64);
    let ends = shared.at(load.warm_up + load.measured);
    let mut next = 0;
    while next < load.messages_max && tokio::time::Instant::now() < ends {
        let count = batch.min(load.messages_max - next);
        if !room(shared, &limits, count, ends).await {
            break;
        }
        for (door, drafts) in doors.sort(mix, next..next + count) {
            {
                let mut tally = shared.tally();
                let now_ns = shared.now_ns();
                for (nth, draft) in &drafts {
                    tally.sent(*nth, draft.category, now_ns, now_ns);
                }
            }
            let sent = door.send(request(shared, &drafts)).await;
            sent.map_err(|_| LoadError::Ended("a stream of submissions"))?;
        }
        next += count;
    }
    // The streams end once all is answered; the span goes on to its end, unless it was the messages that ended.
    drop(doors);
    if next < load.messages_max {
        sleep_until(ends).await;
    }
    Ok(())
}

struct Limits {
    follow: Follow,
    in_flight_max: u64,
    unanswered_max: u64,
}

/// Waits for room for so many; false when the time is over first.
async fn room(shared: &Shared, limits: &Limits, count: u64, ends: tokio::time::Instant) -> bool {
    /// A look of its own: a wake-up may have been used up by another wait.
    const LOOK_INTERVAL: Duration = Duration::from_millis(100);
    loop {
        let (unanswered, in_flight) = {
            let tally = shared.tally();
            (tally.unanswered(), tally.in_flight())
        };
        let open = match limits.follow {
            Follow::ToAdmission => unanswered,
            Follow::ToFinal => in_flight,
        };
        if unanswered + count <= limits.unanswered_max && open + count <= limits.in_flight_max {
            return true;
        }
        let now = tokio::time::Instant::now();
        if now >= ends {
            return false;
        }
        let _ = timeout_at(ends.min(now + LOOK_INTERVAL), shared.moved.notified()).await;
    }
}
