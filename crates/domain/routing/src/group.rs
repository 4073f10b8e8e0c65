//! The carriers that may pull a message, tier by tier.

use message::{CarrierId, RouteGroupId, Slug};

use crate::error::RouteError;

/// Carriers one group may name, over all its tiers.
pub const MAX_CARRIERS_PER_GROUP: usize = 64;

/// The carriers that may pull a message. All carriers of a tier pull side by side; a later tier pulls only when no
/// carrier of an earlier one can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteGroup {
    id: RouteGroupId,
    name: Slug,
    tiers: Vec<Vec<CarrierId>>,
}

impl RouteGroup {
    /// A group with at least one tier, no empty tier and no carrier twice.
    ///
    /// # Errors
    /// [`RouteError::NoTiers`], [`RouteError::EmptyTier`], [`RouteError::RepeatedCarrier`],
    /// [`RouteError::TooManyCarriers`].
    pub fn new(name: Slug, tiers: Vec<Vec<CarrierId>>) -> Result<Self, RouteError> {
        if tiers.is_empty() {
            return Err(RouteError::NoTiers { group: name });
        }
        if let Some(empty) = tiers.iter().position(Vec::is_empty) {
            return Err(RouteError::EmptyTier {
                group: name,
                tier: empty + 1,
            });
        }
        let mut carriers: Vec<_> = tiers.iter().flatten().copied().collect();
        if carriers.len() > MAX_CARRIERS_PER_GROUP {
            return Err(RouteError::TooManyCarriers {
                group: name,
                carriers: carriers.len(),
            });
        }
        carriers.sort_unstable();
        if let Some(pair) = carriers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(RouteError::RepeatedCarrier {
                group: name,
                carrier: pair[0],
            });
        }
        Ok(Self {
            id: RouteGroupId::of(&name),
            name,
            tiers,
        })
    }

    /// Its number, the same for ever.
    #[must_use]
    pub const fn id(&self) -> RouteGroupId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Slug {
        &self.name
    }

    /// Its tiers, the first to be asked first.
    #[must_use]
    pub fn tiers(&self) -> &[Vec<CarrierId>] {
        &self.tiers
    }

    /// Every carrier, first tier first.
    pub fn carriers(&self) -> impl Iterator<Item = CarrierId> + '_ {
        self.tiers.iter().flatten().copied()
    }
}
