//! Drives partitions, journal and connectors.
