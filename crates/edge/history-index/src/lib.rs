//! Which records a message has, and which messages a recipient, a state and a time have: an index that may be deleted at any time.
//!
//! The journal is the history; this only remembers where to look. It knows no journal and no partition: the engine hands it [`Fact`]s in
//! journal order, a [`Portion`] at a time, and asks for positions and summaries. Everything in it can be made again from the journal, so that damage costs a rebuild
//! and never a start: [`open`] moves what it cannot read aside and begins anew.
//!
//! ```text
//! Feeder::commit(portion)         ──► one atomic batch: rows, listings and how far the index reaches
//! HistoryIndex::positions(id)     ──► where the records of a message begin
//! HistoryIndex::list(query)       ──► a page of summaries, newest first, and how far the index reaches
//! Feeder::expire(before)          ──► rows whose records are all gone with their journal files
//! ```
//!
//! **One keyspace.** All tables live in one keyspace under a leading tag (see [`keys`]), although the store would keep them apart:
//! one memtable means that a power cut loses a suffix of the commits, progress included, and never the rows of one table without those
//! of another. It also bounds memory once, and leaves no idle table to pin the store's own log.
//!
//! **Numbers.** A recipient is known by [`RecipientHash`] only: a hash keyed with a secret that lies beside the data, never in the index.
//!
//! **Limits.** Memory: [`IndexConfig::cache_bytes`], a memtable of 8 MiB, at most four more that wait to be written, and what a
//! commit brings. Threads: one of the store's. Disk: about a third of the journal it describes; rows leave with their journal files. A page
//! has at most [`PAGE_MAX`] rows and looks at no more than [`EXAMINED_MAX`]; a message hands out at most as many positions as asked for.

mod error;
mod fact;
mod feeder;
pub mod keys;
mod list;
mod recipient;
mod row;
mod store;

pub use error::IndexError;
pub use fact::{Admission, Change, Fact, Moved, Name, NameKind, Opening, Portion, Progress};
pub use feeder::{Expired, Feeder};
pub use list::{EXAMINED_MAX, ListQuery, PAGE_MAX, Page};
pub use recipient::{RecipientHash, RecipientSecret, SecretError};
pub use row::MessageSummary;
pub use store::{Found, HistoryIndex, IndexConfig, Opened, move_aside, open};
