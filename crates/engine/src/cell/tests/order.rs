//! Who goes before whom: lanes by share, groups and carriers in turn, tiers, retries.

use message::{Lane, MessageId};
use partition::Place;

use super::rig::{Dice, MS, Rig};

fn run(rig: &mut Rig, ms: u64) {
    for _ in 0..2 * ms {
        rig.advance(MS / 2);
        rig.turn();
    }
}

#[test]
fn what_otp_leaves_is_shared_six_three_one() {
    for otp in [false, true] {
        let mut rig = Rig::new(&[Some(1_000)], &[&[&[0]]]);
        {
            let mut wire = rig.wires[0].borrow_mut();
            (wire.window, wire.answer_after_ns) = (100, 10 * MS);
        }
        rig.refresh();
        let mut dice = Dice(3);
        for lane in [Lane::Alert, Lane::Normal, Lane::Bulk] {
            rig.put(0, lane, 12_000);
        }
        run(&mut rig, 500);
        let lanes = [Lane::Alert, Lane::Normal, Lane::Bulk];
        let early = lanes.map(|lane| rig.sent(lane));
        for _ in 0..20_000 {
            rig.advance(MS / 2);
            if otp && dice.below(4) == 0 {
                rig.put_claimed(0, Lane::Otp);
            }
            rig.turn();
        }
        let sent = [0, 1, 2].map(|at: usize| (rig.sent(lanes[at]) - early[at]) as f64);
        let all: f64 = sent.iter().sum();
        assert!(all > if otp { 4_000.0 } else { 9_800.0 }, "{all}");
        for (sent, share) in sent.into_iter().zip([0.6, 0.3, 0.1]) {
            assert!((sent / all - share).abs() < 0.005, "{sent} of {all}");
        }
    }
}

#[test]
fn groups_on_one_carrier_take_turns() {
    let mut rig = Rig::new(&[Some(500)], &[&[&[0]], &[&[0]], &[&[0]]]);
    rig.wires[0].borrow_mut().answer_after_ns = 10 * MS;
    for group in 0..3 {
        rig.put(group, Lane::Normal, 2_000);
    }
    run(&mut rig, 2_000);
    let left: Vec<_> = rig.cell.depths().map(|(_, depths)| depths[2]).collect();
    let (least, most) = (left.iter().min().unwrap(), left.iter().max().unwrap());
    assert!(6_000 - left.iter().sum::<usize>() > 900);
    assert!(most - least <= 20, "{left:?}");
}

#[test]
fn an_otp_of_another_group_goes_before_bulk() {
    let mut rig = Rig::new(&[Some(100)], &[&[&[0]], &[&[0]]]);
    rig.put(0, Lane::Bulk, 1_000);
    rig.put(1, Lane::Bulk, 1_000);
    run(&mut rig, 500);
    let first = rig.put_claimed(1, Lane::Otp);
    let second = rig.put_claimed(0, Lane::Otp);
    let before = rig.writes.borrow().len();
    run(&mut rig, 30);
    let writes = rig.writes.borrow();
    let mut next: Vec<_> = writes[before..before + 2]
        .iter()
        .map(|write| write.id)
        .collect();
    next.sort_unstable();
    assert_eq!(next, [first, second]);
}

#[test]
fn carriers_of_a_tier_pull_side_by_side() {
    let mut rig = Rig::new(&[Some(200), Some(200)], &[&[&[0, 1]]]);
    // Less work than either could take.
    for _ in 0..2_000 {
        rig.advance(MS);
        if rig.now.wall_ms.is_multiple_of(20) {
            rig.put_claimed(0, Lane::Alert);
        }
        rig.turn();
    }
    let writes = rig.writes.borrow();
    let first = writes.iter().filter(|write| write.carrier == 0).count();
    assert!(writes.len() >= 99);
    assert!((40..=60).contains(&first), "{first} of {}", writes.len());
}

#[test]
fn a_later_tier_sends_only_while_the_first_has_no_session() {
    let mut rig = Rig::new(&[Some(200), Some(200)], &[&[&[0], &[1]]]);
    rig.put(0, Lane::Normal, 10_000);
    let mut carriers = Vec::new();
    for sessions in [2, 0, 1, 0] {
        rig.wires[0].borrow_mut().bind(sessions);
        rig.refresh();
        let before = rig.writes.borrow().len();
        run(&mut rig, 1_000);
        let writes = rig.writes.borrow();
        assert!(writes.len() - before > 150, "{}", writes.len() - before);
        assert!(
            writes[before..]
                .windows(2)
                .all(|pair| pair[0].carrier == pair[1].carrier)
        );
        carriers.push(writes[before].carrier);
    }
    assert_eq!(carriers, [0, 1, 0, 1]);
}

#[test]
fn what_comes_back_goes_first_and_in_order() {
    let mut rig = Rig::new(&[Some(100)], &[&[&[0]]]);
    rig.put(0, Lane::Bulk, 500);
    run(&mut rig, 500);
    let before = rig.writes.borrow().len();
    let again: Vec<MessageId> = (0..5)
        .map(|_| {
            let mut message = rig.message(0, Lane::Bulk);
            (message.attempt, message.claimed, message.place) = (2, true, Place::Front);
            let id = message.id;
            rig.cell.enqueue(message, 0, rig.now);
            id
        })
        .collect();
    run(&mut rig, 100);
    let writes = rig.writes.borrow();
    let next: Vec<_> = writes[before..before + 5]
        .iter()
        .map(|write| write.id)
        .collect();
    assert_eq!(next, again);
}

#[test]
fn claims_stay_within_two_windows_and_none_is_made_without_a_session() {
    let mut rig = Rig::new(&[Some(1)], &[&[&[0]], &[&[0]]]);
    rig.commit_ns = 0;
    rig.wires[0].borrow_mut().bind(0);
    rig.refresh();
    for group in 0..2 {
        for lane in [Lane::Alert, Lane::Normal, Lane::Bulk] {
            rig.put(group, lane, 500);
        }
    }
    let mut claimed = 0;
    for _ in 0..100 {
        rig.advance(MS);
        rig.turn();
        claimed += rig.claims.len();
    }
    assert_eq!(claimed, 0);
    rig.wires[0].borrow_mut().bind(2);
    rig.refresh();
    for _ in 0..100 {
        rig.advance(MS);
        rig.turn();
        claimed += rig.claims.len();
    }
    // 2 × 2 × 10, shared by two groups of three lanes, each share rounded up.
    assert!((40..=48).contains(&claimed), "{claimed}");
}

#[test]
fn what_is_withdrawn_while_the_carrier_is_down_does_not_pile_up() {
    let mut rig = Rig::new(&[None], &[&[&[0]]]);
    rig.wires[0].borrow_mut().bind(0);
    rig.refresh();
    let mut most = 0;
    for _ in 0..20 {
        let mut ids = Vec::new();
        for _ in 0..1_000 {
            let message = rig.message(0, Lane::Bulk);
            ids.push(message.id);
            rig.cell.enqueue(message, 0, rig.now);
        }
        rig.advance(MS);
        rig.turn();
        for id in ids {
            rig.cell.withdraw(id);
        }
        rig.turn();
        most = most.max(rig.held());
    }
    assert!(most <= 3_000, "{most} held");
}

#[test]
fn a_withdrawal_that_overtakes_its_message_holds() {
    let mut rig = Rig::new(&[None], &[&[&[0]]]);
    let mut message = rig.message(0, Lane::Otp);
    (message.claimed, message.place) = (true, Place::Front);
    rig.cell.withdraw(message.id);
    rig.cell.enqueue(message, 0, rig.now);
    run(&mut rig, 10);
    assert_eq!((rig.writes.borrow().len(), rig.held()), (0, 0));
    assert!(rig.cell.withdrawn.is_empty());
}
