//! The lane against a model of plain deques, and its fairness.
#![cfg(not(loom))]

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;
use queue::{
    FairQueue, Popped, Verdict,
    lane::{Admitted, MAX_SUBQUEUES},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { tenant: u32, sender: u64 },
    Pop,
    Peek,
    PutBack,
    ParkPopped { delay_ns: u64 },
    Cancel,
    ParkNext { delay_ns: u64 },
    Sweep,
    Wait { ns: u64 },
}

fn steps(tenants: u32, senders: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..tenants, 0..senders).prop_map(|(tenant, sender)| Step::Push { tenant, sender }),
        6 => Just(Step::Pop),
        1 => Just(Step::Peek),
        1 => Just(Step::PutBack),
        1 => (0..20u64).prop_map(|delay_ns| Step::ParkPopped { delay_ns }),
        1 => Just(Step::Cancel),
        1 => (1..20u64).prop_map(|delay_ns| Step::ParkNext { delay_ns }),
        1 => Just(Step::Sweep),
        2 => (1..10u64).prop_map(|ns| Step::Wait { ns }),
    ];
    prop::collection::vec(step, 1..400)
}

type Key = (u32, u64);

/// What the lane must hold: a deque per sender, and what is parked, in the order of parking.
#[derive(Default)]
struct Model {
    senders: HashMap<Key, VecDeque<u64>>,
    parked: Vec<(u64, Key, u64)>,
    owner: HashMap<u64, Key>,
    cancelled: HashSet<u64>,
    park_next: Option<u64>,
}

impl Model {
    fn unpark(&mut self, now_ns: u64) {
        for (_, key, id) in self
            .parked
            .iter()
            .rev()
            .filter(|(until_ns, ..)| *until_ns <= now_ns)
        {
            self.senders.entry(*key).or_default().push_front(*id);
        }
        self.parked.retain(|(until_ns, ..)| *until_ns > now_ns);
    }

    fn leave(&mut self, key: Key, id: u64) {
        let first = self.senders.get_mut(&key).and_then(VecDeque::pop_front);
        assert_eq!(first, Some(id), "{key:?} was served out of order");
    }

    fn judge(&mut self, id: u64, now_ns: u64) -> Verdict {
        let key = self.owner[&id];
        if self.cancelled.contains(&id) {
            self.leave(key, id);
            return Verdict::Skip;
        }
        if let Some(delay_ns) = self.park_next.take() {
            let until_ns = now_ns + delay_ns;
            self.leave(key, id);
            self.parked.push((until_ns, key, id));
            return Verdict::ParkItem { until_ns };
        }
        Verdict::Take
    }

    fn len(&self) -> usize {
        self.senders.values().map(VecDeque::len).sum::<usize>() + self.parked.len()
    }
}

struct Run {
    lane: FairQueue<u64>,
    model: Model,
    now_ns: u64,
    in_hand: Option<Popped<u64>>,
    gone: Vec<u64>,
}

impl Run {
    fn new() -> Self {
        Self {
            lane: FairQueue::new(),
            model: Model::default(),
            now_ns: 0,
            in_hand: None,
            gone: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push { tenant, sender } => self.push(tenant, sender),
            Step::Pop => {
                self.settle_hand();
                self.pop();
            }
            Step::Peek => self.peek(),
            Step::PutBack => {
                if let Some(Popped {
                    tenant,
                    sender,
                    item,
                }) = self.in_hand.take()
                {
                    self.model
                        .senders
                        .entry((tenant, sender))
                        .or_default()
                        .push_front(item);
                    self.lane.put_back(tenant, sender, item);
                }
            }
            Step::ParkPopped { delay_ns } => {
                if let Some(popped) = self.in_hand.take() {
                    let until_ns = self.now_ns + delay_ns;
                    self.model
                        .parked
                        .push((until_ns, (popped.tenant, popped.sender), popped.item));
                    self.lane.park(popped, until_ns);
                }
            }
            Step::Cancel => {
                let pick = self
                    .model
                    .senders
                    .values()
                    .filter_map(VecDeque::back)
                    .min()
                    .copied();
                self.model.cancelled.extend(pick);
            }
            Step::ParkNext { delay_ns } => self.model.park_next = Some(delay_ns),
            Step::Sweep => self.sweep(),
            Step::Wait { ns } => self.now_ns += ns,
        }
        assert_eq!(self.lane.len(), self.model.len());
        assert_eq!(self.lane.parked_items(), self.model.parked.len());
        assert_eq!(
            self.lane.next_due_ns(),
            self.model
                .parked
                .iter()
                .map(|(until_ns, ..)| *until_ns)
                .min()
        );
    }

    fn push(&mut self, tenant: u32, sender: u64) {
        let id = self.model.owner.len() as u64;
        self.model.owner.insert(id, (tenant, sender));
        self.model
            .senders
            .entry((tenant, sender))
            .or_default()
            .push_back(id);
        self.lane.push_back(tenant, sender, id);
    }

    fn pop(&mut self) {
        let (model, now_ns) = (&mut self.model, self.now_ns);
        model.unpark(now_ns);
        let popped = self
            .lane
            .pop(now_ns, |id| model.judge(*id, now_ns), &mut self.gone);
        match popped {
            Some(Popped {
                tenant,
                sender,
                item,
            }) => model.leave((tenant, sender), item),
            None => assert_eq!(model.len(), model.parked.len(), "an item is held back"),
        }
        self.in_hand = popped;
    }

    fn peek(&mut self) {
        let (model, now_ns) = (&mut self.model, self.now_ns);
        model.unpark(now_ns);
        let seen = self
            .lane
            .peek(now_ns, |id| model.judge(*id, now_ns), &mut self.gone)
            .copied();
        if seen.is_some() {
            self.settle_hand();
            self.pop();
            assert_eq!(self.in_hand.map(|popped| popped.item), seen);
        }
    }

    fn sweep(&mut self) {
        let before = self.gone.len();
        let cancelled = &self.model.cancelled;
        self.lane.sweep(|id| cancelled.contains(id), &mut self.gone);
        let swept: HashSet<u64> = self.gone[before..].iter().copied().collect();
        for sender in self.model.senders.values_mut() {
            assert!(
                sender
                    .iter()
                    .all(|id| !self.model.cancelled.contains(id) || swept.contains(id))
            );
            sender.retain(|id| !swept.contains(id));
        }
        self.model.parked.retain(|(.., id)| !swept.contains(id));
    }

    fn settle_hand(&mut self) {
        self.gone
            .extend(self.in_hand.take().map(|popped| popped.item));
    }

    /// Pops to the end: everything that was pushed has left exactly once.
    fn finish(mut self) {
        self.now_ns = u64::MAX / 2;
        self.model.park_next = None;
        while !self.lane.is_empty() {
            self.settle_hand();
            self.pop();
        }
        self.settle_hand();
        self.gone.sort_unstable();
        let pushed: Vec<u64> = (0..self.model.owner.len() as u64).collect();
        assert_eq!(self.gone, pushed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn behaves_as_plain_deques_do(script in steps(4, 5)) {
        let mut run = Run::new();
        script.into_iter().for_each(|step| run.step(step));
        run.finish();
    }

    #[test]
    fn behaves_as_plain_deques_do_with_more_senders_than_subqueues(script in steps(2, 150)) {
        let mut run = Run::new();
        for sender in 0..100 {
            run.push(0, sender);
        }
        script.into_iter().for_each(|step| run.step(step));
        run.finish();
    }

    #[test]
    fn tenants_share_by_weight(weights in prop::collection::vec(1..8u32, 2..6), rounds in 1..6usize) {
        let mut lane = FairQueue::new();
        let round: u32 = weights.iter().sum();
        let pops = round as usize * rounds;
        for (tenant, weight) in (0u32..).zip(&weights) {
            lane.set_weight(tenant, *weight);
            for item in 0..pops {
                lane.push_back(tenant, item as u64 % 3, item);
            }
        }
        let served: Vec<u32> = (0..pops).map(|_| pop_tenant(&mut lane)).collect();
        for window in served.windows(round as usize) {
            for (tenant, weight) in (0u32..).zip(&weights) {
                let turns = window.iter().filter(|served| **served == tenant).count();
                prop_assert_eq!(turns, *weight as usize, "tenant {} in {:?}", tenant, window);
            }
        }
    }

    #[test]
    fn a_single_message_waits_at_most_one_round(weights in prop::collection::vec(1..8u32, 1..6), before in 0..40usize) {
        let mut lane = FairQueue::new();
        for (tenant, weight) in (0u32..).zip(&weights) {
            lane.set_weight(tenant, *weight);
            (0..200).for_each(|item| lane.push_back(tenant, 0, item));
        }
        (0..before).for_each(|_| assert_ne!(pop_tenant(&mut lane), 99));
        lane.push_back(99, 0, 0);
        let round: u32 = weights.iter().sum();
        let waited = (0..=round).position(|_| pop_tenant(&mut lane) == 99);
        prop_assert!(waited.is_some(), "more than {} others went first", round);
    }
}

fn pop_tenant<T>(lane: &mut FairQueue<T>) -> u32 {
    lane.pop(0, |_| Verdict::Take, &mut Vec::new())
        .expect("the lane is not empty")
        .tenant
}

#[test]
fn senders_of_a_tenant_take_turns() {
    let mut lane = FairQueue::new();
    for sender in 0..50u64 {
        (0..10).for_each(|item| lane.push_back(1, sender, item));
    }
    for _ in 0..10 {
        let mut round: Vec<u64> = (0..50)
            .map(|_| {
                lane.pop(0, |_| Verdict::Take, &mut Vec::new())
                    .expect("the lane is not empty")
                    .sender
            })
            .collect();
        round.sort_unstable();
        assert_eq!(round, (0..50).collect::<Vec<u64>>());
    }
}

#[test]
fn a_parked_subqueue_holds_back_its_sender_only() {
    let mut lane = FairQueue::new();
    for item in 0..3 {
        lane.push_back(1, 7, (7, item));
        lane.push_back(1, 8, (8, item));
    }
    let mut skipped = Vec::new();
    let hold_seven = |item: &(u64, i32)| match item.0 {
        7 => Verdict::ParkSubqueue { until_ns: 100 },
        _ => Verdict::Take,
    };
    let early: Vec<_> = std::iter::from_fn(|| lane.pop(10, hold_seven, &mut skipped))
        .map(|popped| popped.item)
        .collect();
    assert_eq!(early, [(8, 0), (8, 1), (8, 2)]);
    assert_eq!(
        (lane.len(), lane.next_due_ns(), lane.has_ready(99)),
        (3, Some(100), false)
    );
    assert!(lane.has_ready(100));
    let late: Vec<_> = std::iter::from_fn(|| lane.pop(100, |_| Verdict::Take, &mut skipped))
        .map(|popped| popped.item)
        .collect();
    assert_eq!(late, [(7, 0), (7, 1), (7, 2)]);
    assert!(lane.is_empty() && skipped.is_empty());
}

#[test]
fn a_parked_subqueue_that_is_swept_empty_can_be_used_again() {
    let mut lane = FairQueue::new();
    lane.push_back(1, 7, 1);
    let mut gone = Vec::new();
    assert_eq!(
        lane.pop(0, |_| Verdict::ParkSubqueue { until_ns: 50 }, &mut gone),
        None
    );
    lane.sweep(|_| true, &mut gone);
    assert_eq!(
        (gone.as_slice(), lane.len(), lane.has_ready(60)),
        (&[1][..], 0, false)
    );
    lane.push_back(1, 7, 2);
    let popped = lane
        .pop(60, |_| Verdict::Take, &mut gone)
        .map(|popped| popped.item);
    assert_eq!((popped, lane.is_empty()), (Some(2), true));
}

#[test]
fn a_tenant_that_comes_back_is_not_confused_with_its_former_place() {
    let mut lane = FairQueue::new();
    let mut none = Vec::new();
    lane.push_back(7, 0, 'a');
    lane.push_back(8, 0, 'b');
    (0..2).for_each(|_| assert!(lane.pop(0, |_| Verdict::Take, &mut none).is_some()));
    lane.push_back(7, 0, 'c');
    lane.sweep(|_| false, &mut none);
    lane.push_back(7, 0, 'd');
    let order: Vec<char> = std::iter::from_fn(|| lane.pop(0, |_| Verdict::Take, &mut none))
        .map(|popped| popped.item)
        .collect();
    assert_eq!(order, ['c', 'd']);
}

#[test]
fn senders_beyond_the_limit_share_and_keep_their_order() {
    let mut lane = FairQueue::new();
    let senders = 10 * MAX_SUBQUEUES as u64;
    for item in 0..3u64 {
        (0..senders).for_each(|sender| lane.push_back(1, sender, item));
    }
    let mut next = HashMap::new();
    while let Some(popped) = lane.pop(0, |_| Verdict::Take, &mut Vec::new()) {
        let expected: &mut u64 = next.entry(popped.sender).or_default();
        assert_eq!(popped.item, *expected, "sender {}", popped.sender);
        *expected += 1;
    }
    assert_eq!(next.len() as u64, senders);
    assert!(next.values().all(|served| *served == 3));
}

struct Aged(u64);

impl Admitted for Aged {
    fn admitted_ns(&self) -> u64 {
        self.0
    }
}

#[test]
fn the_oldest_item_counts_wherever_it_waits() {
    let mut lane = FairQueue::new();
    assert_eq!(lane.oldest_admitted_ns(), None);
    lane.push_back(1, 1, Aged(30));
    lane.push_back(2, 1, Aged(20));
    lane.push_back(2, 1, Aged(25));
    assert_eq!(lane.oldest_admitted_ns(), Some(20));
    lane.park(
        Popped {
            tenant: 3,
            sender: 3,
            item: Aged(10),
        },
        1_000,
    );
    assert_eq!(lane.oldest_admitted_ns(), Some(10));
}
