//! Promises 3 and 4, in virtual time.

use std::collections::HashMap;

use message::{Lane, MessageId};

use super::rig::{Dice, MS, Rig, SECOND};

/// Contract of the carrier in the otp tests.
const R: u32 = 200;

/// Runs ten seconds of a carrier with 100,000 bulk messages waiting and otp arriving at random at a share of its contract. Every otp must
/// leave within one permit interval and 2 ms of when it was first and found a place.
fn otp_before_bulk(otp_percent: u64, answer_after_ns: u64) -> (usize, f64) {
    let mut rig = Rig::new(&[Some(R)], &[&[&[0]]]);
    let mut dice = Dice(0x5EED + otp_percent);
    rig.wires[0].borrow_mut().answer_after_ns = answer_after_ns;
    rig.put(0, Lane::Bulk, 100_000);
    let interval_ns = 1_000 * SECOND / (993 * u64::from(R)) + 1;
    let mut queued: HashMap<MessageId, u64> = HashMap::new();
    let (mut no_place_ns, mut before_ns, mut seen, mut worst_ns) = (0, 0, 0, 0);
    let end_ns = rig.now.mono_ns + 10 * SECOND;
    while rig.now.mono_ns < end_ns {
        let step_ns = 50_000 + dice.below(950_000);
        rig.advance(step_ns);
        // One otp on average in every 1 / (share × R) seconds.
        if dice.below(100 * SECOND) < step_ns * u64::from(R) * otp_percent {
            queued.insert(rig.put_claimed(0, Lane::Otp), rig.now.mono_ns);
        }
        if !rig.wires[0].borrow_mut().otp_place_free(rig.now.mono_ns) {
            no_place_ns = rig.now.mono_ns;
        }
        rig.turn();
        let writes = rig.writes.borrow();
        for write in &writes[seen..] {
            let Some(queued_ns) = queued.remove(&write.id) else {
                continue;
            };
            let waited_ns = write.at_ns - queued_ns.max(before_ns).max(no_place_ns);
            assert!(waited_ns <= interval_ns + 2 * MS, "waited {waited_ns} ns");
            worst_ns = worst_ns.max(write.at_ns - queued_ns.max(before_ns));
            before_ns = write.at_ns;
        }
        seen = writes.len();
    }
    let measured = rig.cell.latency[0].head_of_line();
    assert_eq!(measured.count as usize, rig.sent(Lane::Otp));
    let worst_ms = worst_ns as f64 / MS as f64;
    assert!((measured.max - worst_ms).abs() < 0.02 + worst_ms / 100.0);
    // Some may wait still when the time is over.
    assert!(queued.len() < 4, "{} otp wait", queued.len());
    (rig.sent(Lane::Otp), measured.max)
}

#[test]
fn an_otp_waits_for_one_permit_and_not_for_bulk() {
    for (percent, at_least) in [(1, 10), (10, 150), (50, 850)] {
        let (sent, worst_ms) = otp_before_bulk(percent, 40 * MS);
        assert!(sent >= at_least, "{sent} otp at {percent} %");
        // Nothing was in the way but permits: the reserved places were always free.
        assert!(worst_ms <= 5.1 + 2.0, "{worst_ms} ms at {percent} %");
    }
}

#[test]
fn with_full_windows_the_reserve_takes_the_otp() {
    // 18 ordinary places and 250 ms to an answer: 72 a second of 200, the windows are what limits.
    let (sent, _) = otp_before_bulk(1, 250 * MS);
    assert!(sent >= 10);
}

#[test]
fn an_otp_behind_unclaimed_otp_goes_in_the_turn_it_enters() {
    let mut rig = Rig::new(&[None], &[&[&[0]]]);
    rig.put(0, Lane::Otp, 10);
    rig.turn();
    rig.turn();
    assert_eq!(rig.sent(Lane::Otp), 0, "none is granted yet");
    let id = rig.put_claimed(0, Lane::Otp);
    rig.turn();
    assert_eq!(rig.writes.borrow().last().map(|write| write.id), Some(id));
}

/// The most stamps in any second, and all of them.
fn most_in_a_second(stamps: &[u64]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, stamp) in stamps.iter().enumerate() {
        while stamp - stamps[first] >= SECOND {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most
}

#[test]
fn no_second_holds_more_than_the_contract_and_little_less() {
    for rate in [1, 7, 200, 1_000, 4_000] {
        let mut rig = Rig::new(&[Some(rate)], &[&[&[0]]]);
        {
            let mut wire = rig.wires[0].borrow_mut();
            (wire.window, wire.answer_after_ns) = (500, 20 * MS);
        }
        rig.refresh();
        let mut dice = Dice(u64::from(rate));
        let seconds = 6;
        let messages = usize::try_from(rate).unwrap() * (seconds + 2);
        rig.put(0, Lane::Normal, messages);
        let start_ns = rig.now.mono_ns;
        let end_ns = start_ns + seconds as u64 * SECOND;
        while rig.now.mono_ns < end_ns {
            let step_ns = match dice.below(20) {
                0 => dice.below(5 * MS),
                _ => dice.below(MS),
            };
            rig.advance(step_ns);
            rig.turn();
        }
        let stamps: Vec<_> = rig
            .writes
            .borrow()
            .iter()
            .map(|write| write.at_ns)
            .collect();
        let most = most_in_a_second(&stamps);
        assert!(most <= rate as usize, "{most} in a second of {rate}");
        let watch = &rig.cell.carriers[0].rate;
        assert_eq!(watch.max_in_any_second, most);
        assert_eq!(watch.written, stamps.len() as u64);
        let limited_s = watch.limited_ns as f64 / SECOND as f64;
        assert!(limited_s > 0.95 * seconds as f64, "limited {limited_s} s");
        if rate >= 200 {
            let used = watch.written_while_limited as f64 / (f64::from(rate) * limited_s);
            assert!((0.99..=1.0).contains(&used), "used {used} of {rate}");
        }
    }
}

#[test]
fn a_hundred_intervals_hold_a_hundred_segments() {
    let rate = 500;
    let mut rig = Rig::new(&[Some(rate)], &[&[&[0]]]);
    rig.put(0, Lane::Bulk, 4_000);
    rig.wires[0].borrow_mut().answer_after_ns = 10 * MS;
    while rig.writes.borrow().len() < 3_000 {
        let next_ns = rig.cell.next_permit_ns();
        let step_ns = next_ns.map_or(MS, |at_ns| at_ns.saturating_sub(rig.now.mono_ns));
        rig.advance(step_ns.max(1));
        rig.turn();
    }
    let writes = rig.writes.borrow();
    // Claims come ahead after the first commits.
    for pair in writes[200..].windows(101) {
        let took_s = (pair[100].at_ns - pair[0].at_ns) as f64 / SECOND as f64;
        assert!(100.0 >= 0.99 * f64::from(rate) * took_s, "{took_s} s");
    }
}

#[test]
fn light_load_is_not_counted_as_a_full_contract() {
    let mut rig = Rig::new(&[Some(100)], &[&[&[0]]]);
    let mut dice = Dice(9);
    for _ in 0..20_000 {
        rig.advance(500_000);
        if dice.below(100) == 0 {
            rig.put_claimed(0, Lane::Otp);
            rig.put_claimed(0, Lane::Otp);
        }
        rig.turn();
    }
    let watch = &rig.cell.carriers[0].rate;
    assert!(watch.limited_ns > 0, "pairs wait for a permit");
    let used =
        watch.written_while_limited as f64 * SECOND as f64 / (100.0 * watch.limited_ns as f64);
    assert!((0.85..=1.01).contains(&used), "used {used}");
}

#[test]
fn frozen_time_is_not_held_against_the_contract() {
    let mut rig = Rig::new(&[Some(200)], &[&[&[0]]]);
    rig.put(0, Lane::Bulk, 1_000);
    for _ in 0..1_000 {
        rig.advance(MS);
        rig.turn();
    }
    let before_ns = rig.cell.carriers[0].rate.limited_ns;
    assert!(before_ns > 900 * MS);
    let now_ns = rig.now.mono_ns;
    let throttle = &mut rig.cell.carriers[0].throttle;
    let _ = throttle.on_throttled(now_ns, now_ns, 0);
    for _ in 0..900 {
        rig.advance(MS);
        rig.turn();
    }
    assert!(rig.cell.carriers[0].rate.limited_ns - before_ns <= 2 * MS);
}
