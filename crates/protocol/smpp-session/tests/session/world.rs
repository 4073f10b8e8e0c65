//! An ESME and an MC in seeded virtual time: latency, arbitrary reads and writes, answers that are delayed, reordered,
//! duplicated, late or missing, and a link that dies at an arbitrary byte.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use smpp_codec::{CommandStatus, Pdu};
use smpp_session::{BindType, Event, Lost, RequestKind, Role, Session, SessionConfig};

use crate::link::{SECOND_NS, Seen, bound, submit_sm, submit_sm_resp};

const MILLISECOND_NS: u64 = 1_000_000;
const WINDOW_SIZE: u32 = 8;
const RESPONSE_TIMEOUT_NS: u64 = SECOND_NS;

#[test]
fn on_a_living_link_every_submit_is_answered_or_timed_out() {
    let mut total = Ledger::default();
    let mut duplicates = 0;
    for seed in 0..40 {
        let mut world = World::new(seed, 200, None);
        world.run();
        assert_eq!(world.esme.close(), Lost::default(), "seed {seed}");
        assert_eq!(world.ledger.fates.len(), 200, "seed {seed}");
        assert_eq!(world.ledger.in_flight(), 0, "seed {seed}");
        duplicates += world.esme.counters().duplicate_answers;
        assert_eq!(
            world.esme.counters().late_answers as usize,
            world.ledger.count(Fate::Late)
        );
        total.merge(seed, &world.ledger);
    }
    for fate in [Fate::Answered, Fate::TimedOut, Fate::Late] {
        assert!(
            total.count(fate) > 100,
            "the seeds exercise {fate:?}: {}",
            total.count(fate)
        );
    }
    assert!(
        duplicates > 100,
        "the seeds exercise duplicates: {duplicates}"
    );
}

#[test]
fn on_a_lost_link_both_sets_part_what_is_in_flight() {
    let (mut unwritten, mut uncertain, mut half_written) = (0, 0, 0);
    for seed in 0..300 {
        let mut world = World::new(seed, 100, Some(seed * 13));
        world.run();
        let in_flight: BTreeSet<u64> = world.ledger.with(Fate::InFlight);
        assert_eq!(
            world.esme.in_flight() as usize,
            in_flight.len(),
            "seed {seed}"
        );
        let lost = world.esme.close();
        for correlation in &lost.unwritten {
            world.ledger.settle(*correlation, Fate::Unwritten);
            assert!(
                !world.seen_by_mc.contains(correlation),
                "seed {seed}: {correlation} was written"
            );
        }
        for correlation in &lost.uncertain {
            world.ledger.settle(*correlation, Fate::Uncertain);
        }
        assert_eq!(world.ledger.in_flight(), 0, "seed {seed}");
        unwritten += lost.unwritten.len();
        uncertain += lost.uncertain.len();
        half_written += lost
            .uncertain
            .iter()
            .filter(|id| !world.seen_by_mc.contains(id))
            .count();
    }
    assert!(
        unwritten > 50 && uncertain > 50,
        "both occur: {unwritten} unwritten, {uncertain} uncertain"
    );
    assert!(
        half_written > 20,
        "links died inside a request: {half_written}"
    );
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let run = |seed| {
        let mut world = World::new(seed, 100, Some(3_000));
        world.run();
        (world.now_ns, world.ledger.fates, world.seen_by_mc)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

struct World {
    rng: Rng,
    now_ns: u64,
    esme: Session,
    mc: Session,
    to_mc: Wire,
    to_esme: Wire,
    /// Planned answers of the MC by due time; the second part of the key tells equal times apart.
    answers: BTreeMap<(u64, u64), (u32, Verdict)>,
    planned: u64,
    ledger: Ledger,
    submits_left: u64,
    next_correlation: u64,
    seen_by_mc: BTreeSet<u64>,
    /// Time between two looks for work: short ones keep the window full, long ones leave room in it.
    pace_ns: u64,
    /// The kernel takes this many bytes of the ESME, then the link is dead.
    link_bytes_left: Option<u64>,
}

impl World {
    fn new(seed: u64, submits: u64, link_bytes: Option<u64>) -> Self {
        let config = |role| SessionConfig {
            window_size: WINDOW_SIZE,
            response_timeout_ns: RESPONSE_TIMEOUT_NS,
            ..SessionConfig::new(role)
        };
        Self {
            rng: Rng(seed.wrapping_mul(0x9E37_79B9).wrapping_add(1)),
            now_ns: 0,
            esme: bound(config(Role::Esme), BindType::Transceiver),
            mc: bound(config(Role::Mc), BindType::Transceiver),
            to_mc: Wire::default(),
            to_esme: Wire::default(),
            answers: BTreeMap::new(),
            planned: 0,
            ledger: Ledger::default(),
            submits_left: submits,
            next_correlation: 0,
            seen_by_mc: BTreeSet::new(),
            pace_ns: if seed.is_multiple_of(2) {
                MILLISECOND_NS
            } else {
                100 * MILLISECOND_NS
            },
            link_bytes_left: link_bytes,
        }
    }

    /// Until everything is settled, or the link is dead and what it carried has arrived.
    fn run(&mut self) {
        loop {
            self.submit_some();
            self.write_some();
            if self.link_bytes_left == Some(0) {
                // The driver has not noticed yet.
                self.submit_some();
                self.now_ns = u64::MAX / 2;
                self.mc_reads();
                return;
            }
            let Some(next_ns) = self.next_event_ns() else {
                return;
            };
            self.now_ns = next_ns.max(self.now_ns);
            self.mc_reads();
            self.mc_answers();
            self.esme_reads();
            self.timers();
            assert!(self.esme.in_flight() <= WINDOW_SIZE);
            assert_eq!(self.esme.in_flight() as usize, self.ledger.in_flight());
        }
    }

    fn submit_some(&mut self) {
        for _ in 0..self.rng.below(4) {
            if self.submits_left == 0 || self.esme.window_free() == 0 {
                return;
            }
            let correlation = self.next_correlation;
            let body = correlation.to_be_bytes();
            self.esme
                .submit(correlation, &submit_sm(&body), self.now_ns)
                .unwrap();
            self.ledger.begin(correlation);
            self.next_correlation += 1;
            self.submits_left -= 1;
        }
    }

    fn write_some(&mut self) {
        let esme_waiting = self.esme.transmit().len() as u64;
        let mut taken = if self.rng.below(3) == 0 {
            self.rng.below(esme_waiting + 1)
        } else {
            esme_waiting
        };
        if let Some(left) = &mut self.link_bytes_left {
            taken = taken.min(*left);
            *left -= taken;
        }
        let taken = usize::try_from(taken).unwrap();
        self.to_mc
            .send(&self.esme.transmit()[..taken], self.now_ns, &mut self.rng);
        self.esme.handle_transmitted(taken);
        let taken = self.mc.transmit().len();
        self.to_esme
            .send(self.mc.transmit(), self.now_ns, &mut self.rng);
        self.mc.handle_transmitted(taken);
    }

    fn next_event_ns(&self) -> Option<u64> {
        let work_left =
            self.submits_left > 0 || self.esme.in_flight() > 0 || !self.answers.is_empty();
        let wires = [self.to_mc.next_arrival_ns(), self.to_esme.next_arrival_ns()];
        if !work_left && wires == [None, None] {
            return None;
        }
        let pace_ns = (self.submits_left > 0 || !self.esme.transmit().is_empty())
            .then_some(self.now_ns + self.pace_ns);
        let answer_ns = self.answers.keys().next().map(|(due_ns, _)| *due_ns);
        let timers = [self.esme.poll_timeout(), self.mc.poll_timeout()];
        wires
            .into_iter()
            .chain(timers)
            .chain([pace_ns, answer_ns])
            .flatten()
            .min()
    }

    fn mc_reads(&mut self) {
        let mut requests = Vec::new();
        let Self {
            mc, to_mc, now_ns, ..
        } = self;
        to_mc.deliver(mc, *now_ns, |seen| match seen {
            Seen::Request(number, RequestKind::SubmitSm, body) => {
                requests.push((number, u64::from_be_bytes(body.try_into().unwrap())));
            }
            other => panic!("the MC saw {other:?}"),
        });
        for (number, correlation) in requests {
            assert!(
                self.seen_by_mc.insert(correlation),
                "{correlation} arrived twice"
            );
            self.plan_answers(number);
        }
    }

    /// Most are prompt; some refuse, nack, come late, come twice or never.
    fn plan_answers(&mut self, number: u32) {
        let prompt_ns = self.rng.below(200) * MILLISECOND_NS;
        let late_ns = RESPONSE_TIMEOUT_NS + self.rng.below(900) * MILLISECOND_NS;
        let plans: &[(u64, Verdict)] = match self.rng.below(10) {
            0 => &[],
            1 => &[(late_ns, Verdict::Taken)],
            2 => &[(prompt_ns, Verdict::Taken), (prompt_ns * 2, Verdict::Taken)],
            3 => &[(prompt_ns, Verdict::Throttled), (late_ns, Verdict::Taken)],
            4 => &[(prompt_ns, Verdict::Nacked)],
            _ => &[(prompt_ns, Verdict::Taken)],
        };
        for (delay_ns, verdict) in plans {
            self.planned += 1;
            self.answers
                .insert((self.now_ns + delay_ns, self.planned), (number, *verdict));
        }
    }

    fn mc_answers(&mut self) {
        while let Some(entry) = self.answers.first_entry() {
            if entry.key().0 > self.now_ns {
                break;
            }
            let (number, verdict) = entry.remove();
            let (status, pdu) = match verdict {
                Verdict::Taken => (CommandStatus::Ok, submit_sm_resp(b"1")),
                Verdict::Throttled => (CommandStatus::Throttled, submit_sm_resp(b"")),
                Verdict::Nacked => (CommandStatus::SystemError, Pdu::GenericNack),
            };
            self.mc.respond(number, status, &pdu, self.now_ns).unwrap();
        }
    }

    fn esme_reads(&mut self) {
        let Self {
            esme,
            to_esme,
            now_ns,
            ledger,
            ..
        } = self;
        to_esme.deliver(esme, *now_ns, |seen| ledger.note(&seen));
    }

    fn timers(&mut self) {
        let Self {
            esme,
            mc,
            now_ns,
            ledger,
            ..
        } = self;
        esme.handle_timeout(*now_ns, &mut |event: Event<'_>| ledger.note(&event.into()));
        mc.handle_timeout(*now_ns, &mut |event: Event<'_>| {
            panic!("the MC timed out: {event:?}")
        });
    }
}

#[derive(Debug, Clone, Copy)]
enum Verdict {
    Taken,
    Throttled,
    Nacked,
}

/// One direction of the connection: chunks in order, each with its time of arrival.
#[derive(Default)]
struct Wire {
    chunks: VecDeque<(u64, Vec<u8>)>,
    inbox: Vec<u8>,
}

impl Wire {
    fn send(&mut self, bytes: &[u8], now_ns: u64, rng: &mut Rng) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = usize::try_from(1 + rng.below(rest.len() as u64)).unwrap();
            let after_ns = self
                .chunks
                .back()
                .map_or(now_ns, |(arrival_ns, _)| *arrival_ns)
                .max(now_ns);
            self.chunks.push_back((
                after_ns + rng.below(20) * MILLISECOND_NS,
                rest[..len].to_vec(),
            ));
            rest = &rest[len..];
        }
    }

    fn next_arrival_ns(&self) -> Option<u64> {
        self.chunks.front().map(|(arrival_ns, _)| *arrival_ns)
    }

    fn deliver(&mut self, session: &mut Session, now_ns: u64, mut note: impl FnMut(Seen)) {
        while let Some((_, bytes)) = self
            .chunks
            .pop_front_if(|(arrival_ns, _)| *arrival_ns <= now_ns)
        {
            self.inbox.extend(bytes);
            let consumed = session
                .handle_bytes(&self.inbox, now_ns, &mut |event: Event<'_>| {
                    note(event.into())
                })
                .unwrap();
            self.inbox.drain(..consumed);
        }
    }
}

/// What became of a submit. `InFlight` leads to any other, `TimedOut` to `Late`; nothing else is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    InFlight,
    Answered,
    TimedOut,
    Late,
    Unwritten,
    Uncertain,
}

#[derive(Default)]
pub(crate) struct Ledger {
    fates: BTreeMap<u64, Fate>,
    in_flight: usize,
}

impl Ledger {
    pub(crate) fn begin(&mut self, correlation: u64) {
        assert_eq!(self.fates.insert(correlation, Fate::InFlight), None);
        self.in_flight += 1;
    }

    pub(crate) fn settle(&mut self, correlation: u64, fate: Fate) {
        let before = self.fates.insert(correlation, fate);
        let expected = if fate == Fate::Late {
            Fate::TimedOut
        } else {
            Fate::InFlight
        };
        assert_eq!(before, Some(expected), "{correlation} becomes {fate:?}");
        self.in_flight -= usize::from(expected == Fate::InFlight);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn note(&mut self, seen: &Seen) {
        match seen {
            Seen::Answered(correlation, _) => self.settle(*correlation, Fate::Answered),
            Seen::AnsweredLate(correlation, _) => self.settle(*correlation, Fate::Late),
            Seen::TimedOut(correlation) => self.settle(*correlation, Fate::TimedOut),
            Seen::Bound(..)
            | Seen::BindRefused(_)
            | Seen::BindRequested(..)
            | Seen::Request(..)
            | Seen::UnbindRequested
            | Seen::Unbound
            | Seen::CloseDue(_) => {}
        }
    }

    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.fates.values().filter(|found| **found == fate).count()
    }

    fn with(&self, fate: Fate) -> BTreeSet<u64> {
        self.fates
            .iter()
            .filter(|(_, found)| **found == fate)
            .map(|(correlation, _)| *correlation)
            .collect()
    }

    fn merge(&mut self, seed: u64, other: &Self) {
        self.fates.extend(
            other
                .fates
                .iter()
                .map(|(correlation, fate)| (seed << 32 | correlation, *fate)),
        );
    }
}

/// xorshift64*: small, seeded, the same everywhere.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
