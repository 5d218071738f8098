//! Plots as inline SVG.
//!
//! Owns scales, ticks and the two kinds of [`Figure`]. Colours are variables of the page's style
//! sheet, so that a plot follows light and dark.

use crate::document::{Axis, Bar, Curve, Figure, Stroke};
use std::fmt::Write;

/// Width of every plot, in units of its own; the page scales it.
const WIDTH: f64 = 860.0;
/// Height of a plot with axes.
const HEIGHT: f64 = 320.0;
/// Left of the axes.
const LEFT: f64 = 70.0;
/// Right of the axes.
const RIGHT: f64 = 16.0;
/// Above the axes, where the legend stands.
const TOP: f64 = 34.0;
/// Below the axes.
const BOTTOM: f64 = 46.0;
/// Height of a bar with the room below it.
const BAR_STEP: f64 = 28.0;
/// Where bars begin: names stand left of it.
const BAR_LEFT: f64 = 330.0;
/// Room for the figure behind a bar.
const BAR_RIGHT: f64 = 170.0;
/// Colours there are.
const COLOURS: usize = 6;

/// A figure, drawn.
pub fn draw(figure: &Figure) -> String {
    match figure {
        Figure::Bars { title, unit, bars } => draw_bars(title, unit, bars),
        Figure::Curves { title, x, y, curves } => draw_curves(title, [x, y], curves),
    }
}

/// Text that is no markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number with three digits that count, and thousands apart.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e15).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 1000.0 {
        grouped(&format!("{value:.0}"))
    } else {
        let digits: usize = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            4
        };
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

/// Thousands apart by a thin space.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<figure><figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height:.0}\" \
         role=\"img\" aria-label=\"{title}\">\n",
        title = escape(title)
    )
}

fn draw_bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
    let height = bars.len() as f64 * BAR_STEP + 8.0;
    let mut svg = open(&format!("{title} ({unit})"), height);
    let most = bars.iter().map(|bar| bar.spread.p90.max(bar.spread.p50)).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let length = |value: f64| value.max(0.0) / most * (WIDTH - BAR_LEFT - BAR_RIGHT);
    let mut top = 4.0;
    for (place, bar) in bars.iter().enumerate() {
        let middle = top + (BAR_STEP - 8.0) / 2.0;
        let (low, high) = (BAR_LEFT + length(bar.spread.p10), BAR_LEFT + length(bar.spread.p90));
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"c{}\" x=\"{BAR_LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             rx=\"3\"/>\
             <path class=\"whisker\" d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v8\
             M{high:.1} {:.1}v8\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            BAR_LEFT - 10.0,
            middle + 4.5,
            escape(&bar.name),
            place % COLOURS,
            length(bar.spread.p50).max(1.0),
            BAR_STEP - 8.0,
            middle - 4.0,
            middle - 4.0,
            high.max(BAR_LEFT + length(bar.spread.p50)) + 8.0,
            middle + 4.5,
            number(bar.spread.p50),
        );
        top += BAR_STEP;
    }
    svg + "</svg></figure>\n"
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(axis: &Axis, values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let is_logarithmic = axis.is_logarithmic;
        let good = values.filter(|value| value.is_finite() && (!is_logarithmic || *value > 0.0));
        let least = good.clone().fold(f64::INFINITY, f64::min);
        let most = good.fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = if least.is_finite() { (least, most) } else { (0.0, 1.0) };
        let (mut low, mut high) = if is_logarithmic {
            (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()))
        } else {
            (least.min(0.0), most)
        };
        if high <= low {
            high = if is_logarithmic { low * 10.0 } else { low + 1.0 };
        } else if !is_logarithmic {
            let step = step(high - low);
            high = (high / step).ceil() * step;
            low = (low / step).floor() * step;
        }
        Self { low, high, is_logarithmic, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.is_logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut tick = self.low;
        while tick <= self.high * (1.0 + 1e-9) && ticks.len() < 20 {
            ticks.push(tick);
            tick = match self.is_logarithmic {
                true => tick * 10.0,
                false => tick + step(self.high - self.low),
            };
        }
        ticks
    }
}

/// A round step that makes four to ten of a length.
fn step(length: f64) -> f64 {
    let power = 10_f64.powf((length / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| length / step <= 7.0).unwrap_or(length)
}

fn draw_curves(title: &str, [x, y]: [&Axis; 2], curves: &[Curve]) -> String {
    let mut svg = open(title, HEIGHT);
    let values = |axis: usize| {
        let points = curves.iter().flat_map(|curve| &curve.points);
        points.map(move |point| point[axis])
    };
    let across = Scale::new(x, values(0), LEFT, WIDTH - RIGHT);
    let upwards = Scale::new(y, values(1), HEIGHT - BOTTOM, TOP);
    draw_grid(&mut svg, [x, y], [&across, &upwards]);
    let mut legend = LEFT;
    for (number, curve) in curves.iter().enumerate() {
        let colour = number % COLOURS;
        let places = curve.points.iter().filter(|[a, b]| a.is_finite() && b.is_finite());
        let places: Vec<_> = places.map(|[a, b]| (across.place(*a), upwards.place(*b))).collect();
        match curve.stroke {
            Stroke::Line => {
                let points: Vec<_> = places.iter().map(|(a, b)| format!("{a:.1},{b:.1}")).collect();
                let _ = writeln!(
                    svg,
                    "<polyline class=\"s{colour}\" points=\"{}\"/>",
                    points.join(" ")
                );
            }
            Stroke::Dots => {
                for (a, b) in places {
                    let _ = write!(
                        svg,
                        "<circle class=\"c{colour}\" cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"4\"/>"
                    );
                }
            }
        }
        let _ = writeln!(
            svg,
            "<rect class=\"c{colour}\" x=\"{legend:.1}\" y=\"8\" width=\"14\" height=\"10\" \
             rx=\"3\"/><text class=\"legend\" x=\"{:.1}\" y=\"17\">{}</text>",
            legend + 20.0,
            escape(&curve.name)
        );
        #[expect(clippy::cast_precision_loss, reason = "a short name")]
        let length = curve.name.chars().count() as f64;
        legend += 44.0 + length * 7.2;
    }
    svg + "</svg></figure>\n"
}

fn draw_grid(svg: &mut String, [x, y]: [&Axis; 2], [across, upwards]: [&Scale; 2]) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in upwards.ticks() {
        let place = upwards.place(tick);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{right}\"/>\
             <text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            place + 4.0,
            number(tick)
        );
    }
    for tick in across.ticks() {
        let place = across.place(tick);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{place:.1} {TOP}V{bottom}\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{place:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 17.0,
            number(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"axis\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
         <text class=\"axis\" text-anchor=\"middle\" transform=\"translate(14 {:.1}) \
         rotate(-90)\">{}</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 8.0,
        escape(&x.label),
        (TOP + bottom) / 2.0,
        escape(&y.label)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Spread;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let texts = [0.0, 0.125, 1.5, 12.34, 123.4, 1_234_567.0, -4000.0, 1e-7].map(number);
        let thin = |text: &str| text.replace('_', "\u{202f}");
        assert_eq!(texts[..5], ["0", "0.125", "1.5", "12.3", "123"]);
        assert_eq!(texts[5..], [thin("1_234_567"), thin("-4_000"), "1.00e-7".to_owned()]);
    }

    #[test]
    fn steps_are_round_and_few() {
        for length in [0.013, 1.0, 7.0, 48.0, 100.0, 99_000.0] {
            let count = length / step(length);
            assert!((2.0..=7.0).contains(&count), "{length}: {count}");
        }
    }

    #[test]
    fn places_outside_of_a_scale_do_not_leave_the_plot() {
        let axis = Axis::logarithmic("x");
        let scale = Scale::new(&axis, [0.0, 5.0, 5000.0].into_iter(), 0.0, 100.0);
        assert_eq!((scale.low, scale.high), (1.0, 10_000.0));
        assert_eq!((scale.place(0.0), scale.place(100.0), scale.place(1e9)), (0.0, 50.0, 100.0));
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
    }

    #[test]
    fn names_cannot_be_markup() {
        let bar = Bar { name: "<b>&".into(), spread: Spread::default() };
        let bars = Figure::Bars { title: "\"t\"".into(), unit: "u".into(), bars: vec![bar] };
        let svg = draw(&bars);
        assert!(svg.contains("&lt;b&gt;&amp;") && !svg.contains("<b>"), "{svg}");
    }
}
