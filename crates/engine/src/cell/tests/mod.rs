//! The cell in virtual time, over scripted connectors whose windows and answers are under the test's control.

mod model;
mod order;
mod parts;
mod promises;
mod rig;
