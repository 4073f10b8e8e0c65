//! Idempotency keys of past hours: immutable files with a filter in memory.
//!
//! A key that a client has used must be known for a day or longer, which at ten million messages an hour is a quarter of a billion
//! keys. They are written once, never changed, looked up seldom and forgotten by the hour, so each batch of them becomes a file: sorted rows
//! in checksummed blocks, an index of the blocks and a filter, both held in memory. A lookup asks each file's filter; only where it
//! says "perhaps" is one block of 4 KiB read. A file is deleted whole when the time of its last key is over.
//!
//! ```text
//! keys in memory ──[`KeyDirectory::file`]──► a part of an hour ──[`KeyDirectory::merge`]──► the hour ──time over──► deleted
//! ```
//!
//! # The file (format 1, little endian)
//!
//! ```text
//! header    4096 B   see below, CRC-32 in its last four bytes
//! blocks    4096 B each: 85 rows of 48 B, then block number u32, rows u32, 0 u32, CRC-32 of all before
//!             row: key hash u128, body hash u64, message id 16 octets, until u64 (ms since the epoch); rows rise by key
//! index     16 B a block: the key of its first row
//! filter    32 B a block: see [`mod@filter`]
//! ```
//!
//! | header offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `HKYKKEYS` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | CRC-32 of index and filter |
//! | 16 | 8 | rows |
//! | 24 | 4 | row blocks |
//! | 28 | 4 | filter blocks |
//! | 32 | 8 | when the first of its keys was made, ms since the epoch |
//! | 40 | 8 | when the last was made |
//! | 48 | 8 | when the last one's time is over |
//! | 56 | 8 | journal position before the first record whose key may be in here |
//! | 64 | 8 | journal position behind the last |
//! | 72 | 4020 | 0 |
//! | 4092 | 4 | CRC-32 of the 4092 bytes before |
//!
//! A file is named `FIRST-LAST-NUMBER.keys`: the two times at which its keys were made, in 13 digits, so that a file whose header cannot be
//! read still says which window it took with it, and a number that makes names unique. It is written as `NUMBER.tmp`, synced, renamed, and
//! the directory synced: a file with the final name is whole. `TIME.forgotten` is an empty mark: keys made up to then were given up before
//! their time, by choice.
//!
//! # Damage
//!
//! What does not match its checksum answers nothing: a file whose header, index or filter is bad is left alone, a bad block is passed over,
//! and in both cases [`KeyTables::window_ms`] shrinks to what is certain, until the time of the lost keys is over. Nothing is repaired and
//! nothing is skipped silently: [`KeyTables::damages`] tells.
//!
//! # Limits
//!
//! Memory: 12 bits of filter and 1.5 bits of index a key, and nothing else that grows. Disk: 48.2 bytes a key. A file holds at most
//! [`ROWS_MAX`] rows. Files: one an hour, or one for each [`WHOLE_ROWS`] keys or more of it, and while it lasts fewer than
//! [`PARTS_MAX`] parts. A merge streams, holds one block of each part and the new filter, and syncs every [`SYNC_EVERY_BYTES`], so
//! that another file's sync never waits for more.

mod audit;
mod directory;
mod error;
mod file;
pub mod filter;
mod format;
mod merge;
mod tables;
mod write;

pub use audit::{KeyFileAudit, KeyFileOutline, audit};
pub use directory::{KeyBatch, KeyDirectory, Opened};
pub use error::{Damage, KeyTableError};
pub use file::{KeyFile, ReadAt};
pub use format::{Covered, KeyRow, ROWS_MAX};
pub use merge::{PARTS_MAX, WHOLE_ROWS};
pub use tables::{FileDamage, Found, KeyTables};
pub use write::SYNC_EVERY_BYTES;
