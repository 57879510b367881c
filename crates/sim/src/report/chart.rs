//! The numbers as a picture: an SVG without script or fonts of its own, for light and dark pages.
//!
//! Above, who served the requests, stacked over time, with what was not served on top; below, the 99th percentile of the
//! time to the first token. The times in which something was wrong are marked in both.

use std::fmt::Write as _;
use std::time::Duration;

use super::Comparison;
use super::summary::ratio;
use super::table::{percent, seconds, span};
use crate::events::{Slice, Times};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 936.0;
/// Of the upper field.
const TOP: f64 = 96.0;
const MIDDLE: f64 = 326.0;
/// Of the lower field.
const LOWER: f64 = 374.0;
const BOTTOM: f64 = 490.0;
const LEGEND: f64 = 546.0;
const LINE: f64 = 22.0;

/// Points in time that are drawn.
const POINTS: usize = 60;

/// For targets in turn (Okabe and Ito, told apart by the colour-blind); red is kept for what was not served.
const COLOURS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#b0a000", "#8a6fd1"];
const FAILED: &str = "#d5341c";

const STYLE: &str = "<style>
.ringmain { --ink: #1b1f24; --faint: #57606a; --line: #d0d7de; --page: #ffffff; --shade: #d5341c; }
@media (prefers-color-scheme: dark) {
  .ringmain { --ink: #e6edf3; --faint: #9198a1; --line: #3d444d; --page: #0d1117; --shade: #ff7b72; }
}
.ringmain text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.ringmain .title { font-size: 17px; font-weight: 600; }
.ringmain .faint { fill: var(--faint); font-size: 12px; }
.ringmain .axis { stroke: var(--line); stroke-width: 1; }
.ringmain .page { fill: var(--page); }
.ringmain .shade { fill: var(--shade); opacity: 0.13; }
.ringmain .trouble { fill: var(--shade); }
.ringmain .edge { stroke: var(--shade); stroke-dasharray: 4 3; }
.ringmain .share { shape-rendering: crispEdges; }
.ringmain .p99 { fill: none; stroke: var(--ink); stroke-width: 1.8; stroke-linejoin: round; }
</style>";

/// The picture of the first run.
#[must_use]
pub fn chart(comparison: &Comparison) -> String {
    let columns = columns(&comparison.tally.slices);
    let mut svg = Svg::default();
    let targets = &comparison.tally.targets;
    let rows = (targets.len() + 2).div_ceil(2);
    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    let height = LEGEND + LINE * rows as f64;
    svg.say(&format!(
        "<svg class=\"ringmain\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">"
    ));
    svg.say(&format!("<title>{}</title>", escaped(&comparison.title)));
    svg.say(STYLE);
    svg.say(&format!("<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>"));
    svg.text(LEFT, 32.0, "title", "start", &comparison.title);
    if let Some(run) = comparison.runs.first() {
        let p99 = run.first_token.last().copied().flatten();
        let told = format!(
            "{} requests in {} · {} served · {:.3} attempts for each · first token p99 {} · ${:.2}",
            run.requests,
            span(comparison.length),
            percent(run.success),
            run.attempts,
            seconds(p99),
            run.cost
        );
        svg.text(LEFT, 54.0, "faint", "start", &told);
    }
    shares(&mut svg, &columns, targets.len());
    latency(&mut svg, &columns);
    shade(&mut svg, comparison);
    times(&mut svg, comparison.length);
    legend(&mut svg, comparison);
    svg.say("</svg>");
    svg.0
}

/// One point in time.
struct Column {
    arrived: u64,
    failed: u64,
    served: Vec<u64>,
    first_token: Times,
}

fn columns(slices: &[Slice]) -> Vec<Column> {
    let each = slices.len().div_ceil(POINTS).max(1);
    let of = |slices: &[Slice]| {
        let mut first_token = Times::default();
        let mut served = vec![0; slices.first().map_or(0, |slice| slice.by_target.len())];
        for slice in slices {
            first_token.merge(&slice.first_token);
            for (sum, count) in served.iter_mut().zip(&slice.by_target) {
                *sum += count;
            }
        }
        let sum = |of: fn(&Slice) -> u64| slices.iter().map(of).sum();
        Column { arrived: sum(|slice| slice.arrived), failed: sum(|slice| slice.failed), served, first_token }
    };
    slices.chunks(each).map(of).collect()
}

#[derive(Default)]
struct Svg(String);

impl Svg {
    fn say(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(self.0, "<line class=\"axis\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
    }

    fn rect(&mut self, x: (f64, f64), y: (f64, f64), looks: &str) {
        let (width, height) = (x.1 - x.0, y.1 - y.0);
        if width > 0.0 && height > 0.0 {
            let _ = writeln!(
                self.0,
                "<rect {looks} x=\"{:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>",
                x.0, y.0
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few columns")]
fn across(at: usize, of: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * at as f64 / of.max(1) as f64
}

/// Stacked bars that touch: a share is of the requests that arrived then.
fn shares(svg: &mut Svg, columns: &[Column], targets: usize) {
    svg.text(LEFT, TOP - 12.0, "faint", "start", "share of requests, by who served them");
    for percent in [0_u32, 25, 50, 75, 100] {
        let y = MIDDLE - (MIDDLE - TOP) * f64::from(percent) / 100.0;
        svg.line((LEFT, y), (RIGHT, y));
        svg.text(LEFT - 8.0, y + 4.0, "faint", "end", &format!("{percent} %"));
    }
    for (at, column) in columns.iter().enumerate() {
        let told = column.served.iter().sum::<u64>() + column.failed;
        if column.arrived == 0 || told == 0 {
            continue;
        }
        // Callers who left are in no share.
        let x = (across(at, columns.len()), across(at + 1, columns.len()) + 0.3);
        let mut y = MIDDLE;
        let parts = (0..targets).map(|target| (colour(target), column.served.get(target).copied().unwrap_or(0)));
        for (colour, count) in parts.chain([(FAILED, column.failed)]) {
            let top = y - (MIDDLE - TOP) * ratio(count, told);
            svg.rect((x.0, x.1.min(RIGHT)), (top, y), &format!("class=\"share\" fill=\"{colour}\""));
            y = top;
        }
    }
}

/// The 99th percentile of the time to the first token. Upwards each doubling is as high as the last.
fn latency(svg: &mut Svg, columns: &[Column]) {
    svg.text(LEFT, LOWER - 10.0, "faint", "start", "time to the first token, 99th percentile");
    let values: Vec<Option<f64>> = columns
        .iter()
        .map(|column| column.first_token.quantile(0.99).map(|time| time.as_secs_f64().max(0.01)))
        .collect();
    let highest = values.iter().flatten().fold(1.0_f64, |a, b| a.max(*b));
    let lowest = values.iter().flatten().fold(highest, |a, b| a.min(*b));
    let steps = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0];
    let low = steps.into_iter().rev().find(|step| *step <= lowest).unwrap_or(0.01);
    let high = steps.into_iter().find(|step| *step >= highest).unwrap_or(3600.0);
    let high = if high <= low { high * 3.0 } else { high };
    let y = |value: f64| BOTTOM - (BOTTOM - LOWER) * (value / low).ln() / (high / low).ln();
    for step in steps.into_iter().filter(|step| *step >= low && *step <= high) {
        svg.line((LEFT, y(step)), (RIGHT, y(step)));
        let label = if step < 1.0 { format!("{:.0} ms", step * 1e3) } else { format!("{step:.0} s") };
        svg.text(LEFT - 8.0, y(step) + 4.0, "faint", "end", &label);
    }
    let mut path = String::new();
    let mut is_down = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let x = (across(at, columns.len()) + across(at + 1, columns.len())) / 2.0;
        let _ = write!(path, "{}{x:.1} {:.1}", if is_down { 'L' } else { 'M' }, y(*value));
        is_down = true;
    }
    svg.say(&format!("<path class=\"p99\" d=\"{path}\"/>"));
}

/// The times in which something was wrong with a target.
fn shade(svg: &mut Svg, comparison: &Comparison) {
    let whole = comparison.length.as_secs_f64().max(1e-9);
    let x = |tick: ringmain_core::Tick| {
        let part = tick.since(ringmain_core::Tick::ZERO).as_secs_f64() / whole;
        LEFT + (RIGHT - LEFT) * part.min(1.0)
    };
    let mut spans: Vec<_> = comparison.tally.targets.iter().flat_map(|target| target.hurt.iter().copied()).collect();
    spans.sort_unstable();
    spans.dedup();
    for (from, until) in spans {
        let (from, until) = (x(from), x(until));
        // Above the shares, so that their colours stay what they are.
        svg.rect((from, until), (TOP - 6.0, TOP - 2.0), "class=\"trouble\"");
        svg.rect((from, until), (LOWER - 4.0, BOTTOM), "class=\"shade\"");
        for at in [from, until] {
            for (top, bottom) in [(TOP - 6.0, MIDDLE), (LOWER - 4.0, BOTTOM)] {
                svg.say(&format!(
                    "<line class=\"edge\" x1=\"{at:.1}\" y1=\"{top:.1}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>"
                ));
            }
        }
    }
}

fn times(svg: &mut Svg, length: Duration) {
    for part in 0..=6_u32 {
        let x = LEFT + (RIGHT - LEFT) * f64::from(part) / 6.0;
        svg.text(x, BOTTOM + 20.0, "faint", "middle", &clock(length * part / 6));
    }
}

/// Time since the beginning: `1:20` minutes, or `12h00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0..=1 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}h{:02}", seconds % 3600 / 60),
    }
}

fn legend(svg: &mut Svg, comparison: &Comparison) {
    let names = comparison.tally.targets.iter().enumerate().map(|(at, target)| (colour(at), target.name.as_str()));
    let hurt = comparison.tally.targets.iter().any(|target| !target.hurt.is_empty());
    let trouble = hurt.then_some(("var(--shade)", "a target is not well (the band above, the shade below)"));
    for (at, (colour, name)) in names.chain([(FAILED, "not served")]).chain(trouble).enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few rows")]
        let (x, y) = (LEFT + 440.0 * (at % 2) as f64, LEGEND - 12.0 + LINE * (at / 2) as f64);
        svg.rect((x, x + 14.0), (y - 11.0, y + 3.0), &format!("rx=\"2\" fill=\"{colour}\""));
        svg.text(x + 22.0, y + 1.0, "", "start", name);
    }
}

fn colour(target: usize) -> &'static str {
    COLOURS.get(target % COLOURS.len()).copied().unwrap_or(FAILED)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
