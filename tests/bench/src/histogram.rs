//! Latencies in classes 1.6 % wide.

pub struct Histogram {
    classes: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { classes: vec![0; 64 * 64], count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, nanoseconds: u64) {
        let shift = (64 - nanoseconds.leading_zeros()).saturating_sub(7);
        let class = (u64::from(shift) * 64 + (nanoseconds >> shift)) as usize;
        self.classes[class] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The lower end of the class where the quantile lies, in microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                let class = class as u64;
                let shift = (class / 64).saturating_sub(1);
                return ((class - shift * 64) << shift) as f64 / 1e3;
            }
        }
        0.0
    }

    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }
}
