//! A message centre and an engine, both small enough for one test: real sockets, one thread, no sleeps.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connector::{Connector, ConnectorEvent, Dispatch, SessionNo, Slot};
use message::{CarrierId, Category, IdSource, Lane, Outcome, Payload, ReceiptWanted, SegmentRef};
use smpp_client::{CarrierConfig, Clock, Credentials, ReconnectConfig, SmppConnector};
use smpp_codec::{BindResp, CommandStatus, DeliverSm, EsmClass, Pdu, SubmitSmResp};
use smpp_session::{BindType, Event, Role, Session, SessionConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// Long enough for a slow machine; only a test that would hang forever meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on one thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(PATIENCE, test)
            .await
            .expect("the test hangs");
    });
}

/// What an ESME did.
#[derive(Debug)]
pub(crate) enum Got {
    Bind {
        bind_type: BindType,
        system_id: Vec<u8>,
        password: Vec<u8>,
    },
    Submit {
        sequence: u32,
        message: Vec<u8>,
        stamp: Option<Vec<u8>>,
    },
    Answered {
        correlation: u64,
        status: CommandStatus,
    },
    Unbind,
    End,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The message centre's end of one connection.
pub(crate) struct Conn {
    stream: Box<dyn Stream>,
    session: Session,
    input: Vec<u8>,
    got: VecDeque<Got>,
    clock: Clock,
}

impl Conn {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        let config = SessionConfig {
            window_size: 10_000,
            ..SessionConfig::new(Role::Mc)
        };
        Self {
            stream: Box::new(stream),
            session: Session::new(config, Clock.mono_ns()).unwrap(),
            input: Vec::new(),
            got: VecDeque::new(),
            clock: Clock,
        }
    }

    /// Writes what is queued, then waits for what comes.
    pub(crate) async fn next(&mut self) -> Got {
        loop {
            self.flush().await;
            if let Some(got) = self.got.pop_front() {
                return got;
            }
            let mut buffer = vec![0; 65_536];
            let octets = self.stream.read(&mut buffer).await.unwrap_or(0);
            if octets == 0 {
                return Got::End;
            }
            self.input.extend_from_slice(&buffer[..octets]);
            let got = &mut self.got;
            let mut note = |event: Event<'_>| got.extend(noted(event));
            let taken = self
                .session
                .handle_bytes(&self.input, self.clock.mono_ns(), &mut note)
                .unwrap();
            self.input.drain(..taken);
        }
    }

    /// What arrived with the last read and was not looked at.
    pub(crate) fn at_hand(&mut self) -> Option<Got> {
        self.got.pop_front()
    }

    pub(crate) async fn flush(&mut self) {
        let octets = self.session.transmit().len();
        if octets > 0 && self.stream.write_all(self.session.transmit()).await.is_ok() {
            self.session.handle_transmitted(octets);
            // TLS keeps what the socket did not take; a peer that is gone shows with the next read.
            let _ = self.stream.flush().await;
        }
    }

    /// Waits for the bind and takes it.
    pub(crate) async fn accept_bind(&mut self) -> BindType {
        let got = self.next().await;
        let Got::Bind { bind_type, .. } = got else {
            panic!("not a bind: {got:?}")
        };
        self.session
            .accept_bind(BindResp::default(), self.clock.mono_ns())
            .unwrap();
        self.flush().await;
        bind_type
    }

    /// Waits for the bind and refuses it.
    pub(crate) async fn refuse_bind(&mut self, code: u32) {
        let got = self.next().await;
        assert!(matches!(got, Got::Bind { .. }), "not a bind: {got:?}");
        self.session
            .refuse_bind(CommandStatus::from_u32(code))
            .unwrap();
        self.flush().await;
    }

    pub(crate) fn answer(&mut self, sequence: u32, code: u32, id: &str) {
        let response = Pdu::SubmitSmResp(SubmitSmResp {
            message_id: id.into(),
            ..SubmitSmResp::default()
        });
        self.session
            .respond(
                sequence,
                CommandStatus::from_u32(code),
                &response,
                self.clock.mono_ns(),
            )
            .unwrap();
    }

    pub(crate) fn deliver_receipt(&mut self, correlation: u64, text: &str) {
        let pdu = DeliverSm {
            esm_class: EsmClass::DELIVERY_RECEIPT,
            short_message: text.as_bytes(),
            ..DeliverSm::default()
        };
        self.session
            .submit(correlation, &Pdu::DeliverSm(pdu), self.clock.mono_ns())
            .unwrap();
    }
}

fn noted(event: Event<'_>) -> Option<Got> {
    match event {
        Event::BindRequested { bind_type, bind } => Some(Got::Bind {
            bind_type,
            system_id: bind.system_id.as_bytes().to_vec(),
            password: bind.password.as_bytes().to_vec(),
        }),
        Event::Request {
            sequence_number,
            pdu: Pdu::SubmitSm(pdu),
        } => Some(Got::Submit {
            sequence: sequence_number,
            message: pdu.short_message.to_vec(),
            stamp: pdu
                .tlvs
                .iter()
                .find(|tlv| tlv.tag.to_u16() == smpp_client::STAMP_TAG)
                .map(|tlv| tlv.value.to_vec()),
        }),
        Event::Answered(answer) => Some(Got::Answered {
            correlation: answer.correlation,
            status: answer.status,
        }),
        Event::UnbindRequested => Some(Got::Unbind),
        _ => None,
    }
}

/// Where a message centre listens.
pub(crate) struct Centre {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Centre {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// One whose kernel takes little that nobody reads.
    pub(crate) async fn listen_narrow() -> Self {
        let centre = Self::listen().await;
        socket2::SockRef::from(&centre.listener)
            .set_recv_buffer_size(4_096)
            .unwrap();
        centre
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    pub(crate) async fn connection(&self) -> Conn {
        Conn::new(self.tcp().await)
    }
}

pub(crate) fn config(address: SocketAddr) -> CarrierConfig {
    let credentials = Credentials {
        system_id: "account".into(),
        password: "secret".into(),
        system_type: "".into(),
    };
    CarrierConfig {
        reconnect: ReconnectConfig {
            min_ms: 10,
            max_ms: 100,
            fatal_probe_ms: 20,
            stagger_ms: 0,
            gap_ms: 1,
            seed: 7,
        },
        ..CarrierConfig::new(CarrierId(1), "test", &address.to_string(), credentials)
    }
}

/// The engine's side: takes events and slots as they come.
pub(crate) struct Rig {
    pub(crate) connector: SmppConnector,
    woken: Rc<Notify>,
    events: VecDeque<ConnectorEvent>,
    clock: Clock,
    made: Cell<u64>,
}

impl Rig {
    pub(crate) fn start(config: CarrierConfig) -> Self {
        let woken = Rc::new(Notify::new());
        let wake = Rc::clone(&woken);
        Self {
            connector: SmppConnector::start(config, Rc::new(move || wake.notify_one())).unwrap(),
            woken,
            events: VecDeque::new(),
            clock: Clock,
            made: Cell::new(0),
        }
    }

    pub(crate) fn now(&self) -> message::Now {
        self.clock.now()
    }

    fn take_events(&mut self) {
        let mut events = Vec::new();
        self.connector.drain_events(&mut events);
        self.events.extend(events);
    }

    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    pub(crate) fn event_at_hand(&mut self) -> Option<ConnectorEvent> {
        self.take_events();
        self.events.pop_front()
    }

    pub(crate) async fn event(&mut self) -> ConnectorEvent {
        loop {
            if let Some(event) = self.event_at_hand() {
                return event;
            }
            self.woken().await;
        }
    }

    pub(crate) async fn session_up(&mut self) -> SessionNo {
        match self.event().await {
            ConnectorEvent::SessionUp { session } => session,
            other => panic!("not a session: {other:?}"),
        }
    }

    pub(crate) async fn outcome(&mut self) -> (SegmentRef, Outcome) {
        match self.event().await {
            ConnectorEvent::Outcome {
                segment, outcome, ..
            } => (segment, outcome),
            other => panic!("not an outcome: {other:?}"),
        }
    }

    pub(crate) fn slot_at_hand(&mut self) -> Option<Slot> {
        let now = self.now();
        self.connector.poll_slot(now)
    }

    pub(crate) async fn slot(&mut self) -> Slot {
        loop {
            if let Some(slot) = self.slot_at_hand() {
                return slot;
            }
            self.woken().await;
        }
    }

    /// A new message for a session.
    pub(crate) fn dispatch(&self, session: SessionNo, text: &str) -> Dispatch {
        let made = self.made.get() + 1;
        self.made.set(made);
        Dispatch {
            segment: SegmentRef {
                message: IdSource::new(0).peek(made, made),
                leg: 0,
                attempt: 1,
                segment: 0,
            },
            session,
            payload: Arc::new(Payload {
                recipient: "819012345678".parse().unwrap(),
                sender: "Hikyaku".parse().unwrap(),
                category: Category::Otp,
                lane: Lane::Otp,
                text: Bytes::copy_from_slice(text.as_bytes()),
                receipt_wanted: ReceiptWanted::Always,
                expires_ms: 0,
                segments: 1,
            }),
            admitted_ns: 0,
            validity_left_ms: 60_000,
        }
    }

    pub(crate) fn submit(&mut self, mut batch: Vec<Dispatch>) {
        let now = self.now();
        self.connector.submit(&mut batch, now);
        assert!(batch.is_empty());
    }

    pub(crate) async fn drain(&mut self) {
        let now = self.now();
        self.connector.drain(now);
        while !self.connector.is_drained() {
            self.woken().await;
        }
    }
}
