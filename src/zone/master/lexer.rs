//! Cuts a master file into entries and an entry into words (RFC 1035 section 5.1): parentheses, comments,
//! quoted strings. Works on octets, knows no types, never goes back.

/// Words of one entry: base64 of 65,535 octets in words of one character each is 87,380.
const MAX_WORDS: usize = 100_000;

/// A word, its escapes still in it; the text of a quoted one is without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a [u8],
    pub quoted: bool,
    /// Where it starts, for messages; the quote where there is one.
    pub at: u32,
    /// Does it follow the one before it without a blank, as in `alpn="h2"`?
    pub joined: bool,
}

/// What the lexer found next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An entry whose words are in the caller's list; without owner if its line starts with a blank.
    Entry {
        starts_blank: bool,
    },
    Fault(LexFault),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexFault {
    pub at: u32,
    pub kind: LexFaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexFaultKind {
    OpenParenthesis,
    StrayParenthesis,
    OpenQuote,
    TooManyWords,
    NotUtf8,
}

impl LexFaultKind {
    /// What is wrong, and what to do.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self {
            LexFaultKind::OpenParenthesis => {
                ("this parenthesis is never closed", "add ')' where the record ends")
            }
            LexFaultKind::StrayParenthesis => {
                ("this parenthesis closes nothing", "remove it, or add '(' where the record starts")
            }
            LexFaultKind::OpenQuote => (
                "this quote is not closed on its line",
                "add '\"' at the end of the string; a quote inside it is written '\\\"'",
            ),
            LexFaultKind::TooManyWords => ("this entry has more than 100,000 words", "split it"),
            LexFaultKind::NotUtf8 => (
                "this word is neither ASCII nor UTF-8",
                "save the file as UTF-8, or write such octets as \\DDD; names of other scripts are written in ASCII form, xn--...",
            ),
        }
    }
}

pub struct Lexer {
    at: usize,
}

impl Lexer {
    pub fn new(text: &[u8]) -> Lexer {
        // Some editors write a byte order mark.
        Lexer { at: if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    /// Reads the next entry that has words. After a fault it goes on with the next line.
    pub fn next<'a>(&mut self, text: &'a [u8], tokens: &mut Vec<Token<'a>>) -> Next {
        while self.at < text.len() {
            tokens.clear();
            let starts_blank = matches!(text[self.at], b' ' | b'\t');
            match self.entry(text, tokens) {
                Ok(()) if tokens.is_empty() => {}
                Ok(()) => return Next::Entry { starts_blank },
                Err(fault) => {
                    self.skip_line(text);
                    return Next::Fault(fault);
                }
            }
        }
        Next::End
    }

    fn entry<'a>(&mut self, text: &'a [u8], tokens: &mut Vec<Token<'a>>) -> Result<(), LexFault> {
        // The first parenthesis is what a message points at; of the others only the number counts.
        let (mut depth, mut first_open) = (0u32, None);
        while let Some(&byte) = text.get(self.at) {
            match byte {
                b'\n' if depth == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.skip_comment(text),
                b'(' => {
                    first_open = first_open.filter(|_| depth > 0).or(Some(self.at));
                    depth += 1;
                    self.at += 1;
                }
                b')' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b')' => return Err(self.fault(self.at, LexFaultKind::StrayParenthesis)),
                b'"' => tokens.push(self.quoted(text)?),
                _ => tokens.push(self.plain(text)?),
            }
            if tokens.len() > MAX_WORDS {
                return Err(self.fault(self.at.saturating_sub(1), LexFaultKind::TooManyWords));
            }
        }
        match first_open {
            Some(at) if depth > 0 => Err(self.fault(at, LexFaultKind::OpenParenthesis)),
            _ => Ok(()),
        }
    }

    fn quoted<'a>(&mut self, text: &'a [u8]) -> Result<Token<'a>, LexFault> {
        let opening = self.at;
        let mut at = opening + 1;
        loop {
            match text.get(at) {
                None | Some(b'\n') => return Err(self.fault(opening, LexFaultKind::OpenQuote)),
                Some(b'"') => break,
                Some(b'\\') if text.get(at + 1).is_some_and(|&next| next != b'\n') => at += 2,
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(token(text, opening + 1, at, true))
    }

    fn plain<'a>(&mut self, text: &'a [u8]) -> Result<Token<'a>, LexFault> {
        let start = self.at;
        let mut at = start;
        while let Some(&byte) = text.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                b'\\' if text.get(at + 1).is_some_and(|&next| next != b'\n') => at += 2,
                _ => at += 1,
            }
        }
        self.at = at;
        let token = token(text, start, at, false);
        match std::str::from_utf8(token.text) {
            Ok(_) => Ok(token),
            Err(_) => Err(self.fault(start, LexFaultKind::NotUtf8)),
        }
    }

    fn skip_comment(&mut self, text: &[u8]) {
        self.at = line_end(text, self.at);
    }

    fn skip_line(&mut self, text: &[u8]) {
        self.at = (line_end(text, self.at) + 1).min(text.len());
    }

    fn fault(&self, at: usize, kind: LexFaultKind) -> LexFault {
        LexFault { at: at as u32, kind }
    }
}

fn token(text: &[u8], start: usize, end: usize, quoted: bool) -> Token<'_> {
    let at = if quoted { start - 1 } else { start };
    let joined = at > 0 && !matches!(text[at - 1], b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'"');
    Token { text: &text[start..end], quoted, at: at as u32, joined }
}

fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| at + newline)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<(bool, Vec<String>), (u32, LexFaultKind)>;

    fn entries(text: &str) -> Vec<Read> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut tokens = Vec::new();
        let mut found = Vec::new();
        loop {
            match lexer.next(text.as_bytes(), &mut tokens) {
                Next::Entry { starts_blank } => {
                    let words = tokens.iter().map(|token| String::from_utf8_lossy(token.text).into_owned());
                    found.push(Ok((starts_blank, words.collect())));
                }
                Next::Fault(fault) => found.push(Err((fault.at, fault.kind))),
                Next::End => return found,
            }
        }
    }

    fn words(blank: bool, list: &[&str]) -> Read {
        Ok((blank, list.iter().map(|&word| word.to_owned()).collect()))
    }

    #[test]
    fn parentheses_comments_and_quotes() {
        let text = "a b ; c\n\n ( x ; )\n y )z\n\"q ; \\\" ( r\" k=\"v\"\\;t\n";
        let expected = [
            words(false, &["a", "b"]),
            words(true, &["x", "y", "z"]),
            words(false, &[r#"q ; \" ( r"#, "k=", "v", r"\;t"]),
        ];
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn faults_have_the_place_of_the_opening() {
        assert_eq!(
            entries("a \"b\nc )\nd\n"),
            [
                Err((2, LexFaultKind::OpenQuote)),
                Err((7, LexFaultKind::StrayParenthesis)),
                words(false, &["d"])
            ]
        );
        assert_eq!(entries("a ( b\nc\n"), [Err((2, LexFaultKind::OpenParenthesis))]);
        assert_eq!(entries("a\\"), [words(false, &["a\\"])]);
    }
}
