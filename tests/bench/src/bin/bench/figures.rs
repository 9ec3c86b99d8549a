//! What was measured, and its form in the results' file.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures of one server in one run of a case, by name.
pub type Figures = BTreeMap<String, f64>;

/// One figure over all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Only of some figures once they come from the results' file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<f64>,
}

/// What goals take run by run, and what is summed up.
const EACH_RUN_COUNTS: &[&str] = &["cpu_us", "p999_us", "lost", "sent"];

impl Spread {
    pub fn of(runs: Vec<f64>) -> Option<Spread> {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        Some(Spread { median, min, max, runs })
    }

    /// As it goes into the file under this name.
    fn brief(&self, name: &str) -> Spread {
        let runs = if EACH_RUN_COUNTS.contains(&name) { self.runs.as_slice() } else { &[] };
        Spread {
            median: rounded(self.median),
            min: rounded(self.min),
            max: rounded(self.max),
            runs: runs.iter().copied().map(rounded).collect(),
        }
    }
}

/// To five digits; counts stay as they are.
fn rounded(value: f64) -> f64 {
    if value == value.trunc() || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// One server in one case.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    pub server: String,
    /// What it was, where the server's name doesn't say it: "2 workers", "100000 rules".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    #[serde(default)]
    pub figures: BTreeMap<String, Spread>,
}

impl Row {
    pub fn new(server: &str, variant: &str) -> Row {
        Row { server: server.into(), variant: variant.into(), ..Row::default() }
    }

    pub fn label(&self) -> String {
        match self.variant.as_str() {
            "" => self.server.clone(),
            variant => format!("{}, {variant}", self.server),
        }
    }

    pub fn median(&self, figure: &str) -> Option<f64> {
        self.figures.get(figure).map(|spread| spread.median)
    }

    /// As it goes into the file: digits and runs that say nothing are left out.
    pub fn brief(&self) -> Row {
        let figures = self.figures.iter().map(|(name, spread)| (name.clone(), spread.brief(name)));
        Row { figures: figures.collect(), ..self.clone() }
    }

    /// Adds one run's figures.
    pub fn add(&mut self, figures: Figures) {
        for (name, value) in figures {
            let mut runs = self.figures.remove(&name).map(|spread| spread.runs).unwrap_or_default();
            runs.push(value);
            self.figures.extend(Spread::of(runs).map(|spread| (name, spread)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).map(|spread| spread.median), Some(2.0));
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
        assert!(Spread::of(vec![]).is_none());
    }

    #[test]
    fn the_file_holds_what_counts() {
        let mut row = Row::new("dnsfwd", "");
        for value in [1.234_567, 123_456.0, 0.000_123_456] {
            row.add(Figures::from([("cpu_us".into(), value), ("p50_us".into(), value)]));
        }
        let brief = row.brief();
        assert_eq!(brief.figures["cpu_us"].runs, [1.2346, 123_456.0, 0.000_123_46]);
        assert_eq!(brief.figures["p50_us"].runs, [0.0; 0]);
        let spread = &brief.figures["p50_us"];
        assert_eq!((spread.median, spread.min, spread.max), (1.2346, 0.000_123_46, 123_456.0));
    }

    #[test]
    fn a_row_gathers_runs() {
        let mut row = Row::new("dnsfwd", "");
        for value in [5.0, 9.0, 7.0] {
            row.add(Figures::from([("cpu_us".into(), value)]));
        }
        let spread = &row.figures["cpu_us"];
        assert_eq!((spread.median, spread.min, spread.max), (7.0, 5.0, 9.0));
        assert_eq!(spread.runs, [5.0, 9.0, 7.0]);
    }
}
