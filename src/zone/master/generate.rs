//! `$GENERATE` (BIND's addition): its range, and the value put into its templates. Bounds on the number of
//! records are the reader's.

use super::types::decimal;

/// Widest a number may be made: a label has 63 octets, an address in nibbles 63.
const MAX_WIDTH: usize = 255;

/// `start-stop` or `start-stop/step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: u32,
    pub stop: u32,
    pub step: u32,
}

impl Range {
    pub fn parse(word: &[u8]) -> Option<Range> {
        let text = std::str::from_utf8(word).ok()?;
        let (range, step) = text.split_once('/').unwrap_or((text, "1"));
        let (start, stop) = range.split_once('-')?;
        let number =
            |digits: &str| decimal::<u32>(digits.as_bytes()).filter(|value| *value <= i32::MAX as u32);
        let range = Range { start: number(start)?, stop: number(stop)?, step: number(step)? };
        (range.start <= range.stop && range.step > 0).then_some(range)
    }

    pub fn count(&self) -> usize {
        ((self.stop - self.start) / self.step) as usize + 1
    }

    pub fn values(&self) -> impl Iterator<Item = u32> + use<> {
        (self.start..=self.stop).step_by(self.step as usize)
    }
}

/// Appends `template` with `$` and `${offset,width,base}` replaced by `value`. `$$` is a dollar, and what
/// follows a backslash stays as it is. `None` where a modifier is malformed or the number negative.
pub fn substitute(template: &[u8], value: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    while let Some(&byte) = template.get(at) {
        at += 1;
        match (byte, template.get(at)) {
            (b'$', Some(b'$')) => {
                out.push(b'$');
                at += 1;
            }
            (b'$', Some(b'{')) => {
                let length = template[at..].iter().position(|&byte| byte == b'}')?;
                modified(&template[at + 1..at + length], value, out)?;
                at += length + 1;
            }
            (b'$', _) => out.extend(value.to_string().bytes()),
            (b'\\', Some(&next)) => {
                out.extend([b'\\', next]);
                at += 1;
            }
            _ => out.push(byte),
        }
    }
    Some(())
}

fn modified(modifier: &[u8], value: u32, out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(modifier).ok()?;
    let mut parts = text.split(',');
    let offset: i64 = parts.next()?.parse::<i32>().ok()?.into();
    let width = parts.next().map_or(Some(0), |width| decimal::<usize>(width.as_bytes()))?;
    let base = parts.next().unwrap_or("d");
    let value = u64::try_from(i64::from(value) + offset).ok()?;
    if parts.next().is_some() || width > MAX_WIDTH {
        return None;
    }
    let written = match base {
        "d" => format!("{value:0width$}"),
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        "n" => nibbles(value, width),
        "N" => nibbles(value, width).to_ascii_uppercase(),
        _ => return None,
    };
    out.extend(written.bytes());
    Some(())
}

/// Hexadecimal digits from the lowest on with dots between; `width` counts the dots as well.
fn nibbles(mut value: u64, width: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from_digit((value & 15) as u32, 16).expect("four bits are a hexadecimal digit"));
        value >>= 4;
        if value == 0 && text.len() >= width {
            return text;
        }
        text.push('.');
        if value == 0 && text.len() >= width {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(template: &str, value: u32) -> Option<String> {
        let mut out = Vec::new();
        substitute(template.as_bytes(), value, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn templates() {
        for (template, value, expected) in [
            ("host-$", 7, "host-7"),
            ("$$.$", 7, "$.7"),
            (r"\$.$", 7, r"\$.7"),
            ("${0,3}", 7, "007"),
            ("${-5,2,d}x", 7, "02x"),
            ("${8,4,x}.${8,4,X}.${0,0,o}", 7, "000f.000F.7"),
            ("${0,4,n}", 0x1f, "f.1."),
            ("${0,7,n}", 0x1f, "f.1.0.0"),
            ("${0,0,N}", 0x1f, "F.1"),
        ] {
            assert_eq!(with(template, value).as_deref(), Some(expected), "{template}");
        }
        for template in ["${0", "${}", "${a}", "${-8}", "${0,999}", "${0,1,q}", "${0,1,d,}"] {
            assert_eq!(with(template, 7), None, "{template}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(Range::parse(b"1-10/4").unwrap().values().collect::<Vec<_>>(), [1, 5, 9]);
        assert_eq!(Range::parse(b"1-10/4").unwrap().count(), 3);
        assert_eq!(Range::parse(b"5-5").unwrap().count(), 1);
        for text in ["", "1", "2-1", "1-2/0", "1-x", "0-4294967295", "-1-2"] {
            assert_eq!(Range::parse(text.as_bytes()), None, "{text}");
        }
    }
}
