//! Spilled sub-queues: order, turns and counts, with reads that are answered late and in part.
#![cfg(not(loom))]

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;
use queue::{FairQueue, Reading, Spilled, Thirst, Verdict};

const BUDGET: usize = 3;
const THIRST: Thirst = Thirst { below: 1, batch: 2 };

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit { tenant: u32, sender: u64 },
    Pop,
    Read,
    Answer,
    Cancel { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_u32, 0..3_u64).prop_map(|(tenant, sender)| Step::Admit { tenant, sender }),
        5 => Just(Step::Pop),
        4 => Just(Step::Read),
        8 => Just(Step::Answer),
        1 => (0..1000_usize).prop_map(|which| Step::Cancel { which }),
    ];
    prop::collection::vec(step, 1..300)
}

/// Items are numbered in the order of their admission; the shelf of a name is its tenant.
#[derive(Default)]
struct World {
    lane: FairQueue<u64>,
    next: u64,
    owner: HashMap<u64, (u32, u64)>,
    /// What waits of each sender, in order, wherever it lies.
    waiting: HashMap<(u32, u64), VecDeque<u64>>,
    kept: HashSet<u64>,
    cancelled: HashSet<u64>,
    reads: VecDeque<(Reading, Spilled)>,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Admit { tenant, sender } => self.admit(tenant, sender),
            Step::Pop => {
                self.pop();
            }
            Step::Read => {
                self.read();
            }
            Step::Answer => {
                self.answer();
            }
            Step::Cancel { which } => {
                let mut kept: Vec<_> = self.kept.iter().copied().collect();
                kept.sort_unstable();
                if !kept.is_empty() {
                    let item = kept[which % kept.len()];
                    self.kept.remove(&item);
                    self.cancelled.insert(item);
                    let owner = self.owner[&item];
                    let waiting = self.waiting.get_mut(&owner).expect("it waits");
                    waiting.retain(|other| *other != item);
                }
            }
        }
    }

    fn admit(&mut self, tenant: u32, sender: u64) {
        let item = self.next;
        self.next += 1;
        self.owner.insert(item, (tenant, sender));
        self.waiting
            .entry((tenant, sender))
            .or_default()
            .push_back(item);
        let held = self.lane.held(tenant, sender);
        if held.spilled > 0 || held.items >= BUDGET {
            let shelf = u16::try_from(tenant).expect("three tenants");
            self.lane
                .spill(tenant, sender, Spilled { shelf, key: item });
            self.kept.insert(item);
        } else {
            self.lane.push_back(tenant, sender, item);
        }
        assert!(self.lane.held(tenant, sender).items <= BUDGET);
    }

    fn pop(&mut self) -> bool {
        let popped = self.lane.pop(0, |_| Verdict::Take, &mut Vec::new());
        let Some(popped) = popped else { return false };
        let waiting = self.waiting.get_mut(&(popped.tenant, popped.sender));
        let first = waiting.and_then(VecDeque::pop_front);
        assert_eq!(Some(popped.item), first, "order of admission");
        true
    }

    fn read(&mut self) -> bool {
        let mut names = Vec::new();
        let Some(reading) = self.lane.next_thirsty(THIRST, &mut names) else {
            return false;
        };
        assert!((1..=THIRST.batch).contains(&names.len()));
        self.reads
            .extend(names.into_iter().map(|name| (reading, name)));
        true
    }

    fn answer(&mut self) -> bool {
        let Some((reading, name)) = self.reads.pop_front() else {
            return false;
        };
        let (tenant, sender) = self.owner[&name.key];
        assert_eq!(u32::from(name.shelf), tenant);
        if self.kept.remove(&name.key) {
            self.lane.refill(reading, sender, name.key);
        } else {
            assert!(self.cancelled.contains(&name.key), "given out twice");
            self.lane.give_up(reading);
        }
        true
    }

    fn check(&self) {
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        let names = self.lane.spilled();
        assert!(self.lane.len() >= waiting && self.lane.len() >= names);
        let held: usize = (0..3)
            .flat_map(|tenant| (0..3).map(move |sender| (tenant, sender)))
            .map(|(tenant, sender)| self.lane.held(tenant, sender))
            .map(|held| held.items + held.spilled)
            .sum();
        assert_eq!(held, self.lane.len());
    }
}

proptest! {
    #[test]
    fn senders_keep_their_order_and_nothing_is_left_behind(script in steps()) {
        let mut world = World::default();
        for step in script {
            world.step(step);
            world.check();
        }
        while world.pop() | world.read() | world.answer() {}
        prop_assert!(world.lane.is_empty());
        prop_assert_eq!(world.lane.spilled(), 0);
        prop_assert!(world.waiting.values().all(VecDeque::is_empty));
        prop_assert!(!world.lane.has_ready(0));
    }
}

#[test]
fn a_tenant_that_must_read_first_holds_up_nobody() {
    let mut lane = FairQueue::new();
    for key in 0..100 {
        lane.spill(1, 1, Spilled { shelf: 0, key });
    }
    lane.push_back(2, 1, 7);
    let popped = lane.pop(0, |_| Verdict::Take, &mut Vec::new());
    assert_eq!(popped.map(|popped| popped.item), Some(7));
    assert_eq!(lane.pop(0, |_| Verdict::Take, &mut Vec::new()), None);
    let mut names = Vec::new();
    let reading = lane.next_thirsty(THIRST, &mut names).expect("dry");
    // One batch at a time.
    assert_eq!(lane.next_thirsty(THIRST, &mut names), None);
    for name in names {
        lane.refill(reading, 1, name.key);
    }
    let popped = lane.pop(0, |_| Verdict::Take, &mut Vec::new());
    assert_eq!(popped.map(|popped| popped.item), Some(0));
}

#[test]
fn names_that_were_found_late_come_first_in_the_order_in_which_they_were_found() {
    let mut lane = FairQueue::new();
    for key in 10..15 {
        lane.spill(1, 1, Spilled { shelf: 0, key });
    }
    for key in 0..4 {
        lane.spill_first(1, 1, Spilled { shelf: 0, key });
    }
    lane.spill(1, 1, Spilled { shelf: 0, key: 15 });
    assert_eq!((lane.len(), lane.held(1, 1).spilled), (10, 10));
    let mut order = Vec::new();
    let mut names = Vec::new();
    while let Some(reading) = lane.next_thirsty(THIRST, &mut names) {
        for name in names.drain(..) {
            lane.refill(reading, 1, name.key);
        }
        while let Some(popped) = lane.pop(0, |_| Verdict::Take, &mut Vec::new()) {
            order.push(popped.item);
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 10, 11, 12, 13, 14, 15]);
    assert!(lane.is_empty());
}
