//! One record for everything about a message: its octets, what it lets go of, and who is found to be carried.

mod rig;

use bytes::Bytes;
use message::{CarrierId, Category, IdSource, InboundMessage, MessageId, Reason, ReceiptState};
use partition::record::{
    Admitted, Carried, CarriedDoubt, CarriedTaken, CarriedVerdict, RECORD_VERSION,
};
use partition::{
    Answer, Behind, BehindSearch, Claim, Event, InboundArrived, Matched, Partition, Record,
};
use rig::{RESENDS, Rig, position_of, replay, replay_from, segment, submission};

/// Every field has a value, so that none can change its place unseen.
fn golden() -> Record {
    let id = IdSource::new(3).peek(1_700_000_000_000, 5);
    let octets = id.to_bytes();
    let half = |at: usize| u64::from_be_bytes(octets[at..at + 8].try_into().expect("8 octets"));
    Record::Carried(Box::new(Carried {
        message: Admitted {
            id_high: half(0),
            id_low: half(8),
            tenant: 7,
            caller: 1,
            group: 1,
            category: 1,
            recipient: 819_012_345_678,
            sender_kind: 1,
            sender: "Hikyaku".into(),
            text: Bytes::from_static(b"code 1234"),
            receipt_wanted: 1,
            admitted_ms: 1_000,
            expires_ms: 2_000,
            claimed: true,
            segments: 1,
            config_version: 1,
            cost_bytes: 300,
            ..Admitted::default()
        },
        state: 4,
        reason: 201,
        status: 88,
        sequence: 6,
        attempt: 2,
        tries: 1,
        resent: true,
        ever_uncertain: true,
        released: true,
        doubts: vec![CarriedDoubt {
            segment: segment(id, 1).into(),
            carrier: 9,
        }],
        parked: Some(CarriedVerdict {
            state: 14,
            reason: 301,
        }),
        carrier: 9,
        taken: vec![CarriedTaken {
            segment: segment(id, 1).into(),
            carrier: 9,
            carrier_message_id: b"1f3a".to_vec(),
        }],
        delivered: vec![1],
        failure: 4,
        due_ms: 3_000,
        changed_ms: 1_500,
        admitted_at: 4_096,
        keyed: true,
        at_ms: 1_600,
    }))
}

const GOLDEN: &str = "0a550903700068e5cf8b011105000000000000801d0700000025010000002d01000000300140cebec287eb1750015a0748696b79616b756209636f64652031323334680170e80778d00fa80101b00101b80101c001ac02100418c90120582806300238014001480150015a1b0a140903700068e5cf8b01110500000000000080200115090000006205080e10ad026d0900000072210a140903700068e5cf8b01110500000000000080200115090000001a04316633617a0801000000000000008001048801b8179001dc0b98018020a00101a801c00c";

#[test]
fn its_octets_stay_readable() {
    let mut octets = Vec::new();
    golden().encode(&mut octets);
    let written: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(written, GOLDEN);
    assert_eq!(golden().kind(), 26);
    assert_eq!(
        Record::decode(26, RECORD_VERSION, &octets).as_ref(),
        Ok(&golden())
    );
}

fn found(partition: &Partition, before: u64) -> Behind {
    let mut found = Behind::default();
    let mut search = BehindSearch::default();
    let mut steps = 0;
    while partition.search_behind(before, &mut search, 1, &mut found) {
        steps += 1;
        assert!(steps < 100, "a search ends");
    }
    found
}

fn is_known(rig: &Rig, from: usize, id: MessageId) -> bool {
    replay_from(&rig.log, from).find(id).is_some()
}

#[test]
fn the_journal_lets_go_of_what_came_before_the_oldest_carried_message() {
    let mut rig = Rig::new();
    let waits = rig.admit(Category::Otp);
    let attempt = rig.send(waits, RESENDS).expect("it is in its lane");
    rig.submitted(waits, attempt);
    let done = rig.admit(Category::Otp);
    rig.decide(Event::Cancel {
        tenant: rig::TENANT,
        id: done,
    });
    let queued = rig.admit_with(submission(Category::Promotional), 100_000, Claim::Later);
    let Answer::Admitted(queued) = queued else {
        panic!("not admitted: {queued:?}");
    };
    rig.cool(queued);
    let end = position_of(rig.log.len());
    assert_eq!(rig.partition.oldest_position(), Some(0));
    let queued_at = rig.partition.cold_position(queued).expect("it is cold");
    let behind = found(&rig.partition, end);
    assert_eq!(
        (behind.live, behind.cold),
        (vec![waits], vec![queued_at]),
        "what has finished keeps nothing"
    );
    assert_eq!(found(&rig.partition, 0), Behind::default());

    let kept = rig.log.len();
    assert!(!is_known(&rig, kept, waits), "nothing is left of it");
    rig.carry(waits);
    assert_eq!(rig.partition.oldest_position(), Some(queued_at));
    rig.carry(queued);
    assert_eq!(rig.partition.oldest_position(), Some(end));
    assert_eq!(found(&rig.partition, end), Behind::default());
    let replayed = replay_from(&rig.log, kept);
    assert_eq!(replayed.find(waits), Some(rig.view(waits)));
    assert_eq!(replayed.admitted_at(waits), Some(0), "its place");

    // Cold from now on, it is the same message.
    rig.cool(waits);
    assert!(rig.partition.cold_position(waits).is_some());
    assert_eq!(rig.partition.counts().cold_awaited, 1);
    let receipt = (segment(waits, attempt), ReceiptState::Delivered);
    rig.receipt(receipt.0, receipt.1, Matched::ById);
    assert_eq!(rig.ended(waits).1, Reason::ReceiptDelivered);
    assert_eq!(rig.partition.counts().cold_awaited, 0);
}

#[test]
fn what_awaits_a_receipt_in_the_cold_ends_at_its_deadline() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    let attempt = rig.send(id, RESENDS).expect("it is in its lane");
    rig.submitted(id, attempt);
    rig.cool(id);
    let warm = "an outcome came since its admission";
    assert_eq!(rig.partition.cold_position(id), None, "{warm}");
    rig.carry(id);
    rig.cool(id);
    assert_eq!(rig.partition.next_due_ms(rig.now), None, "it has no timer");
    rig.advance(rig::RECEIPT_DEADLINE_MS - 1_000);
    assert!(!rig.state(id).is_final());
    rig.advance(2_000);
    assert_eq!(rig.ended(id).1, Reason::ReceiptDeadline);
}

#[test]
fn an_inbound_message_keeps_its_place_when_it_is_carried() {
    let mut rig = Rig::new();
    let mut arrive = || {
        let arrived = InboundArrived {
            carrier: CarrierId(1),
            message: InboundMessage {
                from: "819012345678".into(),
                to: "12345".into(),
                text: "STOP".into(),
                octets: Bytes::from_static(b"STOP"),
                data_coding: 0,
            },
            random: 5,
        };
        match rig.decide(Event::Inbound(Box::new(arrived))) {
            Answer::Inbound(id) => id,
            other => panic!("not kept: {other:?}"),
        }
    };
    let (first, second) = (arrive(), arrive());
    assert_eq!(found(&rig.partition, position_of(1)).inbound, [first]);
    for _ in 0..2 {
        let carried = rig.partition.carried_inbound(first).expect("it waits");
        rig.apply(carried);
    }
    assert_eq!(rig.partition.oldest_position(), Some(position_of(1)));
    let carried = rig.partition.carried_inbound(second).expect("it waits");
    rig.apply(carried);
    assert_eq!(rig.partition.oldest_position(), Some(position_of(3)));
    for replayed in [replay(&rig.log), replay_from(&rig.log, 3)] {
        let places: Vec<_> = replayed.inbound().map(|(at, view)| (at, view.id)).collect();
        assert_eq!(places, [(0, first), (position_of(1), second)]);
    }
}
