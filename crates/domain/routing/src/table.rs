//! The table: built and checked once, then only read.

use message::{Msisdn, RouteGroupId, Slug};

use crate::error::RouteError;
use crate::group::RouteGroup;
use crate::prefix::Prefix;

/// Routes a table may hold.
pub const MAX_ROUTES: usize = 1_000_000;
/// Route groups a table may hold.
pub const MAX_GROUPS: usize = 4_096;

/// A configured route: numbers that begin so go to this group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The leading digits; [`Prefix::DEFAULT`] for all that match nothing longer.
    pub prefix: Prefix,
    /// The group's name.
    pub group: Slug,
}

/// What a route is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteQuery {
    /// The recipient.
    pub destination: Msisdn,
}

/// What a lookup found, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteMatch<'table> {
    /// The group.
    pub group: &'table RouteGroup,
    /// The prefix that won.
    pub prefix: Prefix,
}

/// An immutable snapshot of all routes.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// By id.
    groups: Vec<RouteGroup>,
    /// One for each length of prefix that occurs, longest first.
    lengths: Vec<PrefixesOfLength>,
}

#[derive(Debug, Clone)]
struct PrefixesOfLength {
    len: usize,
    /// By prefix; the index is into [`RouteTable::groups`].
    prefixes: Vec<(Prefix, usize)>,
}

impl RouteTable {
    /// Builds a table and checks it. A group without a route is allowed: a caller may name it by other means.
    ///
    /// # Errors
    /// [`RouteError::DuplicateGroup`], [`RouteError::UnknownGroup`], [`RouteError::DuplicatePrefix`],
    /// [`RouteError::TooManyGroups`], [`RouteError::TooManyRoutes`].
    pub fn build(
        groups: impl IntoIterator<Item = RouteGroup>,
        routes: impl IntoIterator<Item = Route>,
    ) -> Result<Self, RouteError> {
        let groups = sorted_groups(groups)?;
        let mut prefixes = Vec::new();
        for Route { prefix, group } in routes {
            if prefixes.len() == MAX_ROUTES {
                return Err(RouteError::TooManyRoutes);
            }
            let index = groups.binary_search_by_key(&RouteGroupId::of(&group), RouteGroup::id);
            match index.ok().filter(|&index| *groups[index].name() == group) {
                Some(index) => prefixes.push((prefix, index)),
                None => return Err(RouteError::UnknownGroup { prefix, group }),
            }
        }
        // Stable, so that of two routes with one prefix the first configured is named first.
        prefixes.sort_by_key(|&(prefix, _)| prefix);
        if let Some(pair) = prefixes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = |index: usize| groups[index].name().clone();
            return Err(RouteError::DuplicatePrefix {
                prefix: pair[0].0,
                first: name(pair[0].1),
                second: name(pair[1].1),
            });
        }
        // Sorted as numbers they are sorted by length.
        let mut lengths: Vec<_> = prefixes
            .chunk_by(|a, b| a.0.len() == b.0.len())
            .map(|chunk| PrefixesOfLength {
                len: chunk[0].0.len(),
                prefixes: chunk.to_vec(),
            })
            .collect();
        lengths.reverse();
        Ok(Self { groups, lengths })
    }

    /// The group for a message: the longest prefix of its destination wins. `None` when nothing matches and there is
    /// no default: the message has no route.
    #[must_use]
    pub fn lookup(&self, query: &RouteQuery) -> Option<RouteMatch<'_>> {
        self.lengths.iter().find_map(|of_length| {
            let prefix = Prefix::of(query.destination, of_length.len)?;
            let found = of_length
                .prefixes
                .binary_search_by_key(&prefix, |&(prefix, _)| prefix)
                .ok()?;
            Some(RouteMatch {
                group: &self.groups[of_length.prefixes[found].1],
                prefix,
            })
        })
    }

    /// A group by its number.
    #[must_use]
    pub fn group(&self, id: RouteGroupId) -> Option<&RouteGroup> {
        let index = self.groups.binary_search_by_key(&id, RouteGroup::id).ok()?;
        Some(&self.groups[index])
    }

    /// Every group, by number.
    #[must_use]
    pub fn groups(&self) -> &[RouteGroup] {
        &self.groups
    }

    /// How many routes there are.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.lengths
            .iter()
            .map(|of_length| of_length.prefixes.len())
            .sum()
    }
}

fn sorted_groups(
    groups: impl IntoIterator<Item = RouteGroup>,
) -> Result<Vec<RouteGroup>, RouteError> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    if groups.len() > MAX_GROUPS {
        return Err(RouteError::TooManyGroups {
            groups: groups.len(),
        });
    }
    groups.sort_by_key(RouteGroup::id);
    match groups.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
        Some(pair) => Err(RouteError::DuplicateGroup {
            first: pair[0].name().clone(),
            second: pair[1].name().clone(),
        }),
        None => Ok(groups),
    }
}
