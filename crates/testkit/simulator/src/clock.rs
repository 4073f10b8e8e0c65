//! Virtual time.
//!
//! There is one true time, which the network, the carriers and the disk live by. The machine under test reads it through two clocks of
//! its own: a monotonic one that starts anew with every boot, and a wall clock that somebody may set. The engine takes its clock as a
//! plain function, so that the reading lies in a thread-local; a run never leaves its thread.

use std::cell::Cell;

use connector::SessionNo;
use message::Now;

pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// The wall clock's reading at true time 0.
const EPOCH_MS: u64 = 1_790_000_000_000;
/// The monotonic clock's reading when a machine has booted.
const BOOTED_NS: u64 = 4 * SECOND;

thread_local! {
    static READING: Cell<Now> = const { Cell::new(Now { mono_ns: BOOTED_NS, wall_ms: EPOCH_MS }) };
    static SESSIONS: Cell<u32> = const { Cell::new(0) };
    static TRUE_NS: Cell<u64> = const { Cell::new(0) };
}

/// True time, in nanoseconds since the run began.
pub(crate) fn true_ns() -> u64 {
    TRUE_NS.get()
}

/// What the machine's clocks say.
pub(crate) fn now() -> Now {
    READING.get()
}

/// What its monotonic clock says.
pub(crate) fn mono_ns() -> u64 {
    READING.get().mono_ns
}

/// The number of the next session of the present process.
pub(crate) fn next_session() -> SessionNo {
    SESSIONS.set(SESSIONS.get() + 1);
    SessionNo(SESSIONS.get())
}

/// True time, and the machine's clocks.
#[derive(Debug)]
pub(crate) struct Clocks {
    true_ns: u64,
    booted_at_ns: u64,
    wall_step_ms: i64,
    stepped_back: bool,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        let clocks = Self {
            true_ns: 0,
            booted_at_ns: 0,
            wall_step_ms: 0,
            stepped_back: false,
        };
        clocks.show();
        clocks.process_starts();
        clocks
    }

    /// True time, in nanoseconds since the run began.
    pub(crate) const fn true_ns(&self) -> u64 {
        self.true_ns
    }

    /// Moves true time on; it never goes back.
    pub(crate) fn advance_to(&mut self, true_ns: u64) {
        self.true_ns = self.true_ns.max(true_ns);
        self.show();
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step_wall(&mut self, by_ms: i64) {
        self.wall_step_ms += by_ms;
        self.stepped_back |= by_ms < 0;
        self.show();
    }

    /// Whether the wall clock ever went back.
    pub(crate) const fn stepped_back(&self) -> bool {
        self.stepped_back
    }

    /// The machine boots: its monotonic clock starts anew.
    pub(crate) fn boot(&mut self) {
        self.booted_at_ns = self.true_ns;
        self.show();
    }

    /// A process starts: it numbers its sessions from 1.
    pub(crate) fn process_starts(&self) {
        SESSIONS.set(0);
    }

    /// The true time at which the monotonic clock of this boot shows `mono_ns`.
    pub(crate) const fn true_of_mono(&self, mono_ns: u64) -> u64 {
        self.booted_at_ns
            .saturating_add(mono_ns.saturating_sub(BOOTED_NS))
    }

    fn show(&self) {
        TRUE_NS.set(self.true_ns);
        READING.set(Now {
            mono_ns: BOOTED_NS + (self.true_ns - self.booted_at_ns),
            wall_ms: (EPOCH_MS + self.true_ns / MS).saturating_add_signed(self.wall_step_ms),
        });
    }
}
