//! Pooled SMPP sessions over TCP and TLS.
