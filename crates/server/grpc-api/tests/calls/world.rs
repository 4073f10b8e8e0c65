//! A real engine with a real journal, served over a real socket; only the carriers are scripted.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connector::{
    Connector, ConnectorEvent, ConnectorStatus, Dispatch, Receipt, ReceiptHandle, SessionNo, Slot,
    Verdict,
};
use engine::{Caller, CarrierConfig, Engine, EngineConfig, Life, Limits, TenantConfig};
use grpc_api::v1::dispatch_client::DispatchClient;
use grpc_api::{
    CallerDirectory, CallerEntry, InboundAccess, ServeError, ServerOptions, Service, StreamLimits,
    v1,
};
use message::{
    CallerId, CarrierMessageId, InboundMessage, Now, Outcome, ReceiptState, Slug, TenantId,
};
use routing::{Route, RouteGroup, RouteTable};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Request;
use tonic::transport::{Channel, ClientTlsConfig};

/// Numbers that begin so are taken and delivered at once.
pub(crate) const SWIFT: &str = "+8190";
/// Numbers that begin so wait for ever: their carrier never has a free slot.
pub(crate) const STUCK: &str = "+4990";
/// Messages that may wait in the lanes.
const CREDITS: u64 = 20_000;

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) channel: Channel,
    engine: Engine,
    dir: PathBuf,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(ServerOptions::default(), ClientTlsConfig::new()).await
    }

    /// A world behind these settings, and a channel to it.
    pub(crate) async fn start_with(options: ServerOptions, tls: ClientTlsConfig) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("calls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let engine = Engine::start(engine_config(dir.clone()), connectors()).unwrap();
        while engine.handle().life() == Life::Starting {
            tokio::task::yield_now().await;
        }

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::new(engine.handle(), callers(), StreamLimits::default());
        let scheme = options.tls.as_ref().map_or("http", |_| "https");
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(grpc_api::serve(listener, service.clone(), options, async {
            let _ = stopped.await;
        }));
        let endpoint = grpc_api::endpoint(&format!("{scheme}://localhost:{}", address.port()))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .unwrap();
        Self {
            service,
            channel: endpoint.connect().await.unwrap(),
            engine,
            dir,
            stop,
            server,
        }
    }

    pub(crate) fn client(&self) -> DispatchClient<Channel> {
        DispatchClient::new(self.channel.clone())
    }

    /// Orders the end and waits for it.
    pub(crate) async fn end(self) {
        let _ = self.stop.send(());
        self.server.await.unwrap().unwrap();
        self.engine.stop();
        tokio::task::spawn_blocking(|| self.engine.join())
            .await
            .unwrap()
            .unwrap();
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

/// A request of the caller `login`, who may do everything.
pub(crate) fn asked<T>(message: T) -> Request<T> {
    asked_by("login", message)
}

/// A request of some caller: `login` and `shop` share a tenant, `stranger` has another.
pub(crate) fn asked_by<T>(caller: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let key = format!("Bearer key-of-{caller}").parse().unwrap();
    request.metadata_mut().insert("authorization", key);
    request
}

/// A sound submission to a number that begins with `prefix`.
pub(crate) fn submission(prefix: &str, number: u32) -> v1::Submission {
    v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: format!("{prefix}{number:08}"),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text: "Your parcel is on its way".into(),
                sender: "Hikyaku".into(),
            }),
        }),
        category: v1::Category::Transactional.into(),
        ..v1::Submission::default()
    }
}

fn callers() -> CallerDirectory {
    let entry = |name: &str, tenant: &str, categories, inbound| {
        let slug: Slug = name.parse().unwrap();
        CallerEntry {
            caller: Caller {
                id: CallerId::of(&slug),
                tenant: TenantId::of(&tenant.parse().unwrap()),
                name: slug,
                categories,
            },
            key_sha256: Some(Sha256::digest(format!("key-of-{name}")).into()),
            certificate_san: None,
            inbound,
        }
    };
    let mut by_certificate = entry("ledger", "acme", [true; 4], InboundAccess::Denied);
    by_certificate.key_sha256 = None;
    by_certificate.certificate_san = Some("ledger.example.com".to_owned());
    CallerDirectory::new(vec![
        by_certificate,
        entry("login", "acme", [true; 4], InboundAccess::Granted),
        entry(
            "shop",
            "acme",
            [false, false, true, true],
            InboundAccess::Denied,
        ),
        entry("stranger", "other", [true; 4], InboundAccess::Denied),
    ])
    .unwrap()
}

fn engine_config(dir: PathBuf) -> EngineConfig {
    let mut limits = Limits {
        messages: CREDITS,
        // Nothing goes on in the journal: a full lane must be felt.
        backlog_messages: 0,
        ..Limits::default()
    };
    // What ended before the last is known from its records only.
    limits.partition.finished = 1;
    let slug = |name: &str| name.parse::<Slug>().unwrap();
    let carrier = |name: &str| CarrierConfig {
        name: slug(name),
        contract: None,
    };
    let tenant = |name: &str| TenantConfig {
        name: slug(name),
        weight: 1,
        otp_per_second: None,
    };
    let group = |name: &str, carrier: &CarrierConfig| {
        RouteGroup::new(slug(name), vec![vec![carrier.id()]]).unwrap()
    };
    let route = |prefix: &str, name: &str| Route {
        prefix: prefix.parse().unwrap(),
        group: slug(name),
    };
    let carriers = vec![carrier("swift"), carrier("stuck")];
    let groups = [
        group("to-swift", &carriers[0]),
        group("to-stuck", &carriers[1]),
    ];
    let routes = [route(SWIFT, "to-swift"), route(STUCK, "to-stuck")];
    EngineConfig {
        journal_reserve_bytes: 1 << 20,
        journal_history: engine::HistoryRetention::default(),
        limits,
        carriers,
        tenants: vec![tenant("acme"), tenant("other")],
        routes: RouteTable::build(groups, routes).unwrap(),
        ..EngineConfig::new(dir, clock)
    }
}

fn clock() -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let mono = START.get_or_init(Instant::now).elapsed();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let whole = |span: Duration, unit: u128| u64::try_from(span.as_nanos() / unit).unwrap();
    Now {
        mono_ns: whole(mono, 1),
        wall_ms: whole(wall, 1_000_000),
    }
}

fn connectors() -> engine::ConnectorFactory {
    Box::new(|wake| {
        let swift = Scripted::new(1, 64, wake.clone());
        vec![Box::new(swift), Box::new(Scripted::new(2, 0, wake))]
    })
}

/// Takes what its slots allow, delivers it at once, and begins with one message from a person.
struct Scripted {
    session: SessionNo,
    slots: u32,
    taken: u32,
    events: Vec<ConnectorEvent>,
    wake: Rc<dyn Fn()>,
}

impl Scripted {
    fn new(session: u32, slots: u32, wake: Rc<dyn Fn()>) -> Self {
        let session = SessionNo(session);
        let mut events = vec![ConnectorEvent::SessionUp { session }];
        if slots > 0 {
            events.push(ConnectorEvent::Inbound {
                handle: ReceiptHandle {
                    session,
                    sequence: 0,
                },
                inbound: InboundMessage {
                    from: "819012345678".into(),
                    to: "12345".into(),
                    text: "STOP".into(),
                    octets: bytes::Bytes::from_static(b"STOP"),
                    data_coding: 0,
                },
            });
        }
        Self {
            session,
            slots,
            taken: 0,
            events,
            wake,
        }
    }
}

impl Connector for Scripted {
    fn poll_slot(&mut self, _now: Now) -> Option<Slot> {
        (self.slots > 0).then_some(Slot {
            session: self.session,
            free: self.slots,
            free_otp: 0,
        })
    }

    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now) {
        for dispatch in batch.drain(..) {
            self.taken += 1;
            let carrier_message_id = CarrierMessageId::new(self.taken.to_string().as_bytes());
            self.events.push(ConnectorEvent::Outcome {
                segment: dispatch.segment,
                session: self.session,
                outcome: Outcome::Submitted {
                    carrier_message_id: carrier_message_id.clone(),
                },
                status: 0,
                written_ns: now.mono_ns,
                settled_ns: now.mono_ns,
            });
            self.events.push(ConnectorEvent::Receipt {
                handle: ReceiptHandle {
                    session: self.session,
                    sequence: self.taken,
                },
                receipt: Receipt {
                    carrier_message_id,
                    state: ReceiptState::Delivered,
                    error: "000".into(),
                    recipient: (&*dispatch.payload.recipient.digits()).into(),
                    sender: dispatch.payload.sender.as_str().into(),
                },
            });
        }
        (self.wake)();
    }

    fn drain_events(&mut self, events: &mut Vec<ConnectorEvent>) {
        events.append(&mut self.events);
    }

    fn in_flight(&self, _: &mut dyn FnMut(message::SegmentRef)) {}

    fn acknowledge(&mut self, _handle: ReceiptHandle, _verdict: Verdict, _now: Now) {}

    fn drain(&mut self, _now: Now) {
        self.slots = 0;
    }

    fn is_drained(&self) -> bool {
        true
    }

    fn status(&self) -> ConnectorStatus {
        ConnectorStatus {
            sessions_configured: 1,
            sessions_bound: 1,
            sessions_receiving: 1,
            window: 64,
            ..ConnectorStatus::default()
        }
    }
}
