//! Sessions: a hostile peer and a clumsy driver, as a script of steps. Whatever happens, the window is never exceeded and
//! every submitted request ends exactly once: answered, timed out, or handed back when the session closes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smpp_codec::{Bind, BindResp, CommandStatus, Pdu, SubmitSm, SubmitSmResp};
use smpp_session::{BindType, Event, Role, Session, SessionConfig, SessionState};

const WINDOW_SIZE: u32 = 4;
const SECOND_NS: u64 = 1_000_000_000;

/// What became of each request, indexed by correlation.
#[derive(Default)]
struct Ledger {
    ended: Vec<u32>,
    late: Vec<u32>,
    requests: Vec<u32>,
    bind_requested: bool,
}

impl Ledger {
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Answered(answer) => self.end(answer.correlation),
            Event::TimedOut { correlation, .. } => self.end(correlation),
            Event::AnsweredLate(answer) => {
                let index = usize::try_from(answer.correlation).expect("our own number");
                self.late[index] += 1;
                assert_eq!(
                    (self.ended[index], self.late[index]),
                    (1, 1),
                    "late once, after its time-out"
                );
            }
            Event::Request {
                sequence_number, ..
            } => self.requests.push(sequence_number),
            Event::BindRequested { .. } => self.bind_requested = true,
            Event::Bound { .. }
            | Event::BindRefused { .. }
            | Event::UnbindRequested
            | Event::Unbound
            | Event::CloseDue { .. } => {}
        }
    }

    fn end(&mut self, correlation: u64) {
        let index = usize::try_from(correlation).expect("our own number");
        self.ended[index] += 1;
        assert_eq!(self.ended[index], 1, "request {correlation} ended twice");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, script)) = data.split_first() else {
        return;
    };
    let role = if first & 1 == 0 { Role::Esme } else { Role::Mc };
    let mut config = SessionConfig::new(role);
    config.window_size = WINDOW_SIZE;
    config.late_answers_max = 3;
    config.transmit_max_bytes = 512;
    config.transmit_hard_max_bytes = 1024;
    if first & 2 != 0 {
        config.first_sequence_number = smpp_session::SEQUENCE_NUMBER_MAX - 2;
    }
    let mut session = Session::new(config, 0).expect("a valid configuration");
    let mut ledger = Ledger::default();
    run(&mut session, script, &mut ledger);
    let lost = session.close();
    for correlation in lost.unwritten.iter().chain(&lost.uncertain) {
        ledger.end(*correlation);
    }
    assert!(
        ledger.ended.iter().all(|&times| times == 1),
        "a request was forgotten: {:?}",
        ledger.ended
    );
    assert_eq!(session.state(), SessionState::Closed);
});

fn run(session: &mut Session, mut script: &[u8], ledger: &mut Ledger) {
    let mut now_ns = 0_u64;
    while let Some((&step, rest)) = script.split_first() {
        script = rest;
        let argument = step >> 4;
        match step & 7 {
            0 => {
                let bind_type = [
                    BindType::Transmitter,
                    BindType::Receiver,
                    BindType::Transceiver,
                ][usize::from(argument % 3)];
                let _ = session.bind(bind_type, Bind::default());
            }
            1 if ledger.bind_requested => {
                let _ = session.accept_bind(BindResp::default(), now_ns);
            }
            2 => submit(session, now_ns, ledger),
            3 => {
                session.handle_transmitted(session.transmit().len().min(usize::from(argument) * 8))
            }
            4 => {
                now_ns += u64::from(argument) * 4 * SECOND_NS;
                session.handle_timeout(now_ns, &mut |event: Event<'_>| ledger.note(event));
            }
            5 => {
                if let Some(number) = ledger.requests.pop() {
                    let _ = session.respond(
                        number,
                        CommandStatus::Ok,
                        &Pdu::SubmitSmResp(SubmitSmResp::default()),
                        now_ns,
                    );
                }
            }
            6 => {
                let _ = session.unbind(now_ns);
            }
            _ => {
                let (pdu, rest) = script.split_at(script.len().min(16 + usize::from(argument) * 8));
                script = rest;
                if !receive(session, pdu, now_ns, ledger) {
                    return;
                }
            }
        }
        assert!(session.in_flight() <= WINDOW_SIZE);
        assert_eq!(session.in_flight() + session.window_free(), WINDOW_SIZE);
        assert!(session.late_awaited() <= 3);
    }
}

fn submit(session: &mut Session, now_ns: u64, ledger: &mut Ledger) {
    let correlation = u64::try_from(ledger.ended.len()).expect("scripts are short");
    let message = SubmitSm {
        short_message: b"hello",
        ..SubmitSm::default()
    };
    let pdu = if session.role() == Role::Esme {
        Pdu::SubmitSm(message)
    } else {
        Pdu::DeliverSm(message)
    };
    if session.submit(correlation, &pdu, now_ns).is_ok() {
        ledger.ended.push(0);
        ledger.late.push(0);
    }
}

/// One PDU of the peer with its length set right; false when the session is over.
fn receive(session: &mut Session, bytes: &[u8], now_ns: u64, ledger: &mut Ledger) -> bool {
    let mut pdu = bytes.to_vec();
    if let (Ok(length), Some(field)) = (u32::try_from(pdu.len()), pdu.get_mut(..4)) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    match session.handle_bytes(&pdu, now_ns, &mut |event: Event<'_>| ledger.note(event)) {
        Ok(consumed) => {
            assert!(consumed <= pdu.len());
            true
        }
        Err(_) => false,
    }
}
