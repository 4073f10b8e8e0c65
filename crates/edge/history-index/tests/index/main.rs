//! The index against a model, across restarts, damage and expiry.

mod model;
mod rig;

use history_index::{
    Change, EXAMINED_MAX, Found, IndexError, ListQuery, Name, NameKind, Opening, Portion, Progress,
    RecipientSecret, move_aside,
};
use message::{CarrierId, MessageState, TenantId};
use rig::{Story, Workplace, portion, query};

#[test]
fn an_index_is_found_as_it_was_left_and_an_empty_one_where_there_is_none() {
    let place = Workplace::new();
    let story = Story::new(40);
    let mut opened = place.open();
    assert_eq!(opened.found, Found::Empty);
    opened.feeder.commit(&story.portion()).unwrap();
    opened.feeder.sync().unwrap();
    let before = opened.index.list(&query()).unwrap();
    assert!(opened.index.disk_bytes().unwrap() > 0);
    drop(opened);

    let opened = place.open();
    assert_eq!(opened.found, Found::Kept);
    assert_eq!(opened.feeder.progress(), story.progress());
    assert_eq!(opened.index.list(&query()).unwrap(), before);
    drop(opened);

    std::fs::remove_dir_all(&place.config().dir).unwrap();
    let opened = place.open();
    assert_eq!(opened.found, Found::Empty);
    assert_eq!(opened.feeder.progress(), Progress::default());
}

#[test]
fn what_cannot_be_read_is_moved_aside_and_begun_anew() {
    let place = Workplace::new();
    let story = Story::new(40);
    let mut opened = place.open();
    opened.feeder.commit(&story.portion()).unwrap();
    drop(opened);
    let dir = place.config().dir;
    std::fs::write(dir.join("version"), b"nonsense").unwrap();

    let mut opened = place.open();
    let Found::MovedAside { to, .. } = &opened.found else {
        panic!("{:?}", opened.found);
    };
    assert!(to.join("version").exists());
    assert_eq!(opened.feeder.progress(), Progress::default());
    opened.feeder.commit(&story.portion()).unwrap();
    assert_eq!(opened.index.list(&query()).unwrap().messages.len(), 40);
    drop(opened);

    // The next accident takes the place of the one before.
    let again = move_aside(&dir).unwrap();
    assert!(again.exists() && !dir.exists());
}

#[test]
fn another_secret_makes_the_index_worthless() {
    let place = Workplace::new();
    let story = Story::new(5);
    let mut opened = place.open();
    opened.feeder.commit(&story.portion()).unwrap();
    drop(opened);
    let mut config = place.config();
    config.secret = RecipientSecret::load_or_make(&place.dir.join("other.key")).unwrap();
    let opened = history_index::open(&config).unwrap();
    assert_eq!(opened.found, Found::Empty);
    assert!(opened.index.list(&query()).unwrap().messages.is_empty());
}

#[test]
fn an_open_index_is_not_opened_twice() {
    let place = Workplace::new();
    let opened = place.open();
    let refused = history_index::open(&place.config()).unwrap_err();
    assert!(
        matches!(refused, IndexError::Locked(_)) && !refused.is_damage(),
        "{refused}"
    );
    drop(opened);
    assert_eq!(place.open().found, Found::Empty);
}

#[test]
fn paging_is_stable_while_new_messages_come_and_old_ones_move() {
    let place = Workplace::new();
    let story = Story::new(60);
    let (early, late) = story.facts.split_at(story.facts.len() / 2);
    let mut opened = place.open();
    opened
        .feeder
        .commit(&portion(early, Progress::default()))
        .unwrap();
    let known = opened
        .index
        .list(&ListQuery {
            limit: 500,
            ..query()
        })
        .unwrap();

    let mut seen = Vec::new();
    let mut asked = ListQuery {
        limit: 7,
        ..query()
    };
    let mut late = late.iter();
    loop {
        let page = opened.index.list(&asked).unwrap();
        assert!(page.messages.len() <= 7);
        seen.extend(page.messages.iter().map(|message| message.id));
        // Between the pages messages come, and those that are listed move.
        let some: Vec<_> = late.by_ref().take(9).cloned().collect();
        opened
            .feeder
            .commit(&portion(&some, story.progress()))
            .unwrap();
        match page.below {
            Some(below) => asked.below = Some(below),
            None => break,
        }
    }
    let expected: Vec<_> = known.messages.iter().map(|message| message.id).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_rare_filter_ends_a_page_early_and_still_leads_to_the_end() {
    let place = Workplace::new();
    let story = Story::new(EXAMINED_MAX + 5);
    let admissions: Vec<_> = story
        .facts
        .iter()
        .filter(|fact| matches!(fact.change, Change::Admitted(_)))
        .cloned()
        .collect();
    let mut opened = place.open();
    opened
        .feeder
        .commit(&portion(&admissions, story.progress()))
        .unwrap();
    let asked = ListQuery {
        carrier: Some(CarrierId(999)),
        ..query()
    };
    let page = opened.index.list(&asked).unwrap();
    assert!(page.messages.is_empty());
    assert_eq!(page.below, Some(story.ids[5]));
    let rest = opened
        .index
        .list(&ListQuery {
            below: page.below,
            ..asked
        })
        .unwrap();
    assert!(rest.messages.is_empty() && rest.below.is_none());
}

#[test]
fn rows_leave_with_the_journal_that_describes_them() {
    let place = Workplace::new();
    let story = Story::new(30);
    let mut opened = place.open();
    opened.feeder.commit(&story.portion()).unwrap();
    let cut = story.facts[story.facts.len() / 2].end;
    let alive = |id| {
        story
            .facts
            .iter()
            .any(|fact| fact.id == id && fact.end > cut)
    };
    let mut removed = 0;
    loop {
        let expired = opened.feeder.expire(cut, 4).unwrap();
        assert!(expired.messages <= 4);
        removed += expired.messages;
        if !expired.more {
            break;
        }
    }
    let page = opened
        .index
        .list(&ListQuery {
            limit: 500,
            ..query()
        })
        .unwrap();
    assert!(removed > 0 && page.messages.len() + removed == 30);
    assert!(page.messages.iter().all(|message| alive(message.id)));
    for id in story.ids.iter().filter(|id| !alive(**id)) {
        assert!(opened.index.positions(*id, 100).unwrap().is_empty());
        assert!(opened.index.summary(*id).unwrap().is_none());
    }
    assert_eq!(opened.feeder.expire(cut, 4).unwrap().messages, 0);
}

#[test]
fn a_message_whose_admission_is_gone_is_found_by_id_and_listed_for_nobody() {
    let place = Workplace::new();
    let story = Story::new(1);
    let later: Vec<_> = story
        .facts
        .iter()
        .filter(|fact| !matches!(fact.change, Change::Admitted(_)))
        .cloned()
        .collect();
    let mut opened = place.open();
    opened
        .feeder
        .commit(&portion(&later, story.progress()))
        .unwrap();
    let id = story.ids[0];
    assert_eq!(opened.index.positions(id, 100).unwrap().len(), later.len());
    assert_eq!(opened.index.positions(id, 1).unwrap(), [later[0].start]);
    assert!(opened.index.summary(id).unwrap().is_none());
    assert!(opened.index.list(&query()).unwrap().messages.is_empty());
}

#[test]
fn names_are_kept_and_the_last_one_counts() {
    let place = Workplace::new();
    let mut opened = place.open();
    for slug in ["north", "north-east"] {
        let name = Name {
            kind: NameKind::Carrier,
            number: 7,
            slug: slug.into(),
        };
        let portion = Portion {
            names: vec![name],
            ..Portion::default()
        };
        opened.feeder.commit(&portion).unwrap();
    }
    let name = |kind, number| opened.index.name(kind, number).unwrap();
    assert_eq!(name(NameKind::Carrier, 7).as_deref(), Some("north-east"));
    assert_eq!(name(NameKind::Group, 7), None);
    assert_eq!(name(NameKind::Carrier, 8), None);
}

#[test]
fn the_note_in_force_for_a_record_is_the_last_one_before_it_and_outlives_its_file() {
    let place = Workplace::new();
    let mut opened = place.open();
    let opening = |start: u64| Opening {
        start,
        note: start.to_string().into_bytes(),
    };
    let portion = Portion {
        openings: vec![opening(0), opening(100), opening(200)],
        ..Portion::default()
    };
    opened.feeder.commit(&portion).unwrap();
    let index = opened.index.clone();
    let note = |start| {
        let note = index.opening_before(start).unwrap();
        note.map(|note| String::from_utf8(note).unwrap())
    };
    assert_eq!(note(99).as_deref(), Some("0"));
    assert_eq!(note(100).as_deref(), Some("100"));
    assert_eq!(note(5_000).as_deref(), Some("200"));

    assert!(!opened.feeder.expire(150, 10).unwrap().more);
    assert_eq!(note(99), None);
    assert_eq!(note(150).as_deref(), Some("100"));
    assert_eq!(note(200).as_deref(), Some("200"));
}

#[test]
fn nobody_sees_another_tenants_messages() {
    let place = Workplace::new();
    let story = Story::new(10);
    let mut opened = place.open();
    opened.feeder.commit(&story.portion()).unwrap();
    let other = ListQuery {
        tenant: TenantId(2),
        ..query()
    };
    assert!(opened.index.list(&other).unwrap().messages.is_empty());
    let final_states = ListQuery {
        states: vec![MessageState::Delivered, MessageState::Failed],
        limit: 500,
        ..query()
    };
    let page = opened.index.list(&final_states).unwrap();
    assert!(!page.messages.is_empty());
    assert!(page.messages.iter().all(|message| message.state.is_final()));
}
