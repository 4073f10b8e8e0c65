//! One carrier that keeps a script, an engine before it that is killed, a client of both.

use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};

use super::dice::Dice;
use super::load::{Audit, Load};
use super::{EngineProcess, Setting};

/// Lines of a carrier whose evidence is not awaited for hours, for a scenario that sees its messages end. A table stands last, so that
/// keys of the carrier itself go before.
pub(crate) const IMPATIENT: &str = "stamp_tlv = true\nresponse_timeout_ms = 3_000\n\
    receipt_deadline_s = 10\nuncertain_deadline_s = 8\n\
    [uncertain_after_ms]\notp = 1_000\nalert = 1_000\nnormal = 2_000\nbulk = 2_000";

/// All of them, at work.
pub(crate) struct Scene {
    pub(crate) carrier: SmscHandle,
    pub(crate) engine: EngineProcess,
    pub(crate) load: Load,
    setting: Setting,
    messages: u64,
}

impl Scene {
    /// Starts the carrier, the engine with these further lines of the carrier's own, and so many messages.
    pub(crate) fn open(script: SmscConfig, lines: &str, messages: u64) -> Self {
        let carrier = FakeSmsc::start(script).unwrap();
        let lines = format!(
            "hosts = [\"{}\"]\n{lines}\n{IMPATIENT}\n\
             [retry]\ndelay_ms = 100\n\
             [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
            carrier.local_addr(),
        );
        let setting = Setting::with(&[("alpha", &lines)], "[limits]\nmessages = 400");
        let engine = EngineProcess::start(&setting);
        setting.keep_ports(&engine);
        let mut load = Load::new(messages);
        load.drive(&engine);
        Self {
            carrier,
            engine,
            load,
            setting,
            messages,
        }
    }

    /// Waits for a random moment of the `nth` of `kills` equal parts of the load.
    pub(crate) fn wait_for_part(&self, nth: u64, kills: u64, dice: &mut Dice) {
        let apart = self.messages / (kills + 1);
        let answered = nth * apart + dice.below(apart);
        let engine = &self.engine;
        engine.wait_until("enough is answered", || self.load.answered() >= answered);
        // Somewhere between two answers: so many segments later.
        let submits = self.carrier.snapshot().submits + dice.below(40);
        engine.wait_until("the carrier got some more", || {
            self.carrier.snapshot().submits >= submits || self.load.answered() == self.messages
        });
    }

    /// Kills the engine, the next `early` ones as soon as they listen, and goes on with the one after.
    pub(crate) fn kill(mut self, early: u64) -> Self {
        self.engine.kill();
        for _ in 0..early {
            EngineProcess::start_unready(&self.setting).kill();
        }
        self.engine = EngineProcess::start(&self.setting);
        self.load.drive(&self.engine);
        self
    }

    /// Waits for the end of every message; see [`Load::close`].
    pub(crate) fn close(self) -> (Audit, SmscHandle) {
        let audit = self.load.close(&self.engine, &[&self.carrier]);
        println!("{audit:?}");
        (audit, self.carrier)
    }
}
