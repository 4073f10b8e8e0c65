//! `cargo xtask kill-test`: hands its options to `tests/kill_rounds`, which says what a round is and what must hold.
//!
//! The rounds are a test of the root package, so that they find its binary, and so that `cargo test` plays a few.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

/// What to play.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    rounds: Option<u64>,
    seed: Option<u64>,
    jobs: Option<u64>,
    summary: Option<String>,
    profile: Profile,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Profile {
    #[default]
    Release,
    Debug,
}

const ROUNDS: u64 = 200;

impl Options {
    /// Reads what stands behind the task's name.
    pub(crate) fn parse(mut words: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        loop {
            let number = |word: &str| {
                let parsed = word.parse::<u64>();
                parsed
                    .map(Some)
                    .map_err(|_| format!("`{word}` is no number"))
            };
            match words {
                [] => return Ok(options),
                ["--debug", ..] => options.profile = Profile::Debug,
                ["--rounds", word, ..] => options.rounds = number(word)?,
                ["--seed", word, ..] => options.seed = number(word)?,
                ["--jobs", word, ..] => options.jobs = number(word)?,
                ["--summary", word, ..] => options.summary = Some((*word).to_owned()),
                [word, ..] => return Err(format!("`{word}` is no option, or lacks its value")),
            }
            let taken = if words[0] == "--debug" { 1 } else { 2 };
            words = &words[taken..];
        }
    }
}

/// Plays the rounds; fails when one does.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(1, |since| since.as_secs())
    };
    let mut command = Command::new("cargo");
    command.current_dir(root).arg("test");
    match options.profile {
        Profile::Release => command.arg("--release"),
        Profile::Debug => &mut command,
    };
    command
        .args(["--locked", "--test", "kill_rounds", "--", "--nocapture"])
        .env(
            "HIKYAKU_KILL_ROUNDS",
            options.rounds.unwrap_or(ROUNDS).to_string(),
        )
        .env(
            "HIKYAKU_KILL_SEED",
            options.seed.unwrap_or_else(clock).to_string(),
        );
    if let Some(jobs) = options.jobs {
        command.env("HIKYAKU_KILL_JOBS", jobs.to_string());
    }
    if let Some(path) = &options.summary {
        // The test runs in the workspace's folder, the task in the caller's.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        command.env("HIKYAKU_KILL_SUMMARY", path);
    }
    crate::outcome(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_what_is_none_is_refused() {
        let words = [
            "--rounds",
            "12",
            "--debug",
            "--seed",
            "7",
            "--summary",
            "a.json",
        ];
        let expected = Options {
            rounds: Some(12),
            seed: Some(7),
            jobs: None,
            summary: Some("a.json".to_owned()),
            profile: Profile::Debug,
        };
        assert_eq!(Options::parse(&words), Ok(expected));
        assert_eq!(Options::parse(&[]), Ok(Options::default()));
        for words in [["--rounds", "many"], ["--fast", "1"], ["--debug", "--jobs"]] {
            assert!(Options::parse(&words).is_err(), "{words:?}");
        }
    }
}
