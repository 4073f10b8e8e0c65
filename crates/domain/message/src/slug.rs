//! Permanent names and their permanent numbers.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::hash::stable_hash;

const SLUG_MAX_BYTES: usize = 32;

/// A permanent name: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
///
/// Carriers, binds, tenants, callers and route groups are known by their slug for ever. Records carry the slug's number (a stable hash);
/// configuration refuses two slugs of one kind with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(Box<str>);

/// Why some text is not a [`Slug`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a name: 1 to 32 of a-z, 0-9 and hyphen, beginning with a letter")]
pub struct SlugError(pub String);

impl Slug {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn number(&self) -> u32 {
        (stable_hash(&[self.0.as_bytes()]) >> 32) as u32
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sound = text.len() <= SLUG_MAX_BYTES
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if sound {
            Ok(Self(text.into()))
        } else {
            Err(SlugError(text.chars().take(2 * SLUG_MAX_BYTES).collect()))
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! numbered {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The number of a slug; the same for ever.
            #[must_use]
            pub fn of(slug: &Slug) -> Self {
                Self(slug.number())
            }
        }
    )+};
}

numbered! {
    /// Whom we pay and pace: an SMPP account, an APNs app, an FCM project.
    CarrierId,
    /// Whose messages these are; weights, credits and idempotency are per tenant.
    TenantId,
    /// Which configured client of a tenant spoke.
    CallerId,
    /// The carriers that may pull a message.
    RouteGroupId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_narrow_and_their_numbers_permanent() {
        let slug: Slug = "carrier-a".parse().unwrap();
        assert_eq!(CarrierId::of(&slug), CarrierId(2_890_485_444));
        for bad in ["", "A", "1a", "a_b", "-a", "a b", &"a".repeat(33)] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
    }
}
