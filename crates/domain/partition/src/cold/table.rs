//! Messages of which one record says all there is to say: not an entry each but a row.
//!
//! A *cold* message waits deep in a long sub-queue, and its Admitted or Carried record says everything; or it awaits a receipt, and its Carried
//! record does. What is kept in memory is where that record begins, the message's deadline (the end of its validity, or of the wait for the
//! receipt), and its [`message::MessageId::ordinal`]: 10 octets, since each is a distance from what the chunk has in common. Who needs more reads
//! the record and makes the message *warm* again.
//!
//! ```text
//! chunks by first ordinal:  [ up to 1,024 rows ] [ rows ] [ rows ] ...   a row: ordinal 4 | position 4 | deadline 2
//!                             earliest deadline, rows left                 one that left keeps its place until half of its chunk did
//! ```
//!
//! A chunk whose ids span more than a quarter of an hour, whose records lie more than 3 GiB apart, or whose deadlines are more than half a day apart
//! keeps whole numbers in that column: 8 octets.
//!
//! Deadlines cost a look at a number per chunk, not a timer per message; one is therefore found late by up to [`GRAIN_MS`], which is no
//! matter, since what is warmed is held against its exact validity before it is sent.
//!
//! Limits: [`CHUNK_ROWS`] rows a chunk; how many rows there are is bounded by whoever makes messages cold.

use std::collections::BTreeMap;

use super::column::{self, Column};

/// Rows in a chunk: 10 KiB.
const CHUNK_ROWS: usize = 1024;

/// Deadlines are kept in seconds, rounded up.
pub(crate) const GRAIN_MS: u64 = 1_000;

/// The position of a row that left; no record begins there.
const GONE: u64 = column::NONE;

/// A deadline that was handed out: whoever warms the message finds out.
const NEVER: u64 = column::NONE;

/// An ordinal is 42 bits of milliseconds and a counter of 22, of which 12 are more than one partition uses up in a millisecond.
type Ordinals = Column<u32, 22, 12>;
type Positions = Column<u32, 0, 0>;
/// In seconds.
type Deadlines = Column<u16, 0, 0>;

/// The cold messages of a partition.
#[derive(Debug, Default)]
pub(crate) struct ColdTable {
    chunks: BTreeMap<u64, Chunk>,
    len: usize,
}

/// Columns rather than rows: a row of three fields would be padded, and a search touches ordinals only.
#[derive(Debug)]
struct Chunk {
    /// Rising.
    ordinals: Ordinals,
    positions: Positions,
    deadlines_s: Deadlines,
    left: usize,
    /// No row is due before this.
    first_deadline_s: u64,
}

impl ColdTable {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a message whose record begins at `position`; one that is there already is moved to that position.
    pub(crate) fn insert(&mut self, ordinal: u64, position: u64, deadline_ms: u64) {
        let deadline_s = deadline_ms.div_ceil(GRAIN_MS);
        let last = self
            .chunks
            .range_mut(..=ordinal)
            .next_back()
            .map(|(_, chunk)| chunk);
        let Some(chunk) = last else {
            return self.open(ordinal, position, deadline_s);
        };
        let at = match chunk.ordinals.search(ordinal) {
            Ok(at) => {
                if chunk.positions.replace(at, position) == GONE {
                    chunk.left += 1;
                    self.len += 1;
                }
                chunk.deadlines_s.replace(at, deadline_s);
                chunk.first_deadline_s = chunk.first_deadline_s.min(deadline_s);
                return;
            }
            Err(at) => at,
        };
        if chunk.ordinals.len() < CHUNK_ROWS {
            chunk.insert(at, (ordinal, position, deadline_s));
            self.len += 1;
        } else if at == CHUNK_ROWS {
            self.open(ordinal, position, deadline_s);
        } else {
            let upper = chunk.split();
            self.chunks.insert(upper.ordinals.value(0), upper);
            self.insert(ordinal, position, deadline_ms);
        }
    }

    fn open(&mut self, ordinal: u64, position: u64, deadline_s: u64) {
        let mut chunk = Chunk::with_capacity(0);
        chunk.insert(0, (ordinal, position, deadline_s));
        self.chunks.insert(ordinal, chunk);
        self.len += 1;
    }

    /// Adds to `found` where the records of cold messages begin that begin before `before`, from an ordinal on; looks at some `looks` rows and gives
    /// the ordinal to go on from, `None` at the end.
    pub(crate) fn behind(
        &self,
        before: u64,
        from: u64,
        looks: usize,
        found: &mut Vec<u64>,
    ) -> Option<u64> {
        let mut looked = 0;
        for (first, chunk) in self.chunks.range(from..) {
            if looked >= looks {
                return Some(*first);
            }
            looked += chunk.positions.len();
            // The position of a row that left is before none.
            let positions = (0..chunk.positions.len()).map(|at| chunk.positions.value(at));
            found.extend(positions.filter(|at| *at < before));
        }
        None
    }

    /// Where the record of a cold message begins.
    pub(crate) fn find(&self, ordinal: u64) -> Option<u64> {
        let (_, chunk) = self.chunks.range(..=ordinal).next_back()?;
        let at = chunk.ordinals.search(ordinal).ok()?;
        Some(chunk.positions.value(at)).filter(|position| *position != GONE)
    }

    /// Takes a message out; gives where its record begins.
    pub(crate) fn remove(&mut self, ordinal: u64) -> Option<u64> {
        let (first, chunk) = self.chunks.range_mut(..=ordinal).next_back()?;
        let at = chunk.ordinals.search(ordinal).ok()?;
        let position = chunk.positions.replace(at, GONE);
        if position == GONE {
            return None;
        }
        self.len -= 1;
        chunk.left -= 1;
        let first = *first;
        if chunk.left == 0 {
            self.chunks.remove(&first);
        } else if chunk.left * 2 <= chunk.ordinals.len() {
            // The chunk keeps its key, which is below all that is left in it.
            chunk.compact();
        }
        Some(position)
    }

    /// Hands out messages whose time is over, at most `max`, each once: ordinal and position.
    pub(crate) fn take_due(&mut self, now_ms: u64, max: usize, due: &mut Vec<(u64, u64)>) {
        let now_s = now_ms / GRAIN_MS;
        let end = due.len() + max;
        let chunks = self.chunks.values_mut();
        for chunk in chunks.filter(|chunk| chunk.first_deadline_s <= now_s) {
            chunk.take_due(now_s, end, due);
            if due.len() >= end {
                return;
            }
        }
    }
}

impl Chunk {
    fn with_capacity(rows: usize) -> Self {
        Self {
            ordinals: Column::with_capacity(rows),
            positions: Column::with_capacity(rows),
            deadlines_s: Column::with_capacity(rows),
            left: 0,
            first_deadline_s: NEVER,
        }
    }

    fn insert(&mut self, at: usize, (ordinal, position, deadline_s): (u64, u64, u64)) {
        self.ordinals.insert(at, ordinal);
        self.positions.insert(at, position);
        self.deadlines_s.insert(at, deadline_s);
        self.left += 1;
        self.first_deadline_s = self.first_deadline_s.min(deadline_s);
    }

    /// Takes the upper half off, into a chunk of its own.
    fn split(&mut self) -> Self {
        let at = self.ordinals.len() / 2;
        let positions = self.positions.split_off(at);
        let left = (0..positions.len())
            .filter(|at| positions.value(*at) != GONE)
            .count();
        self.left -= left;
        Self {
            ordinals: self.ordinals.split_off(at),
            positions,
            deadlines_s: self.deadlines_s.split_off(at),
            left,
            first_deadline_s: self.first_deadline_s,
        }
    }

    /// Drops the rows that left, and the memory they took.
    fn compact(&mut self) {
        let mut rows = Self::with_capacity(self.left);
        for at in 0..self.ordinals.len() {
            let position = self.positions.value(at);
            if position != GONE {
                let row = (
                    self.ordinals.value(at),
                    position,
                    self.deadlines_s.value(at),
                );
                rows.insert(rows.ordinals.len(), row);
            }
        }
        *self = rows;
    }

    fn take_due(&mut self, now_s: u64, end: usize, due: &mut Vec<(u64, u64)>) {
        let mut first_deadline_s = NEVER;
        for at in 0..self.ordinals.len() {
            let position = self.positions.value(at);
            if position == GONE {
                continue;
            }
            let mut deadline_s = self.deadlines_s.value(at);
            if deadline_s <= now_s && due.len() < end {
                deadline_s = NEVER;
                self.deadlines_s.replace(at, NEVER);
                due.push((self.ordinals.value(at), position));
            }
            first_deadline_s = first_deadline_s.min(deadline_s);
        }
        self.first_deadline_s = first_deadline_s;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert { ordinal: u64, expires_s: u64 },
        Rise { count: u64, expires_s: u64 },
        Remove { which: usize },
        RemoveMany { from: usize, count: usize },
        Due { now_s: u64, max: usize },
    }

    /// Mostly as ids are made, and now and then as after hours with a stopped clock.
    fn ordinal() -> impl Strategy<Value = u64> {
        prop_oneof![
            9 => (0..3_000_u64, 0..64_u64).prop_map(|(ms, counter)| (ms << 22) | counter),
            1 => 0..(1_u64 << 40),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        let expires_s = 1..100_u64;
        prop_oneof![
            3 => (ordinal(), expires_s.clone())
                .prop_map(|(ordinal, expires_s)| Step::Insert { ordinal, expires_s }),
            3 => (1..900_u64, expires_s).prop_map(|(count, expires_s)| Step::Rise { count, expires_s }),
            3 => any::<usize>().prop_map(|which| Step::Remove { which }),
            2 => (any::<usize>(), 1..2_000_usize)
                .prop_map(|(from, count)| Step::RemoveMany { from, count }),
            1 => (0..100_u64, 1..500_usize).prop_map(|(now_s, max)| Step::Due { now_s, max }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rows_are_those_of_an_ordered_map(script in proptest::collection::vec(step(), 1..60)) {
            let mut table = ColdTable::default();
            let mut model: BTreeMap<u64, (u64, Option<u64>)> = BTreeMap::new();
            let mut position = 0;
            let mut put = |table: &mut ColdTable, model: &mut BTreeMap<_, _>, ordinal, expires_s: u64| {
                position += 100;
                table.insert(ordinal, position, expires_s * 1_000 - 1);
                model.insert(ordinal, (position, Some(expires_s)));
            };
            for step in script {
                match step {
                    Step::Insert { ordinal, expires_s } => put(&mut table, &mut model, ordinal, expires_s),
                    Step::Rise { count, expires_s } => {
                        let above = model.last_key_value().map_or(0, |(last, _)| *last);
                        for nth in 1..=count {
                            put(&mut table, &mut model, above + (nth << 22), expires_s);
                        }
                    }
                    Step::Remove { which } => {
                        let known = model.keys().nth(which % model.len().max(1)).copied();
                        if let Some(ordinal) = known {
                            let (at, _) = model.remove(&ordinal).unwrap();
                            prop_assert_eq!(table.remove(ordinal), Some(at));
                            prop_assert_eq!(table.remove(ordinal), None);
                        }
                    }
                    Step::RemoveMany { from, count } => {
                        let from = from % model.len().max(1);
                        let some: Vec<_> = model.keys().skip(from).take(count).copied().collect();
                        for ordinal in some {
                            let (at, _) = model.remove(&ordinal).unwrap();
                            prop_assert_eq!(table.remove(ordinal), Some(at));
                        }
                    }
                    Step::Due { now_s, max } => {
                        let mut due = Vec::new();
                        table.take_due(now_s * 1_000, max, &mut due);
                        let expired = model.values().filter(|(_, at)| at.is_some_and(|at| at <= now_s));
                        prop_assert_eq!(due.len(), expired.count().min(max));
                        for (ordinal, at) in due {
                            let (position, expiry) = model.get_mut(&ordinal).unwrap();
                            prop_assert_eq!(at, *position);
                            prop_assert!(expiry.take().unwrap() <= now_s, "handed out early, or twice");
                        }
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for (ordinal, (position, _)) in &model {
                prop_assert_eq!(table.find(*ordinal), Some(*position));
                prop_assert_eq!(table.find(*ordinal + 1).is_some(), model.contains_key(&(*ordinal + 1)));
            }
            let rows: usize = table.chunks.values().map(|chunk| chunk.ordinals.len()).sum();
            prop_assert!(rows <= 2 * model.len() + 1, "rows that left keep {rows} rows for {}", model.len());
        }
    }
}
