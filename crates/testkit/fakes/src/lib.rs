//! Fake carriers with scripted faults, live counts and a report; shipped as `hikyaku sim`.
//!
//! [`FakeSmsc`] is a message centre that speaks SMPP 3.4 on real sockets. It runs on one thread of its own, so that a test or a demo
//! may embed several next to the engine under test, whatever runtime that one uses.

pub mod smsc;

pub use smsc::{FakeSmsc, SmscConfig, SmscHandle};
