//! Live progress on standard error, where that is a terminal; elsewhere nothing is drawn.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::{Plan, Target, UNLIMITED_NAME};
use super::tally::Tally;

const STYLE: &str = "  {prefix:<14} {bar:32} {human_pos:>9} of {human_len} messages ended   {msg}";

/// A line for each carrier, and one for what goes on.
#[derive(Debug)]
pub(super) struct Progress {
    lines: MultiProgress,
    stage: ProgressBar,
    contracted: ProgressBar,
    unlimited: ProgressBar,
}

impl Progress {
    /// Draws the lines, empty.
    pub(super) fn new(plan: &Plan) -> Self {
        let lines = MultiProgress::new();
        let plain = ProgressStyle::default_bar();
        let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| plain.clone());
        let words = ProgressStyle::with_template("{msg}").unwrap_or(plain);
        let bar = |name: String, target| {
            let bar = ProgressBar::new(plan.share(target).messages());
            lines.add(bar).with_style(style.clone()).with_prefix(name)
        };
        Self {
            stage: lines.add(ProgressBar::new_spinner()).with_style(words),
            contracted: bar(plan.contracted_name(), Target::Contracted),
            unlimited: bar(UNLIMITED_NAME.to_owned(), Target::Unlimited),
            lines,
        }
    }

    /// Says what goes on.
    pub(super) fn say(&self, text: &'static str) {
        self.stage.set_message(text);
    }

    /// Shows the account as it is now.
    pub(super) fn show(&self, tally: &Tally) {
        for (bar, target) in [
            (&self.contracted, Target::Contracted),
            (&self.unlimited, Target::Unlimited),
        ] {
            let part = tally.part(target);
            bar.set_position(part.ended);
            bar.set_message(format!("{} on disk", part.admitted));
        }
    }

    /// Takes the lines away.
    pub(super) fn clear(&self) {
        for bar in [&self.stage, &self.contracted, &self.unlimited] {
            bar.finish_and_clear();
        }
        // What cannot be cleared is a terminal that is gone.
        let _ = self.lines.clear();
    }
}
