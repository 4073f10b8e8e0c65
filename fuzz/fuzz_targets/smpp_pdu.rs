//! PDU bodies: any bytes decode to a PDU or to a named error, and what can be written again reads the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smpp_codec::{CommandStatus, FrameLimit, Pdu, split_frame};

fuzz_target!(|data: &[u8]| {
    // The length is made honest, so that the fuzzer spends its time on bodies; `smpp_frame` looks after lengths.
    let mut input = data.to_vec();
    let Ok(length) = u32::try_from(input.len()) else {
        return;
    };
    let Some(field) = input.first_chunk_mut::<4>() else {
        return;
    };
    *field = length.to_be_bytes();
    let Ok(Some(frame)) = split_frame(&input, FrameLimit::default()) else {
        return;
    };
    match Pdu::decode(&frame) {
        Ok(pdu) => {
            assert_eq!(pdu.command_id(), frame.header.command_id);
            let _ = format!("{pdu:?}");
            read_on_demand(&pdu);
            write_and_read_again(&pdu);
        }
        Err(error) => {
            let _ = error.to_string();
            assert_ne!(error.command_status(), CommandStatus::Ok);
        }
    }
});

/// The parts that are decoded only when somebody asks for them.
fn read_on_demand(pdu: &Pdu<'_>) {
    let (body, tlvs) = match pdu {
        Pdu::SubmitSm(message) | Pdu::DeliverSm(message) => (message.body(), message.tlvs),
        Pdu::DataSm(message) => (message.body(), message.tlvs),
        _ => return,
    };
    assert!(body.len() <= usize::from(u16::MAX));
    let _ = (
        tlvs.receipted_message_id(),
        tlvs.message_state(),
        tlvs.network_error_code(),
    );
    let _ = (
        tlvs.segment_info(),
        tlvs.user_message_reference(),
        tlvs.congestion_state(),
    );
}

fn write_and_read_again(pdu: &Pdu<'_>) {
    let mut out = BytesMut::from(&b"before"[..]);
    if let Err(error) = pdu.encode(CommandStatus::Ok, 1, &mut out) {
        let _ = error.to_string();
        assert_eq!(&out[..], b"before", "a refused PDU leaves nothing behind");
        return;
    }
    let again = split_frame(&out[6..], FrameLimit::new(u32::MAX));
    let frame = again
        .expect("our length is good")
        .expect("our frame is whole");
    assert_eq!(frame.len() + 6, out.len());
    assert_eq!(Pdu::decode(&frame), Ok(*pdu));
}
