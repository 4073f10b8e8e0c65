//! The engine's own record: who opened the journal, and what the numbers in the records that follow stand for.

use message::CarrierId;
use partition::{OnUncertain, Policy, RetryPolicy};
use prost::Message as _;

use crate::config::EngineConfig;
use crate::history::Policies;

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
    /// The configuration it runs under.
    #[prost(uint32, tag = "4")]
    pub config_version: u32,
    /// Validity by category, in milliseconds, by [`message::Category::index`]; empty in records of releases that did not note it.
    #[prost(uint64, repeated, tag = "5")]
    pub valid_for_ms: Vec<u64>,
    /// How attempts are settled: the policy of carriers without one of their own first.
    #[prost(message, repeated, tag = "6")]
    pub policies: Vec<OpenedPolicy>,
    /// The position of the last inbound message whose time was over before a client acknowledged it; 0 for none. Here, since the record that
    /// says so may be older than what is replayed.
    #[prost(uint64, tag = "7")]
    pub inbound_expired_at: u64,
    /// How far the written log reached then: one that ends before, in the same boot, has lost files.
    #[prost(uint64, tag = "8")]
    pub written_end: u64,
}

/// [`Policy`], of a carrier.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenedPolicy {
    /// Its number; 0 for those that have no policy of their own.
    #[prost(fixed32, tag = "1")]
    pub carrier: u32,
    /// [`RetryPolicy::attempts_max`].
    #[prost(uint32, tag = "2")]
    pub attempts_max: u32,
    /// [`RetryPolicy::delay_ms`].
    #[prost(uint64, tag = "3")]
    pub delay_ms: u64,
    /// [`RetryPolicy::delay_max_ms`].
    #[prost(uint64, tag = "4")]
    pub delay_max_ms: u64,
    /// By lane: 1 = resend once, 2 = await the receipt, 3 = fail.
    #[prost(uint32, repeated, tag = "5")]
    pub on_uncertain: Vec<u32>,
    /// By lane, in milliseconds.
    #[prost(uint64, repeated, tag = "6")]
    pub uncertain_after_ms: Vec<u64>,
    /// [`Policy::uncertain_deadline_ms`].
    #[prost(uint64, tag = "7")]
    pub uncertain_deadline_ms: u64,
    /// [`Policy::receipt_deadline_ms`].
    #[prost(uint64, tag = "8")]
    pub receipt_deadline_ms: u64,
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
    let limits = &config.limits.partition;
    let of_carriers = limits.carrier_policies.iter();
    Opened {
        partitions: u32::from(config.limits.partitions),
        names: carriers
            .map(|carrier| name("carrier", carrier.id().0, carrier.name.as_str()))
            .chain(tenants.map(|tenant| name("tenant", tenant.id().0, tenant.name.as_str())))
            .chain(groups.map(|group| name("group", group.id().0, group.name().as_str())))
            .collect(),
        data_id,
        config_version: config.config_version,
        valid_for_ms: config.valid_for_ms.to_vec(),
        policies: [OpenedPolicy::new(0, &limits.policy)]
            .into_iter()
            .chain(of_carriers.map(|(carrier, policy)| OpenedPolicy::new(carrier.0, policy)))
            .collect(),
        inbound_expired_at: 0,
        written_end: 0,
    }
}

/// The policies that an Opened record notes; `None` when it notes none, or some of another kind than this release knows.
pub(crate) fn opened_policies(payload: &[u8]) -> Option<Policies> {
    let opened = Opened::decode(payload).ok()?;
    let (default, of_carriers) = opened.policies.split_first()?;
    let of_carriers = of_carriers.iter();
    Some(Policies {
        config_version: opened.config_version,
        valid_for_ms: opened.valid_for_ms.try_into().ok()?,
        default: default.policy()?,
        of_carriers: of_carriers
            .map(|of| Some((CarrierId(of.carrier), of.policy()?)))
            .collect::<Option<_>>()?,
    })
}

impl OpenedPolicy {
    fn new(carrier: u32, policy: &Policy) -> Self {
        Self {
            carrier,
            attempts_max: u32::from(policy.retry.attempts_max),
            delay_ms: policy.retry.delay_ms,
            delay_max_ms: policy.retry.delay_max_ms,
            on_uncertain: policy
                .on_uncertain
                .map(|order| match order {
                    OnUncertain::ResendOnce => 1,
                    OnUncertain::AwaitReceipt => 2,
                    OnUncertain::Fail => 3,
                })
                .to_vec(),
            uncertain_after_ms: policy.uncertain_after_ms.to_vec(),
            uncertain_deadline_ms: policy.uncertain_deadline_ms,
            receipt_deadline_ms: policy.receipt_deadline_ms,
        }
    }

    fn policy(&self) -> Option<Policy> {
        let orders = self.on_uncertain.iter().map(|number| match number {
            1 => Some(OnUncertain::ResendOnce),
            2 => Some(OnUncertain::AwaitReceipt),
            3 => Some(OnUncertain::Fail),
            _ => None,
        });
        let orders: Option<Vec<_>> = orders.collect();
        Some(Policy {
            retry: RetryPolicy {
                attempts_max: u16::try_from(self.attempts_max).ok()?,
                delay_ms: self.delay_ms,
                delay_max_ms: self.delay_max_ms,
            },
            on_uncertain: orders?.try_into().ok()?,
            uncertain_after_ms: self.uncertain_after_ms.as_slice().try_into().ok()?,
            uncertain_deadline_ms: self.uncertain_deadline_ms,
            receipt_deadline_ms: self.receipt_deadline_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_comes_back_from_its_note() {
        let policy = Policy {
            retry: RetryPolicy {
                attempts_max: 7,
                delay_ms: 250,
                delay_max_ms: 4_000,
            },
            on_uncertain: [
                OnUncertain::ResendOnce,
                OnUncertain::AwaitReceipt,
                OnUncertain::Fail,
                OnUncertain::Fail,
            ],
            uncertain_after_ms: [1, 2, 3, 4],
            uncertain_deadline_ms: 5,
            receipt_deadline_ms: 6,
        };
        let note = OpenedPolicy::new(9, &policy);
        assert_eq!(note.policy(), Some(policy));
        let newer = OpenedPolicy {
            on_uncertain: vec![1, 2, 3, 4],
            ..note
        };
        assert_eq!(newer.policy(), None);
    }

    #[test]
    fn a_note_without_policies_is_one_of_an_earlier_release() {
        assert_eq!(opened_policies(&[]), None);
        let earlier = Opened {
            partitions: 16,
            data_id: 7,
            ..Opened::default()
        };
        assert_eq!(opened_policies(&earlier.encode_to_vec()), None);
    }
}
