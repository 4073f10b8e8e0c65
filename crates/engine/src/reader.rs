//! Reads the records of cold messages back from the journal, beside the shard.
//!
//! ```text
//! shard ──ask──► questions (urgent before others) ──► reader's thread: fetch, check, decode ──► answers ──► shard's next turn
//! ```
//!
//! Urgent questions go first, but not for ever: after [`URGENT_IN_A_ROW`] of them one of the others is served. While receipts come faster than
//! their messages can be read, bulk would not go on otherwise, nothing would expire, and the replay mark would wait for what nobody reads.
//!
//! A thread of its own, because a page that is not in the cache takes milliseconds and an otp must not wait for it; it decodes too, so that
//! the shard only puts the message where it belongs. It also looks into the files of awaited receipts. Answers to questions of one kind come in the order of the questions.
//!
//! A question about a record that is not durable yet, since its message was carried just now, is kept back until it is: before, the record may not
//! be in its file.
//!
//! Limits: [`ANSWERS_MAX`] questions whose places were not given back, kept by whoever asks ([`Reader::room`]).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_queue::ArrayQueue;
use journal::{FrameRef, LogContents, LogReader, Position, RecordFetcher};
use key_table::KeyTables;
use message::MessageId;
use partition::{Record, Whole};
use queue::WakeFlag;

use crate::config::EngineConfig;

/// Most questions under way, with those whose answers are being gone through.
pub(crate) const ANSWERS_MAX: usize = 1_024;
/// Urgent questions served in a row while others wait. These are batches, which hold urgent ones up by milliseconds; how many come is bounded by what
/// lanes use up.
const URGENT_IN_A_ROW: u32 = 16;

/// Who goes first at the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody waits for the answer.
    Urgent,
    /// It is read ahead.
    Ahead,
}

/// Why a record that must be there could not be read: the journal is damaged, or we are wrong about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the record of a message at position {position} cannot be read back: {what}")]
pub(crate) struct ReadFailed {
    position: u64,
    what: String,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Sought {
    /// The records at these positions.
    Records(Vec<u64>),
    /// What files of awaited receipts know of a key.
    Row {
        /// The files.
        tables: Arc<KeyTables>,
        /// The key.
        key: u128,
        /// The wall clock.
        now_ms: u64,
    },
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The records, in the order of the question.
    Records(Result<Vec<(u64, Whole)>, ReadFailed>),
    /// The message that awaits the receipt of this key, as far as files know.
    Row(Option<MessageId>),
}

/// The place of a question at the reader. Until it is given back, the journal keeps what was asked for: if one of the records turns out to have
/// moved meanwhile, those behind it may be asked for again where they were.
#[derive(Debug)]
#[must_use = "a place that is not given back is lost, and holds the journal for ever"]
pub(crate) struct Place(u64);

/// What was asked for what, and what was found.
#[derive(Debug)]
pub(crate) struct Answer<P> {
    pub(crate) place: Place,
    pub(crate) purpose: P,
    pub(crate) found: Found,
}

#[derive(Debug)]
struct Question<P> {
    place: Place,
    purpose: P,
    sought: Sought,
}

#[derive(Debug)]
struct Questions<P> {
    urgent: VecDeque<Question<P>>,
    ahead: VecDeque<Question<P>>,
    /// Urgent ones served since one of the others was, or none waited.
    in_a_row: u32,
    closed: bool,
}

#[derive(Debug)]
struct Desk<P> {
    questions: Mutex<Questions<P>>,
    asked: Condvar,
    answers: ArrayQueue<Answer<P>>,
    flag: Arc<WakeFlag>,
}

/// The shard's end. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Reader<P> {
    desk: Arc<Desk<P>>,
    /// Places that were not given back: the number of each, and the oldest position that it asks for.
    under_way: Vec<(u64, u64)>,
    asked: u64,
    /// How far records can be read.
    durable: u64,
    /// Questions about records that are not durable, and how far the journal must be for each.
    kept_back: Vec<(u64, Urgency, Question<P>)>,
    thread: Option<JoinHandle<()>>,
    /// What it reads from itself, without a thread.
    own: Option<WholeSource>,
}

/// Who does the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadBy {
    /// A thread beside the shard.
    OwnThread,
    /// Whoever asks, at once: where time is virtual and there are no threads.
    Asker,
}

/// Fetches and decodes one record after the other.
#[derive(Debug)]
pub(crate) struct WholeSource {
    fetcher: RecordFetcher,
}

impl WholeSource {
    /// A source of the journal's records; they may be read before the journal is opened.
    pub(crate) fn open(config: &EngineConfig) -> Result<Self, journal::OpenError> {
        let dir = config.dir.join("journal");
        let reader = LogReader::open(Arc::clone(&config.storage), dir, LogContents::Journal)?;
        Ok(Self {
            fetcher: reader.fetcher(),
        })
    }

    /// The record at `position` that says everything about its message.
    pub(crate) fn fetch(&mut self, position: u64) -> Result<Whole, ReadFailed> {
        let failed = |what: String| ReadFailed { position, what };
        let record = self.fetcher.fetch(Position(position));
        let FrameRef {
            kind,
            version,
            payload,
            ..
        } = record.map_err(|error| failed(error.to_string()))?.frame;
        let record = Record::decode(kind, version, payload);
        let record = record.map_err(|error| failed(error.to_string()))?;
        Whole::try_from(record).map_err(|kind| failed(format!("record kind {kind} is there")))
    }
}

impl<P: Send + std::fmt::Debug + 'static> Reader<P> {
    /// A reader of `source`; the thread is started where there is to be one.
    pub(crate) fn start(
        source: WholeSource,
        read_by: ReadBy,
        flag: Arc<WakeFlag>,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::new(flag));
        let (thread, own) = match read_by {
            ReadBy::OwnThread => {
                let served = Arc::clone(&desk);
                let thread = std::thread::Builder::new()
                    .name("reader-0".into())
                    .spawn(move || served.serve(source))?;
                (Some(thread), None)
            }
            ReadBy::Asker => (None, Some(source)),
        };
        Ok(Self {
            desk,
            under_way: Vec::new(),
            asked: 0,
            durable: 0,
            kept_back: Vec::new(),
            thread,
            own,
        })
    }

    /// How many more questions may be asked.
    pub(crate) const fn room(&self) -> usize {
        ANSWERS_MAX.saturating_sub(self.under_way.len())
    }

    /// Whether nothing is under way.
    pub(crate) const fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The oldest position that somebody still wants to read, or may want to read again: the journal must keep it although its message may lie
    /// elsewhere by now.
    pub(crate) fn oldest_wanted(&self) -> Option<u64> {
        self.under_way.iter().map(|(_, oldest)| *oldest).min()
    }

    /// Whether its thread has died: nothing that is asked is answered any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Whether an answer waits to be taken.
    pub(crate) fn has_answer(&self) -> bool {
        !self.desk.answers.is_empty()
    }

    /// Asks for the records at these positions.
    pub(crate) fn ask(&mut self, urgency: Urgency, purpose: P, positions: Vec<u64>) {
        self.seek(urgency, purpose, Sought::Records(positions));
    }

    /// Asks.
    pub(crate) fn seek(&mut self, urgency: Urgency, purpose: P, sought: Sought) {
        debug_assert!(self.room() > 0, "whoever asks looks for room first");
        self.asked += 1;
        let number = self.asked;
        let (oldest, youngest) = match &sought {
            Sought::Records(positions) => {
                let positions = || positions.iter().copied();
                (positions().min(), positions().max())
            }
            Sought::Row { .. } => (None, None),
        };
        self.under_way.push((number, oldest.unwrap_or(u64::MAX)));
        let question = Question {
            place: Place(number),
            purpose,
            sought,
        };
        match youngest {
            Some(begins) if begins >= self.durable => {
                self.kept_back.push((begins, urgency, question));
            }
            Some(_) | None => self.hand_over(urgency, question),
        }
    }

    /// Records that begin before this position can be read.
    pub(crate) fn note_durable(&mut self, durable: u64) {
        self.durable = durable;
        let ready = |(begins, _, _): &mut (u64, Urgency, Question<P>)| *begins < durable;
        let ready: Vec<_> = self.kept_back.extract_if(.., ready).collect();
        for (_, urgency, question) in ready {
            self.hand_over(urgency, question);
        }
    }

    fn hand_over(&mut self, urgency: Urgency, question: Question<P>) {
        if let Some(source) = &mut self.own {
            self.desk.answer(question, source);
            return;
        }
        self.desk.questions().push(urgency, question);
        self.desk.asked.notify_one();
    }

    /// The next answer, whose place is to be given back.
    pub(crate) fn take_answer(&mut self) -> Option<Answer<P>> {
        self.desk.answers.pop()
    }

    /// An answer has been gone through.
    pub(crate) fn give_back(&mut self, Place(done): Place) {
        self.under_way.retain(|(number, _)| *number != done);
    }
}

impl<P> Drop for Reader<P> {
    fn drop(&mut self) {
        self.desk.questions().closed = true;
        self.desk.asked.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the reader's thread panicked; this is a defect, please report it");
        }
    }
}

impl<P> Questions<P> {
    const fn new() -> Self {
        Self {
            urgent: VecDeque::new(),
            ahead: VecDeque::new(),
            in_a_row: 0,
            closed: false,
        }
    }

    fn push(&mut self, urgency: Urgency, question: Question<P>) {
        match urgency {
            Urgency::Urgent => self.urgent.push_back(question),
            Urgency::Ahead => self.ahead.push_back(question),
        }
    }

    fn pop(&mut self) -> Option<Question<P>> {
        let others_wait = !self.ahead.is_empty();
        let urgent = match self.in_a_row {
            URGENT_IN_A_ROW if others_wait => None,
            _ => self.urgent.pop_front(),
        };
        self.in_a_row = match &urgent {
            Some(_) if others_wait => self.in_a_row + 1,
            Some(_) | None => 0,
        };
        urgent.or_else(|| self.ahead.pop_front())
    }
}

impl<P> Desk<P> {
    fn new(flag: Arc<WakeFlag>) -> Self {
        Self {
            questions: Mutex::new(Questions::new()),
            asked: Condvar::new(),
            answers: ArrayQueue::new(ANSWERS_MAX),
            flag,
        }
    }

    fn questions(&self) -> MutexGuard<'_, Questions<P>> {
        // Nothing that can panic runs under the lock.
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut source: WholeSource) {
        while let Some(question) = self.next_question() {
            self.answer(question, &mut source);
        }
    }

    /// Waits for a question; `None` when nobody will ask any more.
    fn next_question(&self) -> Option<Question<P>> {
        let mut questions = self.questions();
        loop {
            if questions.closed {
                return None;
            }
            if let Some(question) = questions.pop() {
                return Some(question);
            }
            questions = self
                .asked
                .wait(questions)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answer(&self, question: Question<P>, source: &mut WholeSource) {
        let Question {
            place,
            purpose,
            sought,
        } = question;
        let found = match sought {
            Sought::Records(positions) => {
                let records = positions.into_iter();
                let fetched = records.map(|position| Ok((position, source.fetch(position)?)));
                Found::Records(fetched.collect())
            }
            Sought::Row {
                tables,
                key,
                now_ms,
            } => Found::Row(tables.find(key, now_ms).row.map(|row| row.message)),
        };
        let kept = self.answers.push(Answer {
            place,
            purpose,
            found,
        });
        debug_assert!(kept.is_ok(), "there is a place for each question");
        self.flag.notify();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use journal::{Append as _, FileJournal, JournalConfig};
    use message::Now;
    use partition::record::{Admitted, RECORD_VERSION};

    use super::*;

    fn question(purpose: u32) -> Question<u32> {
        Question {
            place: Place(0),
            purpose,
            sought: Sought::Records(Vec::new()),
        }
    }

    #[test]
    fn however_many_are_urgent_the_others_are_served() {
        let mut questions = Questions::new();
        for _ in 0..2 * URGENT_IN_A_ROW {
            questions.push(Urgency::Urgent, question(0));
            let served = questions.pop().map(|question| question.purpose);
            assert_eq!(served, Some(0), "nothing else waits");
        }
        questions.push(Urgency::Ahead, question(1));
        questions.push(Urgency::Ahead, question(2));
        let mut served = Vec::new();
        for _ in 0..=3 * URGENT_IN_A_ROW {
            questions.push(Urgency::Urgent, question(0));
            served.extend(questions.pop().map(|question| question.purpose));
        }
        let row = URGENT_IN_A_ROW as usize;
        let mut expected = vec![0; 3 * row + 1];
        expected[row] = 1;
        expected[2 * row + 1] = 2;
        assert_eq!(served, expected);
    }

    #[test]
    fn a_record_is_read_when_it_is_durable_and_not_before() {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("hikyaku-reader-{}-{run}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let config = EngineConfig::new(dir.clone(), Now::default);
        let mut recovery = FileJournal::open(JournalConfig::new(dir.join("journal"))).unwrap();
        let nothing = |_: journal::Record<'_>| Ok::<_, std::convert::Infallible>(());
        recovery.replay(nothing).unwrap();
        let journal = recovery
            .start(Arc::new(|| {}), Arc::new(Now::default))
            .unwrap();
        let mut appender = journal.appender();
        let record = Record::Admitted(Box::default());
        let append = |appender: &mut journal::Appender| {
            let kind = record.kind();
            let placed = appender.append(kind, RECORD_VERSION, &mut |out| record.encode(out));
            placed.unwrap()
        };
        let first = append(&mut appender);
        appender.commit();
        while appender.durable() < first.end {
            std::thread::yield_now();
        }
        let source = WholeSource::open(&config).unwrap();
        let flag = Arc::new(WakeFlag::new(|| {}));
        let mut reader = Reader::start(source, ReadBy::Asker, flag).unwrap();
        reader.note_durable(appender.durable().0);
        let second = append(&mut appender);
        reader.ask(Urgency::Urgent, 'b', vec![first.start.0, second.start.0]);
        reader.ask(Urgency::Urgent, 'a', vec![first.start.0]);
        let taken = reader.take_answer().unwrap();
        assert_eq!((taken.purpose, reader.has_answer()), ('a', false));
        reader.give_back(taken.place);
        appender.commit();
        while appender.durable() < second.end {
            std::thread::yield_now();
        }
        reader.note_durable(appender.durable().0);
        let answer = reader.take_answer().unwrap();
        let Found::Records(Ok(records)) = answer.found else {
            panic!("not read: {answer:?}");
        };
        assert_eq!((answer.purpose, records.len()), ('b', 2));
        assert_eq!(records[1].1, Whole::Admitted(Box::<Admitted>::default()));
        // Some of what was read may have to be read again.
        assert_eq!(reader.oldest_wanted(), Some(first.start.0));
        assert_eq!((reader.room(), reader.is_idle()), (ANSWERS_MAX - 1, false));
        reader.give_back(answer.place);
        assert_eq!((reader.oldest_wanted(), reader.is_idle()), (None, true));
        drop((reader, appender));
        journal.close().unwrap();
        let _ = std::fs::remove_dir_all(dir);
    }
}
