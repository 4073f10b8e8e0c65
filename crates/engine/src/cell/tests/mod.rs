//! The cell in virtual time, over scripted connectors whose windows and answers are under the test's control.

mod clock_steps;
mod model;
mod order;
mod parts;
mod promises;
mod rig;
