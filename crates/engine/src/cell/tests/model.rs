//! Random scripts against a model of every message: nothing is lost, sent twice, sent unclaimed, late or withdrawn.

use std::collections::HashMap;
use std::sync::Arc;

use message::{AttemptNo, LANES, MessageId};
use partition::Place;
use proptest::prelude::*;

use super::rig::{MS, Rig};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Messages of a lane for a group, worth sending for so long.
    Put {
        group: usize,
        lane: usize,
        count: usize,
        valid_ms: u64,
    },
    /// One that is claimed with its admission.
    PutClaimed { group: usize, lane: usize },
    /// Takes one of the known messages out, if it waits.
    Withdraw(usize),
    /// A carrier did not take one of the written: it goes again, after its withdrawal if so.
    Again { which: usize, withdrawn: bool },
    /// Sessions of a carrier.
    Bind { carrier: usize, sessions: usize },
    /// Turns, this far apart.
    Turns { count: usize, apart_us: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let lane = 0..4_usize;
    let group = 0..3_usize;
    prop_oneof![
        3 => (group.clone(), lane.clone(), 1..40_usize, 1..400_u64).prop_map(
            |(group, lane, count, valid_ms)| Step::Put { group, lane, count, valid_ms }
        ),
        3 => (group, lane).prop_map(|(group, lane)| Step::PutClaimed { group, lane }),
        3 => any::<usize>().prop_map(Step::Withdraw),
        2 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, withdrawn)| Step::Again { which, withdrawn }),
        1 => (0..3_usize, 0..3_usize)
            .prop_map(|(carrier, sessions)| Step::Bind { carrier, sessions }),
        4 => (1..30_usize, 1..4_000_u64)
            .prop_map(|(count, apart_us)| Step::Turns { count, apart_us }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Sent,
    Expired,
    Withdrawn,
}

#[derive(Debug)]
struct Known {
    fate: Fate,
    attempt: AttemptNo,
    claimed: bool,
    expires_ms: u64,
    group: usize,
    lane: usize,
}

struct Model {
    rig: Rig,
    known: HashMap<MessageId, Known>,
    order: Vec<MessageId>,
    seen: usize,
    expired: usize,
}

impl Model {
    fn new() -> Self {
        // The third group's first choice shares nothing; the second carrier is in all of them.
        let groups: &[&[&[usize]]] = &[&[&[0, 1]], &[&[1]], &[&[2], &[1]]];
        Self {
            rig: Rig::new(&[Some(300), None, Some(40)], groups),
            known: HashMap::new(),
            order: Vec::new(),
            seen: 0,
            expired: 0,
        }
    }

    fn put(&mut self, (group, lane): (usize, usize), valid_ms: u64, claimed: bool) {
        let mut message = self.rig.message(group, LANES[lane]);
        let expires_ms = self.rig.now.wall_ms + valid_ms;
        Arc::get_mut(&mut message.payload).unwrap().expires_ms = expires_ms;
        message.claimed = claimed;
        message.tenant.0 = u32::try_from(self.order.len() % 3).unwrap();
        let known = Known {
            fate: Fate::Waits,
            attempt: 1,
            claimed,
            expires_ms,
            group,
            lane,
        };
        self.order.push(message.id);
        self.known.insert(message.id, known);
        self.rig.cell.enqueue(message, 0, self.rig.now);
    }

    fn pick(&self, which: usize) -> Option<MessageId> {
        let count = self.order.len();
        (count > 0).then(|| self.order[which % count])
    }

    fn again(&mut self, id: MessageId, withdrawn: bool) {
        let known = self.known.get_mut(&id).unwrap();
        if known.fate != Fate::Sent {
            return;
        }
        let mut message = self.rig.message(known.group, LANES[known.lane]);
        (known.attempt, known.claimed, known.fate) = (known.attempt + 1, true, Fate::Waits);
        Arc::get_mut(&mut message.payload).unwrap().expires_ms = known.expires_ms;
        (message.id, message.attempt) = (id, known.attempt);
        (message.claimed, message.place) = (true, Place::Front);
        if withdrawn {
            self.rig.cell.withdraw(id);
            known.fate = Fate::Withdrawn;
        }
        self.rig.cell.enqueue(message, 0, self.rig.now);
    }

    fn turn(&mut self) -> bool {
        let now = self.rig.now;
        for (due_ns, id) in &self.rig.claims {
            if *due_ns <= now.mono_ns {
                self.known.get_mut(id).unwrap().claimed = true;
            }
        }
        let busy = self.rig.turn();
        for write in &self.rig.writes.borrow()[self.seen..] {
            let known = self.known.get_mut(&write.id).unwrap();
            assert_eq!(known.fate, Fate::Waits, "sent once, and only if it waits");
            assert_eq!(known.attempt, write.attempt);
            assert!(known.claimed, "only what is claimed");
            assert!(known.expires_ms >= now.wall_ms + 1_000, "only in time");
            known.fate = Fate::Sent;
        }
        self.seen = self.rig.writes.borrow().len();
        for id in &self.rig.expired[self.expired..] {
            let known = self.known.get_mut(id).unwrap();
            assert_eq!(known.fate, Fate::Waits);
            assert!(known.expires_ms < now.wall_ms + 1_000);
            known.fate = Fate::Expired;
        }
        self.expired = self.rig.expired.len();
        busy
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Put {
                group,
                lane,
                count,
                valid_ms,
            } => {
                for _ in 0..count {
                    self.put((group, lane), valid_ms, false);
                }
            }
            Step::PutClaimed { group, lane } => self.put((group, lane), 300_000, true),
            Step::Withdraw(which) => {
                if let Some(id) = self.pick(which)
                    && let Some(known) = self.known.get_mut(&id)
                    && known.fate == Fate::Waits
                {
                    known.fate = Fate::Withdrawn;
                    self.rig.cell.withdraw(id);
                }
            }
            Step::Again { which, withdrawn } => {
                if let Some(id) = self.pick(which) {
                    self.again(id, withdrawn);
                }
            }
            Step::Bind { carrier, sessions } => {
                self.rig.wires[carrier].borrow_mut().bind(sessions);
                self.rig.refresh();
            }
            Step::Turns { count, apart_us } => {
                for _ in 0..count {
                    self.rig.advance(apart_us * 1_000);
                    self.turn();
                }
            }
        }
    }

    /// Binds everything and turns until nothing is left.
    fn finish(&mut self) {
        for wire in &self.rig.wires {
            wire.borrow_mut().bind(1);
        }
        self.rig.refresh();
        for _ in 0..20_000 {
            self.rig.advance(MS);
            while self.turn() {}
            if self.rig.held() == 0 {
                break;
            }
        }
        let waiting = self
            .known
            .values()
            .filter(|known| known.fate == Fate::Waits);
        assert_eq!(waiting.count(), 0, "nothing is lost");
        assert_eq!(self.rig.held(), 0);
        assert!(self.rig.claims.is_empty());
        assert!(
            self.rig.cell.withdrawn.is_empty(),
            "no withdrawal is left over"
        );
        assert!(self.rig.cell.claiming.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_message_is_sent_once_or_expires_or_is_withdrawn(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
        }
        model.finish();
    }
}
