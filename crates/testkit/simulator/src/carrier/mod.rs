//! A message centre in virtual time: the other end of the real protocol, with a script instead of a network behind it.
//!
//! It speaks through the real `smpp-session` (the centre's end), so that both ends of the protocol are under test. What it does with a
//! submit is drawn from its own dice (see [`script`]); what it has seen is kept for the checks ([`Received`], [`Receipt`]).
//!
//! Limits: connections and messages of one run; receipts are sent again until acknowledged, [`RECEIPT_TRIES_MAX`] times.

mod desk;
mod handset;
mod receipt;
pub(crate) mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use message::MessageId;
use smpp_codec::{BindResp, COctetString, CommandStatus, Pdu, SubmitSmResp};
use smpp_session::{BindType, RequestKind, Role, Session, SessionConfig, SessionState};

use crate::clock::{MS, SECOND};
use crate::dice::Dice;
use crate::mutant::Mutant;
use crate::net::{End, Link};
use desk::{Desk, Heard};
pub(crate) use handset::FromHandset;
pub(crate) use receipt::Receipt;
use script::CarrierScript;

/// How often a receipt is sent before the carrier gives up.
const RECEIPT_TRIES_MAX: u32 = 40;

/// A submit_sm that reached the carrier whole.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// True time.
    pub(crate) at_ns: u64,
    pub(crate) message: MessageId,
    pub(crate) attempt: u16,
    /// Seconds it may live, as the request said; `None` when it did not.
    pub(crate) validity_s: Option<u64>,
    pub(crate) text: Box<[u8]>,
    pub(crate) verdict: Verdict,
}

/// What the carrier made of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It went to the handset.
    Taken,
    /// It did not, and the answer says so.
    Refused(u32),
    /// It did not, and no answer says so.
    Ignored,
}

/// Something that falls due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Answer {
        connection: u32,
        sequence: u32,
        status: u32,
        id: Option<u64>,
    },
    Receipt(usize),
    Handset(usize),
}

struct Connection {
    link: Link,
    session: Session,
    carry: Vec<u8>,
    /// Bytes that wait for the link to take them.
    blocked: bool,
}

/// One carrier.
pub(crate) struct Carrier {
    pub(crate) script: CarrierScript,
    pub(crate) received: Vec<Received>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) handsets: Vec<FromHandset>,
    connections: BTreeMap<u32, Connection>,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    dues: u64,
    /// Receipts, and messages from handsets, that wait for a session.
    pending: VecDeque<usize>,
    handsets_pending: VecDeque<usize>,
    dice: Dice,
    next_id: u64,
    mutant: Option<Mutant>,
    /// Refuses connections until then.
    down_until_ns: u64,
    /// Refuses binds until then.
    refuses_until_ns: u64,
}

impl Carrier {
    pub(crate) fn new(script: CarrierScript, mut dice: Dice, mutant: Option<Mutant>) -> Self {
        let next_id = dice.between(1, 1 << 40);
        Self {
            script,
            received: Vec::new(),
            receipts: Vec::new(),
            connections: BTreeMap::new(),
            due: BinaryHeap::new(),
            dues: 0,
            pending: VecDeque::new(),
            handsets: Vec::new(),
            handsets_pending: VecDeque::new(),
            dice,
            next_id,
            mutant,
            down_until_ns: 0,
            refuses_until_ns: 0,
        }
    }

    /// Whether it takes connections now.
    pub(crate) const fn is_up(&self, now_ns: u64) -> bool {
        now_ns >= self.down_until_ns
    }

    /// Takes a connection.
    pub(crate) fn accept(&mut self, number: u32, link: Link, now_ns: u64) {
        let config = SessionConfig {
            window_size: 20,
            response_timeout_ns: 4 * SECOND,
            enquire_link_ns: 5 * SECOND,
            enquire_link_response_ns: 5 * SECOND,
            session_init_ns: 5 * SECOND,
            ..SessionConfig::new(Role::Mc)
        };
        let session = Session::new(config, now_ns).expect("these values are in their ranges");
        let connection = Connection {
            link,
            session,
            carry: Vec::new(),
            blocked: false,
        };
        self.connections.insert(number, connection);
    }

    /// Ends every connection and takes none for a while; what it had taken it keeps.
    pub(crate) fn restart(&mut self, down_ns: u64, now_ns: u64) {
        self.down_until_ns = now_ns + down_ns;
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in numbers {
            self.drop_connection(number, now_ns);
        }
    }

    /// Refuses binds for a while.
    pub(crate) fn refuse_binds(&mut self, for_ns: u64, now_ns: u64) {
        self.refuses_until_ns = now_ns + for_ns;
    }

    /// From now on it does everything as it should, so that the world can come to rest.
    pub(crate) fn calm_down(&mut self) {
        self.script.calm_down();
        self.down_until_ns = 0;
        self.refuses_until_ns = 0;
    }

    /// When it wants a turn, in true time.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        let due = self.due.peek().map(|Reverse((at_ns, _, _))| *at_ns);
        let timers = self.connections.values();
        let timer = timers.filter_map(|connection| connection.session.poll_timeout());
        timer.chain(due).min()
    }

    /// Whether nothing is under way any more: no answer owed, no receipt to be sent.
    pub(crate) fn is_at_rest(&self) -> bool {
        let told = |receipt: &Receipt| {
            receipt.acknowledged_ns.is_some() || receipt.tries >= RECEIPT_TRIES_MAX
        };
        let from_handset = |it: &FromHandset| it.is_settled();
        self.due.is_empty()
            && self.pending.is_empty()
            && self.handsets_pending.is_empty()
            && self.receipts.iter().all(told)
            && self.handsets.iter().all(from_handset)
    }

    /// Something arrived at, or can be written to, one of its connections.
    pub(crate) fn stirred(&mut self, number: u32, writable: bool, now_ns: u64) {
        if writable && let Some(connection) = self.connections.get_mut(&number) {
            connection.blocked = false;
        }
        self.read(number, now_ns);
        self.turn(now_ns);
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, now_ns: u64) {
        while let Some(Reverse((at_ns, _, _))) = self.due.peek()
            && *at_ns <= now_ns
        {
            if let Some(Reverse((_, _, due))) = self.due.pop() {
                self.carry_out(due, now_ns);
            }
        }
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in &numbers {
            self.time_out(*number, now_ns);
        }
        self.send_receipts(now_ns);
        self.send_from_handsets(now_ns);
        for number in numbers {
            self.write(number, now_ns);
        }
    }

    fn push_due(&mut self, at_ns: u64, due: Due) {
        self.dues += 1;
        self.due.push(Reverse((at_ns, self.dues, due)));
    }

    fn carry_out(&mut self, due: Due, now_ns: u64) {
        match due {
            Due::Answer {
                connection,
                sequence,
                status,
                id,
            } => {
                let Some(connection) = self.connections.get_mut(&connection) else {
                    return;
                };
                let status = CommandStatus::from_u32(status);
                let text = id.map(|id| self.script.ids.response(id));
                // A session that has ended meanwhile answers nothing more.
                let _ = match &text {
                    None => {
                        connection
                            .session
                            .refuse(sequence, RequestKind::SubmitSm, status, now_ns)
                    }
                    Some(text) => {
                        let response = SubmitSmResp {
                            message_id: COctetString::new(text.as_bytes()),
                            ..SubmitSmResp::default()
                        };
                        let pdu = Pdu::SubmitSmResp(response);
                        connection.session.respond(sequence, status, &pdu, now_ns)
                    }
                };
            }
            Due::Receipt(at) => self.pending.push_back(at),
            Due::Handset(at) => self.handsets_pending.push_back(at),
        }
    }

    fn read(&mut self, number: u32, now_ns: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let mut heard = Vec::new();
        let mut over = false;
        let mut chunk = [0; 4096];
        loop {
            match connection.link.read(End::Carrier, &mut chunk) {
                Ok(None) => break,
                Ok(Some(0)) | Err(_) => {
                    over = true;
                    break;
                }
                Ok(Some(octets)) => connection.carry.extend_from_slice(&chunk[..octets]),
            }
        }
        let carry = std::mem::take(&mut connection.carry);
        let mut desk = Desk { heard: &mut heard };
        match connection.session.handle_bytes(&carry, now_ns, &mut desk) {
            Ok(taken) => connection.carry = carry[taken..].to_vec(),
            Err(_) => over = true,
        }
        for heard in heard {
            over |= self.hear(number, heard, now_ns);
        }
        if over {
            self.drop_connection(number, now_ns);
        }
    }

    fn time_out(&mut self, number: u32, now_ns: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let due = connection.session.poll_timeout();
        if due.is_none_or(|at_ns| at_ns > now_ns) {
            return;
        }
        let mut heard = Vec::new();
        let mut desk = Desk { heard: &mut heard };
        connection.session.handle_timeout(now_ns, &mut desk);
        let mut over = false;
        for heard in heard {
            over |= self.hear(number, heard, now_ns);
        }
        if over {
            self.drop_connection(number, now_ns);
        }
    }

    /// What a session told; `true` when it is over.
    fn hear(&mut self, number: u32, heard: Heard, now_ns: u64) -> bool {
        match heard {
            Heard::Bind => self.decide_bind(number, now_ns),
            Heard::Submit(submit) => self.take_submit(number, &submit, now_ns),
            Heard::Acknowledged { key, status } => self.receipt_answered(key, status, now_ns),
            Heard::Unanswered { key } => self.receipt_unanswered(key, now_ns),
            Heard::Over => return true,
        }
        false
    }

    fn decide_bind(&mut self, number: u32, now_ns: u64) {
        let refuses = now_ns < self.refuses_until_ns;
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        // What is not written now goes with the next turn; a session that cannot be answered ends by its timer.
        if refuses {
            let _ = connection.session.refuse_bind(CommandStatus::BindFailed);
        } else {
            let _ = connection.session.accept_bind(BindResp::default(), now_ns);
        }
    }

    fn write(&mut self, number: u32, now_ns: u64) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        while !connection.blocked && !connection.session.transmit().is_empty() {
            match connection
                .link
                .write(End::Carrier, connection.session.transmit())
            {
                Ok(0) => connection.blocked = true,
                Ok(octets) => connection.session.handle_transmitted(octets),
                Err(_) => return self.drop_connection(number, now_ns),
            }
        }
    }

    /// A connection is gone: what it owed is owed no more, and receipts that had no answer go out again.
    fn drop_connection(&mut self, number: u32, now_ns: u64) {
        let Some(mut connection) = self.connections.remove(&number) else {
            return;
        };
        // The answer to an unbind, if that is what ends it.
        if let Ok(octets) = connection
            .link
            .write(End::Carrier, connection.session.transmit())
        {
            connection.session.handle_transmitted(octets);
        }
        connection.link.finish(End::Carrier);
        let lost = connection.session.close();
        for key in lost.unwritten.into_iter().chain(lost.uncertain) {
            self.receipt_unanswered(key, now_ns);
        }
        let owed = std::mem::take(&mut self.due).into_iter();
        self.due = owed
            .filter(|Reverse((_, _, due))| match due {
                Due::Answer { connection, .. } => *connection != number,
                Due::Receipt(_) | Due::Handset(_) => true,
            })
            .collect();
    }

    fn delivering(&self) -> Option<u32> {
        let able = |connection: &Connection| match connection.session.state() {
            SessionState::Bound(bind_type) => {
                BindType::may_deliver(bind_type) && connection.session.window_free() > 0
            }
            SessionState::Open
            | SessionState::Binding
            | SessionState::Unbinding(_)
            | SessionState::Closed => false,
        };
        let mut found = self.connections.iter();
        found
            .find(|(_, connection)| able(connection))
            .map(|(number, _)| *number)
    }

    fn retry_at(&mut self, now_ns: u64) -> u64 {
        now_ns + self.dice.between(200 * MS, 1_500 * MS)
    }
}
