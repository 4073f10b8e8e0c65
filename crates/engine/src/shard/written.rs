//! Written records: what is about to go to the kernel.

use std::sync::atomic::{AtomicU64, Ordering};

use connector::Dispatch;
use journal::{Position, WrittenLog};
use message::{CarrierId, Now};
use partition::record::RECORD_VERSION;
use partition::{Partition, Record};

use super::DeferredQueue;
use crate::cell::{WrittenFailed, WrittenSink};

/// Makes Written records of a batch: into the page cache first, then into the partitions.
pub(super) struct Sink<'a> {
    pub(super) partitions: &'a mut [Partition],
    pub(super) written: &'a mut WrittenLog,
    pub(super) deferred: &'a mut DeferredQueue,
    pub(super) position: Position,
    /// Told how far the log is written, for those who read it.
    pub(super) readable: &'a AtomicU64,
}

impl WrittenSink for Sink<'_> {
    fn written(
        &mut self,
        carrier: CarrierId,
        batch: &[Dispatch],
        now: Now,
    ) -> Result<(), WrittenFailed> {
        let record = |dispatch: &Dispatch| {
            Record::Written(partition::record::Written {
                segment: dispatch.segment.into(),
                session: dispatch.session.0,
                carrier: carrier.0,
                at_ms: now.wall_ms,
            })
        };
        for dispatch in batch {
            let record = record(dispatch);
            self.written
                .append(record.kind(), RECORD_VERSION, &mut |out| record.encode(out))
                .map_err(failed)?;
        }
        let written = self.written.write_batch().map_err(failed)?;
        self.readable.store(written.0, Ordering::Release);
        for dispatch in batch {
            let at = usize::from(dispatch.segment.message.partition());
            let applied = self.partitions[at].apply_new(record(dispatch), 0, now);
            if let Some(change) = applied.map_err(failed)?
                && let Some(view) = self.partitions[at].find(change.id)
            {
                self.deferred
                    .unrecorded_event(self.position, &view, &change);
            }
        }
        Ok(())
    }
}

fn failed(why: impl std::fmt::Display) -> WrittenFailed {
    WrittenFailed(why.to_string())
}
