//! Parts of an hour into one file: a stream of rows from sorted files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::error::Damage;
use crate::file::KeyFile;
use crate::format::KeyRow;

/// Parts of one hour that call for a merge before the hour is over.
pub const PARTS_MAX: usize = 16;

/// A file of so many rows is merged no more: it is the work of some seconds, and filing waits as long.
pub const WHOLE_ROWS: u64 = 4_000_000;

/// A reader of one part: a block at a time.
struct Cursor {
    file: Arc<KeyFile>,
    next_block: u32,
    rows: Vec<KeyRow>,
    at: usize,
}

impl Cursor {
    fn new(file: Arc<KeyFile>) -> Self {
        Self {
            file,
            next_block: 0,
            rows: Vec::new(),
            at: 0,
        }
    }

    fn next(&mut self) -> Result<Option<KeyRow>, Damage> {
        if self.at == self.rows.len() {
            if self.next_block == self.file.blocks() {
                return Ok(None);
            }
            self.file.rows_of(self.next_block, &mut self.rows)?;
            self.next_block += 1;
            self.at = 0;
        }
        let row = self.rows.get(self.at).copied();
        self.at += 1;
        Ok(row)
    }
}

/// Gives each row of the parts once, in order of keys; of a key that stands in several, the row that lasts longest.
pub(crate) fn merged<E: From<Damage>>(
    parts: &[Arc<KeyFile>],
    mut each: impl FnMut(&KeyRow) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursors: Vec<_> = parts.iter().cloned().map(Cursor::new).collect();
    let mut heads: Vec<Option<KeyRow>> = Vec::with_capacity(cursors.len());
    let mut order = BinaryHeap::with_capacity(cursors.len());
    for (at, cursor) in cursors.iter_mut().enumerate() {
        let head = cursor.next()?;
        order.extend(head.map(|row| Reverse((row.key, at))));
        heads.push(head);
    }
    let mut waiting: Option<KeyRow> = None;
    while let Some(Reverse((_, at))) = order.pop() {
        let next = cursors[at].next()?;
        order.extend(next.map(|row| Reverse((row.key, at))));
        let Some(row) = std::mem::replace(&mut heads[at], next) else {
            continue;
        };
        match waiting.filter(|before| before.key == row.key) {
            Some(before) if before.until_ms >= row.until_ms => {}
            Some(_) => waiting = Some(row),
            None => {
                if let Some(done) = waiting.replace(row) {
                    each(&done)?;
                }
            }
        }
    }
    waiting.map_or(Ok(()), |last| each(&last))
}
