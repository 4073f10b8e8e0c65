//! The process under test: the engine in steps, the writer of its journal, the sessions of its connectors.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engine::{InboundWatcher, Next, ReplySink, Stepped, SyncPolicy, Watcher};
use journal::Step;
use smpp_client::{Ambient, Cause, SessionStep, SteppedSessions};

use super::agenda::What;
use super::audit::At;
use super::trouble::How;
use super::{Joined, World};
use crate::clock::{self, MS, US};
use crate::net::{Link, SimWire};
use crate::plan::Connectors;
use crate::spy::Spy;

/// The least sleep that is the engine's "nothing to do but look around": while the world settles such sleeps are long.
const IDLE_NS: u64 = 40 * MS;
const IDLE_SETTLING_NS: u64 = 200 * MS;
/// So many turns without a sleep are no work any more.
const SPINS: u32 = 4_000;
/// Answers that may be outstanding.
const ANSWERS_MAX: usize = 4_096;

/// A running process.
pub(super) struct Process {
    pub(super) engine: Stepped,
    pub(super) generation: u32,
    pub(super) sink: Arc<ReplySink>,
    pub(super) watcher: Watcher,
    pub(super) inbound: InboundWatcher,
    sessions: Vec<SteppedSessions<SimWire>>,
    /// The link of each place of each carrier, while it is connected.
    links: Vec<Vec<Option<u32>>>,
    /// The deadline of each place that stands on the agenda.
    armed_ns: Vec<Vec<u64>>,
    /// Counts sleeps: a turn that was to end an earlier one is void.
    nap: u32,
    asleep: bool,
    /// Turns without a sleep between them.
    again: u32,
    disk_busy: bool,
    /// The time of the writer's that stands on the agenda.
    disk_armed_ns: u64,
    frozen_until_ns: u64,
    /// Set when it was asked to end, to when it starts again after that.
    pub(super) restarts_after_ns: Option<u64>,
}

impl Process {
    pub(super) fn held(&self) -> engine::Held {
        self.engine.held()
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.engine.held().is_empty()
    }

    /// The places that have no connection.
    pub(super) fn unconnected(&self) -> Vec<(usize, usize)> {
        let carriers = self.links.iter().enumerate();
        carriers
            .flat_map(|(carrier, places)| {
                let places = places.iter().enumerate();
                let free = places.filter(|(_, link)| link.is_none());
                free.map(move |(place, _)| (carrier, place))
            })
            .collect()
    }

    pub(super) fn freeze(&mut self, until_ns: u64) {
        self.frozen_until_ns = until_ns;
    }
}

impl World {
    /// Starts the process: opens the data directory and lets the sessions connect.
    pub(super) fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        self.generation += 1;
        self.ledger.borrow_mut().generation = self.generation;
        self.clocks.process_starts();
        let generation = self.generation;
        let mut sessions = Vec::new();
        let config = self.plan.engine(self.disk.storage());
        let seed = self.dice.bits();
        let opened = Stepped::open(config, seed, |wake| self.connectors(&mut sessions, wake));
        let engine = match opened {
            Ok(engine) => engine,
            Err(failure) => return self.could_not_start(&failure),
        };
        let handle = engine.handle();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(watcher)) = pin!(handle.watch(None)).poll(&mut cx) else {
            self.broken
                .push("a fresh engine has no position to watch from".into());
            return;
        };
        let Some(inbound) = self.follow_inbound(&handle) else {
            return;
        };
        let places: Vec<_> = sessions.iter().map(SteppedSessions::places).collect();
        for (carrier, places) in places.iter().enumerate() {
            for place in 0..*places {
                let what = What::Connect {
                    generation,
                    carrier,
                    place,
                };
                self.agenda.push(self.clocks.true_ns(), what);
            }
        }
        self.process = Some(Process {
            engine,
            generation,
            sink: ReplySink::new(ANSWERS_MAX),
            watcher,
            inbound,
            links: places.iter().map(|places| vec![None; *places]).collect(),
            armed_ns: places
                .iter()
                .map(|places| vec![u64::MAX; *places])
                .collect(),
            sessions,
            nap: 0,
            asleep: false,
            again: 0,
            disk_busy: false,
            disk_armed_ns: u64::MAX,
            frozen_until_ns: 0,
            restarts_after_ns: None,
        });
        self.agenda
            .push(self.clocks.true_ns(), What::Turn { generation, nap: 0 });
        self.all_is_synced();
        self.audit(At::Opened);
        self.lose_what_is_gone();
        self.look_after_restart();
    }

    fn connectors(
        &self,
        sessions: &mut Vec<SteppedSessions<SimWire>>,
        wake: Rc<dyn Fn()>,
    ) -> Connectors {
        let ambient = Ambient {
            mono_ns: clock::mono_ns,
            next_session: clock::next_session,
        };
        let carriers = self.plan.carriers.iter().enumerate();
        carriers
            .map(|(at, carrier)| {
                let config = carrier.client.clone();
                let made = SteppedSessions::new(config, ambient, Rc::clone(&wake));
                let (connector, stepped) = made.expect("the plan's values are in their ranges");
                sessions.push(stepped);
                let spy = Spy::new(connector, at, Rc::clone(&self.ledger), self.mutant);
                Box::new(spy) as Box<dyn connector::Connector>
            })
            .collect()
    }

    fn could_not_start(&mut self, failure: &engine::EngineFailure) {
        let now_ns = self.clocks.true_ns();
        self.judge_failure(How::DidNotOpen, failure);
        self.disk.kill_process();
        self.agenda.push(now_ns + 700 * MS, What::Start);
    }

    /// When something of a process that is stopped may happen; `None` when it may now.
    pub(super) fn held_up(&mut self, what: &What) -> Option<u64> {
        let process = self.process.as_ref()?;
        let is_its = match what {
            What::Turn { .. }
            | What::Disk { .. }
            | What::DiskTimer { .. }
            | What::Connect { .. }
            | What::SessionTimer { .. } => true,
            What::Stir(stir) => stir.end == crate::net::End::Engine,
            What::Start
            | What::Carrier(_)
            | What::Ask(_)
            | What::Follow(..)
            | What::TakeOver(_)
            | What::Fault(_)
            | What::StopOverdue { .. }
            | What::DiskHeals => false,
        };
        let until_ns = process.frozen_until_ns;
        // A session's task looks at its socket before its timers.
        let later_ns = match what {
            What::SessionTimer { .. } => MS,
            _ => 0,
        };
        (is_its && until_ns > self.clocks.true_ns())
            .then(|| until_ns + later_ns + self.dice.below(MS))
    }

    pub(super) fn turn(&mut self, generation: u32, nap: u32) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.generation != generation || process.nap != nap {
            return;
        }
        process.nap += 1;
        process.asleep = false;
        let now_ns = self.clocks.true_ns();
        let nap = process.nap;
        let at_ns = match process.engine.turn(clock::now()) {
            Ok(Next::Again) => {
                process.again += 1;
                if process.again > SPINS {
                    self.broken
                        .push(format!("the engine spins: {:?}", process.held()));
                    process.again = 0;
                }
                now_ns + self.dice.between(5 * US, 40 * US)
            }
            Ok(Next::Sleep { longest }) => {
                process.asleep = true;
                process.again = 0;
                let longest_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
                match longest_ns {
                    _ if !self.settling || process.held().in_lanes > 0 => now_ns + longest_ns,
                    short if short < IDLE_NS => now_ns + short,
                    _ => now_ns + IDLE_SETTLING_NS,
                }
            }
            Ok(Next::Over) => return self.ended_in_order(),
            Err(failure) => return self.failed(&failure),
        };
        self.agenda.push(at_ns, What::Turn { generation, nap });
        self.arm_disk();
    }

    /// Ends a sleep when somebody called.
    pub(super) fn wake_process(&mut self) {
        let now_ns = self.clocks.true_ns();
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.asleep && process.engine.is_woken() {
            process.asleep = false;
            process.nap += 1;
            let (generation, nap) = (process.generation, process.nap);
            let at_ns = now_ns + self.dice.between(2 * US, 30 * US);
            self.agenda.push(at_ns, What::Turn { generation, nap });
        }
    }

    /// After a turn the journal's writer looks whether there is something for it.
    fn arm_disk(&mut self) {
        if let Some(process) = self.process.as_mut()
            && !process.disk_busy
        {
            process.disk_busy = true;
            self.disk_steps_after(self.plan.disk.write_ns);
        }
    }

    fn disk_steps_after(&mut self, (min_ns, max_ns): (u64, u64)) {
        let now_ns = self.clocks.true_ns();
        let generation = self.generation;
        let at_ns = now_ns + self.disk.slow_ns(now_ns) + self.dice.between(min_ns, max_ns);
        self.agenda.push(at_ns, What::Disk { generation });
    }

    pub(super) fn step_disk(&mut self, generation: u32) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.generation != generation {
            return;
        }
        match process.engine.step_disk() {
            Step::Wrote if self.plan.sync == SyncPolicy::Always => {
                self.disk_steps_after(self.plan.disk.sync_ns);
            }
            Step::Wrote | Step::Synced | Step::Retained | Step::Looked => {
                self.disk_steps_after(self.plan.disk.write_ns)
            }
            Step::Idle => process.disk_busy = false,
            Step::Stopped => {
                // It has failed, and the engine may not have looked yet.
                process.disk_busy = false;
                self.hampered(self.clocks.true_ns());
            }
        }
        self.note_durable();
        self.arm_disk_timer();
    }

    /// The writer is to be called without a commit: it has a sync to do, or space to look for.
    fn arm_disk_timer(&mut self) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        let Some(at_ns) = process.engine.next_disk_ns() else {
            return;
        };
        let at_ns = self.clocks.true_of_mono(at_ns).max(self.clocks.true_ns());
        if at_ns < process.disk_armed_ns {
            process.disk_armed_ns = at_ns;
            let generation = process.generation;
            self.agenda.push(at_ns, What::DiskTimer { generation });
        }
    }

    pub(super) fn disk_timer(&mut self, generation: u32) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.generation != generation {
            return;
        }
        process.disk_armed_ns = u64::MAX;
        if !process.disk_busy {
            process.disk_busy = true;
            self.disk_steps_after(self.plan.disk.sync_ns);
        }
    }

    pub(super) fn connect(&mut self, generation: u32, carrier: usize, place: usize) {
        let now_ns = self.clocks.true_ns();
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if process.generation != generation {
            return;
        }
        let again = |delay_ns| {
            let what = What::Connect {
                generation,
                carrier,
                place,
            };
            (now_ns + delay_ns, what)
        };
        match process.sessions[carrier].may_connect(place, clock::mono_ns()) {
            Ok(()) => {}
            Err(None) => return,
            Err(Some(opens_ns)) => {
                let wait_ns = opens_ns.saturating_sub(clock::mono_ns());
                let (at_ns, what) = again(wait_ns);
                return self.agenda.push(at_ns, what);
            }
        }
        if !self.carriers[carrier].is_up(now_ns) {
            let refused = std::io::ErrorKind::ConnectionRefused.into();
            let delay_ms = process.sessions[carrier].not_connected(place, refused);
            let (at_ns, what) = again(delay_ms * MS);
            return self.agenda.push(at_ns, what);
        }
        self.links_made += 1;
        let number = self.links_made;
        let link = Link::new(number, self.dice.fork(), Rc::clone(&self.stirs));
        self.carriers[carrier].accept(number, link.clone(), now_ns);
        let wire = SimWire::new(link.clone());
        if let Err(delay_ms) = process.sessions[carrier].connected(place, wire) {
            let (at_ns, what) = again(delay_ms * MS);
            return self.agenda.push(at_ns, what);
        }
        process.links[carrier][place] = Some(number);
        let joined = Joined {
            link,
            carrier,
            place,
            generation,
        };
        self.links.insert(number, joined);
        self.step_session(carrier, place, Cause::Work);
    }

    pub(super) fn session_timer(&mut self, generation: u32, carrier: usize, place: usize) {
        if let Some(process) = self.process.as_mut()
            && process.generation == generation
        {
            process.armed_ns[carrier][place] = u64::MAX;
            self.step_session(carrier, place, Cause::Timer);
        }
    }

    pub(super) fn session_stirred(&mut self, link: u32, writable: bool) {
        let Some(joined) = self.links.get(&link) else {
            return;
        };
        let (carrier, place) = (joined.carrier, joined.place);
        let current = self.process.as_ref().is_some_and(|process| {
            process.generation == joined.generation && process.links[carrier][place] == Some(link)
        });
        if current {
            let cause = if writable {
                Cause::Writable
            } else {
                Cause::Readable
            };
            self.step_session(carrier, place, cause);
        }
    }

    /// Sessions whose connector left them something to do get their turn.
    pub(super) fn step_called_sessions(&mut self) {
        let Some(process) = self.process.as_ref() else {
            return;
        };
        if process.frozen_until_ns > self.clocks.true_ns() {
            return;
        }
        let mut called = Vec::new();
        for (carrier, sessions) in process.sessions.iter().enumerate() {
            let places = 0..sessions.places();
            called.extend(
                places
                    .filter(|place| sessions.is_called(*place))
                    .map(|place| (carrier, place)),
            );
        }
        for (carrier, place) in called {
            self.step_session(carrier, place, Cause::Work);
        }
    }

    fn step_session(&mut self, carrier: usize, place: usize, cause: Cause) {
        let now_ns = self.clocks.true_ns();
        let Some(process) = self.process.as_mut() else {
            return;
        };
        let generation = process.generation;
        let stepped = process.sessions[carrier].step(place, cause);
        {
            // What the session has read may have freed the slot that was missing.
            let mut ledger = self.ledger.borrow_mut();
            if ledger.blocked[carrier] {
                ledger.hindered_now(carrier);
            }
        }
        match stepped {
            SessionStep::Live { deadline_ns, .. } => {
                let Some(deadline_ns) = deadline_ns else {
                    return;
                };
                let at_ns = self.clocks.true_of_mono(deadline_ns).max(now_ns);
                let armed_ns = &mut process.armed_ns[carrier][place];
                if at_ns < *armed_ns {
                    *armed_ns = at_ns;
                    let what = What::SessionTimer {
                        generation,
                        carrier,
                        place,
                    };
                    self.agenda.push(at_ns, what);
                }
            }
            SessionStep::Ended { delay_ms } => {
                process.links[carrier][place] = None;
                let ends = process.restarts_after_ns.is_some();
                let delay_ms = if ends { 0 } else { delay_ms };
                let what = What::Connect {
                    generation,
                    carrier,
                    place,
                };
                self.agenda.push(now_ns + delay_ms * MS, what);
            }
        }
    }
}
