//! What to do about what was found, in the words of a runbook.

use journal::{FileFinding, OpenError};

use super::place::Log;
use super::report::{FileReport, Instead, Mark};

/// What to do about a file; nothing where nothing is to be done or said.
pub(super) fn of_file(log: Log, file: &FileReport) -> Option<&'static str> {
    match &file.audit.finding {
        FileFinding::Torn(_) => Some(
            "left half written by a kill or a power cut; the next start cuts it off. Nothing that was reported durable is lost. Nothing to do.",
        ),
        FileFinding::Unread(_) => Some(
            "the operating system refuses: look at its log (dmesg) for a failing disk, and at owner and mode of the file; read it as the engine's user.",
        ),
        FileFinding::Damaged { .. } if file.is_history => Some(
            "it is history, which recovery does not read: the engine starts all the same, and cannot explain what was in this stretch. Put the file back from a copy while the engine is stopped, or leave it.",
        ),
        FileFinding::Damaged { error, .. } => Some(of_damage(log, error)),
        FileFinding::Whole | FileFinding::Growing | FileFinding::Stopped if file.unreadable > 0 => {
            Some(
                "the bytes are whole, this release does not know what they say: a newer one wrote them. Use that one; do not start this one here.",
            )
        }
        FileFinding::Whole | FileFinding::Growing | FileFinding::Stopped => None,
    }
}

/// What is wrong with the mark and what to do; nothing where nothing is.
pub(super) fn of_mark(mark: &Mark) -> Option<String> {
    match mark {
        Mark::None | Mark::At(_) => None,
        Mark::Damaged => Some(
            "the replay mark cannot be read: the engine starts all the same and reads every file, which takes longer. Nothing to do.".to_owned(),
        ),
        Mark::Missing { wanted, instead: Instead::ReadsAll } => Some(format!(
            "the replay mark names position {wanted}, where no file begins: the engine starts all the same and reads every file. If a file was lost, put it back first from a copy."
        )),
        Mark::Missing { wanted, instead: Instead::Refuses } => Some(format!(
            "recovery has to begin at position {wanted} and no file begins there: no engine starts on this. Put the missing files back from a copy of this directory."
        )),
        Mark::Unread(error) => Some(format!("the replay mark: {error}")),
    }
}

fn of_damage(log: Log, error: &OpenError) -> &'static str {
    match (log, error) {
        (_, OpenError::Contents { .. } | OpenError::FileName { .. }) => {
            "it is not a file of this log: somebody moved it here. Move it back to where it belongs."
        }
        (Log::Journal, OpenError::Gap { .. }) => {
            "a file of the journal is missing or was cut. Keep the engine stopped, put the missing file back from a copy of this directory, and verify again."
        }
        (Log::Journal, _) => {
            "no engine starts on this. Keep the engine stopped, copy the whole directory, and put this file back from a backup or another disk of the mirror. If there is none: `hikyaku journal dump` lists what is whole; set the directory aside and start in an empty one, which sends nothing of what was here."
        }
        (Log::Written, _) => {
            "no engine starts on this. Keep it stopped and put the file back from a copy. If there is none: restart the machine, move written/ out of the directory, then start: what was claimed then counts as uncertain, and nothing is sent twice without saying so."
        }
        (Log::Events, _) => {
            "the engine starts all the same; watchers that resume before this are told that events are missing. To be rid of it: stop the engine, move events/ away, start; events are made again as far back as the journal is replayed."
        }
    }
}

/// What to do about a damaged file of idempotency keys.
pub(super) const KEY_FILE: &str = "the engine starts all the same and says by its metrics which hours it cannot vouch for; a submission repeated with a key of that file may be admitted again until the file's time is over. Put the file back from a copy while the engine is stopped, or leave it.";

/// What is said of the index.
pub(super) const INDEX: &str = "not checked: it is made from the journal, checks itself when it is read, and is made again when history/ is deleted while the engine is stopped";
