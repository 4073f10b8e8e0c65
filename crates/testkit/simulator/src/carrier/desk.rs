//! What a session of the carrier hears, and what becomes of a submit.

use message::{MessageId, ReceiptState};
use smpp_client::{STAMP_LEN, STAMP_TAG};
use smpp_codec::{Address, Pdu, ReceiptRequest, ShortMessage};
use smpp_session::{Event, Handler};

use super::receipt::Receipt;
use super::script::Fate;
use super::{Carrier, Due, Received, Verdict};
use crate::mutant::Mutant;

/// A submit_sm, owned.
#[derive(Clone, Debug)]
pub(super) struct Submit {
    pub(super) sequence: u32,
    pub(super) message: MessageId,
    pub(super) attempt: u16,
    pub(super) validity_s: Option<u64>,
    pub(super) text: Box<[u8]>,
    pub(super) wanted: ReceiptRequest,
    pub(super) source: Box<[u8]>,
    pub(super) destination: Box<[u8]>,
}

/// What a session told, owned.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Bind,
    Submit(Box<Submit>),
    Acknowledged { key: u64, status: u32 },
    Unanswered { key: u64 },
    Over,
}

/// Notes what a session tells.
pub(super) struct Desk<'a> {
    pub(super) heard: &'a mut Vec<Heard>,
}

impl Handler for Desk<'_> {
    fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::BindRequested { .. } => self.heard.push(Heard::Bind),
            Event::Request {
                sequence_number,
                pdu,
            } => {
                if let Pdu::SubmitSm(submit) = pdu
                    && let Some(submit) = read_submit(sequence_number, &submit)
                {
                    self.heard.push(Heard::Submit(Box::new(submit)));
                }
            }
            Event::Answered(answer) | Event::AnsweredLate(answer) => {
                self.heard.push(Heard::Acknowledged {
                    key: answer.correlation,
                    status: answer.status.to_u32(),
                });
            }
            Event::TimedOut { correlation, .. } => {
                self.heard.push(Heard::Unanswered { key: correlation });
            }
            Event::UnbindRequested | Event::Unbound | Event::CloseDue { .. } => {
                self.heard.push(Heard::Over);
            }
            // Told to an ESME only.
            Event::Bound { .. } | Event::BindRefused { .. } => {}
        }
    }
}

fn read_submit(sequence: u32, submit: &ShortMessage<'_>) -> Option<Submit> {
    let stamp = submit.tlvs.vendor(STAMP_TAG)?;
    let stamp: &[u8; STAMP_LEN] = stamp.try_into().ok()?;
    let octets = |address: &Address<'_>| address.addr.as_bytes().into();
    Some(Submit {
        sequence,
        message: MessageId::from_bytes(&stamp[..16]).ok()?,
        attempt: u16::from_be_bytes([stamp[16], stamp[17]]),
        text: submit.short_message.into(),
        validity_s: validity_s(submit.validity_period.as_bytes()),
        wanted: submit.registered_delivery.receipt(),
        source: octets(&submit.source),
        destination: octets(&submit.destination),
    })
}

/// Seconds of a relative time: `YYMMDDhhmmss000R`, a year of 365 days and a month of 30.
fn validity_s(text: &[u8]) -> Option<u64> {
    const UNITS_S: [u64; 6] = [365 * 86_400, 30 * 86_400, 86_400, 3_600, 60, 1];
    if text.len() != 16 || text[15] != b'R' {
        return None;
    }
    let pairs = text.chunks_exact(2).zip(UNITS_S);
    let digit = |octet: u8| u64::from(octet.wrapping_sub(b'0'));
    Some(
        pairs
            .map(|(pair, unit_s)| (digit(pair[0]) * 10 + digit(pair[1])) * unit_s)
            .sum(),
    )
}

impl Carrier {
    pub(super) fn take_submit(&mut self, connection: u32, submit: &Submit, now_ns: u64) {
        let fate = self.script.fate(&mut self.dice);
        let verdict = match fate {
            Fate::Take { .. } => Verdict::Taken,
            Fate::Refuse { status, .. } => Verdict::Refused(status),
            Fate::Ignore => Verdict::Ignored,
        };
        self.received.push(Received {
            at_ns: now_ns,
            message: submit.message,
            attempt: submit.attempt,
            validity_s: submit.validity_s,
            text: submit.text.clone(),
            verdict,
        });
        let answer = |status, id| Due::Answer {
            connection,
            sequence: submit.sequence,
            status,
            id,
        };
        match fate {
            Fate::Take { answer_after_ns } => {
                self.next_id += 1;
                let id = self.next_id;
                if let Some(after_ns) = answer_after_ns {
                    self.push_due(now_ns + after_ns, answer(0, Some(id)));
                }
                self.plan_receipts(submit, id, answer_after_ns.unwrap_or(0), now_ns);
            }
            Fate::Refuse {
                status,
                answer_after_ns,
            } => self.push_due(now_ns + answer_after_ns, answer(status, None)),
            Fate::Ignore => {}
        }
    }

    fn id_in_receipt(&mut self, id: u64) -> u64 {
        if self.mutant == Some(Mutant::ReceiptsSwapped) && self.dice.chance(200) {
            id - 1
        } else {
            id
        }
    }

    fn plan_receipts(&mut self, submit: &Submit, id: u64, answer_after_ns: u64, now_ns: u64) {
        let plan = self.script.receipts(&mut self.dice, answer_after_ns);
        for (after_ns, state, form) in plan {
            let failed = state.is_final() && state != ReceiptState::Delivered;
            let asked_for = match submit.wanted {
                ReceiptRequest::None => false,
                ReceiptRequest::Always => true,
                ReceiptRequest::OnFailure => failed,
                ReceiptRequest::OnSuccess => state == ReceiptState::Delivered,
            };
            if !asked_for {
                continue;
            }
            let id = self.id_in_receipt(id);
            let at = self.receipts.len();
            self.receipts.push(Receipt {
                message: submit.message,
                attempt: submit.attempt,
                id,
                state,
                form,
                source: submit.source.clone(),
                destination: submit.destination.clone(),
                tries: 0,
                acknowledged_ns: None,
            });
            self.push_due(now_ns + after_ns, Due::Receipt(at));
        }
    }
}
