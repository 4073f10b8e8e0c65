use connector::{SessionNo, Slot};

use crate::cell::dispatch::Places;
use crate::cell::rate::{Limited, RateWatch};

fn places(free: u32, free_otp: u32) -> Places {
    Places::of(Slot {
        session: SessionNo(1),
        free,
        free_otp,
    })
}

#[test]
fn reserved_places_are_for_otp_and_used_last() {
    let mut places = places(2, 1);
    let all = [true; 4];
    assert_eq!(places.open_to(all), all);
    places.take(0);
    assert_eq!(places.open_to(all), all, "an ordinary place is left");
    places.take(3);
    assert_eq!(places.open_to(all), [true, false, false, false]);
    assert_eq!(places.open_to([false, true, true, true]), [false; 4]);
    places.take(0);
    assert_eq!(places.open_to(all), [false; 4]);
}

#[test]
fn an_interval_counts_by_how_the_turn_before_it_ended() {
    let mut watch = RateWatch::default();
    let limited = |until_ns| {
        Some(Limited {
            until_ns,
            interval_ns: 100,
        })
    };
    // A permit is due in 40 of 100: the 60 that earned the rest belong to the stretch.
    watch.end_turn(1_000, limited(1_040));
    watch.note_written(1_050, 1);
    watch.end_turn(1_050, limited(1_140));
    assert_eq!((watch.limited_ns, watch.written_while_limited), (110, 1));
    // Late by 60, and the work is out after one: the lateness is nobody's.
    watch.note_written(1_200, 1);
    watch.end_turn(1_200, None);
    assert_eq!((watch.limited_ns, watch.written_while_limited), (200, 2));
    // Not limited before: neither the time nor the segments count.
    watch.note_written(9_000, 5);
    watch.end_turn(9_000, None);
    assert_eq!((watch.limited_ns, watch.written_while_limited), (200, 2));
    assert_eq!(watch.written, 7);
}

#[test]
fn a_second_is_half_open() {
    let mut watch = RateWatch::default();
    watch.note_written(0, 3);
    watch.note_written(999_999_999, 2);
    assert_eq!(watch.max_in_any_second, 5);
    watch.note_written(1_000_000_000, 3);
    assert_eq!(watch.max_in_any_second, 5);
    watch.note_written(1_000_000_000, 1);
    assert_eq!(watch.max_in_any_second, 6);
}
