//! How urgent a message is: the client's word and ours.

use std::fmt;

/// What the client says a message is; configuration maps it to a [`Lane`] and a caller may use only what its configuration grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// A one-time password: worthless when late.
    Otp,
    /// Something the recipient must know now, such as suspected fraud.
    Alert,
    /// An answer to something the recipient did.
    Transactional,
    /// Campaigns.
    Promotional,
}

/// Every category, most urgent first; a category's place here is [`Category::index`].
pub const CATEGORIES: [Category; 4] = [
    Category::Otp,
    Category::Alert,
    Category::Transactional,
    Category::Promotional,
];

/// The order of urgency inside a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Before everything else.
    Otp,
    /// First share of what otp leaves.
    Alert,
    /// Second share.
    Normal,
    /// Last share, never below its minimum.
    Bulk,
}

/// Every lane, most urgent first; a lane's place here is [`Lane::index`].
pub const LANES: [Lane; 4] = [Lane::Otp, Lane::Alert, Lane::Normal, Lane::Bulk];

impl Category {
    /// The word used in configuration, metrics and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Alert => "alert",
            Self::Transactional => "transactional",
            Self::Promotional => "promotional",
        }
    }

    /// The category of a configured word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CATEGORIES
            .into_iter()
            .find(|category| category.name() == name)
    }

    /// The category's place in [`CATEGORIES`], and so in every table by category.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Otp => 0,
            Self::Alert => 1,
            Self::Transactional => 2,
            Self::Promotional => 3,
        }
    }

    /// The lane a category takes unless configuration says otherwise.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Otp => Lane::Otp,
            Self::Alert => Lane::Alert,
            Self::Transactional => Lane::Normal,
            Self::Promotional => Lane::Bulk,
        }
    }
}

impl Lane {
    /// The word used in configuration and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Alert => "alert",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }

    /// The lane of a configured word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        LANES.into_iter().find(|lane| lane.name() == name)
    }

    /// The lane's place in [`LANES`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Otp => 0,
            Self::Alert => 1,
            Self::Normal => 2,
            Self::Bulk => 3,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_indexes_lead_back() {
        for (at, lane) in LANES.into_iter().enumerate() {
            assert_eq!(lane.index(), at);
            assert_eq!(Lane::from_name(lane.name()), Some(lane));
        }
        for (at, category) in CATEGORIES.into_iter().enumerate() {
            assert_eq!(category.index(), at);
            assert_eq!(Category::from_name(category.name()), Some(category));
        }
        assert_eq!(Category::from_name("OTP"), None);
    }
}
