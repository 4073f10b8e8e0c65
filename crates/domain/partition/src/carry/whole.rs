//! Records that say everything about one message.

use message::{MessageId, TenantId};

use super::{bad, entry_of_carried};
use crate::admission::entry_of;
use crate::apply::ApplyError;
use crate::entry::Entry;
use crate::record::{Admitted, Carried, Record, joined};

/// A record that a cold message can be made of again.
#[derive(Clone, Debug, PartialEq)]
pub enum Whole {
    /// It was admitted, and nothing else has happened to it.
    Admitted(Box<Admitted>),
    /// It was carried, and nothing has happened to it since.
    Carried(Box<Carried>),
}

impl TryFrom<Record> for Whole {
    /// The kind of a record that does not say everything.
    type Error = u8;

    fn try_from(record: Record) -> Result<Self, u8> {
        match record {
            Record::Admitted(record) => Ok(Self::Admitted(record)),
            Record::Carried(record) => Ok(Self::Carried(record)),
            Record::Claimed(_)
            | Record::Written(_)
            | Record::Outcome(_)
            | Record::Receipt(_)
            | Record::Final(_)
            | Record::EarlyReceipt(_)
            | Record::Inbound(_)
            | Record::InboundDone(_)
            | Record::KeyKept(_)
            | Record::Replaced(_) => Err(record.kind()),
        }
    }
}

impl Whole {
    /// What the message is.
    #[must_use]
    pub const fn message(&self) -> &Admitted {
        match self {
            Self::Admitted(record) => record,
            Self::Carried(record) => &record.message,
        }
    }

    /// The message; `None` when it is none of ours.
    #[must_use]
    pub fn id(&self) -> Option<MessageId> {
        let message = self.message();
        joined(message.id_high, message.id_low)
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        TenantId(self.message().tenant)
    }

    /// The live message, whose record begins at `position`.
    pub(crate) fn into_entry(self, position: u64) -> Result<(MessageId, Entry), ApplyError> {
        match self {
            Self::Carried(record) => entry_of_carried(*record, position).map_err(bad),
            Self::Admitted(record) => {
                let bad = |field| ApplyError { kind: 16, field };
                let id = joined(record.id_high, record.id_low).ok_or(bad("id"))?;
                Ok((id, entry_of(*record, position).map_err(bad)?))
            }
        }
    }
}
