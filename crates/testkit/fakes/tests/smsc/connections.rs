//! Who may bind, what survives a connection, TLS.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use fakes::smsc::{
    Account, AccountPassword, Credentials, FakeSmsc, SmscConfig, StartError, TlsListener,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use smpp_codec::CommandStatus;
use smpp_session::BindType;

use crate::esme::{Esme, Heard, OnReceipt, config, id_of, mono_ns, start, tcp};

#[test]
fn only_who_knows_the_password_binds() {
    let smsc = start(|config| {
        config.credentials = Credentials::Accounts(vec![Account {
            system_id: "esme".to_owned(),
            password: AccountPassword("secret".to_owned()),
        }]);
    });
    for (credentials, expected) in [
        (("esme", "secret"), Heard::Bound),
        (
            ("esme", "secreT"),
            Heard::BindRefused(CommandStatus::InvalidPassword),
        ),
        (
            ("esme", ""),
            Heard::BindRefused(CommandStatus::InvalidPassword),
        ),
        (
            ("other", "secret"),
            Heard::BindRefused(CommandStatus::InvalidSystemId),
        ),
    ] {
        let mut esme = Esme::over(tcp(&smsc));
        assert_eq!(esme.bind(BindType::Transceiver, credentials), expected);
    }
    let counts = smsc.stop().counts;
    assert_eq!((counts.binds, counts.binds_refused), (1, 3));
}

#[test]
fn one_bind_too_many_is_refused_until_another_ends() {
    let smsc = start(|config| config.binds_max = 1);
    let mut first = Esme::bound(&smsc);
    let mut second = Esme::over(tcp(&smsc));
    assert_eq!(
        second.bind(BindType::Transceiver, ("esme", "")),
        Heard::BindRefused(CommandStatus::AlreadyBound)
    );
    first.session.unbind(mono_ns()).unwrap();
    first.flush().unwrap();
    // The end is seen after the account's slot is free.
    first.until_end();
    assert_eq!(
        second.bind(BindType::Transceiver, ("esme", "")),
        Heard::Bound
    );
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let smsc = start(|config| config.connections_max = 1);
    let _first = Esme::bound(&smsc);
    let mut second = Esme::over(tcp(&smsc));
    second.until_end();
    let counts = smsc.snapshot();
    assert_eq!((counts.connections, counts.connections_refused), (1, 1));
}

#[test]
fn a_peer_that_breaks_the_framing_is_counted() {
    let smsc = start(|_| {});
    let mut stream = tcp(&smsc);
    stream.write_all(&[0xFF; 16]).unwrap();
    // A generic_nack, then the end.
    let mut said = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut said).unwrap();
    assert_eq!((said.len(), said[4]), (16, 0x80));
    assert_eq!(smsc.snapshot().protocol_errors, 1);
}

#[test]
fn a_pause_loses_connections_and_nothing_else() {
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    esme.on_receipt = OnReceipt::StaySilent;
    esme.submit_all(0..20);
    esme.until(|esme| esme.heard.len() == 40);
    smsc.pause().unwrap();
    esme.until_end();
    let paused = smsc.snapshot();
    assert_eq!((paused.connections_open, paused.sessions_bound), (0, 0));
    assert_eq!(paused.receipts_outstanding, 20);
    let refused = TcpStream::connect(smsc.local_addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    smsc.resume().unwrap();
    let mut again = Esme::bound(&smsc);
    again.submit_all(20..30);
    again.until(|esme| esme.answers().len() == 10 && esme.receipts().len() == 30);
    assert_eq!((smsc.seen(id_of(0)), smsc.seen(id_of(29))), (1, 1));
    let ids = |esme: &Esme| {
        let id = |heard: &Heard| match heard {
            Heard::Answer { id, .. } => id.parse::<u64>().ok(),
            Heard::Bound
            | Heard::BindRefused(_)
            | Heard::Receipt { .. }
            | Heard::Inbound { .. } => None,
        };
        esme.heard.iter().filter_map(id).collect::<Vec<_>>()
    };
    assert!(ids(&esme).iter().max() < ids(&again).iter().min());
    let counts = smsc.stop().counts;
    assert_eq!((counts.submits, counts.unique_messages), (30, 30));
    assert_eq!((counts.receipts_sent, counts.receipts_resent), (30, 20));
}

#[test]
fn ten_restarts_in_a_row_keep_the_address() {
    let smsc = start(|_| {});
    for n in 0..10 {
        let mut esme = Esme::bound(&smsc);
        esme.submit_all([n]);
        esme.until(|esme| esme.answers().len() == 1);
        smsc.pause().unwrap();
        smsc.pause().unwrap();
        smsc.resume().unwrap();
    }
    assert_eq!(smsc.stop().counts.unique_messages, 10);
}

#[test]
fn several_run_beside_each_other_and_a_taken_address_is_an_error() {
    let first = start(|_| {});
    let second = start(|_| {});
    assert_ne!(first.local_addr(), second.local_addr());
    let taken = FakeSmsc::start(SmscConfig::new(first.local_addr())).unwrap_err();
    assert!(matches!(taken, StartError::Listen { .. }), "{taken}");
    let mut wrong = config();
    wrong.drop_ratio = 2.0;
    let refused = FakeSmsc::start(wrong).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "sim smsc: drop_ratio is 2, allowed are 0 to 1"
    );
}

#[test]
fn over_tls_it_is_the_same_carrier() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("fakes-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = TlsListener {
        certificate_file: folder.join("cert.pem"),
        key_file: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate_file, certified.cert.pem()).unwrap();
    std::fs::write(&files.key_file, certified.signing_key.serialize_pem()).unwrap();
    let smsc = start(|config| config.tls = Some(files));
    std::fs::remove_dir_all(&folder).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut esme = Esme::over(StreamOwned::new(connection, tcp(&smsc)));
    assert_eq!(esme.bind(BindType::Transceiver, ("esme", "")), Heard::Bound);
    esme.submit_all(0..2_000);
    esme.until(|esme| esme.heard.len() == 4_000);
    assert_eq!(smsc.stop().counts.unique_messages, 2_000);

    let mut missing = config();
    missing.tls = Some(TlsListener {
        certificate_file: "does-not-exist.pem".into(),
        key_file: "does-not-exist.pem".into(),
    });
    let error = FakeSmsc::start(missing).unwrap_err().to_string();
    assert!(
        error.contains("does-not-exist.pem cannot be read"),
        "{error}"
    );
}
