//! A chart as inline SVG: axes with units, a legend, lines with the band of all runs. Colours are classes of the page's style, so that it
//! fits a dark page too. Written by hand: a plotting library would bring fonts and image formats for a hundred lines of text.

use super::scale::{Range, Scale};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
/// Colours of the page's style; further series begin again.
const COLOURS: usize = 6;
/// Room of a legend entry beyond its letters, and of a letter.
const LEGEND_GAP: f64 = 38.0;
const LETTER: f64 = 6.6;

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What to see, what was measured.
    pub(super) caption: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// A part of x that counts, and the rest does not.
    pub(super) span: Option<(f64, f64)>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What, and in which unit.
    pub(super) label: String,
    pub(super) scale: Scale,
}

impl Axis {
    pub(super) fn new(label: &str, scale: Scale) -> Self {
        Self {
            label: label.to_owned(),
            scale,
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// In the legend; none where it is empty.
    pub(super) name: String,
    pub(super) points: Vec<Point>,
    pub(super) look: Look,
    /// Which of the page's colours.
    pub(super) colour: usize,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// With a dot at each point.
    Dots,
    Line,
    /// A limit, not a measurement.
    Dashed,
}

/// A point and the least and the most of all runs there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Point {
    /// Without a spread.
    pub(super) const fn exact(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            low: y,
            high: y,
        }
    }
}

impl Chart {
    /// The figure with its caption.
    pub(super) fn html(&self) -> String {
        format!(
            "<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n",
            self.svg(),
            escaped(&self.caption)
        )
    }

    fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Range::of(self.x.scale, points().map(|point| point.x));
        let y = Range::of(self.y.scale, points().flat_map(|p| [p.y, p.low, p.high]));
        let frame = Frame { x, y };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"14\">{0}</text>\n",
            escaped(&self.title)
        );
        if let Some((from, to)) = self.span {
            frame.shade(&mut svg, from, to);
        }
        frame.grid(&mut svg, &self.x.label, &self.y.label);
        for series in &self.series {
            frame.series(&mut svg, series);
        }
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            let class = class(series);
            svg.push_str(&format!(
                "<path class=\"{class}\" d=\"M{x:.1} 25h16\"/><text class=\"legend\" x=\"{:.1}\" y=\"29\">{}</text>\n",
                x + 21.0,
                escaped(&series.name)
            ));
            x += LEGEND_GAP + LETTER * series.name.chars().count() as f64;
        }
    }
}

fn class(series: &Series) -> String {
    let dashed = match series.look {
        Look::Dashed => " dashed",
        Look::Dots | Look::Line => "",
    };
    format!("line c{}{dashed}", series.colour % COLOURS)
}

/// The place of a chart's lines.
struct Frame {
    x: Range,
    y: Range,
}

impl Frame {
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.across(x)?, self.down(y)?))
    }

    fn across(&self, x: f64) -> Option<f64> {
        Some(LEFT + self.x.place(x)? * (WIDTH - LEFT - RIGHT))
    }

    fn down(&self, y: f64) -> Option<f64> {
        Some(HEIGHT - BOTTOM - self.y.place(y)? * (HEIGHT - TOP - BOTTOM))
    }

    fn shade(&self, svg: &mut String, from: f64, to: f64) {
        if let (Some(from), Some(to)) = (self.across(from), self.across(to)) {
            svg.push_str(&format!(
                "<rect class=\"span\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
                to - from,
                HEIGHT - TOP - BOTTOM
            ));
        }
    }

    fn grid(&self, svg: &mut String, x_label: &str, y_label: &str) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in self.y.marks() {
            if let Some(y) = self.down(value) {
                svg.push_str(&format!(
                    "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
                    LEFT - 7.0,
                    y + 4.0
                ));
            }
        }
        for (value, text) in self.x.marks() {
            if let Some(x) = self.across(value) {
                svg.push_str(&format!(
                    "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/><text class=\"mark\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>\n",
                    bottom + 16.0
                ));
            }
        }
        let (middle_x, middle_y) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
        svg.push_str(&format!(
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n\
             <text class=\"label\" x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text class=\"label\" transform=\"translate(13 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
            HEIGHT - 8.0,
            escaped(x_label),
            escaped(y_label)
        ));
    }

    fn series(&self, svg: &mut String, series: &Series) {
        let path = |places: &[(f64, f64)]| {
            let places = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}"));
            places.collect::<Vec<_>>().join("L")
        };
        let places = |y: fn(&Point) -> f64| -> Vec<(f64, f64)> {
            let points = series.points.iter();
            points
                .filter_map(|point| self.at(point.x, y(point)))
                .collect()
        };
        if series.points.iter().any(|point| point.low < point.high) {
            let mut band = places(|point| point.high);
            band.extend(places(|point| point.low).into_iter().rev());
            svg.push_str(&format!(
                "<path class=\"band c{}\" d=\"M{}Z\"/>\n",
                series.colour % COLOURS,
                path(&band)
            ));
        }
        let line = places(|point| point.y);
        if line.is_empty() {
            return;
        }
        svg.push_str(&format!(
            "<path class=\"{}\" d=\"M{}\"/>\n",
            class(series),
            path(&line)
        ));
        if series.look == Look::Dots {
            for (x, y) in line {
                svg.push_str(&format!(
                    "<circle class=\"dot c{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\n",
                    series.colour % COLOURS
                ));
            }
        }
    }
}

/// Text that may stand anywhere in the page.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Point>) -> Chart {
        Chart {
            title: "a < b".to_owned(),
            caption: "c & d".to_owned(),
            x: Axis::new("x, s", Scale::Linear),
            y: Axis::new("y, ms", Scale::Log),
            series: vec![Series {
                name: "otp".to_owned(),
                points,
                look: Look::Dots,
                colour: 7,
            }],
            span: Some((0.5, 1.0)),
        }
    }

    #[test]
    fn a_chart_has_axes_units_legend_band_and_caption() {
        let point = |x: f64| Point {
            x,
            y: 10.0,
            low: 5.0,
            high: 20.0,
        };
        let html = chart(vec![point(0.0), point(2.0)]).html();
        for part in [
            "a &lt; b",
            "c &amp; d",
            ">x, s<",
            ">y, ms<",
            ">otp<",
            "class=\"band c1\"",
            "class=\"line c1\"",
            "class=\"dot c1\"",
            "class=\"span\"",
            ">100<",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let html = chart(vec![Point::exact(1.0, 0.0)]).html();
        assert!(!html.contains("NaN") && !html.contains("circle"), "{html}");
        let html = chart(vec![]).html();
        assert!(html.contains("</svg>") && !html.contains("NaN"), "{html}");
    }
}
