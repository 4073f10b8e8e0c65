//! The world of one run: time, the machine with its disk and its process, the clients, the network, the carriers.
//!
//! One thread takes what is due from an agenda, in order of true time, and lets it happen. Everything that the machine does takes place
//! inside [`process`]; what clients do is in [`clients`], what goes wrong in [`trouble`].

mod agenda;
mod audit;
mod clients;
mod handsets;
mod process;
mod setback;
mod story;
mod trouble;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use journal::Position;

use crate::book::Book;
use crate::carrier::Carrier;
use crate::clock::{Clocks, MS, SECOND};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::mutant::Mutant;
use crate::net::{End, Link, Stirs};
use crate::plan::{Plan, Profile};
use agenda::{Agenda, What};
pub(crate) use audit::At;
use clients::Clients;
use handsets::InboundAfter;
use process::Process;
use setback::Setback;

/// No fault begins after this.
const ACTIVE_NS: u64 = 14 * SECOND;
/// The longest that the world may take to come to rest, in virtual time.
const REST_WITHIN_NS: u64 = 600 * SECOND;
/// Events of one run; more is a world that spins.
const EVENTS_MAX: u64 = 3_000_000;
/// Findings after which a run is over: an engine that never opens again would be started until the end of time.
const FINDINGS_MAX: usize = 20;

/// A link, and whom it joins.
struct Joined {
    link: Link,
    carrier: usize,
    place: usize,
    /// The process that opened it.
    generation: u32,
}

/// One run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) clocks: Clocks,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) disk: Disk,
    /// The journal, as it was last read from the disk.
    pub(crate) book: Book,
    pub(crate) powers_cut: u32,
    pub(crate) killed_in_write: bool,
    /// How far the journal cannot be shorter than it is.
    was_durable: Position,
    setback: Setback,
    inbound_after: InboundAfter,
    /// When the last process ended.
    ended_ns: u64,
    disk_is_full: bool,
    /// What must not have happened, found on the way.
    pub(crate) broken: Vec<String>,
    pub(crate) events: u64,
    process: Option<Process>,
    clients: Clients,
    agenda: Agenda,
    links: BTreeMap<u32, Joined>,
    stirs: Stirs,
    carrier_armed_ns: Vec<u64>,
    dice: Dice,
    generation: u32,
    links_made: u32,
    /// Planted faults of the disk that no failure has followed yet.
    disk_faults: u32,
    settling: bool,
    mutant: Option<Mutant>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::of(&mut dice.fork());
        let clocks = Clocks::new();
        let carriers: Vec<_> = plan
            .carriers
            .iter()
            .enumerate()
            .map(|(at, plan)| {
                let mut carrier = Carrier::new(plan.script.clone(), dice.fork(), mutant);
                carrier.handsets_write(at, &plan.handsets_ns);
                carrier
            })
            .collect();
        let mut agenda = Agenda::default();
        agenda.push(0, What::Start);
        for (at, wish) in plan.wishes.iter().enumerate() {
            agenda.push(wish.at_ns, What::Ask(at));
            for (nth, (after_ns, _)) in wish.follow.iter().enumerate() {
                agenda.push(wish.at_ns + after_ns, What::Follow(at, nth));
            }
        }
        for (at, fault) in plan.faults.iter().enumerate() {
            agenda.push(fault.at_ns, What::Fault(at));
        }
        let mut ledger = Ledger::default();
        ledger
            .wishes
            .resize_with(plan.wishes.len(), Default::default);
        ledger.hindered.resize_with(carriers.len(), Vec::new);
        ledger.blocked.resize(carriers.len(), false);
        ledger.full.resize_with(carriers.len(), Vec::new);
        Self {
            clocks,
            ledger: Rc::new(RefCell::new(ledger)),
            carrier_armed_ns: vec![u64::MAX; carriers.len()],
            carriers,
            disk: Disk::new(dice.fork(), mutant),
            book: plan.book(),
            powers_cut: 0,
            killed_in_write: false,
            was_durable: Position(0),
            setback: Setback::default(),
            inbound_after: None,
            ended_ns: 0,
            disk_is_full: false,
            broken: Vec::new(),
            events: 0,
            process: None,
            clients: Clients::new(dice.fork()),
            agenda,
            links: BTreeMap::new(),
            stirs: Stirs::default(),
            dice,
            generation: 0,
            links_made: 0,
            disk_faults: 0,
            settling: false,
            mutant,
            plan,
        }
    }

    /// Lives through the active time, then on until nothing is left to do. `false` when that did not come.
    pub(crate) fn run(&mut self) -> bool {
        self.live_until(ACTIVE_NS);
        self.calm_down();
        let end_ns = ACTIVE_NS + REST_WITHIN_NS;
        while self.clocks.true_ns() < end_ns && self.may_go_on() {
            let next_ns = self.clocks.true_ns() + SECOND;
            self.live_until(next_ns);
            if self.is_at_rest() {
                return true;
            }
        }
        false
    }

    /// Asks for every message, and lives until all are answered.
    pub(crate) fn ask_all(&mut self) {
        let ids: Vec<_> = self.ledger.borrow().messages.keys().copied().collect();
        for id in ids {
            self.find(id);
        }
        self.live_for_answers();
    }

    /// Ends the process in order, starts it again, and asks for every message.
    pub(crate) fn restart(&mut self) {
        self.stop_in_order(100 * MS);
        let next_ns = self.clocks.true_ns() + 20 * SECOND;
        self.live_until(next_ns);
    }

    /// Why it does not rest, for people.
    pub(crate) fn unrest(&self) -> String {
        let held = self.process.as_ref().map(Process::held);
        let carriers = self.carriers.iter();
        let carriers: Vec<_> = carriers.map(Carrier::is_at_rest).collect();
        format!("held: {held:?}; carriers at rest: {carriers:?}")
    }

    /// What the process holds, once it runs.
    pub(crate) fn held(&self) -> Option<engine::Held> {
        self.process.as_ref().map(Process::held)
    }

    /// Whether the profile promises the calm figures.
    pub(crate) fn is_calm(&self) -> bool {
        self.plan.profile == Profile::Calm
    }

    fn is_at_rest(&self) -> bool {
        let engine = self.process.as_ref().is_some_and(Process::is_at_rest);
        engine && self.carriers.iter().all(Carrier::is_at_rest) && self.clients.are_at_rest()
    }

    fn live_for_answers(&mut self) {
        for _ in 0..20 {
            let next_ns = self.clocks.true_ns() + 200 * MS;
            self.live_until(next_ns);
            if self.clients.are_at_rest() {
                return;
            }
        }
    }

    fn may_go_on(&self) -> bool {
        self.events < EVENTS_MAX && self.broken.len() < FINDINGS_MAX
    }

    fn live_until(&mut self, until_ns: u64) {
        while self.may_go_on()
            && let Some((at_ns, what)) = self.agenda.pop_until(until_ns)
        {
            self.events += 1;
            self.clocks.advance_to(at_ns);
            self.happen(what);
            self.follow_up();
        }
        self.clocks.advance_to(until_ns);
    }

    fn happen(&mut self, what: What) {
        if let Some(again_ns) = self.held_up(&what) {
            self.agenda.push(again_ns, what);
            return;
        }
        match what {
            What::Start => self.start(),
            What::Turn { generation, nap } => self.turn(generation, nap),
            What::Disk { generation } => self.step_disk(generation),
            What::DiskTimer { generation } => self.disk_timer(generation),
            What::Connect {
                generation,
                carrier,
                place,
            } => self.connect(generation, carrier, place),
            What::SessionTimer {
                generation,
                carrier,
                place,
            } => self.session_timer(generation, carrier, place),
            What::Stir(stir) => match stir.end {
                End::Engine => self.session_stirred(stir.link, stir.writable),
                End::Carrier => {
                    if let Some(joined) = self.links.get(&stir.link) {
                        let now_ns = self.clocks.true_ns();
                        self.carriers[joined.carrier].stirred(stir.link, stir.writable, now_ns);
                    }
                }
            },
            What::Carrier(at) => {
                self.carrier_armed_ns[at] = u64::MAX;
                self.carriers[at].turn(self.clocks.true_ns());
            }
            What::Ask(wish) => self.ask(wish),
            What::Follow(wish, nth) => self.follow(wish, nth),
            What::TakeOver(id) => self.take_over(id),
            What::Fault(at) => self.strike(self.plan.faults[at].fault),
            What::StopOverdue { generation } => self.stop_overdue(generation),
            What::DiskHeals => self.disk_heals(),
        }
    }

    /// Sees to whatever an event has set off.
    fn follow_up(&mut self) {
        self.step_called_sessions();
        self.poll_answers();
        for stir in self.stirs.take() {
            self.agenda.push(stir.at_ns, What::Stir(stir));
        }
        let now_ns = self.clocks.true_ns();
        for (at, carrier) in self.carriers.iter().enumerate() {
            if let Some(due_ns) = carrier.next_due_ns()
                && due_ns < self.carrier_armed_ns[at]
            {
                self.carrier_armed_ns[at] = due_ns;
                self.agenda.push(due_ns.max(now_ns), What::Carrier(at));
            }
        }
        self.wake_process();
    }
}
