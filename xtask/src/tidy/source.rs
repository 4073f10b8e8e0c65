//! Sizes and leftovers of a Rust file.
//!
//! A function is measured from the line of its `fn` to the line of its closing brace, comments and blank lines included:
//! what has to fit on a page is what is on the page. (Clippy's `too_many_lines` counts code lines only.)

use super::mask::code_only;
use super::{Finding, SourceFile};

/// Longest file, tests included.
const MAX_FILE_LINES: usize = 500;

/// Longest function, tests included.
const MAX_FUNCTION_LINES: usize = 70;

/// Macros that say a thing is not finished.
const LEFTOVERS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Every broken size and every leftover in the file.
pub(crate) fn check(file: &SourceFile) -> Vec<Finding> {
    let code = code_only(&file.text);
    let at = |line: usize, text: String| Finding {
        file: file.path.clone(),
        line,
        text,
    };
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        findings.push(at(
            MAX_FILE_LINES + 1,
            format!("{lines} lines; a file has at most {MAX_FILE_LINES}"),
        ));
    }
    for function in functions(&code) {
        if function.lines > MAX_FUNCTION_LINES {
            let Function { name, line, lines } = function;
            findings.push(at(
                line,
                format!("`{name}` has {lines} lines; a function has at most {MAX_FUNCTION_LINES}"),
            ));
        }
    }
    for (index, line) in code.lines().enumerate() {
        for leftover in LEFTOVERS {
            if holds_word(line, leftover) {
                findings.push(at(index + 1, format!("`{leftover}` is unfinished work")));
            }
        }
        let compact: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if compact.contains("#[ignore]") {
            findings.push(at(
                index + 1,
                "an ignored test says why: #[ignore = \"reason\"]".to_owned(),
            ));
        }
    }
    findings
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// The functions that have a body, nested ones too, in the order of their first line.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (offset, _) in code.match_indices("fn ") {
        let starts_word = code[..offset]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let rest = &code[offset + 3..];
        let name: String = rest
            .trim_start()
            .chars()
            .take_while(|&c| c.is_alphanumeric() || "_$#".contains(c))
            .collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(length) = body_end(rest) {
            let line = code[..offset].matches('\n').count() + 1;
            found.push(Function {
                name,
                line,
                lines: rest[..length].matches('\n').count() + 1,
            });
        }
    }
    found
}

/// Where the body's closing brace is, counted from the name; `None` for a declaration that ends in `;`.
fn body_end(rest: &str) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (offset, c) in rest.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' if brackets == 0 || braces > 0 => braces += 1,
            '}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether `word` stands in the line and is not the tail of a longer name.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(usize, String)> {
        let file = SourceFile {
            path: "a.rs".to_owned(),
            text: text.to_owned(),
        };
        check(&file)
            .into_iter()
            .map(|finding| (finding.line, finding.text))
            .collect()
    }

    fn function_of(lines: usize) -> String {
        format!(
            "\nfn long(x: [u8; 3]) -> u8 {{\n{}}}\n",
            "    work(\"}\"); // }\n".repeat(lines - 2)
        )
    }

    #[test]
    fn a_long_function_is_found_at_its_first_line() {
        assert_eq!(findings(&function_of(70)), []);
        let found = findings(&function_of(71));
        assert_eq!(
            found,
            [(
                2,
                "`long` has 71 lines; a function has at most 70".to_owned()
            )]
        );
    }

    #[test]
    fn methods_nested_functions_and_macro_functions_count() {
        for (head, tail) in [
            ("impl T {", "}"),
            ("mod m { impl<'a> U<'a> {", "}}"),
            ("proptest! {", "}"),
        ] {
            assert_eq!(
                findings(&format!("{head}{}{tail}", function_of(71))).len(),
                1,
                "{head}"
            );
        }
        let outer = format!("fn outer() {{{}}}", function_of(71));
        assert_eq!(
            findings(&outer).len(),
            2,
            "the inner one makes the outer one too long as well"
        );
    }

    #[test]
    fn declarations_and_function_pointers_have_no_body() {
        let text = "trait T { fn a(&self, x: [u8; 4]) -> u8; fn b(); }\ntype F = fn (u8) -> u8;\n";
        assert!(functions(text).is_empty());
        let generic = functions("fn c<const N: usize>() -> [u8; { N + 1 }] where T: Fn(u8) {\n}\n");
        assert_eq!(
            generic
                .iter()
                .map(|function| function.lines)
                .collect::<Vec<_>>(),
            [2]
        );
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(findings(&"// a line\n".repeat(500)), []);
        assert_eq!(findings(&"// a line\n".repeat(501)).len(), 1);
    }

    #[test]
    fn leftovers_are_found_in_code_only() {
        let text =
            "fn a() { todo!() }\n// todo!\nlet s = \"todo!\";\nnot_todo!();\nfn b() { dbg!(1); }\n";
        assert_eq!(
            findings(text)
                .iter()
                .map(|(line, _)| *line)
                .collect::<Vec<_>>(),
            [1, 5]
        );
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(findings("#[test]\n#[ignore]\nfn a() {}\n").len(), 1);
        assert_eq!(
            findings("#[test]\n#[ignore = \"needs a carrier\"]\nfn a() {}\n"),
            []
        );
    }
}
