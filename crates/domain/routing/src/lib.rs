//! Immutable route table: destination prefix to route group.
