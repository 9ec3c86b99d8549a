//! "Did you mean": the known word that a mistyped one is nearest to. Pure.

/// The nearest of `known`, if near enough to be what was meant: a third of the letters may differ.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(written);
    // Longer words are no typing slips of ours; the bound keeps the table below small whatever is written.
    if folded.len() > 64 {
        return None;
    }
    let limit = (folded.len() / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(&folded, &fold(word)), word))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

fn fold(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Letters to insert, delete, replace or swap with the neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["listen", "workers", "max_udp_size", "az"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("Workers", known), Some("workers"));
        assert_eq!(nearest("max-udp-size", known), Some("max_udp_size"));
        assert_eq!(nearest("zone", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"l".repeat(1_000_000), known), None);
    }
}
