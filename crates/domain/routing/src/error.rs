//! Why configured routes make no table.

use message::{CarrierId, Slug};
use thiserror::Error;

use crate::group::MAX_CARRIERS_PER_GROUP;
use crate::prefix::Prefix;
use crate::table::{MAX_GROUPS, MAX_ROUTES};

/// Why configured routes make no table. The configuration is at fault; the same one will never do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A route names a group that is not there.
    #[error("route of prefix `{prefix}`: route group `{group}` is not configured")]
    UnknownGroup {
        /// The prefix of the route.
        prefix: Prefix,
        /// The name that leads nowhere.
        group: Slug,
    },
    /// Two routes have one prefix.
    #[error("prefix `{prefix}` has two routes, to `{first}` and to `{second}`: allowed is one")]
    DuplicatePrefix {
        /// The prefix.
        prefix: Prefix,
        /// The group of the first route.
        first: Slug,
        /// The group of the second.
        second: Slug,
    },
    /// Two groups have one name, or two names with the same number.
    #[error(
        "route groups `{first}` and `{second}` cannot be told apart: every group needs a name, and a number, of its own"
    )]
    DuplicateGroup {
        /// One of them.
        first: Slug,
        /// The other.
        second: Slug,
    },
    /// A group has no tiers.
    #[error("route group `{group}` has no tiers: it needs at least one carrier")]
    NoTiers {
        /// The group.
        group: Slug,
    },
    /// A tier has no carriers.
    #[error("route group `{group}`: tier {tier} is empty: it needs at least one carrier")]
    EmptyTier {
        /// The group.
        group: Slug,
        /// Which tier, from 1.
        tier: usize,
    },
    /// A carrier stands twice in one group.
    #[error("route group `{group}`: carrier number {number} appears twice: allowed is once over all tiers", number = carrier.0)]
    RepeatedCarrier {
        /// The group.
        group: Slug,
        /// The carrier.
        carrier: CarrierId,
    },
    /// A group has too many carriers.
    #[error("route group `{group}` has {carriers} carriers: allowed are {MAX_CARRIERS_PER_GROUP}")]
    TooManyCarriers {
        /// The group.
        group: Slug,
        /// How many it has.
        carriers: usize,
    },
    /// Too many groups.
    #[error("{groups} route groups: allowed are {MAX_GROUPS}")]
    TooManyGroups {
        /// How many there are.
        groups: usize,
    },
    /// Too many routes.
    #[error("more than {MAX_ROUTES} routes: allowed are {MAX_ROUTES}")]
    TooManyRoutes,
}
