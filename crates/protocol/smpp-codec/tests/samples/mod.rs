//! Random PDUs of every kind for the property and differential tests.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use smpp_codec::{
    Address, Bind, BindResp, COctetString, CommandStatus, DataCoding, DataSm, DataSmResp,
    DeliverSmResp, EsmClass, InterfaceVersion, Npi, Pdu, RegisteredDelivery, ShortMessage,
    SubmitSmResp, TlvTag, TlvWriter, Tlvs, Ton,
};

/// How many kinds [`Sample::with_pdu`] builds.
pub(crate) const KINDS: usize = 17;

/// Owned values from which a PDU of any kind is built.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) kind: usize,
    pub(crate) octets: [u8; 16],
    pub(crate) system_id: Vec<u8>,
    pub(crate) password: Vec<u8>,
    pub(crate) system_type: Vec<u8>,
    pub(crate) range: Vec<u8>,
    pub(crate) service_type: Vec<u8>,
    pub(crate) source: Vec<u8>,
    pub(crate) destination: Vec<u8>,
    pub(crate) times: [Option<[u8; 16]>; 2],
    pub(crate) message_id: Vec<u8>,
    pub(crate) short_message: Vec<u8>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
}

/// Samples whose strings consist of `octet` and whose optional parameters are `tlv`.
pub(crate) fn samples(
    octet: std::ops::RangeInclusive<u8>,
    tlv: BoxedStrategy<(u16, Vec<u8>)>,
) -> impl Strategy<Value = Sample> {
    let text = move |max: usize| vec(octet.clone(), 0..=max);
    let time = || proptest::option::of(proptest::array::uniform16(b'0'..=b'9'));
    let session = (text(15), text(8), text(12), text(40));
    let message = (text(5), text(20), text(20), [time(), time()], text(64));
    let body = (
        vec(any::<u8>(), 0..=254),
        proptest::option::of(vec(any::<u8>(), 0..400)),
        vec(tlv, 0..4),
    );
    (0..KINDS, any::<[u8; 16]>(), session, message, body).prop_map(
        |(kind, octets, session, message, body)| {
            let (system_id, password, system_type, range) = session;
            let (service_type, source, destination, times, message_id) = message;
            let (short_message, payload, tlvs) = body;
            Sample {
                kind,
                octets,
                system_id,
                password,
                system_type,
                range,
                service_type,
                source,
                destination,
                times,
                message_id,
                short_message,
                payload,
                tlvs,
            }
        },
    )
}

impl Sample {
    /// True when [`Sample::with_pdu`] builds one of the three bind responses.
    #[allow(
        dead_code,
        reason = "each test binary uses its own part of this module"
    )]
    pub(crate) fn is_bind_resp(&self) -> bool {
        (4..=6).contains(&self.kind)
    }

    /// Builds the PDU and hands it to `check`.
    pub(crate) fn with_pdu<R>(&self, check: impl FnOnce(&Pdu<'_>) -> R) -> R {
        let mut scratch = BytesMut::new();
        let mut writer = TlvWriter::new(&mut scratch);
        for (tag, value) in &self.tlvs {
            writer.push(TlvTag::from_u16(*tag), value).unwrap();
        }
        if let (Some(payload), 11 | 13 | 15) = (&self.payload, self.kind) {
            writer.message_payload(payload).unwrap();
        }
        check(&self.build(writer.finish()))
    }

    fn build<'a>(&'a self, tlvs: Tlvs<'a>) -> Pdu<'a> {
        let message_id = COctetString::new(&self.message_id);
        let bind_resp = BindResp {
            system_id: COctetString::new(&self.system_id),
            tlvs,
        };
        match self.kind {
            0 => Pdu::GenericNack,
            1 => Pdu::BindTransmitter(self.bind()),
            2 => Pdu::BindReceiver(self.bind()),
            3 => Pdu::BindTransceiver(self.bind()),
            4 => Pdu::BindTransmitterResp(bind_resp),
            5 => Pdu::BindReceiverResp(bind_resp),
            6 => Pdu::BindTransceiverResp(bind_resp),
            7 => Pdu::Unbind,
            8 => Pdu::UnbindResp,
            9 => Pdu::EnquireLink,
            10 => Pdu::EnquireLinkResp,
            11 => Pdu::SubmitSm(self.message(tlvs)),
            12 => Pdu::SubmitSmResp(SubmitSmResp { message_id, tlvs }),
            13 => Pdu::DeliverSm(self.message(tlvs)),
            14 => Pdu::DeliverSmResp(DeliverSmResp {
                message_id: COctetString::EMPTY,
                tlvs,
            }),
            15 => Pdu::DataSm(self.data(tlvs)),
            16 => Pdu::DataSmResp(DataSmResp { message_id, tlvs }),
            other => unreachable!("there are {KINDS} kinds, not {other}"),
        }
    }

    fn bind(&self) -> Bind<'_> {
        Bind {
            system_id: COctetString::new(&self.system_id),
            password: COctetString::new(&self.password),
            system_type: COctetString::new(&self.system_type),
            interface_version: InterfaceVersion(self.octets[0]),
            address_range: self.address(1, &self.range),
        }
    }

    fn message<'a>(&'a self, tlvs: Tlvs<'a>) -> ShortMessage<'a> {
        let time = |index: usize| {
            self.times[index]
                .as_ref()
                .map_or(COctetString::EMPTY, |text| text.into())
        };
        ShortMessage {
            service_type: COctetString::new(&self.service_type),
            source: self.address(1, &self.source),
            destination: self.address(3, &self.destination),
            esm_class: EsmClass(self.octets[5]),
            protocol_id: self.octets[6],
            priority_flag: self.octets[7],
            schedule_delivery_time: time(0),
            validity_period: time(1),
            registered_delivery: RegisteredDelivery(self.octets[8]),
            replace_if_present: self.octets[9],
            data_coding: DataCoding(self.octets[10]),
            sm_default_msg_id: self.octets[11],
            short_message: if tlvs.message_payload().is_some() {
                &[]
            } else {
                &self.short_message
            },
            tlvs,
        }
    }

    fn data<'a>(&'a self, tlvs: Tlvs<'a>) -> DataSm<'a> {
        DataSm {
            service_type: COctetString::new(&self.service_type),
            source: self.address(1, &self.source),
            destination: self.address(3, &self.destination),
            esm_class: EsmClass(self.octets[5]),
            registered_delivery: RegisteredDelivery(self.octets[8]),
            data_coding: DataCoding(self.octets[10]),
            tlvs,
        }
    }

    fn address<'a>(&self, at: usize, addr: &'a [u8]) -> Address<'a> {
        Address::new(
            Ton::from_u8(self.octets[at]),
            Npi::from_u8(self.octets[at + 1]),
            addr,
        )
    }
}

/// The bytes of a PDU with status 0.
pub(crate) fn encoded(pdu: &Pdu<'_>, sequence_number: u32) -> BytesMut {
    let mut out = BytesMut::new();
    pdu.encode(CommandStatus::Ok, sequence_number, &mut out)
        .unwrap();
    out
}
