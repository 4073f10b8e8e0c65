//! What a bench is asked for.

use crate::Case;

/// The arguments of the process.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Only cases whose name contains this.
    pub(crate) only: Option<String>,
    /// The counts become the committed figures.
    pub(crate) bless: bool,
    /// Fail when a case takes more than so many times its committed figure.
    pub(crate) at_most: Option<f64>,
    /// Do so many rounds of a case and nothing else: this process is being counted.
    pub(crate) run: Option<(String, u64)>,
}

impl Options {
    pub(crate) fn of(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--bless" => options.bless = true,
                "--only" => options.only = Some(value()?),
                "--at-most" => {
                    let ratio = value()?;
                    let parsed = ratio.parse();
                    let parsed =
                        parsed.map_err(|_| format!("--at-most {ratio} is not a ratio, as 1.05"))?;
                    options.at_most = Some(parsed);
                }
                "--run" => {
                    let (name, rounds) = (value()?, value()?);
                    let parsed = rounds.parse();
                    let parsed = parsed.map_err(|_| format!("--run {name} {rounds}: no count"))?;
                    options.run = Some((name, parsed));
                }
                other => {
                    return Err(format!(
                        "{other} is not known; there are --only NAME, --at-most RATIO, --bless"
                    ));
                }
            }
        }
        if options.bless && options.only.is_some() {
            return Err("--bless is for all cases: leave --only out".to_owned());
        }
        Ok(options)
    }

    pub(crate) fn names(&self, case: &Case) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| case.name.contains(only.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[&str]) -> Result<Options, String> {
        Options::of(line.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_named() {
        let options = of(&["--bench", "--only", "codec", "--at-most", "1.05"]).unwrap();
        assert_eq!(options.only.as_deref(), Some("codec"));
        assert_eq!(options.at_most, Some(1.05));
        let run = of(&["--run", "a case", "7"]).unwrap();
        assert_eq!(run.run, Some(("a case".to_owned(), 7)));
        for (line, word) in [
            (&["--at-most", "much"][..], "much"),
            (&["--only"], "needs a value"),
            (&["--only", "a", "--bless"], "--bless"),
            (&["--quick"], "--quick"),
        ] {
            let refused = of(line).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
