//! The carrier before which a load is run: it takes everything, and answers and sends receipts as fast as it can.

use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};

/// Receipts that the carrier sends without an answer.
const RECEIPTS_WINDOW: u32 = 1_000;

/// An account with that carrier.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) sessions: u32,
    pub(crate) window: u32,
    /// None: as fast as it goes.
    pub(crate) contract_per_second: Option<u64>,
}

/// Starts the carrier.
pub(crate) fn start() -> Result<SmscHandle, String> {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.receipts.window = RECEIPTS_WINDOW;
    FakeSmsc::start(script).map_err(|error| error.to_string())
}

impl Account {
    /// The lines of a carrier's file, beyond name and account, for a carrier at this address.
    pub(crate) fn lines(self, host: &str) -> String {
        let contract = self
            .contract_per_second
            .map(|contract| format!("contract_per_second = {contract}"));
        format!(
            "hosts = [\"{host}\"]\nsessions = {}\nwindow = {}\nstamp_tlv = true\n{}",
            self.sessions,
            self.window,
            contract.unwrap_or_default()
        )
    }
}
