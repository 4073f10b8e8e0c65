//! A dispatch becomes a submit_sm.

use bytes::BytesMut;
use connector::Dispatch;
use message::ReceiptWanted;
use smpp_codec::time::RelativeTime;
use smpp_codec::{Address, Npi, Pdu, RegisteredDelivery, SubmitSm, TlvTag, TlvWriter, Tlvs, Ton};

use crate::config::{CarrierConfig, TonNpi};
use crate::text;

/// The vendor parameter that carries our own tools' stamp.
pub const STAMP_TAG: u16 = 0x3FF0;
/// Octets of the stamp.
pub const STAMP_LEN: usize = 34;

const MS_PER_SECOND: u64 = 1_000;

/// Buffers that encoding uses again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    body: Vec<u8>,
    tlvs: BytesMut,
}

/// The dispatch has no form on this carrier's wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotEncodable;

/// Encodes `dispatch` and gives the request to `submit`, which borrows it.
///
/// The validity period is what is left, rounded down to whole seconds and at least one: a carrier must not deliver what we would have
/// given up. The engine sends nothing that has less than a second left.
pub(crate) fn with_submit_sm<T>(
    dispatch: &Dispatch,
    config: &CarrierConfig,
    scratch: &mut Scratch,
    written_ns: u64,
    submit: impl FnOnce(&Pdu<'_>) -> T,
) -> Result<T, NotEncodable> {
    let payload = &*dispatch.payload;
    if payload.segments > 1 || dispatch.segment.segment > 0 {
        return Err(NotEncodable);
    }
    scratch.body.clear();
    let data_coding = text::encode(&payload.text, &mut scratch.body)?;
    let digits = payload.recipient.digits();
    let validity = RelativeTime::from_seconds(dispatch.validity_left_ms / MS_PER_SECOND).to_text();
    let tlvs = match config.stamp_tlv {
        true => stamped(dispatch, written_ns, &mut scratch.tlvs)?,
        false => Tlvs::EMPTY,
    };
    let source = config.addressing.of_sender(&payload.sender);
    Ok(submit(&Pdu::SubmitSm(SubmitSm {
        service_type: (&*config.service_type).into(),
        source: address(source, payload.sender.as_str().as_bytes()),
        destination: address(config.addressing.recipient, digits.as_bytes()),
        validity_period: validity.as_c_octets(),
        registered_delivery: registered_delivery(payload.receipt_wanted),
        data_coding,
        short_message: &scratch.body,
        tlvs,
        ..SubmitSm::default()
    })))
}

const fn address(kind: TonNpi, octets: &[u8]) -> Address<'_> {
    Address::new(Ton::from_u8(kind.ton), Npi::from_u8(kind.npi), octets)
}

const fn registered_delivery(wanted: ReceiptWanted) -> RegisteredDelivery {
    match wanted {
        ReceiptWanted::Always => RegisteredDelivery::FINAL,
        ReceiptWanted::OnFailure => RegisteredDelivery::ON_FAILURE,
        ReceiptWanted::Never => RegisteredDelivery::NONE,
    }
}

/// Message id (16 octets), attempt (u16), monotonic nanoseconds at admission and at the write (u64 each), most significant first.
fn stamped<'b>(
    dispatch: &Dispatch,
    written_ns: u64,
    out: &'b mut BytesMut,
) -> Result<Tlvs<'b>, NotEncodable> {
    let mut stamp = [0; STAMP_LEN];
    stamp[..16].copy_from_slice(&dispatch.segment.message.to_bytes());
    stamp[16..18].copy_from_slice(&dispatch.segment.attempt.to_be_bytes());
    stamp[18..26].copy_from_slice(&dispatch.admitted_ns.to_be_bytes());
    stamp[26..].copy_from_slice(&written_ns.to_be_bytes());
    out.clear();
    let mut writer = TlvWriter::new(out);
    writer
        .push(TlvTag::from_u16(STAMP_TAG), &stamp)
        .map_err(|_| NotEncodable)?;
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use connector::SessionNo;
    use message::{CarrierId, Category, IdSource, Lane, Payload, SegmentRef, SenderId};

    use super::*;
    use crate::config::Credentials;

    fn config() -> CarrierConfig {
        let credentials = Credentials {
            system_id: "account".into(),
            password: "secret".into(),
            system_type: "".into(),
        };
        CarrierConfig::new(CarrierId(1), "carrier-a", "localhost:2775", credentials)
    }

    fn dispatch(text: &str, sender: &str, segments: u8) -> Dispatch {
        Dispatch {
            segment: SegmentRef {
                message: IdSource::new(3).peek(1_000, 42),
                leg: 0,
                attempt: 2,
                segment: 0,
            },
            session: SessionNo(1),
            payload: Arc::new(Payload {
                recipient: "819012345678".parse().unwrap(),
                sender: sender.parse::<SenderId>().unwrap(),
                category: Category::Otp,
                lane: Lane::Otp,
                text: Bytes::copy_from_slice(text.as_bytes()),
                receipt_wanted: ReceiptWanted::OnFailure,
                expires_ms: 0,
                segments,
            }),
            admitted_ns: 7,
            validity_left_ms: 90_999,
        }
    }

    fn with<T>(
        dispatch: &Dispatch,
        config: &CarrierConfig,
        see: impl FnOnce(&SubmitSm<'_>) -> T,
    ) -> T {
        let see = |pdu: &Pdu<'_>| match pdu {
            Pdu::SubmitSm(submit_sm) => see(submit_sm),
            other => panic!("not a submit_sm: {other:?}"),
        };
        with_submit_sm(dispatch, config, &mut Scratch::default(), 9, see).unwrap()
    }

    #[test]
    fn fields_come_from_the_dispatch_and_the_carrier() {
        with(
            &dispatch("Your code is 1234", "Hikyaku", 1),
            &config(),
            |pdu| {
                assert_eq!(
                    pdu.source,
                    Address::new(Ton::Alphanumeric, Npi::Unknown, b"Hikyaku")
                );
                assert_eq!(
                    pdu.destination,
                    Address::new(Ton::International, Npi::Isdn, b"819012345678")
                );
                assert_eq!(pdu.validity_period.as_bytes(), b"000000000130000R");
                assert_eq!(pdu.registered_delivery, RegisteredDelivery::ON_FAILURE);
                assert_eq!(
                    (pdu.data_coding.0, pdu.short_message),
                    (0, &b"Your code is 1234"[..])
                );
                assert!(pdu.tlvs.is_empty());
            },
        );
    }

    #[test]
    fn senders_are_announced_as_what_they_are() {
        for (sender, ton, npi) in [("12345", 3, 0), ("+819012345678", 1, 1), ("Hikyaku", 5, 0)] {
            let found = with(&dispatch("x", sender, 1), &config(), |pdu| {
                (pdu.source.ton.to_u8(), pdu.source.npi.to_u8())
            });
            assert_eq!(found, (ton, npi), "{sender}");
        }
    }

    #[test]
    fn the_stamp_names_the_message_and_both_times() {
        let config = CarrierConfig {
            stamp_tlv: true,
            ..config()
        };
        let dispatch = dispatch("x", "12345", 1);
        let stamp = with(&dispatch, &config, |pdu| {
            pdu.tlvs.find(TlvTag::from_u16(STAMP_TAG)).unwrap().to_vec()
        });
        assert_eq!(stamp.len(), STAMP_LEN);
        assert_eq!(stamp[..16], dispatch.segment.message.to_bytes());
        assert_eq!(
            stamp[16..],
            [0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9]
        );
    }

    #[test]
    fn text_beyond_one_segment_has_no_form() {
        let refused = |text: &str, segments| {
            with_submit_sm(
                &dispatch(text, "12345", segments),
                &config(),
                &mut Scratch::default(),
                9,
                |_| (),
            )
        };
        assert_eq!(refused(&"a".repeat(161), 1), Err(NotEncodable));
        assert_eq!(refused(&"あ".repeat(71), 1), Err(NotEncodable));
        assert_eq!(refused("short", 2), Err(NotEncodable));
        assert_eq!(refused(&"あ".repeat(70), 1), Ok(()));
    }
}
