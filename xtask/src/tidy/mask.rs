//! Blanks what is not code, so that a scan for words and braces cannot be fooled by a comment or a string.
//!
//! Not a parser: it knows comments (nested ones too), string, raw string and character literals, and lifetimes. Every
//! blanked character becomes one space and newlines stay, so lines keep their numbers. A real parser was refused: `syn`
//! would be the largest dependency of the house tool, and macro bodies would stay opaque to it.

/// The text with comments and the contents of literals blanked.
pub(crate) fn code_only(text: &str) -> String {
    let mut scan = Scan {
        text: text.chars().collect(),
        at: 0,
        out: String::with_capacity(text.len()),
    };
    while let Some(c) = scan.peek(0) {
        match c {
            '/' if scan.peek(1) == Some('/') => scan.blank_line_comment(),
            '/' if scan.peek(1) == Some('*') => scan.blank_block_comment(),
            '"' => scan.blank_string(),
            '\'' => scan.blank_character(),
            'r' | 'b' | 'c' if !scan.inside_word() && scan.raw_hashes().is_some() => {
                scan.blank_raw_string()
            }
            _ => scan.keep(),
        }
    }
    scan.out
}

struct Scan {
    text: Vec<char>,
    at: usize,
    out: String,
}

impl Scan {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        self.out
            .extend(self.peek(0).map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.at += 1;
    }

    fn inside_word(&self) -> bool {
        self.at
            .checked_sub(1)
            .is_some_and(|before| self.text[before].is_alphanumeric() || self.text[before] == '_')
    }

    fn blank_line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.blank();
        }
    }

    fn blank_block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn blank_string(&mut self) {
        self.keep();
        while let Some(c) = self.peek(0) {
            match c {
                '\\' => {
                    self.blank();
                    self.blank();
                }
                '"' => return self.keep(),
                _ => self.blank(),
            }
        }
    }

    /// `'a'` and `'\n'` are characters; `'a` and `'static` are lifetimes and stay.
    fn blank_character(&mut self) {
        let escaped = self.peek(1) == Some('\\');
        if !escaped && self.peek(2) != Some('\'') {
            return self.keep();
        }
        self.keep();
        if escaped {
            self.blank();
            self.blank();
        }
        while self.peek(0).is_some_and(|c| c != '\'') {
            self.blank();
        }
        self.keep();
    }

    /// The number of `#` when a raw string starts here (`r"`, `br#"`, `cr##"`): its prefix, then hashes, then a quote.
    fn raw_hashes(&self) -> Option<usize> {
        let prefix = if self.peek(0) == Some('r') { 1 } else { 2 };
        if prefix == 2 && self.peek(1) != Some('r') {
            return None;
        }
        let hashes = (prefix..)
            .take_while(|&ahead| self.peek(ahead) == Some('#'))
            .count();
        (self.peek(prefix + hashes) == Some('"')).then_some(hashes)
    }

    fn blank_raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        while self.peek(0) != Some('"') {
            self.keep();
        }
        self.keep();
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                (0..=hashes).for_each(|_| self.keep());
                return;
            }
            self.blank();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let masked =
            code_only("let a = \"fn { \\\" }\"; // fn {\n/* a /* b */ { */ let c = '{';\n");
        assert_eq!(masked.lines().count(), 2);
        assert!(!masked.contains('{') && !masked.contains('}'));
        assert!(masked.contains("let a = \"") && masked.contains("let c = '"));
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let masked = code_only("let a = r#\"say \"{\" \"#; let b = br\"{\"; let r = bar\"\n{");
        assert!(!masked.lines().next().unwrap().contains('{'));
        assert!(masked.contains("let b"));
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let masked = code_only("fn f<'a>(x: &'a str) -> char { '\\'' }");
        assert_eq!(masked.matches('{').count(), 1);
        assert_eq!(masked.matches('}').count(), 1);
        assert!(masked.contains("&'a str"));
    }
}
