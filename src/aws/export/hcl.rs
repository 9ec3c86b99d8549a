//! HCL as `terraform fmt` lays it out: blocks, attributes under each other, strings that mean what they say.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What stands in a block, in order.
#[derive(Default)]
pub(super) struct Body {
    lines: Vec<Line>,
}

enum Line {
    Attribute(String, String),
    Block(String, Body),
    Comment(String),
    Gap,
}

impl Body {
    /// An expression, as it is written.
    pub fn expression(mut self, key: &str, value: impl Into<String>) -> Body {
        self.lines.push(Line::Attribute(key.to_owned(), value.into()));
        self
    }

    pub fn text(self, key: &str, value: &str) -> Body {
        self.expression(key, quoted(value))
    }

    pub fn flag(self, key: &str, value: bool) -> Body {
        if value { self.expression(key, "true") } else { self }
    }

    pub fn texts(self, key: &str, values: impl IntoIterator<Item = String>) -> Body {
        let values: Vec<String> = values.into_iter().map(|value| quoted(&value)).collect();
        self.expression(key, format!("[{}]", values.join(", ")))
    }

    /// Nothing if there are none.
    pub fn map(self, key: &str, values: &BTreeMap<String, String>) -> Body {
        if values.is_empty() {
            return self;
        }
        let width = values.keys().map(|key| quoted(key).chars().count()).max().unwrap_or_default();
        let lines = values.iter().map(|(key, value)| format!("\n{:width$} = {}", quoted(key), quoted(value)));
        let lines: String = lines.collect();
        self.expression(key, format!("{{{lines}\n}}"))
    }

    pub fn block(mut self, head: &str, body: Body) -> Body {
        self.lines.push(Line::Block(head.to_owned(), body));
        self
    }

    /// An empty line.
    pub fn gap(mut self) -> Body {
        self.lines.push(Line::Gap);
        self
    }

    pub fn comment(mut self, text: &str) -> Body {
        self.lines.push(Line::Comment(harmless(text)));
        self
    }

    pub fn written(&self) -> String {
        let mut page = String::new();
        self.write(&mut page, 0);
        page
    }

    fn write(&self, page: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        for (index, line) in self.lines.iter().enumerate() {
            match line {
                Line::Gap => page.push('\n'),
                Line::Comment(text) => {
                    let _ = writeln!(page, "{indent}# {text}");
                }
                Line::Attribute(key, value) => {
                    let width = self.width(index);
                    let value = closed(&value.replace('\n', &format!("\n{indent}  ")), &indent);
                    let _ = writeln!(page, "{indent}{key:width$} = {value}");
                }
                Line::Block(head, body) => {
                    if index > 0 {
                        page.push('\n');
                    }
                    let _ = writeln!(page, "{indent}{head} {{");
                    body.write(page, depth + 1);
                    let _ = writeln!(page, "{indent}}}");
                }
            }
        }
    }

    /// Attributes that stand under each other have their signs under each other; one of several lines stands alone.
    fn width(&self, index: usize) -> usize {
        let single = |line: &Line| matches!(line, Line::Attribute(_, value) if !value.contains('\n'));
        let length = |line: &Line| match line {
            Line::Attribute(key, _) => key.len(),
            _ => 0,
        };
        if !single(&self.lines[index]) {
            return length(&self.lines[index]);
        }
        let before = self.lines[..index].iter().rev().take_while(|line| single(line));
        let after = self.lines[index..].iter().take_while(|line| single(line));
        before.chain(after).map(length).max().unwrap_or_default()
    }
}

/// The bracket that ends a value of several lines stands under its key.
fn closed(value: &str, indent: &str) -> String {
    match value.strip_suffix('}').filter(|_| value.contains('\n')) {
        Some(rest) => format!("{}\n{indent}}}", rest.trim_end()),
        None => value.to_owned(),
    }
}

/// A quoted template of HCL in which nothing is interpolated.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // `$${` and `%%{` stand for `${` and `%{`; a third sign before them would be read in several ways.
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            c if c.is_control() || ("$%".contains(c) && rest.peek() == Some(&c)) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_mean_what_they_say() {
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("${var.x} %{if} $ %"), r#""$${var.x} %%{if} $ %""#);
        assert_eq!(quoted("$${x}"), r#""\u0024$${x}""#);
        assert_eq!(quoted("a\nb\u{7}"), r#""a\nb\u0007""#);
    }

    #[test]
    fn it_is_laid_out_as_fmt_does() {
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("team".to_owned(), "net".to_owned())]);
        let inner = Body::default().text("ip", "10.0.0.1").text("subnet_id", "subnet-1");
        let body = Body::default()
            .text("name", "in")
            .expression("resource_id", "x.y")
            .map("tags", &tags)
            .block("ip_address", inner);
        let page = Body::default().block("resource \"a\" \"b\"", body).written();
        let wanted = "resource \"a\" \"b\" {\n  name        = \"in\"\n  resource_id = x.y\n  tags = {\n    \"a\"    = \
                      \"1\"\n    \"team\" = \"net\"\n  }\n\n  ip_address {\n    ip        = \"10.0.0.1\"\n    \
                      subnet_id = \"subnet-1\"\n  }\n}\n";
        assert_eq!(page, wanted);
    }
}
