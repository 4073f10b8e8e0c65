//! The shard's side of the keeper: what is sealed, what is under way, what comes next.
//!
//! ```text
//! Idle ──seal──► Sealed ──durable──► Busy ──report──► Idle
//!   └────────────tidy───────────────►┘  └──failed──► Sealed, tried again after RETRY_NS
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use key_table::Covered;
use message::Now;
use partition::KeyGeneration;

use super::keeper::{Done, Job, Keeper, Report};

/// After a file could not be made, the next try: the disk may be full for a while.
const RETRY_NS: u64 = 5_000_000_000;
/// How often files are looked through for some that are over or can be merged, when no filing gives occasion.
const TIDY_EVERY_NS: u64 = 60_000_000_000;

/// Keys on their way into a file.
#[derive(Clone, Debug)]
pub(crate) struct Filing {
    /// Of all partitions.
    pub(crate) sealed: Vec<Arc<KeyGeneration>>,
    /// The journal whose keys they are.
    pub(crate) covered: Covered,
}

/// Whether keys go into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFiles {
    /// They do, by a thread of its own.
    OnDisk,
    /// They stay in memory and in the journal, as many as the partitions take: for an engine that is stepped by hand on a disk that is none.
    None,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Sealed {
        filing: Filing,
        not_before_ns: u64,
    },
    Busy {
        /// What is to be filed; `None` while the keeper tidies.
        filing: Option<Filing>,
    },
}

/// The way to the keeper's thread and back.
#[derive(Debug)]
pub(crate) struct KeyDesk {
    state: State,
    jobs: Option<SyncSender<Job>>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<()>>,
    tidied_ns: u64,
}

impl KeyDesk {
    /// Starts the thread that drives the keeper, under a name.
    ///
    /// # Errors
    /// When the operating system starts no thread.
    pub(crate) fn start(name: &str, mut keeper: Keeper, now: Now) -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (report, reports) = sync_channel::<Report>(1);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                yield_to_others();
                while let Ok(job) = to_do.recv() {
                    if report.send(keeper.step(job)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            state: State::Idle,
            jobs: Some(jobs),
            reports,
            thread: Some(thread),
            tidied_ns: now.mono_ns,
        })
    }

    /// Nobody files anything, and nothing is ever sealed.
    pub(crate) fn without_files() -> Self {
        let (_, reports) = sync_channel(1);
        Self {
            state: State::Busy { filing: None },
            jobs: None,
            reports,
            thread: None,
            tidied_ns: 0,
        }
    }

    /// Whether a generation may be sealed now: one follows the other.
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Takes sealed keys; they are filed when the journal is durable as far as they cover it.
    pub(crate) fn take(&mut self, filing: Filing) {
        self.state = State::Sealed {
            filing,
            not_before_ns: 0,
        };
    }

    /// Gives the keeper what is ready for it.
    pub(crate) fn hand_on(&mut self, durable: u64, now: Now) {
        let job = match &self.state {
            State::Sealed {
                filing,
                not_before_ns,
            } if filing.covered.to <= durable && *not_before_ns <= now.mono_ns => {
                let filing = filing.clone();
                let job = Job::File {
                    sealed: filing.sealed.clone(),
                    covered: filing.covered,
                    now_ms: now.wall_ms,
                };
                self.state = State::Busy {
                    filing: Some(filing),
                };
                job
            }
            State::Idle if now.mono_ns.saturating_sub(self.tidied_ns) >= TIDY_EVERY_NS => {
                self.tidied_ns = now.mono_ns;
                self.state = State::Busy { filing: None };
                Job::Tidy {
                    now_ms: now.wall_ms,
                }
            }
            State::Idle | State::Sealed { .. } | State::Busy { .. } => return,
        };
        if let Some(jobs) = &self.jobs {
            // There is room: the job before has been reported. A thread that has died is noticed by `report`.
            let _ = jobs.try_send(job);
        }
    }

    /// What the keeper has done since; the state goes on from it. `Err` when its thread has died.
    pub(crate) fn report(&mut self, now: Now) -> Result<Option<Report>, KeeperGone> {
        let report = match self.reports.try_recv() {
            Ok(report) => report,
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) if self.thread.is_none() => return Ok(None),
            Err(TryRecvError::Disconnected) => return Err(KeeperGone),
        };
        let filing = match std::mem::take(&mut self.state) {
            State::Busy { filing } => filing,
            State::Idle | State::Sealed { .. } => None,
        };
        match (&report.done, filing) {
            (Err(_), Some(filing)) => {
                self.state = State::Sealed {
                    filing,
                    not_before_ns: now.mono_ns + RETRY_NS,
                };
            }
            // Filing gives occasion to tidy, and a merge to another one; what cannot be tidied now is tried at the usual time.
            (Ok(Done::Filed | Done::Merged), _) => {
                self.tidied_ns = now.mono_ns.saturating_sub(TIDY_EVERY_NS);
            }
            (Ok(Done::Tidy) | Err(_), _) => {}
        }
        Ok(Some(report))
    }
}

/// The keeper's thread has died, which is a defect of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeeperGone;

impl Drop for KeyDesk {
    /// Waits for the job that is under way, some seconds at worst: the directory must have one owner, also after a restart in this process.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Filing and merging may take seconds of a core; whoever serves messages goes first.
fn yield_to_others() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the thread that files keys runs at ordinary priority");
    }
}

/// How far the keeper stands back, on the operating system's scale of 0 to 19. On Linux this is a property of the thread.
const NICE: i32 = 10;
