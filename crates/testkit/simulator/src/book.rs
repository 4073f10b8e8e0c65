//! The journal as it lies on the disk, record by record: folded through `Partition::apply`, and what it says of each message counted.
//!
//! It is read beside the engine, from the files alone, and knows nothing but them. After a kill it goes on where it had stopped, because what
//! was written is a prefix; after a power cut it begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use engine::PartitionLimits;
use journal::{LogContents, LogReader, MarkFound, Position, Storage};
use message::{AttemptNo, MessageId, MessageState, OutcomeClass, Reason};
use partition::record::{KIND_MIN, Segment, joined};
use partition::{MessageView, Partition, Record};

/// Where the engine has its journal.
const DIR: &str = "/data/journal";

/// A position that no journal reaches.
const BEHIND_ALL: Position = Position(1 << 62);

/// What the journal says of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Final states, in order.
    pub(crate) finals: Vec<MessageState>,
    /// Attempts that may be made, and where their claim stands.
    pub(crate) claims: BTreeMap<AttemptNo, u64>,
    /// Attempts that were called uncertain.
    pub(crate) doubted: BTreeSet<AttemptNo>,
    /// Attempts that were called uncertain because the process or the machine ended.
    pub(crate) doubted_by_crash: BTreeSet<AttemptNo>,
    submitted: BTreeSet<AttemptNo>,
    /// Where its admission stands.
    admitted: Option<u64>,
}

impl Tally {
    pub(crate) const fn is_admitted(&self) -> bool {
        self.admitted.is_some()
    }
}

/// The journal, folded as far as it was read.
pub(crate) struct Book {
    limits: PartitionLimits,
    partitions: Vec<Partition>,
    pub(crate) tallies: BTreeMap<MessageId, Tally>,
    begin: u64,
    read_to: Position,
    /// Where the present process began to write.
    opened_at: u64,
    /// Where a process that opened the journal when it was last read would have begun to read.
    mark: u64,
    /// Carried records read so far, those read again after a power cut included.
    pub(crate) carried: u64,
    /// Records that must not be where they are.
    pub(crate) wrong: Vec<(MessageId, String)>,
}

impl Book {
    pub(crate) fn new(partitions: u16, limits: PartitionLimits) -> Self {
        let mut book = Self {
            limits,
            partitions: Vec::new(),
            tallies: BTreeMap::new(),
            begin: 0,
            read_to: Position(0),
            opened_at: 0,
            mark: 0,
            carried: 0,
            wrong: Vec::new(),
        };
        book.close(partitions);
        book
    }

    /// Forgets what was read: what comes may not be its continuation.
    pub(crate) fn reopen(&mut self) {
        let partitions = u16::try_from(self.partitions.len()).unwrap_or(u16::MAX);
        self.close(partitions);
    }

    fn close(&mut self, partitions: u16) {
        let made = (0..partitions).map(|number| Partition::new(number, self.limits.clone()));
        self.partitions = made.collect();
        self.tallies.clear();
        (self.begin, self.read_to, self.opened_at) = (0, Position(0), 0);
    }

    /// How far it was read.
    pub(crate) const fn read_to(&self) -> Position {
        self.read_to
    }

    /// Whether it was read from the very first record on, without a gap.
    pub(crate) const fn is_whole(&self) -> bool {
        self.begin == 0
    }

    /// Whether a restart need not know the message: all was over when the replay mark moved past its admission. Where its records are
    /// gone, it must have been said to be over.
    pub(crate) fn may_be_forgotten(&self, id: MessageId, said_over: bool) -> bool {
        let Some(tally) = self.tallies.get(&id) else {
            return said_over && !self.is_whole();
        };
        let is_over = !tally.finals.is_empty();
        match tally.admitted {
            Some(begins) => is_over && begins < self.mark,
            None => (is_over || said_over) && !self.is_whole(),
        }
    }

    /// Where a restart would begin to read.
    pub(crate) const fn mark(&self) -> u64 {
        self.mark
    }

    /// What the fold holds of a message.
    pub(crate) fn find(&self, id: MessageId) -> Option<MessageView> {
        self.partitions.get(usize::from(id.partition()))?.find(id)
    }

    /// Reads what was added, as far as there are whole records.
    pub(crate) fn read_on(&mut self, storage: Arc<dyn Storage>) -> Result<(), String> {
        let reader = LogReader::open(storage, Path::new(DIR).into(), LogContents::Journal)
            .map_err(|error| error.to_string())?;
        let files = reader.files().map_err(|error| error.to_string())?;
        let Some(first) = files.first() else {
            return Ok(());
        };
        if self.read_to < first.start {
            // History that nobody has read here was given up. What was read before it is of no use without it.
            self.reopen();
            (self.begin, self.read_to) = (first.start.0, first.start);
        }
        match reader.mark().map_err(|error| error.to_string())? {
            MarkFound::Missing | MarkFound::Damaged => {}
            MarkFound::At { position, .. } => self.mark = self.mark.max(position.0),
        }
        let mut cursor = reader.cursor(self.read_to);
        // Whatever is no record ends it: the torn tail, or reserved space.
        while let Ok(Some(record)) = cursor.next(BEHIND_ALL) {
            let (begins, ends) = (record.start.0, record.position);
            let frame = record.frame;
            self.read_to = ends;
            if frame.kind < KIND_MIN {
                self.opened_at = begins;
                continue;
            }
            let decoded = Record::decode(frame.kind, frame.version, frame.payload)
                .map_err(|error| format!("at {begins}: {error}"))?;
            self.count(&decoded, begins);
            let partition = usize::from(decoded.partition());
            let partition = self
                .partitions
                .get_mut(partition)
                .ok_or_else(|| format!("at {begins}: partition {partition} is none"))?;
            partition
                .apply(decoded, begins)
                .map_err(|error| format!("at {begins}: {error}"))?;
            partition.drain_orphaned(|_, _, _| {});
        }
        Ok(())
    }

    fn count(&mut self, record: &Record, begins: u64) {
        match record {
            Record::Admitted(admitted) => {
                if let Some(id) = joined(admitted.id_high, admitted.id_low) {
                    let tally = self.tallies.entry(id).or_default();
                    if tally.admitted.is_some() {
                        self.wrong.push((id, "is admitted twice".into()));
                    }
                    tally.admitted = Some(begins);
                    if admitted.claimed {
                        tally.claims.insert(1, begins);
                    }
                }
            }
            Record::Claimed(claimed) => self.count_claim(claimed.segment, begins),
            Record::Outcome(outcome) => self.count_outcome(outcome, begins),
            Record::Final(done) => self.count_final(done),
            Record::Written(_)
            | Record::Receipt(_)
            | Record::EarlyReceipt(_)
            | Record::Inbound(_)
            | Record::InboundDone(_)
            | Record::KeyKept(_)
            | Record::Replaced(_) => {}
            Record::Carried(_) => self.carried += 1,
        }
    }

    fn count_claim(&mut self, segment: Segment, begins: u64) {
        let Some(segment) = segment.to_ref() else {
            return;
        };
        let id = segment.message;
        let tally = self.tallies.entry(id).or_default();
        if !tally.finals.is_empty() {
            self.wrong.push((id, "is claimed when it is over".into()));
        }
        tally.claims.insert(segment.attempt, begins);
    }

    fn count_outcome(&mut self, outcome: &partition::record::Outcome, begins: u64) {
        let Some(segment) = outcome.segment.to_ref() else {
            return;
        };
        let (id, attempt) = (segment.message, segment.attempt);
        let number = u8::try_from(outcome.outcome).unwrap_or(u8::MAX);
        let class = OutcomeClass::from_number(number);
        let reason = u16::try_from(outcome.reason)
            .ok()
            .and_then(Reason::from_number);
        let tally = self.tallies.entry(id).or_default();
        let mut wrong = Vec::new();
        if !tally.finals.is_empty() && class != Some(OutcomeClass::Submitted) {
            wrong.push(format!("attempt {attempt} has an outcome when all is over"));
        }
        if class == Some(OutcomeClass::Submitted) && !tally.submitted.insert(attempt) {
            wrong.push(format!("attempt {attempt} was taken twice"));
        }
        if class == Some(OutcomeClass::Uncertain) && !tally.doubted.insert(attempt) {
            wrong.push(format!("attempt {attempt} was called uncertain twice"));
        }
        if matches!(reason, Some(Reason::ProcessCrash | Reason::PowerCut)) {
            tally.doubted_by_crash.insert(attempt);
            let claimed = tally.claims.get(&attempt);
            if self.begin == 0 && claimed.is_none_or(|at| *at >= self.opened_at) {
                wrong.push(format!(
                    "attempt {attempt} is in doubt for a crash and was not claimed before it"
                ));
            }
        }
        if let Ok(next @ 1..) = AttemptNo::try_from(outcome.next_attempt)
            && outcome.next_at_ms <= outcome.at_ms
        {
            tally.claims.insert(next, begins);
        }
        self.wrong.extend(wrong.into_iter().map(|what| (id, what)));
    }

    fn count_final(&mut self, done: &partition::record::Final) {
        let Some(segment) = done.segment.to_ref() else {
            return;
        };
        let id = segment.message;
        let number = u8::try_from(done.state).unwrap_or(u8::MAX);
        let Some(state) = MessageState::from_number(number) else {
            return;
        };
        let finals = &mut self.tallies.entry(id).or_default().finals;
        if let Some(before) = finals.last().filter(|it| it.rank() >= state.rank()) {
            let what = format!("has two final states: {before}, then {state}");
            self.wrong.push((id, what));
        }
        finals.push(state);
    }
}
