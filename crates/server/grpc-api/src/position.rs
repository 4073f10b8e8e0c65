//! Resume positions as text: opaque to clients, of a fixed form, with a version so that a later form can be told apart.
//!
//! | hexadecimal digits | what |
//! |---|---|
//! | 2 | version, 1 |
//! | 16 | the data directory |
//! | 16 | the journal position |
//! | 8 | the number among the events from there |

use std::collections::HashMap;

use engine::{EventKey, PositionLost, ResumePosition};
use tonic::{Code, Status};

use crate::answer;

const VERSION: u8 = 1;
const DIGITS: usize = 42;

/// The position as clients keep it.
pub(crate) fn text(position: ResumePosition) -> String {
    let ResumePosition { data_id, key } = position;
    format!(
        "{VERSION:02x}{data_id:016x}{:016x}{:08x}",
        key.position.0, key.ordinal
    )
}

/// The position that a client hands back; none when it sends none.
///
/// # Errors
/// INVALID_ARGUMENT when it is not one.
pub(crate) fn parse(text: &str) -> Result<Option<ResumePosition>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = digits(text).ok_or_else(|| {
        answer::invalid(
            "resume_position",
            "is not a position: hand back `resume_position` of an earlier response as it was, or leave it out",
        )
    })?;
    Ok(Some(parsed))
}

fn digits(text: &str) -> Option<ResumePosition> {
    let sound = text.len() == DIGITS && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let number = |from: usize, to: usize| u64::from_str_radix(text.get(from..to)?, 16).ok();
    if !sound || number(0, 2)? != u64::from(VERSION) {
        return None;
    }
    let ordinal = u32::try_from(number(34, 42)?).ok()?;
    Some(ResumePosition {
        data_id: number(2, 18)?,
        key: EventKey::new(number(18, 34)?, ordinal),
    })
}

/// What follows the position is gone.
pub(crate) fn lost(lost: PositionLost) -> Status {
    let oldest = text(lost.oldest);
    let metadata = HashMap::from([("oldest_position".to_owned(), oldest.clone())]);
    answer::failure_with(
        Code::OutOfRange,
        ("POSITION_LOST", metadata),
        format!(
            "what follows this position is gone (it is older than history reaches, of another data directory, or was never given out): go \
             on from the oldest position left, {oldest}, or without one, and ask Get for the rest"
        ),
    )
}

/// The client does not read.
pub(crate) fn too_slow(resume: &str) -> Status {
    let metadata = HashMap::from([("resume_position".to_owned(), resume.to_owned())]);
    answer::failure_with(
        Code::ResourceExhausted,
        ("WATCHER_TOO_SLOW", metadata),
        format!("the responses were not read for too long: go on from position {resume}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_were_given_out() {
        for (data_id, position, ordinal) in [(1, 0, 0), (u64::MAX, 7, 3), (9, u64::MAX, u32::MAX)] {
            let key = EventKey::new(position, ordinal);
            let given = ResumePosition { data_id, key };
            assert_eq!(parse(&text(given)).unwrap(), Some(given));
        }
        assert_eq!(parse("").unwrap(), None);
    }

    #[test]
    fn what_is_no_position_is_refused_with_the_field() {
        let good = text(ResumePosition {
            data_id: 1,
            key: EventKey::new(2, 3),
        });
        let of_a_later_version = format!("02{}", &good[2..]);
        for bad in [
            "7",
            "latest",
            &"g".repeat(DIGITS),
            &"+".repeat(DIGITS),
            &"0".repeat(DIGITS),
            &"é".repeat(DIGITS / 2),
            &good[1..],
            &of_a_later_version,
        ] {
            let refused = parse(bad).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
            assert!(refused.message().contains("resume_position"), "{bad}");
        }
    }
}
