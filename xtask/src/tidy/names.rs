//! Names that say nothing: a crate or module is called after what it holds.

use super::mask::code_only;
use super::workspace::Workspace;
use super::{Finding, SourceFile};

/// Refused alone and as the last word of a longer name (`session_manager`, `string-utils`).
const EMPTY_NAMES: [&str; 8] = [
    "common", "core", "util", "utils", "types", "helper", "helpers", "manager",
];

/// Packages with an empty name.
pub(crate) fn check_packages(workspace: &Workspace) -> Vec<Finding> {
    let named = workspace
        .packages
        .iter()
        .filter(|package| is_empty_name(&package.name));
    named
        .map(|package| Finding {
            file: package.manifest_path(),
            line: package.line_of("name"),
            text: refusal("crate", &package.name),
        })
        .collect()
}

/// Modules with an empty name: the file's own name, the folders above it, and inline modules.
pub(crate) fn check_modules(file: &SourceFile) -> Vec<Finding> {
    let at = |line: usize, name: &str| Finding {
        file: file.path.clone(),
        line,
        text: refusal("module", name),
    };
    let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let mut findings: Vec<Finding> = path
        .split('/')
        .filter(|name| is_empty_name(name))
        .map(|name| at(1, name))
        .collect();
    for (index, line) in code_only(&file.text).lines().enumerate() {
        let mut words = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty());
        let declared = words
            .by_ref()
            .any(|word| word == "mod")
            .then(|| words.next())
            .flatten();
        findings.extend(
            declared
                .filter(|name| is_empty_name(name))
                .map(|name| at(index + 1, name)),
        );
    }
    findings
}

fn is_empty_name(name: &str) -> bool {
    name.rsplit(['_', '-'])
        .next()
        .is_some_and(|last| EMPTY_NAMES.contains(&last))
}

fn refusal(what: &str, name: &str) -> String {
    format!("a {what} called `{name}` says nothing about what it holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check_modules(&file)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn empty_names_are_found_in_paths_and_declarations() {
        assert_eq!(lines("crates/engine/src/utils.rs", ""), [1]);
        assert_eq!(lines("tests/common/mod.rs", ""), [1]);
        assert_eq!(
            lines(
                "crates/engine/src/lib.rs",
                "mod intake;\npub(crate) mod session_manager {\n}\n"
            ),
            [2]
        );
    }

    #[test]
    fn telling_names_pass() {
        assert_eq!(
            lines(
                "crates/engine/src/intake.rs",
                "mod score;\nuse core::fmt;\n// mod utils;\n"
            ),
            NONE
        );
        assert_eq!(
            lines("crates/protocol/smpp-codec/src/pdu/types_of_number.rs", ""),
            NONE
        );
    }
}
