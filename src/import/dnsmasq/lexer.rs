//! Lines of dnsmasq's configuration: an option, and what stands behind its `=`. Knows quotation marks and comments, and
//! which options take a value.

use super::options::{self, Takes};
use crate::import::reading::{File, fault};
use crate::import::{Place, Unreadable};

/// One option as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub name: &'static str,
    pub value: Option<String>,
    pub place: Place,
    pub text: String,
}

/// What stands for signs inside quotation marks, so that they part nothing: private characters, in the order of
/// [`HIDDEN`].
const FIRST_HIDDEN: u32 = 0xe000;
const HIDDEN: &str = ",:./#=";

/// All options of a file.
pub fn read(file: &File) -> Result<Vec<Line>, Unreadable> {
    let mut lines = Vec::new();
    for (number, text) in file.text.lines().enumerate() {
        let at = |column: usize| Place {
            file: file.name.clone(),
            line: number as u32 + 1,
            column: column as u32 + 1,
        };
        let bare = unquoted(text).map_err(|column| {
            fault(&at(column), "this quotation has no end on its line", "close it with a quotation mark")
        })?;
        let begin = text.chars().take_while(|c| c.is_whitespace()).count();
        let bare = bare.trim();
        if !bare.is_empty() {
            lines.push(option(bare, at(begin), text.trim())?);
        }
    }
    Ok(lines)
}

fn option(bare: &str, place: Place, text: &str) -> Result<Line, Unreadable> {
    let (name, value) = match bare.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (bare, None),
    };
    let Some((name, takes)) = options::find(name) else {
        let message = format!("dnsmasq has no option `{}`", super::super::reading::shown(&visible(name)));
        return Err(fault(&place, message, "correct the word; options are written without `--` here"));
    };
    let value = value.filter(|value| !value.is_empty());
    match (takes, &value) {
        (Takes::Nothing, Some(_)) => {
            Err(fault(&place, format!("`{name}` takes no value"), format!("write `{name}` alone")))
        }
        (Takes::Value, None) => {
            Err(fault(&place, format!("`{name}` needs a value"), format!("write {name}=...")))
        }
        _ => Ok(Line { name, value: value.map(str::to_owned), place, text: text.to_owned() }),
    }
}

/// Takes quotation marks and the comment away. Errors: the column of a mark that nothing closes.
fn unquoted(text: &str) -> Result<String, usize> {
    let mut bare = String::with_capacity(text.len());
    let mut space_before = true;
    let mut rest = text.chars().enumerate();
    while let Some((column, c)) = rest.next() {
        match c {
            '"' => {
                quotation(&mut rest, &mut bare).ok_or(column)?;
                space_before = false;
            }
            '#' if space_before => break,
            c => {
                space_before = c.is_whitespace();
                bare.push(if space_before { ' ' } else { c });
            }
        }
    }
    Ok(bare)
}

fn quotation(rest: &mut impl Iterator<Item = (usize, char)>, bare: &mut String) -> Option<()> {
    loop {
        let (_, c) = rest.next()?;
        let c = match c {
            '"' => return Some(()),
            '\\' => match rest.next()?.1 {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'b' => '\u{8}',
                'e' => '\u{1b}',
                '"' => '"',
                '\\' => '\\',
                other => {
                    bare.push('\\');
                    other
                }
            },
            c => c,
        };
        let hidden = HIDDEN.chars().position(|sign| sign == c);
        bare.push(hidden.and_then(|at| char::from_u32(FIRST_HIDDEN + at as u32)).unwrap_or(c));
    }
}

/// The text with signs from quotations as they were.
pub fn visible(text: &str) -> String {
    let show = |c: char| {
        let at = u32::from(c).checked_sub(FIRST_HIDDEN).and_then(|at| HIDDEN.chars().nth(at as usize));
        at.unwrap_or(c)
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_and_comments() {
        assert_eq!(unquoted("server=10.0.0.1#5353 # comment").unwrap().trim(), "server=10.0.0.1#5353");
        assert_eq!(unquoted("# all"), Ok(String::new()));
        assert_eq!(
            visible(&unquoted("txt-record=a,\"b # c, \\\"d\\\"\"").unwrap()),
            "txt-record=a,b # c, \"d\""
        );
        assert_eq!(unquoted("a=\"b"), Err(2));
    }
}
