//! What was seen of a message, a line each.

use std::fmt;

use engine::{CancelVerdict, ReplaceVerdict};
use message::{AttemptNo, MessageState, Outcome, Reason};

/// Something that was seen of a message.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Asked {
        wish: usize,
    },
    Answered {
        repeat: bool,
    },
    Dispatched {
        carrier: usize,
        attempt: AttemptNo,
        session: u32,
    },
    Outcome {
        attempt: AttemptNo,
        outcome: Outcome,
    },
    Said {
        state: MessageState,
        reason: Reason,
        attempt: AttemptNo,
        sequence: u32,
        uncertain: bool,
        late: bool,
    },
    Cancelled(CancelVerdict),
    AskedToReplace {
        version: usize,
    },
    Replaced(usize, ReplaceVerdict),
    Found {
        state: MessageState,
        reason: Reason,
        sequence: u32,
        uncertain: bool,
    },
    Lost,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { wish } => write!(f, "handed in as wish {wish}"),
            Self::Answered { repeat: false } => f.write_str("answered: admitted"),
            Self::Answered { repeat: true } => f.write_str("answered: a repeat"),
            Self::Dispatched {
                carrier,
                attempt,
                session,
            } => write!(
                f,
                "attempt {attempt} given to session {session} of carrier {carrier}"
            ),
            Self::Outcome { attempt, outcome } => {
                write!(f, "attempt {attempt} came out as {outcome:?}")
            }
            Self::Said {
                state,
                reason,
                attempt,
                sequence,
                uncertain,
                late,
            } => {
                write!(
                    f,
                    "event {sequence}: {state}, {reason:?}, attempt {attempt}"
                )?;
                f.write_str(if *uncertain { ", uncertain" } else { "" })?;
                f.write_str(if *late { ", late" } else { "" })
            }
            Self::AskedToReplace { version } => write!(f, "asked for replacement {version}"),
            Self::Replaced(version, verdict) => {
                write!(f, "replacement {version} answered: {verdict:?}")
            }
            Self::Cancelled(verdict) => write!(f, "cancel answered: {verdict:?}"),
            Self::Found {
                state,
                reason,
                sequence,
                uncertain,
            } => {
                write!(f, "found as {state}, {reason:?}, event {sequence}")?;
                f.write_str(if *uncertain { ", uncertain" } else { "" })
            }
            Self::Lost => f.write_str("not known"),
        }
    }
}
