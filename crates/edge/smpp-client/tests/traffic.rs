//! Segments out, answers and receipts back, over real sockets, plain and with TLS.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod rig;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use connector::{Connector, ConnectorEvent, Verdict};
use message::{Outcome, ReceiptState};
use rig::{Centre, Conn, Got, Rig, config, run};
use smpp_client::{CarrierConfig, ClientCertificate, IdRule, TlsConfig};
use smpp_codec::CommandStatus;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Answers each submit with a hexadecimal id and a receipt that names it in decimal, until it is unbound. Gives back how many were
/// submitted and how many receipts were taken.
async fn serve(mut conn: Conn) -> (u64, u64) {
    conn.accept_bind().await;
    let (mut submitted, mut taken) = (0, 0);
    loop {
        match conn.next().await {
            Got::Submit { sequence, .. } => {
                submitted += 1;
                conn.answer(sequence, 0, &format!("{:08X}", 1_000_000 + submitted));
                let text = format!(
                    "id:{} sub:001 dlvrd:001 stat:DELIVRD err:000 text:",
                    1_000_000 + submitted
                );
                conn.deliver_receipt(submitted, &text);
            }
            Got::Answered { status, .. } => {
                assert_eq!(status, CommandStatus::Ok);
                taken += 1;
            }
            Got::Unbind | Got::End => {
                conn.flush().await;
                return (submitted, taken);
            }
            other @ Got::Bind { .. } => panic!("bound twice: {other:?}"),
        }
    }
}

/// Submits `count` segments as slots come, takes their receipts, and says how many receipts fit an id that was answered.
async fn send_all(rig: &mut Rig, count: usize) -> usize {
    let (mut submitted, mut settled, mut matched) = (0, HashSet::new(), 0);
    let mut ids = HashMap::new();
    let mut receipts = 0;
    while settled.len() < count || receipts < count {
        while let Some(event) = rig.event_at_hand() {
            match event {
                ConnectorEvent::Outcome {
                    segment,
                    outcome: Outcome::Submitted { carrier_message_id },
                    ..
                } => {
                    assert!(settled.insert(segment), "{segment:?} settled twice");
                    ids.insert(carrier_message_id, segment);
                }
                ConnectorEvent::Receipt { handle, receipt } => {
                    assert_eq!(receipt.state, ReceiptState::Delivered);
                    matched += usize::from(ids.remove(&receipt.carrier_message_id).is_some());
                    receipts += 1;
                    let now = rig.now();
                    rig.connector.acknowledge(handle, Verdict::Taken, now);
                }
                ConnectorEvent::SessionUp { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
        while submitted < count
            && let Some(slot) = rig.slot_at_hand()
        {
            let places = (slot.free + slot.free_otp) as usize;
            let batch: Vec<_> = (0..places.min(count - submitted))
                .map(|_| rig.dispatch(slot.session, "Code 1234"))
                .collect();
            submitted += batch.len();
            rig.submit(batch);
        }
        if settled.len() < count || receipts < count {
            rig.woken().await;
        }
    }
    matched
}

fn hex_out_dec_back(config: CarrierConfig) -> CarrierConfig {
    CarrierConfig {
        message_id_response: IdRule::Hex,
        message_id_receipt: IdRule::Dec,
        ..config
    }
}

#[test]
fn a_thousand_segments_and_their_receipts_meet() {
    run(async {
        let centre = Centre::listen().await;
        let config = CarrierConfig {
            window_size: 100,
            ..hex_out_dec_back(config(centre.address))
        };
        let served = spawn_local(async move { serve(centre.connection().await).await });
        let mut rig = Rig::start(config);
        assert_eq!(send_all(&mut rig, 1_000).await, 1_000);
        rig.drain().await;
        assert_eq!(served.await.unwrap(), (1_000, 1_000));
        assert_eq!(rig.connector.status().in_flight, 0);
    });
}

#[test]
fn sessions_share_the_work() {
    run(async {
        let centre = Centre::listen().await;
        let config = CarrierConfig {
            sessions: 4,
            ..hex_out_dec_back(config(centre.address))
        };
        let mut rig = Rig::start(config);
        let mut served = Vec::new();
        for _ in 0..4 {
            let conn = centre.connection().await;
            served.push(spawn_local(serve(conn)));
        }
        for _ in 0..4 {
            rig.session_up().await;
        }
        // Ids of different sessions are alike here, so only the count is looked at.
        send_all_counting(&mut rig, 400).await;
        rig.drain().await;
        let mut total = 0;
        for session in served {
            let (submitted, taken) = session.await.unwrap();
            assert!(submitted > 0, "a session carried nothing");
            assert_eq!(submitted, taken);
            total += submitted;
        }
        assert_eq!(total, 400);
    });
}

async fn send_all_counting(rig: &mut Rig, count: u32) {
    let (mut submitted, mut settled, mut receipts) = (0, 0, 0);
    while settled < count || receipts < count {
        while submitted < count
            && let Some(slot) = rig.slot_at_hand()
        {
            let dispatch = rig.dispatch(slot.session, "Code 1234");
            rig.submit(vec![dispatch]);
            submitted += 1;
        }
        match rig.event().await {
            ConnectorEvent::Outcome {
                outcome: Outcome::Submitted { .. },
                ..
            } => settled += 1,
            ConnectorEvent::Receipt { handle, .. } => {
                receipts += 1;
                let now = rig.now();
                rig.connector.acknowledge(handle, Verdict::Taken, now);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

/// Nothing is awaited between the engine's calls, so that no session task can have helped.
#[test]
fn an_answer_waits_for_the_segment_of_its_turn_and_leaves_with_it_at_once() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            stamp_tlv: true,
            ..config(centre.address)
        });
        let socket = centre.tcp().await.into_std().unwrap();
        let wire = socket.try_clone().unwrap();
        let mut conn = Conn::new(tokio::net::TcpStream::from_std(socket).unwrap());
        conn.accept_bind().await;
        let session = rig.session_up().await;
        conn.deliver_receipt(9, "id:1 stat:DELIVRD");
        conn.flush().await;
        let ConnectorEvent::Receipt { handle, .. } = rig.event().await else {
            panic!("no receipt")
        };
        let mut arrived = [0; 4_096];
        let now = rig.now();
        rig.connector.acknowledge(handle, Verdict::Taken, now);
        let waiting = wire.peek(&mut arrived).unwrap_err();
        assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock);
        let dispatch = rig.dispatch(session, "now");
        let message = dispatch.segment.message;
        rig.submit(vec![dispatch]);
        let octets = wire.peek(&mut arrived).unwrap();
        assert_eq!(arrived[4..8], [0x80, 0, 0, 5], "deliver_sm_resp");
        assert_eq!(arrived[3], 17);
        assert_eq!(arrived[21..25], [0, 0, 0, 4], "submit_sm");
        assert_eq!(octets, 17 + usize::from(arrived[20]));
        assert!(matches!(
            conn.next().await,
            Got::Answered { correlation: 9, .. }
        ));
        let Got::Submit {
            stamp: Some(stamp), ..
        } = conn.next().await
        else {
            panic!("no stamp")
        };
        assert_eq!(stamp[..16], message.to_bytes());
    });
}

/// Fills a session until nothing more is taken, only then lets the centre read, and expects every answer.
async fn fill_then_read(centre: Centre, config: CarrierConfig, acceptor: Option<TlsAcceptor>) {
    let mut rig = Rig::start(CarrierConfig {
        window_size: 20_000,
        ..config
    });
    let tcp = centre.tcp().await;
    let mut conn = match acceptor {
        Some(acceptor) => Conn::new(acceptor.accept(tcp).await.unwrap()),
        None => Conn::new(tcp),
    };
    conn.accept_bind().await;
    let session = rig.session_up().await;
    let mut sent = 0;
    while let Some(slot) = rig.slot_at_hand() {
        let batch: Vec<_> = (0..slot.free)
            .map(|_| rig.dispatch(session, &"a".repeat(160)))
            .collect();
        sent += batch.len();
        rig.submit(batch);
    }
    assert!(
        sent < 20_000,
        "the kernel took everything: nothing was held back"
    );
    spawn_local(async move {
        while let Got::Submit { sequence, .. } = conn.next().await {
            conn.answer(sequence, 0, &sequence.to_string());
        }
    });
    let mut held_back = 200;
    for settled in 0.. {
        if settled == sent {
            break;
        }
        assert!(matches!(rig.outcome().await.1, Outcome::Submitted { .. }));
        if held_back > 0
            && let Some(slot) = rig.slot_at_hand()
        {
            let batch: Vec<_> = (0..slot.free.min(held_back))
                .map(|_| rig.dispatch(session, "more"))
                .collect();
            held_back -= u32::try_from(batch.len()).unwrap();
            sent += batch.len();
            rig.submit(batch);
        }
    }
    assert_eq!(held_back, 0, "the session became ready again");
    assert_eq!(rig.connector.status().in_flight, 0);
}

#[test]
fn a_slow_reader_holds_back_and_loses_nothing() {
    run(async {
        let centre = Centre::listen_narrow().await;
        let config = config(centre.address);
        fill_then_read(centre, config, None).await;
    });
}

#[test]
fn a_slow_reader_behind_tls_holds_back_and_loses_nothing() {
    run(async {
        let certificates = Certificates::issue("slow");
        let centre = Centre::listen_narrow().await;
        let tls = Some(certificates.config("smsc.test"));
        let config = CarrierConfig {
            tls,
            ..config(centre.address)
        };
        fill_then_read(centre, config, Some(certificates.acceptor.clone())).await;
    });
}

/// An authority, and what it issued to both ends.
struct Certificates {
    folder: PathBuf,
    acceptor: TlsAcceptor,
}

impl Certificates {
    fn issue(test: &str) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::from_params(&params, &ca_key);
        let leaf = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = leaf("smsc.test");
        let (client, client_key) = leaf("esme.test");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
        std::fs::write(folder.join("client.pem"), client.pem()).unwrap();
        std::fs::write(folder.join("client.key"), client_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        let key = PrivatePkcs8KeyDer::from(server_key.serialize_der());
        let server = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from(server.der().to_vec())],
                key.into(),
            )
            .unwrap();
        Self {
            folder,
            acceptor: TlsAcceptor::from(Arc::new(server)),
        }
    }

    fn config(&self, server_name: &str) -> TlsConfig {
        TlsConfig {
            ca_file: self.folder.join("ca.pem"),
            server_name: Some(server_name.to_owned()),
            client_certificate: Some(ClientCertificate {
                certificate_file: self.folder.join("client.pem"),
                key_file: self.folder.join("client.key"),
            }),
        }
    }
}

#[test]
fn tls_with_certificates_on_both_sides_carries_the_same() {
    run(async {
        let certificates = Certificates::issue("carries");
        let centre = Centre::listen().await;
        let config = CarrierConfig {
            window_size: 100,
            tls: Some(certificates.config("smsc.test")),
            ..hex_out_dec_back(config(centre.address))
        };
        let acceptor = certificates.acceptor.clone();
        let served = spawn_local(async move {
            let stream = acceptor.accept(centre.tcp().await).await.unwrap();
            serve(Conn::new(stream)).await
        });
        let mut rig = Rig::start(config);
        assert_eq!(send_all(&mut rig, 1_000).await, 1_000);
        rig.drain().await;
        assert_eq!(served.await.unwrap(), (1_000, 1_000));
    });
}

#[test]
fn a_certificate_for_another_name_is_refused_and_tried_again() {
    run(async {
        let certificates = Certificates::issue("refused");
        let centre = Centre::listen().await;
        let tls = Some(certificates.config("somebody-else.test"));
        let rig = Rig::start(CarrierConfig {
            tls,
            ..config(centre.address)
        });
        for _ in 0..2 {
            assert!(
                certificates
                    .acceptor
                    .accept(centre.tcp().await)
                    .await
                    .is_err()
            );
        }
        let status = rig.connector.status();
        assert!(status.reconnects > 0 && status.sessions_bound == 0);
    });
}
