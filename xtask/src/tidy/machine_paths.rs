//! Paths of somebody's machine: they work for one person and tell the world who that was.

use super::mask::code_only;
use super::{Finding, SourceFile};

/// Spelled in two halves so that this file does not find itself.
const PREFIXES: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/Us", "ers/"),
];

/// Every line that holds such a path, outside tests.
pub(crate) fn check(file: &SourceFile) -> Vec<Finding> {
    if file.path.split('/').any(|part| part == "tests") || file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let until = if file.path.ends_with(".rs") {
        first_test_line(&file.text)
    } else {
        usize::MAX
    };
    let lines = file.text.lines().enumerate().take(until);
    lines
        .filter_map(|(index, line)| {
            let prefix = PREFIXES.iter().find(|prefix| line.contains(*prefix))?;
            let text = format!("a path below {prefix} exists on one machine only");
            Some(Finding {
                file: file.path.clone(),
                line: index + 1,
                text,
            })
        })
        .collect()
}

/// The house puts tests last, so whatever follows the first `#[cfg(test)] mod … {` is test code.
fn first_test_line(text: &str) -> usize {
    let code = code_only(text);
    let lines: Vec<&str> = code.lines().collect();
    let opens_tests = |window: &[&str]| {
        window[0].trim() == "#[cfg(test)]" && window[1].contains("mod ") && window[1].contains('{')
    };
    lines.windows(2).position(opens_tests).unwrap_or(usize::MAX)
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
        check(&file)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_machine_path_is_found_in_code_and_documents() {
        assert_eq!(lines("README.md", "fine\ncd /home/somebody/hikyaku\n"), [2]);
        assert_eq!(
            lines("crates/engine/src/lib.rs", "const A: &str = \"/tmp/a\";\n"),
            [1]
        );
    }

    #[test]
    fn tests_and_service_paths_may_name_folders() {
        assert_eq!(
            lines("crates/edge/journal/tests/replay.rs", "\"/tmp/a\"\n"),
            NONE
        );
        assert_eq!(
            lines(
                "src/lib.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\n    const A: &str = \"/tmp/a\";\n}\n"
            ),
            NONE
        );
        assert_eq!(
            lines("config/hikyaku.toml", "data_dir = \"/var/lib/hikyaku\"\n"),
            NONE
        );
    }
}
