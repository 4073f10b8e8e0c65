//! What a session is told at birth: its role, its limits, its timers.

use smpp_codec::FrameLimit;

use crate::sequence::{SEQUENCE_NUMBER_MAX, SEQUENCE_NUMBER_MIN};

/// The largest window: what a table of direct-mapped cells still holds in a few megabytes.
pub const WINDOW_SIZE_MAX: u32 = 65_536;
/// The largest table of timed-out sequence numbers.
pub const LATE_ANSWERS_MAX: usize = 1_048_576;

const SECOND_NS: u64 = 1_000_000_000;

/// Which end of the link this session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// External short message entity: connects, binds, submits.
    Esme,
    /// Message centre: is bound to, answers submits, delivers.
    Mc,
}

/// What an ESME may do on a session (SMPP 3.4 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindType {
    /// `bind_transmitter`: the ESME submits.
    Transmitter,
    /// `bind_receiver`: the MC delivers.
    Receiver,
    /// `bind_transceiver`: both.
    Transceiver,
}

impl BindType {
    /// Whether the ESME may send `submit_sm` and `data_sm`.
    #[must_use]
    pub fn may_submit(self) -> bool {
        match self {
            Self::Transmitter | Self::Transceiver => true,
            Self::Receiver => false,
        }
    }

    /// Whether the MC may send `deliver_sm` and `data_sm`.
    #[must_use]
    pub fn may_deliver(self) -> bool {
        match self {
            Self::Receiver | Self::Transceiver => true,
            Self::Transmitter => false,
        }
    }
}

/// Limits and timers of one session. [`SessionConfig::new`] gives the defaults named on each field.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Which end this is.
    pub role: Role,
    /// Data requests in flight at once, 1..=[`WINDOW_SIZE_MAX`]. Default 10, the guideline of SMPP 3.4 section 2.7.
    pub window_size: u32,
    /// From a request to its time-out, in nanoseconds, above 0. Default 30 s. `unbind` uses it too.
    pub response_timeout_ns: u64,
    /// From the last PDU received to an `enquire_link`, in nanoseconds; 0 switches probing off. Default 30 s.
    pub enquire_link_ns: u64,
    /// From an `enquire_link` to the verdict that the link is silent, in nanoseconds, above 0. Default 30 s.
    pub enquire_link_response_ns: u64,
    /// Without a data request or an answer to one for this long, the session ends, in nanoseconds; 0 (default) is off.
    pub inactivity_ns: u64,
    /// From the connection to the bound state, in nanoseconds, above 0. Default 10 s.
    pub session_init_ns: u64,
    /// The longest PDU this end takes.
    pub frame_limit: FrameLimit,
    /// Timed-out sequence numbers kept for a late answer, 0..=[`LATE_ANSWERS_MAX`]. Default 4,096.
    pub late_answers_max: usize,
    /// Outbound bytes waiting at which `submit` is refused, above 0. Default 256 KiB. The buffer may exceed it by one PDU.
    pub transmit_max_bytes: usize,
    /// Outbound bytes waiting at which even answers are refused and the session ends, at least `transmit_max_bytes`.
    /// Default 1 MiB. Only a peer that sends requests and reads no answers gets there.
    pub transmit_hard_max_bytes: usize,
    /// The first number drawn, [`SEQUENCE_NUMBER_MIN`]..=[`SEQUENCE_NUMBER_MAX`]. Default 1.
    pub first_sequence_number: u32,
}

impl SessionConfig {
    /// The defaults for one end.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            window_size: 10,
            response_timeout_ns: 30 * SECOND_NS,
            enquire_link_ns: 30 * SECOND_NS,
            enquire_link_response_ns: 30 * SECOND_NS,
            inactivity_ns: 0,
            session_init_ns: 10 * SECOND_NS,
            frame_limit: FrameLimit::default(),
            late_answers_max: 4_096,
            transmit_max_bytes: 256 * 1024,
            transmit_hard_max_bytes: 1024 * 1024,
            first_sequence_number: SEQUENCE_NUMBER_MIN,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=WINDOW_SIZE_MAX).contains(&self.window_size) {
            return Err(ConfigError::WindowSize {
                value: self.window_size,
            });
        }
        if self.late_answers_max > LATE_ANSWERS_MAX {
            return Err(ConfigError::LateAnswers {
                value: self.late_answers_max,
            });
        }
        if !(SEQUENCE_NUMBER_MIN..=SEQUENCE_NUMBER_MAX).contains(&self.first_sequence_number) {
            return Err(ConfigError::FirstSequenceNumber {
                value: self.first_sequence_number,
            });
        }
        let (max_bytes, hard_max_bytes) = (self.transmit_max_bytes, self.transmit_hard_max_bytes);
        if max_bytes == 0 || hard_max_bytes < max_bytes {
            return Err(ConfigError::TransmitBuffer {
                max_bytes,
                hard_max_bytes,
            });
        }
        let above_zero = [
            ("response_timeout_ns", self.response_timeout_ns),
            ("enquire_link_response_ns", self.enquire_link_response_ns),
            ("session_init_ns", self.session_init_ns),
        ];
        match above_zero.into_iter().find(|(_, value_ns)| *value_ns == 0) {
            Some((field, _)) => Err(ConfigError::ZeroTimer { field }),
            None => Ok(()),
        }
    }
}

/// A configuration that no session can be built from: the caller's fault, and a retry does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The window is empty or beyond the table.
    #[error("window_size is {value}, allowed are 1 to {WINDOW_SIZE_MAX}")]
    WindowSize {
        /// What was asked for.
        value: u32,
    },
    /// The table of timed-out numbers is too large.
    #[error("late_answers_max is {value}, allowed are 0 to {LATE_ANSWERS_MAX}")]
    LateAnswers {
        /// What was asked for.
        value: usize,
    },
    /// Not a sequence number.
    #[error(
        "first_sequence_number is {value}, allowed are {SEQUENCE_NUMBER_MIN} to {SEQUENCE_NUMBER_MAX}"
    )]
    FirstSequenceNumber {
        /// What was asked for.
        value: u32,
    },
    /// The two bounds of the outbound buffer contradict each other.
    #[error(
        "transmit_max_bytes is {max_bytes} and transmit_hard_max_bytes is {hard_max_bytes}, \
         allowed are a first one above 0 and a second one not below it"
    )]
    TransmitBuffer {
        /// Bound for requests.
        max_bytes: usize,
        /// Bound for answers.
        hard_max_bytes: usize,
    },
    /// A timer that cannot be switched off is 0.
    #[error("{field} is 0, allowed is anything above")]
    ZeroTimer {
        /// Name of the field.
        field: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        for role in [Role::Esme, Role::Mc] {
            assert_eq!(SessionConfig::new(role).check(), Ok(()));
        }
    }

    #[test]
    fn each_bound_is_checked_on_both_sides() {
        let check = |change: fn(&mut SessionConfig)| {
            let mut config = SessionConfig::new(Role::Esme);
            change(&mut config);
            config.check()
        };
        assert_eq!(
            check(|c| c.window_size = 0),
            Err(ConfigError::WindowSize { value: 0 })
        );
        assert_eq!(check(|c| c.window_size = 65_536), Ok(()));
        assert_eq!(
            check(|c| c.window_size = 65_537),
            Err(ConfigError::WindowSize { value: 65_537 })
        );
        assert!(matches!(
            check(|c| c.late_answers_max = 1_048_577),
            Err(ConfigError::LateAnswers { .. })
        ));
        assert!(matches!(
            check(|c| c.first_sequence_number = 0),
            Err(ConfigError::FirstSequenceNumber { .. })
        ));
        assert!(matches!(
            check(|c| c.first_sequence_number = 0x8000_0000),
            Err(ConfigError::FirstSequenceNumber { .. })
        ));
        assert!(matches!(
            check(|c| c.transmit_max_bytes = 0),
            Err(ConfigError::TransmitBuffer { .. })
        ));
        assert!(matches!(
            check(|c| c.transmit_hard_max_bytes = 1),
            Err(ConfigError::TransmitBuffer { .. })
        ));
        assert_eq!(
            check(|c| c.session_init_ns = 0),
            Err(ConfigError::ZeroTimer {
                field: "session_init_ns"
            })
        );
        assert_eq!(check(|c| c.inactivity_ns = 0), Ok(()));
    }
}
