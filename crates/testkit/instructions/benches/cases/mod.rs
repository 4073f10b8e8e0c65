//! The pieces of work whose instructions are counted: the same as the micro benchmarks of the crates time.

mod codec;
mod journal;
mod queue;
mod session;
mod throttle;

use instructions::Case;

/// All of them.
pub(crate) const CASES: &[Case] = &[
    codec::SUBMIT_ENCODE,
    codec::SUBMIT_DECODE,
    codec::ANSWER_DECODE,
    codec::DELIVER_DECODE,
    codec::RECEIPT_PARSE,
    session::WINDOW_OF_10,
    session::WINDOW_OF_1000,
    queue::CREDITS,
    queue::RING,
    queue::ONE_SENDER,
    queue::MANY_SENDERS,
    throttle::GRANTED,
    throttle::TOO_EARLY,
    throttle::UNLIMITED,
    journal::COMMIT_OF_1,
    journal::COMMIT_OF_16,
    journal::COMMIT_OF_256,
];
