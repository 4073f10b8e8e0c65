//! The second step as a whole: reads all files, checks each, and brings them together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use message::{CarrierId, Slug};
use sha2::{Digest, Sha256};

use super::carrier_check;
use super::carrier_file::CarrierFile;
use super::checker::{Checker, Environment};
use super::effective::{Carrier, Config};
use super::engine_check;
use super::file::EngineFile;
use super::source::{Problem, Problems, Source};

/// Most carriers of one engine.
const CARRIERS_MAX: usize = 1000;

/// Reads and checks the configuration whose main file is `path`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(path: &Path) -> Result<Config, Problems> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// The same with an environment of the caller's choice.
pub(super) fn load_with(path: &Path, environment: Environment<'_>) -> Result<Config, Problems> {
    let source = Source::read(path).map_err(only)?;
    let file: EngineFile = source.parse().map_err(only)?;
    let mut checker = Checker::new(&source, environment);
    let mut version = Sha256::new();
    version.update(source.text());

    let files = carrier_paths(&mut checker, &file);
    let mut carriers = Vec::new();
    let mut carrier_problems = Vec::new();
    for path in files {
        match load_carrier(&path, environment) {
            Ok((source, carrier)) => {
                version.update(source.text());
                carriers.push(carrier);
            }
            Err(problems) => carrier_problems.extend(problems),
        }
    }
    refuse_shared_numbers(&mut checker, carriers.iter().map(|carrier| &carrier.name));
    // With a carrier's file unread, every mention of it would be reported as a second problem.
    let names: Vec<&Slug> = carriers.iter().map(|carrier| &carrier.name).collect();
    let names = carrier_problems.is_empty().then_some(names.as_slice());
    let parts = engine_check::check(&mut checker, &file, names);
    let mut problems = checker.into_problems();
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.extend(carrier_problems);
    match parts {
        Some(parts) if problems.is_empty() => Ok(parts.into_config(first_word(version), carriers)),
        Some(_) | None => Err(Problems(problems)),
    }
}

/// The carriers' files in the order of their names.
fn carrier_paths(checker: &mut Checker<'_>, file: &EngineFile) -> Vec<PathBuf> {
    let default = PathBuf::from("carriers");
    let given = file.carriers.as_ref();
    let dir = checker.resolve(given.map_or(&default, |given| given.get_ref()));
    let span = given.map_or(0..0, toml::Spanned::span);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) => {
            checker.refuse(
                span,
                format!("directory {} cannot be read: {error}", dir.display()),
            );
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    if paths.is_empty() || paths.len() > CARRIERS_MAX {
        let found = paths.len();
        checker.refuse(
            span,
            format!(
                "directory {} holds {found} carriers (*.toml); allowed are 1 to {CARRIERS_MAX}",
                dir.display()
            ),
        );
        paths.clear();
    }
    paths
}

fn load_carrier(
    path: &Path,
    environment: Environment<'_>,
) -> Result<(Source, Carrier), Vec<Problem>> {
    let source = Source::read(path).map_err(|problem| vec![problem])?;
    let file: CarrierFile = source.parse().map_err(|problem| vec![problem])?;
    let mut checker = Checker::new(&source, environment);
    let carrier = carrier_check::check(&mut checker, &file);
    let problems = checker.into_problems();
    match carrier {
        Some(carrier) if problems.is_empty() => Ok((source, carrier)),
        Some(_) | None => Err(problems),
    }
}

/// Records know a carrier by the number of its name, so two names with one number cannot be told apart.
fn refuse_shared_numbers<'a>(checker: &mut Checker<'_>, names: impl Iterator<Item = &'a Slug>) {
    let mut by_number = BTreeMap::new();
    for name in names {
        if let Some(other) = by_number.insert(CarrierId::of(name), name) {
            checker.refuse_file(format!(
                "carriers {other} and {name} have the same number; rename the newer one"
            ));
        }
    }
}

fn only(problem: Problem) -> Problems {
    Problems(vec![problem])
}

/// Enough of a hash to tell two configurations apart.
fn first_word(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}
