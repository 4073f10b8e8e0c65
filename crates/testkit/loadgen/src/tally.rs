//! The account of a run: what was sent, answered and ended, and when. It has no clock: every moment is an argument, in nanoseconds since
//! the beginning of the run.
//!
//! Only what falls into the *measured span* counts for figures: rates by the moment of the event, times by the moment a message was
//! meant to be sent. What lies before (warm-up) and after (drain) is in the totals and in the ticks.

use std::collections::BTreeMap;

use grpc_api::v1;
use message::{CATEGORIES, Category};

use crate::times::{Step, Times};

/// Length of a tick of the time line.
pub const TICK_NS: u64 = 100_000_000;
/// Ticks kept; later events count in the last one. A day.
const TICKS_MAX: usize = 864_000;

/// The part of a run that figures are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first nanosecond.
    pub begins_ns: u64,
    /// The first nanosecond after it.
    pub ends_ns: u64,
}

impl Span {
    /// Whether a moment lies in it.
    #[must_use]
    pub const fn holds(self, at_ns: u64) -> bool {
        self.begins_ns <= at_ns && at_ns < self.ends_ns
    }

    /// Its length.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.ends_ns.saturating_sub(self.begins_ns) as f64 / 1e9
    }
}

/// Messages by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to a stream.
    pub sent: u64,
    /// Not sent at their moment since a bound of the load's was reached.
    pub skipped: u64,
    /// Answered with an id.
    pub admitted: u64,
    /// Answered with a reason.
    pub refused: u64,
    /// Seen in a final state.
    pub ended: u64,
}

/// A tenth of a second: what happened in it.
pub type Tick = Counts;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The measured span.
    pub span: Span,
    /// Everything, warm-up and drain included.
    pub total: Counts,
    /// What happened in the measured span.
    pub measured: Counts,
    /// Of all that ended, by state.
    pub states: BTreeMap<&'static str, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Messages that were told to have ended twice, by evidence that is not marked late. Must be 0.
    pub ended_twice: u64,
    /// Answers and events about messages that this run did not send, or sent once and was answered for twice. Must be 0.
    pub strange: u64,
    /// Times of the messages that were meant to be sent in the measured span, by category.
    pub times: [Times; 4],
    /// What happened in each tenth of a second.
    pub ticks: Vec<Tick>,
}

impl Loaded {
    /// Admitted messages whose end nobody told.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.total.admitted.saturating_sub(self.total.ended)
    }

    /// Sent messages that were never answered.
    #[must_use]
    pub const fn unanswered(&self) -> u64 {
        self.total
            .sent
            .saturating_sub(self.total.admitted + self.total.refused)
    }

    /// The times of a category.
    #[must_use]
    pub fn times(&self, category: Category) -> &Times {
        &self.times[category.index()]
    }
}

/// Where a message is, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Another one with a higher number went first.
    Unsent,
    Skipped,
    Sent,
    Refused,
    Admitted {
        at_ns: u64,
    },
    Ended,
    /// The end came before the answer: two streams, no order between them.
    EndedUnanswered,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    intended_ns: u64,
    category: u8,
    place: Place,
}

const UNSENT: Row = Row {
    intended_ns: 0,
    category: 0,
    place: Place::Unsent,
};

/// The running account. Messages are numbered from 0, at most [`MESSAGES_MAX`](crate::MESSAGES_MAX) of them: the driver sees to that.
#[derive(Debug)]
pub struct Tally {
    rows: Vec<Row>,
    loaded: Loaded,
}

impl Tally {
    /// An empty account that takes figures from `span`.
    #[must_use]
    pub fn new(span: Span) -> Self {
        Self {
            rows: Vec::new(),
            loaded: Loaded {
                span,
                total: Counts::default(),
                measured: Counts::default(),
                states: BTreeMap::new(),
                refusals: BTreeMap::new(),
                ended_twice: 0,
                strange: 0,
                times: std::array::from_fn(|_| Times::default()),
                ticks: Vec::new(),
            },
        }
    }

    /// Sent and neither admitted nor refused.
    #[must_use]
    pub const fn unanswered(&self) -> u64 {
        self.loaded.unanswered()
    }

    /// Sent, not refused, and without an end.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        let Counts {
            sent,
            refused,
            ended,
            ..
        } = self.loaded.total;
        sent.saturating_sub(refused + ended)
    }

    /// The totals so far.
    #[must_use]
    pub const fn total(&self) -> Counts {
        self.loaded.total
    }

    /// Message `nth` goes into a stream now; it was meant to at `intended_ns`.
    pub fn sent(&mut self, nth: u64, category: Category, intended_ns: u64, now_ns: u64) {
        self.open(nth, category, intended_ns, Place::Sent);
        self.count(now_ns, |counts| &mut counts.sent);
        self.time(intended_ns, category, Step::IntendedToSent, now_ns);
    }

    /// Message `nth` was to be sent at `intended_ns` and is not.
    pub fn skipped(&mut self, nth: u64, category: Category, intended_ns: u64) {
        self.open(nth, category, intended_ns, Place::Skipped);
        self.count(intended_ns, |counts| &mut counts.skipped);
    }

    /// The engine answered with an id.
    pub fn admitted(&mut self, nth: u64, now_ns: u64) {
        let Some(&mut row) = self.find(nth) else {
            self.loaded.strange += 1;
            return;
        };
        let place = match row.place {
            Place::Sent => Place::Admitted { at_ns: now_ns },
            Place::EndedUnanswered => {
                // The step took no time that a client can see.
                self.time_between(row, Step::AdmitToFinal, 0);
                Place::Ended
            }
            Place::Unsent
            | Place::Skipped
            | Place::Refused
            | Place::Admitted { .. }
            | Place::Ended => {
                self.loaded.strange += 1;
                return;
            }
        };
        self.place(nth, place);
        self.count(now_ns, |counts| &mut counts.admitted);
        self.time(row.intended_ns, category(row), Step::SubmitToAdmit, now_ns);
    }

    /// The engine answered with a reason.
    pub fn refused(&mut self, nth: u64, reason: v1::Reason, now_ns: u64) {
        match self.find(nth) {
            Some(row) if row.place == Place::Sent => row.place = Place::Refused,
            Some(_) | None => {
                self.loaded.strange += 1;
                return;
            }
        }
        self.count(now_ns, |counts| &mut counts.refused);
        *self
            .loaded
            .refusals
            .entry(reason.as_str_name())
            .or_default() += 1;
    }

    /// The engine says that a message is in this final state.
    pub fn ended(&mut self, nth: u64, state: v1::MessageState, now_ns: u64) {
        let Some(&mut row) = self.find(nth) else {
            self.loaded.strange += 1;
            return;
        };
        let category = category(row);
        let place = match row.place {
            Place::Sent => Place::EndedUnanswered,
            Place::Admitted { at_ns } => {
                self.time_between(row, Step::AdmitToFinal, now_ns.saturating_sub(at_ns));
                Place::Ended
            }
            Place::Ended | Place::EndedUnanswered => {
                self.loaded.ended_twice += 1;
                return;
            }
            Place::Unsent | Place::Skipped | Place::Refused => {
                self.loaded.strange += 1;
                return;
            }
        };
        self.place(nth, place);
        self.count(now_ns, |counts| &mut counts.ended);
        *self.loaded.states.entry(state.as_str_name()).or_default() += 1;
        self.time(row.intended_ns, category, Step::SubmitToFinal, now_ns);
    }

    /// Something came about no message of ours.
    pub fn strange(&mut self) {
        self.loaded.strange += 1;
    }

    /// Closes the account.
    #[must_use]
    pub fn into_loaded(self) -> Loaded {
        self.loaded
    }

    fn open(&mut self, nth: u64, category: Category, intended_ns: u64, place: Place) {
        let at = usize::try_from(nth).unwrap_or(usize::MAX);
        if self.rows.len() <= at {
            self.rows.resize(at + 1, UNSENT);
        }
        self.rows[at] = Row {
            intended_ns,
            category: category.index() as u8,
            place,
        };
    }

    fn find(&mut self, nth: u64) -> Option<&mut Row> {
        self.rows.get_mut(usize::try_from(nth).ok()?)
    }

    fn place(&mut self, nth: u64, place: Place) {
        if let Some(row) = self.find(nth) {
            row.place = place;
        }
    }

    fn count(&mut self, at_ns: u64, which: fn(&mut Counts) -> &mut u64) {
        *which(&mut self.loaded.total) += 1;
        if self.loaded.span.holds(at_ns) {
            *which(&mut self.loaded.measured) += 1;
        }
        *which(self.tick(at_ns)) += 1;
    }

    fn tick(&mut self, at_ns: u64) -> &mut Tick {
        let place = usize::try_from(at_ns / TICK_NS).unwrap_or(usize::MAX);
        let place = place.min(TICKS_MAX - 1);
        let ticks = &mut self.loaded.ticks;
        if ticks.len() <= place {
            ticks.resize(place + 1, Tick::default());
        }
        &mut ticks[place]
    }

    fn time(&mut self, intended_ns: u64, category: Category, step: Step, now_ns: u64) {
        if self.loaded.span.holds(intended_ns) {
            let spent_ns = now_ns.saturating_sub(intended_ns);
            self.loaded.times[category.index()].record(step, spent_ns);
        }
    }

    fn time_between(&mut self, row: Row, step: Step, spent_ns: u64) {
        if self.loaded.span.holds(row.intended_ns) {
            self.loaded.times[category(row).index()].record(step, spent_ns);
        }
    }
}

fn category(row: Row) -> Category {
    CATEGORIES[usize::from(row.category) % CATEGORIES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span {
        begins_ns: 1_000,
        ends_ns: 2_000,
    };
    const DELIVERED: v1::MessageState = v1::MessageState::Delivered;

    fn p100(loaded: &Loaded, category: Category, step: Step) -> (u64, u64) {
        let histogram = loaded.times(category).of(step);
        (histogram.len(), histogram.max())
    }

    #[test]
    fn times_count_from_the_intended_moment_and_in_the_span_only() {
        let mut tally = Tally::new(SPAN);
        tally.sent(0, Category::Otp, 999, 999);
        tally.admitted(0, 1_500);
        tally.sent(1, Category::Otp, 1_000, 1_100);
        tally.admitted(1, 1_300);
        tally.ended(1, DELIVERED, 2_500);
        let loaded = tally.into_loaded();
        assert_eq!(p100(&loaded, Category::Otp, Step::IntendedToSent), (1, 100));
        assert_eq!(p100(&loaded, Category::Otp, Step::SubmitToAdmit), (1, 300));
        assert_eq!(p100(&loaded, Category::Otp, Step::AdmitToFinal), (1, 1_200));
        assert_eq!(p100(&loaded, Category::Otp, Step::SubmitToFinal).0, 1);
        assert_eq!(
            loaded.times(Category::Alert).of(Step::SubmitToAdmit).len(),
            0
        );
        // Rates by the moment of the event: two admissions in the span, no end.
        let measured = Counts {
            sent: 1,
            admitted: 2,
            ..Counts::default()
        };
        assert_eq!(loaded.measured, measured);
        assert_eq!((loaded.total.sent, loaded.total.ended), (2, 1));
        assert_eq!((loaded.pending(), loaded.unanswered()), (1, 0));
    }

    #[test]
    fn an_end_may_come_before_its_answer() {
        let mut tally = Tally::new(SPAN);
        tally.sent(0, Category::Alert, 1_500, 1_500);
        tally.ended(0, DELIVERED, 1_600);
        assert_eq!((tally.unanswered(), tally.in_flight()), (1, 0));
        tally.admitted(0, 1_700);
        let loaded = tally.into_loaded();
        assert_eq!((loaded.strange, loaded.ended_twice), (0, 0));
        assert_eq!((loaded.total.admitted, loaded.total.ended), (1, 1));
        assert_eq!(p100(&loaded, Category::Alert, Step::AdmitToFinal), (1, 0));
    }

    #[test]
    fn what_must_not_happen_is_counted_and_changes_nothing_else() {
        let mut tally = Tally::new(SPAN);
        tally.sent(0, Category::Otp, 0, 0);
        tally.admitted(0, 1);
        tally.ended(0, DELIVERED, 2);
        let before = tally.total();
        tally.ended(0, DELIVERED, 3);
        tally.admitted(0, 3);
        tally.refused(0, v1::Reason::CreditsFull, 3);
        tally.admitted(7, 3);
        tally.ended(7, DELIVERED, 3);
        tally.strange();
        assert_eq!(tally.total(), before);
        let loaded = tally.into_loaded();
        assert_eq!((loaded.ended_twice, loaded.strange), (1, 5));
    }

    #[test]
    fn skipped_and_refused_are_counted_apart_and_out_of_order() {
        let mut tally = Tally::new(SPAN);
        tally.sent(2, Category::Promotional, 1_002, 1_010);
        tally.skipped(0, Category::Promotional, 1_000);
        tally.refused(2, v1::Reason::CreditsFull, 1_020);
        assert_eq!((tally.unanswered(), tally.in_flight()), (0, 0));
        let loaded = tally.into_loaded();
        assert_eq!((loaded.measured.skipped, loaded.measured.refused), (1, 1));
        assert_eq!(loaded.refusals["REASON_CREDITS_FULL"], 1);
    }

    #[test]
    fn ticks_say_when_and_the_last_takes_what_is_later() {
        let mut tally = Tally::new(SPAN);
        tally.sent(0, Category::Otp, 0, TICK_NS - 1);
        tally.sent(1, Category::Otp, 0, TICK_NS);
        tally.sent(2, Category::Otp, 0, u64::MAX);
        let ticks = tally.into_loaded().ticks;
        assert_eq!((ticks[0].sent, ticks[1].sent), (1, 1));
        assert_eq!((ticks.len(), ticks[TICKS_MAX - 1].sent), (TICKS_MAX, 1));
    }
}
