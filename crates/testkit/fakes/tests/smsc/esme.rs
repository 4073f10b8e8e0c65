//! A blocking ESME that writes down what it hears, in order.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fakes::smsc::{FakeSmsc, STAMP_TAG, SmscConfig, SmscHandle, Stamp};
use rustix::time::{ClockId, clock_gettime};
use smpp_codec::receipt_text::ReceiptText;
use smpp_codec::{
    Address, Bind, BindResp, CommandStatus, DataCoding, DeliverSmResp, EsmClass, MessageStateValue,
    Npi, Pdu, RegisteredDelivery, ShortMessage, TlvTag, TlvWriter, Ton,
};
use smpp_session::{BindType, Event, Role, Session, SessionConfig};

/// No test waits longer for anything; one that does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Something the ESME heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Bound,
    BindRefused(CommandStatus),
    Answer {
        correlation: u64,
        status: CommandStatus,
        id: String,
    },
    Receipt {
        id: String,
        state: Option<MessageStateValue>,
        text_id: Option<String>,
    },
    Inbound {
        from: String,
        to: String,
        data_coding: DataCoding,
        octets: Vec<u8>,
    },
}

/// What it does with receipts and messages from handsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnReceipt {
    Answer(CommandStatus),
    StaySilent,
}

/// A stream of any kind.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

pub(crate) struct Esme {
    stream: Box<dyn Stream>,
    pub(crate) session: Session,
    input: Vec<u8>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) on_receipt: OnReceipt,
}

pub(crate) fn mono_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

pub(crate) fn config() -> SmscConfig {
    SmscConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) fn start(change: impl FnOnce(&mut SmscConfig)) -> SmscHandle {
    let mut config = config();
    change(&mut config);
    FakeSmsc::start(config).unwrap()
}

pub(crate) fn tcp(smsc: &SmscHandle) -> TcpStream {
    let stream = TcpStream::connect(smsc.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The id in the stamp of message `n`.
pub(crate) fn id_of(n: u64) -> [u8; 16] {
    u128::from(n).to_be_bytes()
}

impl Esme {
    /// Bound as a transceiver.
    pub(crate) fn bound(smsc: &SmscHandle) -> Self {
        Self::bound_as(smsc, BindType::Transceiver)
    }

    pub(crate) fn bound_as(smsc: &SmscHandle, bind_type: BindType) -> Self {
        let mut esme = Self::over(tcp(smsc));
        assert_eq!(esme.bind(bind_type, ("esme", "secret")), Heard::Bound);
        esme
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        let config = SessionConfig {
            window_size: 50_000,
            transmit_max_bytes: 64 << 20,
            transmit_hard_max_bytes: 64 << 20,
            enquire_link_ns: 0,
            ..SessionConfig::new(Role::Esme)
        };
        Self {
            stream: Box::new(stream),
            session: Session::new(config, mono_ns()).unwrap(),
            input: Vec::new(),
            heard: Vec::new(),
            on_receipt: OnReceipt::Answer(CommandStatus::Ok),
        }
    }

    pub(crate) fn bind(&mut self, bind_type: BindType, (name, password): (&str, &str)) -> Heard {
        let bind = Bind {
            system_id: name.into(),
            password: password.into(),
            ..Bind::default()
        };
        self.session.bind(bind_type, bind).unwrap();
        self.flush().unwrap();
        self.until(|esme| !esme.heard.is_empty());
        // Receipts that waited may have come with it.
        self.heard.remove(0)
    }

    /// Queues message `n`, which wants a receipt.
    pub(crate) fn submit(&mut self, n: u64) {
        self.submit_with(n, RegisteredDelivery::FINAL);
    }

    pub(crate) fn submit_with(&mut self, n: u64, registered_delivery: RegisteredDelivery) {
        let mut scratch = bytes::BytesMut::new();
        let mut writer = TlvWriter::new(&mut scratch);
        let stamp = Stamp {
            message_id: id_of(n),
            attempt: 1,
            admitted_ns: 0,
            written_ns: mono_ns(),
        };
        let tag = TlvTag::from_u16(STAMP_TAG);
        writer.push(tag, &stamp.to_bytes()).unwrap();
        let message = ShortMessage {
            registered_delivery,
            tlvs: writer.finish(),
            ..plain(b"hello")
        };
        self.submit_sm(n, message);
    }

    pub(crate) fn submit_sm(&mut self, correlation: u64, message: ShortMessage<'_>) {
        let pdu = Pdu::SubmitSm(message);
        self.session.submit(correlation, &pdu, mono_ns()).unwrap();
    }

    /// Submits all, then writes.
    pub(crate) fn submit_all(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|n| self.submit(n));
        self.flush().unwrap();
    }

    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        while !self.session.transmit().is_empty() {
            let octets = self.stream.write(self.session.transmit())?;
            self.session.handle_transmitted(octets);
        }
        self.stream.flush()
    }

    /// Reads until `done`; the end of the connection before that fails the test.
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.read(), "the connection ended: {:?}", self.heard);
        }
    }

    /// Reads until the connection ends.
    pub(crate) fn until_end(&mut self) {
        while self.read() {}
    }

    /// One read and what follows from it; false when the connection has ended.
    pub(crate) fn read(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let octets = match self.stream.read(&mut chunk) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
            Err(_) => 0,
        };
        self.input.extend_from_slice(&chunk[..octets]);
        let mut receipts = Vec::new();
        let heard = &mut self.heard;
        let mut listen = |event: Event<'_>| note(event, heard, &mut receipts);
        let used = self
            .session
            .handle_bytes(&self.input, mono_ns(), &mut listen)
            .unwrap();
        self.input.drain(..used);
        if let OnReceipt::Answer(status) = self.on_receipt {
            let pdu = Pdu::DeliverSmResp(DeliverSmResp::default());
            for number in receipts {
                self.session
                    .respond(number, status, &pdu, mono_ns())
                    .unwrap();
            }
        }
        // A peer that is gone is noticed by the next read.
        let _ = self.flush();
        octets > 0
    }

    pub(crate) fn answers(&self) -> Vec<(u64, CommandStatus)> {
        let answer = |heard: &Heard| match heard {
            Heard::Answer {
                correlation,
                status,
                ..
            } => Some((*correlation, *status)),
            Heard::Bound
            | Heard::BindRefused(_)
            | Heard::Receipt { .. }
            | Heard::Inbound { .. } => None,
        };
        self.heard.iter().filter_map(answer).collect()
    }

    pub(crate) fn with_status(&self, wanted: CommandStatus) -> usize {
        let answers = self.answers();
        answers.iter().filter(|(_, s)| *s == wanted).count()
    }

    /// How many messages from handsets came, copies too.
    pub(crate) fn inbound(&self) -> usize {
        let is_inbound = |heard: &&Heard| matches!(heard, Heard::Inbound { .. });
        self.heard.iter().filter(is_inbound).count()
    }

    pub(crate) fn receipts(&self) -> Vec<(String, Option<MessageStateValue>)> {
        let receipt = |heard: &Heard| match heard {
            Heard::Receipt { id, state, .. } => Some((id.clone(), *state)),
            Heard::Bound | Heard::BindRefused(_) | Heard::Answer { .. } | Heard::Inbound { .. } => {
                None
            }
        };
        self.heard.iter().filter_map(receipt).collect()
    }
}

pub(crate) fn plain(body: &[u8]) -> ShortMessage<'_> {
    ShortMessage {
        source: Address::new(Ton::Alphanumeric, Npi::Unknown, b"ACME"),
        destination: Address::new(Ton::International, Npi::Isdn, b"819012345678"),
        short_message: body,
        ..ShortMessage::default()
    }
}

fn note(event: Event<'_>, heard: &mut Vec<Heard>, receipts: &mut Vec<u32>) {
    match event {
        Event::Bound { response, .. } => {
            let BindResp { system_id, .. } = response.unwrap();
            assert_eq!(system_id.as_bytes(), b"hikyaku-sim");
            heard.push(Heard::Bound);
        }
        Event::BindRefused { status } => heard.push(Heard::BindRefused(status)),
        Event::Answered(answer) => {
            let id = match answer.response {
                Ok(Pdu::SubmitSmResp(response)) => response.message_id.as_str().unwrap().to_owned(),
                other => panic!("an answer to a submit, not {other:?}"),
            };
            heard.push(Heard::Answer {
                correlation: answer.correlation,
                status: answer.status,
                id,
            });
        }
        Event::Request {
            sequence_number,
            pdu: Pdu::DeliverSm(inbound),
        } if inbound.esm_class != EsmClass::DELIVERY_RECEIPT => {
            let text = |address: Address<'_>| address.addr.as_str().unwrap().to_owned();
            heard.push(Heard::Inbound {
                from: text(inbound.source),
                to: text(inbound.destination),
                data_coding: inbound.data_coding,
                octets: inbound.body().to_vec(),
            });
            receipts.push(sequence_number);
        }
        Event::Request {
            sequence_number,
            pdu: Pdu::DeliverSm(receipt),
        } => {
            let text_id = ReceiptText::parse(receipt.short_message).id;
            let text_id = text_id.map(|id| String::from_utf8(id.to_vec()).unwrap());
            let id = receipt.tlvs.receipted_message_id();
            let id = id.map(|id| id.as_str().unwrap().to_owned());
            heard.push(Heard::Receipt {
                id: id.or_else(|| text_id.clone()).unwrap(),
                state: receipt.tlvs.message_state(),
                text_id,
            });
            receipts.push(sequence_number);
        }
        Event::Unbound => {}
        other => panic!("unexpected {other:?}"),
    }
}
