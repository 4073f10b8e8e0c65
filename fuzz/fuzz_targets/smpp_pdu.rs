//! Bodies: whatever decodes can be shown, read through every accessor, and written back to the same value.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smpp_codec::{CommandStatus, FrameLimit, Pdu, split_frame};

fuzz_target!(|data: &[u8]| {
    // The length field is set right, so that the fuzzer spends its time behind it; `smpp_frame` looks at the rest.
    let mut input = data.to_vec();
    let Ok(length) = u32::try_from(input.len()) else {
        return;
    };
    let Some(field) = input.get_mut(..4) else {
        return;
    };
    field.copy_from_slice(&length.to_be_bytes());
    let Ok(Some(frame)) = split_frame(&input, FrameLimit::default()) else {
        return;
    };
    let pdu = match Pdu::decode(&frame) {
        Ok(pdu) => pdu,
        Err(error) => {
            let _ = (error.to_string(), error.command_status());
            return;
        }
    };
    assert_eq!(pdu.command_id(), frame.header.command_id);
    let _ = format!("{pdu:?}");
    read_all(&pdu);
    // With an error status a response is written without its body, so only a good one comes back whole.
    if frame.header.command_status != CommandStatus::Ok {
        return;
    }
    let mut out = BytesMut::from(&b"before"[..]);
    match pdu.encode(CommandStatus::Ok, frame.header.sequence_number, &mut out) {
        Ok(()) => {
            let again = split_frame(&out[6..], FrameLimit::new(u32::MAX))
                .expect("own framing")
                .expect("a whole frame");
            assert_eq!(again.len() + 6, out.len());
            assert_eq!(Pdu::decode(&again).expect("own encoding decodes"), pdu);
        }
        Err(error) => {
            let _ = error.to_string();
            assert_eq!(&out[..], b"before", "a failed encode leaves nothing behind");
        }
    }
});

/// The parts that are only looked at when somebody asks for them.
fn read_all(pdu: &Pdu<'_>) {
    let (body, tlvs) = match pdu {
        Pdu::SubmitSm(message) | Pdu::DeliverSm(message) => (message.body(), message.tlvs),
        Pdu::DataSm(message) => (message.body(), message.tlvs),
        _ => return,
    };
    assert!(body.len() <= 65_535);
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
    assert!(tlvs.iter().count() <= 65_536 / 4 + 1);
}
