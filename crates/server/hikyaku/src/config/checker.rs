//! What every check of the second step is made of: a source, its problems so far, and the checks that recur.

use std::fmt::Display;
use std::fs::File;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use message::Slug;
use toml::Spanned;

use super::source::{Problem, Source, read_bounded};

/// The longest file with a secret.
const SECRET_FILE_MAX_BYTES: u64 = 4096;

/// Looks up an environment variable; an argument, so that tests need not change the process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Checks one file. Every refusal is noted and a stand-in returned, so that one run finds all problems; whoever sees the
/// notes discards the stand-ins.
pub(super) struct Checker<'a> {
    source: &'a Source,
    environment: Environment<'a>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(source: &'a Source, environment: Environment<'a>) -> Checker<'a> {
        Checker {
            source,
            environment,
            problems: Vec::new(),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    pub(super) fn source(&self) -> &'a Source {
        self.source
    }

    /// Notes that the value at `span` is wrong.
    pub(super) fn refuse(&mut self, span: Range<usize>, what: impl Into<String>) {
        let problem = self.source.problem(span, what);
        self.problems.push(problem);
    }

    /// Notes that something is missing from the file as a whole.
    pub(super) fn refuse_file(&mut self, what: impl Into<String>) {
        self.problems
            .push(Problem::of_file(self.source.path(), what));
    }

    /// A number within its range, or its default.
    pub(super) fn number<T>(
        &mut self,
        given: Option<&Spanned<T>>,
        default: T,
        allowed: RangeInclusive<T>,
    ) -> T
    where
        T: Copy + PartialOrd + Display,
    {
        let Some(given) = given else { return default };
        let value = *given.get_ref();
        if !allowed.contains(&value) {
            self.refuse(
                given.span(),
                format!("allowed are {} to {}", allowed.start(), allowed.end()),
            );
        }
        value
    }

    /// Seconds within their range, or their default, in milliseconds.
    pub(super) fn seconds(
        &mut self,
        given: Option<&Spanned<u64>>,
        default_s: u64,
        allowed_s: RangeInclusive<u64>,
    ) -> u64 {
        self.number(given, default_s, allowed_s)
            .saturating_mul(1000)
    }

    pub(super) fn slug(&mut self, given: &Spanned<String>) -> Option<Slug> {
        match given.get_ref().parse() {
            Ok(slug) => Some(slug),
            Err(_) => {
                self.refuse(
                    given.span(),
                    "allowed are 1 to 32 of a-z, 0-9 and hyphen, beginning with a letter; a name is permanent",
                );
                None
            }
        }
    }

    /// A name that `known` has.
    pub(super) fn known(
        &mut self,
        given: &Spanned<String>,
        what: &str,
        known: &[&Slug],
    ) -> Option<Slug> {
        let found = known.iter().find(|slug| slug.as_str() == given.get_ref());
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|slug| slug.as_str()).collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            self.refuse(
                given.span(),
                format!("no such {what}; configured are {names}"),
            );
        }
        found.map(|slug| (*slug).clone())
    }

    /// A text of at most `max` octets without control characters, or empty.
    pub(super) fn text(&mut self, given: Option<&Spanned<String>>, max: usize) -> String {
        let Some(given) = given else {
            return String::new();
        };
        let text = given.get_ref();
        if text.len() > max || text.chars().any(char::is_control) {
            self.refuse(
                given.span(),
                format!("allowed are up to {max} octets without control characters"),
            );
        }
        text.clone()
    }

    pub(super) fn socket_address(&mut self, given: &Spanned<String>) -> Option<SocketAddr> {
        let address = given.get_ref().parse().ok();
        if address.is_none() {
            self.refuse(
                given.span(),
                "allowed is an IP address and a port, such as \"127.0.0.1:7070\" or \"[::1]:7070\"",
            );
        }
        address
    }

    /// A path in this file, which is relative to the file's folder.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.source.folder().join(path)
    }

    /// A file that must be there by now.
    pub(super) fn readable(&mut self, given: &Spanned<PathBuf>) -> PathBuf {
        let path = self.resolve(given.get_ref());
        let refusal = match File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some("not a file".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = refusal {
            self.refuse(
                given.span(),
                format!("{} cannot be read: {why}", path.display()),
            );
        }
        path
    }

    /// The secret in a file, without the white space around it.
    pub(super) fn secret_file(&mut self, given: &Spanned<PathBuf>) -> Option<String> {
        let path = self.resolve(given.get_ref());
        match read_bounded(&path, SECRET_FILE_MAX_BYTES) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                self.refuse(
                    given.span(),
                    format!("{} cannot be read: {error}", path.display()),
                );
                None
            }
        }
    }

    /// The secret in an environment variable.
    pub(super) fn secret_variable(&mut self, given: &Spanned<String>) -> Option<String> {
        let secret = (self.environment)(given.get_ref());
        if secret.is_none() {
            self.refuse(
                given.span(),
                "this environment variable is not set, or not to a text",
            );
        }
        secret
    }
}
