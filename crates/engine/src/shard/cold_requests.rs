//! Requests about single messages that are cold: the record is read first, then the request is served as about any other message.
//!
//! ```text
//! request ──► cold? ──no──► served
//!              └─yes──► the reader: its record ──► find: looked at, stays cold
//!                                             └──► cancel, replace: warm, served, and back into its lane if it lives
//! ```
//!
//! Limits: a turn's requests are taken only while the reader has a place for each.

use message::Now;
use partition::{Warmed, Whole};

use super::backlog::{Purpose, Single, id_of, unreadable};
use super::{REQUESTS_PER_TURN, Shard, ShardFailure};
use crate::control::Control;
use crate::reader::Urgency;

impl Shard {
    /// Whether a turn's requests can be taken, were all of them about cold messages.
    pub(super) const fn may_ask(&self) -> bool {
        self.backlog.reader.room() >= REQUESTS_PER_TURN
    }

    /// A request that may be about a single message: given back if it can be served at once, kept until the message is read if that is
    /// cold.
    pub(super) fn ask_if_cold(&mut self, request: Control) -> Option<Control> {
        let position = request.message().and_then(|id| {
            let at = self.partition_of(id)?;
            self.partitions[at].cold_position(id)
        });
        let Some(position) = position else {
            return Some(request);
        };
        let purpose = Purpose::Single(Single::Asked(request));
        self.backlog
            .reader
            .ask(Urgency::Urgent, purpose, vec![position]);
        None
    }

    /// The record was read, or nothing was there.
    pub(super) fn serve_answer(
        &mut self,
        request: Control,
        found: Option<(u64, Whole)>,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let Some((position, record)) = found else {
            return self.serve_request(request, now);
        };
        match self.moved(&record, position)? {
            Some(_) => match self.ask_if_cold(request) {
                Some(request) => self.serve_request(request, now),
                None => Ok(()),
            },
            None => self.serve_asked(request, record, position, now),
        }
    }

    /// Serves a request about a message that was cold when it was asked. Other tenants' messages are not warmed: to them it is unknown.
    fn serve_asked(
        &mut self,
        request: Control,
        record: Whole,
        position: u64,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let id = id_of(&record)?;
        let at = usize::from(id.partition());
        let warmed = match &request {
            Control::Find {
                tenant, id: asked, ..
            } if *asked == id => {
                let glimpsed = self.partitions[at].glimpse(record, position);
                let found = glimpsed.map_err(unreadable)?;
                if let Some((view, due_ms)) = found.filter(|(view, _)| view.tenant == *tenant) {
                    request.found(view, due_ms);
                    return Ok(());
                }
                None
            }
            Control::Cancel {
                id: asked, tenant, ..
            }
            | Control::Replace {
                id: asked, tenant, ..
            } if *asked == id && *tenant == record.tenant() => self.warm(record, position)?,
            Control::Find { .. }
            | Control::Cancel { .. }
            | Control::Replace { .. }
            | Control::AcknowledgeInbound { .. }
            | Control::Stats { .. } => None,
        };
        self.serve_request(request, now)?;
        if let Some(Warmed::Queued(enqueue)) = warmed {
            if self.partitions[at].enqueue_admitted(id).is_some() {
                // After a replacement the cell finds it superseded.
                self.enter_lane(enqueue, 0, now);
            } else {
                self.cell.left_lanes(id);
                self.cell.left_place(id, enqueue.attempt);
            }
        }
        Ok(())
    }
}
