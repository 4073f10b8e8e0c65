//! Feeding the index: a value with a step, driven by a thread.
//!
//! ```text
//!            ┌────────────── no index could be opened: later ◄──────────────┐
//!            ▼                                                              │
//! Closed ──open, compare with the journal──► Open ──portion, portion, …     │
//!   ▲                                         │                             │
//!   │                                  a write or read failed, or it describes what is no more
//!   │                                         ▼                             │
//!   └──nobody has it open any more; damage is moved aside──── Closing ──────┘
//! ```

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use history_index::{
    Feeder, Found, IndexConfig, IndexError, Name, NameKind, Opening, Portion, Progress,
    RecipientSecret,
};
use journal::{LogCursor, Position, ReadError};
use message::stable_hash;
use partition::Record;

use super::facts::fact;
use super::slot::OpenIndex;
use super::{History, LogSource};
use crate::opened::{OPENED_KIND, opened_names};

/// Most records of a commit: enough that a message's records mostly meet in one, few enough for a few megabytes.
pub(crate) const PORTION_RECORDS: usize = 8_192;
/// How often rows whose journal files are gone are looked for, in milliseconds.
const EXPIRE_EVERY_MS: u64 = 30_000;
/// Most rows removed in a step.
const EXPIRE_MAX: usize = 2_000;
/// Where nobody reads, nobody has anything left to read.
const NOBODY_READS: Position = Position(u64::MAX);
/// Failures at one place of the journal before its file is given up.
const FAILURES_MAX: u32 = 5;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    More,
    /// All that is durable is indexed.
    CaughtUp,
    /// Something failed, and was told; later it may not.
    Trouble,
}

/// The feeder and its way through the journal.
#[derive(Debug)]
pub(crate) struct Feed {
    history: Arc<History>,
    source: LogSource,
    /// The data directory.
    dir: PathBuf,
    state: State,
    /// So that the same trouble is told once.
    told: String,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(Box<Open>),
    Closing { queries: Weak<()>, remedy: Remedy },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    OpenAgain,
    Rebuild,
}

#[derive(Debug)]
struct Open {
    feeder: Feeder,
    secret: RecipientSecret,
    cursor: LogCursor,
    /// Gone when no query has the index and neither has the slot.
    lease: Weak<()>,
    portion: Portion,
    /// The last record of the portion, for [`Progress::last_check`].
    last: Vec<u8>,
    expire_at_ms: u64,
    failures: u32,
}

impl Feed {
    pub(crate) fn new(history: Arc<History>, source: LogSource, dir: PathBuf) -> Self {
        // Until the index says how far it is.
        source.appender.note_read(Position(0));
        Self {
            history,
            source,
            dir,
            state: State::Closed,
            told: String::new(),
        }
    }

    /// Does a little: opens the index, or indexes a portion, or removes some rows.
    pub(crate) fn step(&mut self, wall_ms: u64) -> Step {
        let stepped = match &mut self.state {
            State::Closed => self.open(wall_ms),
            State::Open(open) => open.step(&self.history, &self.source, wall_ms),
            State::Closing { queries, remedy } => {
                if queries.strong_count() > 0 {
                    return Step::Trouble;
                }
                let rebuild = *remedy == Remedy::Rebuild;
                let dir = index_dir(&self.dir);
                let moved = if rebuild {
                    history_index::move_aside(&dir).map(drop)
                } else {
                    Ok(())
                };
                moved.map(|()| {
                    self.state = State::Closed;
                    Step::More
                })
            }
        };
        match stepped {
            Ok(step) => {
                if step == Step::CaughtUp {
                    self.told.clear();
                }
                step
            }
            Err(error) => {
                self.fail(&error);
                Step::Trouble
            }
        }
    }

    /// A step panicked: the index counts as damaged.
    pub(crate) fn give_up(&mut self) -> Step {
        self.fail(&IndexError::Damaged("the store failed on it".into()));
        Step::Trouble
    }

    /// Puts what was indexed onto the device and closes the index.
    pub(crate) fn close(self) {
        self.history.slot.clear("the engine has ended");
        self.source.appender.note_read(NOBODY_READS);
        if let State::Open(open) = self.state
            && let Err(error) = open.feeder.sync()
        {
            tracing::warn!(%error, "the history index could not be synced; its end may be fed again");
        }
    }

    fn open(&mut self, wall_ms: u64) -> Result<Step, IndexError> {
        let secret = RecipientSecret::load_or_make(&self.dir.join("history.key"))
            .map_err(|error| IndexError::Io(error.to_string()))?;
        let opened = history_index::open(&IndexConfig {
            dir: index_dir(&self.dir),
            secret: secret.clone(),
            cache_bytes: self.history.limits.cache_bytes,
        })?;
        match &opened.found {
            Found::Kept => {}
            Found::Empty => tracing::info!("the history index is built from the journal"),
            Found::MovedAside { to, why } => {
                self.history
                    .figures
                    .rebuilds
                    .fetch_add(1, Ordering::Relaxed);
                tracing::error!(to = %to.display(), why, "the history index could not be read: moved aside, and built again from the journal");
            }
        }
        let progress = opened.feeder.progress();
        let kept = Arc::new(());
        let lease = Arc::downgrade(&kept);
        if !describes(&self.source, progress) {
            tracing::warn!(
                position = progress.position,
                "the history index describes records that the journal has lost: it is built again"
            );
            self.history
                .figures
                .rebuilds
                .fetch_add(1, Ordering::Relaxed);
            drop(kept);
            self.state = State::Closing {
                queries: lease,
                remedy: Remedy::Rebuild,
            };
            return Ok(Step::More);
        }
        self.history.figures.indexed(progress);
        self.source.appender.note_read(Position(progress.position));
        self.history.slot.put(OpenIndex {
            index: opened.index,
            secret: secret.clone(),
            lease: kept,
        });
        self.state = State::Open(Box::new(Open {
            feeder: opened.feeder,
            secret,
            cursor: self.source.reader.cursor(Position(progress.position)),
            lease,
            portion: Portion {
                progress,
                ..Portion::default()
            },
            last: Vec::new(),
            expire_at_ms: wall_ms,
            failures: 0,
        }));
        Ok(Step::More)
    }

    /// Tells, and closes the index if it was open.
    fn fail(&mut self, error: &IndexError) {
        let text = error.to_string();
        if text != self.told {
            tracing::error!(%error, "the history index is not at work; messages are not affected");
        }
        self.history.slot.clear(&text);
        // It may take long to come back, and what it misses by then is counted.
        self.source.appender.note_read(NOBODY_READS);
        self.told = text;
        if let State::Open(open) = &self.state {
            let remedy = if error.is_damage() {
                self.history
                    .figures
                    .rebuilds
                    .fetch_add(1, Ordering::Relaxed);
                Remedy::Rebuild
            } else {
                Remedy::OpenAgain
            };
            let queries = Weak::clone(&open.lease);
            self.state = State::Closing { queries, remedy };
        }
    }
}

fn index_dir(dir: &std::path::Path) -> PathBuf {
    dir.join("history")
}

/// Whether the last record that the index knows is the one in the journal. After a power cut without a sync before it, it may not be.
fn describes(source: &LogSource, progress: Progress) -> bool {
    if progress.position == 0 {
        return true;
    }
    if Position(progress.position) > source.durable() {
        return false;
    }
    match source.reader.fetcher().fetch(Position(progress.last_start)) {
        Ok(record) => check_of(record.frame.payload) == progress.last_check,
        // Old enough to have been dropped: nothing before it can be lost.
        Err(ReadError::Gone { .. }) => true,
        Err(ReadError::NoRecord { .. } | ReadError::Log(_)) => false,
    }
}

fn check_of(payload: &[u8]) -> u64 {
    stable_hash(&[payload])
}

impl Open {
    fn step(
        &mut self,
        history: &History,
        source: &LogSource,
        wall_ms: u64,
    ) -> Result<Step, IndexError> {
        let read = self.read_portion(source.durable());
        if self.portion.progress != self.feeder.progress() {
            self.portion.progress.last_check = check_of(&self.last);
            self.feeder.commit(&self.portion)?;
            let records = self.portion.facts.len() as u64;
            history
                .figures
                .records
                .fetch_add(records, Ordering::Relaxed);
            history.figures.indexed(self.portion.progress);
            let read = Position(self.portion.progress.position);
            source.appender.note_read(read);
        }
        self.portion.facts.clear();
        self.portion.names.clear();
        self.portion.openings.clear();
        match read {
            Ok(true) => return Ok(Step::More),
            Ok(false) => {}
            Err(error) => return Ok(self.go_around(history, source, &error)),
        }
        if wall_ms >= self.expire_at_ms {
            return self.expire(source, wall_ms);
        }
        Ok(Step::CaughtUp)
    }

    /// Reads up to a portion's worth of records; `true` when there may be more.
    fn read_portion(&mut self, durable: Position) -> Result<bool, ReadError> {
        for _ in 0..PORTION_RECORDS {
            let Some(record) = self.cursor.next(durable)? else {
                return Ok(false);
            };
            self.failures = 0;
            let (start, end) = (record.start.0, record.position.0);
            let frame = record.frame;
            self.last.clear();
            self.last.extend_from_slice(frame.payload);
            let progress = &mut self.portion.progress;
            (progress.position, progress.last_start) = (end, start);
            if frame.kind == OPENED_KIND {
                self.portion.names.extend(names(frame.payload));
                self.portion.openings.push(Opening {
                    start,
                    note: frame.payload.to_vec(),
                });
                continue;
            }
            // A record of a newer release is no reason to stop: the engine itself refuses to start on one.
            let Ok(record) = Record::decode(frame.kind, frame.version, frame.payload) else {
                continue;
            };
            if let Some(fact) = fact(&self.secret, (start, end), &record) {
                progress.at_ms = progress.at_ms.max(fact.at_ms);
                self.portion.facts.push(fact);
            }
        }
        Ok(true)
    }

    /// The journal cannot be read on at the cursor: what was let go meanwhile is skipped, and a spot that stays bad with the rest of its
    /// file.
    fn go_around(&mut self, history: &History, source: &LogSource, error: &ReadError) -> Step {
        self.failures += 1;
        let at = self.cursor.position();
        let next = match error {
            ReadError::Gone { oldest, .. } => Some(*oldest),
            ReadError::NoRecord { .. } | ReadError::Log(_) if self.failures >= FAILURES_MAX => {
                let files = source.reader.files().unwrap_or_default();
                let starts = files.iter().map(|file| file.start);
                starts.filter(|start| *start > at).min()
            }
            ReadError::NoRecord { .. } | ReadError::Log(_) => None,
        };
        let Some(next) = next.filter(|next| *next > at) else {
            tracing::warn!(%error, position = at.0, "the history index cannot read on in the journal");
            return Step::Trouble;
        };
        let bytes = next.0 - at.0;
        tracing::warn!(%error, from = at.0, to = next.0, bytes, "the history index leaves out a part of the journal");
        history
            .figures
            .skipped_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        self.cursor = source.reader.cursor(next);
        self.failures = 0;
        Step::More
    }

    fn expire(&mut self, source: &LogSource, wall_ms: u64) -> Result<Step, IndexError> {
        let files = source.reader.files();
        let oldest = files.ok().and_then(|files| Some(files.first()?.start.0));
        let expired = match oldest {
            Some(oldest) => self.feeder.expire(oldest, EXPIRE_MAX)?,
            None => return Ok(Step::CaughtUp),
        };
        if expired.more {
            return Ok(Step::More);
        }
        self.expire_at_ms = wall_ms.saturating_add(EXPIRE_EVERY_MS);
        Ok(Step::CaughtUp)
    }
}

fn names(payload: &[u8]) -> Vec<Name> {
    let named = opened_names(payload).into_iter();
    named
        .filter_map(|(kind, number, slug)| {
            let kind = match kind.as_str() {
                "carrier" => NameKind::Carrier,
                "group" => NameKind::Group,
                "tenant" => NameKind::Tenant,
                // A sort of name of a newer release.
                _ => return None,
            };
            Some(Name { kind, number, slug })
        })
        .collect()
}
