//! Immutable route table: destination prefix to route group.
//!
//! A [`RouteTable`] is built once from configuration, checked while it is built, and read from then on; a changed
//! configuration is a new table. The longest prefix of the recipient's number wins; the empty prefix is the default.
//! What wins is a [`RouteGroup`], the carriers that may pull the message, tier by tier.
//!
//! A lookup allocates nothing and looks once, by binary search, into each length of prefix that occurs.
//!
//! Limits: [`MAX_ROUTES`], [`MAX_GROUPS`], [`MAX_CARRIERS_PER_GROUP`]. Prefixes cannot see ported numbers. What else may
//! decide (sender, weight, priority) joins [`RouteQuery`].

mod error;
mod group;
mod prefix;
mod table;

pub use error::RouteError;
pub use group::{MAX_CARRIERS_PER_GROUP, RouteGroup};
pub use prefix::{Prefix, PrefixError};
pub use table::{MAX_GROUPS, MAX_ROUTES, Route, RouteMatch, RouteQuery, RouteTable};
