//! What the demo sends where, and when: pure arithmetic.
//!
//! The contracted carrier gets what its contract carries in [`CONTRACT_SECONDS`], the unlimited one the rest. One-time
//! passwords go to both, half each as long as they are at most a tenth of the contracted carrier's share: that is the
//! pace of 10 % of its contract at which they are submitted, one at a time. Those for the unlimited carrier are spread
//! over the same seconds. Bulk is submitted as fast as the engine takes it.
//!
//! Messages are numbered; a number says everything about its message:
//!
//! ```text
//! 0 .. contracted bulk | .. unlimited bulk | .. contracted otp | .. unlimited otp | messages
//! ```

use std::time::Duration;

use thiserror::Error;

/// How long the contracted carrier is kept busy.
pub(super) const CONTRACT_SECONDS: u64 = 10;
/// OTPs are at most this part of the contracted carrier's share.
const OTP_PART: u64 = 10;
/// Few messages leave at least a quarter to the unlimited carrier.
const CONTRACTED_QUARTERS: u64 = 3;
/// The contracted carrier answers within 15 ms; two such times in flight keep it busy.
const IN_FLIGHT_MS: u64 = 30;
/// The window of a session unless more is needed.
const WINDOW_MIN: u64 = 10;
/// The widest window of a session.
const WINDOW_MAX: u64 = 65_536;

/// The two simulated carriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Has a contract.
    Contracted,
    /// Takes as many as it is given.
    Unlimited,
}

/// The two kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Promotional: least urgent.
    Bulk,
    /// One-time password: most urgent.
    Otp,
}

/// What a carrier gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Bulk messages.
    pub(super) bulk: u64,
    /// OTPs.
    pub(super) otps: u64,
}

impl Share {
    /// Both together.
    pub(super) const fn messages(self) -> u64 {
        self.bulk + self.otps
    }
}

/// What the demo was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Messages in all, OTPs among them.
    pub(super) messages: u64,
    /// OTPs among them.
    pub(super) otps: u64,
    /// Contract of the contracted carrier, segments a second.
    pub(super) rate: u32,
    /// Its sessions.
    pub(super) sessions: u32,
}

/// What will be sent where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Contract of the contracted carrier, segments a second.
    pub(super) rate: u32,
    /// Its sessions.
    pub(super) sessions: u32,
    /// Its share.
    pub(super) contracted: Share,
    /// The rest.
    pub(super) unlimited: Share,
}

/// Why a wish cannot be planned: the options must change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum PlanError {
    /// OTPs are messages too.
    #[error(
        "--otps {otps}: allowed are 0 to {messages}, the number of --messages, which counts them"
    )]
    MoreOtpsThanMessages {
        /// As wished.
        otps: u64,
        /// As wished.
        messages: u64,
    },
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Through which carrier.
    pub(super) target: Target,
    /// Which kind.
    pub(super) class: Class,
}

impl Plan {
    /// Divides the messages.
    ///
    /// # Errors
    /// When the wish contradicts itself.
    pub(super) fn new(wish: Wish) -> Result<Self, PlanError> {
        let Wish {
            messages,
            otps,
            rate,
            sessions,
        } = wish;
        if otps > messages {
            return Err(PlanError::MoreOtpsThanMessages { otps, messages });
        }
        let bulk = messages - otps;
        let contracted =
            (u64::from(rate) * CONTRACT_SECONDS).min(messages * CONTRACTED_QUARTERS / 4);
        let contracted_otps = (otps / 2).min(contracted / OTP_PART);
        let contracted_bulk = (contracted - contracted_otps).min(bulk);
        Ok(Self {
            rate,
            sessions,
            contracted: Share {
                bulk: contracted_bulk,
                otps: contracted_otps,
            },
            unlimited: Share {
                bulk: bulk - contracted_bulk,
                otps: otps - contracted_otps,
            },
        })
    }

    /// All messages.
    pub(super) const fn messages(&self) -> u64 {
        self.contracted.messages() + self.unlimited.messages()
    }

    /// All bulk messages; their numbers are the first ones.
    pub(super) const fn bulk(&self) -> u64 {
        self.contracted.bulk + self.unlimited.bulk
    }

    /// What a carrier gets.
    pub(super) const fn share(&self, target: Target) -> Share {
        match target {
            Target::Contracted => self.contracted,
            Target::Unlimited => self.unlimited,
        }
    }

    /// What message `number` is.
    pub(super) const fn job(&self, number: u64) -> Job {
        let (class, target) = if number < self.contracted.bulk {
            (Class::Bulk, Target::Contracted)
        } else if number < self.bulk() {
            (Class::Bulk, Target::Unlimited)
        } else if number < self.bulk() + self.contracted.otps {
            (Class::Otp, Target::Contracted)
        } else {
            (Class::Otp, Target::Unlimited)
        };
        Job { target, class }
    }

    /// The numbers of a carrier's OTPs, in the order of their submission.
    pub(super) const fn otp_numbers(&self, target: Target) -> std::ops::Range<u64> {
        match target {
            Target::Contracted => self.bulk()..self.bulk() + self.contracted.otps,
            Target::Unlimited => self.bulk() + self.contracted.otps..self.messages(),
        }
    }

    /// Between two OTPs for a carrier: a tenth of the contract, and for the unlimited carrier whatever spreads its own
    /// over the same time.
    pub(super) fn otp_interval(&self, target: Target) -> Duration {
        let run = Duration::from_secs(CONTRACT_SECONDS);
        match target {
            Target::Contracted => Duration::from_secs(OTP_PART) / self.rate.max(1),
            Target::Unlimited => {
                run / u32::try_from(self.unlimited.otps.max(1)).unwrap_or(u32::MAX)
            }
        }
    }

    /// The window of a session of the contracted carrier: wide enough that the contract is the limit.
    pub(super) fn contracted_window(&self) -> u32 {
        let in_flight =
            (u64::from(self.rate) * IN_FLIGHT_MS).div_ceil(1_000 * u64::from(self.sessions.max(1)));
        u32::try_from(in_flight.clamp(WINDOW_MIN, WINDOW_MAX)).unwrap_or(u32::MAX)
    }

    /// The contracted carrier's name.
    pub(super) fn contracted_name(&self) -> String {
        format!("contract-{}", self.rate)
    }
}

/// The other carrier's name.
pub(super) const UNLIMITED_NAME: &str = "unlimited";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(messages: u64, otps: u64, rate: u32) -> Plan {
        Plan::new(Wish {
            messages,
            otps,
            rate,
            sessions: 2,
        })
        .unwrap()
    }

    #[test]
    fn the_contracted_carrier_gets_ten_seconds_of_its_contract_a_tenth_of_it_otps() {
        let plan = plan(200_000, 2_000, 200);
        assert_eq!(
            plan.contracted,
            Share {
                bulk: 1_800,
                otps: 200
            }
        );
        assert_eq!(
            plan.unlimited,
            Share {
                bulk: 196_200,
                otps: 1_800
            }
        );
        // 20 a second are a tenth of 200 a second; 1,800 fit ten seconds.
        assert_eq!(
            plan.otp_interval(Target::Contracted),
            Duration::from_millis(50)
        );
        let last = plan.otp_interval(Target::Unlimited) * 1_800;
        assert!(last <= Duration::from_secs(CONTRACT_SECONDS), "{last:?}");
    }

    #[test]
    fn the_contracted_carriers_otps_never_take_longer_than_its_seconds() {
        for rate in [1, 7, 200, 5_000] {
            for (messages, otps) in [(200_000, 0), (200_000, 20_000), (2_000, 2_000), (10, 1)] {
                let plan = plan(messages, otps, rate);
                let span = plan.otp_interval(Target::Contracted)
                    * u32::try_from(plan.contracted.otps).unwrap();
                assert!(span <= Duration::from_secs(CONTRACT_SECONDS), "{plan:?}");
            }
        }
    }

    #[test]
    fn every_number_is_one_job_and_the_shares_add_up() {
        for (messages, otps, rate) in [
            (1, 0, 200),
            (1, 1, 200),
            (10, 10, 200),
            (3_000, 60, 200),
            (5, 3, 1),
        ] {
            let plan = plan(messages, otps, rate);
            assert_eq!(plan.messages(), messages, "{plan:?}");
            assert_eq!(plan.contracted.otps + plan.unlimited.otps, otps, "{plan:?}");
            for target in [Target::Contracted, Target::Unlimited] {
                let mut counted = Share { bulk: 0, otps: 0 };
                for number in 0..messages {
                    let job = plan.job(number);
                    if job.target == target {
                        match job.class {
                            Class::Bulk => counted.bulk += 1,
                            Class::Otp => counted.otps += 1,
                        }
                        let listed = plan.otp_numbers(target).contains(&number);
                        assert_eq!(listed, job.class == Class::Otp);
                    }
                }
                assert_eq!(counted, plan.share(target), "{plan:?}");
            }
        }
    }

    #[test]
    fn a_window_keeps_a_fast_contract_busy() {
        assert_eq!(plan(20_000, 0, 200).contracted_window(), 10);
        assert_eq!(plan(20_000, 0, 10_000).contracted_window(), 150);
        assert_eq!(plan(20_000, 0, 1_000_000).contracted_window(), 15_000);
    }

    #[test]
    fn more_otps_than_messages_are_refused_with_both_numbers() {
        let wish = Wish {
            messages: 10,
            otps: 11,
            rate: 200,
            sessions: 2,
        };
        let text = Plan::new(wish).unwrap_err().to_string();
        assert!(
            text.contains("--otps 11") && text.contains("0 to 10"),
            "{text}"
        );
    }
}
