//! The curves of the compared methods as a picture.

use std::fmt::Write as _;

use super::compare::{Curve, Point};
use super::rivals::Method;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// The plot within the picture.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 520.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 400.0;

/// False findings a day at the left and the right end, as powers of ten; fewer are drawn at the left.
const DECADES: (i32, i32) = (-2, 3);

/// Colours that stay apart for colour-blind eyes (Okabe and Ito), and how lines are dashed.
const STROKES: [(&str, &str); Method::ALL.len()] = [
    ("#000000", ""),
    ("#d55e00", "8 4"),
    ("#0072b2", "3 3"),
    ("#009e73", "10 3 3 3"),
    ("#cc79a7", "6 2"),
    ("#e69f00", "2 2"),
    ("#56b4e9", "12 4"),
    ("#56b4e9", "4 2 1 2"),
    ("#777777", "1 3"),
];

/// Recall against false findings a day, one line for each method.
pub(crate) fn to_svg(curves: &[Curve]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>Recall against false findings a \
         day</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    axes(&mut svg);
    for ((curve, (color, dash)), place) in curves.iter().zip(STROKES).zip(0_i32..) {
        line(&mut svg, curve, color, dash);
        let y = TOP + 14.0 + 22.0 * f64::from(place);
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<path d=\"M{:.0} {y:.0}h28\" stroke=\"{color}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dash}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            RIGHT + 16.0,
            RIGHT + 50.0,
            y + 4.0,
            curve.method.name()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String) {
    for tenths in (0..=10).step_by(2) {
        let y = y_of(f64::from(tenths) / 10.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#dddddd\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            f64::from(tenths) / 10.0
        );
    }
    for decade in DECADES.0..=DECADES.1 {
        let rate = 10_f64.powi(decade);
        let x = x_of(rate);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{BOTTOM}\" stroke=\"#dddddd\"/><text x=\"{x:.1}\" \
             y=\"{:.0}\" text-anchor=\"middle\">{rate}</text>",
            BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#555555\"/>\n<text \
         x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">false findings a day</text>\n<text \
         x=\"{LEFT}\" y=\"{:.0}\" text-anchor=\"middle\">recall</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 40.0,
        TOP - 12.0
    );
}

/// The best recall at every rate: a staircase.
fn line(svg: &mut String, curve: &Curve, color: &str, dash: &str) {
    let mut points: Vec<Point> = curve.points.clone();
    points.sort_by(|a, b| a.false_per_day.total_cmp(&b.false_per_day));
    let mut path = format!("M{LEFT:.1} {:.1}", y_of(0.0));
    let mut best = 0.0;
    for point in points {
        if point.recall > best {
            best = point.recall;
            let _ = write!(path, "H{:.1}V{:.1}", x_of(point.false_per_day), y_of(best));
        }
    }
    let _ = write!(path, "H{RIGHT:.1}");
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" \
         stroke-dasharray=\"{dash}\"/>"
    );
}

fn x_of(false_per_day: f64) -> f64 {
    let (low, high) = (f64::from(DECADES.0), f64::from(DECADES.1));
    let at = false_per_day.max(1e-9).log10().clamp(low, high);
    LEFT + (at - low) / (high - low) * (RIGHT - LEFT)
}

fn y_of(recall: f64) -> f64 {
    BOTTOM - recall * (BOTTOM - TOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_as_a_staircase_of_its_best_points() {
        let point = |false_per_day, recall| Point { false_per_day, recall, cut: 1.0 };
        let points = vec![point(1.0, 0.5), point(0.01, 0.2), point(10.0, 0.4)];
        let svg = to_svg(&[Curve { method: Method::Rita, runs: 1, points }]);
        let expected = "d=\"M60.0 400.0H60.0V326.0H244.0V215.0H520.0\"";
        assert!(svg.contains(expected), "{svg}");
        assert!(svg.contains("RITA beacon score") && svg.ends_with("</svg>\n"));
    }
}
