//! The engine's own record: who opened the journal, and what the numbers in the records that follow stand for.

use prost::Message as _;

use crate::config::EngineConfig;

/// The kind of the engine's own record: who wrote what follows.
pub const OPENED_KIND: u8 = 1;
const _: () = assert!(OPENED_KIND < partition::record::KIND_MIN);

/// Who opened the journal, and what the numbers in the records that follow stand for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Opened {
    /// How many partitions the data directory has.
    #[prost(uint32, tag = "1")]
    pub partitions: u32,
    /// What the numbers stand for.
    #[prost(message, repeated, tag = "2")]
    pub names: Vec<OpenedName>,
    /// The identity of the data directory: positions of another one are told apart by it.
    #[prost(fixed64, tag = "3")]
    pub data_id: u64,
}

/// What a number in records stands for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenedName {
    /// What it is a number of: `carrier`, `tenant` or `group`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The number.
    #[prost(fixed32, tag = "2")]
    pub number: u32,
    /// The name in the configuration.
    #[prost(string, tag = "3")]
    pub slug: String,
}

impl Opened {
    /// The record of a payload of [`OPENED_KIND`].
    ///
    /// # Errors
    /// What the decoder says, when it is not one.
    pub fn of_payload(payload: &[u8]) -> Result<Self, String> {
        Self::decode(payload).map_err(|error| error.to_string())
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        self.encode_raw(out);
    }
}

/// Kind, number and slug of every name in an Opened record; none when it is not one.
pub(crate) fn opened_names(payload: &[u8]) -> Vec<(String, u32, String)> {
    let opened = Opened::decode(payload).unwrap_or_default();
    let names = opened.names.into_iter();
    names
        .map(|name| (name.kind, name.number, name.slug))
        .collect()
}

pub(crate) fn opened_record(config: &EngineConfig, data_id: u64) -> Opened {
    let name = |kind: &str, number: u32, slug: &str| OpenedName {
        kind: kind.into(),
        number,
        slug: slug.into(),
    };
    let carriers = config.carriers.iter();
    let tenants = config.tenants.iter();
    let groups = config.routes.groups().iter();
    Opened {
        partitions: u32::from(config.limits.partitions),
        names: carriers
            .map(|carrier| name("carrier", carrier.id().0, carrier.name.as_str()))
            .chain(tenants.map(|tenant| name("tenant", tenant.id().0, tenant.name.as_str())))
            .chain(groups.map(|group| name("group", group.id().0, group.name().as_str())))
            .collect(),
        data_id,
    }
}
