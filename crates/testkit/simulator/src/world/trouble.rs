//! What goes wrong, and what follows for the process.

use engine::EngineFailure;

use super::World;
use super::agenda::What;
use super::audit::At;
use crate::clock::{MS, SECOND};
use crate::net::Cut;
use crate::plan::Fault;

/// How long a supervisor waits before it starts a process that failed.
const RESTART_AFTER_NS: u64 = 500 * MS;
/// What a process that is asked to end may take to do so before it is killed.
const STOP_WITHIN_NS: u64 = 8 * SECOND;

/// How an engine did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    DidNotOpen,
    Failed,
    DidNotClose,
}

impl How {
    const fn text(self) -> &'static str {
        match self {
            Self::DidNotOpen => "did not open",
            Self::Failed => "failed",
            Self::DidNotClose => "did not close",
        }
    }
}

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        let now_ns = self.clocks.true_ns();
        match fault {
            Fault::Kill { down_ns } => self.kill(down_ns),
            Fault::KillInWrite { bytes } => {
                self.disk_faults += 1;
                self.killed_in_write = true;
                self.disk.kill_in_next_write(bytes);
            }
            Fault::PowerCut { down_ns } => self.cut_power(down_ns),
            Fault::Stop { down_ns } => self.stop_in_order(down_ns),
            Fault::Freeze { for_ns } => {
                if let Some(process) = &mut self.process {
                    process.freeze(now_ns + for_ns);
                }
                self.hampered(now_ns + for_ns);
            }
            Fault::SlowDisk { for_ns, by_ns } => {
                self.disk.slow_down(now_ns + for_ns, by_ns);
                self.hampered(now_ns + for_ns + 2 * by_ns);
            }
            Fault::SyncFails => {
                self.disk_faults += 1;
                self.disk.fail_next_sync();
            }
            Fault::WriteFails => {
                self.disk_faults += 1;
                self.disk.fail_next_write();
            }
            Fault::DiskFull { for_ns } => {
                self.disk.fill();
                self.disk_is_full = true;
                self.agenda.push(now_ns + for_ns, What::DiskHeals);
            }
            Fault::WallStep { by_ms } => self.clocks.step_wall(by_ms),
            Fault::CutLink { carrier, cut } => {
                for joined in self.links.values() {
                    if joined.carrier == carrier && joined.generation == self.generation {
                        joined.link.cut(cut);
                    }
                }
            }
            Fault::CarrierRestart { carrier, down_ns } => {
                self.carriers[carrier].restart(down_ns, now_ns);
            }
            Fault::RefuseBinds { carrier, for_ns } => {
                self.carriers[carrier].refuse_binds(for_ns, now_ns);
            }
        }
    }

    pub(super) fn disk_heals(&mut self) {
        self.disk.make_room();
        self.disk_is_full = false;
    }

    /// An engine that fails without a fault of the disk broke a promise. On a full disk it opens and goes on; that it
    /// cannot write what waits when it ends is all that it may say.
    pub(super) fn judge_failure(&mut self, how: How, failure: &EngineFailure) {
        let now_ns = self.clocks.true_ns();
        if self.disk_faults > 0 {
            self.disk_faults -= 1;
        } else if !self.disk_is_full || how != How::DidNotClose {
            let seconds = now_ns as f64 / SECOND as f64;
            self.broken.push(format!(
                "at {seconds:.6} s the engine {}: {failure}",
                how.text()
            ));
        }
    }

    /// `kill -9`: what the kernel has it keeps.
    fn kill(&mut self, down_ns: u64) {
        if self.process.is_none() {
            return;
        }
        self.disk.kill_process();
        self.audit(At::Ended);
        self.lose_process(down_ns);
    }

    fn cut_power(&mut self, down_ns: u64) {
        let now_ns = self.clocks.true_ns();
        // What the kernel had not sent is lost, and nobody tells the carriers.
        for joined in self.links.values() {
            if joined.generation == self.generation {
                joined.link.cut(Cut::Silent);
            }
        }
        if self.process.is_some() {
            self.ended_ns = now_ns;
            self.leave_unsynced();
            self.process = None;
        }
        self.set_back(self.ended_ns);
        self.disk.cut_power();
        self.book.reopen();
        self.powers_cut += 1;
        self.lose_process(down_ns);
        self.clocks.advance_to(now_ns);
        self.clocks.boot();
    }

    fn lose_process(&mut self, down_ns: u64) {
        if self.process.is_some() {
            self.ended_ns = self.clocks.true_ns();
            self.leave_unsynced();
        }
        self.process = None;
        // With the process goes what was to go wrong for it.
        self.disk_faults = 0;
        self.clients_lose_process();
        self.agenda
            .push(self.clocks.true_ns() + down_ns, What::Start);
    }

    /// Asks the process to end, and starts it again so long after it has.
    pub(super) fn stop_in_order(&mut self, down_ns: u64) {
        let Some(process) = &mut self.process else {
            return;
        };
        if process.restarts_after_ns.is_some() {
            return;
        }
        process.restarts_after_ns = Some(down_ns);
        process.engine.drain();
        let generation = process.generation;
        for (carrier, place) in process.unconnected() {
            let what = What::Connect {
                generation,
                carrier,
                place,
            };
            self.agenda.push(self.clocks.true_ns(), what);
        }
        let at_ns = self.clocks.true_ns() + STOP_WITHIN_NS;
        self.agenda.push(at_ns, What::StopOverdue { generation });
    }

    /// A process that did not end in time is killed, as its supervisor would.
    pub(super) fn stop_overdue(&mut self, generation: u32) {
        let is_it = |process: &super::Process| process.generation == generation;
        if self.process.as_ref().is_some_and(is_it) {
            self.kill(RESTART_AFTER_NS);
        }
    }

    pub(super) fn ended_in_order(&mut self) {
        let Some(process) = self.process.take() else {
            return;
        };
        let down_ns = process.restarts_after_ns.unwrap_or(RESTART_AFTER_NS);
        // What the end still had to say is heard: the watcher lives as long as the process.
        self.process = Some(process);
        self.poll_answers();
        if let Some(process) = self.process.take() {
            let known = self.all_known(&process);
            self.process = Some(process);
            self.ended_ns = self.clocks.true_ns();
            self.leave_unsynced();
            let closed = self.process.take().map(|process| process.engine.close());
            self.disk.kill_process();
            match closed {
                Some(Err(failure)) => self.judge_failure(How::DidNotClose, &failure),
                Some(Ok(())) | None => {
                    self.all_is_synced();
                    self.audit_closed(&known);
                }
            }
        }
        self.clients_lose_process();
        self.agenda
            .push(self.clocks.true_ns() + down_ns, What::Start);
    }

    /// The engine failed: the process ends with an error and is started again.
    pub(super) fn failed(&mut self, failure: &EngineFailure) {
        self.judge_failure(How::Failed, failure);
        // A disk that fails promises nothing, and what it failed at lies before the engine knows.
        self.hampered(self.clocks.true_ns());
        self.poll_answers();
        self.disk.kill_process();
        self.audit(At::Ended);
        self.lose_process(RESTART_AFTER_NS);
    }

    /// Nothing goes wrong any more: the world comes to rest.
    pub(super) fn calm_down(&mut self) {
        self.disk_heals();
        if self.disk.spare_next_write() {
            self.disk_faults = self.disk_faults.saturating_sub(1);
        }
        for carrier in &mut self.carriers {
            carrier.calm_down();
        }
        self.settling = true;
    }
}
