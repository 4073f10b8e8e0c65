//! Random scripts against one end: whatever the caller, the clock and the peer do, the promises hold.

use proptest::prelude::*;
use smpp_codec::{CommandStatus, Pdu};
use smpp_session::{BindType, Event, Role, Session, SessionConfig, SessionState};

use crate::link::{SECOND_NS, Seen, bound, deliver_sm, raw, submit_sm, wire};
use crate::world::{Fate, Ledger};

const WINDOW_SIZE: u32 = 5;

#[derive(Debug, Clone)]
enum Step {
    Submit,
    Write(usize),
    Pass(u64),
    /// An answer of this command to the n-th last number.
    Answer {
        command_id: u32,
        back: u32,
        status: u32,
    },
    PeerRequest(u32),
    PeerEnquires,
    Unbind,
    PeerUnbinds,
    UnbindAnswered(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let answers = prop::sample::select(vec![
        0x8000_0004_u32,
        0x8000_0005,
        0x8000_0103,
        0x8000_0000,
        0x8000_0015,
    ]);
    prop_oneof![
        8 => Just(Step::Submit),
        6 => (0_usize..200).prop_map(Step::Write),
        4 => (0_u64..20 * SECOND_NS).prop_map(Step::Pass),
        12 => (answers, 0_u32..12, prop_oneof![Just(0_u32), Just(0x58)])
            .prop_map(|(command_id, back, status)| Step::Answer { command_id, back, status }),
        2 => any::<u32>().prop_map(Step::PeerRequest),
        2 => Just(Step::PeerEnquires),
        1 => Just(Step::Unbind),
        1 => Just(Step::PeerUnbinds),
        1 => (0_u32..3).prop_map(Step::UnbindAnswered),
    ]
}

/// A session, its clock and the ledger of what it was given.
struct Script {
    session: Session,
    role: Role,
    now_ns: u64,
    last_number: u32,
    next_correlation: u64,
    ledger: Ledger,
    seen: Vec<Seen>,
}

impl Script {
    fn new(role: Role, late_answers_max: usize) -> Self {
        let config = SessionConfig {
            window_size: WINDOW_SIZE,
            late_answers_max,
            inactivity_ns: 100 * SECOND_NS,
            first_sequence_number: 0x7FFF_FFFA,
            ..SessionConfig::new(role)
        };
        Self {
            session: bound(config, BindType::Transceiver),
            role,
            now_ns: 0,
            last_number: 0x7FFF_FFFA,
            next_correlation: 0,
            ledger: Ledger::default(),
            seen: Vec::new(),
        }
    }

    fn play(&mut self, step: &Step) {
        match step {
            Step::Submit => self.submit(),
            Step::Write(bytes) => {
                let bytes = (*bytes).min(self.session.transmit().len());
                self.session.handle_transmitted(bytes);
            }
            Step::Pass(ns) => self.pass(*ns),
            Step::Answer {
                command_id,
                back,
                status,
            } => {
                let number = self.last_number.wrapping_sub(*back);
                self.feed(&raw(*command_id, *status, number, b"1\0"));
            }
            Step::PeerRequest(number) => {
                let pdu = if self.role == Role::Mc {
                    submit_sm(b"x")
                } else {
                    deliver_sm(b"x")
                };
                self.feed(&wire(&pdu, CommandStatus::Ok, *number));
            }
            Step::PeerEnquires => self.feed(&wire(&Pdu::EnquireLink, CommandStatus::Ok, 5)),
            Step::Unbind => {
                if let Ok(number) = self.session.unbind(self.now_ns) {
                    self.last_number = number;
                }
            }
            Step::PeerUnbinds => self.feed(&wire(&Pdu::Unbind, CommandStatus::Ok, 5)),
            Step::UnbindAnswered(back) => {
                let number = self.last_number.wrapping_sub(*back);
                self.feed(&wire(&Pdu::UnbindResp, CommandStatus::Ok, number));
            }
        }
    }

    fn submit(&mut self) {
        let pdu = if self.role == Role::Esme {
            submit_sm(b"hello")
        } else {
            deliver_sm(b"hello")
        };
        let may = self.session.window_free() > 0
            && matches!(self.session.state(), SessionState::Bound(_));
        let result = self
            .session
            .submit(self.next_correlation, &pdu, self.now_ns);
        assert_eq!(result.is_ok(), may, "{result:?}");
        if let Ok(number) = result {
            assert!((1..=0x7FFF_FFFF).contains(&number));
            self.last_number = number;
            self.ledger.begin(self.next_correlation);
            self.next_correlation += 1;
        }
    }

    fn pass(&mut self, ns: u64) {
        self.now_ns += ns;
        let Self {
            session,
            ledger,
            seen,
            now_ns,
            ..
        } = self;
        session.handle_timeout(*now_ns, &mut |event: Event<'_>| {
            let event = Seen::from(event);
            ledger.note(&event);
            seen.push(event);
        });
        assert!(
            session
                .poll_timeout()
                .is_none_or(|deadline_ns| deadline_ns > *now_ns),
            "due timers have fired"
        );
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self {
            session,
            ledger,
            seen,
            now_ns,
            ..
        } = self;
        let consumed = session
            .handle_bytes(bytes, *now_ns, &mut |event: Event<'_>| {
                let event = Seen::from(event);
                ledger.note(&event);
                seen.push(event);
            })
            .unwrap();
        assert_eq!(consumed, bytes.len());
    }

    fn check(&self) {
        assert!(self.session.in_flight() <= WINDOW_SIZE);
        assert_eq!(self.session.in_flight() as usize, self.ledger.in_flight());
        let ends = self
            .seen
            .iter()
            .filter(|seen| {
                matches!(
                    seen,
                    Seen::CloseDue(_) | Seen::Unbound | Seen::UnbindRequested
                )
            })
            .count();
        let closed = self.session.state() == SessionState::Closed;
        assert_eq!(ends, usize::from(closed), "a session ends once and says so");
        assert!(!closed || self.session.poll_timeout().is_none());
    }

    fn finish(mut self) {
        let lost = self.session.close();
        for correlation in lost.unwritten {
            self.ledger.settle(correlation, Fate::Unwritten);
        }
        for correlation in lost.uncertain {
            self.ledger.settle(correlation, Fate::Uncertain);
        }
        assert_eq!(self.ledger.in_flight(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_script_keeps_the_promises(
        esme in any::<bool>(),
        late_answers_max in 0_usize..6,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut script = Script::new(if esme { Role::Esme } else { Role::Mc }, late_answers_max);
        for step in &steps {
            script.play(step);
            script.check();
        }
        script.finish();
    }
}
