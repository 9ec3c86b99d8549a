//! The results as text.

use crate::figures::{Row, Spread};

/// Columns of one case: medians, and for the first figure its spread.
pub fn rows(shown: &[&str], rows: &[Row]) -> String {
    let mut lines = vec![head(shown)];
    lines.extend(rows.iter().map(|row| line(shown, row)));
    let numbers: Vec<usize> = (1..lines[0].len()).collect();
    columns(&lines, &numbers)
}

/// Aligned columns, those of numbers to the right. What follows a line's last column is not cut.
pub fn columns(lines: &[Vec<String>], numbers: &[usize]) -> String {
    let width = |column: usize| {
        let whole = lines.iter().filter(|line| line.len() > column + 1 || line.len() == lines[0].len());
        whole.filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn head(shown: &[&str]) -> Vec<String> {
    let mut cells = vec!["server".to_string()];
    for (index, figure) in shown.iter().enumerate() {
        cells.push((*figure).into());
        if index == 0 {
            cells.push("min–max".into());
        }
    }
    cells
}

fn line(shown: &[&str], row: &Row) -> Vec<String> {
    let mut cells = vec![row.label()];
    if let Some(fault) = &row.failed {
        cells.push(format!("failed: {fault}"));
        return cells;
    }
    for (index, figure) in shown.iter().enumerate() {
        let spread = row.figures.get(*figure);
        cells.push(spread.map_or_else(|| "-".into(), |spread| cell(figure, spread)));
        if index == 0 {
            cells.push(spread.map_or_else(|| "-".into(), range));
        }
    }
    cells
}

/// The median; of what should not happen, all of it.
fn cell(figure: &str, spread: &Spread) -> String {
    match figure {
        "lost" | "wrong" => thousands(spread.runs.iter().sum()),
        "busy" | "load_busy" => format!("{:.0} %", spread.median * 100.0),
        _ => number(spread.median),
    }
}

fn range(spread: &Spread) -> String {
    format!("{}–{}", number(spread.min), number(spread.max))
}

/// Three digits that count, and no more.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}
