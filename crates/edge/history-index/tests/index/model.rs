//! Any facts, in any portions, with restarts between: the index answers as a plain map does, and as one that is told all at once.

#![expect(clippy::unwrap_used, reason = "part of the tests")]

use std::collections::BTreeMap;

use history_index::{Admission, Change, Fact, HistoryIndex, ListQuery, Moved, Progress};
use message::{CarrierId, IdSource, MessageId, MessageState, TenantId};
use proptest::prelude::*;

use crate::rig::{START_MS, TENANT, Workplace, admission, number, portion, query};

const MESSAGES: usize = 12;

#[derive(Clone, Debug)]
enum Step {
    Admit {
        who: usize,
        number: u64,
    },
    Move {
        who: usize,
        state: usize,
        carrier: u32,
        uncertain: bool,
    },
    Note {
        who: usize,
    },
    Commit,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..MESSAGES;
    let step = prop_oneof![
        3 => (who.clone(), 0_u64..3).prop_map(|(who, number)| Step::Admit { who, number }),
        6 => (who.clone(), 0..MessageState::ALL.len(), 0_u32..3, any::<bool>())
            .prop_map(|(who, state, carrier, uncertain)| Step::Move { who, state, carrier, uncertain }),
        2 => who.prop_map(|who| Step::Note { who }),
        2 => Just(Step::Commit),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Default)]
struct Told {
    starts: Vec<u64>,
    admitted: Option<Admission>,
    state: Option<MessageState>,
    carrier: Option<CarrierId>,
    uncertain: bool,
}

impl Told {
    fn take(&mut self, fact: &Fact) {
        self.starts.push(fact.start);
        let state = match &fact.change {
            Change::Admitted(admission) => {
                self.admitted = Some(admission.clone());
                Some(admission.state)
            }
            Change::Moved(moved) => {
                self.uncertain |= moved.uncertain;
                self.carrier = moved.carrier.or(self.carrier);
                moved.state
            }
            Change::Noted => None,
        };
        let stays = self.state.is_some_and(MessageState::is_final);
        self.state = match (self.state, state) {
            (held, Some(new)) if !stays || new.is_final() => Some(new).or(held),
            (held, _) => held,
        };
    }
}

fn ids() -> Vec<MessageId> {
    let mut sources = [IdSource::new(0), IdSource::new(9)];
    (0..MESSAGES)
        .map(|nth| {
            let source = &mut sources[nth % 2];
            let id = source.peek(START_MS + (nth / 3) as u64, nth as u64);
            source.observe(id);
            id
        })
        .collect()
}

fn check(index: &HistoryIndex, place: &Workplace, told: &BTreeMap<MessageId, Told>) {
    for (id, told) in told {
        assert_eq!(index.positions(*id, 1_000).unwrap(), told.starts);
        let summary = index.summary(*id).unwrap();
        assert_eq!(summary.is_some(), told.admitted.is_some());
        if let (Some(summary), Some(admitted)) = (summary, &told.admitted) {
            assert_eq!(Some(summary.state), told.state);
            assert_eq!(summary.carrier, told.carrier);
            assert_eq!(summary.uncertain, told.uncertain);
            assert_eq!(summary.recipient, admitted.recipient);
            assert_eq!(summary.records as usize, told.starts.len());
        }
    }
    for asked in questions(place) {
        let expected: Vec<_> = told
            .iter()
            .rev()
            .filter(|(id, told)| fits(&asked, **id, told))
            .map(|(id, _)| *id)
            .collect();
        let mut listed = Vec::new();
        let mut asked = asked;
        loop {
            let page = index.list(&asked).unwrap();
            listed.extend(page.messages.iter().map(|message| message.id));
            match page.below {
                Some(below) => asked.below = Some(below),
                None => break,
            }
        }
        assert_eq!(listed, expected, "{asked:?}");
    }
}

fn questions(place: &Workplace) -> Vec<ListQuery> {
    let hash = |nth| Some(place.secret.hash(TENANT, number(nth)));
    vec![
        ListQuery {
            limit: 3,
            ..query()
        },
        ListQuery {
            recipient: hash(1),
            limit: 1,
            ..query()
        },
        ListQuery {
            states: vec![MessageState::Delivered, MessageState::Queued],
            limit: 2,
            ..query()
        },
        ListQuery {
            carrier: Some(CarrierId(2)),
            limit: 2,
            ..query()
        },
        ListQuery {
            recipient: hash(0),
            states: vec![MessageState::Submitted],
            ..query()
        },
        ListQuery {
            since_ms: START_MS + 1,
            until_ms: START_MS + 3,
            limit: 1,
            ..query()
        },
        ListQuery {
            tenant: TenantId(2),
            ..query()
        },
    ]
}

fn fits(asked: &ListQuery, id: MessageId, told: &Told) -> bool {
    let Some(admitted) = &told.admitted else {
        return false;
    };
    admitted.tenant == asked.tenant
        && asked
            .recipient
            .is_none_or(|hash| hash == admitted.recipient)
        && (asked.states.is_empty()
            || told
                .state
                .is_some_and(|state| asked.states.contains(&state)))
        && (asked.carrier.is_none() || asked.carrier == told.carrier)
        && (asked.since_ms..asked.until_ms).contains(&id.made_at_ms())
}

fn facts(place: &Workplace, steps: &[Step]) -> Vec<Option<Fact>> {
    let ids = ids();
    let mut end = 0;
    let facts = steps.iter().map(|step| {
        let (who, change) = match step {
            Step::Admit { who, number: nth } => {
                let hash = place.secret.hash(TENANT, number(*nth));
                (*who, Change::Admitted(admission(hash, *who, START_MS)))
            }
            Step::Move {
                who,
                state,
                carrier,
                uncertain,
            } => {
                let moved = Moved {
                    state: MessageState::ALL.get(*state).copied(),
                    reason: None,
                    carrier: (*carrier != 0).then_some(CarrierId(*carrier)),
                    uncertain: *uncertain,
                };
                (*who, Change::Moved(moved))
            }
            Step::Note { who } => (*who, Change::Noted),
            Step::Commit | Step::Restart => return None,
        };
        let start = end + 3;
        end = start + 40;
        Some(Fact {
            id: ids[who],
            start,
            end,
            at_ms: START_MS + end,
            change,
        })
    });
    facts.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_a_map_and_a_rebuild_gives_the_same(steps in steps()) {
        let place = Workplace::new();
        let mut opened = place.open();
        let facts = facts(&place, &steps);
        let mut told: BTreeMap<MessageId, Told> = BTreeMap::new();
        let (mut pending, mut position) = (Vec::new(), 0);
        for (step, fact) in steps.iter().zip(&facts) {
            match (step, fact) {
                (_, Some(fact)) => {
                    position = fact.end;
                    told.entry(fact.id).or_default().take(fact);
                    pending.push(fact.clone());
                }
                (step, None) => {
                    opened.feeder.commit(&portion(&pending, Progress { position, ..Progress::default() })).unwrap();
                    pending.clear();
                    if matches!(step, Step::Restart) {
                        drop(opened);
                        opened = place.open();
                        prop_assert_eq!(opened.feeder.progress().position, position);
                    }
                }
            }
        }
        opened.feeder.commit(&portion(&pending, Progress { position, ..Progress::default() })).unwrap();
        check(&opened.index, &place, &told);

        // A part told again changes nothing; a rebuild in one go answers the same.
        let all: Vec<_> = facts.into_iter().flatten().collect();
        opened.feeder.commit(&portion(&all, Progress { position, ..Progress::default() })).unwrap();
        check(&opened.index, &place, &told);
        drop(opened);
        std::fs::remove_dir_all(&place.config().dir).unwrap();
        let mut opened = place.open();
        opened.feeder.commit(&portion(&all, Progress { position, ..Progress::default() })).unwrap();
        check(&opened.index, &place, &told);
    }
}
