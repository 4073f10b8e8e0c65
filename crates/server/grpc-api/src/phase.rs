//! Where the service is on its way down.

use std::sync::Arc;

use tokio::sync::watch;

/// ```text
/// Serving ──► Draining ──► Closing
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything is answered.
    Serving,
    /// Submissions are refused by the engine; watchers still see what becomes of the rest. Health says so.
    Draining,
    /// Long calls end.
    Closing,
}

/// Tells every long call about the phase.
#[derive(Clone)]
pub(crate) struct PhaseTeller(Arc<watch::Sender<Phase>>);

impl PhaseTeller {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }

    /// Moves on to `phase`; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// Returns once `phase` or a later one is reached.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut phases = self.0.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }
}
