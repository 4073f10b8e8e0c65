//! An event in the log: a protobuf message, written by hand because the hot path owns none of what a generated encoder wants owned.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes};
use message::{CallerId, CarrierId, MessageId, MessageState, Reason, TenantId};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::{Encoded, Event, EventKey};

/// Of the payload that [`encode`] writes.
pub(super) const VERSION: u8 = 1;

const FLAG_UNCERTAIN: u32 = 1;
const FLAG_LATE: u32 = 2;

/// As [`encode`] writes it; the key stands in front of it.
#[derive(Clone, PartialEq, prost::Message)]
struct Logged {
    #[prost(fixed64, tag = "1")]
    id_high: u64,
    #[prost(fixed64, tag = "2")]
    id_low: u64,
    #[prost(fixed32, tag = "3")]
    tenant: u32,
    #[prost(fixed32, tag = "4")]
    caller: u32,
    #[prost(uint32, tag = "5")]
    sequence: u32,
    #[prost(uint32, tag = "6")]
    state: u32,
    #[prost(uint32, tag = "7")]
    reason: u32,
    #[prost(uint64, tag = "8")]
    at_ms: u64,
    #[prost(uint32, tag = "9")]
    attempt: u32,
    #[prost(uint32, tag = "10")]
    segments: u32,
    #[prost(uint32, tag = "11")]
    config_version: u32,
    #[prost(fixed32, tag = "12")]
    carrier: u32,
    #[prost(uint32, tag = "13")]
    status: u32,
    #[prost(uint32, tag = "14")]
    flags: u32,
    #[prost(uint32, tag = "15")]
    leg: u32,
    #[prost(uint32, tag = "16")]
    segment: u32,
    #[prost(string, tag = "17")]
    batch_id: String,
    #[prost(bytes = "bytes", tag = "18")]
    context: Bytes,
}

/// Appends the event to `out`.
pub(super) fn encode(event: &Event, out: &mut Vec<u8>) {
    let octets = event.message.to_bytes();
    let (high, low) = octets.split_at(8);
    for (tag, half) in [(1, high), (2, low)] {
        encode_key(tag, WireType::SixtyFourBit, out);
        // The halves are read as big-endian numbers, and protobuf writes numbers little-endian.
        out.extend(half.iter().rev());
    }
    fixed32(3, event.tenant.0, out);
    fixed32(4, event.caller.0, out);
    varint(5, u64::from(event.sequence), out);
    varint(6, u64::from(event.state.number()), out);
    varint(7, u64::from(event.reason.number()), out);
    varint(8, event.at_ms, out);
    varint(9, u64::from(event.attempt), out);
    varint(10, u64::from(event.segments), out);
    varint(11, u64::from(event.config_version), out);
    fixed32(12, event.carrier.map_or(0, |carrier| carrier.0), out);
    varint(13, u64::from(event.status), out);
    let uncertain = if event.uncertain { FLAG_UNCERTAIN } else { 0 };
    let late = if event.late { FLAG_LATE } else { 0 };
    varint(14, u64::from(uncertain | late), out);
    varint(15, u64::from(event.leg), out);
    varint(16, u64::from(event.segment), out);
    octets_of(17, event.batch_id.as_deref().unwrap_or("").as_bytes(), out);
    octets_of(18, &event.context, out);
}

/// The event of a payload; none when it is not one that this release writes.
pub(super) fn decode(key: EventKey, version: u8, payload: &[u8]) -> Option<Event> {
    if version != VERSION {
        return None;
    }
    let logged = Logged::decode(payload).ok()?;
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&logged.id_high.to_be_bytes());
    octets[8..].copy_from_slice(&logged.id_low.to_be_bytes());
    Some(Event {
        key,
        message: MessageId::from_bytes(&octets).ok()?,
        tenant: TenantId(logged.tenant),
        caller: CallerId(logged.caller),
        batch_id: (!logged.batch_id.is_empty()).then(|| Arc::from(logged.batch_id)),
        sequence: logged.sequence,
        leg: u8::try_from(logged.leg).ok()?,
        attempt: u16::try_from(logged.attempt).ok()?,
        segment: u8::try_from(logged.segment).ok()?,
        segments: u8::try_from(logged.segments).ok()?,
        state: MessageState::from_number(u8::try_from(logged.state).ok()?)?,
        reason: Reason::from_number(u16::try_from(logged.reason).ok()?)?,
        status: logged.status,
        uncertain: logged.flags & FLAG_UNCERTAIN != 0,
        late: logged.flags & FLAG_LATE != 0,
        at_ms: logged.at_ms,
        config_version: logged.config_version,
        carrier: (logged.carrier != 0).then_some(CarrierId(logged.carrier)),
        context: logged.context,
        encoded: Encoded::default(),
    })
}

fn fixed32(tag: u32, value: u32, out: &mut Vec<u8>) {
    if value != 0 {
        encode_key(tag, WireType::ThirtyTwoBit, out);
        out.put_u32_le(value);
    }
}

fn varint(tag: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(value, out);
    }
}

fn octets_of(tag: u32, octets: &[u8], out: &mut Vec<u8>) {
    if !octets.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(octets.len() as u64, out);
        out.extend_from_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::event;
    use super::*;

    proptest! {
        #[test]
        fn an_event_comes_back(
            words in any::<[u32; 6]>(),
            at_ms in any::<u64>(),
            attempt in any::<u16>(),
            small in any::<[u8; 3]>(),
            flags in any::<[bool; 3]>(),
            batch_id in ".{0,40}",
            context in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let logged = Event {
                tenant: TenantId(words[0]),
                caller: CallerId(words[1]),
                batch_id: (!batch_id.is_empty()).then(|| Arc::from(batch_id)),
                sequence: words[2],
                leg: small[0],
                attempt,
                segment: small[1],
                segments: small[2],
                status: words[3],
                uncertain: flags[0],
                late: flags[1],
                at_ms,
                config_version: words[4],
                carrier: (flags[2] && words[5] != 0).then_some(CarrierId(words[5])),
                context: Bytes::from(context),
                ..event(9)
            };
            let mut payload = Vec::new();
            encode(&logged, &mut payload);
            prop_assert_eq!(decode(logged.key, VERSION, &payload), Some(logged.clone()));
            prop_assert_eq!(decode(logged.key, VERSION + 1, &payload), None);
        }

        #[test]
        fn any_bytes_are_answered(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(EventKey::default(), VERSION, &payload);
        }
    }
}
