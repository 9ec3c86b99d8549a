//! Which name is asked next, and its question as bytes.

/// Names are `n0.suffix`, `n1.suffix` …, or with rules `n0.r0.suffix`, `n1.r1.suffix` …
#[derive(Clone, Debug)]
pub struct Names {
    pub suffix: String,
    /// How many names, asked in turn; 0: each query has a new one.
    pub count: u64,
    /// The number of the first name.
    pub first: u64,
    /// Where in the circle of names to begin.
    pub start: u64,
    /// So many labels `r0`, `r1` … before the suffix; 0: none.
    pub rules: u64,
    /// Each so manieth query has a name that was never asked before, numbered from here on; 0: none.
    pub fresh_every: u64,
    pub fresh_first: u64,
}

pub const A: u16 = 1;
pub const AAAA: u16 = 28;

impl Names {
    pub fn of(suffix: &str, count: u64) -> Names {
        Names { suffix: suffix.into(), count, first: 0, start: 0, rules: 0, fresh_every: 0, fresh_first: 0 }
    }

    /// The number in the name of the query that is the `position`-th.
    pub(crate) fn number(&self, position: u64) -> u64 {
        if self.fresh_every > 0 && position % self.fresh_every == self.fresh_every - 1 {
            return self.fresh_first + position / self.fresh_every;
        }
        let position = self.start + position;
        self.first + if self.count == 0 { position } else { position % self.count }
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::of("load.example", 1000)
    }
}

/// Writes questions.
pub(crate) struct Pen {
    suffix: Vec<u8>,
    rules: u64,
    qtype: u16,
}

/// Room for the longest question: two numbers, a suffix, type and class.
pub(crate) const QUESTION: usize = 300;

impl Pen {
    pub fn new(names: &Names, qtype: u16) -> Pen {
        Pen { suffix: wire(&names.suffix), rules: names.rules, qtype }
    }

    /// A whole query; gives its length.
    pub fn query(&self, buffer: &mut [u8], id: u16, number: u64, edns: bool) -> usize {
        buffer[..2].copy_from_slice(&id.to_be_bytes());
        buffer[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
        let mut len = 12 + self.question(&mut buffer[12..], number);
        if edns {
            buffer[len..len + 11].copy_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
            len += 11;
        }
        len
    }

    pub fn question(&self, buffer: &mut [u8], number: u64) -> usize {
        let mut len = label(buffer, b'n', number);
        if self.rules > 0 {
            len += label(&mut buffer[len..], b'r', number % self.rules);
        }
        buffer[len..len + self.suffix.len()].copy_from_slice(&self.suffix);
        len += self.suffix.len();
        let [high, low] = self.qtype.to_be_bytes();
        buffer[len..len + 4].copy_from_slice(&[high, low, 0, 1]);
        len + 4
    }
}

/// A whole query for one name, to look whether a server answers.
pub fn query(name: &str, qtype: u16) -> Vec<u8> {
    let [high, low] = qtype.to_be_bytes();
    [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &wire(name), &[high, low, 0, 1]].concat()
}

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

/// One letter and a number, in decimal.
fn label(buffer: &mut [u8], letter: u8, number: u64) -> usize {
    let mut digits = [0; 20];
    let mut count = 0;
    let mut rest = number;
    loop {
        digits[count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    buffer[0] = count as u8 + 1;
    buffer[1] = letter;
    for (place, digit) in digits[..count].iter().rev().enumerate() {
        buffer[2 + place] = *digit;
    }
    2 + count
}

/// The number in a query's or a reply's name, if it is one of ours, in whatever case.
pub(crate) fn number_of(message: &[u8]) -> Option<u64> {
    let label = message.get(13..13 + usize::from(*message.get(12)?))?;
    let (letter, digits) = label.split_first()?;
    let is_ours = letter.eq_ignore_ascii_case(&b'n') && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| is_ours)
}

/// The address in the first record behind the question, if it is an A record.
pub(crate) fn first_address(message: &[u8], mut at: usize) -> Option<[u8; 4]> {
    if message[6..8] == [0, 0] {
        return None;
    }
    loop {
        match *message.get(at)? {
            0 => {
                at += 1;
                break;
            }
            0xC0.. => {
                at += 2;
                break;
            }
            len => at += 1 + usize::from(len),
        }
    }
    let fixed = message.get(at..at + 14)?;
    (fixed[..2] == [0, 1] && fixed[8..10] == [0, 4]).then(|| [fixed[10], fixed[11], fixed[12], fixed[13]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_back_from_a_name_in_any_case() {
        assert_eq!(number_of(&query("n4711.load.example", A)), Some(4711));
        assert_eq!(number_of(&query("N0.LOAD.example", A)), Some(0));
        for other in ["", "n", "ns1.example", "m12.example", "n-1.example", "n99999999999999999999.example"] {
            assert_eq!(number_of(&query(other, A)), None, "{other}");
        }
        assert_eq!(number_of(&[0; 12]), None);
        assert_eq!(number_of(&[&[0; 12][..], b"\x05n12"].concat()), None);
    }
}
