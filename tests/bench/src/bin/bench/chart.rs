//! The chart: CPU time for a query of each server, in the main cases. On a light ground of its own, so that it
//! reads the same on a dark page.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::Row;
use crate::peers;
use crate::results::{CaseResult, Results};
use crate::table::number;

/// Cases with their variant and what they are called here.
const PANELS: &[(&str, &str, &str)] = &[
    ("cached-10k", "", "From cache, UDP, 10,000 names"),
    ("cached-1m", "", "From cache, UDP, 1 million names"),
    ("forwarded", "", "Forwarded, UDP, every name new"),
    ("tcp-pipelined", "", "From cache, TCP, pipelined"),
    ("zone", "positive", "From a local zone of 100,000 names"),
    ("rules", "10,000 rules", "From cache, UDP, 10,000 rules"),
];

const WIDTH: u32 = 960;
const HEAD: u32 = 64;
const TITLE: i32 = 34;
const BAR: i32 = 24;
const GROUND: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const FAINT: RGBColor = RGBColor(101, 109, 118);
const OURS: RGBColor = RGBColor(9, 105, 218);
const PEERS: RGBColor = RGBColor(175, 184, 193);
const FLOOR: RGBColor = RGBColor(220, 225, 230);

struct Panel {
    title: &'static str,
    /// Name, microseconds.
    bars: Vec<(&'static str, &'static str, f64)>,
}

pub fn draw(results: &Results, file: &Path) -> Result<()> {
    let panels: Vec<Panel> = PANELS.iter().filter_map(|panel| Panel::of(results, *panel)).collect();
    if panels.is_empty() {
        return Ok(());
    }
    let pairs: Vec<&[Panel]> = panels.chunks(2).collect();
    let heights: Vec<i32> =
        pairs.iter().map(|pair| pair.iter().map(Panel::height).max().unwrap_or(0)).collect();
    let height = HEAD + u32::try_from(heights.iter().sum::<i32>())?;
    let root = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    let paint = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&GROUND)?;
        head(&root)?;
        let mut top = HEAD as i32;
        for (pair, height) in pairs.iter().zip(&heights) {
            for (column, panel) in pair.iter().enumerate() {
                panel.draw(&root, (WIDTH as i32 / 2 * column as i32, top))?;
            }
            top += height;
        }
        root.present()
    };
    paint().map_err(|fault| anyhow!("{} can't be drawn: {fault}", file.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn head(root: &Area) -> Drawn {
    text(root, "CPU time of the server for one query", (24, 26), 20, &INK, HPos::Left)?;
    let note = "microseconds, user and system; one worker on one core; shorter is better; \
                floor: two system calls a batch and no work";
    text(root, note, (24, 48), 13, &FAINT, HPos::Left)
}

fn text(root: &Area, text: &str, at: (i32, i32), size: i32, color: &RGBColor, side: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(color).pos(Pos::new(side, VPos::Center));
    root.draw(&Text::new(text.to_string(), at, style))
}

impl Panel {
    fn of(results: &Results, (id, variant, title): (&str, &str, &'static str)) -> Option<Panel> {
        let case: &CaseResult = results.case(id)?;
        let rows = case.rows.iter().filter(|row| row.variant == variant && row.failed.is_none());
        let bar = |row: &Row| {
            let peer = peers::find(&row.server)?;
            Some((peer.name, peer.title, row.median("cpu_us")?))
        };
        let mut bars: Vec<_> = rows.filter_map(bar).collect();
        bars.sort_by(|one, other| one.2.total_cmp(&other.2));
        (!bars.is_empty()).then_some(Panel { title, bars })
    }

    fn height(&self) -> i32 {
        TITLE + BAR * self.bars.len() as i32 + 22
    }

    fn draw(&self, root: &Area, (left, top): (i32, i32)) -> Drawn {
        const NAMES: i32 = 140;
        const ROOM: f64 = 260.0;
        text(root, self.title, (left + 24, top + 14), 15, &INK, HPos::Left)?;
        let longest = self.bars.iter().map(|bar| bar.2).fold(f64::MIN_POSITIVE, f64::max);
        for (index, (name, title, micros)) in self.bars.iter().enumerate() {
            let middle = top + TITLE + BAR * index as i32 + BAR / 2;
            let color = match *name {
                "dnsfwd" => &OURS,
                "floor" => &FLOOR,
                _ => &PEERS,
            };
            let start = left + 24 + NAMES;
            let end = start + (micros / longest * ROOM).round().max(2.0) as i32;
            text(root, title, (start - 8, middle), 13, &INK, HPos::Right)?;
            root.draw(&Rectangle::new([(start, middle - 8), (end, middle + 8)], color.filled()))?;
            text(root, &number(*micros), (end + 6, middle), 13, &INK, HPos::Left)?;
        }
        Ok(())
    }
}
