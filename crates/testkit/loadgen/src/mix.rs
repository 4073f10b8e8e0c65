//! What the messages of a load are: a pure function of the seed and a message's number.

use std::ops::RangeInclusive;

use message::{CATEGORIES, Category};
use thiserror::Error;

use crate::chance;

/// The shortest text, in characters: room for the message's number.
pub const TEXT_LENGTH_MIN: u16 = 12;
/// The longest text, in characters: one segment of the GSM 7-bit default alphabet.
pub const TEXT_LENGTH_MAX: u16 = 160;

/// Shares and sizes of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// How many parts of the whole are of each category, in the order of [`CATEGORIES`].
    pub category_parts: [u32; 4],
    /// Different senders.
    pub senders: u32,
    /// Length of a text in characters; every length of the range is as likely.
    pub text_length: RangeInclusive<u16>,
    /// Different recipients; each is another person and another place in the engine's tables.
    pub recipients: u64,
    /// Callers that submit, each for a tenant of its own: as many as the target has keys.
    pub callers: u16,
    /// Decides all of it.
    pub seed: u64,
}

/// What one message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the client says it is.
    pub category: Category,
    /// Which caller submits it, from 0.
    pub caller: u16,
    /// Which sender it names, from 0.
    pub sender: u32,
    /// Which recipient it is for, from 0.
    pub recipient: u64,
    /// Characters of its text.
    pub text_length: u16,
}

/// Why a mix is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MixError {
    /// Nothing to choose from.
    #[error("{0} must be at least 1")]
    None(&'static str),
    /// Longer than a segment, or shorter than its own number.
    #[error(
        "a text of {shortest} to {longest} characters: allowed are {TEXT_LENGTH_MIN} to {TEXT_LENGTH_MAX}, the shorter first"
    )]
    TextLength {
        /// As given.
        shortest: u16,
        /// As given.
        longest: u16,
    },
}

impl Default for Mix {
    /// A service's day: 1 % one-time passwords, 2 % alerts, 17 % transactional, 80 % promotional, one caller.
    fn default() -> Self {
        Self {
            category_parts: [1, 2, 17, 80],
            senders: 16,
            text_length: 40..=160,
            recipients: 10_000_000,
            callers: 1,
            seed: 1,
        }
    }
}

impl Mix {
    /// Says what is wrong with it, if anything.
    ///
    /// # Errors
    /// When a share, a count or a length is out of its range.
    pub fn check(&self) -> Result<(), MixError> {
        let counts = [
            (
                "the sum of all categories' parts",
                self.category_parts.iter().any(|parts| *parts > 0),
            ),
            ("senders", self.senders > 0),
            ("recipients", self.recipients > 0),
            ("callers", self.callers > 0),
        ];
        if let Some((what, _)) = counts.into_iter().find(|(_, is_some)| !is_some) {
            return Err(MixError::None(what));
        }
        let (shortest, longest) = (*self.text_length.start(), *self.text_length.end());
        if shortest < TEXT_LENGTH_MIN || longest > TEXT_LENGTH_MAX || shortest > longest {
            return Err(MixError::TextLength { shortest, longest });
        }
        Ok(())
    }

    /// What message `nth` is; the mix must have passed [`Mix::check`].
    #[must_use]
    pub fn draft(&self, nth: u64) -> Draft {
        // Five draws in one word each: neighbours share none.
        let draw = |which: u64, bound: u64| chance::at(self.seed, nth * 5 + which) % bound.max(1);
        let (shortest, longest) = (*self.text_length.start(), *self.text_length.end());
        let lengths = u64::from(longest.saturating_sub(shortest)) + 1;
        Draft {
            category: self.category(draw(0, self.parts())),
            caller: draw(1, u64::from(self.callers)) as u16,
            sender: draw(2, u64::from(self.senders)) as u32,
            recipient: draw(3, self.recipients),
            text_length: shortest + draw(4, lengths) as u16,
        }
    }

    fn parts(&self) -> u64 {
        self.category_parts
            .iter()
            .map(|parts| u64::from(*parts))
            .sum()
    }

    fn category(&self, mut part: u64) -> Category {
        for (category, parts) in CATEGORIES.into_iter().zip(self.category_parts) {
            match part.checked_sub(u64::from(parts)) {
                Some(left) => part = left,
                None => return category,
            }
        }
        Category::Promotional
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_as_given_and_repeat_with_the_seed() {
        let mix = Mix {
            callers: 3,
            ..Mix::default()
        };
        mix.check().unwrap();
        let mut by_category = [0; 4];
        let mut by_caller = [0; 3];
        for nth in 0..100_000 {
            let draft = mix.draft(nth);
            assert_eq!(draft, mix.draft(nth));
            assert!((40..=160).contains(&draft.text_length) && draft.sender < 16);
            by_category[draft.category.index()] += 1;
            by_caller[usize::from(draft.caller)] += 1;
        }
        for (count, percent) in by_category.into_iter().zip([1, 2, 17, 80]) {
            assert!((count - percent * 1_000_i32).abs() < 500, "{by_category:?}");
        }
        assert!(
            by_caller
                .iter()
                .all(|count| (32_000..35_000).contains(count))
        );
        let other = Mix {
            seed: 2,
            ..mix.clone()
        };
        assert!((0..100).any(|nth| mix.draft(nth) != other.draft(nth)));
    }

    #[test]
    fn a_category_without_a_part_never_comes() {
        let mix = Mix {
            category_parts: [0, 0, 0, 7],
            ..Mix::default()
        };
        assert!((0..1_000).all(|nth| mix.draft(nth).category == Category::Promotional));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let none = Mix {
            category_parts: [0; 4],
            ..Mix::default()
        };
        assert!(none.check().unwrap_err().to_string().contains("categories"));
        let long = Mix {
            text_length: 20..=161,
            ..Mix::default()
        };
        let text = long.check().unwrap_err().to_string();
        assert!(text.contains("161") && text.contains("12 to 160"), "{text}");
        for mix in [
            Mix {
                senders: 0,
                ..Mix::default()
            },
            Mix {
                recipients: 0,
                ..Mix::default()
            },
            Mix {
                callers: 0,
                ..Mix::default()
            },
        ] {
            assert!(mix.check().is_err());
        }
    }
}
