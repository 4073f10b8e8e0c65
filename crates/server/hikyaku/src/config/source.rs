//! A file's text, and where in it something is wrong.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The longest configuration file.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The longest value repeated in a message.
const SHOWN_MAX_CHARS: usize = 80;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) file: PathBuf,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub(crate) line: usize,
    /// Column in characters, from 1; 0 where the file as a whole is meant.
    pub(crate) column: usize,
    /// The key with its table (`limits.messages`); empty where none is to blame.
    pub(crate) key: String,
    /// The value as written, cut to 80 characters; empty where there is none, `(secret)` where it must not be shown.
    pub(crate) value: String,
    /// What is wrong, and what is allowed.
    pub(crate) what: String,
}

impl Problem {
    /// About a file as a whole.
    pub(crate) fn of_file(file: &Path, what: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            value: String::new(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            f.write_str(":")?;
        }
        write!(f, " {}", self.what)
    }
}

/// Everything that is wrong with the configuration, at least one thing: the operator's to correct, a retry does not
/// help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One configuration file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Source, Problem> {
        let text = read_bounded(path, FILE_MAX_BYTES)
            .map_err(|error| Problem::of_file(path, format!("cannot be read: {error}")))?;
        Ok(Source {
            path: path.to_owned(),
            text,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What a relative path in this file is relative to.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The file's tables.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        toml::from_str(&self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let mut problem = self.problem(span, error.message());
            if problem.value == SECRET {
                // The parser's sentence repeats the value.
                "not what belongs here; allowed is a text in quotes".clone_into(&mut problem.what);
            }
            if problem.value == problem.key || problem.key.ends_with(&format!(".{}", problem.value))
            {
                // The key itself is what is wrong.
                problem.value.clear();
            }
            problem
        })
    }

    /// A problem with the value at `span`; the key is the one in front of it.
    pub(crate) fn problem(&self, span: Range<usize>, what: impl Into<String>) -> Problem {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let key = key_at(&self.text, span.start);
        let written = self.text.get(span).unwrap_or_default();
        let value = if key.rsplit('.').next() == Some("password") {
            SECRET.to_owned()
        } else if written.contains('\n')
            || written.starts_with('[') && !written.contains(['"', ','])
        {
            // A whole table: its name is in the key already.
            String::new()
        } else {
            written.chars().take(SHOWN_MAX_CHARS).collect()
        };
        Problem {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key,
            value,
            what: what.into(),
        }
    }
}

const SECRET: &str = "(secret)";

/// Reads a text of at most `max_bytes`.
pub(crate) fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(max_bytes + 1)
        .read_to_string(&mut text)?;
    if read as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {max_bytes} bytes"),
        ));
    }
    Ok(text)
}

/// The key that governs the byte at `offset`, with its table: for messages only, so a line scan is enough.
fn key_at(text: &str, offset: usize) -> String {
    let mut table = "";
    let mut key = "";
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if start > offset {
            break;
        }
        start += line.len();
        let line = line.trim();
        let header = line
            .trim_start_matches('[')
            .split(']')
            .next()
            .unwrap_or_default()
            .trim();
        if line.starts_with('[') && is_key(header) {
            (table, key) = (header, "");
        } else if let Some((left, _)) = line.split_once('=')
            && is_key(left.trim())
        {
            key = left.trim();
        }
    }
    match (table.is_empty(), key.is_empty()) {
        (true, _) => key.to_owned(),
        (false, true) => table.to_owned(),
        (false, false) => format!("{table}.{key}"),
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
