//! A message that has ended and been forgotten, as it was at its end.
//!
//! The engine keeps as many finished messages as [`partition::Limits::finished`] says, and after a restart those whose end the replay met. Of any other
//! nothing can happen any more, so its records say everything: they are folded by the same `apply` as those of a live message.

use journal::Position;
use message::{MessageId, TenantId};
use partition::{Limits, MessageView, Partition, Record};

use super::HistoryError;
use super::found::Found;
use crate::shared::Shared;

/// Reads what became of a message that the engine does not hold. Blocks.
pub(crate) fn recall(
    shared: &Shared,
    tenant: TenantId,
    id: MessageId,
) -> Result<MessageView, HistoryError> {
    let source = shared.history.source()?;
    let durable = source.durable();
    let (mut found, indexed, _) = Found::begin(shared, source, id)?;
    let ended = |record: &Record| matches!(record, Record::Final(_));
    if !found.records.values().any(ended) {
        found.scan(source, Position(indexed.position), durable)?;
    }
    let missing = std::mem::take(&mut found.missing);
    let view = fold(found, &shared.config.limits.partition)?;
    match view.filter(|view| view.tenant == tenant) {
        Some(view) if view.state.is_final() => Ok(view),
        None if missing.unread_bytes == 0 => Err(HistoryError::Unknown),
        // Held it is not, so it has ended, in records that nobody has read.
        Some(_) | None => Err(HistoryError::NoIndex(format!(
            "{} bytes of journal are not indexed yet",
            missing.unread_bytes
        ))),
    }
}

/// What a partition that had only this message would say of it; `None` when its admission is gone.
fn fold(found: Found, limits: &Limits) -> Result<Option<MessageView>, HistoryError> {
    let limits = Limits {
        finished: 1,
        ..limits.clone()
    };
    let mut partition = Partition::new(found.id.partition(), limits);
    for (position, record) in found.records {
        partition
            .apply(record, position)
            .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
    }
    Ok(partition.find(found.id))
}
