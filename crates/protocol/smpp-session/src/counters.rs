//! What a session counts: plain numbers since its birth, for whoever owns the metrics.

/// Counts of one session. They only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answers to a number that was never drawn, was forgotten, or belongs to a request of another kind.
    pub unsolicited_answers: u64,
    /// Answers to a request that was answered before.
    pub duplicate_answers: u64,
    /// Answers to a request that had timed out.
    pub late_answers: u64,
    /// Timed-out requests that dropped out of the late table unanswered.
    pub late_forgotten: u64,
    /// `generic_nack` sent.
    pub nacks_sent: u64,
    /// The peer's requests answered with a refusal, as the state or the bind type forbids them.
    pub requests_refused_by_state: u64,
    /// The peer's known requests whose body did not decode.
    pub requests_malformed: u64,
    /// `enquire_link` sent.
    pub enquire_links_sent: u64,
    /// `enquire_link` received.
    pub enquire_links_received: u64,
}
