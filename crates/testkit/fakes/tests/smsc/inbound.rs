//! Messages from handsets: to whom they go, and how often.

use fakes::smsc::{InboundError, InboundText, SmscHandle};
use smpp_codec::{CommandStatus, DataCoding};
use smpp_session::BindType;

use crate::esme::{Esme, Heard, OnReceipt, start, tcp};

fn written(text: &str) -> InboundText {
    InboundText {
        from: "+819012345678".to_owned(),
        to: "12345".to_owned(),
        text: text.to_owned(),
    }
}

fn wait_until_settled(smsc: &SmscHandle) {
    while smsc.snapshot().inbound_outstanding > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn what_was_written_before_the_first_bind_waits_for_a_session_that_may_deliver() {
    let smsc = start(|_| {});
    smsc.send_inbound(&written("STOP")).unwrap();
    let transmitter = Esme::bound_as(&smsc, BindType::Transmitter);
    let mut receiver = Esme::bound_as(&smsc, BindType::Receiver);
    receiver.until(|esme| esme.inbound() == 1);
    // And to one that is bound already.
    smsc.send_inbound(&written("走る🏃")).unwrap();
    receiver.until(|esme| esme.inbound() == 2);
    let wide: Vec<u8> = "走る🏃".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let inbound = |data_coding, octets: &[u8]| Heard::Inbound {
        from: "819012345678".into(),
        to: "12345".into(),
        data_coding,
        octets: octets.to_vec(),
    };
    let expected = [
        inbound(DataCoding::DEFAULT, b"STOP"),
        inbound(DataCoding::UCS2, &wide),
    ];
    assert_eq!(receiver.heard, expected);
    assert!(transmitter.heard.is_empty());
    wait_until_settled(&smsc);
    let counts = smsc.stop().counts;
    assert_eq!((counts.inbound_queued, counts.inbound_acked), (2, 2));
    assert_eq!((counts.inbound_sent, counts.inbound_resent), (2, 0));
}

#[test]
fn an_unanswered_message_is_sent_again_to_whoever_receives() {
    let smsc = start(|config| config.receipts.timeout_ms = 50);
    let mut silent = Esme::bound(&smsc);
    silent.on_receipt = OnReceipt::StaySilent;
    smsc.send_inbound(&written("STOP")).unwrap();
    silent.until(|esme| esme.inbound() == 2);
    drop(silent);
    let mut other = Esme::over(tcp(&smsc));
    assert_eq!(
        other.bind(BindType::Receiver, ("another", "")),
        Heard::Bound
    );
    other.until(|esme| esme.inbound() == 1);
    wait_until_settled(&smsc);
    let counts = smsc.stop().counts;
    assert_eq!((counts.inbound_sent, counts.inbound_acked), (1, 1));
    assert!(counts.inbound_resent >= 2, "{counts:?}");
}

#[test]
fn a_refused_message_is_sent_again_and_given_up_in_the_end() {
    let smsc = start(|config| {
        config.receipts.resend_ms = 5;
        config.receipts.attempts_max = 3;
    });
    let mut esme = Esme::bound(&smsc);
    esme.on_receipt = OnReceipt::Answer(CommandStatus::ReceiverTemporaryError);
    smsc.send_inbound(&written("STOP")).unwrap();
    esme.until(|esme| esme.inbound() == 3);
    wait_until_settled(&smsc);
    let counts = smsc.stop().counts;
    assert_eq!((counts.inbound_sent, counts.inbound_resent), (1, 2));
    assert_eq!((counts.inbound_given_up, counts.inbound_acked), (1, 0));
}

#[test]
fn receipts_and_messages_from_handsets_share_a_window_and_none_is_lost() {
    let smsc = start(|config| config.receipts.window = 3);
    let mut esme = Esme::bound(&smsc);
    for n in 0..50 {
        smsc.send_inbound(&written(&format!("{n}"))).unwrap();
    }
    esme.submit_all(0..50);
    esme.until(|esme| esme.inbound() == 50 && esme.receipts().len() == 50);
    while smsc.snapshot().receipts_outstanding > 0 || smsc.snapshot().inbound_outstanding > 0 {
        std::thread::yield_now();
    }
    let counts = smsc.stop().counts;
    assert_eq!((counts.inbound_acked, counts.receipts_acked), (50, 50));
    assert_eq!((counts.inbound_resent, counts.receipts_resent), (0, 0));
}

#[test]
fn the_script_writes_while_somebody_receives() {
    let smsc = start(|config| config.inbound_per_second = Some(200));
    let transmitter = Esme::bound_as(&smsc, BindType::Transmitter);
    assert_eq!(smsc.snapshot().inbound_queued, 0);
    let mut receiver = Esme::bound_as(&smsc, BindType::Receiver);
    receiver.until(|esme| esme.inbound() >= 20);
    drop((transmitter, receiver));
    let counts = smsc.stop().counts;
    assert!(counts.inbound_sent >= 20 && counts.inbound_acked > 0);
    assert_eq!(counts.inbound_refused, 0);
}

#[test]
fn what_cannot_be_sent_is_refused_and_counted() {
    let smsc = start(|_| {});
    let refused = smsc.send_inbound(&InboundText {
        to: String::new(),
        ..written("STOP")
    });
    assert!(matches!(
        refused,
        Err(InboundError::Address {
            field: "to",
            octets: 0
        })
    ));
    let counts = smsc.stop().counts;
    assert_eq!((counts.inbound_queued, counts.inbound_refused), (0, 1));
}
