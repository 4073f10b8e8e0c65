//! What goes wrong, and when.

use crate::clock::{MS, SECOND};
use crate::dice::Dice;
use crate::net::Cut;

/// Something that goes wrong. Carriers by their place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed; the page cache stays.
    Kill { down_ns: u64 },
    /// The process is killed in the middle of its next write to the disk, of which so many bytes are carried out.
    KillInWrite { bytes: usize },
    /// The power goes: what was not synced is lost, torn, or swapped with what came later.
    PowerCut { down_ns: u64 },
    /// The process is ended in order and started again.
    Stop { down_ns: u64 },
    /// The process is stopped and continued, as by SIGSTOP.
    Freeze { for_ns: u64 },
    /// Every operation of the disk takes longer.
    SlowDisk { for_ns: u64, by_ns: u64 },
    /// The next sync fails.
    SyncFails,
    /// The next write fails.
    WriteFails,
    /// The disk is full for a while.
    DiskFull { for_ns: u64 },
    /// Somebody sets the wall clock.
    WallStep { by_ms: i64 },
    /// A link of a carrier is cut.
    CutLink { carrier: usize, cut: Cut },
    /// A carrier restarts.
    CarrierRestart { carrier: usize, down_ns: u64 },
    /// A carrier refuses binds for a while.
    RefuseBinds { carrier: usize, for_ns: u64 },
}

/// A fault and its true time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimedFault {
    pub(crate) at_ns: u64,
    pub(crate) fault: Fault,
}

pub(super) fn faults(carriers: usize, dice: &mut Dice) -> Vec<TimedFault> {
    let count = dice.pick(&[0, 1, 2, 3, 5, 8, 12]);
    let mut faults: Vec<_> = (0..count)
        .map(|_| TimedFault {
            at_ns: 100 * MS + dice.below(9 * SECOND),
            fault: fault(carriers, dice),
        })
        .collect();
    faults.sort_by_key(|fault| fault.at_ns);
    faults
}

pub(super) fn freeze(dice: &mut Dice) -> TimedFault {
    TimedFault {
        at_ns: 300 * MS + dice.below(6 * SECOND),
        fault: Fault::Freeze {
            for_ns: dice.between(300 * MS, 3 * SECOND),
        },
    }
}

fn fault(carriers: usize, dice: &mut Dice) -> Fault {
    let carrier = usize::try_from(dice.below(carriers as u64)).unwrap_or(0);
    let down_ns = dice.between(10 * MS, 3 * SECOND);
    let for_ns = dice.between(20 * MS, 4 * SECOND);
    match dice.below(16) {
        0 | 1 => Fault::Kill { down_ns },
        2 => Fault::KillInWrite {
            bytes: usize::try_from(dice.below(300)).unwrap_or(0),
        },
        3 | 4 => Fault::PowerCut { down_ns },
        5 => Fault::Stop { down_ns },
        6 => Fault::Freeze { for_ns },
        7 => Fault::SlowDisk {
            for_ns,
            by_ns: dice.pick(&[2 * MS, 30 * MS, 400 * MS, 3 * SECOND]),
        },
        8 => Fault::SyncFails,
        9 => Fault::WriteFails,
        10 => Fault::DiskFull { for_ns },
        11 => Fault::WallStep {
            by_ms: dice.pick(&[-60_000, -2_000, -100, 100, 2_000, 60_000]),
        },
        12 => Fault::CutLink {
            carrier,
            cut: Cut::Heard,
        },
        13 => Fault::CutLink {
            carrier,
            cut: Cut::Silent,
        },
        14 => Fault::CarrierRestart { carrier, down_ns },
        _ => Fault::RefuseBinds { carrier, for_ns },
    }
}
