//! Lines in boxes, as SVG.

use std::fmt::Write as _;

/// One cell of the grid.
pub(super) struct Plot {
    /// A heading over the panels that follow.
    pub(super) is_row: bool,
    pub(super) title: String,
    /// Grafana's name of it.
    pub(super) unit: String,
    /// x, y, width and height in units of the grid, which is 24 wide.
    pub(super) place: [f64; 4],
    pub(super) lines: Vec<Line>,
    /// Lines that are not drawn.
    pub(super) more: usize,
}

pub(super) struct Line {
    pub(super) name: String,
    /// Time as a part of the whole, and value.
    pub(super) points: Vec<(f64, f64)>,
}

const PAGE_WIDTH: f64 = 1_560.0;
const UNIT_WIDTH: f64 = PAGE_WIDTH / 24.0;
const UNIT_HEIGHT: f64 = 28.0;
const HEAD: f64 = 44.0;
const GAP: f64 = 4.0;
/// What a panel's plot leaves free: left for values, above for the title, below for times and legend.
const LEFT: f64 = 62.0;
const ABOVE: f64 = 28.0;
const BELOW: f64 = 48.0;
const RIGHT: f64 = 12.0;
/// Of a legend's letters, roughly.
const LETTER_WIDTH: f64 = 5.8;
const CAPITAL_WIDTH: f64 = 8.2;

/// Eight colours that people with any kind of sight tell apart (Okabe and Ito), on dark.
const COLOURS: [&str; 8] = [
    "#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#9aa5ff", "#dddddd",
];

/// The whole page.
pub(super) fn page(title: &str, plots: &[Plot], seconds: u64) -> String {
    let bottom = plots.iter().map(|plot| plot.place[1] + plot.place[3]);
    let height = HEAD + bottom.fold(0.0, f64::max) * UNIT_HEIGHT + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {PAGE_WIDTH} {height}\" width=\"{PAGE_WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#111217\"/>\n\
         <text x=\"12\" y=\"28\" font-size=\"20\" fill=\"#ffffff\">{}</text>\n\
         <text x=\"{}\" y=\"28\" text-anchor=\"end\" fill=\"#9fa2a8\">{seconds} s; drawn by cargo xtask dashboard-picture from the dashboard\u{2019}s own queries</text>\n",
        escaped(title),
        PAGE_WIDTH - 12.0,
    );
    for plot in plots {
        svg.push_str(&cell(plot, seconds));
    }
    svg + "</svg>\n"
}

fn cell(plot: &Plot, seconds: u64) -> String {
    let [x, y, width, height] = plot.place;
    let (x, y) = (x * UNIT_WIDTH + GAP, HEAD + y * UNIT_HEIGHT + GAP);
    let (width, height) = (width * UNIT_WIDTH - GAP, height * UNIT_HEIGHT - GAP);
    let mut svg = format!("<g transform=\"translate({x:.0} {y:.0})\">\n");
    let title = escaped(&plot.title);
    if plot.is_row {
        add(
            &mut svg,
            format!("<text x=\"8\" y=\"17\" font-size=\"14\" fill=\"#ffffff\">{title}</text>"),
        );
        return svg + "</g>\n";
    }
    add(
        &mut svg,
        format!(
            "<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"3\" fill=\"#181b1f\" stroke=\"#2c3235\"/>\n\
             <text x=\"10\" y=\"18\" font-size=\"12\" fill=\"#d8d9da\">{title}</text>"
        ),
    );
    let frame = Frame {
        width: width - LEFT - RIGHT,
        height: height - ABOVE - BELOW,
        top: scale_top(plot),
    };
    svg.push_str(&frame.axes(&plot.unit, seconds));
    if plot.lines.iter().all(|line| line.points.is_empty()) {
        add(
            &mut svg,
            format!(
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#9fa2a8\">no data</text>",
                width / 2.0,
                height / 2.0
            ),
        );
    }
    // The largest last, so that it is on top.
    for (at, line) in plot.lines.iter().enumerate().rev() {
        svg.push_str(&frame.line(line, COLOURS[at % COLOURS.len()]));
    }
    svg.push_str(&legend(plot, width, height));
    svg + "</g>\n"
}

/// Where values and times fall.
struct Frame {
    width: f64,
    height: f64,
    top: f64,
}

impl Frame {
    fn axes(&self, unit: &str, seconds: u64) -> String {
        let mut svg = String::new();
        for part in [0.0, 0.5, 1.0] {
            let y = ABOVE + self.height * (1.0 - part);
            add(
                &mut svg,
                format!(
                    "<path d=\"M{LEFT} {y:.1}h{:.1}\" stroke=\"#2c3235\"/>\
                     <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#9fa2a8\">{}</text>",
                    self.width,
                    LEFT - 6.0,
                    y + 4.0,
                    value(self.top * part, unit),
                ),
            );
            let x = LEFT + self.width * part;
            let ago = (seconds as f64 * (1.0 - part)).round();
            let (anchor, text) = match part {
                0.0 => ("start", format!("-{ago} s")),
                1.0 => ("end", "0".to_owned()),
                _ => ("middle", format!("-{ago} s")),
            };
            add(
                &mut svg,
                format!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#9fa2a8\">{text}</text>",
                    ABOVE + self.height + 15.0,
                ),
            );
        }
        svg
    }

    fn line(&self, line: &Line, colour: &str) -> String {
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for (at, value) in &line.points {
            let x = LEFT + self.width * at;
            let y = ABOVE + self.height * (1.0 - (value / self.top).clamp(0.0, 1.0));
            // Where samples are missing there is no line.
            let joined = before.is_some_and(|before| at - before < 0.03);
            let command = if joined { 'L' } else { 'M' };
            write!(path, "{command}{x:.1} {y:.1}").expect("a String takes everything");
            before = Some(*at);
        }
        format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.3\"/>\n")
    }
}

/// In one row under the plot, as many as fit.
fn legend(plot: &Plot, width: f64, height: f64) -> String {
    let mut svg = String::new();
    let (mut x, y) = (10.0, height - 9.0);
    for (at, line) in plot.lines.iter().enumerate() {
        let width_of = |letter: char| {
            if letter.is_ascii_uppercase() {
                CAPITAL_WIDTH
            } else {
                LETTER_WIDTH
            }
        };
        let needed = 16.0 + line.name.chars().map(width_of).sum::<f64>();
        let left = plot.lines.len() - at + plot.more;
        let last = left == 1;
        if x + needed + if last { 0.0 } else { 40.0 } > width {
            add(
                &mut svg,
                format!("<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"#9fa2a8\">+{left}</text>"),
            );
            return svg;
        }
        let colour = COLOURS[at % COLOURS.len()];
        add(
            &mut svg,
            format!(
                "<path d=\"M{x:.0} {:.0}h10\" stroke=\"{colour}\" stroke-width=\"3\"/>\
                 <text x=\"{:.0}\" y=\"{y:.0}\" fill=\"#d8d9da\">{}</text>",
                y - 4.0,
                x + 13.0,
                escaped(&line.name),
            ),
        );
        x += needed + 10.0;
    }
    svg
}

/// The next round value above everything.
fn scale_top(plot: &Plot) -> f64 {
    let points = plot.lines.iter().flat_map(|line| &line.points);
    let most = points.map(|(_, y)| *y).fold(0.0, f64::max);
    if most <= 0.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let fits = steps.iter().find(|step| *step * magnitude >= most);
    fits.unwrap_or(&10.0) * magnitude
}

fn value(value: f64, unit: &str) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let step = steps.iter().find(|(size, _)| value >= *size);
        let (size, name) = step.or(steps.last()).copied().unwrap_or((1.0, ""));
        format!("{} {name}", short(value / size))
    };
    match unit {
        _ if value == 0.0 => "0".to_owned(),
        "s" => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "\u{b5}s")]),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "bytes" => scaled(&[
            (1_073_741_824.0, "GiB"),
            (1_048_576.0, "MiB"),
            (1_024.0, "KiB"),
            (1.0, "B"),
        ]),
        "Bps" => scaled(&[(1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")]),
        "cps" => format!("{}/s", short(value)),
        _ => scaled(&[(1e6, "M"), (1e3, "k"), (1.0, "")])
            .trim_end()
            .to_owned(),
    }
}

fn short(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn add(svg: &mut String, element: String) {
    svg.push_str(&element);
    svg.push('\n');
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_units_that_fit() {
        for (given, unit, told) in [
            (0.0, "s", "0"),
            (0.002_5, "s", "2.5 ms"),
            (0.000_02, "s", "20 \u{b5}s"),
            (0.25, "percentunit", "25 %"),
            (3.0 * 1_048_576.0, "bytes", "3 MiB"),
            (1_250.0, "short", "1.25 k"),
            (400.0, "cps", "400/s"),
            (40.0, "short", "40"),
        ] {
            assert_eq!(value(given, unit), told);
        }
    }

    #[test]
    fn a_page_has_its_lines_in_its_panels() {
        let plot = Plot {
            is_row: false,
            title: "a < b".to_owned(),
            unit: "s".to_owned(),
            place: [0.0, 0.0, 8.0, 7.0],
            lines: vec![Line {
                name: "otp".to_owned(),
                points: vec![(0.0, 0.0), (0.01, 1.0), (0.5, 2.0)],
            }],
            more: 0,
        };
        assert!((scale_top(&plot) - 2.0).abs() < 1e-9);
        let svg = page("x", &[plot], 60);
        assert!(svg.contains("a &lt; b") && svg.contains(">otp<"));
        // Two samples side by side are joined, the third stands alone.
        assert_eq!(
            svg.matches('L').count() - svg.matches("L\"").count(),
            1,
            "{svg}"
        );
    }
}
