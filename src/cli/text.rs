//! How reports look to people: columns, durations, sizes, colour. Knows no report.

use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

/// Colours, when the stream shows them and nobody minds (<https://no-color.org>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Color,
    Plain,
}

impl Paint {
    pub fn for_stdout() -> Paint {
        Paint::on(&io::stdout())
    }

    pub fn for_stderr() -> Paint {
        Paint::on(&io::stderr())
    }

    fn on(stream: &impl IsTerminal) -> Paint {
        let minded = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !minded { Paint::Color } else { Paint::Plain }
    }

    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub fn doubtful(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Paint::Color => format!("\x1b[{code}m{text}\x1b[0m"),
            Paint::Plain => text.to_owned(),
        }
    }
}

/// Lines of cells, each column as wide as its widest cell; the last cell of a line runs free.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let inner = rows.iter().filter(|row| row.len() > column + 1);
        inner.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    rows.iter().map(|row| columns_line(row, &widths)).collect()
}

fn columns_line(row: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

/// `label` and its lines beside it, the label in the first one only.
pub fn labelled(label: &str, lines: &[String]) -> String {
    let mut page = String::new();
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        page.push_str(format!("{label:<13} {line}").trim_end());
        page.push('\n');
    }
    page
}

/// A sentence as lines that, beside a label, end before column 80.
pub fn wrap(sentence: &str) -> Vec<String> {
    const WIDTH: usize = 66;
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The two largest units: `3d 4h`, `12m 5s`, `7s`.
pub fn duration(secs: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut rest = secs;
    let mut parts = Vec::new();
    for (unit, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 || !parts.is_empty() {
            parts.push((count, unit));
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .take(2)
        .filter(|part| part.0 > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `4.0 KiB`, `256 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if value < 10.0 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `1 target`, `2 targets`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        "entry" => "entries",
        "query" => "queries",
        "address" => "addresses",
        other => &format!("{other}s"),
    };
    format!("{number} {}", if number == 1 { noun } else { plural })
}

/// `4.2 ms`, `135 ms`; none as a dash.
pub fn milliseconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
    }
}

/// `2h 5m ago (2026-11-22 06:59:01 UTC)`
pub fn ago(secs: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{} ago ({})", duration(secs), moment(now.saturating_sub(secs)))
}

/// Seconds since 1970 as `2026-11-22 06:59:01 UTC` (the days by Howard Hinnant's `civil_from_days`).
pub fn moment(unix_secs: u64) -> String {
    let (days, rest) = (unix_secs / 86_400 + 719_468, unix_secs % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_two_units() {
        let shown = [0, 7, 60, 725, 3_600, 93_784, 86_401].map(duration);
        assert_eq!(shown, ["0s", "7s", "1m", "12m 5s", "1h", "1d 2h", "1d"]);
    }

    #[test]
    fn sizes_have_units() {
        let shown = [0, 1023, 4096, 1 << 28, 1 << 45].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "4.0 KiB", "256 MiB", "32 TiB"]);
    }

    #[test]
    fn moments_are_dates() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(4_107_542_399), "2100-02-28 23:59:59 UTC");
    }

    #[test]
    fn sentences_are_wrapped() {
        let lines = wrap(&"word ".repeat(20));
        assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [64, 34]);
        assert_eq!(wrap(""), Vec::<String>::new());
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "long text".to_owned()], vec!["bbb".to_owned(), "x".to_owned()]];
        assert_eq!(columns(&rows), ["a    long text", "bbb  x"]);
    }
}
