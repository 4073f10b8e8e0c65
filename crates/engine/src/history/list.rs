//! Pages of messages, from the index alone.

use std::collections::HashMap;

use history_index::{ListQuery, MessageSummary};
use message::{CarrierId, MessageId, MessageState, Msisdn, TenantId};

use super::explain::Names;
use super::{HistoryError, Indexed};
use crate::shared::Shared;

/// Which messages to list. All that is given must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose.
    pub tenant: TenantId,
    /// For whom.
    pub recipient: Option<Msisdn>,
    /// Where they are; empty for anywhere.
    pub states: Vec<MessageState>,
    /// The last carrier that their records name.
    pub carrier: Option<CarrierId>,
    /// Admitted at or after, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Admitted before, in milliseconds since the epoch; `u64::MAX` for no end.
    pub until_ms: u64,
    /// Go on below this message.
    pub below: Option<MessageId>,
    /// Rows wanted, 1 to [`history_index::PAGE_MAX`].
    pub limit: usize,
}

/// Some messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages; there may be none although there are more pages.
    pub messages: Vec<MessageSummary>,
    /// Below which message the next page begins; `None` when there is nothing more.
    pub below: Option<MessageId>,
    /// How far the index reached: what came later is not listed yet.
    pub indexed: Indexed,
    /// The names of the carriers on the page.
    pub carriers: HashMap<CarrierId, String>,
}

/// Lists messages. Blocks.
pub(crate) fn list(shared: &Shared, query: HistoryQuery) -> Result<HistoryPage, HistoryError> {
    let open = shared.history.slot.open()?;
    let recipient = query
        .recipient
        .map(|number| open.secret.hash(query.tenant, number));
    let page = open
        .index
        .list(&ListQuery {
            tenant: query.tenant,
            recipient,
            states: query.states,
            carrier: query.carrier,
            since_ms: query.since_ms,
            until_ms: query.until_ms,
            below: query.below,
            limit: query.limit,
        })
        .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
    let names = Names {
        shared,
        open: Some(&open),
    };
    let carriers = page.messages.iter().filter_map(|message| message.carrier);
    Ok(HistoryPage {
        carriers: carriers.map(|id| (id, names.carrier(id))).collect(),
        messages: page.messages,
        below: page.below,
        indexed: Indexed {
            position: page.indexed.position,
            until_ms: page.indexed.at_ms,
        },
    })
}
