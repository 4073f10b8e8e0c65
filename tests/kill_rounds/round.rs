//! One round.

use std::time::{Duration, Instant};

use fakes::smsc::{FakeSmsc, SmscHandle};
use message::MessageId;

use crate::engine_process::load::{Audit, Load};
use crate::engine_process::{EngineProcess, Setting};
use crate::ledger::Ledger;
use crate::moments;
use crate::plan::{CarrierPlan, EarlyMoment, Moment, PARTITIONS, Plan};

/// What a round that held came to.
pub(crate) struct Played {
    pub(crate) messages: u64,
    /// Each kill by its moment, and whether that was met.
    pub(crate) kills: Vec<(&'static str, bool)>,
    /// Over all kills, attempts found claimed and unanswered, and those of them found written.
    pub(crate) claimed: u64,
    pub(crate) written: u64,
    /// Messages that the last engine read back from its journal, their turn being near.
    pub(crate) read_back: u64,
    pub(crate) audit: Audit,
    pub(crate) took: Duration,
}

/// Plays a round. Panics where a promise is broken; the folder is kept then.
pub(crate) fn play(plan: &Plan) -> Played {
    let began = Instant::now();
    let start = |carrier: &CarrierPlan| FakeSmsc::start(carrier.script.clone());
    let carriers: Vec<_> = plan.carriers.iter().map(|it| start(it).unwrap()).collect();
    let setting = setting(plan, &carriers);
    let mut round = Round {
        setting,
        carriers,
        ledger: Ledger::default(),
        kills: Vec::new(),
    };
    let mut load = Load::of(plan.orders.clone());
    let mut engine = EngineProcess::start(&round.setting);
    load.drive(&engine);
    for kill in &plan.kills {
        let carriers = &round.carriers;
        engine.wait_until("enough is answered", || load.answered() >= kill.answered);
        let enough = submits(carriers) + kill.submits;
        engine.wait_until("the carriers got some more", || {
            submits(carriers) >= enough || load.answered() == plan.orders.len() as u64
        });
        if let Moment::Draining(_) = kill.moment {
            load.expect_end();
        }
        let met = round.wait_for(&engine, kill.moment);
        round.kill(engine, kill.moment.name(), met);
        for moment in &kill.early {
            round.kill_early(*moment);
        }
        engine = EngineProcess::start(&round.setting);
        load.drive(&engine);
    }
    let audit = load.close(&engine, &round.carriers.iter().collect::<Vec<_>>());
    round.ledger.compare(&audit.fates.0);
    let read_back = engine.metric("hikyaku_read_ahead_messages_total") as u64;
    Played {
        messages: plan.orders.len() as u64,
        kills: round.kills,
        claimed: round.ledger.claims,
        written: round.ledger.writes,
        read_back,
        audit,
        took: began.elapsed(),
    }
}

struct Round {
    setting: Setting,
    carriers: Vec<SmscHandle>,
    ledger: Ledger,
    kills: Vec<(&'static str, bool)>,
}

impl Round {
    /// Waits for the moment, as long as it makes sense to; whether it was met.
    fn wait_for(&self, engine: &EngineProcess, moment: Moment) -> bool {
        match moment {
            Moment::After(time) => {
                std::thread::sleep(time);
                true
            }
            Moment::InSync => moments::wait_for_sync(engine.pid()),
            Moment::FileChange => {
                moments::wait_for_file_change(&self.setting.data().join("journal"))
            }
            Moment::Draining(time) => {
                engine.terminate();
                std::thread::sleep(time);
                true
            }
        }
    }

    fn kill(&mut self, engine: EngineProcess, moment: &'static str, met: bool) {
        engine.kill();
        // What the dead engine wrote is still on its way: the account is of what has arrived.
        let deadline = Instant::now() + crate::engine_process::PATIENCE;
        while self
            .carriers
            .iter()
            .any(|it| it.snapshot().connections_open > 0)
        {
            assert!(
                Instant::now() < deadline,
                "a connection outlives its process"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let seen = |id: MessageId| -> u32 {
            let by_each = self.carriers.iter().map(|it| it.seen(id.to_bytes()));
            by_each.sum()
        };
        self.ledger.note(&self.setting.data(), seen);
        self.kills.push((moment, met));
    }

    fn kill_early(&mut self, moment: EarlyMoment) {
        let engine = EngineProcess::spawn(&self.setting);
        let engine = match moment {
            EarlyMoment::After(time) => {
                std::thread::sleep(time);
                engine
            }
            EarlyMoment::Replayed => {
                engine.wait_for_line("journal replayed");
                engine
            }
            EarlyMoment::Listening => engine.listening(),
        };
        self.kill(engine, moment.name(), true);
    }
}

fn setting(plan: &Plan, carriers: &[SmscHandle]) -> Setting {
    let files: Vec<_> = plan
        .carriers
        .iter()
        .zip(carriers)
        .zip(["alpha", "beta", "gamma"])
        .map(|((planned, carrier), name)| {
            let lines = format!("hosts = [\"{}\"]\n{}", carrier.local_addr(), planned.lines);
            (name, lines)
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    let limits = format!(
        "[limits]\nmessages = {}\nhead_messages = {}",
        plan.credits, plan.head
    );
    let setting = Setting::with(&files, &limits);
    setting.journal(&format!(
        "partitions = {PARTITIONS}\nfile_max_bytes = {}",
        plan.file_max_bytes
    ));
    setting
}

fn submits(carriers: &[SmscHandle]) -> u64 {
    carriers.iter().map(|it| it.snapshot().submits).sum()
}
